#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;

const EVENTS: Option<&str> = Some("text/event-stream");
const JSON: Option<&str> = Some("application/json; charset=utf-8");
const ANSWER: &str = r#"{"jsonrpc":"2.0","id":1,"result":{"content":[],"x":{"method":"y"}}}"#;

fn passed(
    allowed: &[&'static str],
    content_type: Option<&str>,
    body: &str,
) -> Result<(String, Gate), (Refused, Gate)> {
    let mut gate = Gate::new(allowed.iter().copied(), content_type, None).unwrap();
    let mut out = Vec::new();
    match gate.push(body.as_bytes(), &mut out).and_then(|()| gate.finish(&mut out)) {
        Ok(()) => Ok((String::from_utf8(out).unwrap(), gate)),
        Err(refused) => Err((refused, gate)),
    }
}

fn event(message: &str) -> String {
    format!("data: {message}\n\n")
}

fn request(method: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":7,"method":"{method}","params":{{"tools":[]}}}}"#)
}

#[test]
fn a_request_of_the_server_passes_only_where_it_is_allowed() {
    for method in SERVER_REQUESTS {
        let stream = [event(&request(method)), event(ANSWER)].concat();
        let (out, gate) = passed(&[], EVENTS, &stream).unwrap();
        assert_eq!(out, event(ANSWER), "{method}");
        assert_eq!(gate.removed().get(method), Some(&1));
        let (out, gate) = passed(&[method], EVENTS, &stream).unwrap();
        assert_eq!(out, stream, "{method}");
        assert!(gate.removed().is_empty());

        let refused = passed(&[], JSON, &request(method)).unwrap_err().0;
        assert_eq!(refused, Refused::Request(method));
        assert!(passed(&[method], JSON, &request(method)).is_ok());
    }
}

#[test]
fn what_every_server_may_send_passes_and_what_nobody_knows_does_not() {
    for method in ["ping", "notifications/progress", "notifications/tools/list_changed"] {
        let stream = event(&request(method));
        assert_eq!(passed(&[], EVENTS, &stream).unwrap().0, stream);
    }
    for method in ["tasks/get", "tools/call", "sampling/CreateMessage", "", "ping "] {
        let (out, gate) = passed(&[], EVENTS, &event(&request(method))).unwrap();
        assert_eq!((out.as_str(), gate.removed().get("other_request")), ("", Some(&1)), "{method}");
    }
    let task = event(&request("tasks/get"));
    assert_eq!(passed(&["elicitation/create"], EVENTS, &task).unwrap().0, task);
}

#[test]
fn a_request_cannot_hide() {
    for message in [
        r#"{"jsonrpc":"2.0","id":1,"m\u0065thod":"roots\/list"}"#,
        r#"{"jsonrpc":"2.0","id":1,"METHOD":"roots/list"}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"ping","method":"roots/list"}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":{},"method":"roots/list"}"#,
        r#"[{"jsonrpc":"2.0","id":1,"result":{}},{"id":2,"method":"roots/list"}]"#,
        r#"{"result":{"resultType":"input_required","inputRequests":{"a":{"method":"roots/list"}}}}"#,
        r#"{"result":{"InputRequest\u017f":{"a":{"method":"roots/list"}}}}"#,
        r#"{"result":{"inputRequests":[{"method":"roots/list"}]}}"#,
        r#"{"method":"notifications/x","params":{"inputRequests":{"a":{"method":"roots/list"}}}}"#,
    ] {
        assert_eq!(passed(&[], JSON, message).unwrap_err().0.name(), "roots/list", "{message}");
        assert_eq!(passed(&[], EVENTS, &event(message)).unwrap().0, "", "{message}");
    }
    for message in [
        r#"{"id":1,"method":["roots/list"]}"#,
        r#"{"id":1,"method":null}"#,
        r#"{"result":{"inputRequests":{"a":{"method":"ping"}}}}"#,
    ] {
        let refused = passed(&["roots/list"], JSON, message).unwrap_err().0;
        assert_eq!(refused.name(), "other_request", "{message}");
    }
}

#[test]
fn tools_that_nobody_asked_for_do_not_pass() {
    for message in [
        r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[]}}"#,
        r#"{"jsonrpc":"2.0","id":1,"Result":{"t\u006fols":{}}}"#,
    ] {
        assert_eq!(passed(&[], JSON, message).unwrap_err().0, Refused::ToolList);
        let (out, gate) = passed(&[], EVENTS, &event(message)).unwrap();
        assert_eq!((out.as_str(), gate.removed().get("tool_list")), ("", Some(&1)));
    }
    let capabilities = r#"{"id":1,"result":{"capabilities":{"tools":{}}}}"#;
    assert!(passed(&[], JSON, capabilities).is_ok());
}

