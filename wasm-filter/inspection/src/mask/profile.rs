//! What to mask: field rules and detectors.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::detect::DetectorId;
use crate::digest::Digest;

/// What to mask, as configured under a name or ordered by a decision.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Fields whose values are masked whole, whatever they hold: paths in the
    /// RFC 9535 subset that [`crate::json::path`] reads. They apply to JSON.
    #[serde(default)]
    pub fields: BTreeSet<String>,
    /// What is looked for in every text.
    #[serde(default)]
    pub detectors: BTreeSet<DetectorId>,
}

impl Profile {
    /// The names of the built-in profiles.
    pub const BUILT_IN: [&str; 3] = ["pii", "secrets", "all"];

    /// The built-in profile of that name: `pii` (personal data), `secrets`
    /// (credentials), or `all` (both).
    pub fn built_in(name: &str) -> Option<Self> {
        match name {
            "pii" => Some(Self::of(PII_NAMES, PII_DETECTORS)),
            "secrets" => Some(Self::of(SECRET_NAMES, SECRET_DETECTORS)),
            "all" => {
                let mut all = Self::of(PII_NAMES, PII_DETECTORS);
                all.extend(&Self::of(SECRET_NAMES, SECRET_DETECTORS));
                Some(all)
            }
            _ => None,
        }
    }

    /// Adds what `other` masks.
    pub fn extend(&mut self, other: &Self) {
        self.fields.extend(other.fields.iter().cloned());
        self.detectors.extend(other.detectors.iter().copied());
    }

    /// The digest of its JSON form.
    pub fn digest(&self) -> Digest {
        Digest::of(serde_json::to_string(self).unwrap_or_default().as_bytes())
    }

    fn of(names: &[&str], detectors: &[DetectorId]) -> Self {
        Self {
            fields: names.iter().map(|name| format!("$..{name}")).collect(),
            detectors: detectors.iter().copied().collect(),
        }
    }
}

const PII_DETECTORS: &[DetectorId] =
    &[DetectorId::Email, DetectorId::PaymentCard, DetectorId::UsSsn, DetectorId::Iban];

const SECRET_DETECTORS: &[DetectorId] =
    &[DetectorId::AwsAccessKeyId, DetectorId::Jwt, DetectorId::PrivateKey];

/// Keys of personal data, wherever they stand; each also as `camelCase`,
/// `kebab-case` and so on, see [`super::path`].
const PII_NAMES: &[&str] = &[
    "email",
    "email_address",
    "phone",
    "phone_number",
    "telephone",
    "mobile",
    "mobile_number",
    "ssn",
    "social_security_number",
    "tax_id",
    "national_id",
    "passport_number",
    "drivers_license",
    "date_of_birth",
    "birth_date",
    "dob",
    "home_address",
    "street_address",
    "card_number",
    "credit_card",
    "credit_card_number",
    "cvv",
    "cvc",
    "iban",
    "bank_account_number",
];

/// Keys of credentials.
const SECRET_NAMES: &[&str] = &[
    "password",
    "passwd",
    "passphrase",
    "secret",
    "client_secret",
    "secret_key",
    "secret_access_key",
    "aws_secret_access_key",
    "token",
    "access_token",
    "refresh_token",
    "id_token",
    "session_token",
    "auth_token",
    "bearer_token",
    "api_key",
    "api_secret",
    "private_key",
    "authorization",
    "cookie",
    "set_cookie",
    "connection_string",
    "credentials",
];

#[cfg(test)]
mod tests {
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;
    use crate::mask::CompiledProfile;

    #[test]
    fn every_built_in_profile_compiles_and_all_is_their_union() {
        let built_in = |name| Profile::built_in(name).unwrap();
        for name in ["pii", "secrets", "all"] {
            CompiledProfile::new(&built_in(name)).unwrap();
        }
        let mut union = built_in("pii");
        union.extend(&built_in("secrets"));
        assert_eq!(union, built_in("all"));
        assert_eq!(built_in("all").detectors, DetectorId::ALL.into());
        assert_eq!(Profile::built_in("everything"), None);
    }
}
