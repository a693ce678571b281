//! What the tokens that this server signs say of a chain, written and read.
//!
//! Who is in it, standard claims say (RFC 8693 section 4.1, RFC 9493). What was known
//! of each hop when its own credential was seen stands beside it in a member of ours:
//! nobody else's token is believed to know that.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::chain::{Assurance, Chain, CredentialKind, GroupName, Hop, IssuerAlias, Principal};
use super::claims::name;
use super::error::IdentityError;
use super::issuer::IssuerUrl;
use super::verified::Ancestor;

/// The member of the claims, and of each `act`, that says what was known of the hop.
const KNOWN: &str = "chaperone";

/// The claim that names the tokens which a token descends from.
const LINEAGE: &str = "lineage";

/// The claims that tell of a chain: `sub`, `sub_id`, `act`, `may_act` and `lineage`.
#[derive(Clone, Debug)]
pub struct ChainClaims(Map<String, Value>);

/// Somebody in the chain is of an issuer that has no `iss` to name them by.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the issuer `{0}` has no name in tokens")]
pub struct UnnamedIssuer(pub IssuerAlias);

impl ChainClaims {
    /// The claims of `chain`, and of who may act on its behalf where only one may.
    /// `issuer_url` tells the `iss` of an issuer.
    pub fn new<'a>(
        chain: &Chain,
        may_act: Option<&Principal>,
        lineage: &[Ancestor],
        issuer_url: impl Fn(&IssuerAlias) -> Option<&'a IssuerUrl>,
    ) -> Result<Self, UnnamedIssuer> {
        let iss = |principal: &Principal| {
            let url = issuer_url(&principal.issuer).map(IssuerUrl::as_str);
            url.ok_or_else(|| UnnamedIssuer(principal.issuer.clone()))
        };
        let root = &chain.root().principal;
        let mut claims = Map::new();
        claims.insert("sub".into(), json!(root.subject));
        let id = json!({ "format": "iss_sub", "iss": iss(root)?, "sub": root.subject });
        claims.insert("sub_id".into(), id);
        claims.insert(KNOWN.into(), json!(Known::of(chain.root())));
        let mut earlier: Option<Value> = None;
        for hop in chain.hops().iter().skip(1) {
            let mut act = json!({
                "iss": iss(&hop.principal)?, "sub": hop.principal.subject, KNOWN: Known::of(hop),
            });
            if let Some(earlier) = earlier {
                act["act"] = earlier;
            }
            earlier = Some(act);
        }
        claims.extend(earlier.map(|act| ("act".to_owned(), act)));
        if let Some(named) = may_act {
            let named = json!({ "iss": iss(named)?, "sub": named.subject });
            claims.insert("may_act".into(), named);
        }
        if !lineage.is_empty() {
            let lineage: Vec<_> = lineage.iter().map(WrittenAncestor::of).collect();
            claims.insert(LINEAGE.into(), json!(lineage));
        }
        Ok(Self(claims))
    }

    /// The claims.
    pub fn into_object(self) -> Map<String, Value> {
        self.0
    }
}

/// The hop of `principal` that `described_by`, the claims or an `act`, tells of: it is
/// attested now, unless it was asserted before.
pub(super) fn restored(
    principal: Principal,
    described_by: &Map<String, Value>,
) -> Result<Hop, IdentityError> {
    let known: Known = described_by
        .get(KNOWN)
        .and_then(|known| Known::deserialize(known).ok())
        .ok_or(IdentityError::ClaimsMalformed("what was known of a hop cannot be read"))?;
    let Known { assurance, groups, attributes, credential } = known;
    let assurance = assurance.min(Assurance::Attested);
    Ok(Hop { attributes, credential, ..Hop::new(principal, assurance, groups) })
}

/// The tokens that the token with those `claims` descends from.
pub(super) fn lineage(claims: &Map<String, Value>) -> Result<Vec<Ancestor>, IdentityError> {
    let malformed = IdentityError::ClaimsMalformed("`lineage` cannot be read");
    let Some(value) = claims.get(LINEAGE) else { return Ok(Vec::new()) };
    let written = Vec::<WrittenAncestor>::deserialize(value).map_err(|_| malformed.clone())?;
    written.into_iter().map(|ancestor| ancestor.read().ok_or_else(|| malformed.clone())).collect()
}

/// What was known of a hop.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Known {
    assurance: Assurance,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    groups: BTreeSet<GroupName>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    attributes: BTreeMap<String, String>,
    credential: CredentialKind,
}

impl Known {
    fn of(hop: &Hop) -> Self {
        Self {
            assurance: hop.assurance.min(Assurance::Attested),
            groups: hop.groups.clone(),
            attributes: hop.attributes.clone(),
            credential: hop.credential,
        }
    }
}

/// A token that another one descends from: its key as `<issuer alias>/<kid>`, or only
/// the alias when the key has no name.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenAncestor {
    key: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    jti: Option<String>,
}

impl WrittenAncestor {
    fn of(ancestor: &Ancestor) -> Self {
        let key = ancestor.issuer_key().unwrap_or_else(|| ancestor.issuer.to_string());
        Self { key, jti: ancestor.id.clone() }
    }

    fn read(self) -> Option<Ancestor> {
        let (issuer, key) = match self.key.split_once('/') {
            Some((issuer, kid)) => (issuer, Some(kid.to_owned())),
            None => (self.key.as_str(), None),
        };
        if let Some(jti) = &self.jti {
            name(Some(&json!(jti))).ok()?;
        }
        Some(Ancestor { issuer: issuer.parse().ok()?, key, id: self.jti })
    }
}
