//! What came back for a request.

use std::fmt;

use reqwest::header::HeaderMap;
use serde_json::Value;

/// The header with the decision's id.
pub const DECISION_HEADER: &str = "x-chaperone-decision";

/// A whole answer.
#[derive(Clone)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Vec<u8>,
}

impl Answer {
    /// A header's value, if it is there and readable.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The id of the decision on the request.
    pub fn decision(&self) -> Option<&str> {
        self.header(DECISION_HEADER)
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON; null when it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// The stable code of a refusal, of a problem or of a JSON-RPC error.
    pub fn code(&self) -> Option<String> {
        let body = self.json();
        let code = body.pointer("/error/data/code").or_else(|| body.get("code"))?;
        code.as_str().map(str::to_owned)
    }

    /// The id of the approval that the request waits for.
    pub fn approval(&self) -> Option<String> {
        let body = self.json();
        let id =
            body.pointer("/error/data/approval/id").or_else(|| body.pointer("/approval/id"))?;
        id.as_str().map(str::to_owned)
    }
}

/// As a person would want to see it where an assertion failed.
impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "HTTP {}", self.status)?;
        for (name, value) in &self.headers {
            writeln!(f, "{name}: {}", String::from_utf8_lossy(value.as_bytes()))?;
        }
        write!(f, "\n{}", self.text())
    }
}
