//! What a kind of token must say beyond what every token must.

use serde_json::{Map, Value};

use super::chain::{Chain, IssuerAlias};
use super::claims::{Claims, name, time};
use super::error::IdentityError;
use super::spiffe::{SpiffeId, TrustDomain};
use super::verified::Lifetime;

/// The claim that describes a Kubernetes service account.
const KUBERNETES: &str = "kubernetes.io";

/// The kind of an issuer's tokens.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum TokenProfile {
    /// Nothing more than every token must say.
    #[default]
    Plain,
    /// Kubernetes service account tokens: their `sub` is the service account that
    /// `kubernetes.io` describes, and their life ends at `warnafter` where they have
    /// one.
    ///
    /// While a cluster is moved to bound tokens, the API server signs a year and
    /// means the hour that was asked for (`--service-account-extend-token-expiration`,
    /// on by default); past `warnafter` it only warns. Here it is refused: the kubelet
    /// has long replaced such a token.
    ServiceAccount,
    /// JWT-SVIDs (the SPIFFE standard of that name, section 3): their `sub` is a
    /// SPIFFE ID in this trust domain. They need no `iss`.
    JwtSvid(TrustDomain),
}

impl TokenProfile {
    /// Whether its tokens need not name their issuer.
    pub(super) const fn needs_no_issuer(&self) -> bool {
        matches!(self, Self::JwtSvid(_))
    }

    /// The trust domain that its tokens are of, if they are of one.
    pub(super) const fn trust_domain(&self) -> Option<&TrustDomain> {
        match self {
            Self::JwtSvid(domain) => Some(domain),
            Self::Plain | Self::ServiceAccount => None,
        }
    }

    /// When a token that says `claims` is good.
    pub(super) fn lifetime(&self, claims: &Claims) -> Result<Lifetime, IdentityError> {
        let lifetime = Lifetime::read(claims)?;
        let Some(about) =
            service_account(claims.object()).filter(|_| *self == Self::ServiceAccount)
        else {
            return Ok(lifetime);
        };
        Ok(time(about, "warnafter")?.map_or(lifetime, |at| lifetime.ending(at)))
    }

    /// Whether a token of `signer` that says `claims` names whom it may in `chain`.
    pub(super) fn check(
        &self,
        signer: &IssuerAlias,
        claims: &Claims,
        chain: &Chain,
    ) -> Result<(), IdentityError> {
        match self {
            Self::Plain => Ok(()),
            Self::ServiceAccount => is_service_account(claims.object()),
            Self::JwtSvid(domain) => {
                let subject = name(claims.object().get("sub")).ok().flatten();
                let own = chain.hops().iter().map(|hop| &hop.principal);
                let own = own.filter(|principal| principal.issuer == *signer);
                let mut names = own.map(|principal| principal.subject.as_str()).chain(subject);
                let inside = |id: SpiffeId| id.trust_domain() == domain;
                if subject.is_some() && names.all(|name| name.parse().is_ok_and(inside)) {
                    Ok(())
                } else {
                    Err(IdentityError::SpiffeIdRefused)
                }
            }
        }
    }
}

fn service_account(claims: &Map<String, Value>) -> Option<&Map<String, Value>> {
    claims.get(KUBERNETES)?.as_object()
}

fn is_service_account(claims: &Map<String, Value>) -> Result<(), IdentityError> {
    let described = || {
        let about = service_account(claims)?;
        let namespace = name(about.get("namespace")).ok()??;
        let account = name(about.get("serviceaccount")?.get("name")).ok()??;
        Some(format!("system:serviceaccount:{namespace}:{account}"))
    };
    let described = described().ok_or(IdentityError::ClaimsMalformed(
        "`kubernetes.io` does not describe a service account",
    ))?;
    if claims.get("sub").and_then(Value::as_str) == Some(described.as_str()) {
        Ok(())
    } else {
        Err(IdentityError::ClaimsMalformed(
            "`sub` is not the service account that `kubernetes.io` describes",
        ))
    }
}
