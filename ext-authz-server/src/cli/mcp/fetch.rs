//! Asking an MCP server for its tools, over streamable HTTP: with a session, as up to
//! revision 2025-11-25, or without one, as since 2026-07-28.

use std::path::Path;
use std::time::Duration;

use chaperone_inspection::mcp_answer::ToolList;
use reqwest::header::{ACCEPT, CONTENT_TYPE};
use reqwest::redirect::Policy;
use reqwest::{Client, RequestBuilder, Response, Url};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::MAX_LIST_BYTES;
use crate::cli::Failure;

/// How long one request may take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// More pages than any list has.
const MAX_PAGES: usize = 200;

/// The revision that is offered to servers with sessions.
const SESSION_VERSION: &str = "2025-11-25";

/// The first revision without sessions.
const STATELESS_VERSION: &str = "2026-07-28";

/// The bearer token in the file at `path`.
pub(super) fn token(path: &Path) -> Result<Zeroizing<String>, Failure> {
    let text = std::fs::read_to_string(path).map(Zeroizing::new).map_err(|error| {
        Failure::Usage(format!("cannot read the token in {}: {error}", path.display()))
    })?;
    Ok(Zeroizing::new(text.trim().to_owned()))
}

/// Whether what is sent to `url` is encrypted, or stays on this machine.
pub(super) fn is_private(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
    let here = host == "localhost" || address.is_ok_and(|address| address.is_loopback());
    url.scheme() == "https" || here
}

/// Every page of the tools that the server at `url` lists.
pub(super) async fn tools(url: &Url, token: Option<&str>) -> Result<Vec<ToolList>, Failure> {
    let client = Client::builder()
        // A redirect would send the token elsewhere, and pin somebody else's tools.
        .redirect(Policy::none())
        .timeout(TIMEOUT)
        .build()
        .map_err(|error| failed(&error))?;
    let mut server = Server { client, url, token, session: Session::default(), next: 0 };
    server.greet().await?;
    let pages = server.pages().await;
    server.leave().await;
    pages
}

struct Server<'a> {
    client: Client,
    url: &'a Url,
    token: Option<&'a str>,
    session: Session,
    next: u64,
}

#[derive(Default)]
struct Session {
    id: Option<String>,
    /// The revision that was agreed upon; `None` before.
    version: Option<String>,
}

impl Server<'_> {
    /// Opens a session, unless the server has none.
    async fn greet(&mut self) -> Result<(), Failure> {
        let hello = json!({
            "protocolVersion": SESSION_VERSION,
            "capabilities": {},
            "clientInfo": { "name": "chaperone", "version": env!("CARGO_PKG_VERSION") },
        });
        let Answered { message, session } = self.ask("initialize", hello).await?;
        let message = parsed(&message)?;
        if let Some(version) = message["result"]["protocolVersion"].as_str() {
            self.session = Session { id: session, version: Some(version.to_owned()) };
            let ready = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
            let sent = self.post("notifications/initialized", &ready).send().await;
            sent.map_err(|error| failed(&error))?;
            return Ok(());
        }
        if message["error"].is_object() {
            // It does not know the method any more.
            self.session.version = Some(STATELESS_VERSION.to_owned());
            return Ok(());
        }
        Err(failed(&"it does not answer `initialize` as MCP has it"))
    }

    async fn pages(&mut self) -> Result<Vec<ToolList>, Failure> {
        let (mut pages, mut params) = (Vec::new(), json!({}));
        while pages.len() < MAX_PAGES {
            if self.is_stateless() {
                params["_meta"] = json!({
                    "io.modelcontextprotocol/protocolVersion": STATELESS_VERSION,
                    "io.modelcontextprotocol/clientInfo":
                        { "name": "chaperone", "version": env!("CARGO_PKG_VERSION") },
                    "io.modelcontextprotocol/clientCapabilities": {},
                });
            }
            let answered = self.ask("tools/list", params).await?;
            let list = ToolList::parse(&answered.message)
                .map_err(|unparsed| failed(&format!("its list is refused: {}", unparsed.detail)))?;
            let list = list.ok_or_else(|| failed(&"it answers `tools/list` without a list"))?;
            let cursor = list.next_cursor().map(str::to_owned);
            pages.push(list);
            match cursor {
                Some(cursor) => params = json!({ "cursor": cursor }),
                None => return Ok(pages),
            }
        }
        Err(failed(&"its list does not end"))
    }

    /// Ends the session. A server that does not let clients do that says so; nothing
    /// depends on it.
    async fn leave(&self) {
        if self.session.id.is_some() {
            let _ = self.with_headers(self.client.delete(self.url.clone())).send().await;
        }
    }

    fn is_stateless(&self) -> bool {
        self.session.version.as_deref().is_some_and(|version| version >= STATELESS_VERSION)
    }

    async fn ask(&mut self, method: &str, params: Value) -> Result<Answered, Failure> {
        self.next += 1;
        let id = self.next;
        let message = json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params });
        let response = self.post(method, &message).send().await.map_err(|error| failed(&error))?;
        let header = |name: &str| {
            response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
        };
        let session = header("mcp-session-id");
        let kind = header(CONTENT_TYPE.as_str()).unwrap_or_default().to_ascii_lowercase();
        let status = response.status();
        let message = if kind.starts_with("text/event-stream") {
            answer_in_events(response, id).await?
        } else if kind.starts_with("application/json") {
            read(response, |_| None::<()>).await?.0
        } else {
            return Err(failed(&format!("it answers {status} and no message of MCP")));
        };
        Ok(Answered { message, session })
    }

    fn post(&self, method: &str, message: &Value) -> RequestBuilder {
        let mut request = self.with_headers(self.client.post(self.url.clone()));
        if self.is_stateless() {
            request = request.header("mcp-method", method);
        }
        request.header(CONTENT_TYPE, "application/json").body(message.to_string())
    }

    fn with_headers(&self, request: RequestBuilder) -> RequestBuilder {
        let mut request = request.header(ACCEPT, "application/json, text/event-stream");
        if let Some(token) = self.token {
            request = request.bearer_auth(token);
        }
        if let Some(version) = &self.session.version {
            request = request.header("mcp-protocol-version", version);
        }
        if let Some(id) = &self.session.id {
            request = request.header("mcp-session-id", id);
        }
        request
    }
}

