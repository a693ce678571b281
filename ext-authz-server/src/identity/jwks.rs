//! JWK Sets (RFC 7517): the public keys of an issuer, each bound to what it may
//! verify.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

use super::algorithm::{Algorithm, KeyType};
use super::error::IdentityError;
use super::jwt::MAX_KEYS_TRIED;
use super::material::{Fingerprint, Material};

/// How many keys may have one `kid`: one of each type, and then some.
const MAX_NAMESAKES: usize = 16;

/// The public keys of an issuer: at least one. A clone is the same set.
///
/// What a request looks up, it finds without walking over the keys: whoever
/// publishes many makes the set bigger, not the requests slower.
#[derive(Clone, Debug)]
pub struct JwkSet(Arc<Indexed>);

#[derive(Debug, Default)]
struct Indexed {
    count: usize,
    /// For tokens that say which key signed them.
    named: HashMap<String, Vec<Arc<VerificationKey>>>,
    /// For tokens that do not: the first few for each algorithm.
    fitting: BTreeMap<Algorithm, Vec<Arc<VerificationKey>>>,
    /// Every key that can be found in the above.
    held: HashSet<Fingerprint>,
    refresh_hint: Option<Duration>,
}

impl JwkSet {
    /// The keys of a JWK Set that an operator wrote: a key that cannot be used is an
    /// error, except keys for encryption, which identity providers publish beside
    /// those for signatures.
    pub fn parse(text: &str) -> Result<Self, JwkSetError> {
        Self::read(written_set(text)?, OnProblem::Refuse)
    }

    /// The same, of a document that was parsed already.
    pub fn from_json(document: Value) -> Result<Self, JwkSetError> {
        let set: WrittenSet = serde_json::from_value(document).map_err(|_| JwkSetError::NotASet)?;
        Self::read(set, OnProblem::Refuse)
    }

    /// The keys of a JWK Set that an issuer publishes, at most `max_keys` of them:
    /// keys that cannot be used are skipped (RFC 7517 section 5).
    pub(super) fn published(text: &str, max_keys: usize) -> Result<Self, JwkSetError> {
        let written = written_set(text)?;
        if written.keys.len() > max_keys {
            return Err(JwkSetError::TooMany { max: max_keys });
        }
        Self::read(written, OnProblem::Skip)
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.0.count
    }

    /// Whether there is none, which cannot be.
    pub fn is_empty(&self) -> bool {
        self.0.count == 0
    }

    /// How soon a SPIFFE bundle asks to be fetched again (the SPIFFE Trust Domain and
    /// Bundle standard, section 4.1.1).
    pub(super) fn refresh_hint(&self) -> Option<Duration> {
        self.0.refresh_hint
    }

    /// The keys that may have signed a token whose header has that `kid` and that
    /// algorithm: at least one.
    pub(super) fn candidates(
        &self,
        kid: Option<&str>,
        algorithm: Algorithm,
    ) -> Result<Vec<Arc<VerificationKey>>, IdentityError> {
        let keys = match kid {
            Some(kid) => Some(self.0.named.get(kid).ok_or(IdentityError::KeyUnknown)?),
            None => self.0.fitting.get(&algorithm),
        };
        let fitting = keys.into_iter().flatten().filter(|key| key.fits(algorithm));
        let fitting: Vec<_> = fitting.take(MAX_KEYS_TRIED).cloned().collect();
        if fitting.is_empty() { Err(IdentityError::KeyUnfit) } else { Ok(fitting) }
    }

    /// Whether a key has that name.
    pub(super) fn names(&self, kid: &str) -> bool {
        self.0.named.contains_key(kid)
    }

    /// Whether that key, or the same one read from another document, is in the set.
    pub(super) fn holds(&self, key: &VerificationKey) -> bool {
        self.0.held.contains(&key.fingerprint)
    }

