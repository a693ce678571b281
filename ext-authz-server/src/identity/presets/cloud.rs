//! Clouds: which account, which service account, which machine.

use std::time::Duration;

use super::AttributeForm::{List, Members, Scalar};
use super::{PresetIssuer, PresetSpec};
use crate::identity::Algorithm;

/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_providers_outbound_token_claims.html>
///
/// Whoever asks for a token chooses its `request_tags`, so they are no attributes.
/// `ou_path` is documented as a string and sent as a list.
pub(super) const AWS: PresetSpec = PresetSpec {
    name: "aws",
    documentation: "https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_providers_outbound_token_claims.html",
    issuer: PresetIssuer::Like("https://<account's own id>.tokens.sts.global.api.aws"),
    algorithms: &[Algorithm::Rs256, Algorithm::Es384],
    max_lifetime: Duration::from_hours(1),
    attributes: &[
        ("account", "/https:~1~1sts.amazonaws.com~1/aws_account", Scalar),
        ("organization", "/https:~1~1sts.amazonaws.com~1/org_id", Scalar),
        ("ou_path", "/https:~1~1sts.amazonaws.com~1/ou_path", List),
        ("principal_arn", "/https:~1~1sts.amazonaws.com~1/principal_id", Scalar),
        ("source_region", "/https:~1~1sts.amazonaws.com~1/source_region", Scalar),
        ("source_identity", "/https:~1~1sts.amazonaws.com~1/source_identity", Scalar),
        ("federated_provider", "/https:~1~1sts.amazonaws.com~1/federated_provider", Scalar),
        (
            "lambda_function_arn",
            "/https:~1~1sts.amazonaws.com~1/lambda_source_function_arn",
            Scalar,
        ),
        ("ec2_instance_arn", "/https:~1~1sts.amazonaws.com~1/ec2_source_instance_arn", Scalar),
        ("ec2_vpc", "/https:~1~1sts.amazonaws.com~1/ec2_instance_source_vpc", Scalar),
        ("tag", "/https:~1~1sts.amazonaws.com~1/principal_tags", Members),
    ],
    groups: &[],
};

/// <https://cloud.google.com/compute/docs/instances/verifying-instance-identity>
///
/// `google.compute_engine` is there when the token is asked for with `format=full`.
pub(super) const GOOGLE: PresetSpec = PresetSpec {
    name: "google",
    documentation: "https://cloud.google.com/compute/docs/instances/verifying-instance-identity",
    issuer: PresetIssuer::Usually("https://accounts.google.com"),
    algorithms: &[Algorithm::Rs256],
    max_lifetime: Duration::from_hours(1),
    attributes: &[
        ("email", "email", Scalar),
        ("email_verified", "email_verified", Scalar),
        ("azp", "azp", Scalar),
        ("hosted_domain", "hd", Scalar),
        ("project_id", "/google/compute_engine/project_id", Scalar),
        ("project_number", "/google/compute_engine/project_number", Scalar),
        ("zone", "/google/compute_engine/zone", Scalar),
        ("instance_id", "/google/compute_engine/instance_id", Scalar),
        ("instance_name", "/google/compute_engine/instance_name", Scalar),
    ],
    groups: &[],
};

/// <https://learn.microsoft.com/en-us/entra/identity-platform/access-token-claims-reference>
///
/// A token lives for 60 to 90 minutes, and is signed as of five minutes before. Those
/// of managed identities live for a day: write a longer `max_lifetime` to accept them.
/// `idtyp` is an optional claim that the application's manifest asks for.
pub(super) const AZURE: PresetSpec = PresetSpec {
    name: "azure",
    documentation: "https://learn.microsoft.com/en-us/entra/identity-platform/access-token-claims-reference",
    issuer: PresetIssuer::Like("https://login.microsoftonline.com/<tenant id>/v2.0"),
    algorithms: &[Algorithm::Rs256],
    max_lifetime: Duration::from_mins(95),
    attributes: &[
        ("tenant", "tid", Scalar),
        ("object_id", "oid", Scalar),
        // Tokens of version 1.0 call it `appid`.
        ("app_id", "appid", Scalar),
        ("app_id", "azp", Scalar),
        ("authentication", "azpacr", Scalar),
        ("token_type", "idtyp", Scalar),
        ("managed_identity", "xms_mirid", Scalar),
        ("version", "ver", Scalar),
    ],
    groups: &[("roles", "")],
};
