//! Pods, wherever their specification stands: what they may do to the node that they
//! run on, and whose secrets they get.

use std::collections::BTreeSet;

use super::malformed;
use super::node::{Node, Said};
use super::write;
use crate::facts::{Attributes, Unparsed};

type Set<'v> = BTreeSet<&'v str>;

/// Where the specification of a pod stands in objects of a resource.
pub(super) fn place(group: &str, resource: &str) -> Option<&'static [&'static str]> {
    match (group, resource) {
        ("", "pods") => Some(&["spec"]),
        ("", "podtemplates") => Some(&["template", "spec"]),
        ("", "replicationcontrollers")
        | ("apps" | "extensions", "deployments" | "daemonsets" | "replicasets")
        | ("apps", "statefulsets")
        | ("batch", "jobs") => Some(&["spec", "template", "spec"]),
        ("batch", "cronjobs") => Some(&["spec", "jobTemplate", "spec", "template", "spec"]),
        _ => None,
    }
}

/// The specification at that place, if the document says anything of it.
pub(super) fn spec<'v>(document: Node<'v>, place: &[&str]) -> Result<Option<Node<'v>>, Unparsed> {
    let mut node = document;
    for name in place {
        // A whole object without a specification has none with defaults: none is made.
        if node.is_whole() && !node.has(name)? {
            return Ok(None);
        }
        match node.object(name)? {
            Some(next) => node = next,
            None => return Ok(None),
        }
    }
    Ok(Some(node))
}

/// Writes which folders of nodes persistent volumes show.
pub(super) fn volumes_of_nodes(
    nodes: &[Node<'_>],
    attributes: &mut Attributes,
) -> Result<(), Unparsed> {
    let mut pod = Pod::default();
    for node in nodes {
        let Some(spec) = node.object("spec")? else { continue };
        pod.host_path(spec, "hostPath")?;
        pod.host_path(spec, "local")?;
    }
    write(attributes, "host_path", pod.host_path);
    write(attributes, "host_paths", list(&pod.host_paths));
    Ok(())
}

/// What is said of pods in all the parts of a request.
#[expect(clippy::struct_excessive_bools, reason = "each is an attribute of its own")]
#[derive(Default)]
pub(super) struct Pod<'v> {
    privileged: bool,
    privilege_escalation: bool,
    host_path: bool,
    host_paths: Set<'v>,
    host_namespaces: Set<'v>,
    host_ports: BTreeSet<String>,
    service_account: Option<&'v str>,
    service_account_token: bool,
    images: Set<'v>,
    secrets_used: Set<'v>,
    capabilities_added: BTreeSet<String>,
    run_as_root: bool,
    may_be_root: bool,
    node_name: Option<&'v str>,
}

/// Whether containers are kept from running as root by what stands around them.
#[derive(Clone, Copy)]
enum Root {
    /// A patch that leaves it as it is.
    Unsaid,
    /// Nothing keeps them: an image says which user it is for.
    Default,
    Kept,
    Allowed,
}

impl<'v> Pod<'v> {
    pub(super) fn read(&mut self, spec: Node<'v>) -> Result<(), Unparsed> {
        for (name, namespace) in
            [("hostNetwork", "network"), ("hostPID", "pid"), ("hostIPC", "ipc")]
        {
            if spec.flag(name)?.value() == Some(true) {
                self.host_namespaces.insert(namespace);
            }
        }
        let token = spec.flag("automountServiceAccountToken")?;
        self.service_account_token |= matches!(token, Said::Default | Said::Value(true));
        self.service_account(spec)?;
        if let Some(node) = spec.text("nodeName")? {
            self.node_name = Some(node);
        }
        for volume in spec.items("volumes")? {
            self.volume(volume)?;
        }
        let context = spec.object("securityContext")?;
        let root = match context {
            None => Root::Unsaid,
            Some(context) => self.user(context)?,
        };
        // A patch that allows it for containers that it does not show.
        let allowed = matches!(root, Root::Allowed | Root::Default);
        self.may_be_root |= allowed && !spec.is_whole();
        if let Some(context) = context {
            self.windows(context)?;
        }
        for name in ["initContainers", "containers", "ephemeralContainers"] {
            for container in spec.items(name)? {
                self.container(container, root)?;
            }
        }
        Ok(())
    }

    fn service_account(&mut self, spec: Node<'v>) -> Result<(), Unparsed> {
        // The second is the old name of the first.
        for name in ["serviceAccountName", "serviceAccount"] {
            let Some(account) = spec.text(name)? else { continue };
            if self.service_account.is_some_and(|known| known != account) {
                return Err(malformed("the pod has two service accounts"));
            }
            self.service_account = Some(account);
        }
        Ok(())
    }

