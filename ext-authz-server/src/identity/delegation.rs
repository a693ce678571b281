//! The credentials of a token exchange (RFC 8693 section 2.1): on whose behalf, and
//! who acts for them from now on.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::authenticator::{Acceptance, Authenticator, Credential, KeyShown, Sent};
use super::authority::Authority;
use super::chain::Principal;
use super::error::IdentityError;
use super::issuer::PrincipalKind;
use super::presented::Presented;
use super::thumbprint::Thumbprint;
use super::token::Token;
use super::verified::{Ancestor, TokenFacts};
use crate::time::UnixMillis;

/// What the credentials of a token exchange prove, and what bounds the token that
/// comes of it.
#[derive(Clone, Debug)]
pub struct Delegation {
    /// The chain, whose last hop is the actor now.
    pub credential: Credential,
    /// Whom the parent's token is for.
    pub audiences: BTreeSet<String>,
    /// What the parent's token may pass on by this actor.
    pub authority: Authority,
    /// The scopes of the actor's own token, where it states any: the actor gets no
    /// others.
    pub actor_scopes: Option<BTreeSet<String>>,
    /// Who may act on behalf of the chain; `None` when the parent does not say.
    pub may_act: Option<Principal>,
    /// When the first of the two tokens expires.
    pub expires_at: UnixMillis,
    /// The key that the actor has proven to have, to bind the new token to.
    pub key: Option<Thumbprint>,
}

impl Delegation {
    /// What the parent's token says.
    pub fn parent(&self) -> &TokenFacts {
        &self.credential.token
    }

    /// The tokens that whatever comes of this descends from, the earliest first.
    pub fn lineage(&self) -> Vec<Ancestor> {
        let mut lineage = self.parent().lineage.clone();
        let shown = [Some(&self.credential.token), self.credential.actor.as_ref()];
        for facts in shown.into_iter().flatten() {
            for ancestor in facts.lineage.iter().cloned().chain([facts.as_ancestor()]) {
                if !lineage.contains(&ancestor) {
                    lineage.push(ancestor);
                }
            }
        }
        lineage
    }
}

/// One of the two tokens of an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShownToken {
    /// That of the chain on whose behalf somebody acts.
    Subject,
    /// That of the one who acts.
    Actor,
}

impl ShownToken {
    /// The name of its parameter (RFC 8693 section 2.1).
    pub const fn name(self) -> &'static str {
        match self {
            Self::Subject => "subject_token",
            Self::Actor => "actor_token",
        }
    }
}

/// Why the credentials of an exchange are refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DelegationError {
    /// One of the tokens is not good.
    #[error("{}: {error}", .token.name())]
    Token {
        /// Which.
        token: ShownToken,
        /// What is wrong with it.
        error: IdentityError,
    },
    /// The proof of possession is not good.
    #[error("{0}")]
    Proof(IdentityError),
    /// Both are good, and do not go together.
    #[error("{0}")]
    Together(IdentityError),
    /// A person would act.
    #[error("actor_token: it names a person; agents act")]
    ActorNotAgent,
}

impl DelegationError {
    /// The stable code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Token { error, .. } | Self::Proof(error) | Self::Together(error) => error.code(),
            Self::ActorNotAgent => "actor_not_agent",
        }
    }
}

impl Authenticator {
    /// The chain of `subject` with the sender of `actor` as its last hop, at `now`.
    /// `presented` is how the request came: a proof in it is bound to no token (RFC 9449
    /// section 5), and shows a key for whichever of the two is bound to it.
    pub async fn delegate(
        &self,
        subject: &Token,
        actor: &Token,
        presented: &Presented<'_>,
        acceptance: &Acceptance,
        now: UnixMillis,
    ) -> Result<Delegation, DelegationError> {
        let wrong = |token| move |error| DelegationError::Token { token, error };
        let proof = self.unspent_proof(presented, now).map_err(DelegationError::Proof)?;
        let key = proof.as_ref().map_or(KeyShown::No, |proof| KeyShown::Checked(proof.key));
        let sent = Sent { key, peer: None };
        let subject = self.shown(subject, &sent, acceptance, now).await;
        let subject = subject.map_err(wrong(ShownToken::Subject))?;
        self.constrained_enough(&subject).map_err(wrong(ShownToken::Subject))?;
        let actor = self.shown(actor, &sent, acceptance, now).await;
        let actor = actor.and_then(|actor| self.calling(actor, None));
        let actor = actor.map_err(wrong(ShownToken::Actor))?;
        if actor.token.kind != PrincipalKind::Agent {
            return Err(DelegationError::ActorNotAgent);
        }
        let parent = Arc::clone(&subject.token);
        let expires_at = parent.facts.expires_at.min(actor.token.facts.expires_at);
        let own = actor.token.facts.authority.clone();
        let authority = parent.facts.authority.passed_on_to(&own);
        let credential =
            actor.acting_for(&parent, self.max_depth()).map_err(DelegationError::Together)?;
        self.still_good(&credential, now).map_err(DelegationError::Together)?;
        let key = proof.as_ref().map(|proof| proof.key);
        // Only now, so that nobody unknown fills the memory of used proofs.
        if let Some(proof) = proof {
            self.spend(proof, now).map_err(DelegationError::Proof)?;
        }
        Ok(Delegation {
            credential,
            audiences: parent.audiences.clone(),
            authority,
            actor_scopes: own.scopes,
            may_act: parent.may_act.clone(),
            expires_at,
            key,
        })
    }
}
