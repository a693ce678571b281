//! Bodies: the object that is written, or a patch of it.

use serde_json::Value;

use super::super::{Reading, content, spelling};
use super::node::{Mode, Node};
use super::pod::Pod;
use super::request_info::RequestInfo;
use super::{json_patch, malformed, options, pod, rbac, write};
use crate::facts::{Attributes, Unparsed, UnparsedCode};
use crate::json::document;

/// Kinds of the resources whose bodies are looked into.
const KINDS: [(&str, &str, &str); 21] = [
    ("", "pods", "Pod"),
    ("", "podtemplates", "PodTemplate"),
    ("", "replicationcontrollers", "ReplicationController"),
    ("", "persistentvolumes", "PersistentVolume"),
    ("", "secrets", "Secret"),
    ("", "configmaps", "ConfigMap"),
    ("", "services", "Service"),
    ("", "serviceaccounts", "ServiceAccount"),
    ("", "namespaces", "Namespace"),
    ("", "bindings", "Binding"),
    ("apps", "deployments", "Deployment"),
    ("apps", "daemonsets", "DaemonSet"),
    ("apps", "statefulsets", "StatefulSet"),
    ("apps", "replicasets", "ReplicaSet"),
    ("batch", "jobs", "Job"),
    ("batch", "cronjobs", "CronJob"),
    ("rbac.authorization.k8s.io", "roles", "Role"),
    ("rbac.authorization.k8s.io", "clusterroles", "ClusterRole"),
    ("rbac.authorization.k8s.io", "rolebindings", "RoleBinding"),
    ("rbac.authorization.k8s.io", "clusterrolebindings", "ClusterRoleBinding"),
    ("certificates.k8s.io", "certificatesigningrequests", "CertificateSigningRequest"),
];

/// Reads the body and writes what it says.
pub(super) fn describe(
    info: &RequestInfo,
    request: &Reading<'_>,
    attributes: &mut Attributes,
) -> Result<(), Unparsed> {
    if !info.changes() {
        if request.body.is_empty() {
            return Ok(());
        }
        return Err(Unparsed::new(
            UnparsedCode::MethodUnexpected,
            "a request that reads has a body",
        ));
    }
    if matches!(info.verb, "delete" | "deletecollection") {
        return deletion(request, attributes);
    }
    if request.body.is_empty() {
        return Err(content::missing());
    }
    let (documents, mode) = documents(info, request, attributes)?;
    let mut nodes = Vec::with_capacity(documents.len());
    for document in &documents {
        let node = Node::of(document, mode)?;
        if !document.is_object() {
            return Err(malformed("the body is not an object"));
        }
        identity(info, node, attributes)?;
        nodes.push(node);
    }
    if info.is("", "serviceaccounts", "token") {
        return token(&nodes, attributes);
    }
    if !matches!(info.subresource.as_str(), "" | "ephemeralcontainers" | "resize") {
        return Ok(());
    }
    if info.is("", "secrets", "") {
        return secret(&nodes, attributes);
    }
    if info.is("", "persistentvolumes", "") {
        return pod::volumes_of_nodes(&nodes, attributes);
    }
    if info.group == "rbac.authorization.k8s.io" {
        return rbac::describe(info, &nodes, attributes);
    }
    let Some(place) = pod::place(&info.group, &info.resource) else { return Ok(()) };
    let mut pod = Pod::default();
    let mut found = false;
    for node in nodes {
        if let Some(spec) = pod::spec(node, place)? {
            pod.read(spec)?;
            found = true;
        }
    }
    if found {
        pod.write(attributes);
    }
    Ok(())
}

/// The objects or patches of a body, and how they are meant.
fn documents(
    info: &RequestInfo,
    request: &Reading<'_>,
    attributes: &mut Attributes,
) -> Result<(Vec<Value>, Mode), Unparsed> {
    let media_type = content::media_type(request.head)?;
    if info.verb != "patch" {
        return Ok((vec![json(&media_type, request)?], Mode::Whole));
    }
    let (name, mode) = match media_type.as_str() {
        "application/json-patch+json" => ("json", Mode::Strategic),
        "application/merge-patch+json" => ("merge", Mode::Merge),
        "application/strategic-merge-patch+json" => ("strategic", Mode::Strategic),
        "application/apply-patch+yaml" => ("apply", Mode::Whole),
        _ => return Err(content::unexpected("the content type is none of a patch that is read")),
    };
    write(attributes, "patch_type", name);
    if name == "apply" {
        return Ok((vec![apply(request)?], mode));
    }
    let body = document::parse(request.body, request.limits.depth)?;
    if name == "json" {
        return Ok((json_patch::patches(body)?, mode));
    }
    Ok((vec![body], mode))
}

