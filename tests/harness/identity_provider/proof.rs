//! Proofs of possession (RFC 9449), as an agent that holds a key makes them.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::json;
use uuid::Uuid;

use crate::failure::{Failure, Result};
use crate::issuer::now;

/// The key of an agent: ES256.
pub struct ProofKey {
    key: EncodingKey,
    public: Jwk,
}

impl fmt::Debug for ProofKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ProofKey(..)")
    }
}

impl ProofKey {
    /// A new one.
    pub fn generate() -> Result<Self> {
        let failed = |error: &dyn fmt::Display| Failure::unexpected("making a proof key", error);
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(algorithm, &SystemRandom::new())
            .map_err(|error| failed(&error))?;
        let key = EncodingKey::from_ec_der(pkcs8.as_ref());
        let public =
            Jwk::from_encoding_key(&key, Algorithm::ES256).map_err(|error| failed(&error))?;
        Ok(Self { key, public })
    }

    /// The `DPoP` header of a request: of that method, for that URL without its query,
    /// and with that access token when there is one.
    ///
    /// # Panics
    ///
    /// When a key that was made here cannot sign.
    pub fn proof(&self, method: &str, url: &str, token: Option<&str>) -> String {
        let header = Header {
            typ: Some("dpop+jwt".to_owned()),
            jwk: Some(self.public.clone()),
            ..Header::new(Algorithm::ES256)
        };
        let jti = Uuid::now_v7().to_string();
        let mut claims = json!({ "jti": jti, "htm": method, "htu": url, "iat": now() });
        if let Some(token) = token {
            claims["ath"] = URL_SAFE_NO_PAD.encode(digest(&SHA256, token.as_bytes())).into();
        }
        encode(&header, &claims, &self.key).expect("the key is of the algorithm's kind")
    }
}
