//! Signature algorithms: asymmetric ones only, each for one type of key.

use std::fmt;
use std::str::FromStr;

/// A signature algorithm that tokens may be signed with (RFC 7518 section 3.1,
/// RFC 8037). A secret that is shared with every verifier proves no issuer, so
/// there is no HMAC; there is no `none`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    Rs384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    Rs512,
    /// RSASSA-PSS with SHA-256.
    Ps256,
    /// RSASSA-PSS with SHA-384.
    Ps384,
    /// RSASSA-PSS with SHA-512.
    Ps512,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// ECDSA on P-384 with SHA-384.
    Es384,
    /// ECDSA on P-521 with SHA-512.
    Es512,
    /// Ed25519, by its old name `EdDSA` or its new one (RFC 9864).
    EdDsa,
}

impl Algorithm {
    /// Every algorithm.
    pub const ALL: [Self; 10] = [
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
        Self::Ps256,
        Self::Ps384,
        Self::Ps512,
        Self::Es256,
        Self::Es384,
        Self::Es512,
        Self::EdDsa,
    ];

    /// Its name in headers and configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::Es512 => "ES512",
            Self::EdDsa => "EdDSA",
        }
    }

    /// The type of the keys that it works with.
    pub(super) const fn key_type(self) -> KeyType {
        match self {
            Self::Rs256 | Self::Rs384 | Self::Rs512 | Self::Ps256 | Self::Ps384 | Self::Ps512 => {
                KeyType::Rsa
            }
            Self::Es256 => KeyType::P256,
            Self::Es384 => KeyType::P384,
            Self::Es512 => KeyType::P521,
            Self::EdDsa => KeyType::Ed25519,
        }
    }
}

/// The type of a key, its curve included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KeyType {
    Rsa,
    P256,
    P384,
    P521,
    Ed25519,
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The text names no algorithm that can be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AlgorithmError {
    /// It names one that proves no issuer.
    #[error("`{0}` is refused: it does not prove who signed; use one of {usable}", usable = usable())]
    ProvesNobody(String),
    /// It is no algorithm that is known here.
    #[error("`{0}` is not a supported signature algorithm; use one of {usable}", usable = usable())]
    Unknown(String),
}

fn usable() -> String {
    Algorithm::ALL.map(Algorithm::name).join(", ")
}

impl FromStr for Algorithm {
    type Err = AlgorithmError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "Ed25519" {
            return Ok(Self::EdDsa);
        }
        Self::ALL.into_iter().find(|algorithm| algorithm.name() == text).ok_or_else(|| {
            let proves_nobody =
                text.eq_ignore_ascii_case("none") || matches!(text, "HS256" | "HS384" | "HS512");
            if proves_nobody {
                AlgorithmError::ProvesNobody(text.to_owned())
            } else {
                AlgorithmError::Unknown(text.to_owned())
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_algorithm_reads_back_its_name() {
        for algorithm in Algorithm::ALL {
            assert_eq!(algorithm.name().parse(), Ok(algorithm));
        }
        assert_eq!("Ed25519".parse(), Ok(Algorithm::EdDsa));
    }

    #[test]
    fn shared_secrets_and_none_are_no_algorithms() {
        for name in ["none", "None", "NONE", "HS256", "HS384", "HS512"] {
            let error = name.parse::<Algorithm>().unwrap_err();
            assert_eq!(error, AlgorithmError::ProvesNobody(name.to_owned()));
        }
        let error = "rs256".parse::<Algorithm>().unwrap_err().to_string();
        assert!(error.contains("use one of RS256, "), "{error}");
    }
}
