//! What a path and a method ask for, as `kube-apiserver`'s `RequestInfo` has it.

use super::super::spelling;
use super::query::Query;
use super::{selector, unexpected_method, unknown, write};
use crate::facts::{Attributes, Unparsed};

/// A request for an object or for objects of one kind.
pub(super) struct RequestInfo {
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`,
    /// `deletecollection`; `proxy` for paths that old servers had.
    pub(super) verb: &'static str,
    /// Empty for the core group.
    pub(super) group: String,
    pub(super) version: String,
    /// Empty outside of namespaces; of the namespace `x` itself it is `x`.
    pub(super) namespace: String,
    pub(super) resource: String,
    /// Empty where no object is named.
    pub(super) name: String,
    pub(super) subresource: String,
    /// What follows the subresource.
    subpath: String,
}

impl RequestInfo {
    /// `None` when the path is not one of a resource.
    pub(super) fn parse(
        method: &str,
        segments: &[&str],
        query: &Query,
    ) -> Result<Option<Self>, Unparsed> {
        let (group, version, parts) = match segments {
            ["api", version, parts @ ..] if !parts.is_empty() => ("", *version, parts),
            ["apis", group, version, parts @ ..] if !parts.is_empty() => (*group, *version, parts),
            _ => return Ok(None),
        };
        if group.is_empty() && version != "v1" {
            return Err(unknown("the core API has the version `v1` only"));
        }
        let (special, parts) = special(parts);
        let verb = match special {
            Some(verb) => verb,
            None => verb(method)?,
        };
        let (namespace, parts) = namespace(parts);
        let (resource, parts) = parts.split_first().ok_or_else(|| unknown("no resource"))?;
        let (name, parts) = parts.split_first().map_or(("", parts), |(name, rest)| (*name, rest));
        let (subresource, rest) = match parts.split_first() {
            Some((first, rest)) if verb != "proxy" => (*first, rest),
            _ => ("", parts),
        };
        let mut info = Self {
            verb,
            group: group.to_owned(),
            version: version.to_owned(),
            namespace: namespace.to_owned(),
            resource: (*resource).to_owned(),
            name: name.to_owned(),
            subresource: subresource.to_owned(),
            subpath: rest.join("/"),
        };
        info.check()?;
        info.check_special(special, method)?;
        info.narrow(query)?;
        Ok(Some(info))
    }

    /// The resource in policies: `pods`, `apps/deployments`, `pods/exec`.
    pub(super) fn id(&self) -> String {
        let mut id = self.resource.clone();
        if !self.group.is_empty() {
            id.insert(0, '/');
            id.insert_str(0, &self.group);
        }
        if !self.subresource.is_empty() {
            id.push('/');
            id.push_str(&self.subresource);
        }
        id
    }

    /// Whether the request is for this resource and subresource of this group.
    pub(super) fn is(&self, group: &str, resource: &str, subresource: &str) -> bool {
        self.group == group && self.resource == resource && self.subresource == subresource
    }

    /// Whether objects would change, or one be made.
    pub(super) fn changes(&self) -> bool {
        matches!(self.verb, "create" | "update" | "patch" | "delete" | "deletecollection")
    }

    /// Whether it is for objects, not for one.
    pub(super) fn is_collection(&self) -> bool {
        matches!(self.verb, "list" | "watch" | "deletecollection")
    }

    pub(super) fn attributes(&self) -> Attributes {
        let mut attributes = Attributes::new();
        for (name, value) in [
            ("group", &self.group),
            ("version", &self.version),
            ("namespace", &self.namespace),
            ("resource", &self.resource),
            ("name", &self.name),
            ("subresource", &self.subresource),
        ] {
            write(&mut attributes, name, value.as_str());
        }
        write(&mut attributes, "verb", self.verb);
        write(&mut attributes, "namespaced", !self.namespace.is_empty());
        write(&mut attributes, "rbac", self.group == "rbac.authorization.k8s.io");
        write(&mut attributes, "secret", self.group.is_empty() && self.resource == "secrets");
        if !self.subpath.is_empty() {
            write(&mut attributes, "subpath", self.subpath.as_str());
        }
        attributes
    }

    /// Parts that cannot be what Kubernetes has there are no path of its API.
    fn check(&self) -> Result<(), Unparsed> {
        let dns = [&self.group, &self.version, &self.namespace];
        if !dns.iter().all(|part| part.bytes().all(is_dns)) || self.namespace.contains('.') {
            return Err(unknown("a group, a version or a namespace is not in lower case"));
        }
        // Resources and subresources of metrics APIs may be named by a metric.
        let metrics = self.group.ends_with("metrics.k8s.io");
        let plural = |part: &str| part.bytes().all(|byte| is_dns(byte) || byte == b'_');
        if !(metrics || plural(&self.resource) && plural(&self.subresource)) {
            return Err(unknown("a resource is not in lower case"));
        }
        for part in [&self.resource, &self.name, &self.subresource] {
            spelling::check(part, "path")?;
            if part.contains(['%', ' ']) || !part.is_ascii() {
                return Err(unknown("a name has a character that no name has"));
            }
        }
        if self.group.is_empty()
            && !self.subpath.is_empty()
            && self.verb != "proxy"
            && self.subresource != "proxy"
        {
            return Err(unknown("the path goes on after the subresource"));
        }
        if self.name.is_empty() && matches!(self.verb, "update" | "patch") {
            return Err(unknown("no object is named"));
        }
        Ok(())
    }

    /// `/watch/` and `/proxy/` are verbs whatever the method says, yet the server has
    /// them for some methods and without subresources.
    fn check_special(&self, special: Option<&str>, method: &str) -> Result<(), Unparsed> {
        match special {
            Some("watch") if method != "GET" => Err(unexpected_method()),
            Some("watch") if !self.subresource.is_empty() => {
                Err(unknown("a subresource cannot be watched by the path"))
            }
            Some("proxy") => verb(method).map(drop),
            _ => Ok(()),
        }
    }

    /// A get or a delete without a name is one of many objects.
    fn narrow(&mut self, query: &Query) -> Result<(), Unparsed> {
        if !self.name.is_empty() {
            return Ok(());
        }
        match self.verb {
            "get" => {
                self.verb = if query.flag("watch")? { "watch" } else { "list" };
                let selector = query.once("fieldSelector")?.unwrap_or_default();
                self.name = selector::name(selector)?.unwrap_or_default();
                spelling::check(&self.name, "fieldSelector")?;
            }
            "delete" => self.verb = "deletecollection",
            _ => {}
        }
        Ok(())
    }
}

fn verb(method: &str) -> Result<&'static str, Unparsed> {
    match method {
        "POST" => Ok("create"),
        "GET" | "HEAD" => Ok("get"),
        "PUT" => Ok("update"),
        "PATCH" => Ok("patch"),
        "DELETE" => Ok("delete"),
        _ => Err(unexpected_method()),
    }
}

/// A verb that stands in the path.
fn special<'s, 'p>(parts: &'s [&'p str]) -> (Option<&'static str>, &'s [&'p str]) {
    match parts {
        ["watch", rest @ ..] => (Some("watch"), rest),
        ["proxy", rest @ ..] => (Some("proxy"), rest),
        _ => (None, parts),
    }
}

/// The namespace, and the parts from the resource on. `namespaces/x`, its `status` and
/// its `finalize` are the namespace itself, which is in itself.
fn namespace<'s, 'p>(parts: &'s [&'p str]) -> (&'p str, &'s [&'p str]) {
    match parts {
        ["namespaces", namespace] | ["namespaces", namespace, "status" | "finalize", ..] => {
            (namespace, parts)
        }
        ["namespaces", namespace, rest @ ..] => (namespace, rest),
        _ => ("", parts),
    }
}

fn is_dns(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'.')
}