#[test]
fn what_cannot_be_read_does_not_pass() {
    for data in ["/messages?id=1", "{\"a\":NaN}", "{\"a\":\"\u{1}\"}", "{} {}", "{"] {
        let (out, gate) = passed(&[], EVENTS, &event(data)).unwrap();
        assert_eq!((out.as_str(), gate.removed().get("unreadable")), ("", Some(&1)), "{data}");
    }
    for (content_type, encoding) in
        [(None, None), (Some("text/html"), None), (JSON, Some("gzip")), (EVENTS, Some("br"))]
    {
        assert!(Gate::new([], content_type, encoding).is_err());
    }
    assert_eq!(passed(&[], JSON, "").unwrap().0, "");
}

#[test]
fn an_event_is_one_event_to_every_reader() {
    let cases = [
        // Fields, their order and their line ends.
        ("id: 1\r\nevent: message\rdata:{}\r\n\r\n", "id: 1\nevent: message\ndata: {}\n\n"),
        ("data: {}\nid: 1\nx: y\n\n", "id: 1\ndata: {}\n\n"),
        // Before the first message, and between messages.
        ("\u{feff}data: {}\n\n", "data: {}\n\n"),
        (": hello\n\ndata: {}\n\n", ":\ndata: {}\n\n"),
        ("id: 0\ndata:\n\n", "id: 0\ndata: \n\n"),
        ("retry: 5\n\n", "retry: 5\n\n"),
        // Lines of data are one line.
        ("data: {\"a\":\ndata: 1}\n\n", "data: {\"a\": 1}\n\n"),
        ("data: {}", "data: {}\n\n"),
        // To some readers a line ends at each of these.
        (
            "data: {\"a\":\"\u{2028}é\u{85}\u{2029}\"}\n\n",
            "data: {\"a\":\"\\u2028é\\u0085\\u2029\"}\n\n",
        ),
        ("event: a\u{2028}data: x\ndata: {}\n\n", ""),
        ("id: a\u{b}data: x\ndata: {}\n\n", ""),
    ];
    for (stream, expected) in cases {
        assert_eq!(passed(&[], EVENTS, stream).unwrap().0, expected, "{stream:?}");
    }
}

#[test]
fn a_long_event_streams_and_a_request_at_its_end_is_cut_off() {
    let padding = "x".repeat(100_000);
    let long = format!(r#"{{"id":1,"result":{{"a":"{padding}"}}}}"#);
    assert_eq!(passed(&[], EVENTS, &event(&long)).unwrap().0, event(&long));
    let padding = r#""xxxxxxxxx","#.repeat(10_000);
    let asks = format!(r#"{{"id":1,"params":[{padding}1],"method":"roots/list"}}"#);
    let mut gate = Gate::new([], EVENTS, None).unwrap();
    let mut out = Vec::new();
    let mut refused = Ok(());
    for part in event(&asks).as_bytes().chunks(50_000) {
        refused = refused.and_then(|()| gate.push(part, &mut out));
    }
    assert_eq!(refused, Err(Refused::Request("roots/list")));
    let sent = String::from_utf8(out).unwrap();
    assert!(!sent.is_empty() && !sent.contains("\n\n") && !sent.contains("roots"), "it began");
    assert_eq!(gate.removed().get("roots/list"), Some(&1));
}

fn held(content_type: Option<&str>, body: &str) -> Result<ListAnswer, Refused> {
    let mut answer = ListAnswer::new(Gate::new([], content_type, None).unwrap());
    answer.push(body.as_bytes(), true)?;
    Ok(answer)
}

const LIST: &str = r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"a"},{"name":"b"}]}}"#;
const SHOWN: &str = r#"{"id":1,"jsonrpc":"2.0","result":{"tools":[{"name":"b"}]}}"#;

