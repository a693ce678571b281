use serde_json::{Value, json};

use super::*;
use crate::identity::test_issuer::TestKey;
use crate::identity::{
    Acceptance, Authenticator, AuthenticatorSettings, GroupName, Token, TokenProfile,
};
use crate::time::UnixMillis;

fn resolved(yaml: &str) -> Result<IssuerSettings, String> {
    let written = serde_saphyr::from_str(yaml).map_err(|error| error.to_string())?;
    let mut errors = Vec::new();
    let mut issuers = resolve(written, Path::new(""), &mut errors);
    match errors.pop() {
        Some(error) => Err(error.message),
        None => Ok(issuers.remove(0)),
    }
}

fn attributes(settings: &IssuerSettings) -> Vec<(&str, &str)> {
    settings.attributes.iter().map(|claim| (claim.name(), claim.claim())).collect()
}

#[test]
fn an_issuer_without_a_preset_is_what_is_written() {
    let yaml = "idp: { issuer: https://idp.example, audiences: [a] }";
    let settings = resolved(yaml).unwrap();
    assert_eq!(settings.algorithms, ALGORITHMS.into());
    assert_eq!(settings.max_lifetime, MAX_LIFETIME);
    assert!(settings.attributes.is_empty() && settings.groups.is_empty());
    let error = resolved("idp: { audiences: [a] }").unwrap_err();
    assert!(error.contains("issuers.idp.issuer is missing"), "{error}");
}

#[test]
fn everything_in_a_preset_can_be_written_differently() {
    let settings = resolved("ci: { preset: github-actions, audiences: [a] }").unwrap();
    assert_eq!(settings.issuer.as_str(), "https://token.actions.githubusercontent.com");
    assert_eq!(settings.algorithms, [Algorithm::Rs256].into());
    assert!(attributes(&settings).contains(&("repository", "repository")));
    let settings = resolved(
        "ci:
           preset: github-actions
           issuer: https://ghe.example/_services/token
           audiences: [a]
           algorithms: [ES256]
           max_lifetime: 5m
           groups: [{ claim: repository_owner, prefix: 'owner:' }]
           attributes: { repository: repository_id, team: /custom/team, actor: null }",
    )
    .unwrap();
    assert_eq!(settings.issuer.as_str(), "https://ghe.example/_services/token");
    assert_eq!(settings.algorithms, [Algorithm::Es256].into());
    assert_eq!(settings.max_lifetime, Duration::from_mins(5));
    assert_eq!(settings.groups[0].claim(), "repository_owner");
    let attributes = attributes(&settings);
    assert!(attributes.contains(&("repository", "repository_id")));
    assert!(attributes.contains(&("team", "/custom/team")));
    assert!(attributes.contains(&("sha", "sha")));
    assert!(!attributes.iter().any(|(name, _)| *name == "actor"));
    assert_eq!(attributes.iter().filter(|(name, _)| *name == "repository").count(), 1);
}

#[test]
fn what_a_preset_cannot_know_is_asked_for_with_an_example() {
    for (yaml, told) in [
        ("a: { preset: gihub-actions, audiences: [a] }", "did you mean `github-actions`?"),
        ("a: { preset: circleci, audiences: [a] }", "https://oidc.circleci.com/org/"),
        ("a: { preset: azure, audiences: [a] }", "https://login.microsoftonline.com/"),
        ("a: { preset: aws, audiences: [a] }", ".tokens.sts.global.api.aws"),
        ("a: { preset: spiffe, audiences: [a] }", "trust_domain is missing"),
        (
            "a: { preset: spiffe, trust_domain: 'spiffe://x', audiences: [a] }",
            "a trust domain is made of",
        ),
        ("a: { preset: spiffe, trust_domain: prod.example, audiences: [a] }", "jwks_url"),
        ("a: { preset: google, audiences: [a], attributes: { 'x y': a } }", "attributes.x y"),
        ("a: { preset: google, audiences: [a], attributes: { x: '/~2' } }", "attributes.x"),
    ] {
        let error = resolved(yaml).unwrap_err();
        assert!(error.contains(told), "{yaml}: {error}");
    }
}

#[test]
fn a_cluster_is_reached_from_inside_or_by_its_public_issuer() {
    let inside = resolved("k: { preset: kubernetes, audiences: [a] }").unwrap();
    assert!(format!("{:?}", inside.keys).contains("openid/v1/jwks"), "{:?}", inside.keys);
    assert_eq!(inside.max_lifetime, Duration::from_secs(3607 + 30));
    assert_eq!(inside.profile, TokenProfile::ServiceAccount);
    let public = "k: { preset: kubernetes, issuer: https://oidc.example/id, audiences: [a] }";
    let public = format!("{:?}", resolved(public).unwrap().keys);
    assert!(public.contains("openid-configuration"), "{public}");
}

/// What a provider documents of its tokens, and what becomes of it.
struct Sample {
    name: &'static str,
    text: &'static str,
}

macro_rules! samples {
    ($($name:literal),* $(,)?) => {[$(Sample {
        name: $name,
        text: include_str!(concat!("../../identity/presets/golden/", $name, ".json")),
    }),*]};
}

