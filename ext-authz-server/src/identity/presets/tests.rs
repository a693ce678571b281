use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::*;
use crate::identity::test_issuer::TestKey;
use crate::identity::{
    Acceptance, Authenticator, AuthenticatorSettings, Credential, IdentityError, IssuerSettings,
    IssuerUrl, JwkSet, KeySource, Token, TokenProfile,
};
use crate::time::UnixMillis;

const NOW: i64 = 1_800_000_000;

#[test]
fn a_preset_is_known_by_its_name_and_cites_its_source() {
    let names: BTreeSet<_> = Preset::ALL.iter().map(|preset| preset.name()).collect();
    assert_eq!(names.len(), Preset::ALL.len());
    for preset in Preset::ALL {
        let spec = preset.spec();
        assert_eq!(preset.name().parse(), Ok(preset));
        assert!(spec.documentation.starts_with("https://"), "{preset}");
        assert_eq!(preset.attributes().len(), spec.attributes.len(), "{preset}: one is no claim");
        assert_eq!(preset.groups().len(), spec.groups.len(), "{preset}: one is no claim");
        assert!(!spec.algorithms.is_empty(), "{preset}");
        // A day's token is a secret that nobody keeps.
        assert!(spec.max_lifetime < Duration::from_hours(2), "{preset}");
    }
    assert_eq!("GitHub-Actions".parse::<Preset>(), Err(PresetError));
}

#[test]
fn only_the_clusters_own_name_is_inside_of_it() {
    let inside = |issuer| Preset::Kubernetes.in_cluster(issuer).is_some();
    assert!(inside("https://kubernetes.default.svc"));
    assert!(inside("https://kubernetes.default.svc.cluster.local"));
    assert!(!inside("https://oidc.eks.eu-north-1.amazonaws.com/id/EXAMPLE"));
    assert!(!inside("https://kubernetes.default.svc.evil.example"));
    assert!(Preset::Spiffe.in_cluster("https://kubernetes.default.svc").is_none());
}

fn issuer(alias: &str, iss: &str, key: &TestKey, profile: TokenProfile) -> IssuerSettings {
    let keys = JwkSet::from_json(json!({ "keys": [key.jwk()] })).unwrap();
    let keys = KeySource::Document(keys);
    IssuerSettings {
        audiences: ["customers".to_owned()].into(),
        profile,
        ..IssuerSettings::new(alias.parse().unwrap(), IssuerUrl::parse(iss).unwrap(), keys)
    }
}

async fn verified(
    issuers: Vec<IssuerSettings>,
    token: &str,
    now: i64,
) -> Result<Credential, IdentityError> {
    let authenticator = Authenticator::new(AuthenticatorSettings::new(issuers)).unwrap();
    let token = Token::parse(token)?;
    authenticator.verify(&token, &Acceptance::default(), UnixMillis::new(now * 1000)).await
}

/// The answer to a service account's token with those times.
async fn projected(exp: i64, warnafter: &Value, now: i64) -> Result<i64, &'static str> {
    let key = TestKey::new("k", Algorithm::Es256);
    let settings = IssuerSettings {
        max_lifetime: Duration::from_secs(3607),
        ..issuer("k8s", "https://k8s.example", &key, TokenProfile::ServiceAccount)
    };
    let mut about = json!({ "namespace": "shop", "serviceaccount": { "name": "deploy" } });
    if !warnafter.is_null() {
        about["warnafter"] = warnafter.clone();
    }
    let token = key.mint(&json!({
        "iss": "https://k8s.example", "sub": "system:serviceaccount:shop:deploy",
        "aud": "customers", "iat": NOW, "exp": exp, "kubernetes.io": about,
    }));
    let credential = verified(vec![settings], &token, now).await.map_err(|error| error.code())?;
    Ok(credential.token.expires_at.seconds())
}

#[tokio::test]
async fn a_year_that_means_an_hour_is_an_hour() {
    let year = NOW + 365 * 24 * 3600;
    let hour = NOW + 3607;
    assert_eq!(projected(year, &json!(hour), NOW + 60).await, Ok(hour));
    assert_eq!(projected(year, &json!(hour), hour + 29).await, Ok(hour));
    assert_eq!(projected(year, &json!(hour), hour + 30).await, Err("token_expired"));
    assert_eq!(projected(year, &json!(year), NOW + 60).await, Err("lifetime_too_long"));
    assert_eq!(projected(year, &Value::Null, NOW + 60).await, Err("lifetime_too_long"));
    assert_eq!(projected(year, &json!("soon"), NOW + 60).await, Err("claims_malformed"));
    assert_eq!(projected(hour, &Value::Null, NOW + 60).await, Ok(hour));
    // It ends a life earlier, and never makes it longer.
    assert_eq!(projected(NOW + 600, &json!(hour), NOW + 60).await, Ok(NOW + 600));
}

