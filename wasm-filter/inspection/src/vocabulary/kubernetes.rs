//! The Kubernetes API.

use super::AttributeKind::{Bool, Fields, Long, Text, TextSet};
use super::{ActionGroup, ActionSpec, Family, ResourceKind, group, optional, required};

/// Attributes of these commands.
pub(super) static KUBERNETES: Family = Family {
    name: "k8s",
    attributes: &[
        required(
            "verb",
            Text,
            "The verb, as Kubernetes authorizes it: `get`, `list`, `watch`, `create`, `update`, \
             `patch`, `delete`, `deletecollection`, `proxy`; `get` or `head` of a path that is of \
             no resource. A subresource has it by the request method: an exec by WebSocket is `get`.",
        ),
        required("group", Text, "The API group; empty for the core group."),
        required("version", Text, "The version of the API group; empty outside of resources."),
        required("resource", Text, "The resource: `pods`; empty outside of resources."),
        required("subresource", Text, "The subresource: `status`; empty without one."),
        required(
            "namespace",
            Text,
            "The namespace; empty outside of namespaces and for all of them at once. Of a \
             namespace that is itself meant it is its name.",
        ),
        required("namespaced", Bool, "Whether there is a namespace."),
        required(
            "name",
            Text,
            "The object's name: from the path; of a list or watch from a field selector that \
             wants one; of a create from the body. Empty without one.",
        ),
        required("rbac", Bool, "Whether it is about roles or their bindings."),
        required("secret", Bool, "Whether the resource is `secrets`."),
        optional(
            "secret_type",
            Text,
            "The type of a secret that is written, when the body says it; of one of the type \
             `kubernetes.io/service-account-token` the server makes a token.",
        ),
        optional("path", Text, "The path, where it is of no resource: `/healthz`."),
        optional("subpath", Text, "What the path has after the subresource, as of `proxy`."),
        optional("generate_name", Text, "What a name that the server makes begins with."),
        optional("field_selector", Text, "Which objects, by their fields."),
        optional("label_selector", Text, "Which objects, by their labels."),
        optional("dry_run", Bool, "Whether nothing is kept; of requests that change something."),
        optional("field_manager", Text, "Who is to own the fields that are written."),
        optional("patch_type", Text, "`json`, `merge`, `strategic` or `apply`; of patches."),
        optional("force", Bool, "Whether an apply takes fields from other managers; of patches."),
        optional("propagation_policy", Text, "What becomes of dependents of a deleted object."),
        optional("grace_period_seconds", Long, "How long a deleted object may take to end."),
        optional("container", Text, "The container of an exec or attach; absent if not named."),
        optional("stdin", Bool, "Whether an exec or attach sends input, which is not read."),
        optional("tty", Bool, "Whether an exec or attach has a terminal."),
        optional("program", Text, "What an exec runs, with its folder if it is written with one."),
        optional("arguments", Fields, "The command of an exec by place: `0` is the program."),
        optional("audiences", TextSet, "Whom a service account's new token is for."),
        optional("expiration_seconds", Long, "How long that token is to live."),
        optional(
            "privileged",
            Bool,
            "Whether a container is privileged, or a host process of Windows. This and the \
             following are there when the body says something of a pod, by itself or as a \
             template. Of a patch they are what it says; a container in it that names an image \
             counts as a new one. Init and ephemeral containers count as others do.",
        ),
        optional(
            "privilege_escalation",
            Bool,
            "Whether `allowPrivilegeEscalation` of a container is not false.",
        ),
        optional("capabilities_added", TextSet, "Capabilities, in upper case without `CAP_`."),
        optional("run_as_root", Bool, "Whether `runAsUser` is 0 for the pod or a container."),
        optional(
            "run_as_non_root",
            Bool,
            "Whether every container is kept from running as root, by `runAsNonRoot` or by a \
             `runAsUser` other than 0.",
        ),
        optional(
            "host_path",
            Bool,
            "Whether a folder of the node is mounted; of persistent volumes too.",
        ),
        optional("host_paths", TextSet, "Those folders, as they are written."),
        optional(
            "host_namespaces",
            TextSet,
            "`network`, `pid`, `ipc`: what is shared with the node.",
        ),
        optional("host_ports", TextSet, "The ports of the node that are taken, as text."),
        optional("service_account", Text, "The service account, when the body names it."),
        optional(
            "service_account_token",
            Bool,
            "Whether the pod gets a token: `automountServiceAccountToken` is not false, or a \
             volume has one.",
        ),
        optional("images", TextSet, "The images of containers and volumes."),
        optional(
            "secrets_used",
            TextSet,
            "The secrets that the pod gets as volumes or in its environment.",
        ),
        optional("node_name", Text, "The node that the pod is put on, past the scheduler."),
        optional("role", Text, "The role that a binding gives: `ClusterRole/admin`."),
        optional(
            "subjects",
            TextSet,
            "Whom it is given to: `User/jane`, `Group/system:masters`, `ServiceAccount/ns/name`.",
        ),
        optional("role_verbs", TextSet, "The verbs that the rules of a role allow."),
        optional(
            "role_resources",
            TextSet,
            "The resources and the paths that the rules of a role are about.",
        ),
        optional("role_aggregates", Bool, "Whether a role takes its rules from other roles."),
    ],
};

