//! The delegation chain: from the root, who it is all for, to the current actor,
//! who is calling now.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The chain of a request: at least one hop, the root first, the current actor
/// last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain(Vec<Hop>);

/// A chain has at least one hop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a chain has at least one hop")]
pub struct EmptyChain;

impl Chain {
    /// A chain of `hops`, the root first.
    pub fn new(hops: Vec<Hop>) -> Result<Self, EmptyChain> {
        if hops.is_empty() { Err(EmptyChain) } else { Ok(Self(hops)) }
    }

    /// Every hop, the root first.
    pub fn hops(&self) -> &[Hop] {
        &self.0
    }

    /// Who it is all for.
    pub fn root(&self) -> &Hop {
        &self.0[0]
    }

    /// Who is calling now.
    pub fn current(&self) -> &Hop {
        &self.0[self.0.len() - 1]
    }

    /// How many hops there are, at least 1.
    pub fn depth(&self) -> usize {
        self.0.len()
    }

    /// How well the least known hop is known.
    pub fn weakest(&self) -> Assurance {
        self.0.iter().map(|hop| hop.assurance).min().unwrap_or(Assurance::Asserted)
    }

    /// The groups that every hop is in.
    pub fn shared_groups(&self) -> BTreeSet<GroupName> {
        let mut shared = self.root().groups.clone();
        shared.retain(|group| self.0.iter().all(|hop| hop.groups.contains(group)));
        shared
    }
}

/// One link of a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hop {
    /// Who.
    pub principal: Principal,
    /// How well known.
    pub assurance: Assurance,
    /// The groups they are in, by claims and by configuration.
    pub groups: BTreeSet<GroupName>,
    /// What else their credential says of them, by the names of its preset, such as
    /// `repository`.
    pub attributes: BTreeMap<String, String>,
    /// What they were proven by, wherever in the chain's history that was.
    pub credential: CredentialKind,
}

impl Hop {
    /// A hop of which no more is known than who, how well, and in which groups.
    pub const fn new(
        principal: Principal,
        assurance: Assurance,
        groups: BTreeSet<GroupName>,
    ) -> Self {
        Self {
            principal,
            assurance,
            groups,
            attributes: BTreeMap::new(),
            credential: CredentialKind::Named,
        }
    }

    /// Who answers for it, if that is written as a principal: the owner of an API key.
    pub fn owner(&self) -> Option<Principal> {
        let owner = self.attributes.get("owner")?;
        let keyed = self.principal.issuer.as_str() == IssuerAlias::API_KEYS;
        keyed.then(|| owner.parse().ok()).flatten()
    }
}

/// What proves a hop.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum CredentialKind {
    /// Nothing of its own: a token of somebody else names it.
    #[default]
    Named,
    /// A signed token (JWT).
    Token,
    /// A token that only its issuer can read (RFC 7662, Kubernetes TokenReview).
    Opaque,
    /// A client certificate.
    Certificate,
    /// An API key, the weakest of them: a secret that is sent along.
    ApiKey,
}

impl CredentialKind {
    /// The name in policies and records.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Named => "named",
            Self::Token => "token",
            Self::Opaque => "opaque",
            Self::Certificate => "certificate",
            Self::ApiKey => "api_key",
        }
    }
}

/// How well a hop is known, the least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Assurance {
    /// Somebody says so; never grants.
    Asserted,
    /// Named inside a verified token of an issuer that may name them.
    Attested,
    /// Their own credential was verified on this request.
    Proven,
}

impl Assurance {
    /// The name in policies and records.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Asserted => "asserted",
            Self::Attested => "attested",
            Self::Proven => "proven",
        }
    }
}

/// An agent or a human, written `<issuer alias>/<subject>`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Principal {
    /// The alias of the issuer that names them.
    pub issuer: IssuerAlias,
    /// Their `sub`.
    pub subject: String,
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.issuer, self.subject)
    }
}

impl FromStr for Principal {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (issuer, subject) = text.split_once('/').ok_or(NameError::Principal)?;
        if subject.is_empty() {
            return Err(NameError::Principal);
        }
        Ok(Self { issuer: issuer.parse()?, subject: subject.to_owned() })
    }
}

impl TryFrom<String> for Principal {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Principal> for String {
    fn from(principal: Principal) -> Self {
        principal.to_string()
    }
}

/// A name is not one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Not an issuer alias.
    #[error("an issuer alias is made of lower-case letters, digits, `-` and `_`")]
    IssuerAlias,
    /// Not a group.
    #[error("a group name is not empty and has no control characters")]
    Group,
    /// Not a principal.
    #[error("a principal is written `<issuer alias>/<subject>`")]
    Principal,
}

/// The short name under which an issuer is configured.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct IssuerAlias(Arc<str>);

impl FromStr for IssuerAlias {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_".contains(c);
        if text.is_empty() || !text.chars().all(allowed) {
            return Err(NameError::IssuerAlias);
        }
        Ok(Self(text.into()))
    }
}

impl IssuerAlias {
    /// The alias of principals who have API keys; no issuer is configured under it.
    pub const API_KEYS: &str = "api-key";

    /// [`Self::API_KEYS`].
    pub fn api_keys() -> Self {
        Self(Self::API_KEYS.into())
    }
}

/// A group of principals.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct GroupName(Arc<str>);

impl FromStr for GroupName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.is_empty() || text.chars().any(char::is_control) {
            return Err(NameError::Group);
        }
        Ok(Self(text.into()))
    }
}

macro_rules! text_name {
    ($($name:ident),*) => {$(
        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0.as_ref().to_owned()
            }
        }
    )*};
}

text_name!(IssuerAlias, GroupName);

#[cfg(test)]
mod tests {
    use super::*;

    fn hop(principal: &str, assurance: Assurance, groups: &[&str]) -> Hop {
        let groups = groups.iter().map(|group| group.parse().unwrap()).collect();
        Hop::new(principal.parse().unwrap(), assurance, groups)
    }

    #[test]
    fn a_chain_knows_its_ends_its_weakest_hop_and_its_shared_groups() {
        let chain = Chain::new(vec![
            hop("corp-idp/alice", Assurance::Attested, &["staff", "sre"]),
            hop("github/repo:acme/shop", Assurance::Proven, &["staff"]),
        ])
        .unwrap();
        assert_eq!(chain.root().principal.to_string(), "corp-idp/alice");
        assert_eq!(chain.current().principal.subject, "repo:acme/shop");
        assert_eq!(chain.weakest(), Assurance::Attested);
        assert_eq!(chain.shared_groups(), BTreeSet::from(["staff".parse().unwrap()]));
        assert_eq!(Chain::new(Vec::new()), Err(EmptyChain));
    }

    #[test]
    fn a_principal_reads_back_what_it_writes() {
        let principal: Principal = "k8s-prod/system:serviceaccount:ns/name".parse().unwrap();
        assert_eq!(principal.issuer.as_str(), "k8s-prod");
        assert_eq!(principal.to_string().parse(), Ok(principal));
        assert_eq!("alice".parse::<Principal>(), Err(NameError::Principal));
        assert_eq!("Corp/alice".parse::<Principal>(), Err(NameError::IssuerAlias));
    }
}
