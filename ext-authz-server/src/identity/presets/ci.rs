//! Continuous integration: who runs what, from which repository and ref.

use std::time::Duration;

use super::{AttributeForm::List, AttributeForm::Scalar, PresetIssuer, PresetSpec};
use crate::identity::Algorithm;

/// <https://docs.github.com/en/actions/reference/security/oidc>
///
/// Not here: `repository_custom_property_*`, whose names are an organization's own.
pub(super) const GITHUB_ACTIONS: PresetSpec = PresetSpec {
    name: "github-actions",
    documentation: "https://docs.github.com/en/actions/reference/security/oidc",
    issuer: PresetIssuer::Usually("https://token.actions.githubusercontent.com"),
    algorithms: &[Algorithm::Rs256],
    max_lifetime: Duration::from_hours(1),
    attributes: &[
        ("repository", "repository", Scalar),
        ("repository_id", "repository_id", Scalar),
        ("repository_owner", "repository_owner", Scalar),
        ("repository_owner_id", "repository_owner_id", Scalar),
        ("repository_visibility", "repository_visibility", Scalar),
        ("ref", "ref", Scalar),
        ("ref_type", "ref_type", Scalar),
        ("ref_protected", "ref_protected", Scalar),
        ("base_ref", "base_ref", Scalar),
        ("head_ref", "head_ref", Scalar),
        ("sha", "sha", Scalar),
        ("environment", "environment", Scalar),
        ("event_name", "event_name", Scalar),
        ("workflow", "workflow", Scalar),
        ("workflow_ref", "workflow_ref", Scalar),
        ("workflow_sha", "workflow_sha", Scalar),
        ("job_workflow_ref", "job_workflow_ref", Scalar),
        ("job_workflow_sha", "job_workflow_sha", Scalar),
        ("actor", "actor", Scalar),
        ("actor_id", "actor_id", Scalar),
        ("run_id", "run_id", Scalar),
        ("run_number", "run_number", Scalar),
        ("run_attempt", "run_attempt", Scalar),
        ("runner_environment", "runner_environment", Scalar),
        ("enterprise", "enterprise", Scalar),
    ],
    groups: &[],
};

/// <https://docs.gitlab.com/ci/secrets/id_token_authentication/>
///
/// `project_*` and `namespace_*` are of the project that a merge request comes from;
/// `job_project_*` (GitLab 18.4) are of the one that the job runs in. A token lives as
/// long as its job may run, five minutes where no timeout is set.
pub(super) const GITLAB_CI: PresetSpec = PresetSpec {
    name: "gitlab-ci",
    documentation: "https://docs.gitlab.com/ci/secrets/id_token_authentication/",
    issuer: PresetIssuer::Usually("https://gitlab.com"),
    algorithms: &[Algorithm::Rs256],
    max_lifetime: Duration::from_hours(1),
    attributes: &[
        ("namespace_id", "namespace_id", Scalar),
        ("namespace_path", "namespace_path", Scalar),
        ("project_id", "project_id", Scalar),
        ("project_path", "project_path", Scalar),
        ("project_visibility", "project_visibility", Scalar),
        ("job_project_id", "job_project_id", Scalar),
        ("job_project_path", "job_project_path", Scalar),
        ("job_namespace_id", "job_namespace_id", Scalar),
        ("job_namespace_path", "job_namespace_path", Scalar),
        ("ref", "ref", Scalar),
        ("ref_type", "ref_type", Scalar),
        ("ref_path", "ref_path", Scalar),
        ("ref_protected", "ref_protected", Scalar),
        ("sha", "sha", Scalar),
        ("environment", "environment", Scalar),
        ("environment_protected", "environment_protected", Scalar),
        ("deployment_tier", "deployment_tier", Scalar),
        ("pipeline_id", "pipeline_id", Scalar),
        ("pipeline_source", "pipeline_source", Scalar),
        ("job_id", "job_id", Scalar),
        ("ci_config_ref_uri", "ci_config_ref_uri", Scalar),
        ("ci_config_sha", "ci_config_sha", Scalar),
        ("user_id", "user_id", Scalar),
        ("user_login", "user_login", Scalar),
        ("runner_id", "runner_id", Scalar),
        ("runner_environment", "runner_environment", Scalar),
    ],
    groups: &[],
};

/// <https://buildkite.com/docs/agent/cli/reference/oidc>
///
/// Every organization's tokens have one issuer, so policies name the organization;
/// `organization_id` and `pipeline_id` are there when the job asks for them with
/// `--claim`.
pub(super) const BUILDKITE: PresetSpec = PresetSpec {
    name: "buildkite",
    documentation: "https://buildkite.com/docs/agent/cli/reference/oidc",
    issuer: PresetIssuer::Usually("https://agent.buildkite.com"),
    algorithms: &[Algorithm::Rs256],
    max_lifetime: Duration::from_hours(1),
    attributes: &[
        ("organization_slug", "organization_slug", Scalar),
        ("organization_id", "organization_id", Scalar),
        ("pipeline_slug", "pipeline_slug", Scalar),
        ("pipeline_id", "pipeline_id", Scalar),
        ("build_number", "build_number", Scalar),
        ("build_branch", "build_branch", Scalar),
        ("build_tag", "build_tag", Scalar),
        ("build_commit", "build_commit", Scalar),
        ("build_source", "build_source", Scalar),
        ("step_key", "step_key", Scalar),
        ("job_id", "job_id", Scalar),
        ("agent_id", "agent_id", Scalar),
        ("runner_environment", "runner_environment", Scalar),
    ],
    groups: &[],
};

/// <https://circleci.com/docs/guides/permissions-authentication/openid-connect-tokens/>
///
/// Contexts are attributes and groups: a job has several of them.
pub(super) const CIRCLECI: PresetSpec = PresetSpec {
    name: "circleci",
    documentation: "https://circleci.com/docs/guides/permissions-authentication/openid-connect-tokens/",
    issuer: PresetIssuer::Like("https://oidc.circleci.com/org/<organization id>"),
    algorithms: &[Algorithm::Rs256],
    max_lifetime: Duration::from_hours(1),
    attributes: &[
        ("org_id", "oidc.circleci.com/org-id", Scalar),
        ("project_id", "oidc.circleci.com/project-id", Scalar),
        ("pipeline_id", "oidc.circleci.com/pipeline-id", Scalar),
        ("pipeline_definition_id", "oidc.circleci.com/pipeline-definition-id", Scalar),
        ("workflow_id", "oidc.circleci.com/workflow-id", Scalar),
        ("job_id", "oidc.circleci.com/job-id", Scalar),
        ("vcs_origin", "oidc.circleci.com/vcs-origin", Scalar),
        ("vcs_ref", "oidc.circleci.com/vcs-ref", Scalar),
        ("context_ids", "oidc.circleci.com/context-ids", List),
        ("ssh_rerun", "oidc.circleci.com/ssh-rerun", Scalar),
    ],
    groups: &[("oidc.circleci.com/context-ids", "context:")],
};
