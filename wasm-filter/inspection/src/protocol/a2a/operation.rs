//! What a client may ask an agent for.

/// One operation; both bindings and all versions have the same ones.
pub(super) struct Operation {
    /// Its name in facts: the JSON-RPC method of version 0.3 where that has one.
    pub(super) name: &'static str,
    /// Its JSON-RPC methods: of 0.2 and 0.3, of 1.0, of drafts of 1.0.
    methods: &'static [&'static str],
    /// What its parameters say.
    pub(super) kind: Kind,
}

/// What the parameters of an operation say.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A message to the agent.
    Message,
    /// `id` of a task.
    Task,
    /// Which tasks to list.
    Tasks,
    /// Where to report on a task.
    SetPush,
    /// `taskId`, and of what is reported where.
    Push,
    /// It concerns the agent.
    Agent,
}

impl Operation {
    /// The operation that a JSON-RPC method asks for.
    pub(super) fn named(method: &str) -> Option<&'static Self> {
        OPERATIONS.iter().find(|operation| operation.methods.contains(&method))
    }
}

pub(super) static OPERATIONS: &[Operation] = &[
    SEND,
    STREAM,
    GET,
    LIST,
    CANCEL,
    SUBSCRIBE,
    SET_PUSH,
    GET_PUSH,
    LIST_PUSH,
    DELETE_PUSH,
    EXTENDED_CARD,
    CARD,
];

const fn operation(name: &'static str, methods: &'static [&'static str], kind: Kind) -> Operation {
    Operation { name, methods, kind }
}

pub(super) const SEND: Operation =
    operation("message/send", &["message/send", "SendMessage"], Kind::Message);
pub(super) const STREAM: Operation =
    operation("message/stream", &["message/stream", "SendStreamingMessage"], Kind::Message);
pub(super) const GET: Operation = operation("tasks/get", &["tasks/get", "GetTask"], Kind::Task);
pub(super) const LIST: Operation =
    operation("tasks/list", &["tasks/list", "ListTasks"], Kind::Tasks);
pub(super) const CANCEL: Operation =
    operation("tasks/cancel", &["tasks/cancel", "CancelTask"], Kind::Task);
pub(super) const SUBSCRIBE: Operation =
    operation("tasks/resubscribe", &["tasks/resubscribe", "SubscribeToTask"], Kind::Task);
pub(super) const SET_PUSH: Operation = operation(
    "tasks/pushNotificationConfig/set",
    &[
        "tasks/pushNotificationConfig/set",
        "CreateTaskPushNotificationConfig",
        "SetTaskPushNotificationConfig",
    ],
    Kind::SetPush,
);
pub(super) const GET_PUSH: Operation = operation(
    "tasks/pushNotificationConfig/get",
    &["tasks/pushNotificationConfig/get", "GetTaskPushNotificationConfig"],
    Kind::Push,
);
pub(super) const LIST_PUSH: Operation = operation(
    "tasks/pushNotificationConfig/list",
    &[
        "tasks/pushNotificationConfig/list",
        "ListTaskPushNotificationConfigs",
        "ListTaskPushNotificationConfig",
    ],
    Kind::Push,
);
pub(super) const DELETE_PUSH: Operation = operation(
    "tasks/pushNotificationConfig/delete",
    &["tasks/pushNotificationConfig/delete", "DeleteTaskPushNotificationConfig"],
    Kind::Push,
);
pub(super) const EXTENDED_CARD: Operation = operation(
    "agent/getAuthenticatedExtendedCard",
    &["agent/getAuthenticatedExtendedCard", "GetExtendedAgentCard"],
    Kind::Agent,
);
pub(super) const CARD: Operation = operation("agent/getCard", &[], Kind::Agent);
