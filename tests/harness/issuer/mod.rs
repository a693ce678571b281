//! A development issuer of tokens: several issuers of one kind each under one port.
//!
//! Each publishes its keys as a real one does. Tests count how often they are
//! fetched, rotate them, and make the issuer publish them badly or not at all.

mod bad;
mod keys;
mod opaque;
mod publishing;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Json, Router};
use jsonwebtoken::{Algorithm, Header};
use serde_json::{Map, Value, json};
use uuid::Uuid;

pub use self::bad::GARBAGE;
use self::keys::SigningKey;
pub use self::opaque::{CLIENT_ID, CLIENT_SECRET};
pub use self::publishing::Publishing;
use crate::failure::Result;
use crate::runtime::{self, Serving};

/// How long tokens are good, in seconds.
const LIFETIME: u64 = 300;

/// Who issues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Issuer {
    /// Names CI jobs; RS256.
    Github,
    /// Exchanges tokens, and names who acts for whom; ES256.
    Platform,
    /// Names people; `EdDSA`.
    CorpIdp,
    /// Names the service accounts of a Kubernetes cluster; RS256.
    ClusterA,
    /// Names those of another cluster; ES256.
    ClusterB,
}

impl Issuer {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Github, Self::Platform, Self::CorpIdp, Self::ClusterA, Self::ClusterB];

    /// Its alias in the example configuration, and its path here.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Github => "github",
            Self::Platform => "platform",
            Self::CorpIdp => "corp-idp",
            Self::ClusterA => "cluster-a",
            Self::ClusterB => "cluster-b",
        }
    }

    const fn algorithm(self) -> Algorithm {
        match self {
            Self::Github | Self::ClusterA => Algorithm::RS256,
            Self::Platform | Self::ClusterB => Algorithm::ES256,
            Self::CorpIdp => Algorithm::EdDSA,
        }
    }

    const fn audience(self) -> &'static str {
        match self {
            Self::Github | Self::Platform | Self::ClusterA | Self::ClusterB => "customers",
            Self::CorpIdp => "chaperone",
        }
    }

    const fn index(self) -> usize {
        self as usize
    }
}

/// The issuers, as long as this is not dropped.
#[derive(Debug)]
pub struct DevelopmentIssuer {
    published: Arc<Published>,
    serving: Serving,
}

#[derive(Debug)]
struct Published {
    sites: [Site; Issuer::ALL.len()],
    opaque: opaque::Known,
    down: AtomicBool,
}

#[derive(Debug)]
struct Site {
    /// The newest, which signs, is last; the others are still published.
    keys: Mutex<Vec<SigningKey>>,
    fetches: AtomicUsize,
    publishing: Mutex<Publishing>,
    /// How many bytes were sent of endless documents.
    sent: Arc<AtomicUsize>,
}

impl DevelopmentIssuer {
    /// Makes new keys and starts to publish them; port 0 takes any that is free.
    pub async fn start(port: u16) -> Result<Self> {
        let mut sites = Vec::with_capacity(Issuer::ALL.len());
        for issuer in Issuer::ALL {
            let keys = Mutex::new(vec![SigningKey::generate(issuer.algorithm())?]);
            sites.push(Site {
                keys,
                fetches: AtomicUsize::new(0),
                publishing: Mutex::default(),
                sent: Arc::default(),
            });
        }
        let sites = sites.try_into().expect("one site an issuer");
        let published = Arc::new(Published {
            sites,
            opaque: opaque::Known::default(),
            down: AtomicBool::new(false),
        });
        let serving = runtime::serve(router(published.clone()), port).await?;
        Ok(Self { published, serving })
    }

    /// Where all of them are; `{url}/github` is one.
    pub fn url(&self) -> String {
        format!("http://{}", self.serving.address)
    }

    /// The `iss` of one.
    pub fn issuer_url(&self, issuer: Issuer) -> String {
        format!("{}/{}", self.url(), issuer.name())
    }

    /// A token with the usual claims and `claims` over them; a null removes one.
    pub fn mint(&self, issuer: Issuer, claims: &Value) -> String {
        self.sign(issuer, &Value::Object(self.claims(issuer, claims)))
    }

