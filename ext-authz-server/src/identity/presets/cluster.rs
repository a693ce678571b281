//! Clusters and meshes: which service account, which pod, which workload.

use std::time::Duration;

use super::AttributeForm::{Scalar, SpiffePath, TrustDomain};
use super::{InCluster, PresetIssuer, PresetSpec};
use crate::identity::Algorithm;

/// <https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/>
///
/// The kubelet asks for 3,607 s. The group is what the API server itself puts service
/// accounts of a namespace in.
pub(super) const KUBERNETES: PresetSpec = PresetSpec {
    name: "kubernetes",
    documentation: "https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/",
    issuer: PresetIssuer::Usually("https://kubernetes.default.svc.cluster.local"),
    algorithms: &[Algorithm::Rs256, Algorithm::Es256, Algorithm::Es384],
    max_lifetime: Duration::from_secs(3607),
    attributes: &[
        ("namespace", "/kubernetes.io/namespace", Scalar),
        ("service_account", "/kubernetes.io/serviceaccount/name", Scalar),
        ("service_account_uid", "/kubernetes.io/serviceaccount/uid", Scalar),
        ("pod", "/kubernetes.io/pod/name", Scalar),
        ("pod_uid", "/kubernetes.io/pod/uid", Scalar),
        ("node", "/kubernetes.io/node/name", Scalar),
        ("node_uid", "/kubernetes.io/node/uid", Scalar),
        ("secret", "/kubernetes.io/secret/name", Scalar),
        ("secret_uid", "/kubernetes.io/secret/uid", Scalar),
    ],
    groups: &[("/kubernetes.io/namespace", "system:serviceaccounts:")],
};

/// What the API server calls itself when nobody configured it otherwise.
pub(super) const INTERNAL_ISSUERS: [&str; 2] =
    ["https://kubernetes.default.svc", "https://kubernetes.default.svc.cluster.local"];

/// <https://kubernetes.io/docs/tasks/run-application/access-api-from-pod/>
///
/// The discovery document names the keys at an address of the control plane; at the
/// service's name they are there as well.
pub(super) const IN_CLUSTER: InCluster = InCluster {
    url: "https://kubernetes.default.svc",
    jwks_url: "https://kubernetes.default.svc/openid/v1/jwks",
    ca_file: "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt",
    token_file: "/var/run/secrets/kubernetes.io/serviceaccount/token",
};

/// <https://github.com/spiffe/spiffe/blob/main/standards/JWT-SVID.md>
pub(super) const SPIFFE: PresetSpec = PresetSpec {
    name: "spiffe",
    documentation: "https://github.com/spiffe/spiffe/blob/main/standards/JWT-SVID.md",
    issuer: PresetIssuer::TrustDomain,
    algorithms: &[
        Algorithm::Rs256,
        Algorithm::Rs384,
        Algorithm::Rs512,
        Algorithm::Ps256,
        Algorithm::Ps384,
        Algorithm::Ps512,
        Algorithm::Es256,
        Algorithm::Es384,
        Algorithm::Es512,
    ],
    max_lifetime: Duration::from_hours(1),
    attributes: &[("trust_domain", "sub", TrustDomain), ("path", "sub", SpiffePath)],
    groups: &[],
};
