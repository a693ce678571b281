//! A key that signs tokens. It does not print, and its secret is held only by the
//! cryptographic library, which wipes it.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _,
};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject as _;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::identity::Thumbprint;

/// What tokens are signed with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SigningAlgorithm {
    /// ECDSA on P-256 with SHA-256.
    #[default]
    Es256,
    /// Ed25519 (RFC 8037).
    EdDsa,
}

impl SigningAlgorithm {
    /// Every algorithm.
    pub const ALL: [Self; 2] = [Self::Es256, Self::EdDsa];

    /// Its name in headers and configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
        }
    }
}

impl FromStr for SigningAlgorithm {
    type Err = SigningKeyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|algorithm| algorithm.name() == text);
        found.ok_or(SigningKeyError::Algorithm)
    }
}

/// Why something is not a key to sign with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SigningKeyError {
    /// No such algorithm.
    #[error("tokens are signed with ES256 or EdDSA")]
    Algorithm,
    /// Not PEM, or not of this kind.
    #[error("not a private key in PKCS#8 PEM (-----BEGIN PRIVATE KEY-----)")]
    NotPem,
    /// Another type of key.
    #[error("not a P-256 or Ed25519 key")]
    Unsupported,
    /// The system gives no randomness, or no memory.
    #[error("a key cannot be made")]
    NotMade,
}

/// A key that signs tokens.
pub struct SigningKey {
    kid: String,
    jwk: Value,
    pair: Pair,
}

enum Pair {
    Es256(EcdsaKeyPair),
    EdDsa(Ed25519KeyPair),
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("kid", &self.kid).finish_non_exhaustive()
    }
}

impl SigningKey {
    /// A new key.
    pub fn generate(algorithm: SigningAlgorithm) -> Result<Self, SigningKeyError> {
        let pair = match algorithm {
            SigningAlgorithm::Es256 => {
                EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map(Pair::Es256)
            }
            SigningAlgorithm::EdDsa => Ed25519KeyPair::generate().map(Pair::EdDsa),
        };
        Ok(Self::of(pair.map_err(|_| SigningKeyError::NotMade)?))
    }

    /// The key in a PEM file (PKCS#8, RFC 5958), P-256 or Ed25519.
    pub fn from_pem(pem: &[u8]) -> Result<Self, SigningKeyError> {
        let der = PrivatePkcs8KeyDer::from_pem_slice(pem).map_err(|_| SigningKeyError::NotPem)?;
        let der = Zeroizing::new(der);
        let pkcs8 = der.secret_pkcs8_der();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8)
            .map(Pair::Es256)
            // OpenSSL writes Ed25519 keys without their public half.
            .or_else(|_| Ed25519KeyPair::from_pkcs8_maybe_unchecked(pkcs8).map(Pair::EdDsa));
        pair.map(Self::of).map_err(|_| SigningKeyError::Unsupported)
    }

    /// The key as a PEM file has it.
    pub fn to_pem(&self) -> Result<Zeroizing<String>, SigningKeyError> {
        let der = match &self.pair {
            Pair::Es256(pair) => pair.to_pkcs8v1(),
            Pair::EdDsa(pair) => pair.to_pkcs8v1(),
        };
        let der = der.map_err(|_| SigningKeyError::NotMade)?;
        let encoded = Zeroizing::new(STANDARD.encode(der.as_ref()));
        let mut pem = Zeroizing::new(String::with_capacity(encoded.len() + 80));
        pem.push_str("-----BEGIN PRIVATE KEY-----\n");
        let mut rest = encoded.as_str();
        while !rest.is_empty() {
            let (line, after) = rest.split_at(rest.len().min(64));
            pem.push_str(line);
            pem.push('\n');
            rest = after;
        }
        pem.push_str("-----END PRIVATE KEY-----\n");
        Ok(pem)
    }

    fn of(pair: Pair) -> Self {
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let mut jwk = match &pair {
            Pair::Es256(pair) => {
                // An uncompressed point: 4, x, y (SEC 1 section 2.3.3).
                let point = pair.public_key().as_ref();
                let (x, y) =
                    point.get(1..).unwrap_or_default().split_at_checked(32).unwrap_or_default();
                json!({ "crv": "P-256", "kty": "EC", "x": encode(x), "y": encode(y) })
            }
            Pair::EdDsa(pair) => {
                json!({ "crv": "Ed25519", "kty": "OKP", "x": encode(pair.public_key().as_ref()) })
            }
        };
        // These members are all that a thumbprint needs, so there always is one.
        let kid = jwk.as_object().and_then(Thumbprint::of_key);
        let kid = kid.map(|kid| kid.to_string()).unwrap_or_default();
        let algorithm = pair.algorithm();
        jwk["kid"] = json!(kid);
        jwk["use"] = json!("sig");
        jwk["alg"] = json!(algorithm.name());
        Self { kid, jwk, pair }
    }

    /// Its name: the thumbprint of its public half (RFC 7638).
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// What it signs with.
    pub const fn algorithm(&self) -> SigningAlgorithm {
        self.pair.algorithm()
    }

    /// Its public half, as it is published.
    pub const fn jwk(&self) -> &Value {
        &self.jwk
    }

    /// The signature of `message` (RFC 7518 section 3.4, RFC 8037 section 3.1).
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SigningKeyError> {
        let signature = match &self.pair {
            Pair::Es256(pair) => pair.sign(&SystemRandom::new(), message),
            Pair::EdDsa(pair) => pair.try_sign(message),
        };
        Ok(signature.map_err(|_| SigningKeyError::NotMade)?.as_ref().to_vec())
    }
}