#[test]
fn a_list_is_held_and_shown_without_what_is_hidden() {
    let answer = held(JSON, LIST).unwrap();
    assert_eq!(answer.list().unwrap().tools().count(), 2);
    let (gate, out) = answer.release(|place| place == 1, true).unwrap();
    assert_eq!(String::from_utf8(out).unwrap(), SHOWN);
    assert_eq!(gate.removed().get("tools"), Some(&1));

    let progress = event(&request("notifications/progress"));
    let asks = event(&request("roots/list"));
    let again = event(LIST);
    let stream = [progress.as_str(), &asks, &event(LIST), &progress, &again, &asks].concat();
    let (gate, out) = held(EVENTS, &stream).unwrap().release(|place| place == 1, true).unwrap();
    let expected = [progress.as_str(), &event(SHOWN), &progress].concat();
    assert_eq!(String::from_utf8(out).unwrap(), expected);
    let removed = [("roots/list", 2), ("tool_list", 1), ("tools", 1)];
    let removed = removed.map(|(name, count)| (name.to_owned(), count));
    assert_eq!(*gate.removed(), BTreeMap::from(removed));
}

#[test]
fn an_answer_that_is_no_list_is_not_held_for_one() {
    let error = r#"{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"m"}}"#;
    for (content_type, body) in
        [(JSON, error.to_owned()), (EVENTS, event(error)), (JSON, String::new())]
    {
        let answer = held(content_type, &body).unwrap();
        assert!(answer.list().is_none() && answer.is_whole());
        let (_, out) = answer.release(|_| false, true).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), body);
    }
}

#[test]
fn an_event_stream_need_not_end_after_the_list() {
    let mut answer = ListAnswer::new(Gate::new([], EVENTS, None).unwrap());
    let stream = event(LIST);
    let (head, tail) = stream.split_at(30);
    answer.push(head.as_bytes(), false).unwrap();
    assert!(!answer.is_whole());
    answer.push(tail.as_bytes(), false).unwrap();
    assert!(answer.is_whole());
    let (mut gate, mut out) = answer.release(|place| place == 1, false).unwrap();
    gate.push(event(&request("roots/list")).as_bytes(), &mut out).unwrap();
    gate.push(event(ANSWER).as_bytes(), &mut out).unwrap();
    assert_eq!(String::from_utf8(out).unwrap(), event(SHOWN) + &event(ANSWER));
}

