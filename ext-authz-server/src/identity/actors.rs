//! The claims of a verified token to a chain (RFC 8693 section 4.1).
//!
//! The root is `sub`, or `sub_id` in the format `iss_sub` (RFC 9493 section 3.2.4)
//! where a token exchange names somebody of another issuer. The outermost `act` is
//! the current actor, the innermost one the earliest delegate.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::attributes::{AttributeClaim, attributes};
use super::chain::{Assurance, Chain, CredentialKind, GroupName, Hop, IssuerAlias, Principal};
use super::claims::{Claims, name};
use super::error::IdentityError;
use super::groups::{GroupClaim, GroupPatterns};
use super::own;

/// What is known of the issuers when a chain is read.
pub(super) struct Signed<'a> {
    /// The alias of the token's issuer.
    pub(super) signer: &'a IssuerAlias,
    /// Whether that is this server, whose tokens say of each hop what was known of it.
    pub(super) own: bool,
    /// The claims that its groups are in.
    pub(super) group_claims: &'a [GroupClaim],
    /// The attributes that it tells of its own principals.
    pub(super) attribute_claims: &'a [AttributeClaim],
    /// Whose principals it may name, besides its own.
    pub(super) may_attest: &'a BTreeSet<IssuerAlias>,
    /// Every issuer's alias, by `iss`.
    pub(super) aliases: &'a BTreeMap<String, IssuerAlias>,
    /// The groups that the configuration makes.
    pub(super) patterns: &'a GroupPatterns,
    /// The most hops.
    pub(super) max_depth: usize,
    /// What proves whoever is alone in it.
    pub(super) credential: CredentialKind,
}