impl Pair {
    const fn algorithm(&self) -> SigningAlgorithm {
        match self {
            Self::Es256(_) => SigningAlgorithm::Es256,
            Self::EdDsa(_) => SigningAlgorithm::EdDsa,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8037 appendix A.1 in the PKCS#8 form that OpenSSL writes (RFC 8410 section
    /// 10.3 has the form).
    const RFC_8037_SEED: &str = "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A";

    fn rfc_8037_pem() -> String {
        let seed = URL_SAFE_NO_PAD.decode(RFC_8037_SEED).unwrap();
        let mut der = vec![0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
        der.extend(seed);
        format!(
            "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
            STANDARD.encode(der)
        )
    }

    #[test]
    fn a_key_is_called_by_its_thumbprint() {
        let key = SigningKey::from_pem(rfc_8037_pem().as_bytes()).unwrap();
        // RFC 8037 appendix A.3.
        assert_eq!(key.kid(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
        assert_eq!(key.jwk()["x"], "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo");
    }

    #[test]
    fn a_key_reads_back_what_it_writes() {
        for algorithm in SigningAlgorithm::ALL {
            let key = SigningKey::generate(algorithm).unwrap();
            let again = SigningKey::from_pem(key.to_pem().unwrap().as_bytes()).unwrap();
            assert_eq!(again.jwk(), key.jwk());
            assert_eq!(again.algorithm(), algorithm);
            assert_eq!(algorithm.name().parse(), Ok(algorithm));
        }
    }

    #[test]
    fn what_is_no_key_to_sign_with_is_refused() {
        let refused = |pem: &str| SigningKey::from_pem(pem.as_bytes()).unwrap_err();
        assert_eq!(refused(""), SigningKeyError::NotPem);
        let other = rfc_8037_pem().replace("PRIVATE KEY", "CERTIFICATE");
        assert_eq!(refused(&other), SigningKeyError::NotPem);
        let p384 = EcdsaKeyPair::generate(&aws_lc_rs::signature::ECDSA_P384_SHA384_FIXED_SIGNING);
        let der = STANDARD.encode(p384.unwrap().to_pkcs8v1().unwrap());
        let pem = format!("-----BEGIN PRIVATE KEY-----\n{der}\n-----END PRIVATE KEY-----\n");
        assert_eq!(refused(&pem), SigningKeyError::Unsupported);
    }

    #[test]
    fn a_key_does_not_print() {
        let key = SigningKey::from_pem(rfc_8037_pem().as_bytes()).unwrap();
        let printed = format!("{key:?}");
        assert_eq!(printed, format!("SigningKey {{ kid: {:?}, .. }}", key.kid()));
    }
}
