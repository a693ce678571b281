//! Opaque tokens: their issuer is asked what they are (RFC 7662), and what it said is
//! remembered for a while.
//!
//! However many requests come with one token, the issuer is asked once; what it
//! answers, good or not, is kept by the SHA-256 of the token, in a cache that is
//! bounded in size and time. An answer is read as strictly as signed claims are.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use quick_cache::sync::{Cache, EntryAction, EntryResult};
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Client, StatusCode};
use serde_json::Value;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};
use zeroize::Zeroizing;

use super::chain::IssuerAlias;
use super::claims::Claims;
use super::error::IdentityError;
use super::fetch::JwksUrl;
use super::issuer::IssuerUrl;
use super::token::{OpaqueToken, TokenDigest};
use super::verified::VerifiedToken;
use crate::time::UnixMillis;

/// The biggest answer that is read.
const MAX_ANSWER_BYTES: usize = 64 * 1024;
/// How many tokens of one issuer are remembered.
const REMEMBERED: usize = 10_000;
/// How many of its tokens an issuer is asked about at once; the others wait.
const CALLS: usize = 64;
/// How long an issuer that cannot be asked is left alone about one token.
const AFTER_FAILURE: Duration = Duration::from_secs(1);

/// Where an issuer is asked about its opaque tokens, and how.
#[derive(Clone, Debug)]
pub struct IntrospectionSettings {
    /// The introspection endpoint.
    pub url: JwksUrl,
    /// The name that we are registered under there.
    pub client_id: String,
    /// What proves that we are.
    pub client_secret: ClientSecret,
    /// What its opaque tokens begin with; `None` for those of nobody else.
    pub prefix: Option<String>,
    /// How long it may take to answer.
    pub timeout: Duration,
    /// How long a good token is believed to be good, at most; never past its `exp`.
    pub remember_active: Duration,
    /// How long a bad one is believed to be bad.
    pub remember_inactive: Duration,
}

/// A client secret. It does not print, and is wiped from memory when it is dropped.
#[derive(Clone)]
pub struct ClientSecret(Zeroizing<String>);

impl ClientSecret {
    /// The secret `text` is; `None` when it is empty.
    pub fn new(text: &str) -> Option<Self> {
        (!text.is_empty()).then(|| Self(Zeroizing::new(text.to_owned())))
    }
}

impl fmt::Debug for ClientSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientSecret(..)")
    }
}

/// Which issuer is asked about an opaque token: the one whose prefix it has, the
/// longest first.
#[derive(Debug, Default)]
pub(super) struct Prefixes(Vec<(String, IssuerAlias)>);

/// Two issuers have one prefix, or none.
pub(super) struct PrefixTwice(pub(super) IssuerAlias, pub(super) IssuerAlias);

impl Prefixes {
    /// Those of the issuers that are asked.
    pub(super) fn new<'a>(
        issuers: impl Iterator<Item = (&'a IssuerAlias, &'a IntrospectionSettings)>,
    ) -> Result<Self, PrefixTwice> {
        let mut by_prefix: BTreeMap<String, IssuerAlias> = BTreeMap::new();
        for (alias, settings) in issuers {
            let prefix = settings.prefix.clone().unwrap_or_default();
            if let Some(other) = by_prefix.insert(prefix, alias.clone()) {
                return Err(PrefixTwice(other, alias.clone()));
            }
        }
        let mut prefixes: Vec<_> = by_prefix.into_iter().collect();
        prefixes.sort_by_key(|(prefix, _)| std::cmp::Reverse(prefix.len()));
        Ok(Self(prefixes))
    }

    /// Whether nobody is asked.
    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whom to ask about `token`.
    pub(super) fn issuer_of(&self, token: &OpaqueToken) -> Option<&IssuerAlias> {
        let found = self.0.iter().find(|(prefix, _)| token.begins_with(prefix));
        found.map(|(_, alias)| alias)
    }
}

/// Asks one issuer, and remembers what it said.
pub(super) struct Introspector {
    alias: IssuerAlias,
    issuer: IssuerUrl,
    settings: IntrospectionSettings,
    authorization: HeaderValue,
    client: Client,
    calls: Semaphore,
    answers: Cache<TokenDigest, Remembered>,
}

/// What the issuer said, and until when that counts.
#[derive(Clone)]
struct Remembered {
    answer: Answer,
    until: Instant,
}

type Answer = Result<Arc<VerifiedToken>, IdentityError>;

/// The issuer could not be asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
enum AskError {
    #[error("no answer in time")]
    Timeout,
    #[error("no connection")]
    Connect,
    #[error("the connection broke")]
    Broken,
    #[error("the answer has status {0}")]
    Status(u16),
    #[error("the answer is longer than {MAX_ANSWER_BYTES} bytes")]
    TooLarge,
    #[error("the answer is not a JSON object whose `active` is true or false")]
    NotAnAnswer,
}

impl fmt::Debug for Introspector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Introspector").field("alias", &self.alias).finish_non_exhaustive()
    }
}

impl Introspector {
    /// One that asks the issuer `alias`, whose `iss` is `issuer`; an error when the
    /// system has no certificates to know it by.
    pub(super) fn new(
        alias: IssuerAlias,
        issuer: IssuerUrl,
        settings: IntrospectionSettings,
    ) -> Result<Self, reqwest::Error> {
        let client = Client::builder()
            .timeout(settings.timeout)
            .redirect(Policy::none())
            .no_proxy()
            .referer(false)
            .user_agent(concat!("chaperone/", env!("CARGO_PKG_VERSION")));
        // Without https there is nobody to verify, and a container without
        // certificates still works.
        let client = if settings.url.is_https() { client } else { client.tls_certs_only([]) };
        Ok(Self {
            authorization: basic(&settings.client_id, &settings.client_secret),
            client: client.build()?,
            calls: Semaphore::new(CALLS),
            answers: Cache::new(REMEMBERED),
            alias,
            issuer,
            settings,
        })
    }

