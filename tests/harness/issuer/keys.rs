//! Keys that sign tokens, and their public halves as they are published.

use std::fmt;

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RsaKeyPair,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::failure::{Failure, Result};

/// A key that signs.
pub(super) struct SigningKey {
    id: String,
    algorithm: Algorithm,
    key: EncodingKey,
    /// PEM of the public half; RSA only.
    public_pem: Option<String>,
}

impl SigningKey {
    /// A new key for RS256, ES256 or `EdDSA`.
    pub(super) fn generate(algorithm: Algorithm) -> Result<Self> {
        let made = match algorithm {
            Algorithm::RS256 => rsa(),
            Algorithm::ES256 => {
                let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
                EcdsaKeyPair::generate_pkcs8(algorithm, &SystemRandom::new())
                    .map(|pkcs8| (EncodingKey::from_ec_der(pkcs8.as_ref()), None))
                    .map_err(|error| error.to_string())
            }
            _ => Ed25519KeyPair::generate_pkcs8v1(&SystemRandom::new())
                .map(|pkcs8| (EncodingKey::from_ed_der(pkcs8.as_ref()), None))
                .map_err(|error| error.to_string()),
        };
        let (key, public_pem) =
            made.map_err(|error| Failure::unexpected("making a signing key", error))?;
        Ok(Self { id: Uuid::now_v7().to_string(), algorithm, key, public_pem })
    }

    /// A token with these claims.
    pub(super) fn sign(&self, claims: &Value) -> String {
        self.sign_as(&super::header(self.algorithm, &self.id), claims)
    }

    /// A token with another header, such as one that names another key.
    pub(super) fn sign_as(&self, header: &Header, claims: &Value) -> String {
        encode(header, claims, &self.key).expect("the key is of the algorithm's kind")
    }

    /// Its public half, as published.
    pub(super) fn jwk(&self) -> Value {
        let jwk = Jwk::from_encoding_key(&self.key, self.algorithm);
        let mut jwk = json!(jwk.expect("the key was made for this algorithm"));
        jwk["kid"] = json!(self.id);
        jwk["use"] = json!("sig");
        jwk
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn public_pem(&self) -> Option<&str> {
        self.public_pem.as_deref()
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("id", &self.id).finish_non_exhaustive()
    }
}

fn rsa() -> std::result::Result<(EncodingKey, Option<String>), String> {
    let pair = RsaKeyPair::generate(KeySize::Rsa2048).map_err(|error| error.to_string())?;
    let private: Pkcs8V1Der<'_> = pair.as_der().map_err(|error| error.to_string())?;
    let private = pem("PRIVATE KEY", private.as_ref());
    let key = EncodingKey::from_rsa_pem(private.as_bytes()).map_err(|error| error.to_string())?;
    let public: PublicKeyX509Der<'_> =
        pair.public_key().as_der().map_err(|error| error.to_string())?;
    Ok((key, Some(pem("PUBLIC KEY", public.as_ref()))))
}

fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<_> =
        text.as_bytes().chunks(64).map(|line| String::from_utf8_lossy(line)).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}
