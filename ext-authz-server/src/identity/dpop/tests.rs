use proptest::prelude::*;
use serde::Deserialize;
use serde_json::json;

use super::*;
use crate::identity::test_issuer::TestKey;

const NOW: i64 = 1_800_000_000;
const TOKEN: &str = "e30.e30.c2ln";

fn at(seconds: i64) -> UnixMillis {
    UnixMillis::new(seconds * 1000)
}

/// A request that shows `proof`.
fn shows(proof: &str) -> Presented<'_> {
    Presented {
        proof: Some(proof),
        method: "POST",
        scheme: "https",
        authority: "api.example",
        path: "/jobs",
        ..Presented::default()
    }
}

fn ath(token: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(token))
}

fn header(key: &TestKey) -> Value {
    json!({ "typ": "dpop+jwt", "alg": key.algorithm.name(), "jwk": key.jwk() })
}

fn claims() -> Value {
    json!({
        "jti": "p-1", "htm": "POST", "htu": "https://api.example/jobs", "iat": NOW,
        "ath": ath(TOKEN),
    })
}

/// `of` with `changes`; a null takes a member away.
fn changed(mut of: Value, changes: &Value) -> Value {
    let members = of.as_object_mut().unwrap();
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => members.remove(name),
            value => members.insert(name.clone(), value.clone()),
        };
    }
    of
}

fn check(proof: &str) -> Result<Proof, IdentityError> {
    Proofs::new(ProofSettings::default()).check(&shows(proof), Some(TOKEN), at(NOW))
}

fn told(proof: &str) -> String {
    check(proof).map_or_else(|error| error.to_string(), |_| "good".to_owned())
}

#[derive(Deserialize)]
struct Vectors {
    jkt: String,
    proofs: Vec<Vector>,
}

#[derive(Deserialize)]
struct Vector {
    section: String,
    method: String,
    url: String,
    at: i64,
    token: Option<String>,
    proof: String,
}

#[test]
fn the_examples_of_rfc_9449_are_good_for_their_requests_only() {
    let vectors: Vectors = serde_json::from_str(include_str!("rfc9449.json")).unwrap();
    let proofs = Proofs::new(ProofSettings::default());
    for vector in &vectors.proofs {
        let (authority, path) = vector.url["https://".len()..].split_once('/').unwrap();
        let path = format!("/{path}");
        let presented = Presented {
            proof: Some(&vector.proof),
            method: &vector.method,
            scheme: "https",
            authority,
            path: &path,
            ..Presented::default()
        };
        let check = |presented: &Presented<'_>, token: Option<&str>, now: i64| {
            proofs.check(presented, token, at(now)).map_err(|error| error.code())
        };
        let token = vector.token.as_deref();
        let proof = check(&presented, token, vector.at).unwrap();
        assert_eq!(proof.key.to_string(), vectors.jkt, "{}", vector.section);
        assert_eq!(check(&presented, Some("other"), vector.at), Err("proof_invalid"));
        assert_eq!(check(&presented, token, vector.at + 61), Err("proof_expired"));
        assert_eq!(check(&presented, token, vector.at - 6), Err("proof_not_yet_valid"));
        let elsewhere = Presented { path: "/other", ..presented };
        assert_eq!(check(&elsewhere, token, vector.at), Err("proof_invalid"));
        let otherwise = Presented { method: "DELETE", ..presented };
        assert_eq!(check(&otherwise, token, vector.at), Err("proof_invalid"));
    }
}

#[test]
fn a_proof_of_every_algorithm_names_its_key() {
    for algorithm in Algorithm::ALL {
        let key = TestKey::new("k", algorithm);
        let proof = check(&key.mint_with(&header(&key), &claims().to_string())).unwrap();
        let thumbprint = Thumbprint::of_key(key.jwk().as_object().unwrap());
        assert_eq!(Some(proof.key), thumbprint, "{algorithm}");
    }
}

#[test]
fn a_header_that_is_no_proofs_is_refused_for_what_is_wrong() {
    let key = TestKey::new("k", Algorithm::Es256);
    let other = TestKey::new("o", Algorithm::Es256);
    let rsa = TestKey::new("r", Algorithm::Rs256);
    let jwk = |member: &str, value: &Value| changed(key.jwk(), &json!({ member: value }));
    for (changes, why) in [
        (json!({}), "good"),
        (json!({ "typ": "DPoP+JWT" }), "good"),
        (json!({ "typ": null }), "typ"),
        (json!({ "typ": "JWT" }), "typ"),
        (json!({ "alg": null }), "`alg`"),
        (json!({ "alg": "none" }), "`alg`"),
        (json!({ "alg": "HS256" }), "`alg`"),
        (json!({ "alg": "ES384" }), "not for its `alg`"),
        (json!({ "crit": ["x"] }), "crit"),
        (json!({ "jwk": null }), "no `jwk`"),
        (json!({ "jwk": "key" }), "no `jwk`"),
        (json!({ "jwk": rsa.jwk() }), "not for its `alg`"),
        (json!({ "jwk": other.jwk() }), "signature"),
        (json!({ "jwk": jwk("d", &json!("AQ")) }), "public key"),
        (json!({ "jwk": jwk("p", &json!("AQ")) }), "public key"),
        (json!({ "jwk": jwk("k", &json!("AQ")) }), "public key"),
        (json!({ "jwk": jwk("x", &json!(null)) }), "cannot be used"),
        (json!({ "jwk": { "kty": "oct", "k": "AQ" } }), "public key"),
        (json!({ "jwk": { "kty": "oct" } }), "cannot be used"),
    ] {
        let header = changed(header(&key), &changes);
        let answer = told(&key.mint_with(&header, &claims().to_string()));
        assert!(answer.contains(why), "{changes}: {answer}");
    }
}

