#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::operation::OPERATIONS;
use super::*;
use crate::plan::Limits;
use crate::protocol::RequestHead;
use crate::vocabulary;

fn read(method: &str, path: &str, body: &str) -> Result<Command, UnparsedCode> {
    let headers = &[("content-type", "application/json")];
    let head = RequestHead { method, authority: "a.example", path, headers };
    let limits = &Limits::default();
    let reading = Reading { head: &head, body: body.as_bytes(), limits, paths: &[] };
    commands(&A2aPlan::default(), &reading)
        .map(|mut commands| commands.remove(0))
        .map_err(|unparsed| unparsed.code)
}

#[test]
fn every_a2a_action_of_the_vocabulary_is_an_operation_and_the_other_way_round() {
    let names = |names: Vec<String>| {
        let mut names = names;
        names.sort();
        names
    };
    let actions = vocabulary::actions().filter_map(|spec| spec.name.strip_prefix("a2a:"));
    assert_eq!(
        names(actions.map(str::to_owned).collect()),
        names(OPERATIONS.iter().map(|operation| operation.name.to_owned()).collect())
    );
}

#[test]
fn an_operation_is_the_same_by_every_version_and_binding() {
    let message = r#""message":{"parts":[{"text":"hi"}]}"#;
    for (methods, rest, action) in [
        (
            &["message/send", "SendMessage"][..],
            Some(("POST", "/v1/message:send")),
            "a2a:message/send",
        ),
        (
            &["message/stream", "SendStreamingMessage"],
            Some(("POST", "/t/message:stream")),
            "a2a:message/stream",
        ),
        (&["tasks/get", "GetTask"], Some(("GET", "/tasks/t")), "a2a:tasks/get"),
        (&["tasks/list", "ListTasks"], Some(("GET", "/v1/tasks")), "a2a:tasks/list"),
        (&["tasks/cancel", "CancelTask"], Some(("POST", "/a/tasks/t:cancel")), "a2a:tasks/cancel"),
        (
            &["tasks/resubscribe", "SubscribeToTask"],
            Some(("GET", "/tasks/t:subscribe")),
            "a2a:tasks/resubscribe",
        ),
        (
            &["tasks/pushNotificationConfig/set", "CreateTaskPushNotificationConfig"],
            Some(("POST", "/tasks/t/pushNotificationConfigs")),
            "a2a:tasks/pushNotificationConfig/set",
        ),
        (
            &["tasks/pushNotificationConfig/get", "GetTaskPushNotificationConfig"],
            Some(("GET", "/tasks/t/pushNotificationConfigs/c")),
            "a2a:tasks/pushNotificationConfig/get",
        ),
        (
            &["tasks/pushNotificationConfig/list", "ListTaskPushNotificationConfigs"],
            Some(("GET", "/tasks/t/pushNotificationConfigs")),
            "a2a:tasks/pushNotificationConfig/list",
        ),
        (
            &["tasks/pushNotificationConfig/delete", "DeleteTaskPushNotificationConfig"],
            Some(("DELETE", "/tasks/t/pushNotificationConfigs/c")),
            "a2a:tasks/pushNotificationConfig/delete",
        ),
        (
            &["agent/getAuthenticatedExtendedCard", "GetExtendedAgentCard"],
            Some(("GET", "/extendedAgentCard")),
            "a2a:agent/getAuthenticatedExtendedCard",
        ),
    ] {
        let params = format!(r#"{{{message},"taskId":"t","url":"https://h.example/"}}"#);
        for method in methods {
            let body =
                format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{params}}}"#);
            let command =
                read("POST", "/", &body).unwrap_or_else(|code| panic!("{method}: {code:?}"));
            assert_eq!(command.action.name(), action);
        }
        if let Some((method, path)) = rest {
            let body = if method == "POST" { params.as_str() } else { "" };
            let command =
                read(method, path, body).unwrap_or_else(|code| panic!("{path}: {code:?}"));
            assert_eq!(command.action.name(), action, "{path}");
            assert_eq!(command.attributes["binding"], "rest");
        }
    }
}
