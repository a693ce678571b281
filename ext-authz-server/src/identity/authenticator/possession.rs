//! What the sender of a token must have: the key or the certificate that the token is
//! bound to, or the certificate of the workload that it names.

use std::sync::Arc;

use super::super::acting::Shown;
use super::super::chain::{Assurance, Chain, CredentialKind};
use super::super::confirmation::Confirmation;
use super::super::dpop::Proof;
use super::super::error::IdentityError;
use super::super::peer::Peer;
use super::super::presented::Presented;
use super::super::thumbprint::Thumbprint;
use super::super::token::Token;
use super::{Acceptance, Authenticator, Credential};
use crate::time::UnixMillis;

/// What a token is sent along with.
#[derive(Clone, Copy)]
pub(in crate::identity) struct Sent<'a> {
    /// What its sender shows to have the key that it may be bound to.
    pub(in crate::identity) key: KeyShown<'a>,
    /// The peer of the connection, if that has shown a certificate.
    pub(in crate::identity) peer: Option<&'a Peer>,
}

/// How the sender of a token shows to have a key.
#[derive(Clone, Copy)]
pub(in crate::identity) enum KeyShown<'a> {
    /// Not at all: it is a bearer token.
    No,
    /// By a proof for this token, in this request (RFC 9449 section 7).
    ByProof(&'a Presented<'a>),
    /// By a proof for no token, which was checked (RFC 9449 section 5).
    Checked(Thumbprint),
}

impl Authenticator {
    /// Who one token proves at `now`, sent by the owner of `key` where there is one.
    pub async fn verify_with(
        &self,
        token: &Token,
        key: Option<Thumbprint>,
        acceptance: &Acceptance,
        now: UnixMillis,
    ) -> Result<Credential, IdentityError> {
        let key = key.map_or(KeyShown::No, KeyShown::Checked);
        let sent = Sent { key, peer: None };
        let shown = self.shown(token, &sent, acceptance, now).await?;
        let credential = self.calling(shown, None)?.alone();
        self.still_good(&credential, now)?;
        Ok(credential)
    }

    /// The proof that the request shows, good and not used up yet; `None` when it shows
    /// none. It is bound to no token, as where a token is asked for (RFC 9449 section 5).
    pub(in crate::identity) fn unspent_proof(
        &self,
        presented: &Presented<'_>,
        now: UnixMillis,
    ) -> Result<Option<Proof>, IdentityError> {
        if presented.proof.is_none() {
            return Ok(None);
        }
        self.proofs.check(presented, None, now).map(Some)
    }

    /// Uses a proof up, once it is known who sends it.
    pub(in crate::identity) fn spend(
        &self,
        proof: Proof,
        now: UnixMillis,
    ) -> Result<(), IdentityError> {
        self.proofs.spend(proof, now)
    }

    /// The nonce that proofs made at `now` must have, where one is asked for.
    pub fn nonce(&self, now: UnixMillis) -> Option<String> {
        self.proofs.nonce(now)
    }

    /// Whether the sender has everything that `token` is bound to; `false` when it is
    /// bound to nothing.
    pub(super) fn possessed(
        &self,
        bound_to: &Confirmation,
        token: &str,
        sent: &Sent<'_>,
        now: UnixMillis,
    ) -> Result<bool, IdentityError> {
        if let Some(certificate) = bound_to.x5t_s256
            && sent.peer.ok_or(IdentityError::PeerMissing)?.thumbprint()? != certificate
        {
            return Err(IdentityError::TokenBindingMismatch(
                "the client certificate is not the one that the token is bound to",
            ));
        }
        match bound_to.jkt {
            Some(key) => self.has_key(key, token, sent.key, now)?,
            None if matches!(sent.key, KeyShown::ByProof(_)) => {
                return Err(IdentityError::TokenBindingMismatch(
                    "a token that is bound to no key is sent as `Bearer`, not as `DPoP`",
                ));
            }
            None => {}
        }
        Ok(!bound_to.is_empty())
    }

    /// Whether the sender of `token` shows to have `key`.
    fn has_key(
        &self,
        key: Thumbprint,
        token: &str,
        shown: KeyShown<'_>,
        now: UnixMillis,
    ) -> Result<(), IdentityError> {
        let other = IdentityError::TokenBindingMismatch(
            "the proof is signed with another key than the token is bound to",
        );
        match shown {
            KeyShown::No => Err(IdentityError::ProofMissing),
            KeyShown::Checked(shown) => {
                if shown == key {
                    Ok(())
                } else {
                    Err(other)
                }
            }
            KeyShown::ByProof(presented) => {
                let proof = self.proofs.check(presented, Some(token), now)?;
                if proof.key != key {
                    return Err(other);
                }
                // Last, so that nobody without the key fills the memory of used proofs.
                self.proofs.spend(proof, now)
            }
        }
    }

    /// The credential of whoever calls, beside the peer of the connection: it must be
    /// the one that the token's issuer wants, and one that the token names is proven.
    pub(in crate::identity) fn calling(
        &self,
        mut shown: Shown,
        peer: Option<&Peer>,
    ) -> Result<Shown, IdentityError> {
        let actor = shown.token.chain.current();
        let issuer = self.issuers.get(&shown.token.facts.issuer);
        if let Some(binding) = issuer.and_then(|issuer| issuer.settings.peer_binding.as_ref()) {
            let workload = peer.ok_or(IdentityError::PeerMissing)?.workload()?;
            if !workload.is_some_and(|id| binding.allows(actor, id)) {
                return Err(IdentityError::PeerMismatch);
            }
            shown.sender_constrained = true;
        }
        let workload = peer.and_then(|peer| peer.id.as_ref());
        let named = workload.is_some_and(|id| {
            actor.principal.subject == id.as_str()
                && self.trust_domains.get(id.trust_domain()) == Some(&actor.principal.issuer)
        });
        if named {
            shown = proven_by_peer(shown)?;
        }
        self.constrained_enough(&shown)?;
        Ok(shown)
    }

    /// Whether the issuer of the token lets it be sent so.
    pub(in crate::identity) fn constrained_enough(
        &self,
        shown: &Shown,
    ) -> Result<(), IdentityError> {
        let issuer = self.issuers.get(&shown.token.facts.issuer);
        match issuer {
            Some(issuer) if issuer.settings.require_proof && !shown.sender_constrained => {
                Err(IdentityError::ProofMissing)
            }
            _ => Ok(()),
        }
    }
}

/// The same credential, whose current actor has shown its certificate on this request.
fn proven_by_peer(shown: Shown) -> Result<Shown, IdentityError> {
    if shown.token.chain.current().assurance == Assurance::Proven {
        return Ok(Shown { sender_constrained: true, ..shown });
    }
    let mut hops = shown.token.chain.hops().to_vec();
    if let Some(actor) = hops.last_mut() {
        actor.assurance = Assurance::Proven;
        actor.credential = CredentialKind::Certificate;
    }
    let chain = Arc::new(Chain::new(hops).map_err(|_| IdentityError::SubjectMissing)?);
    Ok(Shown { token: Arc::new(shown.token.with_chain(chain)), sender_constrained: true })
}

#[cfg(test)]
mod tests;
