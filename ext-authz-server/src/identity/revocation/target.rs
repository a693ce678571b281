//! What can be revoked, and how it is written.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::identity::chain::{IssuerAlias, Principal};
use crate::store::{RevocationKind, RevocationRow};

/// The longest value that can be revoked, in bytes: no name in a token is longer.
const MAX_VALUE_BYTES: usize = 1024;

/// What a revocation names. Whatever descends from it is refused with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RevocationTarget {
    /// A token, by its `jti`; of every issuer when none is named.
    Jti {
        /// The issuer.
        issuer: Option<IssuerAlias>,
        /// The `jti`.
        jti: String,
    },
    /// Whoever is that principal, or acts for them or through them.
    Subject(Principal),
    /// Every token that the key signed.
    IssuerKey {
        /// The issuer.
        issuer: IssuerAlias,
        /// The `kid` of the key in the issuer's key set.
        kid: String,
    },
    /// Whatever is done on behalf of that principal.
    ChainRoot(Principal),
}

/// The text names nothing that can be revoked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// It is not written as it should be.
    #[error("expected `<issuer alias>/<{what}>`")]
    Form {
        /// What comes after the slash.
        what: &'static str,
    },
    /// Its issuer is not one that is configured, so that it would match nobody.
    #[error("no issuer `{0}` is configured")]
    UnknownIssuer(String),
    /// It is nothing that a token could hold.
    #[error(
        "a value is not empty, at most {MAX_VALUE_BYTES} bytes long and without control characters"
    )]
    Value,
}

impl RevocationTarget {
    /// What `text` names: `<issuer alias>/<value>`, the issuer one of `known`.
    ///
    /// A `jti` is often a URL or a path itself: what stands before its first slash is
    /// an issuer only if it is a known one, and `*/<jti>` or a bare `<jti>` is that of
    /// every issuer.
    pub fn parse(
        kind: RevocationKind,
        text: &str,
        known: &[IssuerAlias],
    ) -> Result<Self, TargetError> {
        if kind == RevocationKind::Jti {
            return Self::parse_jti(text, known);
        }
        let what = if kind == RevocationKind::IssuerKey { "kid" } else { "subject" };
        let (alias, value) = text.split_once('/').ok_or(TargetError::Form { what })?;
        let unknown = || TargetError::UnknownIssuer(alias.to_owned());
        let issuer = known.iter().find(|known| known.as_str() == alias).ok_or_else(unknown)?;
        Self::new(kind, Some(issuer.clone()), checked(value)?).ok_or(TargetError::Form { what })
    }

    fn parse_jti(text: &str, known: &[IssuerAlias]) -> Result<Self, TargetError> {
        let (issuer, jti) = match text.split_once('/') {
            Some(("*", jti)) => (None, jti),
            Some((alias, jti)) => match known.iter().find(|known| known.as_str() == alias) {
                Some(issuer) => (Some(issuer.clone()), jti),
                None => (None, text),
            },
            None => (None, text),
        };
        Ok(Self::Jti { issuer, jti: checked(jti)? })
    }

    /// The target of that kind; `None` when it needs an issuer and has none.
    fn new(kind: RevocationKind, issuer: Option<IssuerAlias>, value: String) -> Option<Self> {
        Some(match (kind, issuer) {
            (RevocationKind::Jti, issuer) => Self::Jti { issuer, jti: value },
            (RevocationKind::Subject, Some(issuer)) => {
                Self::Subject(Principal { issuer, subject: value })
            }
            (RevocationKind::IssuerKey, Some(issuer)) => Self::IssuerKey { issuer, kid: value },
            (RevocationKind::ChainRoot, Some(issuer)) => {
                Self::ChainRoot(Principal { issuer, subject: value })
            }
            (_, None) => return None,
        })
    }

    /// What is stored in `row`; `None` when it is damaged.
    pub(super) fn from_row(row: &RevocationRow) -> Option<Self> {
        let issuer = row.issuer.as_deref().map(str::parse::<IssuerAlias>).transpose().ok()?;
        Self::new(row.kind, issuer, row.value.clone())
    }

    /// Its kind.
    pub const fn kind(&self) -> RevocationKind {
        match self {
            Self::Jti { .. } => RevocationKind::Jti,
            Self::Subject(_) => RevocationKind::Subject,
            Self::IssuerKey { .. } => RevocationKind::IssuerKey,
            Self::ChainRoot(_) => RevocationKind::ChainRoot,
        }
    }

