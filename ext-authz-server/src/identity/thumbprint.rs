//! SHA-256 thumbprints of keys and certificates.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

/// The SHA-256 of a public key (RFC 7638) or of a certificate (RFC 8705 section 3.1).
/// In text it is base64url without padding.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Thumbprint([u8; 32]);

/// The text is no thumbprint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a thumbprint is a SHA-256 digest in base64url, 43 characters")]
pub struct ThumbprintError;

impl Thumbprint {
    /// The thumbprint of these bytes.
    pub(super) fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// The thumbprint of a public key: of the members that its type requires, in the
    /// order of their names (RFC 7638 section 3). `None` when one is missing, or the
    /// type is unknown.
    pub(crate) fn of_key(jwk: &Map<String, Value>) -> Option<Self> {
        let required: &[&str] = match jwk.get("kty")?.as_str()? {
            "RSA" => &["e", "kty", "n"],
            "EC" => &["crv", "kty", "x", "y"],
            "OKP" => &["crv", "kty", "x"],
            _ => return None,
        };
        let member = |name: &&str| {
            // serde_json quotes no more than RFC 7638 wants: these are plain names and
            // base64url.
            Some(format!("\"{name}\":{}", Value::from(jwk.get(*name)?.as_str()?)))
        };
        let members: Option<Vec<_>> = required.iter().map(member).collect();
        Some(Self::of(format!("{{{}}}", members?.join(",")).as_bytes()))
    }

    /// The thumbprint that `text` is in hexadecimal, as Envoy writes it.
    pub(super) fn from_hex(text: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes).ok()?;
        Some(Self(bytes))
    }

    /// The thumbprint that has this digest.
    pub(super) const fn from_bytes(digest: [u8; 32]) -> Self {
        Self(digest)
    }

    /// The digest.
    pub(super) const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl FromStr for Thumbprint {
    type Err = ThumbprintError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| ThumbprintError)?;
        bytes.try_into().map(Self).map_err(|_| ThumbprintError)
    }
}

impl fmt::Display for Thumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl fmt::Debug for Thumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Thumbprint({self})")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of_key(jwk: &Value) -> Option<String> {
        Thumbprint::of_key(jwk.as_object().unwrap()).map(|thumbprint| thumbprint.to_string())
    }

    #[test]
    fn the_examples_of_the_standards_have_their_thumbprints() {
        // RFC 7638 section 3.1.
        let rsa = json!({
            "kty": "RSA", "e": "AQAB", "alg": "RS256", "kid": "2011-04-29",
            "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw",
        });
        assert_eq!(of_key(&rsa).unwrap(), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
        // RFC 9449 section 6.1, of the key in section 4.1.
        let ec = json!({
            "kty": "EC", "crv": "P-256",
            "x": "l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs",
            "y": "9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA",
        });
        assert_eq!(of_key(&ec).unwrap(), "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I");
        // RFC 8037 appendix A.3.
        let ed = json!({
            "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
        });
        assert_eq!(of_key(&ed).unwrap(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    }

    #[test]
    fn a_key_without_a_required_member_has_none() {
        for jwk in [json!({}), json!({ "kty": "oct" }), json!({ "kty": "OKP", "crv": "Ed25519" })] {
            assert_eq!(of_key(&jwk), None, "{jwk}");
        }
    }

    #[test]
    fn a_thumbprint_reads_back_what_it_writes() {
        let thumbprint = Thumbprint::of(b"x");
        assert_eq!(thumbprint.to_string().parse(), Ok(thumbprint));
        assert_eq!(Thumbprint::from_hex(&hex::encode(thumbprint.as_bytes())), Some(thumbprint));
        for odd in ["", "AAAA", &format!("{thumbprint}="), &format!("{thumbprint}A")] {
            assert_eq!(odd.parse::<Thumbprint>(), Err(ThumbprintError), "{odd}");
        }
        assert_eq!(Thumbprint::from_hex("00"), None);
    }
}
