//! Ways of publishing keys, bad ones among them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};
use tokio_stream::StreamExt as _;

use crate::failure::Result as Outcome;

/// How an issuer publishes its keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Publishing {
    /// As it should.
    #[default]
    Well,
    /// 503.
    Down,
    /// After so long.
    Slowly(Duration),
    /// A gigabyte of spaces before them.
    Gigabyte,
    /// Among so many others.
    Among(usize),
}

impl Publishing {
    /// The answer to who asks for `keys`. Bytes of a gigabyte are counted in `sent`.
    pub(super) async fn answer(
        self,
        keys: Vec<Value>,
        sent: &Arc<AtomicUsize>,
    ) -> Result<Response, StatusCode> {
        match self {
            Self::Well => Ok(set(&keys)),
            Self::Down => Err(StatusCode::SERVICE_UNAVAILABLE),
            Self::Slowly(after) => {
                tokio::time::sleep(after).await;
                Ok(set(&keys))
            }
            Self::Gigabyte => Ok(gigabyte(Arc::clone(sent))),
            Self::Among(others) => {
                let other = |nth| {
                    let mut key = keys.first().cloned().unwrap_or_default();
                    key["kid"] = json!(format!("other-{nth}"));
                    key
                };
                let all: Vec<_> = (0..others).map(other).chain(keys.clone()).collect();
                Ok(set(&all))
            }
        }
    }
}

fn set(keys: &[Value]) -> Response {
    Json(json!({ "keys": keys })).into_response()
}

fn gigabyte(sent: Arc<AtomicUsize>) -> Response {
    const PART: usize = 1 << 16;
    let part = Bytes::from(vec![b' '; PART]);
    let parts = tokio_stream::iter(0..(1 << 30) / PART).map(move |_| {
        sent.fetch_add(PART, Ordering::Relaxed);
        Outcome::Ok(part.clone())
    });
    Body::from_stream(parts).into_response()
}