impl Signed<'_> {
    /// The chain that `claims` tell of.
    ///
    /// How well a hop is known: alone in a token of its own issuer it is *proven*.
    /// Named beside others by its own issuer, or by one that may attest it, it is
    /// *attested*. Named by any other issuer it is *asserted*.
    pub(super) fn chain(&self, claims: &Claims) -> Result<Chain, IdentityError> {
        let actors = self.actors(claims.object())?;
        let alone = actors.is_empty();
        let mut hops = vec![self.hop(self.root(claims.object())?, claims.object(), alone)?];
        for actor in actors.into_iter().rev() {
            hops.push(self.hop(self.actor(actor)?, actor, false)?);
        }
        let principals: BTreeSet<_> = hops.iter().map(|hop| &hop.principal).collect();
        if principals.len() < hops.len() {
            return Err(IdentityError::ChainLoop);
        }
        Chain::new(hops).map_err(|_| IdentityError::SubjectMissing)
    }

    /// Every `act`, the current actor first.
    fn actors<'c>(
        &self,
        claims: &'c Map<String, Value>,
    ) -> Result<Vec<&'c Map<String, Value>>, IdentityError> {
        let mut actors = Vec::new();
        let mut next = claims.get("act");
        while let Some(act) = next {
            if actors.len() + 1 >= self.max_depth {
                return Err(IdentityError::ChainTooDeep { max: self.max_depth });
            }
            let act = act.as_object().ok_or(IdentityError::ActorMalformed("it is no object"))?;
            actors.push(act);
            next = act.get("act");
        }
        Ok(actors)
    }

    fn root(&self, claims: &Map<String, Value>) -> Result<Principal, IdentityError> {
        let id = claims.get("sub_id").filter(|id| id["format"] == "iss_sub");
        let named = id.map(|id| self.named(id)).transpose()?;
        let different =
            || IdentityError::ClaimsMalformed("`sub` and `sub_id` name different subjects");
        if self.own {
            // This server writes whom `sub_id` names into `sub`, with their alias.
            let sub = claims.get("sub").and_then(Value::as_str);
            let named = named.ok_or(IdentityError::ClaimsMalformed("`sub_id` is missing"))?;
            let same = sub.is_some_and(|sub| sub == named.to_string());
            return same.then_some(named).ok_or_else(different);
        }
        let subject = name(claims.get("sub"))
            .map_err(|_| IdentityError::ClaimsMalformed("`sub` is not a name"))?;
        let Some(named) = named else {
            let subject = subject.ok_or(IdentityError::SubjectMissing)?.to_owned();
            return Ok(Principal { issuer: self.signer.clone(), subject });
        };
        // Of one issuer, both name the same subject (RFC 9493 section 4.1).
        if named.issuer == *self.signer && subject.is_some_and(|subject| subject != named.subject) {
            return Err(different());
        }
        Ok(named)
    }

    /// Whom a `sub_id` names.
    fn named(&self, id: &Value) -> Result<Principal, IdentityError> {
        let malformed =
            IdentityError::ClaimsMalformed("`sub_id` has no `iss` and `sub` that are names");
        let (Ok(Some(iss)), Ok(Some(sub))) = (name(id.get("iss")), name(id.get("sub"))) else {
            return Err(malformed);
        };
        Ok(Principal { issuer: self.alias(iss)?, subject: sub.to_owned() })
    }

    /// An actor without an `iss` is one of the signer's.
    fn actor(&self, act: &Map<String, Value>) -> Result<Principal, IdentityError> {
        let subject = name(act.get("sub"))
            .map_err(|_| IdentityError::ActorMalformed("its `sub` is not a name"))?
            .ok_or(IdentityError::ActorMalformed("it has no `sub`"))?;
        let iss = name(act.get("iss"))
            .map_err(|_| IdentityError::ActorMalformed("its `iss` is not a name"))?;
        let issuer = iss.map_or_else(|| Ok(self.signer.clone()), |iss| self.alias(iss))?;
        Ok(Principal { issuer, subject: subject.to_owned() })
    }

    /// Who may act on behalf of the chain (RFC 8693 section 4.4).
    pub(super) fn may_act(&self, claims: &Claims) -> Result<Option<Principal>, IdentityError> {
        let Some(value) = claims.object().get("may_act") else { return Ok(None) };
        let members = value.as_object().ok_or(IdentityError::ClaimsMalformed(
            "`may_act` is not an object that names one actor",
        ))?;
        self.actor(members).map(Some)
    }

    fn alias(&self, iss: &str) -> Result<IssuerAlias, IdentityError> {
        self.aliases.get(iss).cloned().ok_or(IdentityError::ActorIssuerUnknown)
    }

    fn hop(
        &self,
        principal: Principal,
        described_by: &Map<String, Value>,
        alone: bool,
    ) -> Result<Hop, IdentityError> {
        let own = principal.issuer == *self.signer;
        let assurance = if own && alone {
            Assurance::Proven
        } else if own || self.may_attest.contains(&principal.issuer) {
            Assurance::Attested
        } else {
            Assurance::Asserted
        };
        let mut groups: BTreeSet<GroupName> = self.patterns.of(&principal).cloned().collect();
        if self.own {
            let mut hop = own::restored(principal, described_by)?;
            hop.groups.append(&mut groups);
            return Ok(hop);
        }
        let mut described = BTreeMap::new();
        // To name somebody of another issuer in a chain is not to say what groups
        // they are in, or what else they are.
        if own {
            for claim in self.group_claims {
                groups.extend(claim.groups(described_by)?);
            }
            described = attributes(self.attribute_claims, described_by)?;
        }
        let credential =
            if assurance == Assurance::Proven { self.credential } else { CredentialKind::Named };
        let hop = Hop::new(principal, assurance, groups);
        Ok(Hop { credential, attributes: described, ..hop })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::identity::attributes::AttributeForm;

    /// `platform` signs; it may attest `github`, and not `k8s`.
    fn read(claims: &Value) -> Result<Chain, IdentityError> {
        read_of(claims, false)
    }

    /// The same, or as what this server has signed.
    fn read_of(claims: &Value, own: bool) -> Result<Chain, IdentityError> {
        let alias = |text: &str| text.parse::<IssuerAlias>().unwrap();
        let aliases = ["platform", "github", "k8s"]
            .map(|name| (format!("https://{name}.example"), alias(name)))
            .into();
        let group_claims = [GroupClaim::parse("groups", None).unwrap()];
        let attribute_claims =
            [AttributeClaim::parse("team", "team", AttributeForm::Scalar).unwrap()];
        let pattern = "github/repo:acme/*".parse().unwrap();
        let patterns = GroupPatterns::new([("ci".parse().unwrap(), vec![pattern])].into());
        let signed = Signed {
            signer: &alias("platform"),
            own,
            group_claims: &group_claims,
            attribute_claims: &attribute_claims,
            may_attest: &BTreeSet::from([alias("github")]),
            aliases: &aliases,
            patterns: &patterns,
            max_depth: 8,
            credential: CredentialKind::Token,
        };
        signed.chain(&Claims::parse(claims.to_string().as_bytes(), 100).unwrap())
    }

    fn hops(claims: &Value) -> Vec<String> {
        let chain = read(claims).unwrap();
        let hop = |hop: &Hop| {
            let groups: Vec<_> = hop.groups.iter().map(GroupName::as_str).collect();
            format!("{} {} [{}]", hop.principal, hop.assurance.name(), groups.join(" "))
        };
        chain.hops().iter().map(hop).collect()
    }

    fn code(claims: &Value) -> &'static str {
        read(claims).unwrap_err().code()
    }

    #[test]
    fn alone_in_its_own_issuers_token_the_subject_is_proven() {
        let claims = json!({ "sub": "deploy", "groups": ["bots"] });
        assert_eq!(hops(&claims), ["platform/deploy proven [bots]"]);
    }

    #[test]
    fn the_outermost_actor_is_the_current_one_and_the_innermost_the_earliest() {
        let claims = json!({
            "sub": "ticket-7",
            "groups": "people",
            "act": {
                "sub": "container",
                "groups": ["data"],
                "act": { "sub": "job", "act": { "sub": "script" } },
            },
        });
        assert_eq!(
            hops(&claims),
            [
                "platform/ticket-7 attested [people]",
                "platform/script attested []",
                "platform/job attested []",
                "platform/container attested [data]",
            ]
        );
    }

    #[test]
    fn others_are_attested_where_the_issuer_may_and_asserted_where_not() {
        let claims = json!({
            "sub": "deploy",
            "sub_id": {
                "format": "iss_sub", "iss": "https://github.example", "sub": "repo:acme/shop",
            },
            "groups": ["sre"],
            "act": {
                "sub": "container",
                "act": { "iss": "https://k8s.example", "sub": "ns:job", "groups": ["sre"] },
            },
        });
        assert_eq!(
            hops(&claims),
            [
                "github/repo:acme/shop attested [ci]",
                "k8s/ns:job asserted []",
                "platform/container attested []",
            ]
        );
    }

    #[test]
    fn attributes_are_of_whom_their_own_issuer_describes() {
        let github = json!({ "format": "iss_sub", "iss": "https://github.example", "sub": "x" });
        let read = |root: Value| {
            let mut claims = json!({
                "sub": "a", "team": "root",
                "act": {
                    "sub": "b", "team": 7,
                    "act": { "iss": "https://github.example", "sub": "c", "team": "c" },
                },
            });
            claims["sub_id"] = root;
            let chain = read(&claims).unwrap();
            let teams = chain.hops().iter().map(|hop| hop.attributes.get("team").cloned());
            teams.collect::<Vec<_>>()
        };
        let seven = Some("7".to_owned());
        assert_eq!(read(json!(null)), [Some("root".to_owned()), None, seven.clone()]);
        assert_eq!(read(github), [None, None, seven]);
        let act = json!({ "sub": "b", "team": ["a"] });
        assert_eq!(code(&json!({ "sub": "a", "act": act })), "attributes_malformed");
    }

    #[test]
    fn who_is_named_by_another_issuer_is_not_proven_even_alone() {
        let id = |iss: &str| json!({ "sub_id": { "format": "iss_sub", "iss": iss, "sub": "x" } });
        assert_eq!(hops(&id("https://github.example")), ["github/x attested []"]);
        assert_eq!(hops(&id("https://k8s.example")), ["k8s/x asserted []"]);
        assert_eq!(hops(&id("https://platform.example")), ["platform/x proven []"]);
        assert_eq!(code(&id("https://nobody.example")), "actor_issuer_unknown");
    }

    #[test]
    fn in_our_own_tokens_sub_is_the_text_of_whom_sub_id_names() {
        let read = |sub: Value, id: Value| {
            let known = json!({ "assurance": "attested", "credential": "token" });
            let claims = json!({ "sub": sub, "sub_id": id, "chaperone": known });
            let root = |chain: Chain| chain.root().principal.to_string();
            read_of(&claims, true).map(root).map_err(|error| error.code())
        };
        let id = json!({ "format": "iss_sub", "iss": "https://github.example", "sub": "a/b" });
        assert_eq!(read(json!("github/a/b"), id.clone()), Ok("github/a/b".to_owned()));
        for odd in [json!("a/b"), json!("k8s/a/b"), json!(null)] {
            assert_eq!(read(odd.clone(), id.clone()), Err("claims_malformed"), "{odd}");
        }
        assert_eq!(read(json!("github/a/b"), json!(null)), Err("claims_malformed"));
    }

    #[test]
    fn other_formats_of_sub_id_leave_sub_as_it_is() {
        let claims = json!({ "sub": "a", "sub_id": { "format": "opaque", "id": "b" } });
        assert_eq!(hops(&claims), ["platform/a proven []"]);
        let claims = json!({ "sub": "a", "sub_id": "b" });
        assert_eq!(hops(&claims), ["platform/a proven []"]);
        let iss = "https://platform.example";
        let claims =
            json!({ "sub": "a", "sub_id": { "format": "iss_sub", "iss": iss, "sub": "b" } });
        assert_eq!(code(&claims), "claims_malformed");
    }

    #[test]
    fn a_chain_that_cannot_be_read_is_refused() {
        assert_eq!(code(&json!({})), "subject_missing");
        assert_eq!(code(&json!({ "sub": "" })), "claims_malformed");
        assert_eq!(code(&json!({ "sub": 7 })), "claims_malformed");
        assert_eq!(
            code(&json!({ "sub_id": { "format": "iss_sub", "sub": "a" } })),
            "claims_malformed"
        );
        assert_eq!(code(&json!({ "sub": "a", "act": "b" })), "actor_malformed");
        assert_eq!(code(&json!({ "sub": "a", "act": null })), "actor_malformed");
        assert_eq!(code(&json!({ "sub": "a", "act": {} })), "actor_malformed");
        assert_eq!(
            code(&json!({ "sub": "a", "act": { "sub": "b", "iss": 1 } })),
            "actor_malformed"
        );
        assert_eq!(
            code(&json!({ "sub": "a", "act": { "sub": "b", "iss": "https://x.example" } })),
            "actor_issuer_unknown"
        );
        assert_eq!(code(&json!({ "sub": "a", "act": { "sub": "a" } })), "chain_loop");
        assert_eq!(
            code(
                &json!({ "sub": "r", "act": { "sub": "a", "act": { "sub": "b", "act": { "sub": "a" } } } })
            ),
            "chain_loop"
        );
    }

    /// A chain of the actors `names`, the current one first.
    fn nested(names: &[(Option<&str>, String)]) -> Value {
        names.iter().rev().fold(Value::Null, |inner, (iss, sub)| {
            let mut act = json!({ "sub": sub });
            if let Some(iss) = iss {
                act["iss"] = json!(format!("https://{iss}.example"));
            }
            if !inner.is_null() {
                act["act"] = inner;
            }
            act
        })
    }

    #[test]
    fn a_chain_has_at_most_so_many_hops() {
        let chain = |actors: usize| {
            let names: Vec<_> = (0..actors).map(|nth| (None, format!("a{nth}"))).collect();
            json!({ "sub": "root", "act": nested(&names) })
        };
        assert_eq!(read(&chain(7)).unwrap().depth(), 8);
        assert_eq!(code(&chain(8)), "chain_too_deep");
    }

    proptest! {
        #[test]
        fn a_hop_is_never_known_better_than_its_token_can_say(
            root in (0..4_usize, "[a-d]"),
            actors in proptest::collection::vec((0..4_usize, "[a-z]{1,3}"), 0..6),
        ) {
            let issuers = [None, Some("platform"), Some("github"), Some("k8s")];
            let names: Vec<_> =
                actors.iter().map(|(issuer, sub)| (issuers[*issuer], sub.clone())).collect();
            let mut claims = json!({ "sub": root.1, "groups": ["g"] });
            if let Some(iss) = issuers[root.0] {
                let iss = format!("https://{iss}.example");
                claims["sub_id"] = json!({ "format": "iss_sub", "iss": iss, "sub": root.1 });
            }
            if !names.is_empty() {
                claims["act"] = nested(&names);
            }
            if let Ok(chain) = read(&claims) {
                prop_assert_eq!(chain.depth(), names.len() + 1);
                for hop in chain.hops() {
                    let most = match hop.principal.issuer.as_str() {
                        "platform" if names.is_empty() => Assurance::Proven,
                        "platform" | "github" => Assurance::Attested,
                        _ => Assurance::Asserted,
                    };
                    prop_assert_eq!(hop.assurance, most);
                    let own = hop.principal.issuer.as_str() == "platform";
                    prop_assert!(own || hop.groups.is_empty());
                }
            }
        }
    }
}
