//! The answer to `tools/list` (MCP 2025-11-25, Server Features, Tools).

use serde_json::{Map, Value};

use crate::digest::Digest;
use crate::facts::{Unparsed, UnparsedCode};
use crate::json::{document, select};

/// The deepest nesting of an answer: schemas of tools nest.
const DEPTH: usize = 64;

/// An answer to `tools/list`, or one page of it.
#[derive(Debug)]
pub struct ToolList {
    message: Map<String, Value>,
}

/// One tool of a list.
#[derive(Debug)]
pub struct Tool<'a> {
    /// Its name.
    pub name: &'a str,
    /// What it says of itself, for people and models; empty when it says nothing.
    pub description: &'a str,
    /// The digest of all that the server says of it: SHA-256 of the definition in
    /// canonical form. Name, description, schemas and annotations are part of it.
    pub digest: Digest,
}

impl ToolList {
    /// Reads a JSON-RPC message. `None` when it lists no tools: an error, say.
    ///
    /// A message that two readers could take for different lists is refused.
    pub fn parse(message: &[u8]) -> Result<Option<Self>, Unparsed> {
        let Value::Object(message) = document::parse(message, DEPTH)? else {
            return Err(invalid("the answer is not one JSON-RPC message"));
        };
        select::only_spelling(&message, "result")?;
        let Some(result) = message.get("result") else { return Ok(None) };
        let Value::Object(result) = result else { return Ok(None) };
        select::only_spelling(result, "tools")?;
        match result.get("tools") {
            None => return Ok(None),
            Some(Value::Array(tools)) => {
                tools.iter().try_for_each(|tool| tool_of(tool).map(drop))?;
            }
            Some(_) => return Err(invalid("`result.tools` is not an array")),
        }
        Ok(Some(Self { message }))
    }

    /// Its tools, in their order.
    pub fn tools(&self) -> impl Iterator<Item = Tool<'_>> {
        // Every one was read by `parse`.
        self.listed().iter().filter_map(|tool| tool_of(tool).ok())
    }

    /// Where the next page begins, if there is one.
    pub fn next_cursor(&self) -> Option<&str> {
        self.message.get("result")?.get("nextCursor")?.as_str()
    }

    /// Leaves out the tools for which `kept`, asked in their order, says no; gives how
    /// many those are.
    pub fn retain(&mut self, mut kept: impl FnMut(usize) -> bool) -> usize {
        let result = self.message.get_mut("result").and_then(Value::as_object_mut);
        let Some(Value::Array(tools)) = result.and_then(|result| result.get_mut("tools")) else {
            return 0;
        };
        let before = tools.len();
        let mut place = 0_usize;
        tools.retain(|_| {
            let keep = kept(place);
            place = place.saturating_add(1);
            keep
        });
        before.saturating_sub(tools.len())
    }

    /// The message as JSON.
    pub fn into_json(self) -> String {
        // One form in every build: the order of keys is not `Map`'s to choose.
        document::canonical(&Value::Object(self.message))
    }

    fn listed(&self) -> &[Value] {
        let tools = self.message.get("result").and_then(|result| result.get("tools"));
        tools.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
    }
}

fn tool_of(tool: &Value) -> Result<Tool<'_>, Unparsed> {
    let definition = tool.as_object().ok_or_else(|| invalid("a tool is not an object"))?;
    select::only_spelling(definition, "name")?;
    select::only_spelling(definition, "description")?;
    let name = definition.get("name").and_then(Value::as_str).filter(|name| !name.is_empty());
    Ok(Tool {
        name: name.ok_or_else(|| invalid("a tool has no name"))?,
        description: definition.get("description").and_then(Value::as_str).unwrap_or_default(),
        digest: Digest::of(document::canonical(tool).as_bytes()),
    })
}

fn invalid(why: &str) -> Unparsed {
    Unparsed::new(UnparsedCode::JsonRpcInvalid, why)
}

#[cfg(test)]
mod tests {
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    fn list(tools: &str) -> ToolList {
        parse(tools).unwrap().unwrap()
    }

    fn parse(tools: &str) -> Result<Option<ToolList>, Unparsed> {
        let message =
            format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{"tools":{tools},"nextCursor":"c"}}}}"#);
        ToolList::parse(message.as_bytes())
    }

    fn digest(tool: &str) -> Digest {
        list(&format!("[{tool}]")).tools().next().unwrap().digest
    }

    #[test]
    fn tools_are_left_out_and_the_rest_of_the_answer_stays() {
        let mut list = list(r#"[{"name":"a"},{"name":"b","description":"B."},{"name":"c"}]"#);
        let named: Vec<_> = list.tools().map(|tool| tool.name.to_owned()).collect();
        assert_eq!(named, ["a", "b", "c"]);
        assert_eq!(list.next_cursor(), Some("c"));
        assert_eq!(list.retain(|place| place == 1), 2);
        let expected = serde_json::json!({
            "jsonrpc": "2.0",
            "id": 1,
            "result": { "tools": [{ "name": "b", "description": "B." }], "nextCursor": "c" },
        });
        assert_eq!(serde_json::from_str::<Value>(&list.into_json()).unwrap(), expected);
    }

    #[test]
    fn whatever_a_server_says_of_a_tool_is_in_its_digest_and_how_it_writes_it_is_not() {
        let plain = digest(r#"{"name":"a","inputSchema":{"type":"object","maxProperties":1}}"#);
        let same = r#"{ "inputSchema": {"maxProperties":1.0,"type":"\u006fbject"}, "name": "a" }"#;
        assert_eq!(digest(same), plain);
        for other in [
            r#"{"name":"b","inputSchema":{"type":"object","maxProperties":1}}"#,
            r#"{"name":"a","inputSchema":{"type":"object","maxProperties":2}}"#,
            r#"{"name":"a","description":"","inputSchema":{"type":"object","maxProperties":1}}"#,
            r#"{"name":"a","inputSchema":{"type":"object","maxProperties":1},"annotations":{}}"#,
            r#"{"name":"a","title":"A","inputSchema":{"type":"object","maxProperties":1}}"#,
        ] {
            assert_ne!(digest(other), plain, "{other}");
        }
    }

    #[test]
    fn a_message_that_lists_nothing_is_no_list() {
        for message in [
            r#"{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"m"}}"#,
            r#"{"jsonrpc":"2.0","id":1,"result":{}}"#,
            r#"{"jsonrpc":"2.0","id":1,"result":7}"#,
            r#"{"jsonrpc":"2.0","method":"notifications/progress"}"#,
        ] {
            assert!(ToolList::parse(message.as_bytes()).unwrap().is_none(), "{message}");
        }
    }

    #[test]
    fn a_list_that_another_reader_could_take_for_another_one_is_refused() {
        for tools in [
            "7",
            "[7]",
            "[{}]",
            r#"[{"name":""}]"#,
            r#"[{"name":7}]"#,
            r#"[{"name":"a","name":"b"}]"#,
            r#"[{"name":"a","Name":"b"}]"#,
            r#"[{"name":"a"}],"Tools":[{"name":"b"}]"#,
            r#"[{"name":"a"}],"tool\u017f":[{"name":"b"}]"#,
        ] {
            assert!(parse(tools).is_err(), "{tools}");
        }
        let batch = r#"[{"jsonrpc":"2.0","id":1,"result":{"tools":[]}}]"#;
        assert!(ToolList::parse(batch.as_bytes()).is_err());
    }
}