    fn read(written: WrittenSet, on_problem: OnProblem) -> Result<Self, JwkSetError> {
        let hint = written.spiffe_refresh_hint.and_then(|hint| hint.as_u64());
        let mut keys =
            Indexed { refresh_hint: hint.map(Duration::from_secs), ..Indexed::default() };
        for (index, key) in written.keys.into_iter().enumerate() {
            match (VerificationKey::read(key), on_problem) {
                (Ok(key), _) => keys.add(key),
                (Err(KeyProblem::NotForSignatures), _) | (Err(_), OnProblem::Skip) => {}
                (Err(problem), OnProblem::Refuse) => {
                    return Err(JwkSetError::Key { position: index + 1, problem });
                }
            }
        }
        if keys.count == 0 { Err(JwkSetError::Empty) } else { Ok(Self(Arc::new(keys))) }
    }
}

impl Indexed {
    fn add(&mut self, key: VerificationKey) {
        self.count += 1;
        let key = Arc::new(key);
        let mut found = false;
        let mut put = |keys: &mut Vec<_>, most: usize| {
            if keys.len() < most {
                keys.push(Arc::clone(&key));
                found = true;
            }
        };
        if let Some(kid) = &key.kid {
            put(self.named.entry(kid.clone()).or_default(), MAX_NAMESAKES);
        }
        for algorithm in Algorithm::ALL.into_iter().filter(|algorithm| key.fits(*algorithm)) {
            put(self.fitting.entry(algorithm).or_default(), MAX_KEYS_TRIED);
        }
        if found {
            self.held.insert(key.fingerprint);
        }
    }
}

#[derive(Clone, Copy)]
enum OnProblem {
    Refuse,
    Skip,
}

fn written_set(text: &str) -> Result<WrittenSet, JwkSetError> {
    serde_json::from_str(text).map_err(|_| JwkSetError::NotASet)
}

#[derive(Deserialize)]
struct WrittenSet {
    keys: Vec<Value>,
    spiffe_refresh_hint: Option<Value>,
}

/// A document is not a usable JWK Set.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JwkSetError {
    /// It is something else.
    #[error("not a JWK Set, which is JSON such as {{\"keys\": [...]}}")]
    NotASet,
    /// One key cannot be used.
    #[error("key {position} {problem}")]
    Key {
        /// Which, counted from 1.
        position: usize,
        /// Why not.
        problem: KeyProblem,
    },
    /// It has more keys than an honest issuer publishes.
    #[error("the JWK Set has more than {max} keys")]
    TooMany {
        /// The most keys there may be.
        max: usize,
    },
    /// No key can be used.
    #[error("the JWK Set has no key that signatures can be verified with")]
    Empty,
}

/// Why a key cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyProblem {
    /// It is a shared secret.
    #[error("is symmetric: whoever can verify with it can forge with it")]
    Symmetric,
    /// It is a secret.
    #[error("is a private key; write only its public part")]
    Private,
    /// It is for something else.
    #[error("is not for verifying signatures")]
    NotForSignatures,
    /// Its type or curve is not supported.
    #[error("has a type that is not supported; supported are RSA, P-256, P-384, P-521 and Ed25519")]
    Unsupported,
    /// Its `alg` is not supported or not for its type.
    #[error("has an `alg` that is not supported for its type")]
    AlgorithmUnfit,
    /// Its modulus is too small to be safe or too big to be true.
    #[error("is an RSA key of less than 2048 or more than 8192 bits")]
    RsaSize,
    /// A member is missing or cannot be read.
    #[error("has no valid `{0}`")]
    Member(&'static str),
}

/// A public key that may have signed a token.
#[derive(Debug)]
pub(super) struct VerificationKey {
    kid: Option<String>,
    key_type: KeyType,
    algorithm: Option<Algorithm>,
    material: Material,
    fingerprint: Fingerprint,
}