struct Answered {
    message: Vec<u8>,
    session: Option<String>,
}

/// Reads until `found` finds something in what has come so far, or to the end.
async fn read<T>(
    mut response: Response,
    mut found: impl FnMut(&[u8]) -> Option<T>,
) -> Result<(Vec<u8>, Option<T>), Failure> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| failed(&error))? {
        body.extend_from_slice(&chunk);
        if body.len() as u64 > MAX_LIST_BYTES {
            return Err(failed(&"its answer is too long"));
        }
        if let Some(found) = found(&body) {
            return Ok((body, Some(found)));
        }
    }
    let last = found(&body);
    Ok((body, last))
}

/// The answer to request `id` among the events; the server need not close the stream
/// after it.
async fn answer_in_events(response: Response, id: u64) -> Result<Vec<u8>, Failure> {
    let (_, answer) = read(response, |body| answer_among(body, id)).await?;
    answer.ok_or_else(|| failed(&"its events end without an answer"))
}

/// The data of the first whole event that answers request `id`.
fn answer_among(events: &[u8], id: u64) -> Option<Vec<u8>> {
    let text = String::from_utf8_lossy(events).replace("\r\n", "\n").replace('\r', "\n");
    // What follows the last empty line is not whole.
    let (whole, _) = text.rsplit_once("\n\n")?;
    whole.split("\n\n").find_map(|event| {
        let lines = event.lines().filter_map(|line| line.strip_prefix("data:"));
        let data: Vec<_> = lines.map(|line| line.strip_prefix(' ').unwrap_or(line)).collect();
        let data = data.join("\n");
        let message: Value = serde_json::from_str(&data).ok()?;
        (message["id"] == id && message.get("method").is_none()).then(|| data.into_bytes())
    })
}

fn parsed(message: &[u8]) -> Result<Value, Failure> {
    serde_json::from_slice(message).map_err(|_| failed(&"its answer is not JSON"))
}

fn failed(told: &dyn std::fmt::Display) -> Failure {
    Failure::Usage(format!("cannot ask the server for its tools: {told}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_does_not_travel_in_the_open() {
        let private = |url: &str| is_private(&url.parse().unwrap());
        for url in ["https://t.example/mcp", "http://127.0.0.1:1/mcp", "http://[::1]/mcp"] {
            assert!(private(url), "{url}");
        }
        assert!(!private("http://10.0.0.7:8080/mcp") && !private("http://localhost.example"));
    }

    #[test]
    fn the_answer_is_found_among_other_events_once_it_is_whole() {
        let stream = ": hi\r\n\r\nevent: message\r\ndata: {\"method\":\"ping\",\"id\":2}\r\n\r\n\
                      data: {\"id\":2,\r\ndata: \"result\":{}}\r\n\r\n";
        let expected = b"{\"id\":2,\n\"result\":{}}";
        assert_eq!(answer_among(stream.as_bytes(), 2).as_deref(), Some(&expected[..]));
        assert_eq!(answer_among(&stream.as_bytes()[..stream.len() - 4], 2), None);
        assert_eq!(answer_among(stream.as_bytes(), 3), None);
    }
}
