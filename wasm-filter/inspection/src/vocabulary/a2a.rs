//! Agent2Agent messages.

use super::{
    ActionGroup, ActionSpec, AttributeKind, Family, ResourceKind, group, optional, required,
};

/// Attributes of these commands.
pub(super) static A2A: Family = Family {
    name: "a2a",
    attributes: &[
        required(
            "method",
            AttributeKind::Text,
            "What is asked for, by the JSON-RPC method of version 0.3, whatever the version and the binding; `agent/getCard` for the public card.",
        ),
        required("binding", AttributeKind::Text, "`jsonrpc`, or `rest` for the HTTP+JSON binding."),
        optional(
            "protocol_version",
            AttributeKind::Text,
            "The version that the request names: `0.2`, `0.3` or `1.0`; absent when it names none.",
        ),
        optional("path", AttributeKind::Text, "The path of a request of the REST binding."),
        optional("tenant", AttributeKind::Text, "The tenant, when the body or the query names it."),
        optional("task_id", AttributeKind::Text, "The task that is meant or continued."),
        optional(
            "context_id",
            AttributeKind::Text,
            "The conversation that a message belongs to, or that tasks are listed of.",
        ),
        optional(
            "reference_task_ids",
            AttributeKind::TextSet,
            "Other tasks that a message refers to.",
        ),
        optional(
            "blocking",
            AttributeKind::Bool,
            "Whether the answer waits for the task's end; absent when the request does not say.",
        ),
        optional(
            "push_url_host",
            AttributeKind::Text,
            "The host that the agent is to report to, in lower case: the agent will call it.",
        ),
        optional("push_url_scheme", AttributeKind::Text, "The scheme of that URL, in lower case."),
        optional(
            "part_kinds",
            AttributeKind::TextSet,
            "What a message consists of: `text`, `data`, `file_bytes`, `file_uri`.",
        ),
        optional(
            "file_schemes",
            AttributeKind::TextSet,
            "The schemes of the files that a message names by URI.",
        ),
        optional("file_hosts", AttributeKind::TextSet, "The hosts of those files."),
        optional(
            "data",
            AttributeKind::Fields,
            "The structured data of a message, by the place of the part: `0/amount`.",
        ),
        optional("id", AttributeKind::Carried, "The JSON-RPC id, which the answer repeats."),
    ],
};

/// The groups of these actions.
pub(super) static GROUPS: &[ActionGroup] = &[
    group("a2a:read", &["read"], "Requests to an agent that read."),
    group("a2a:write", &["write"], "Requests that have an agent do something."),
];

/// The actions.
pub(super) static ACTIONS: &[ActionSpec] = &[
    write("a2a:message/send", "Sends a message; the skill is the one that it names."),
    write("a2a:message/stream", "Sends a message and gets the answer as a stream."),
    read("a2a:tasks/get", "The state of a task."),
    read("a2a:tasks/list", "Lists tasks."),
    write("a2a:tasks/cancel", "Cancels a task."),
    read("a2a:tasks/resubscribe", "Listens to a task; SubscribeToTask in 1.0."),
    write("a2a:tasks/pushNotificationConfig/set", "Has the agent report on a task to a URL."),
    read("a2a:tasks/pushNotificationConfig/get", "Where a task is reported to."),
    read("a2a:tasks/pushNotificationConfig/list", "Lists where a task is reported to."),
    write("a2a:tasks/pushNotificationConfig/delete", "Ends the reports on a task to a URL."),
    read("a2a:agent/getCard", "The public agent card."),
    read("a2a:agent/getAuthenticatedExtendedCard", "The agent card for those who are known."),
];

const fn read(name: &'static str, doc: &'static str) -> ActionSpec {
    a2a(name, &["a2a:read"], doc)
}

const fn write(name: &'static str, doc: &'static str) -> ActionSpec {
    a2a(name, &["a2a:write"], doc)
}

const fn a2a(
    name: &'static str,
    parents: &'static [&'static str],
    doc: &'static str,
) -> ActionSpec {
    ActionSpec { name, parents, resource: ResourceKind::Skill, family: &A2A, doc }
}
