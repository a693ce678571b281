//! Two credentials of one request made into one: whoever calls, by their own
//! credential, on behalf of the chain that the other one tells of.

use std::sync::Arc;

use super::authenticator::Credential;
use super::chain::{Assurance, Chain};
use super::error::IdentityError;
use super::verified::{TokenFacts, VerifiedToken};

/// A credential that is good for this request.
pub(super) struct Shown {
    /// What it says.
    pub(super) token: Arc<VerifiedToken>,
    /// Whether its sender proved to have the key that it is bound to.
    pub(super) sender_constrained: bool,
}

impl Shown {
    /// The credential of a request that shows no other one.
    pub(super) fn alone(self) -> Credential {
        Credential {
            chain: Arc::clone(&self.token.chain),
            kind: self.token.kind,
            token: Arc::clone(&self.token.facts),
            actor: None,
            certificate: None,
            sender_constrained: self.sender_constrained,
        }
    }

    /// The credential of the actor that this is, acting on behalf of the chain of
    /// `subject`; a chain of at most `max_depth` hops.
    ///
    /// An actor who is the last of that chain already is thereby proven, and nobody
    /// is added.
    pub(super) fn acting_for(
        self,
        subject: &VerifiedToken,
        max_depth: usize,
    ) -> Result<Credential, IdentityError> {
        let actor = self.token.chain.current();
        if self.token.chain.depth() > 1 || actor.assurance != Assurance::Proven {
            return Err(IdentityError::ActorNested);
        }
        let mut hops = subject.chain.hops().to_vec();
        if subject.chain.current().principal == actor.principal {
            hops.pop();
        } else if hops.iter().any(|hop| hop.principal == actor.principal) {
            return Err(IdentityError::ChainLoop);
        } else if subject.may_act.as_ref().is_some_and(|named| *named != actor.principal) {
            return Err(IdentityError::MayActMismatch);
        }
        hops.push(actor.clone());
        if hops.len() > max_depth {
            return Err(IdentityError::ChainTooDeep { max: max_depth });
        }
        Ok(Credential {
            chain: Arc::new(Chain::new(hops).map_err(|_| IdentityError::SubjectMissing)?),
            kind: self.token.kind,
            token: narrowed(&subject.facts, &self.token.facts),
            actor: Some(Arc::clone(&self.token.facts)),
            certificate: None,
            sender_constrained: self.sender_constrained,
        })
    }
}

/// What `subject` says; what it allows, only as far as `actor` may do it too.
fn narrowed(subject: &Arc<TokenFacts>, actor: &TokenFacts) -> Arc<TokenFacts> {
    let authority = subject.authority.narrowed_by(&actor.authority);
    if authority == subject.authority {
        return Arc::clone(subject);
    }
    Arc::new(TokenFacts { authority, ..TokenFacts::clone(subject) })
}
