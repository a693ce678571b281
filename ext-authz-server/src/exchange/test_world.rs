//! An exchanger for tests: four issuers of agents and one of people, policies, a store
//! on disk, and a clock that stands.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Asked, ExchangeRules, Exchanged, Exchanger, IssuedType};
use crate::audit::AuditLog;
use crate::identity::test_issuer::TestKey;
use crate::identity::{
    Acceptance, Algorithm, Authenticator, AuthenticatorSettings, Credential, GroupClaim,
    GroupPatterns, IdentityError, IssuerAlias, IssuerSettings, IssuerUrl, JwkSet, KeySource,
    OwnKeys, PrincipalKind, Token,
};
use crate::issuing::{ExchangeTerms, KeySettings, KeysIn, SigningAlgorithm, SigningKeys, Wish};
use crate::policy::{Enforce, Known, Policies, PolicySources};
use crate::redact::Redactor;
use crate::request::{GuardedRequest, RequestHeaders};
use crate::store::{Durability, SqliteStore};
use crate::time::{Clock, UnixMillis};

/// 2027-01-15.
pub(crate) const NOW: i64 = 1_800_000_000;

/// The server under test.
pub(crate) const SERVER: &str = "https://chaperone.example";

/// Who signs tokens.
pub(crate) const ISSUERS: [&str; 5] = ["github", "corp", "cluster-a", "cluster-b", "people"];

const POLICIES: &str = r#"
@id("exchange")
permit (principal, action == Action::"token:exchange", resource)
when {
  (principal in Group::"automation" || principal in Group::"staff") &&
  context.exchange.lifetime <= 90
};

@id("orders-not-for-clusters")
forbid (principal, action == Action::"token:exchange", resource == Service::"orders")
when { principal.issuer like "cluster-*" };

@id("people-watch-payments")
@requires_approval("sre")
permit (principal, action == Action::"token:exchange", resource == Service::"payments");
"#;

pub(crate) struct World {
    pub(crate) exchanger: Arc<Exchanger>,
    pub(crate) audit: Arc<AuditLog>,
    pub(crate) authenticator: Arc<Authenticator>,
    pub(crate) keys: Arc<SigningKeys>,
    clock: Arc<StandingClock>,
    signers: BTreeMap<&'static str, TestKey>,
    folder: TempDir,
}

struct StandingClock(AtomicI64);

impl Clock for StandingClock {
    fn now(&self) -> UnixMillis {
        UnixMillis::new(self.0.load(Ordering::SeqCst) * 1000)
    }
}

pub(crate) fn iss(name: &str) -> String {
    format!("https://{name}.example")
}

fn alias(name: &str) -> IssuerAlias {
    name.parse().unwrap()
}

fn issuer(name: &str, key: &TestKey) -> IssuerSettings {
    let keys = JwkSet::from_json(json!({ "keys": [key.jwk()] })).unwrap();
    let url = IssuerUrl::parse(&iss(name)).unwrap();
    IssuerSettings {
        audiences: [format!("{name}-audience")].into(),
        algorithms: [key.algorithm].into(),
        groups: vec![GroupClaim::parse("groups", None).unwrap()],
        kind: if name == "people" { PrincipalKind::Human } else { PrincipalKind::Agent },
        ..IssuerSettings::new(alias(name), url, KeySource::Document(keys))
    }
}

fn terms() -> ExchangeTerms {
    let names = ["customers", "orders", "payments"];
    ExchangeTerms {
        server: SERVER.to_owned(),
        audiences: names.map(|name| (name.to_owned(), name.to_owned())).into(),
        scopes: BTreeSet::new(),
        lifetime: Duration::from_secs(90),
        max_lifetime: Duration::from_mins(5),
    }
}

impl World {
    pub(crate) fn new() -> Self {
        Self::known_at(SERVER)
    }