    /// What `token` says, as `read` makes it of the claims in the issuer's answer, at
    /// most `max_depth` hops of their chain.
    ///
    /// [`IdentityError::TokenInactive`] when the issuer says so, and
    /// [`IdentityError::IntrospectionUnavailable`] when it says nothing.
    pub(super) async fn introspect(
        &self,
        token: &OpaqueToken,
        max_depth: usize,
        now: UnixMillis,
        read: impl Fn(&Claims) -> Result<VerifiedToken, IdentityError>,
    ) -> Answer {
        let digest = token.digest();
        let known = |_: &TokenDigest, known: &mut Remembered| {
            if known.until > Instant::now() {
                EntryAction::Retain(known.answer.clone())
            } else {
                EntryAction::ReplaceWithGuard
            }
        };
        // One asks, the others wait for what it is told. Should it be cancelled, the
        // next one asks.
        let entry = timeout(self.settings.timeout * 2, self.answers.entry_async(&digest, known));
        let place = match entry.await {
            Ok(EntryResult::Retained(answer)) => return answer,
            Ok(EntryResult::Vacant(place) | EntryResult::Replaced(place, _)) => place,
            Ok(EntryResult::Removed(..) | EntryResult::Timeout) | Err(_) => {
                return Err(IdentityError::IntrospectionUnavailable);
            }
        };
        let answer = self.asked(token, max_depth, &read).await;
        let until = Instant::now() + self.remembers(&answer, now);
        let remembered = Remembered { answer: answer.clone(), until };
        // It fails only when the place was taken away, and then nobody waits there.
        let _ = place.insert(remembered);
        answer
    }

    /// How long `answer` is remembered.
    fn remembers(&self, answer: &Answer, now: UnixMillis) -> Duration {
        match answer {
            Ok(token) => self.settings.remember_active.min(token.facts.expires_at.since(now)),
            Err(IdentityError::IntrospectionUnavailable) => AFTER_FAILURE,
            Err(_) => self.settings.remember_inactive,
        }
    }

    async fn asked(
        &self,
        token: &OpaqueToken,
        max_depth: usize,
        read: impl Fn(&Claims) -> Result<VerifiedToken, IdentityError>,
    ) -> Answer {
        let answer = timeout(self.settings.timeout, self.ask(token)).await;
        let text = answer.unwrap_or(Err(AskError::Timeout)).map_err(|error| self.failed(&error))?;
        let claims = Claims::parse(&text, max_depth).map_err(|error| match error {
            IdentityError::ChainTooDeep { .. } => error,
            _ => self.failed(&AskError::NotAnAnswer),
        })?;
        // Identity providers leave `sub` out where there is no resource owner.
        let claims = claims.of_client();
        match claims.object().get("active") {
            Some(Value::Bool(true)) => {}
            Some(Value::Bool(false)) => return Err(IdentityError::TokenInactive),
            _ => return Err(self.failed(&AskError::NotAnAnswer)),
        }
        match claims.object().get("iss") {
            None => {}
            Some(Value::String(iss)) if iss == self.issuer.as_str() => {}
            Some(_) => {
                return Err(IdentityError::ClaimsMalformed("`iss` is not that of its issuer"));
            }
        }
        read(&claims).map(Arc::new)
    }

    async fn ask(&self, token: &OpaqueToken) -> Result<Vec<u8>, AskError> {
        let _permit = self.calls.acquire().await.map_err(|_| AskError::Broken)?;
        let request = self
            .client
            .post(self.settings.url.to_string())
            .header(AUTHORIZATION, self.authorization.clone())
            .header(ACCEPT, "application/json")
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(form(token));
        let mut response = request.send().await.map_err(|error| failed(&error))?;
        if response.status() != StatusCode::OK {
            return Err(AskError::Status(response.status().as_u16()));
        }
        let mut answer = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| failed(&error))? {
            if answer.len() + chunk.len() > MAX_ANSWER_BYTES {
                return Err(AskError::TooLarge);
            }
            answer.extend_from_slice(&chunk);
        }
        Ok(answer)
    }

    fn failed(&self, error: &AskError) -> IdentityError {
        tracing::warn!(issuer = %self.alias, %error, "an issuer could not be asked about a token");
        IdentityError::IntrospectionUnavailable
    }
}

/// The request of RFC 7662 section 2.1.
fn form(token: &OpaqueToken) -> String {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("token", token.as_str());
    form.append_pair("token_type_hint", "access_token");
    form.finish()
}

/// The client's credentials as RFC 6749 section 2.3.1 has them: encoded as in a form,
/// then as HTTP Basic.
fn basic(id: &str, secret: &ClientSecret) -> HeaderValue {
    let encoded =
        |text: &str| -> String { form_urlencoded::byte_serialize(text.as_bytes()).collect() };
    let pair = Zeroizing::new(format!("{}:{}", encoded(id), encoded(&secret.0)));
    let value = Zeroizing::new(format!("Basic {}", STANDARD.encode(pair.as_bytes())));
    // Base64 is made of characters that a header may have.
    let mut header =
        HeaderValue::from_str(&value).unwrap_or_else(|_| HeaderValue::from_static("Basic"));
    header.set_sensitive(true);
    header
}

fn failed(error: &reqwest::Error) -> AskError {
    if error.is_timeout() {
        AskError::Timeout
    } else if error.is_connect() {
        AskError::Connect
    } else {
        AskError::Broken
    }
}
