//! Asking a Kubernetes API server who a token is (TokenReview), instead of verifying
//! it with published keys: it knows as well whether the pod is still there.
//!
//! <https://kubernetes.io/docs/reference/kubernetes-api/authentication-resources/token-review-v1/>
//!
//! The answer says who; what the token itself says only ends its life earlier.

use std::collections::BTreeSet;
use std::fmt;
use std::hash::RandomState;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use quick_cache::UnitWeighter;
use quick_cache::sync::{Cache, EntryAction, EntryResult};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, Response};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};
use zeroize::Zeroizing;

use super::chain::IssuerAlias;
use super::claims::Claims;
use super::error::IdentityError;
use super::fetch::JwksUrl;
use super::token::Token;
use crate::time::UnixMillis;

/// Where the API server takes reviews.
const PATH: &str = "/apis/authentication.k8s.io/v1/tokenreviews";
/// The longest that a review may take, waiting for its turn included: less than Envoy
/// waits for us.
const REVIEW_TIMEOUT: Duration = Duration::from_millis(1500);
/// The most reviews at once: tokens that nobody signed cost the API server no more.
const MAX_AT_ONCE: usize = 64;
/// How long an API server that gave no answer is left alone about one token.
const AFTER_FAILURE: Duration = Duration::from_secs(1);
/// The biggest answer that is read, and the longest token of our own.
const MAX_ANSWER_BYTES: usize = 256 * 1024;
const MAX_OWN_TOKEN_BYTES: u64 = 16 * 1024;
/// The most answers that are kept.
const CACHE_ENTRIES: usize = 10_000;
/// How long it is remembered that a token is not good.
const REFUSED_FOR: Duration = Duration::from_secs(5);
/// The service accounts' part of a user name.
const SERVICE_ACCOUNT: &str = "system:serviceaccount:";

/// The API server that is asked, and how.
#[derive(Clone)]
pub struct TokenReviewSettings {
    /// Its base URL, `https://kubernetes.default.svc` inside of its cluster.
    pub url: JwksUrl,
    /// Whom its certificate is from; `None` for those that the system trusts.
    pub authorities: Option<Vec<Certificate>>,
    /// The file with our own token, read anew for each review: it is replaced while
    /// the server runs. `None` where whoever is in between authenticates us.
    pub token_file: Option<PathBuf>,
    /// The audiences that tokens may be for: at least one.
    pub audiences: BTreeSet<String>,
    /// How long an answer is good; never past the token's `exp`.
    pub cache: Duration,
}

impl fmt::Debug for TokenReviewSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenReviewSettings")
            .field("url", &self.url)
            .field("token_file", &self.token_file)
            .field("audiences", &self.audiences)
            .field("cache", &self.cache)
            .finish_non_exhaustive()
    }
}

/// Has the tokens of one issuer reviewed.
pub(super) struct TokenReview {
    alias: IssuerAlias,
    settings: TokenReviewSettings,
    endpoint: String,
    client: Client,
    timeout: Duration,
    turns: Semaphore,
    /// By the SHA-256 of the token.
    answers: Cache<[u8; 32], Remembered, UnitWeighter, RandomState>,
    last_error: ArcSwapOption<ReviewError>,
}

impl fmt::Debug for TokenReview {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenReview").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// What a token says, in the API server's words, or why it is not good.
type Answer = Result<Arc<Claims>, IdentityError>;

/// What was answered about a token, and until when that is good.
#[derive(Clone)]
struct Remembered {
    answer: Answer,
    until: Until,
}

#[derive(Clone, Copy)]
enum Until {
    /// An answer, as the token's own end has it.
    Time(UnixMillis),
    /// That there was none, from when that was known.
    Instant(Instant),
}

impl Remembered {
    fn counts(&self, now: UnixMillis) -> bool {
        match self.until {
            Until::Time(until) => now < until,
            Until::Instant(until) => Instant::now() < until,
        }
    }
}

/// A review could not be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
enum ReviewError {
    #[error("no answer within {} ms", REVIEW_TIMEOUT.as_millis())]
    Timeout,
    #[error("no connection")]
    Connect,
    #[error("the connection broke")]
    Broken,
    #[error("the answer has status {0}; may we create tokenreviews (system:auth-delegator)?")]
    Refused(u16),
    #[error("the answer has status {0}")]
    Status(u16),
    #[error("the answer is no TokenReview of at most {MAX_ANSWER_BYTES} bytes")]
    NotAReview,
    #[error("our own token cannot be read")]
    OwnToken,
}

impl TokenReview {
    /// Reviews for the issuer `alias`. An error is one of this system.
    pub(super) fn new(
        alias: IssuerAlias,
        settings: TokenReviewSettings,
    ) -> Result<Self, reqwest::Error> {
        let client = Client::builder()
            .timeout(REVIEW_TIMEOUT)
            .redirect(Policy::none())
            .no_proxy()
            .referer(false)
            .user_agent(concat!("chaperone/", env!("CARGO_PKG_VERSION")));
        // Over plain http there is nobody to verify, and a container without
        // certificates still works.
        let client = match (&settings.authorities, settings.url.is_https()) {
            (Some(authorities), _) => client.tls_certs_only(authorities.clone()),
            (None, false) => client.tls_certs_only([]),
            (None, true) => client,
        };
        let base = settings.url.to_string();
        Ok(Self {
            alias,
            endpoint: format!("{}{PATH}", base.trim_end_matches('/')),
            client: client.build()?,
            timeout: REVIEW_TIMEOUT,
            turns: Semaphore::new(MAX_AT_ONCE),
            answers: Cache::with(
                CACHE_ENTRIES,
                CACHE_ENTRIES as u64,
                UnitWeighter,
                RandomState::new(),
                quick_cache::sync::DefaultLifecycle::default(),
            ),
            last_error: ArcSwapOption::empty(),
            settings,
        })
    }