    /// The same, whose endpoint has that issuer's name.
    pub(crate) fn known_at(issuer: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let signers: BTreeMap<_, _> = ISSUERS
            .map(|name| (name, TestKey::new(&format!("{name}-key"), Algorithm::Es256)))
            .into();
        let published = OwnKeys::default();
        let mut issuers: Vec<_> =
            signers.iter().map(|(name, key)| self::issuer(name, key)).collect();
        let own = KeySource::Own(published.clone());
        issuers.push(IssuerSettings {
            audiences: terms().everywhere(),
            ..IssuerSettings::new(alias("chaperone"), IssuerUrl::parse(SERVER).unwrap(), own)
        });
        let automation = ["github", "corp", "cluster-a", "cluster-b"]
            .map(|name| format!("{name}/*").parse().unwrap());
        let groups = [("automation".parse().unwrap(), automation.to_vec())].into();
        let settings = AuthenticatorSettings {
            groups: GroupPatterns::new(groups),
            max_depth: 5,
            ..AuthenticatorSettings::new(issuers)
        };
        let authenticator = Arc::new(Authenticator::new(settings).unwrap());
        let place = KeysIn::Folder(folder.path().join("keys"));
        let (publish_ahead, linger) = (Duration::from_mins(5), Duration::from_mins(5));
        let algorithm = SigningAlgorithm::Es256;
        let keys = KeySettings { place, algorithm, publish_ahead, linger };
        let clock = Arc::new(StandingClock(AtomicI64::new(NOW)));
        let keys = Arc::new(SigningKeys::open(keys, published, clock.now()).unwrap());
        let policies = folder.path().join("policies.cedar");
        std::fs::write(&policies, POLICIES).unwrap();
        let services = terms().audiences.into_values().collect();
        let known = Known { services, ..Known::default() };
        let sources = PolicySources { paths: vec![policies] };
        let policies = Arc::new(Policies::load(sources, known, clock.now()).unwrap());
        let store = SqliteStore::open(&folder.path().join("s.db"), Durability::Normal).unwrap();
        let audit = Arc::new(AuditLog::new(Arc::new(store)));
        let rules = ExchangeRules {
            issuer: issuer.to_owned(),
            terms: terms(),
            enforce: Enforce::EveryHop,
            services: BTreeMap::new(),
        };
        let exchanger = Exchanger::new(
            rules,
            Arc::clone(&keys),
            Redactor::new().unwrap(),
            Arc::clone(&authenticator),
            policies,
            Arc::clone(&audit),
            Arc::clone(&clock) as Arc<dyn Clock>,
        );
        let exchanger = Arc::new(exchanger);
        Self { exchanger, audit, authenticator, keys, clock, signers, folder }
    }

    /// A token of `issuer` for the server, with `changes`; a null takes a claim away.
    pub(crate) fn token(&self, issuer: &str, sub: &str, changes: &Value) -> String {
        let mut claims = json!({
            "iss": iss(issuer), "sub": sub, "aud": SERVER, "iat": NOW, "exp": NOW + 300,
            "jti": format!("{issuer}-{sub}"),
        });
        let members = claims.as_object_mut().unwrap();
        for (name, value) in changes.as_object().unwrap() {
            match value {
                Value::Null => members.remove(name),
                value => members.insert(name.clone(), value.clone()),
            };
        }
        self.signers[issuer].mint(&claims)
    }

    /// The same with nothing particular.
    pub(crate) fn plain(&self, issuer: &str, sub: &str) -> String {
        self.token(issuer, sub, &json!({}))
    }

    pub(crate) async fn ask(&self, subject: &str, actor: &str, wish: Wish) -> Exchanged {
        self.ask_with(&[], subject, actor, wish).await
    }

    /// The same, in a request with those headers.
    pub(crate) async fn ask_with(
        &self,
        headers: &[(&str, &str)],
        subject: &str,
        actor: &str,
        wish: Wish,
    ) -> Exchanged {
        let asked = Asked {
            subject: Token::parse(subject).unwrap(),
            actor: Some(Token::parse(actor).unwrap()),
            wish,
            token_type: IssuedType::AccessToken,
        };
        self.exchanger.exchange(&request(headers), Ok(asked)).await
    }

    /// The token for `audience`, or the code of why there is none.
    pub(crate) async fn exchange(
        &self,
        subject: &str,
        actor: &str,
        audience: &str,
    ) -> Result<String, &'static str> {
        let audience = Some(audience.to_owned());
        let exchanged = self.ask(subject, actor, Wish { audience, ..Wish::default() }).await;
        let issued = exchanged.outcome.map_err(|error| error.code())?;
        Ok(issued.token.as_str().to_owned())
    }

    pub(crate) async fn verify(
        &self,
        token: &str,
        acceptance: &Acceptance,
    ) -> Result<Credential, IdentityError> {
        let token = Token::parse(token).unwrap();
        self.authenticator.verify(&token, acceptance, self.clock.now()).await
    }

    /// The record of a decision.
    pub(crate) async fn record(&self, exchanged: &Exchanged) -> Value {
        let entries = self.audit.entries_of(exchanged.decision.as_str()).await.unwrap();
        assert_eq!(entries.len(), 1);
        assert_eq!(entries[0].draft.kind.name(), "exchange");
        serde_json::from_str(&entries[0].draft.body).unwrap()
    }

    /// Removes the files of the signing keys, and lets the server see that.
    pub(crate) fn remove_keys(&self) {
        for file in std::fs::read_dir(self.folder.path().join("keys")).unwrap() {
            std::fs::remove_file(file.unwrap().path()).unwrap();
        }
        self.keys.look(self.clock.now());
    }

    /// So many seconds go by.
    pub(crate) fn wait(&self, seconds: i64) {
        self.clock.0.fetch_add(seconds, Ordering::SeqCst);
    }
}

/// A request to the token endpoint with those headers.
pub(crate) fn request(headers: &[(&str, &str)]) -> GuardedRequest {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    GuardedRequest {
        peer: crate::request::TlsPeer::default(),
        method: "POST".to_owned(),
        authority: "chaperone.example".to_owned(),
        path: super::TOKEN_PATH.to_owned(),
        request_id: String::new(),
        scheme: "https".to_owned(),
        headers: RequestHeaders::new(headers.collect()),
        grpc: false,
        source_address: None,
    }
}

/// What a token says, not verified.
pub(crate) fn claims(token: &str) -> Value {
    let claims = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap()
}
