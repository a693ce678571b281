//! A caller that proves to have its key (DPoP, RFC 9449).

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::{Jwk, ThumbprintHash};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::failure::{Failure, Result};
use crate::issuer::now;
use crate::request::HOST_NAME;

/// A key that proofs are signed with.
pub struct ProofKey {
    key: EncodingKey,
    jwk: Jwk,
}

impl ProofKey {
    /// A new key.
    pub fn generate() -> Result<Self> {
        let failed = |why: String| Failure::unexpected("making a key for proofs", why);
        let pair =
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new());
        let pair = pair.map_err(|error| failed(error.to_string()))?;
        let key = EncodingKey::from_ec_der(pair.as_ref());
        let jwk = Jwk::from_encoding_key(&key, Algorithm::ES256);
        Ok(Self { jwk: jwk.map_err(|error| failed(error.to_string()))?, key })
    }

    /// What tokens are bound to.
    pub fn thumbprint(&self) -> String {
        self.jwk.thumbprint(ThumbprintHash::SHA256).expect("a P-256 key has one")
    }

    /// A proof for one request to the guarded host, over plain HTTP, with `token`, and
    /// with `claims` over the usual ones.
    pub fn proof(&self, method: &str, path: &str, token: &str, claims: &Value) -> String {
        let mut all = json!({
            "jti": Uuid::now_v7().to_string(),
            "htm": method,
            "htu": format!("http://{HOST_NAME}{path}"),
            "iat": now(),
            "ath": URL_SAFE_NO_PAD.encode(Sha256::digest(token)),
        });
        for (name, value) in claims.as_object().into_iter().flatten() {
            all[name] = value.clone();
        }
        let typ = Some("dpop+jwt".to_owned());
        let header = Header { typ, jwk: Some(self.jwk.clone()), ..Header::new(Algorithm::ES256) };
        encode(&header, &all, &self.key).expect("the key is of the algorithm's kind")
    }
}

impl std::fmt::Debug for ProofKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ProofKey").field("thumbprint", &self.thumbprint()).finish_non_exhaustive()
    }
}
