//! Every method that a client may send, by name, and the revisions that have it.

use std::collections::BTreeSet;

use crate::plan::McpRevision;
use crate::plan::McpRevision::{
    V2024_11_05 as FIRST, V2025_11_25 as TASKS, V2026_07_28 as STATELESS,
};

/// A method. Its revisions are in one run: none came back after it had gone.
pub(super) struct Method {
    /// Its name.
    pub(super) name: &'static str,
    /// The first revision that has it.
    since: McpRevision,
    /// The last.
    until: McpRevision,
    /// What its parameters say.
    pub(super) kind: Kind,
}

/// What a method's parameters say.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// It is a notification: nothing that matters.
    Notification,
    /// `name` and `arguments` of a tool.
    Tool,
    /// `name` and `arguments` of a prompt.
    Prompt,
    /// `uri` of a resource.
    Resource,
    /// `ref` to a prompt or to a template of resources.
    Completion,
    /// `taskId`.
    Task,
    /// `notifications` that the client wants to get.
    Listen,
    /// It acts on the server as a whole.
    Plain,
}

impl Method {
    /// The method of that name, if `revision` has it; when none is known, if any of
    /// those with sessions has it that are taken.
    ///
    /// An unknown notification is refused as an unknown request is: JSON-RPC has servers
    /// ignore it, but one that does not would act on what nobody has judged.
    pub(super) fn find(
        name: &str,
        revision: Option<McpRevision>,
        taken: &BTreeSet<McpRevision>,
    ) -> Option<&'static Self> {
        let has = |method: &Self, revision: McpRevision| {
            (method.since..=method.until).contains(&revision)
        };
        METHODS.iter().find(|method| {
            method.name == name
                && match revision {
                    Some(revision) => has(method, revision),
                    None => taken.iter().any(|&taken| !taken.is_stateless() && has(method, taken)),
                }
        })
    }

    pub(super) fn is_notification(&self) -> bool {
        self.kind == Kind::Notification
    }
}

const fn method(name: &'static str, since: McpRevision, until: McpRevision, kind: Kind) -> Method {
    Method { name, since, until, kind }
}

/// `ClientRequest` and `ClientNotification` of the revisions' schemas; of 2026-07-28
/// also its extension `io.modelcontextprotocol/tasks`.
pub(super) static METHODS: &[Method] = &[
    method("tools/call", FIRST, STATELESS, Kind::Tool),
    method("tools/list", FIRST, STATELESS, Kind::Plain),
    method("resources/read", FIRST, STATELESS, Kind::Resource),
    method("resources/list", FIRST, STATELESS, Kind::Plain),
    method("resources/templates/list", FIRST, STATELESS, Kind::Plain),
    method("resources/subscribe", FIRST, TASKS, Kind::Resource),
    method("resources/unsubscribe", FIRST, TASKS, Kind::Resource),
    method("prompts/get", FIRST, STATELESS, Kind::Prompt),
    method("prompts/list", FIRST, STATELESS, Kind::Plain),
    method("completion/complete", FIRST, STATELESS, Kind::Completion),
    method("logging/setLevel", FIRST, TASKS, Kind::Plain),
    method("initialize", FIRST, TASKS, Kind::Plain),
    method("ping", FIRST, TASKS, Kind::Plain),
    method("tasks/get", TASKS, STATELESS, Kind::Task),
    method("tasks/cancel", TASKS, STATELESS, Kind::Task),
    method("tasks/result", TASKS, TASKS, Kind::Task),
    method("tasks/list", TASKS, TASKS, Kind::Plain),
    method("tasks/update", STATELESS, STATELESS, Kind::Task),
    method("server/discover", STATELESS, STATELESS, Kind::Plain),
    method("subscriptions/listen", STATELESS, STATELESS, Kind::Listen),
    method("notifications/cancelled", FIRST, STATELESS, Kind::Notification),
    method("notifications/initialized", FIRST, TASKS, Kind::Notification),
    method("notifications/progress", FIRST, TASKS, Kind::Notification),
    method("notifications/roots/list_changed", FIRST, TASKS, Kind::Notification),
    method("notifications/tasks/status", TASKS, TASKS, Kind::Notification),
];
