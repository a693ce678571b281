//! Opaque tokens: their issuer is asked about each (RFC 7662), and knows us by a
//! secret.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{DevelopmentIssuer, LIFETIME, merge, now};

/// The name that the server is registered under with the issuer of opaque tokens.
pub const CLIENT_ID: &str = "chaperone";

/// What proves that it is the server that asks.
pub const CLIENT_SECRET: &str = "of-the-stories";

/// What the issuer of opaque tokens knows.
#[derive(Debug, Default)]
pub(super) struct Known {
    tokens: Mutex<HashMap<String, Value>>,
    asked: AtomicUsize,
}

impl DevelopmentIssuer {
    /// The `iss` of opaque tokens; `/introspect` below it is the endpoint.
    pub fn opaque_issuer_url(&self) -> String {
        format!("{}/opaque", self.url())
    }

    /// An opaque token with the usual claims and `claims` over them.
    pub fn mint_opaque(&self, claims: &Value) -> String {
        let token = Uuid::new_v4().simple().to_string();
        let issued = now();
        let mut all = json!({
            "active": true, "aud": "customers", "iat": issued, "exp": issued + LIFETIME,
        });
        merge(all.as_object_mut().expect("written above"), claims);
        self.opaque().tokens.lock().expect("no holder panics").insert(token.clone(), all);
        token
    }

    /// Ends an opaque token before its time.
    pub fn end_opaque(&self, token: &str) {
        self.opaque().tokens.lock().expect("no holder panics").remove(token);
    }

    /// How often the issuer was asked about an opaque token.
    pub fn opaque_asked(&self) -> usize {
        self.opaque().asked.load(Ordering::Relaxed)
    }
}

impl Known {
    /// The answer to a question in a form; `None` when it is not the server that asks.
    pub(super) fn answer(&self, authorization: &str, form: &str) -> Option<Value> {
        let expected = STANDARD.encode(format!("{CLIENT_ID}:{CLIENT_SECRET}"));
        if authorization != format!("Basic {expected}") {
            return None;
        }
        self.asked.fetch_add(1, Ordering::Relaxed);
        let token = form.split('&').find_map(|pair| pair.strip_prefix("token="))?;
        let known = self.tokens.lock().expect("no holder panics").get(token).cloned();
        Some(known.unwrap_or_else(|| json!({ "active": false })))
    }
}