    /// Why the last review could not be had, if it could not.
    pub(super) fn last_error(&self) -> Option<String> {
        self.last_error.load().as_ref().map(ToString::to_string)
    }

    /// What `token`, whose own claims are in `payload`, says at `now` according to the
    /// API server. It is not asked about one that `refuse` refuses for its own claims:
    /// they end its life earlier, whoever made them up.
    pub(super) async fn claims(
        &self,
        token: &Token,
        payload: &[u8],
        now: UnixMillis,
        refuse: impl FnOnce(&Claims) -> Result<(), IdentityError>,
    ) -> Answer {
        let deadline = Instant::now() + self.timeout;
        let hash: [u8; 32] = Sha256::digest(token.as_str()).into();
        if let Some(known) = self.answers.get(&hash).filter(|known| known.counts(now)) {
            return known.answer;
        }
        let own = own_claims(payload)?;
        refuse(&own)?;
        let known = |_: &[u8; 32], known: &mut Remembered| {
            if known.counts(now) {
                EntryAction::Retain(known.answer.clone())
            } else {
                EntryAction::ReplaceWithGuard
            }
        };
        // One asks, the others wait for what it is told. Should it be cancelled, the
        // next one asks.
        let entry = timeout_at(deadline, self.answers.entry_async(&hash, known));
        let place = match entry.await {
            Ok(EntryResult::Retained(answer)) => return answer,
            Ok(EntryResult::Vacant(place) | EntryResult::Replaced(place, _)) => place,
            Ok(EntryResult::Removed(..) | EntryResult::Timeout) | Err(_) => {
                return Err(IdentityError::IntrospectionUnavailable);
            }
        };
        let answer = self.answer(token, &own, deadline).await;
        let remembered =
            Remembered { answer: answer.clone(), until: self.until(&answer, &own, now) };
        // It fails only when the place was taken away, and then nobody waits there.
        let _ = place.insert(remembered);
        answer
    }

    /// Until when `answer` is good.
    fn until(&self, answer: &Answer, own: &Claims, now: UnixMillis) -> Until {
        match answer {
            Ok(_) => {
                let expires = own.time("exp").ok().flatten().unwrap_or_default();
                let expires = UnixMillis::new(expires.saturating_mul(1000));
                Until::Time(now.after(self.settings.cache).min(expires))
            }
            Err(IdentityError::IntrospectionUnavailable) => {
                Until::Instant(Instant::now() + AFTER_FAILURE)
            }
            Err(_) => Until::Time(now.after(REFUSED_FOR)),
        }
    }

    async fn answer(&self, token: &Token, own: &Claims, deadline: Instant) -> Answer {
        let status = timeout_at(deadline, self.review(token)).await;
        let status = status.unwrap_or(Err(ReviewError::Timeout)).map_err(|error| {
            tracing::warn!(issuer = %self.alias, %error, "a token could not be reviewed");
            self.last_error.store(Some(Arc::new(error)));
            IdentityError::IntrospectionUnavailable
        })?;
        self.last_error.store(None);
        let named = |user: &User| status.authenticated && !user.username.is_empty();
        let user = status.user.filter(named).ok_or(IdentityError::TokenInactive)?;
        Ok(Arc::new(user.claims(&status.audiences, own.object())))
    }

