use chaperone_inspection::mask::profile::Profile;
use chaperone_inspection::obligations::{
    METADATA_KEY, METADATA_NAMESPACE, MaskOrder, Obligations, OnUnmaskable,
};
use serde_json::json;

use super::*;
use crate::host::fake::Fake;
use crate::host::{Flow, Map};
use crate::request::Caller;
use crate::response::ResponseSide;
use crate::tests::{filter, key};

const JSON: &str = "application/json";
const EVENTS: &str = "text/event-stream";
const LIST: &str = r#"{"id":1,"result":{"tools":[{"name":"a"},{"name":"b ada@example.com"}]}}"#;
const ASKS: &str = r#"{"id":1,"method":"roots/list"}"#;

struct Exchanged {
    host: Fake,
    side: ResponseSide,
}

impl Exchanged {
    /// An answer of that status and type, to a request for a list or another one.
    fn new(status: &str, content_type: &str, lists: bool, masked: bool) -> (Self, Flow) {
        let profile = Profile::built_in("pii").unwrap();
        let mask =
            MaskOrder { digest: profile.digest(), profile, on_unmaskable: OnUnmaskable::Block };
        let order = McpOrder {
            server_requests: ["elicitation/create".to_owned()].into(),
            list_ticket: lists.then(|| "t.t".to_owned()),
        };
        let ordered = Obligations {
            decision: "dec_1".into(),
            mask: masked.then_some(mask),
            mcp: Some(order),
        };
        let path = ["metadata", "filter_metadata", METADATA_NAMESPACE, METADATA_KEY];
        let headers =
            [(":status", status), ("content-type", content_type), ("content-length", "9")];
        let host = Fake::default()
            .with_headers(Map::ResponseHeaders, &headers)
            .with_property(&["response", "code_details"], "via_upstream")
            .with_property(&path, json!(ordered).to_string());
        let mut side = ResponseSide::default();
        let flow = side.headers(&host, &filter(), Caller::default(), false);
        (Self { host, side }, flow)
    }

    fn chunk(&mut self, chunk: &str, end: bool) -> Flow {
        *self.host.body.borrow_mut() = chunk.as_bytes().to_vec();
        self.side.body(&self.host, Caller::default(), chunk.len(), end)
    }

    /// The server says which tools are shown.
    fn told(&mut self, token: u32, status: u32, visible: &[u32]) {
        let message = VisibleResponse { visible: visible.to_vec() }.encode_to_vec();
        let size = message.len();
        *self.host.message.borrow_mut() = message;
        self.side.called_back(&self.host, Caller::default(), token, status, size);
    }

    fn sent(&self) -> String {
        String::from_utf8(self.host.body.borrow().clone()).unwrap()
    }

    fn replied(&self) -> Option<&'static str> {
        self.host.replies.borrow().first().map(|reply| reply.code)
    }
}

fn event(message: &str) -> String {
    format!("data: {message}\n\n")
}

#[test]
fn a_list_waits_for_what_may_be_shown_of_it() {
    for (content_type, body) in [(JSON, LIST.to_owned()), (EVENTS, event(LIST))] {
        let (mut exchanged, flow) = Exchanged::new("200", content_type, true, false);
        assert_eq!(flow, Flow::Hold);
        assert_eq!(exchanged.host.header(Map::ResponseHeaders, "content-length"), None);
        let (head, tail) = body.split_at(20);
        assert_eq!(exchanged.chunk(head, false), Flow::Hold);
        assert_eq!(exchanged.chunk(tail, true), Flow::Hold);
        assert_eq!(exchanged.sent(), "", "nothing leaves");

        let request = exchanged.host.calls.borrow()[0].clone();
        let request = VisibleRequest::decode(request.as_slice()).unwrap();
        assert!(key().verify(&[DOMAIN, &request.question].concat(), &request.mac));
        let question = ToolsQuestion::decode(request.question.as_slice()).unwrap();
        assert_eq!((question.decision_id.as_str(), question.ticket.as_str()), ("dec_1", "t.t"));
        let names: Vec<_> = question.tools.iter().map(|tool| tool.name.as_str()).collect();
        assert_eq!(names, ["a", "b ada@example.com"]);

        exchanged.told(7, 0, &[0, 1]);
        assert_eq!(exchanged.host.resumed.get(), 0, "another call");
        exchanged.told(0, 0, &[1]);
        assert_eq!(exchanged.host.resumed.get(), 1);
        assert!(!exchanged.sent().contains("\"a\"") && exchanged.sent().contains("\"b ada"));
        assert_eq!(exchanged.side.removed().get("tools"), Some(&1));
    }
}

