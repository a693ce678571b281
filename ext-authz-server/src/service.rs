//! A service behind Envoy, as the configuration resolved it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use chaperone_inspection::obligations::OnUnmaskable;

use crate::identity::{Acceptance, Complaint, ExternalUrl, IdentityError, Scheme};
use crate::policy::{PolicyId, Reason, Remedy};
use crate::resource::ProtectedResource;
use crate::tools::PinFile;
use crate::upstream::UpstreamCredentials;
use crate::verdict::{Challenge, ChallengeError, Refusal};

/// What is particular to one service.
#[derive(Clone, Debug)]
pub struct Service {
    /// Its name in policies.
    pub name: String,
    /// Whose tokens it accepts.
    pub acceptance: Acceptance,
    /// What becomes of credentials on the way to it.
    pub upstream: UpstreamCredentials,
    /// Whether a denial names the policies that caused it.
    pub names_policies: bool,
    /// What to do with a response that should be masked and cannot be.
    pub on_unmaskable: OnUnmaskable,
    /// How long a request is held for its approval.
    pub approval_wait: Duration,
    /// The URL at which callers know it, where Envoy sees another one.
    pub external_url: Option<ExternalUrl>,
    /// What it is as an OAuth protected resource.
    pub resource: Option<ProtectedResource>,
    /// Which of its tools may be called, by the paths of the routes on which it speaks
    /// MCP; a route that is not in it pins nothing.
    pub pins: BTreeMap<String, Arc<PinFile>>,
}

impl Service {
    /// Where callers learn whose tokens it takes.
    pub fn metadata_url(&self) -> Option<String> {
        self.resource.as_ref().map(|resource| resource.metadata_url.clone())
    }

    /// A denial by policy, as much of it as the service tells its callers, with what
    /// would help. The token was sent by `sent_by`.
    pub fn denial(
        &self,
        reasons: &BTreeSet<Reason>,
        remedy: Option<Remedy>,
        sent_by: Option<Scheme>,
    ) -> Refusal {
        let told: Vec<_> = reasons.iter().map(|reason| self.told(reason)).collect();
        let policies = reasons.iter().filter_map(Reason::policy).map(|id| id.0.clone()).collect();
        let detail = told.join(" ");
        let policies = if self.names_policies { policies } else { Vec::new() };
        match remedy {
            Some(remedy) => Refusal::Insufficient {
                remedy: Box::new(remedy),
                detail,
                policies,
                scheme: sent_by.unwrap_or_default(),
                resource_metadata: self.metadata_url(),
            },
            None => Refusal::Denied { code: "policy_denied", detail, policies },
        }
    }

    /// A refusal of what was sent as a credential by that scheme.
    pub fn unauthenticated(&self, error: &IdentityError, sent_by: Option<Scheme>) -> Refusal {
        let complaint = error.complaint();
        let (wants_proof, wanted) = match complaint {
            Complaint::NoCredential => (false, None),
            Complaint::Request => (false, Some(ChallengeError::InvalidRequest)),
            Complaint::Token => {
                let wants_proof = matches!(error, IdentityError::ProofMissing);
                (wants_proof, Some(ChallengeError::InvalidToken))
            }
            Complaint::Proof => (true, Some(ChallengeError::InvalidProof)),
            Complaint::Nonce(nonce) => (true, Some(ChallengeError::UseNonce(nonce.to_owned()))),
        };
        let scheme = if wants_proof { Scheme::Dpop } else { sent_by.unwrap_or_default() };
        Refusal::Unauthenticated {
            code: error.code(),
            detail: error.to_string(),
            challenge: Challenge { scheme, error: wanted, resource_metadata: self.metadata_url() },
        }
    }

    fn told(&self, reason: &Reason) -> String {
        match reason {
            Reason::Forbidden(PolicyId(id)) if self.names_policies => {
                format!("Policy {id} forbids this.")
            }
            Reason::Forbidden(_) => "A policy forbids this.".to_owned(),
            Reason::NotPermitted { hop, action, resource } => {
                let on =
                    if resource.is_empty() { String::new() } else { format!(" on {resource}") };
                format!("No policy permits {action}{on} to hop {hop} of the chain.")
            }
            Reason::Asserted { hop } => format!(
                "Hop {hop} of the chain is only asserted: no trusted issuer vouches for it."
            ),
            Reason::PolicyFailed(_) => "A policy could not be evaluated.".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(names_policies: bool) -> Service {
        Service {
            name: "customers".into(),
            acceptance: Acceptance::default(),
            upstream: UpstreamCredentials::Remove,
            names_policies,
            on_unmaskable: OnUnmaskable::Block,
            approval_wait: Duration::ZERO,
            external_url: None,
            resource: None,
            pins: BTreeMap::new(),
        }
    }

    #[test]
    fn a_refused_credential_is_told_what_to_send_instead() {
        let challenge =
            |error: &IdentityError, sent_by| match service(false).unauthenticated(error, sent_by) {
                Refusal::Unauthenticated { challenge, .. } => (challenge.scheme, challenge.error),
                other => panic!("{other:?}"),
            };
        let nonce = || "n-1".to_owned();
        for (error, sent_by, scheme, wanted) in [
            (IdentityError::TokenMissing, None, Scheme::Bearer, None),
            (IdentityError::PeerUnknown, None, Scheme::Bearer, None),
            (
                IdentityError::Malformed("x"),
                Some(Scheme::Bearer),
                Scheme::Bearer,
                Some(ChallengeError::InvalidRequest),
            ),
            (
                IdentityError::AudienceMismatch,
                Some(Scheme::Dpop),
                Scheme::Dpop,
                Some(ChallengeError::InvalidToken),
            ),
            (
                IdentityError::ProofMissing,
                Some(Scheme::Bearer),
                Scheme::Dpop,
                Some(ChallengeError::InvalidToken),
            ),
            (
                IdentityError::ProofReplayed,
                Some(Scheme::Dpop),
                Scheme::Dpop,
                Some(ChallengeError::InvalidProof),
            ),
            (
                IdentityError::ProofNonceRequired { nonce: nonce() },
                Some(Scheme::Dpop),
                Scheme::Dpop,
                Some(ChallengeError::UseNonce(nonce())),
            ),
        ] {
            assert_eq!(challenge(&error, sent_by), (scheme, wanted), "{error}");
        }
    }

    #[test]
    fn a_denial_names_policies_only_where_the_service_says_so() {
        let reasons = BTreeSet::from([
            Reason::Forbidden(PolicyId("never-drop".into())),
            Reason::NotPermitted { hop: 1, action: "sql:drop".into(), resource: "users".into() },
        ]);
        for names_policies in [true, false] {
            let Refusal::Denied { detail, policies, .. } =
                service(names_policies).denial(&reasons, None, None)
            else {
                panic!("not a denial");
            };
            assert_eq!(detail.contains("never-drop"), names_policies);
            assert_eq!(!policies.is_empty(), names_policies);
            assert!(detail.contains("No policy permits sql:drop on users to hop 1"));
        }
    }
}