    fn volume(&mut self, volume: Node<'v>) -> Result<(), Unparsed> {
        self.host_path(volume, "hostPath")?;
        if let Some(secret) = volume.object("secret")? {
            self.secrets_used.extend(secret.text("secretName")?);
        }
        if let Some(image) = volume.object("image")? {
            self.images.extend(image.text("reference")?);
        }
        let Some(projected) = volume.object("projected")? else { return Ok(()) };
        for source in projected.items("sources")? {
            self.service_account_token |= source.has("serviceAccountToken")?;
            if let Some(secret) = source.object("secret")? {
                self.secrets_used.extend(secret.text("name")?);
            }
        }
        Ok(())
    }

    fn host_path(&mut self, volume: Node<'v>, name: &str) -> Result<(), Unparsed> {
        if volume.has(name)? {
            self.host_path = true;
            if let Some(source) = volume.object(name)? {
                self.host_paths.extend(source.text("path")?);
            }
        }
        Ok(())
    }

    /// A container of a patch that names an image may be a new one: what it does not
    /// say has its default.
    fn container(&mut self, container: Node<'v>, root: Root) -> Result<(), Unparsed> {
        let container = if container.has("image")? { container.whole() } else { container };
        self.images.extend(container.text("image")?);
        self.environment(container)?;
        for port in container.items("ports")? {
            if let Some(number) = port.integer("hostPort")?.value().filter(|number| *number != 0) {
                self.host_ports.insert(number.to_string());
            }
        }
        let own = match container.object("securityContext")? {
            None => Root::Unsaid,
            Some(context) => {
                self.security_context(context)?;
                self.user(context)?
            }
        };
        self.may_be_root |= match (own, root) {
            (Root::Allowed, _) => true,
            (Root::Default, root) => !matches!(root, Root::Kept),
            (Root::Kept | Root::Unsaid, _) => false,
        };
        Ok(())
    }

    fn environment(&mut self, container: Node<'v>) -> Result<(), Unparsed> {
        for variable in container.items("env")? {
            let Some(from) = variable.object("valueFrom")? else { continue };
            if let Some(secret) = from.object("secretKeyRef")? {
                self.secrets_used.extend(secret.text("name")?);
            }
        }
        for source in container.items("envFrom")? {
            if let Some(secret) = source.object("secretRef")? {
                self.secrets_used.extend(secret.text("name")?);
            }
        }
        Ok(())
    }

    fn security_context(&mut self, context: Node<'v>) -> Result<(), Unparsed> {
        self.privileged |= context.flag("privileged")?.value() == Some(true);
        let escalation = context.flag("allowPrivilegeEscalation")?;
        self.privilege_escalation |= matches!(escalation, Said::Default | Said::Value(true));
        self.windows(context)?;
        let Some(capabilities) = context.object("capabilities")? else { return Ok(()) };
        for capability in capabilities.texts("add")? {
            // Runtimes take them in any case, and with or without this.
            let name = capability.to_ascii_uppercase();
            let name = name.strip_prefix("CAP_").unwrap_or(&name);
            self.capabilities_added.insert(name.to_owned());
        }
        Ok(())
    }

    /// A host process of Windows is what a privileged container is elsewhere.
    fn windows(&mut self, context: Node<'v>) -> Result<(), Unparsed> {
        if let Some(options) = context.object("windowsOptions")? {
            self.privileged |= options.flag("hostProcess")?.value() == Some(true);
        }
        Ok(())
    }

    fn user(&mut self, context: Node<'v>) -> Result<Root, Unparsed> {
        let user = context.integer("runAsUser")?;
        let non_root = context.flag("runAsNonRoot")?;
        self.run_as_root |= matches!(user, Said::Value(0));
        Ok(match (user, non_root) {
            (Said::Value(0), _) => Root::Allowed,
            (Said::Value(_), _) | (_, Said::Value(true)) => Root::Kept,
            (_, Said::Value(false)) => Root::Allowed,
            (Said::Default, _) | (_, Said::Default) => Root::Default,
            _ => Root::Unsaid,
        })
    }

    pub(super) fn write(&self, attributes: &mut Attributes) {
        for (name, value) in [
            ("privileged", self.privileged),
            ("privilege_escalation", self.privilege_escalation),
            ("host_path", self.host_path),
            ("service_account_token", self.service_account_token),
            ("run_as_root", self.run_as_root),
            ("run_as_non_root", !self.may_be_root),
        ] {
            write(attributes, name, value);
        }
        for (name, set) in [
            ("host_paths", &self.host_paths),
            ("host_namespaces", &self.host_namespaces),
            ("images", &self.images),
            ("secrets_used", &self.secrets_used),
        ] {
            write(attributes, name, list(set));
        }
        for (name, set) in
            [("host_ports", &self.host_ports), ("capabilities_added", &self.capabilities_added)]
        {
            write(attributes, name, set.iter().map(String::as_str).collect::<Vec<_>>());
        }
        for (name, text) in
            [("service_account", self.service_account), ("node_name", self.node_name)]
        {
            if let Some(text) = text {
                write(attributes, name, text);
            }
        }
    }
}

fn list<'v>(set: &Set<'v>) -> Vec<&'v str> {
    set.iter().copied().collect()
}