/// The API server takes a body without a content type as JSON.
fn json(media_type: &str, request: &Reading<'_>) -> Result<Value, Unparsed> {
    if !matches!(media_type, "" | "application/json") {
        return Err(content::unexpected("the content type is not `application/json`"));
    }
    document::parse(request.body, request.limits.depth)
}

/// YAML that is JSON as well, and that a reader of YAML takes for the same.
fn apply(request: &Reading<'_>) -> Result<Value, Unparsed> {
    let not_json = || content::unexpected("the applied configuration is YAML that is not JSON");
    let document = document::parse(request.body, request.limits.depth).map_err(|unparsed| {
        if unparsed.code == UnparsedCode::JsonMalformed { not_json() } else { unparsed }
    })?;
    // To YAML 1.1 these end lines, also within quotes, or mark the order of bytes.
    let breaks = ['\u{85}', '\u{2028}', '\u{2029}', '\u{feff}'];
    let text = std::str::from_utf8(request.body).unwrap_or_default();
    if text.contains(breaks) || merges(&document) {
        return Err(not_json());
    }
    Ok(document)
}

/// Whether some object has the key under which readers of YAML look for what is to be
/// merged into the object around it.
fn merges(value: &Value) -> bool {
    match value {
        Value::Object(object) => object.iter().any(|(key, value)| key == "<<" || merges(value)),
        Value::Array(items) => items.iter().any(merges),
        _ => false,
    }
}

fn deletion(request: &Reading<'_>, attributes: &mut Attributes) -> Result<(), Unparsed> {
    if request.body.is_empty() {
        return Ok(());
    }
    let body = json(&content::media_type(request.head)?, request)?;
    if !body.is_object() {
        return Err(malformed("the body is not an object"));
    }
    let body = Node::of(&body, Mode::Whole)?;
    if body.text("kind")?.is_some_and(|kind| kind != "DeleteOptions") {
        return Err(mismatch("the body is not of the kind `DeleteOptions`"));
    }
    write(attributes, "dry_run", options::dry_run(&body.texts("dryRun")?)?);
    if let Some(policy) = body.text("propagationPolicy")? {
        write(attributes, "propagation_policy", policy);
    }
    if let Some(seconds) = body.integer("gracePeriodSeconds")?.value() {
        write(attributes, "grace_period_seconds", seconds);
    }
    Ok(())
}

/// Version, kind, name and namespace are those of the path, where the body says them.
fn identity(
    info: &RequestInfo,
    body: Node<'_>,
    attributes: &mut Attributes,
) -> Result<(), Unparsed> {
    let same_kind = matches!(
        info.subresource.as_str(),
        "" | "status" | "ephemeralcontainers" | "resize" | "approval" | "finalize"
    );
    if let Some(version) = body.text("apiVersion")? {
        let (group, version) = version.rsplit_once('/').unwrap_or(("", version));
        if same_kind && (group != info.group || version != info.version) {
            return Err(mismatch("the body and the path have two API versions"));
        }
    }
    if let Some(kind) = body.text("kind")? {
        let known = KINDS.iter().find(|(group, resource, _)| {
            *group == info.group && *resource == info.resource && same_kind
        });
        if kind == "List" || known.is_some_and(|(_, _, known)| *known != kind) {
            return Err(mismatch("the body is of another kind than the path"));
        }
    }
    let Some(metadata) = body.object("metadata")? else { return Ok(()) };
    if metadata.text("namespace")?.is_some_and(|namespace| namespace != info.namespace) {
        return Err(mismatch("the body and the path name two namespaces"));
    }
    match metadata.text("name")? {
        Some(name) if info.name.is_empty() => {
            spelling::check(name, "name")?;
            write(attributes, "name", name);
        }
        Some(name) if name != info.name => {
            return Err(mismatch("the body and the path name two objects"));
        }
        _ => {}
    }
    if let Some(name) = metadata.text("generateName")? {
        write(attributes, "generate_name", name);
    }
    Ok(())
}

/// The type alone: of one of them the server puts a service account's token into it.
fn secret(nodes: &[Node<'_>], attributes: &mut Attributes) -> Result<(), Unparsed> {
    for node in nodes {
        if let Some(kind) = node.text("type")? {
            write(attributes, "secret_type", kind);
        }
    }
    Ok(())
}

/// What a new token is for, and how long it lives.
fn token(nodes: &[Node<'_>], attributes: &mut Attributes) -> Result<(), Unparsed> {
    for node in nodes {
        let Some(spec) = node.object("spec")? else { continue };
        let mut audiences = spec.texts("audiences")?;
        audiences.sort_unstable();
        audiences.dedup();
        write(attributes, "audiences", audiences);
        if let Some(seconds) = spec.integer("expirationSeconds")?.value() {
            write(attributes, "expiration_seconds", seconds);
        }
    }
    Ok(())
}

fn mismatch(why: &str) -> Unparsed {
    Unparsed::new(UnparsedCode::HeaderMismatch, why)
}