    async fn review(&self, token: &Token) -> Result<Status, ReviewError> {
        // It is never closed.
        let _turn = self.turns.acquire().await.map_err(|_| ReviewError::Timeout)?;
        let question = json!({
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenReview",
            "spec": { "token": token.as_str(), "audiences": self.settings.audiences },
        });
        let mut request = self
            .client
            .post(&self.endpoint)
            .header(CONTENT_TYPE, "application/json")
            .body(question.to_string());
        if let Some(file) = &self.settings.token_file {
            request = request.header(AUTHORIZATION, own_credential(file).await?);
        }
        let response = request.send().await.map_err(|error| failed(&error))?;
        match response.status().as_u16() {
            200..300 => read(response).await,
            status @ (401 | 403) => Err(ReviewError::Refused(status)),
            status => Err(ReviewError::Status(status)),
        }
    }
}

/// The claims that a token has itself.
fn own_claims(payload: &[u8]) -> Result<Claims, IdentityError> {
    let own = Claims::parse(payload, usize::MAX)?;
    // Whoever it acts for, nobody vouches for them, and to leave them out could allow
    // what they may not.
    if ["act", "may_act", "sub_id"].iter().any(|claim| own.object().contains_key(*claim)) {
        return Err(IdentityError::ClaimsMalformed("a reviewed token names nobody else"));
    }
    Ok(own)
}

/// Our own token, for the API server.
async fn own_credential(file: &Path) -> Result<HeaderValue, ReviewError> {
    use tokio::io::AsyncReadExt as _;
    let file = tokio::fs::File::open(file).await.map_err(|_| ReviewError::OwnToken)?;
    let mut token = Zeroizing::new(String::new());
    let read = file.take(MAX_OWN_TOKEN_BYTES).read_to_string(&mut token).await;
    read.map_err(|_| ReviewError::OwnToken)?;
    let bearer = Zeroizing::new(format!("Bearer {}", token.trim()));
    let mut value = HeaderValue::from_str(&bearer).map_err(|_| ReviewError::OwnToken)?;
    value.set_sensitive(true);
    Ok(value)
}

async fn read(mut response: Response) -> Result<Status, ReviewError> {
    let mut text = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| failed(&error))? {
        if text.len() + chunk.len() > MAX_ANSWER_BYTES {
            return Err(ReviewError::NotAReview);
        }
        text.extend_from_slice(&chunk);
    }
    let review: Review = serde_json::from_slice(&text).map_err(|_| ReviewError::NotAReview)?;
    if review.kind != "TokenReview" {
        return Err(ReviewError::NotAReview);
    }
    Ok(review.status)
}

fn failed(error: &reqwest::Error) -> ReviewError {
    if error.is_timeout() {
        ReviewError::Timeout
    } else if error.is_connect() {
        ReviewError::Connect
    } else {
        ReviewError::Broken
    }
}

#[derive(Deserialize)]
struct Review {
    kind: String,
    status: Status,
}

#[derive(Deserialize)]
struct Status {
    #[serde(default)]
    authenticated: bool,
    user: Option<User>,
    /// Those of ours that the token is for; an API server that knows no audiences
    /// leaves them away, and the token is for nobody then.
    #[serde(default)]
    audiences: Vec<String>,
}

#[derive(Deserialize)]
struct User {
    #[serde(default)]
    username: String,
    uid: Option<String>,
    #[serde(default)]
    groups: Vec<String>,
    #[serde(default)]
    extra: Map<String, Value>,
}

impl User {
    /// The answer in the words of a projected token, so that it is read as one. Of the
    /// token's `own` claims only those count that make it good for less.
    fn claims(&self, audiences: &[String], own: &Map<String, Value>) -> Claims {
        let mut claims = json!({
            "sub": self.username,
            "aud": audiences,
            "groups": self.groups,
        });
        if let Some(id) = self.extra("credential-id").and_then(|id| id.strip_prefix("JTI=")) {
            claims["jti"] = json!(id);
        }
        if let Some((namespace, account)) =
            self.username.strip_prefix(SERVICE_ACCOUNT).and_then(|name| name.split_once(':'))
        {
            claims["kubernetes.io"] = json!({
                "namespace": namespace,
                "serviceaccount": { "name": account, "uid": self.uid },
                "pod": { "name": self.extra("pod-name"), "uid": self.extra("pod-uid") },
                "node": { "name": self.extra("node-name"), "uid": self.extra("node-uid") },
            });
            if let Some(warnafter) = own.get("kubernetes.io").and_then(|own| own.get("warnafter")) {
                claims["kubernetes.io"]["warnafter"] = warnafter.clone();
            }
        }
        for limit in ["exp", "nbf", "iat", "cnf"] {
            if let Some(value) = own.get(limit) {
                claims[limit] = value.clone();
            }
        }
        Claims::of(claims)
    }

    /// The first value of `authentication.kubernetes.io/<name>`.
    fn extra(&self, name: &str) -> Option<&str> {
        self.extra.get(&format!("authentication.kubernetes.io/{name}"))?.get(0)?.as_str()
    }
}

#[cfg(test)]
mod tests;
