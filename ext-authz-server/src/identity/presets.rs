//! Presets: what well-known issuers of workload tokens are and say, so that one line
//! configures each of them. Everything in a preset can be written differently.

mod ci;
mod cloud;
mod cluster;
#[cfg(test)]
mod tests;

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::algorithm::Algorithm;
use super::attributes::{AttributeClaim, AttributeForm};
use super::groups::GroupClaim;

/// An issuer of workload tokens that is known by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Preset {
    /// GitHub Actions.
    GithubActions,
    /// GitLab CI/CD.
    GitlabCi,
    /// Buildkite.
    Buildkite,
    /// CircleCI.
    CircleCi,
    /// Kubernetes: projected service account tokens, on any distribution (those of
    /// EKS, GKE and AKS workloads are these as well).
    Kubernetes,
    /// AWS: outbound identity federation (STS `GetWebIdentityToken`).
    Aws,
    /// Google: identity tokens of service accounts.
    Google,
    /// Microsoft Entra: access tokens (v2.0) of applications and managed identities.
    Azure,
    /// SPIFFE: JWT-SVIDs of one trust domain.
    Spiffe,
}

/// The text is the name of no preset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no preset has this name")]
pub struct PresetError;

/// What a preset fills in.
#[derive(Debug)]
pub struct PresetSpec {
    /// Its name in the configuration.
    pub name: &'static str,
    /// The page that documents what its tokens say.
    pub documentation: &'static str,
    /// The `iss` of its tokens.
    pub issuer: PresetIssuer,
    /// The algorithms that it signs with.
    pub algorithms: &'static [Algorithm],
    /// The longest life of its tokens.
    pub max_lifetime: Duration,
    attributes: &'static [(&'static str, &'static str, AttributeForm)],
    groups: &'static [(&'static str, &'static str)],
}

/// The `iss` of a preset's tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PresetIssuer {
    /// One for everybody, or the one that most have.
    Usually(&'static str),
    /// One a customer; it looks like this.
    Like(&'static str),
    /// The SPIFFE ID of the trust domain stands for it.
    TrustDomain,
}

/// Files that every pod has, for talking to the API server of its own cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InCluster {
    /// The API server.
    pub url: &'static str,
    /// Where it publishes the keys of its tokens.
    pub jwks_url: &'static str,
    /// The certificate authority of its certificate.
    pub ca_file: &'static str,
    /// The pod's own token, which the kubelet replaces before it expires.
    pub token_file: &'static str,
}

impl Preset {
    /// Every preset.
    pub const ALL: [Self; 9] = [
        Self::GithubActions,
        Self::GitlabCi,
        Self::Buildkite,
        Self::CircleCi,
        Self::Kubernetes,
        Self::Aws,
        Self::Google,
        Self::Azure,
        Self::Spiffe,
    ];

    /// What it fills in.
    pub const fn spec(self) -> &'static PresetSpec {
        match self {
            Self::GithubActions => &ci::GITHUB_ACTIONS,
            Self::GitlabCi => &ci::GITLAB_CI,
            Self::Buildkite => &ci::BUILDKITE,
            Self::CircleCi => &ci::CIRCLECI,
            Self::Kubernetes => &cluster::KUBERNETES,
            Self::Aws => &cloud::AWS,
            Self::Google => &cloud::GOOGLE,
            Self::Azure => &cloud::AZURE,
            Self::Spiffe => &cluster::SPIFFE,
        }
    }

    /// Its name in the configuration.
    pub const fn name(self) -> &'static str {
        self.spec().name
    }

    /// The attributes that its tokens have.
    pub fn attributes(self) -> Vec<AttributeClaim> {
        let parse = |(name, claim, form): &(&str, &str, AttributeForm)| {
            AttributeClaim::parse(name, claim, *form).ok()
        };
        self.spec().attributes.iter().filter_map(parse).collect()
    }

    /// The claims of its tokens whose values are groups.
    pub fn groups(self) -> Vec<GroupClaim> {
        let parse = |(claim, prefix): &(&str, &str)| GroupClaim::parse(claim, Some(prefix)).ok();
        self.spec().groups.iter().filter_map(parse).collect()
    }

    /// The cluster that the server runs in, for a preset of clusters.
    pub const fn cluster(self) -> Option<InCluster> {
        match self {
            Self::Kubernetes => Some(cluster::IN_CLUSTER),
            _ => None,
        }
    }

    /// How its keys are reached where `issuer` is the API server of the cluster that
    /// the server runs in, which only that cluster can reach.
    pub fn in_cluster(self, issuer: &str) -> Option<InCluster> {
        let internal = cluster::INTERNAL_ISSUERS.contains(&issuer.trim_end_matches('/'));
        self.cluster().filter(|_| internal)
    }
}

impl FromStr for Preset {
    type Err = PresetError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|preset| preset.name() == text).ok_or(PresetError)
    }
}

impl fmt::Display for Preset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
