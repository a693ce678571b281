//! SPIFFE IDs: the names of workloads (SPIFFE-ID specification, section 2).

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// The longest ID, in bytes (section 2.3).
const MAX_BYTES: usize = 2048;
/// The longest trust domain, in bytes (section 2.1).
const MAX_DOMAIN_BYTES: usize = 255;

/// Whoever signs the certificates and tokens of a set of workloads, such as
/// `cluster.local`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TrustDomain(Arc<str>);

/// A workload's name, such as `spiffe://cluster.local/ns/shop/sa/deploy`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SpiffeId {
    domain: TrustDomain,
    text: Arc<str>,
}

/// The text is not a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpiffeError {
    /// Not a trust domain.
    #[error(
        "a trust domain is made of lower-case letters, digits, `.`, `-` and `_`, such as cluster.local"
    )]
    TrustDomain,
    /// Not the ID of a workload.
    #[error("a SPIFFE ID is written spiffe://<trust domain>/<path>")]
    Id,
}

impl TrustDomain {
    /// Its name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for TrustDomain {
    type Err = SpiffeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let allowed =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-_".contains(&byte);
        if text.is_empty() || text.len() > MAX_DOMAIN_BYTES || !text.bytes().all(allowed) {
            return Err(SpiffeError::TrustDomain);
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for TrustDomain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl SpiffeId {
    /// Who vouches for it.
    pub const fn trust_domain(&self) -> &TrustDomain {
        &self.domain
    }

    /// The whole ID.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The path, with the slash at its beginning.
    pub fn path(&self) -> &str {
        let rest = self.text.strip_prefix("spiffe://").unwrap_or_default();
        rest.strip_prefix(self.domain.as_str()).unwrap_or_default()
    }

    /// The namespace and the service account that the path names, where it is made as
    /// Kubernetes meshes make it: `/ns/<namespace>/sa/<service account>`.
    pub fn service_account(&self) -> Option<(&str, &str)> {
        let path = self.text.strip_prefix("spiffe://")?.split_once('/')?.1;
        let (namespace, account) = path.strip_prefix("ns/")?.split_once("/sa/")?;
        (!namespace.contains('/') && !account.contains('/')).then_some((namespace, account))
    }
}

impl FromStr for SpiffeId {
    type Err = SpiffeError;

    /// Section 2: no query, no fragment, no port, no user, no escapes, and a path whose
    /// segments are not empty and not dots.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let named = text.strip_prefix("spiffe://").filter(|_| text.len() <= MAX_BYTES);
        let (domain, path) = named.and_then(|rest| rest.split_once('/')).ok_or(SpiffeError::Id)?;
        if !path.split('/').all(is_segment) {
            return Err(SpiffeError::Id);
        }
        Ok(Self { domain: domain.parse()?, text: text.into() })
    }
}

impl fmt::Display for SpiffeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Whether `text` can be one segment of an ID's path.
pub(super) fn is_segment(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
    !text.is_empty() && text != "." && text != ".." && text.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_names_a_trust_domain_and_a_workload() {
        let id: SpiffeId = "spiffe://cluster.local/ns/shop/sa/deploy".parse().unwrap();
        assert_eq!(id.trust_domain().as_str(), "cluster.local");
        assert_eq!(id.path(), "/ns/shop/sa/deploy");
        assert_eq!(id.service_account(), Some(("shop", "deploy")));
        assert_eq!(id.to_string(), "spiffe://cluster.local/ns/shop/sa/deploy");
        for other in ["spiffe://a/ns/b/sa/c/d", "spiffe://a/job", "spiffe://a/ns/b/c/sa/d"] {
            assert_eq!(other.parse::<SpiffeId>().unwrap().service_account(), None, "{other}");
        }
    }

    #[test]
    fn what_is_no_id_of_a_workload_is_refused() {
        for odd in [
            "",
            "spiffe://",
            "spiffe://a",
            "spiffe://a/",
            "spiffe:///b",
            "SPIFFE://a/b",
            "spiffe://A/b",
            "spiffe://a:1/b",
            "spiffe://u@a/b",
            "spiffe://a/b/",
            "spiffe://a//b",
            "spiffe://a/./b",
            "spiffe://a/../b",
            "spiffe://a/b?c",
            "spiffe://a/b#c",
            "spiffe://a/%62",
            "spiffe://a/b c",
            "https://a/b",
            &format!("spiffe://a/{}", "b".repeat(2048)),
            &format!("spiffe://{}/b", "a".repeat(256)),
        ] {
            assert!(odd.parse::<SpiffeId>().is_err(), "{odd}");
        }
    }
}
