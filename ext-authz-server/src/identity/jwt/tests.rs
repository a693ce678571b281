//! The published examples of signatures, at the layer that verifies them: most of
//! their payloads are no claims.

use super::*;
use crate::identity::jwks::JwkSet;

const VECTORS: &str = include_str!("../../../tests/vectors/jws.json");

/// What becomes of `token` when `keys` may have signed it.
fn answer(token: &str, keys: &JwkSet) -> Result<Claims, IdentityError> {
    let token = Token::parse(token)?;
    let unverified = Unverified::read(&token, 8)?;
    let keys = keys.candidates(None, unverified.algorithm)?;
    unverified.verified_by(&keys).map(|(claims, _)| claims)
}

#[test]
fn published_signatures_verify_and_altered_ones_do_not() {
    let document: Value = serde_json::from_str(VECTORS).unwrap();
    let mut verified = 0;
    for vector in document["vectors"].as_array().unwrap() {
        let source = vector["source"].as_str().unwrap();
        let token = vector["token"].as_str().unwrap();
        let keys = JwkSet::from_json(serde_json::json!({ "keys": [vector["key"]] })).unwrap();
        let code = match answer(token, &keys) {
            Ok(claims) => {
                assert_eq!(claims.object()["iss"], "joe", "{source}");
                "claims"
            }
            Err(error) => error.code(),
        };
        let Some(expected) = vector["after_signature"].as_str() else {
            assert_eq!(code, "alg_not_allowed", "{source}");
            continue;
        };
        assert_eq!(code, expected, "{source}");
        verified += 1;
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let mut bytes = URL_SAFE_NO_PAD.decode(signature).unwrap();
        for place in [0, bytes.len() / 2, bytes.len() - 1] {
            bytes[place] ^= 1;
            let altered = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(&bytes));
            let refused = answer(&altered, &keys).map(|_| ());
            assert_eq!(refused, Err(IdentityError::SignatureInvalid), "{source}, byte {place}");
            bytes[place] ^= 1;
        }
    }
    assert_eq!(verified, 7);
}