#[test]
fn claims_that_are_not_of_this_request_are_refused_for_what_is_wrong() {
    let key = TestKey::new("k", Algorithm::EdDsa);
    for (changes, why) in [
        (json!({ "htm": null }), "htm"),
        (json!({ "htm": "GET" }), "htm"),
        (json!({ "htm": "post" }), "htm"),
        (json!({ "htu": null }), "htu"),
        (json!({ "htu": "https://api.example/other" }), "htu"),
        (json!({ "htu": "http://api.example/jobs" }), "htu"),
        (json!({ "htu": "https://API.example:443/jobs?page=2" }), "good"),
        (json!({ "ath": null }), "ath"),
        (json!({ "ath": ath("e30.e30.other") }), "ath"),
        (json!({ "iat": null }), "iat"),
        (json!({ "iat": "now" }), "iat"),
        (json!({ "iat": NOW - 60 }), "good"),
        (json!({ "iat": NOW - 61 }), "too long ago"),
        (json!({ "iat": NOW + 5 }), "good"),
        (json!({ "iat": NOW + 6 }), "future"),
        (json!({ "iat": i64::MAX }), "future"),
        (json!({ "jti": null }), "jti"),
        (json!({ "jti": "" }), "jti"),
        (json!({ "jti": 7 }), "jti"),
    ] {
        let proof = key.mint_with(&header(&key), &changed(claims(), &changes).to_string());
        let answer = told(&proof);
        assert!(answer.contains(why), "{changes}: {answer}");
    }
    let twice = r#"{"htm":"GET","htm":"POST"}"#;
    assert!(told(&key.mint_with(&header(&key), twice)).contains("claims"));
}

#[test]
fn what_is_no_single_short_jwt_is_refused() {
    let key = TestKey::new("k", Algorithm::Es256);
    let good = key.mint_with(&header(&key), &claims().to_string());
    assert_eq!(told(&format!(" {good} ")), "good");
    for odd in ["", "a", "a.b", "..", "e30.e30.", "e30.e30.e30.e30", &"a".repeat(9000)] {
        assert_eq!(check(odd).unwrap_err().code(), "proof_invalid", "{odd}");
    }
    assert!(told(&format!("{good},{good}")).contains("more than one"));
    let none = Presented { proof: None, ..shows("") };
    let proofs = Proofs::new(ProofSettings::default());
    assert_eq!(proofs.check(&none, None, at(NOW)), Err(IdentityError::ProofMissing));
}

#[test]
fn a_proof_is_used_up_and_another_keys_jti_is_its_own() {
    let proofs = Proofs::new(ProofSettings { remembered: 2, ..ProofSettings::default() });
    let spend = |key: &TestKey, jti: &str, now: i64| {
        let claims = changed(claims(), &json!({ "jti": jti, "iat": now }));
        let proof = key.mint_with(&header(key), &claims.to_string());
        let proof = proofs.check(&shows(&proof), Some(TOKEN), at(now)).unwrap();
        proofs.spend(proof, at(now)).map_err(|error| error.code())
    };
    let (one, two) = (TestKey::new("1", Algorithm::Es256), TestKey::new("2", Algorithm::Es256));
    assert_eq!(spend(&one, "a", NOW), Ok(()));
    assert_eq!(spend(&one, "a", NOW), Err("proof_replayed"));
    assert_eq!(spend(&two, "a", NOW), Ok(()));
    assert_eq!(spend(&two, "b", NOW), Err("proofs_unavailable"));
    assert_eq!(spend(&two, "b", NOW + 61), Ok(()));
}

#[test]
fn where_a_nonce_is_asked_for_only_a_recent_one_of_ours_will_do() {
    let nonce_keys = vec![NonceKey::new([7; 32])];
    let proofs = Proofs::new(ProofSettings { nonce_keys, ..ProofSettings::default() });
    let key = TestKey::new("k", Algorithm::Es256);
    let check = |changes: &Value| {
        let proof = key.mint_with(&header(&key), &changed(claims(), changes).to_string());
        proofs.check(&shows(&proof), Some(TOKEN), at(NOW))
    };
    let Err(IdentityError::ProofNonceRequired { nonce }) = check(&json!({})) else {
        panic!("no nonce was asked for");
    };
    assert!(check(&json!({ "nonce": nonce })).is_ok());
    let old = proofs.nonces.as_ref().unwrap().current(at(NOW - 600)).unwrap();
    for odd in [json!(old), json!("x"), json!(7), json!("")] {
        let error = check(&json!({ "nonce": odd })).unwrap_err();
        assert_eq!(error.code(), "proof_nonce_required", "{odd}");
    }
}

proptest! {
    #[test]
    fn a_changed_character_is_noticed(at in any::<proptest::sample::Index>(), to in any::<char>()) {
        let key = TestKey::new("k", Algorithm::EdDsa);
        let proof = key.mint_with(&header(&key), &claims().to_string());
        let mut text: Vec<char> = proof.chars().collect();
        let at = at.index(text.len());
        prop_assume!(text[at] != to);
        text[at] = to;
        // Blanks around a header's value are not part of it; inside they are.
        let text: String = text.into_iter().collect();
        prop_assert!(check(&text).is_err());
    }

    #[test]
    fn no_text_makes_checking_panic(text in "\\PC{0,80}", parts in "[A-Za-z0-9_-]{0,40}\\.[A-Za-z0-9_-]{0,40}\\.[A-Za-z0-9_-]{0,9}") {
        prop_assert!(check(&text).is_err());
        prop_assert!(check(&parts).is_err());
    }
}