impl VerificationKey {
    /// Its name.
    pub(super) fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// Whether the key is for that algorithm: of its type, and not reserved for
    /// another. This is what stops algorithm confusion (RFC 8725 section 3.1).
    pub(super) fn fits(&self, algorithm: Algorithm) -> bool {
        self.key_type == algorithm.key_type()
            && self.algorithm.is_none_or(|reserved| reserved == algorithm)
    }

    /// Whether the key's owner signed `message` with that algorithm.
    pub(super) fn verifies(&self, algorithm: Algorithm, message: &str, signature: &str) -> bool {
        let Ok(signature) = URL_SAFE_NO_PAD.decode(signature) else { return false };
        self.fits(algorithm) && self.material.verifies(algorithm, message.as_bytes(), &signature)
    }

    /// The key that a JWK is.
    pub(super) fn read(key: Value) -> Result<Self, KeyProblem> {
        let written: WrittenKey =
            serde_json::from_value(key).map_err(|_| KeyProblem::Member("kty"))?;
        if written.kty == "oct" || written.k.is_some() {
            return Err(KeyProblem::Symmetric);
        }
        // `jwt-svid` is what keys for JWTs are marked with in a SPIFFE bundle (the
        // JWT-SVID standard, section 6), beside certificates that are none.
        let usage = written.usage.as_deref();
        let for_signatures = usage.is_none_or(|usage| matches!(usage, "sig" | "jwt-svid"))
            && written.key_ops.as_ref().is_none_or(|ops| ops.iter().any(|op| op == "verify"));
        if !for_signatures {
            return Err(KeyProblem::NotForSignatures);
        }
        if written.d.is_some() {
            return Err(KeyProblem::Private);
        }
        let (key_type, material) = match (written.kty.as_str(), written.crv.as_deref()) {
            ("RSA", _) => (KeyType::Rsa, written.rsa()?),
            ("EC", Some("P-256")) => (KeyType::P256, written.point(Algorithm::Es256, 32)?),
            ("EC", Some("P-384")) => (KeyType::P384, written.point(Algorithm::Es384, 48)?),
            ("EC", Some("P-521")) => (KeyType::P521, written.point(Algorithm::Es512, 66)?),
            ("OKP", Some("Ed25519")) => (KeyType::Ed25519, written.ed25519()?),
            _ => return Err(KeyProblem::Unsupported),
        };
        let algorithm = match written.alg.as_deref().map(str::parse::<Algorithm>) {
            None => None,
            Some(Ok(algorithm)) if algorithm.key_type() == key_type => Some(algorithm),
            Some(_) => return Err(KeyProblem::AlgorithmUnfit),
        };
        let fingerprint = material.fingerprint(written.kid.as_deref(), algorithm);
        Ok(Self { kid: written.kid, key_type, algorithm, material, fingerprint })
    }
}

#[derive(Deserialize)]
struct WrittenKey {
    kty: String,
    #[serde(rename = "use")]
    usage: Option<String>,
    key_ops: Option<Vec<String>>,
    alg: Option<String>,
    kid: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
    d: Option<IgnoredAny>,
    k: Option<IgnoredAny>,
}

impl WrittenKey {
    fn rsa(&self) -> Result<Material, KeyProblem> {
        let modulus = number(self.n.as_deref(), "n")?;
        let exponent = number(self.e.as_deref(), "e")?;
        // 2048 bits have their highest in the first of 256 bytes.
        let bits =
            modulus.len() * 8 - modulus.first().map_or(0, |byte| byte.leading_zeros() as usize);
        if !(2048..=8192).contains(&bits) {
            return Err(KeyProblem::RsaSize);
        }
        // With an exponent of 1 everything is its own signature; even ones are none.
        if exponent == [1] || exponent.last().is_none_or(|byte| byte % 2 == 0) {
            return Err(KeyProblem::Member("e"));
        }
        Ok(Material::rsa(modulus, exponent))
    }

