//! Requests to the Kubernetes API.
//!
//! A case says what is not plain of its command: what it leaves out is empty, or false,
//! or follows from what it says.

use chaperone_inspection::facts::{Attributes, Command, Facts};
use chaperone_inspection::plan::{KubernetesPlan, Limits, Plan, ProtocolPlan};
use chaperone_inspection::protocol::{Inspector, inspect_body};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::mcp::{respaced, turned};
use crate::{body, cases, code, conform, head};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KubernetesCase {
    case: String,
    method: Option<String>,
    path: String,
    content_type: Option<String>,
    /// Headers besides, their names in lower case.
    #[serde(default)]
    headers: Vec<(String, String)>,
    #[serde(default)]
    plan: KubernetesPlan,
    body: Option<Value>,
    raw: Option<String>,
    action: Option<String>,
    #[serde(default)]
    resource: String,
    #[serde(default)]
    attributes: Attributes,
    /// What is not harmless of a pod that the body says something of.
    pod: Option<Attributes>,
    unparsed: Option<String>,
}

impl KubernetesCase {
    fn facts(&self) -> Facts {
        self.facts_of(&body(self.body.as_ref(), self.raw.clone()))
    }

    fn facts_of(&self, body: &[u8]) -> Facts {
        let mut headers = Vec::new();
        let content_type = self.content_type.as_deref();
        let content_type = content_type.or((!body.is_empty()).then_some("application/json"));
        headers.extend(content_type.map(|content_type| ("content-type", content_type)));
        headers.extend(self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        let method = self.method.as_deref().unwrap_or("GET");
        let head = head(method, &self.path, &headers);
        if !head.asks_for_tunnel() {
            let plan = ProtocolPlan::Kubernetes(self.plan.clone());
            return inspect_body(&plan, &Limits::default(), &head, body);
        }
        let plan: Plan = serde_json::from_value(json!({ "limits": {}, "services": [{
            "name": "cluster", "hosts": ["*"],
            "routes": [{ "path": "/", "inspect": "kubernetes", "upgrades": "allow" }],
        }] }))
        .unwrap();
        let inspector = Inspector::new(plan).unwrap();
        let route = inspector.route(&head).unwrap().unwrap();
        inspector.inspect(route, &head, body)
    }

    fn command(&self) -> Option<Command> {
        let action = self.action.as_deref()?;
        let mut attributes = Attributes::new();
        let mut set = |name: &str, value: Value| attributes.insert(name.to_owned(), value);
        let verb = action.strip_prefix("k8s:").unwrap();
        set("verb", verb.into());
        let of_resource = !self.resource.starts_with('/');
        let parts: Vec<_> = self.resource.split('/').collect();
        let (group, resource, subresource) = match parts.as_slice() {
            _ if !of_resource => ("", "", ""),
            [resource] => ("", *resource, ""),
            // Whether the first is a group is for the case to say.
            [first, rest @ ..] if self.attributes.get("group") == Some(&Value::from(*first)) => {
                (*first, rest[0], rest.get(1).copied().unwrap_or_default())
            }
            [resource, rest @ ..] => ("", *resource, rest[0]),
            [] => unreachable!(),
        };
        set("group", group.into());
        set("version", if of_resource { "v1" } else { "" }.into());
        set("resource", resource.into());
        set("subresource", subresource.into());
        set("name", "".into());
        let namespace = self.attributes.get("namespace").cloned().unwrap_or_else(|| "".into());
        set("namespaced", (namespace != "").into());
        set("namespace", namespace);
        set("rbac", (group == "rbac.authorization.k8s.io").into());
        set("secret", (group.is_empty() && resource == "secrets").into());
        let verb = self.attributes.get("verb").and_then(Value::as_str).unwrap_or(verb);
        let stream = matches!(action, "k8s:exec" | "k8s:attach" | "k8s:portforward");
        let changes = ["create", "update", "patch", "delete", "deletecollection"].contains(&verb);
        if changes && !stream {
            set("dry_run", false.into());
        }
        if verb == "patch" {
            set("force", false.into());
        }
        if let Some(pod) = &self.pod {
            for name in ["privileged", "privilege_escalation", "host_path", "run_as_root"] {
                set(name, false.into());
            }
            for name in ["images", "secrets_used", "host_paths", "host_namespaces"] {
                set(name, json!([]));
            }
            for name in ["host_ports", "capabilities_added"] {
                set(name, json!([]));
            }
            set("service_account_token", false.into());
            set("run_as_non_root", true.into());
            attributes.extend(pod.clone());
        }
        attributes.extend(self.attributes.clone());
        let action = serde_json::from_value(action.into()).unwrap();
        Some(Command { action, resource: self.resource.clone(), attributes })
    }
}

#[test]
fn kubernetes_makes_the_facts_that_were_reviewed() {
    let mut wrong = Vec::new();
    for case in cases::<KubernetesCase>("kubernetes", 250) {
        let facts = case.facts();
        conform(&facts);
        let own: Vec<_> = facts
            .commands
            .iter()
            .filter(|command| command.action.name().starts_with("k8s:"))
            .collect();
        assert!(own.len() <= 1, "{}", case.case);
        if code(&facts) != case.unparsed || own.first().copied() != case.command().as_ref() {
            wrong.push(format!("{}: {facts:?}\n  not {:?}", case.case, case.command()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The order of keys and the white space of an object change no fact.
#[test]
fn an_object_is_the_same_however_it_is_written() {
    for case in cases::<KubernetesCase>("kubernetes", 250) {
        let Some(body) = &case.body else { continue };
        for other in [respaced(body), turned(body)] {
            assert_eq!(case.facts_of(other.as_bytes()), case.facts(), "{}", case.case);
        }
    }
}