#[test]
fn a_list_is_masked_once_it_is_filtered() {
    for (content_type, body) in [(JSON, LIST.to_owned()), (EVENTS, event(LIST))] {
        let (mut exchanged, flow) = Exchanged::new("200", content_type, true, true);
        assert_eq!(flow, Flow::Hold);
        assert_eq!(exchanged.chunk(&body, true), Flow::Hold);
        exchanged.told(0, 0, &[1]);
        assert!(
            exchanged.sent().contains(r#"{"name":"b [masked:email]"}"#),
            "{}",
            exchanged.sent()
        );
        assert_eq!(exchanged.side.masked().get("email"), Some(&1));
        assert_eq!(exchanged.host.resumed.get(), 1);
    }
}

#[test]
fn what_comes_after_a_list_passes_the_gate_too() {
    let (mut exchanged, _) = Exchanged::new("200", EVENTS, true, false);
    assert_eq!(exchanged.chunk(&event(LIST), false), Flow::Hold);
    assert_eq!(exchanged.chunk(&event(LIST), false), Flow::Hold, "while it waits");
    exchanged.told(0, 0, &[0]);
    assert_eq!(exchanged.sent().matches("tools").count(), 1);
    assert_eq!(exchanged.chunk(&[event(ASKS), event("{}")].concat(), true), Flow::Continue);
    assert_eq!(exchanged.sent(), event("{}"));
    let removed = [("roots/list", 1), ("tool_list", 1), ("tools", 1)];
    let removed = removed.map(|(name, count)| (name.to_owned(), count));
    assert_eq!(*exchanged.side.removed(), BTreeMap::from(removed));
}

#[test]
fn a_list_is_withheld_when_it_cannot_be_told_what_to_show() {
    let (mut refused, _) = Exchanged::new("200", JSON, true, false);
    refused.host.refuses_calls.set(true);
    assert_eq!(refused.chunk(LIST, true), Flow::Hold);
    let (mut failed, _) = Exchanged::new("200", EVENTS, true, true);
    failed.chunk(&event(LIST), true);
    failed.told(0, 14, &[0, 1]);
    let (mut unreadable, _) = Exchanged::new("200", JSON, true, false);
    assert_eq!(unreadable.chunk(r#"{"result":{"tools":[{}]}}"#, true), Flow::Hold);
    for exchanged in [refused, failed, unreadable] {
        assert_eq!(exchanged.replied(), Some("response_refused"));
        assert_eq!((exchanged.sent().as_str(), exchanged.host.resumed.get()), ("", 0));
        assert_ne!(exchanged.side.withheld(), "");
    }
}

#[test]
fn an_error_in_place_of_a_list_is_not_held() {
    let error = r#"{"id":1,"error":{"code":1,"message":"m"}}"#;
    for (content_type, body) in [(JSON, error.to_owned()), (EVENTS, event(error))] {
        let (mut exchanged, _) = Exchanged::new("200", content_type, true, false);
        assert_eq!(exchanged.chunk(&body, true), Flow::Continue);
        assert_eq!(exchanged.sent(), body);
        assert!(exchanged.host.calls.borrow().is_empty());
    }
}

#[test]
fn a_request_of_the_server_is_left_out_or_the_answer_is_withheld() {
    let (mut exchanged, flow) = Exchanged::new("200", EVENTS, false, true);
    assert_eq!(flow, Flow::Continue, "events come when they come");
    let allowed = event(r#"{"id":1,"method":"elicitation/create"}"#);
    assert_eq!(exchanged.chunk(&[event(ASKS), allowed.clone()].concat(), false), Flow::Continue);
    assert_eq!(exchanged.sent(), allowed);

    let (mut exchanged, flow) = Exchanged::new("200", JSON, false, false);
    assert_eq!(flow, Flow::Hold);
    assert_eq!(exchanged.chunk(ASKS, true), Flow::Hold);
    assert_eq!((exchanged.replied(), exchanged.sent().as_str()), (Some("response_refused"), ""));
    assert_eq!(exchanged.side.removed().get("roots/list"), Some(&1));

    let (mut exchanged, _) = Exchanged::new("200", JSON, false, false);
    assert_eq!(exchanged.chunk(r#"{"id":1,"#, false), Flow::Continue);
    assert_eq!(exchanged.chunk(r#""method":"roots/list"}"#, true), Flow::Hold);
    assert_eq!((exchanged.host.resets.get(), exchanged.sent().as_str()), (1, ""));
}

#[test]
fn what_is_no_message_of_mcp_passes_only_where_no_client_reads_one() {
    for (status, flow) in [
        ("200", Flow::Hold),
        ("202", Flow::Continue),
        ("404", Flow::Continue),
        ("302", Flow::Continue),
    ] {
        let (exchanged, told) = Exchanged::new(status, "text/plain", false, false);
        assert_eq!(told, flow, "{status}");
        assert_eq!(exchanged.replied().is_some(), flow == Flow::Hold, "{status}");
    }
    let (mut exchanged, flow) = Exchanged::new("400", JSON, false, false);
    assert_eq!(flow, Flow::Hold);
    assert_eq!(exchanged.chunk(ASKS, true), Flow::Hold);
    assert_eq!(exchanged.replied(), Some("response_refused"));
}

#[test]
fn trailers_end_a_list_too() {
    let (mut exchanged, _) = Exchanged::new("200", EVENTS, true, false);
    assert_eq!(exchanged.chunk(&event(LIST), false), Flow::Hold);
    assert_eq!(exchanged.side.trailers(&exchanged.host, Caller::default()), Flow::Hold);
    exchanged.told(0, 0, &[0]);
    assert_eq!(exchanged.host.resumed.get(), 1);
    assert!(exchanged.sent().contains("\"a\""));
}