/// The groups of these actions.
pub(super) static GROUPS: &[ActionGroup] = &[
    group("k8s:read", &["read"], "Requests to Kubernetes that read."),
    group("k8s:discovery", &["k8s:read"], "What the API server has and how it is; no objects."),
    group("k8s:write", &["write"], "Requests to Kubernetes that change something."),
    group("k8s:destructive", &["k8s:write"], "Requests that remove objects."),
    group(
        "k8s:stream",
        &["k8s:write"],
        "Ways into pods and nodes, whose contents Kubernetes does not authorize.",
    ),
    group(
        "k8s:admin",
        &["k8s:write"],
        "Requests that hand out credentials or go past the scheduler.",
    ),
];

/// The actions.
pub(super) static ACTIONS: &[ActionSpec] = &[
    k8s("k8s:discover", &["k8s:discovery"], "Groups, versions, schemas, the issuer's keys."),
    k8s("k8s:health", &["k8s:discovery"], "Whether the API server is well."),
    k8s("k8s:metrics", &["k8s:discovery"], "The API server's metrics."),
    k8s("k8s:get", &["k8s:read"], "Reads one object, or a subresource such as `pods/log`."),
    k8s("k8s:list", &["k8s:read"], "Reads objects."),
    k8s("k8s:watch", &["k8s:read"], "Reads objects and their changes."),
    k8s("k8s:review", &["k8s:read"], "Asks who somebody is or what they may do."),
    k8s("k8s:create", &["k8s:write"], "Makes an object, or a subresource of one."),
    k8s("k8s:update", &["k8s:write"], "Replaces an object, or a subresource of one."),
    k8s("k8s:patch", &["k8s:write"], "Changes an object; an apply may make it."),
    k8s("k8s:delete", &["k8s:destructive"], "Deletes one object."),
    k8s("k8s:deletecollection", &["k8s:destructive"], "Deletes objects."),
    k8s("k8s:evict", &["k8s:destructive"], "Evicts a pod."),
    k8s("k8s:exec", &["k8s:stream"], "Runs a program in a container."),
    k8s("k8s:attach", &["k8s:stream"], "Attaches to what a container runs."),
    k8s("k8s:portforward", &["k8s:stream"], "Opens a tunnel to ports of a pod."),
    k8s("k8s:proxy", &["k8s:stream"], "Sends an HTTP request to a pod, service or node."),
    k8s("k8s:ephemeralcontainers", &["k8s:stream"], "Puts a container into a running pod."),
    k8s("k8s:token", &["k8s:admin"], "Makes a token of a service account."),
    k8s("k8s:approve", &["k8s:admin"], "Approves or denies a certificate."),
    k8s("k8s:bind", &["k8s:admin"], "Puts a pod on a node."),
];

const fn k8s(
    name: &'static str,
    parents: &'static [&'static str],
    doc: &'static str,
) -> ActionSpec {
    ActionSpec {
        name,
        parents,
        resource: ResourceKind::KubernetesResource,
        family: &KUBERNETES,
        doc,
    }
}