#[tokio::test]
async fn a_service_account_is_who_it_says_in_both_places() {
    let key = TestKey::new("k", Algorithm::Es256);
    let code = async |subject: &str, about: Value| {
        let settings = issuer("k8s", "https://k8s.example", &key, TokenProfile::ServiceAccount);
        let token = key.mint(&json!({
            "iss": "https://k8s.example", "sub": subject, "aud": "customers",
            "iat": NOW, "exp": NOW + 600, "kubernetes.io": about,
        }));
        verified(vec![settings], &token, NOW).await.map_or_else(|error| error.code(), |_| "ok")
    };
    let about = json!({ "namespace": "shop", "serviceaccount": { "name": "deploy" } });
    assert_eq!(code("system:serviceaccount:shop:deploy", about.clone()).await, "ok");
    for subject in ["system:serviceaccount:shop:other", "system:admin", "deploy"] {
        assert_eq!(code(subject, about.clone()).await, "claims_malformed", "{subject}");
    }
    for about in [json!(null), json!({}), json!({ "namespace": "shop" }), json!("shop")] {
        let subject = "system:serviceaccount:shop:deploy";
        assert_eq!(code(subject, about.clone()).await, "claims_malformed", "{about}");
    }
}

/// Two federated trust domains, each an issuer with keys of its own.
struct Federation {
    prod: TestKey,
    partner: TestKey,
}

impl Federation {
    fn new() -> Self {
        Self {
            prod: TestKey::new("p", Algorithm::Es256),
            partner: TestKey::new("q", Algorithm::Es256),
        }
    }

    async fn read(&self, token: &str) -> Result<String, &'static str> {
        let domain = |name: &str| TokenProfile::JwtSvid(name.parse().unwrap());
        let issuers = vec![
            issuer("prod", "spiffe://prod.example", &self.prod, domain("prod.example")),
            issuer(
                "partner",
                "https://oidc.partner.example",
                &self.partner,
                domain("partner.example"),
            ),
        ];
        let credential = verified(issuers, token, NOW).await.map_err(|error| error.code())?;
        Ok(credential.chain.current().principal.to_string())
    }
}

fn svid(subject: &str, changes: &Value) -> Value {
    let mut claims = json!({ "sub": subject, "aud": "customers", "iat": NOW, "exp": NOW + 300 });
    let members = claims.as_object_mut().unwrap();
    members.extend(changes.as_object().unwrap().clone());
    members.retain(|_, value| !value.is_null());
    claims
}

#[tokio::test]
async fn a_jwt_svid_is_of_the_issuer_of_its_subjects_trust_domain() {
    let federation = Federation::new();
    let Federation { prod, partner } = &federation;
    let ours = svid("spiffe://prod.example/deploy", &json!({}));
    let theirs = svid("spiffe://partner.example/deploy", &json!({}));
    let read = async |token: String| federation.read(&token).await;
    assert_eq!(read(prod.mint(&ours)).await, Ok("prod/spiffe://prod.example/deploy".into()));
    let known = Ok("partner/spiffe://partner.example/deploy".to_owned());
    assert_eq!(read(partner.mint(&theirs)).await, known);
    let named =
        svid("spiffe://partner.example/deploy", &json!({ "iss": "https://oidc.partner.example" }));
    assert_eq!(read(partner.mint(&named)).await, known);
    // One trust domain does not speak for another, whatever the key is called.
    assert_eq!(read(prod.mint(&theirs)).await, Err("key_unknown"));
    let header = json!({ "alg": "ES256", "kid": "q", "typ": "JOSE" });
    let forged = prod.mint_with(&header, &theirs.to_string());
    assert_eq!(read(forged).await, Err("signature_invalid"));
    let lent = svid("spiffe://partner.example/deploy", &json!({ "iss": "spiffe://prod.example" }));
    assert_eq!(read(prod.mint(&lent)).await, Err("spiffe_id_refused"));
}

#[tokio::test]
async fn a_jwt_svid_that_the_standard_refuses_is_refused() {
    let federation = Federation::new();
    let iss = json!({ "iss": "spiffe://prod.example" });
    let code =
        async |claims: &Value| federation.read(&federation.prod.mint(claims)).await.unwrap_err();
    for subject in [
        "spiffe://other.example/deploy",
        "spiffe://prod.example",
        "spiffe://prod.example/",
        "spiffe://prod.example/a/../b",
        "spiffe://prod.example.evil.example/deploy",
        "deploy",
    ] {
        assert_eq!(code(&svid(subject, &json!({}))).await, "issuer_unknown", "{subject}");
        assert_eq!(code(&svid(subject, &iss)).await, "spiffe_id_refused", "{subject}");
    }
    let subject = "spiffe://prod.example/deploy";
    assert_eq!(code(&svid(subject, &json!({ "aud": null }))).await, "audience_mismatch");
    assert_eq!(code(&svid(subject, &json!({ "exp": null }))).await, "exp_missing");
    assert_eq!(code(&svid(subject, &json!({ "sub": null }))).await, "issuer_unknown");
    assert_eq!(
        code(&svid(subject, &json!({ "act": { "sub": "root" } }))).await,
        "spiffe_id_refused"
    );
    let github = json!({ "iss": "https://oidc.partner.example", "sub": "x", "format": "iss_sub" });
    let other = svid("deploy", &json!({ "iss": "spiffe://prod.example", "sub_id": github }));
    assert_eq!(code(&other).await, "spiffe_id_refused");
}
