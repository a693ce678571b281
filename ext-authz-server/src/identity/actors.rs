//! The claims of a verified token to a chain (RFC 8693 section 4.1).
//!
//! The root is `sub`, or `sub_id` in the format `iss_sub` (RFC 9493 section 3.2.4)
//! where a token exchange names somebody of another issuer. The outermost `act` is
//! the current actor, the innermost one the earliest delegate.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::chain::{Assurance, Chain, GroupName, Hop, IssuerAlias, Principal};
use super::claims::{Claims, name};
use super::error::IdentityError;
use super::groups::{GroupClaim, GroupPatterns};

/// What is known of the issuers when a chain is read.
pub(super) struct Signed<'a> {
    /// The alias of the token's issuer.
    pub(super) signer: &'a IssuerAlias,
    /// The claims that its groups are in.
    pub(super) group_claims: &'a [GroupClaim],
    /// Whose principals it may name, besides its own.
    pub(super) may_attest: &'a BTreeSet<IssuerAlias>,
    /// Every issuer's alias, by `iss`.
    pub(super) aliases: &'a BTreeMap<String, IssuerAlias>,
    /// The groups that the configuration makes.
    pub(super) patterns: &'a GroupPatterns,
    /// The most hops.
    pub(super) max_depth: usize,
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
        let subject =
            name(claims.get("sub")).map_err(|_| IdentityError::Malformed("`sub` is not a name"))?;
        let Some(id) = claims.get("sub_id").filter(|id| id["format"] == "iss_sub") else {
            let subject = subject.ok_or(IdentityError::SubjectMissing)?.to_owned();
            return Ok(Principal { issuer: self.signer.clone(), subject });
        };
        let malformed = IdentityError::Malformed("`sub_id` has no `iss` and `sub` that are names");
        let (Ok(Some(iss)), Ok(Some(sub))) = (name(id.get("iss")), name(id.get("sub"))) else {
            return Err(malformed);
        };
        let issuer = self.alias(iss)?;
        // Of one issuer, both name the same subject (RFC 9493 section 4.1).
        if issuer == *self.signer && subject.is_some_and(|subject| subject != sub) {
            return Err(IdentityError::Malformed("`sub` and `sub_id` name different subjects"));
        }
        Ok(Principal { issuer, subject: sub.to_owned() })
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
        // To name somebody of another issuer in a chain is not to say what groups
        // they are in.
        if own {
            for claim in self.group_claims {
                groups.extend(claim.groups(described_by)?);
            }
        }
        Ok(Hop { principal, assurance, groups })
    }
}
