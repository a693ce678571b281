//! What the sender of a token must prove (`cnf`, RFC 7800 section 3).

use serde_json::{Map, Value};

use super::error::IdentityError;
use super::thumbprint::Thumbprint;

/// The keys that a token is bound to; empty for a token that whoever has it may use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Confirmation {
    /// The thumbprint of the DPoP key (RFC 9449 section 6.1).
    pub(super) jkt: Option<Thumbprint>,
    /// The thumbprint of the client certificate (RFC 8705 section 3.1).
    pub(super) x5t_s256: Option<Thumbprint>,
}

impl Confirmation {
    /// What `claims` bind the token to. A member that is not understood could be one
    /// that the token is not good without, so it is refused.
    pub(super) fn read(claims: &Map<String, Value>) -> Result<Self, IdentityError> {
        let Some(cnf) = claims.get("cnf") else { return Ok(Self::default()) };
        let malformed = IdentityError::ClaimsMalformed("`cnf` is not a set of thumbprints");
        let members = cnf.as_object().filter(|members| !members.is_empty());
        let mut confirmation = Self::default();
        for (member, value) in members.ok_or(malformed.clone())? {
            let slot = match member.as_str() {
                "jkt" => &mut confirmation.jkt,
                "x5t#S256" => &mut confirmation.x5t_s256,
                _ => return Err(IdentityError::ConfirmationUnsupported),
            };
            let thumbprint = value.as_str().and_then(|text| text.parse().ok());
            *slot = Some(thumbprint.ok_or(malformed.clone())?);
        }
        Ok(confirmation)
    }

    /// Whether it asks for anything.
    pub(super) const fn is_empty(&self) -> bool {
        self.jkt.is_none() && self.x5t_s256.is_none()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(claims: &Value) -> Result<Confirmation, &'static str> {
        Confirmation::read(claims.as_object().unwrap()).map_err(|error| error.code())
    }

    #[test]
    fn every_member_is_understood_or_the_token_is_refused() {
        let thumbprint = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I";
        let bound = read(&json!({ "cnf": { "jkt": thumbprint } })).unwrap();
        assert_eq!(bound.jkt, thumbprint.parse().ok());
        assert_eq!(read(&json!({})), Ok(Confirmation::default()));
        let both = json!({ "cnf": { "jkt": thumbprint, "x5t#S256": thumbprint } });
        assert!(read(&both).unwrap().x5t_s256.is_some());
        let other = json!({ "cnf": { "jkt": thumbprint, "jwk": {} } });
        assert_eq!(read(&other), Err("cnf_unsupported"));
        for odd in [json!(null), json!({}), json!("x"), json!({ "jkt": "short" })] {
            assert_eq!(read(&json!({ "cnf": odd })), Err("claims_malformed"), "{odd}");
        }
    }
}
