//! SPIFFE IDs (the SPIFFE-ID standard, section 2): who a workload is, as a URI in a
//! trust domain.

use std::fmt;
use std::str::FromStr;

/// The scheme, and what follows it up to the trust domain.
const SCHEME: &str = "spiffe://";
/// The longest trust domain and the longest SPIFFE ID, in bytes (section 2.3).
const MAX_TRUST_DOMAIN_BYTES: usize = 255;
const MAX_ID_BYTES: usize = 2048;

/// Whose word an identity is: letters, digits, dots, dashes and underscores, all in
/// lower case.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TrustDomain(String);

/// The text is no trust domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a trust domain is a name in lower case, such as prod.example, without spiffe://")]
pub struct TrustDomainError;

impl TrustDomain {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The SPIFFE ID of the trust domain itself.
    pub fn id(&self) -> String {
        format!("{SCHEME}{}", self.0)
    }
}

impl FromStr for TrustDomain {
    type Err = TrustDomainError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let allowed =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-_".contains(&byte);
        let fits = (1..=MAX_TRUST_DOMAIN_BYTES).contains(&text.len());
        if fits && text.bytes().all(allowed) {
            Ok(Self(text.to_owned()))
        } else {
            Err(TrustDomainError)
        }
    }
}

impl fmt::Display for TrustDomain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The SPIFFE ID of a workload: one with a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpiffeId {
    trust_domain: TrustDomain,
    path: String,
}

/// The text is not the SPIFFE ID of a workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the SPIFFE ID of a workload, such as spiffe://prod.example/ns/shop/sa/deploy")]
pub struct SpiffeIdError;

impl SpiffeId {
    /// The trust domain that it is in.
    pub const fn trust_domain(&self) -> &TrustDomain {
        &self.trust_domain
    }

    /// The path, with the slash at its beginning.
    pub fn path(&self) -> &str {
        &self.path
    }
}

impl FromStr for SpiffeId {
    type Err = SpiffeIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() > MAX_ID_BYTES {
            return Err(SpiffeIdError);
        }
        let (domain, path) =
            text.strip_prefix(SCHEME).and_then(|rest| rest.split_once('/')).ok_or(SpiffeIdError)?;
        if !path.split('/').all(is_segment) {
            return Err(SpiffeIdError);
        }
        let trust_domain = domain.parse().map_err(|_| SpiffeIdError)?;
        Ok(Self { trust_domain, path: format!("/{path}") })
    }
}

/// No segment is empty or relative, and none is encoded: one ID has one spelling.
fn is_segment(segment: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
    !matches!(segment, "" | "." | "..") && segment.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_workload_is_a_path_in_a_trust_domain() {
        let id: SpiffeId = "spiffe://prod.example/ns/shop/sa/Deploy-1".parse().unwrap();
        assert_eq!(id.trust_domain().as_str(), "prod.example");
        assert_eq!(id.path(), "/ns/shop/sa/Deploy-1");
        assert_eq!(id.trust_domain().id(), "spiffe://prod.example");
    }

    #[test]
    fn one_identity_has_one_spelling() {
        for text in [
            "spiffe://prod.example",
            "spiffe://prod.example/",
            "spiffe://prod.example/a/",
            "spiffe://prod.example//a",
            "spiffe://prod.example/./a",
            "spiffe://prod.example/a/..",
            "spiffe://prod.example/a%2fb",
            "spiffe://prod.example/a?b",
            "spiffe://prod.example/a#b",
            "spiffe://Prod.example/a",
            "spiffe://prod.example:443/a",
            "spiffe://user@prod.example/a",
            "spiffe:///a",
            "SPIFFE://prod.example/a",
            "https://prod.example/a",
            "prod.example/a",
            "",
        ] {
            assert_eq!(text.parse::<SpiffeId>(), Err(SpiffeIdError), "{text}");
        }
        let long = format!("spiffe://prod.example/{}", "a".repeat(2048));
        assert_eq!(long.parse::<SpiffeId>(), Err(SpiffeIdError));
        for text in ["", "Prod.example", "spiffe://prod.example", "a/b", &"a".repeat(256)] {
            assert_eq!(text.parse::<TrustDomain>(), Err(TrustDomainError), "{text}");
        }
    }
}