    /// An uncompressed point (SEC 1 section 2.3.3).
    fn point(&self, algorithm: Algorithm, coordinate_bytes: usize) -> Result<Material, KeyProblem> {
        let x = bytes(self.x.as_deref(), "x")?;
        let y = bytes(self.y.as_deref(), "y")?;
        if x.len() != coordinate_bytes {
            return Err(KeyProblem::Member("x"));
        }
        let point = [&[4], x.as_slice(), y.as_slice()].concat();
        // A `y` of another length, or a point that is not on the curve.
        Material::point(algorithm, &point).ok_or(KeyProblem::Member("y"))
    }

    fn ed25519(&self) -> Result<Material, KeyProblem> {
        let x = bytes(self.x.as_deref(), "x")?;
        Material::point(Algorithm::EdDsa, &x).ok_or(KeyProblem::Member("x"))
    }
}

fn bytes(encoded: Option<&str>, member: &'static str) -> Result<Vec<u8>, KeyProblem> {
    encoded
        .and_then(|encoded| URL_SAFE_NO_PAD.decode(encoded).ok())
        .filter(|bytes| !bytes.is_empty())
        .ok_or(KeyProblem::Member(member))
}

/// A big-endian number without leading zeros, which some issuers write.
fn number(encoded: Option<&str>, member: &'static str) -> Result<Vec<u8>, KeyProblem> {
    let bytes = bytes(encoded, member)?;
    let start = bytes.iter().position(|byte| *byte != 0).ok_or(KeyProblem::Member(member))?;
    Ok(bytes.into_iter().skip(start).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::identity::test_issuer::TestKey;

    fn with(key: &TestKey, member: &str, value: Value) -> Value {
        let mut jwk = key.jwk();
        jwk[member] = value;
        jwk
    }

    fn problem(jwk: &Value) -> KeyProblem {
        match JwkSet::parse(&json!({ "keys": [jwk] }).to_string()) {
            Err(JwkSetError::Key { position: 1, problem }) => problem,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_key_that_an_operator_wrote_and_that_cannot_be_used_is_named() {
        let rsa = TestKey::new("r", Algorithm::Rs256);
        let ec = TestKey::new("e", Algorithm::Es256);
        let ed = TestKey::new("d", Algorithm::EdDsa);
        let cases = [
            (json!({ "kty": "oct", "k": "c2VjcmV0" }), KeyProblem::Symmetric),
            (with(&rsa, "d", json!("AQ")), KeyProblem::Private),
            (with(&rsa, "n", json!("AQAB")), KeyProblem::RsaSize),
            (with(&rsa, "e", json!("AQ")), KeyProblem::Member("e")),
            (with(&rsa, "e", json!("Ag")), KeyProblem::Member("e")),
            (with(&rsa, "n", json!("not base64")), KeyProblem::Member("n")),
            (with(&rsa, "alg", json!("ES256")), KeyProblem::AlgorithmUnfit),
            (with(&rsa, "alg", json!("HS256")), KeyProblem::AlgorithmUnfit),
            (with(&ec, "crv", json!("secp256k1")), KeyProblem::Unsupported),
            (with(&ec, "crv", json!("P-521")), KeyProblem::Member("x")),
            (with(&ec, "crv", json!("P-384")), KeyProblem::Member("x")),
            (with(&ec, "y", json!("AQAB")), KeyProblem::Member("y")),
            (with(&ed, "crv", json!("Ed448")), KeyProblem::Unsupported),
            (with(&ed, "x", json!("AQAB")), KeyProblem::Member("x")),
            (json!({ "kty": "AKP" }), KeyProblem::Unsupported),
            (json!("key"), KeyProblem::Member("kty")),
        ];
        for (jwk, expected) in cases {
            assert_eq!(problem(&jwk), expected, "{jwk}");
        }
        let text = JwkSet::parse(r#"{"keys":[{"kty":"oct","k":"c2VjcmV0"}]}"#).unwrap_err();
        assert_eq!(
            text.to_string(),
            "key 1 is symmetric: whoever can verify with it can forge with it"
        );
    }

    #[test]
    fn keys_for_encryption_are_passed_over() {
        let key = TestKey::new("e", Algorithm::Es256);
        let encryption = with(&key, "use", json!("enc"));
        let signing_only = with(&key, "key_ops", json!(["sign"]));
        let set = json!({ "keys": [encryption, signing_only, key.jwk()] });
        assert_eq!(JwkSet::from_json(set).unwrap().len(), 1);
        let set = json!({ "keys": [encryption] });
        assert_eq!(JwkSet::from_json(set).unwrap_err(), JwkSetError::Empty);
    }

    #[test]
    fn of_published_keys_those_that_can_be_used_are_used() {
        let key = TestKey::new("e", Algorithm::Es384);
        let set = json!({ "keys": [
            { "kty": "oct", "k": "c2VjcmV0" }, { "kty": "AKP", "alg": "ML-DSA-44" }, 7, key.jwk(),
        ]});
        assert_eq!(JwkSet::published(&set.to_string(), 4).unwrap().len(), 1);
        let too_many = JwkSet::published(&set.to_string(), 3).unwrap_err();
        assert_eq!(too_many, JwkSetError::TooMany { max: 3 });
        for text in ["", "[]", "{}", r#"{"keys":{}}"#, "<html>"] {
            assert_eq!(JwkSet::published(text, 9).unwrap_err(), JwkSetError::NotASet, "{text}");
        }
    }

    #[test]
    fn of_a_spiffe_bundle_the_keys_of_jwts_are_used() {
        let key = TestKey::new("e", Algorithm::Es256);
        let certificate = with(&key, "use", json!("x509-svid"));
        let mut bundle = json!({
            "keys": [certificate, with(&key, "use", json!("jwt-svid"))],
            "spiffe_sequence": 7, "spiffe_refresh_hint": 60,
        });
        let set = JwkSet::published(&bundle.to_string(), 16).unwrap();
        assert_eq!((set.len(), set.refresh_hint()), (1, Some(Duration::from_mins(1))));
        bundle["spiffe_refresh_hint"] = json!("soon");
        let set = JwkSet::from_json(bundle).unwrap();
        assert_eq!((set.len(), set.refresh_hint()), (1, None));
        let certificates = json!({ "keys": [certificate] });
        assert_eq!(
            JwkSet::published(&certificates.to_string(), 16).unwrap_err(),
            JwkSetError::Empty
        );
    }

    #[test]
    fn a_key_fits_the_algorithms_of_its_type_unless_it_is_reserved_for_one() {
        let key = TestKey::new("r", Algorithm::Rs256);
        let read = |jwk: Value| VerificationKey::read(jwk).unwrap();
        let fits = |key: &VerificationKey| Algorithm::ALL.map(|algorithm| key.fits(algorithm));
        let any_rsa = [true, true, true, true, true, true, false, false, false, false];
        assert_eq!(fits(&read(key.jwk())), any_rsa);
        let only_ps256 = [false, false, false, true, false, false, false, false, false, false];
        assert_eq!(fits(&read(with(&key, "alg", json!("PS256")))), only_ps256);
    }

    #[test]
    fn leading_zeros_of_a_modulus_do_not_change_it() {
        let key = TestKey::new("r", Algorithm::Rs256);
        let jwk = key.jwk();
        let mut modulus = vec![0];
        modulus.extend(URL_SAFE_NO_PAD.decode(jwk["n"].as_str().unwrap()).unwrap());
        let padded = with(&key, "n", json!(URL_SAFE_NO_PAD.encode(modulus)));
        let token = key.mint(&json!({}));
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let read = VerificationKey::read(padded).unwrap();
        assert!(read.verifies(Algorithm::Rs256, signed, signature));
        assert!(!read.verifies(Algorithm::Ps256, signed, signature));
    }
}