    /// The issuer that its value belongs to; `None` for every issuer.
    pub const fn issuer(&self) -> Option<&IssuerAlias> {
        match self {
            Self::Jti { issuer, .. } => issuer.as_ref(),
            Self::IssuerKey { issuer, .. } => Some(issuer),
            Self::Subject(principal) | Self::ChainRoot(principal) => Some(&principal.issuer),
        }
    }

    /// Its value, without the issuer.
    pub fn value(&self) -> &str {
        match self {
            Self::Jti { jti, .. } => jti,
            Self::IssuerKey { kid, .. } => kid,
            Self::Subject(principal) | Self::ChainRoot(principal) => &principal.subject,
        }
    }
}

/// As it is written.
impl fmt::Display for RevocationTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let issuer = self.issuer().map_or("*", IssuerAlias::as_str);
        write!(f, "{issuer}/{}", self.value())
    }
}

fn checked(value: &str) -> Result<String, TargetError> {
    if value.is_empty() || value.len() > MAX_VALUE_BYTES || value.contains(char::is_control) {
        return Err(TargetError::Value);
    }
    Ok(value.to_owned())
}

/// The id of a revocation: `rev_` and a UUID.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RevocationId(Uuid);

/// The text is not a revocation's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a revocation's id: expected `rev_` and 32 hex digits")]
pub struct RevocationIdError;

impl RevocationId {
    /// The id made of that UUID.
    pub const fn new(uuid: Uuid) -> Self {
        Self(uuid)
    }
}

impl fmt::Display for RevocationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rev_{}", self.0.simple())
    }
}

impl FromStr for RevocationId {
    type Err = RevocationIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = text.strip_prefix("rev_").ok_or(RevocationIdError)?;
        let id = Uuid::try_parse(digits).map(Self).map_err(|_| RevocationIdError)?;
        // One id has one spelling.
        if id.to_string() == text { Ok(id) } else { Err(RevocationIdError) }
    }
}

impl TryFrom<String> for RevocationId {
    type Error = RevocationIdError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<RevocationId> for String {
    fn from(id: RevocationId) -> Self {
        id.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(kind: RevocationKind, text: &str) -> Result<String, TargetError> {
        let known = ["github", "api-key"].map(|alias| alias.parse().unwrap());
        RevocationTarget::parse(kind, text, &known).map(|target| target.to_string())
    }

    #[test]
    fn a_target_names_an_issuer_that_is_known() {
        use RevocationKind::{ChainRoot, IssuerKey, Subject};
        for kind in [ChainRoot, IssuerKey, Subject] {
            assert_eq!(parse(kind, "github/repo:a/b").unwrap(), "github/repo:a/b");
            let unknown = TargetError::UnknownIssuer("gihtub".to_owned());
            assert_eq!(parse(kind, "gihtub/x"), Err(unknown));
            assert!(matches!(parse(kind, "github"), Err(TargetError::Form { .. })));
            assert_eq!(parse(kind, "github/"), Err(TargetError::Value));
            assert_eq!(parse(kind, "github/a\nb"), Err(TargetError::Value));
        }
    }

    #[test]
    fn a_jti_is_of_every_issuer_unless_it_names_one() {
        for (text, target) in [
            ("abc", "*/abc"),
            ("github/abc", "github/abc"),
            ("*/github/abc", "*/github/abc"),
            ("urn:uuid:1/2", "*/urn:uuid:1/2"),
            ("https://idp.example/1", "*/https://idp.example/1"),
        ] {
            assert_eq!(parse(RevocationKind::Jti, text).unwrap(), target);
        }
        assert_eq!(parse(RevocationKind::Jti, ""), Err(TargetError::Value));
        let long = "x".repeat(MAX_VALUE_BYTES + 1);
        assert_eq!(parse(RevocationKind::Jti, &long), Err(TargetError::Value));
    }

    #[test]
    fn an_id_has_one_spelling() {
        let id = RevocationId::new(Uuid::from_u128(7));
        assert_eq!(id.to_string().parse(), Ok(id));
        assert!(id.to_string().to_uppercase().parse::<RevocationId>().is_err());
        assert!("rev_7".parse::<RevocationId>().is_err());
    }
}