#[test]
fn a_list_that_cannot_be_read_or_held_is_refused() {
    let long = format!(r#"{{"result":{{"tools":[{{"name":"{}"}}]}}}}"#, "x".repeat(600_000));
    for list in [
        r#"{"result":{"tools":[{"name":"a","Name":"b"}]}}"#,
        r#"[{"result":{"tools":[]}}]"#,
        r#"{"result":{"tools":[{"name":"a"}],"tools":[]}}"#,
        r#"{"Result":{"tools":[]}}"#,
        &long,
    ] {
        assert!(held(JSON, list).is_err(), "{list:.100}");
        assert!(held(EVENTS, &event(list)).is_err(), "{list:.100}");
    }
}

#[cfg(not(target_arch = "wasm32"))]
mod laws {
    use proptest::prelude::*;

    use super::*;

    fn streams() -> impl Strategy<Value = String> {
        let piece = prop::sample::select(vec![
            "data: ",
            "data:",
            "data",
            "id: 1",
            "event: message",
            ": x",
            "\n",
            "\n\n",
            "\r",
            "\r\n\r\n",
            "{\"id\":1,\"result\":{}}",
            "{\"id\":1,\"method\":\"roots/list\"}",
            "{\"id\":1,\"method\":\"ping\"}",
            LIST,
            "{\"a\":\"\u{2028}\u{85}é\"}",
            "\u{feff}",
            "{",
        ]);
        prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
    }

    fn cut(stream: &str, cuts: &[usize], mut take: impl FnMut(&[u8], bool)) {
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut % (stream.len() + 1)).collect();
        cuts.extend([0, stream.len()]);
        cuts.sort_unstable();
        for pair in cuts.windows(2) {
            let end = pair[1] == stream.len();
            take(&stream.as_bytes()[pair[0]..pair[1]], end);
            if end {
                return;
            }
        }
    }

    proptest! {
        #[test]
        fn the_cuts_of_a_stream_do_not_matter(
            stream in streams(), cuts in prop::collection::vec(0..4096_usize, 0..8)
        ) {
            let (whole, gate) = passed(&[], EVENTS, &stream).map_err(|(refused, _)| refused).unwrap();
            let mut parts = Gate::new([], EVENTS, None).unwrap();
            let mut out = Vec::new();
            cut(&stream, &cuts, |chunk, _| parts.push(chunk, &mut out).unwrap());
            parts.finish(&mut out).unwrap();
            prop_assert_eq!(String::from_utf8(out).unwrap(), whole);
            prop_assert_eq!(parts.removed(), gate.removed());
        }

        #[test]
        fn the_cuts_of_a_list_do_not_matter(
            stream in streams(), cuts in prop::collection::vec(0..4096_usize, 0..8)
        ) {
            let whole = held(EVENTS, &stream).and_then(|answer| answer.release(|at| at == 0, true));
            let mut parts = ListAnswer::new(Gate::new([], EVENTS, None).unwrap());
            let mut pushed = Ok(());
            cut(&stream, &cuts, |chunk, end| {
                if pushed.is_ok() {
                    pushed = parts.push(chunk, end);
                }
            });
            let parts = pushed.and_then(|()| parts.release(|at| at == 0, true));
            let told = |result: Result<(Gate, Vec<u8>), Refused>| {
                result.map(|(gate, out)| (String::from_utf8(out).unwrap(), gate.removed().clone()))
            };
            prop_assert_eq!(told(parts), told(whole));
        }

        /// What passes has no request and no list in it, by another reader.
        #[test]
        fn what_passes_asks_for_nothing(stream in streams()) {
            let (out, _) = passed(&[], EVENTS, &stream).map_err(|(refused, _)| refused).unwrap();
            // As Python's `splitlines` reads it.
            let lines = out.split(['\n', '\r', '\u{b}', '\u{c}', '\u{1c}', '\u{1d}', '\u{1e}',
                '\u{85}', '\u{2028}', '\u{2029}']);
            for line in lines {
                if let Some(data) = line.strip_prefix("data: ") {
                    let message: serde_json::Value = match data.trim() {
                        "" => continue,
                        data => serde_json::from_str(data).unwrap(),
                    };
                    prop_assert_ne!(&message["method"], "roots/list");
                    prop_assert!(message["result"]["tools"].is_null());
                }
            }
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in any::<Vec<u8>>(), list in any::<bool>()) {
            for content_type in [EVENTS, JSON] {
                let mut gate = Gate::new(["roots/list"], content_type, None).unwrap();
                if list {
                    let _ = ListAnswer::new(gate).push(&bytes, true);
                } else {
                    let mut out = Vec::new();
                    let _ = gate.push(&bytes, &mut out).and_then(|()| gate.finish(&mut out));
                }
            }
        }
    }
}