    /// A token of the platform for `root`, a job of GitHub, that went through
    /// `actors`: the earliest delegate first, who calls now last.
    ///
    /// RFC 8693 section 4.1: the outermost `act` is the current actor and holds the
    /// earlier ones. The root is of another issuer, so `sub_id` (RFC 9493) names it.
    pub fn mint_nested(&self, root: &str, actors: &[&str], claims: &Value) -> String {
        let iss = self.issuer_url(Issuer::Platform);
        let act = actors.iter().fold(Value::Null, |earlier, actor| {
            let mut act = json!({ "iss": iss, "sub": actor });
            if !earlier.is_null() {
                act["act"] = earlier;
            }
            act
        });
        let github = self.issuer_url(Issuer::Github);
        let mut all = json!({
            "sub": root,
            "sub_id": { "format": "iss_sub", "iss": github, "sub": root },
            "act": act,
        });
        merge(all.as_object_mut().expect("written above"), claims);
        self.mint(Issuer::Platform, &all)
    }

    /// How often the keys of one were fetched.
    pub fn fetches(&self, issuer: Issuer) -> usize {
        self.site(issuer).fetches.load(Ordering::Relaxed)
    }

    /// Signs with a new key from now on; the earlier ones stay published.
    pub fn rotate(&self, issuer: Issuer) -> Result<()> {
        let key = SigningKey::generate(issuer.algorithm())?;
        self.site(issuer).keys.lock().expect("no holder panics").push(key);
        Ok(())
    }

    /// Signs with a new key, and no longer publishes the earlier ones.
    pub fn revoke_and_rotate(&self, issuer: Issuer) -> Result<()> {
        let key = SigningKey::generate(issuer.algorithm())?;
        *self.site(issuer).keys.lock().expect("no holder panics") = vec![key];
        Ok(())
    }

    /// Whether every fetch gets 503.
    pub fn set_down(&self, down: bool) {
        self.published.down.store(down, Ordering::Relaxed);
    }

    fn opaque(&self) -> &opaque::Known {
        &self.published.opaque
    }

    /// How one publishes its keys from now on.
    pub fn publish(&self, issuer: Issuer, how: Publishing) {
        *self.site(issuer).publishing.lock().expect("no holder panics") = how;
    }

    /// How many bytes of endless documents one has sent.
    pub fn sent(&self, issuer: Issuer) -> usize {
        self.site(issuer).sent.load(Ordering::Relaxed)
    }

    fn site(&self, issuer: Issuer) -> &Site {
        &self.published.sites[issuer.index()]
    }

    fn claims(&self, issuer: Issuer, claims: &Value) -> Map<String, Value> {
        let now = now();
        let usual = json!({
            "iss": self.issuer_url(issuer),
            "aud": issuer.audience(),
            "iat": now,
            "exp": now + LIFETIME,
            "jti": Uuid::now_v7().to_string(),
        });
        let Value::Object(mut all) = usual else { unreachable!("written above") };
        merge(&mut all, claims);
        all
    }

    fn sign(&self, issuer: Issuer, claims: &Value) -> String {
        let keys = self.site(issuer).keys.lock().expect("no holder panics");
        keys.last().expect("there is always one").sign(claims)
    }
}

/// Puts `over` over `all`; a null removes.
fn merge(all: &mut Map<String, Value>, over: &Value) {
    for (name, value) in over.as_object().into_iter().flatten() {
        if value.is_null() {
            all.remove(name);
        } else {
            all.insert(name.clone(), value.clone());
        }
    }
}

/// Seconds since the Unix epoch.
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

fn router(published: Arc<Published>) -> Router {
    Router::new()
        .route("/{issuer}/jwks", get(jwks))
        .route("/{issuer}/.well-known/openid-configuration", get(discovery))
        .route("/opaque/introspect", post(introspect))
        .with_state(published)
}

impl Published {
    fn find(&self, name: &str) -> std::result::Result<(Issuer, &Site), StatusCode> {
        if self.down.load(Ordering::Relaxed) {
            return Err(StatusCode::SERVICE_UNAVAILABLE);
        }
        let issuer = Issuer::ALL.into_iter().find(|issuer| issuer.name() == name);
        let issuer = issuer.ok_or(StatusCode::NOT_FOUND)?;
        Ok((issuer, &self.sites[issuer.index()]))
    }
}

async fn jwks(
    State(published): State<Arc<Published>>,
    Path(name): Path<String>,
) -> std::result::Result<Response, StatusCode> {
    let (_, site) = published.find(&name)?;
    site.fetches.fetch_add(1, Ordering::Relaxed);
    let publishing = *site.publishing.lock().expect("no holder panics");
    let keys: Vec<_> = {
        let keys = site.keys.lock().expect("no holder panics");
        keys.iter().map(SigningKey::jwk).collect()
    };
    publishing.answer(keys, &site.sent).await
}

