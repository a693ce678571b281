//! What the filter itself answers: RFC 9457 problem details, in the members that
//! the server's own answers have.

use serde_json::json;

/// The header that names the decision on every answer.
pub const DECISION_HEADER: &str = "x-chaperone-decision";

/// Seconds after which a caller may try again when nothing could be decided.
const RETRY_AFTER_SECONDS: &str = "1";

/// An answer that replaces the upstream's or Envoy's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The HTTP status.
    pub status: u32,
    /// What a program looks at.
    pub code: &'static str,
    /// What a person reads. It never quotes a body.
    pub detail: String,
    /// The decision that this is the end of.
    pub decision: Option<String>,
    /// Whether trying again can help.
    pub retry: bool,
}

impl Reply {
    /// 400: the request's line cannot be read in one way only.
    pub fn malformed(detail: &str) -> Self {
        Self::new(400, "request_malformed", detail.to_owned())
    }

    /// 503: nothing could be decided.
    pub fn unavailable(detail: &str) -> Self {
        let reply = Self::new(503, "decision_unavailable", detail.to_owned());
        Self { retry: true, ..reply }
    }

    /// 502: an answer of the upstream that no decision allows.
    pub fn undecided() -> Self {
        let detail = "The answer is withheld: no decision was made about its request.";
        Self::new(502, "decision_missing", detail.to_owned())
    }

    /// 502: an answer that must be masked and cannot be.
    pub fn withheld(decision: Option<String>, reason: &str) -> Self {
        let detail = format!("The answer is withheld: it cannot be masked ({reason}).");
        Self { decision, ..Self::new(502, "response_unmaskable", detail) }
    }

    /// 502: an answer of an MCP server that may not pass.
    pub fn refused(decision: Option<String>, reason: &str) -> Self {
        let detail = format!("The answer is withheld: {reason}.");
        Self { decision, ..Self::new(502, "response_refused", detail) }
    }

    const fn new(status: u32, code: &'static str, detail: String) -> Self {
        Self { status, code, detail, decision: None, retry: false }
    }

    /// The headers and the body. A gRPC caller gets the detail alone: Envoy turns the
    /// status into a gRPC one and the body into its message.
    pub fn parts(&self, grpc: bool) -> (Vec<(&'static str, &str)>, String) {
        let mut headers = Vec::new();
        if let Some(decision) = &self.decision {
            headers.push((DECISION_HEADER, decision.as_str()));
        }
        if grpc {
            return (headers, self.detail.clone());
        }
        headers.push(("content-type", "application/problem+json"));
        if self.retry {
            headers.push(("retry-after", RETRY_AFTER_SECONDS));
        }
        let title = match self.status {
            400 => "Bad Request",
            502 => "Bad Gateway",
            _ => "Service Unavailable",
        };
        let mut problem = json!({
            "title": title,
            "status": self.status,
            "code": self.code,
            "detail": self.detail,
        });
        if let (Some(members), Some(decision)) = (problem.as_object_mut(), &self.decision) {
            members.insert("decision".to_owned(), decision.as_str().into());
        }
        (headers, problem.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_is_problem_details_or_a_grpc_message() {
        let reply = Reply::withheld(Some("dec_1".into()), "it is an image");
        let (headers, body) = reply.parts(false);
        assert!(headers.contains(&("content-type", "application/problem+json")));
        assert!(headers.contains(&(DECISION_HEADER, "dec_1")));
        let problem: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert_eq!(problem["code"], "response_unmaskable");
        assert_eq!((&problem["status"], &problem["decision"]), (&json!(502), &json!("dec_1")));

        let (headers, body) = reply.parts(true);
        assert_eq!(headers, [(DECISION_HEADER, "dec_1")]);
        assert_eq!(body, reply.detail);
    }

    #[test]
    fn only_what_may_pass_by_itself_invites_to_try_again() {
        let retry = ("retry-after", RETRY_AFTER_SECONDS);
        assert!(Reply::unavailable("x").parts(false).0.contains(&retry));
        assert!(!Reply::undecided().parts(false).0.contains(&retry));
    }
}
