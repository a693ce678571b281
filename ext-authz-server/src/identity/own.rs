//! What the tokens that this server signs say of a chain, written and read.
//!
//! Who is in it, standard claims say (RFC 8693 section 4.1, RFC 9493): `sub_id` names the
//! root by its own issuer, and `sub` is `<alias>/<subject>`, as a subject must be only
//! one of ours (RFC 7519 section 4.1.2, RFC 9068 section 2.2). What was known
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
        claims.insert("sub".into(), json!(root));
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hops() -> impl Strategy<Value = Vec<Hop>> {
        let kinds = [CredentialKind::Named, CredentialKind::Token, CredentialKind::ApiKey];
        let known = [Assurance::Asserted, Assurance::Attested, Assurance::Proven];
        let hop = (
            proptest::sample::select(vec!["github", "corp", "k8s"]),
            proptest::sample::select(known.to_vec()),
            proptest::sample::select(kinds.to_vec()),
            proptest::collection::btree_set("[a-c]", 0..3),
            proptest::collection::btree_map("[a-c]", "[a-z/]{0,4}", 0..3),
        );
        proptest::collection::vec(hop, 1..6).prop_map(|hops| {
            let hop = |(nth, (issuer, assurance, credential, groups, attributes))| {
                let principal: Principal = format!("{issuer}/s{nth}").parse().unwrap();
                let groups: BTreeSet<String> = groups;
                let groups = groups.iter().map(|group| group.parse().unwrap()).collect();
                Hop { attributes, credential, ..Hop::new(principal, assurance, groups) }
            };
            hops.into_iter().enumerate().map(hop).collect()
        })
    }

    fn url(alias: &IssuerAlias) -> IssuerUrl {
        IssuerUrl::parse(&format!("https://{alias}.example")).unwrap()
    }

    proptest! {
        /// What is written of a hop is read again, and nobody is known better for it.
        #[test]
        fn a_hop_is_restored_as_it_was_known(hops in hops()) {
            let chain = Chain::new(hops).unwrap();
            let urls: BTreeMap<_, _> = chain
                .hops()
                .iter()
                .map(|hop| (hop.principal.issuer.clone(), url(&hop.principal.issuer)))
                .collect();
            let claims = ChainClaims::new(&chain, None, &[], |alias| urls.get(alias)).unwrap();
            let claims = Value::Object(claims.into_object());
            let mut described = vec![&claims];
            let mut actors = Vec::new();
            let mut next = claims.get("act");
            while let Some(act) = next {
                actors.push(act);
                next = act.get("act");
            }
            described.extend(actors.into_iter().rev());
            prop_assert_eq!(described.len(), chain.depth());
            for (hop, described) in chain.hops().iter().zip(described) {
                let read = restored(hop.principal.clone(), described.as_object().unwrap()).unwrap();
                let assurance = hop.assurance.min(Assurance::Attested);
                prop_assert_eq!(read, Hop { assurance, ..hop.clone() });
            }
        }
    }

    #[test]
    fn two_subjects_of_different_issuers_are_two_subjects_of_ours() {
        let urls: BTreeMap<IssuerAlias, _> = ["github", "corp"]
            .map(|name| (name.parse().unwrap(), url(&name.parse().unwrap())))
            .into();
        let sub = |principal: &str| {
            let hop = Hop::new(principal.parse().unwrap(), Assurance::Proven, BTreeSet::new());
            let chain = Chain::new(vec![hop]).unwrap();
            let claims = ChainClaims::new(&chain, None, &[], |alias| urls.get(alias)).unwrap();
            let claims = claims.into_object();
            assert_eq!(claims["sub_id"]["sub"], "x");
            claims["sub"].clone()
        };
        assert_eq!((sub("github/x"), sub("corp/x")), (json!("github/x"), json!("corp/x")));
    }

    #[test]
    fn what_was_known_is_read_whole_or_not_at_all() {
        let principal: Principal = "github/ci".parse().unwrap();
        let known = |known: Value| {
            let claims = json!({ KNOWN: known });
            restored(principal.clone(), claims.as_object().unwrap()).map_err(|error| error.code())
        };
        assert!(known(json!({ "assurance": "attested", "credential": "token" })).is_ok());
        let better = known(json!({ "assurance": "proven", "credential": "token" })).unwrap();
        assert_eq!(better.assurance, Assurance::Attested);
        for odd in [
            json!(null),
            json!({}),
            json!({ "assurance": "attested" }),
            json!({ "assurance": "sure", "credential": "token" }),
            json!({ "assurance": "attested", "credential": "token", "more": 1 }),
            json!({ "assurance": "attested", "credential": "token", "groups": [""] }),
        ] {
            assert_eq!(known(odd.clone()), Err("claims_malformed"), "{odd}");
        }
    }

    #[test]
    fn a_lineage_reads_back_what_it_writes() {
        let ancestors = [
            ("github", Some("k/1"), Some("j")),
            ("corp", None, None),
            ("chaperone", Some("k"), Some("two")),
        ]
        .map(|(issuer, key, id)| Ancestor {
            issuer: issuer.parse().unwrap(),
            key: key.map(str::to_owned),
            id: id.map(str::to_owned),
        });
        let written: Vec<_> = ancestors.iter().map(WrittenAncestor::of).collect();
        let claims = json!({ LINEAGE: written });
        assert_eq!(lineage(claims.as_object().unwrap()).unwrap(), ancestors);
        for odd in
            [json!("x"), json!([{}]), json!([{ "key": "A/b" }]), json!([{ "key": "a", "x": 1 }])]
        {
            let claims = json!({ LINEAGE: odd });
            assert!(lineage(claims.as_object().unwrap()).is_err(), "{claims}");
        }
    }
}