async fn discovery(
    State(published): State<Arc<Published>>,
    Path(name): Path<String>,
    headers: axum::http::HeaderMap,
) -> std::result::Result<Json<Value>, StatusCode> {
    let (issuer, _) = published.find(&name)?;
    let host = headers.get("host").and_then(|host| host.to_str().ok());
    let url = format!("http://{}/{name}", host.ok_or(StatusCode::BAD_REQUEST)?);
    Ok(Json(json!({
        "issuer": url,
        "jwks_uri": format!("{url}/jwks"),
        "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": [issuer.algorithm()],
    })))
}

async fn introspect(
    State(published): State<Arc<Published>>,
    headers: axum::http::HeaderMap,
    form: String,
) -> std::result::Result<Json<Value>, StatusCode> {
    if published.down.load(Ordering::Relaxed) {
        return Err(StatusCode::SERVICE_UNAVAILABLE);
    }
    let authorization = headers.get("authorization").and_then(|value| value.to_str().ok());
    let answer = published.opaque.answer(authorization.unwrap_or_default(), &form);
    answer.map(Json).ok_or(StatusCode::UNAUTHORIZED)
}

/// The header of a token that `key` signs.
fn header(algorithm: Algorithm, key_id: &str) -> Header {
    Header { kid: Some(key_id.to_owned()), ..Header::new(algorithm) }
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::jwk::JwkSet;
    use jsonwebtoken::{DecodingKey, Validation, decode, decode_header};

    use super::*;

    async fn verified(issuers: &DevelopmentIssuer, issuer: Issuer, token: &str) -> Option<Value> {
        let url = format!("{}/jwks", issuers.issuer_url(issuer));
        let keys: JwkSet =
            serde_json::from_slice(&reqwest::get(url).await.unwrap().bytes().await.unwrap())
                .unwrap();
        let header = decode_header(token).ok()?;
        let key = DecodingKey::from_jwk(keys.find(&header.kid?)?).unwrap();
        let mut rules = Validation::new(issuer.algorithm());
        rules.set_audience(&[issuer.audience()]);
        rules.set_issuer(&[issuers.issuer_url(issuer)]);
        decode(token, &key, &rules).ok().map(|token| token.claims)
    }

    #[tokio::test]
    async fn a_minted_token_verifies_with_the_published_keys() {
        let issuers = DevelopmentIssuer::start(0).await.unwrap();
        for issuer in Issuer::ALL {
            let token = issuers.mint(issuer, &json!({ "sub": "somebody" }));
            let claims = verified(&issuers, issuer, &token).await.unwrap();
            assert_eq!(claims["sub"], "somebody");
            assert_eq!(issuers.fetches(issuer), 1);
        }
    }

    #[tokio::test]
    async fn a_rotated_key_leaves_earlier_tokens_good_and_a_revoked_one_does_not() {
        let issuers = DevelopmentIssuer::start(0).await.unwrap();
        let issuer = Issuer::Platform;
        let old = issuers.mint(issuer, &json!({ "sub": "a" }));
        issuers.rotate(issuer).unwrap();
        let new = issuers.mint(issuer, &json!({ "sub": "b" }));
        assert!(verified(&issuers, issuer, &old).await.is_some());
        assert!(verified(&issuers, issuer, &new).await.is_some());
        issuers.revoke_and_rotate(issuer).unwrap();
        assert!(verified(&issuers, issuer, &new).await.is_none());
    }

    #[tokio::test]
    async fn who_calls_now_is_the_outermost_actor() {
        let issuers = DevelopmentIssuer::start(0).await.unwrap();
        let token = issuers.mint_nested("repo:acme/shop", &["first", "last"], &json!({}));
        let claims = verified(&issuers, Issuer::Platform, &token).await.unwrap();
        assert_eq!(claims["act"]["sub"], "last");
        assert_eq!(claims["act"]["act"]["sub"], "first");
        assert_eq!(claims["act"]["act"].get("act"), None);
        assert_eq!(claims["sub_id"]["iss"], issuers.issuer_url(Issuer::Github));
    }

    #[tokio::test]
    async fn an_issuer_can_be_down() {
        let issuers = DevelopmentIssuer::start(0).await.unwrap();
        issuers.set_down(true);
        let url = format!("{}/jwks", issuers.issuer_url(Issuer::Github));
        assert_eq!(reqwest::get(url).await.unwrap().status(), 503);
    }
}