const SAMPLES: [Sample; 11] = samples![
    "github-actions",
    "gitlab-ci",
    "buildkite",
    "circleci",
    "kubernetes",
    "kubernetes-extended",
    "kubernetes-eks",
    "aws",
    "google",
    "azure",
    "spiffe",
];

#[tokio::test]
async fn one_line_reads_what_each_provider_documents() {
    for Sample { name, text } in SAMPLES {
        let sample: Value = serde_json::from_str(text).unwrap();
        let claims = &sample["claims"];
        let key = TestKey::new("k", sample["algorithm"].as_str().unwrap().parse().unwrap());
        let preset = Preset::ALL.into_iter().find(|preset| name.starts_with(preset.name()));
        let mut written = json!({
            "preset": preset.unwrap().name(),
            "audiences": claims["aud"].as_array().cloned().unwrap_or(vec![claims["aud"].clone()]),
            "keys": { "jwks": { "keys": [key.jwk()] } },
        });
        let configured = sample["configured"].as_object().unwrap().clone();
        written.as_object_mut().unwrap().extend(configured);
        // JSON is YAML.
        let settings = resolved(&json!({ "workloads": written }).to_string()).unwrap();
        let authenticator = Authenticator::new(AuthenticatorSettings::new(vec![settings])).unwrap();
        let token = Token::parse(&key.mint(claims)).unwrap();
        let now = UnixMillis::new((claims["iat"].as_i64().unwrap() + 1) * 1000);
        let read = authenticator.verify(&token, &Acceptance::default(), now).await;
        let credential = read.unwrap_or_else(|error| panic!("{name}: {error}"));
        let hop = credential.chain.current();
        let groups: Vec<_> = hop.groups.iter().map(GroupName::as_str).collect();
        assert_eq!(json!(hop.principal), sample["principal"], "{name}");
        assert_eq!(json!(hop.attributes), sample["attributes"], "{name}");
        assert_eq!(json!(groups), sample["groups"], "{name}");
    }
}

#[test]
fn every_preset_has_a_sample() {
    for preset in Preset::ALL {
        assert!(SAMPLES.iter().any(|sample| sample.name == preset.name()), "{preset}");
    }
}

#[test]
fn an_api_server_is_asked_where_its_cluster_has_it() {
    let folder = tempfile::tempdir().unwrap();
    let authority = rcgen::generate_simple_self_signed(["kubernetes.default.svc".to_owned()]);
    let pem = authority.unwrap().cert.pem();
    std::fs::write(folder.path().join("ca.crt"), &pem).unwrap();
    std::fs::write(folder.path().join("empty.crt"), "").unwrap();
    let source = |preset: &str, keys: &str| {
        let yaml = format!("k: {{ {preset}audiences: [a], keys: {keys} }}");
        let written = serde_saphyr::from_str(&yaml).unwrap();
        let mut errors = Vec::new();
        let issuers = resolve(written, folder.path(), &mut errors);
        match (issuers.into_iter().next(), errors.pop()) {
            (Some(issuer), None) => Ok(issuer),
            (_, error) => Err(error.unwrap().message),
        }
    };
    let written = "{ token_review: { url: 'https://10.0.0.1:6443', ca_file: ca.crt, \
                   token_file: token, audiences: [b], cache: 1m } }";
    let issuer = source("preset: kubernetes, ", written).unwrap();
    let KeySource::Review(review) = issuer.keys else { panic!("{:?}", issuer.keys) };
    assert_eq!(review.url.to_string(), "https://10.0.0.1:6443/");
    assert_eq!(review.token_file, Some(folder.path().join("token")));
    assert_eq!(review.audiences, ["b".to_owned()].into());
    assert_eq!(review.authorities.map(|authorities| authorities.len()), Some(1));
    assert_eq!(issuer.groups[0].claim(), "groups");
    let inside = "{ token_review: { ca_file: ca.crt } }";
    let issuer = source("preset: kubernetes, ", inside).unwrap();
    let KeySource::Review(review) = issuer.keys else { panic!("{:?}", issuer.keys) };
    assert_eq!(review.url.to_string(), "https://kubernetes.default.svc/");
    assert!(review.token_file.is_some_and(|file| file.ends_with("serviceaccount/token")));
    assert_eq!(review.audiences, ["a".to_owned()].into());
    for (preset, keys, told) in [
        ("issuer: 'https://k', ", "{ token_review: {} }", "token_review.url is missing"),
        ("preset: kubernetes, ", "{ token_review: { url: 'http://10.0.0.1' } }", "https"),
        ("preset: kubernetes, ", "{ token_review: { ca_file: none.crt } }", "none.crt"),
        ("preset: kubernetes, ", "{ token_review: { ca_file: empty.crt } }", "empty.crt"),
        ("preset: kubernetes, ", "{ token_review: {}, jwks_url: 'https://k' }", "one of"),
    ] {
        let error = source(preset, keys).unwrap_err();
        assert!(error.contains(told), "{keys}: {error}");
    }
}
