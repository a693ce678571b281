//! A verdict in the caller's own protocol (DESIGN: what the caller sees).
//!
//! HTTP callers get RFC 9457 problem details, MCP callers a JSON-RPC error with
//! their request's id, gRPC callers a status with `google.rpc.ErrorInfo`.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use chaperone_inspection::obligations::{METADATA_KEY, Obligations};
use chaperone_inspection::seal::FACTS_HEADER;
use envoy_types::ext_authz::v3::pb::{
    CheckResponse, DeniedHttpResponse, HeaderAppendAction, HeaderValue, HeaderValueOption,
    HttpResponse, HttpStatus, OkHttpResponse,
};
use envoy_types::pb::google::protobuf::{Struct, Value, value::Kind};
use envoy_types::pb::google::rpc;
use serde_json::json;
use tonic::Code;
use tonic_types::{ErrorDetails, StatusExt as _};

use crate::verdict::{Caller, DecisionId, Permit, Refusal, Verdict};

/// The header that every answer carries.
pub(super) const DECISION_HEADER: &str = "x-chaperone-decision";

/// JSON-RPC error codes of ours, in the range that JSON-RPC 2.0 section 5.1 leaves
/// to servers.
mod jsonrpc_code {
    pub(super) const DENIED: i32 = -32_040;
    pub(super) const NEEDS_APPROVAL: i32 = -32_041;
}

/// Seconds after which a caller may try again when nothing could be decided.
const UNAVAILABLE_RETRY_SECONDS: u64 = 1;

/// The answer to Envoy's Check.
pub(super) fn check_response(verdict: Verdict) -> CheckResponse {
    let Verdict { decision, caller, outcome } = verdict;
    match outcome {
        Ok(permit) => allowed(&decision, permit),
        Err(refusal) => denied(&decision, &caller, &refusal),
    }
}

fn allowed(decision: &DecisionId, permit: Permit) -> CheckResponse {
    let mut headers_to_remove = vec![FACTS_HEADER.to_owned()];
    if permit.remove_credentials {
        headers_to_remove.push("authorization".to_owned());
        headers_to_remove.extend(permit.credential_headers);
    }
    if permit.mask.is_some() {
        // A part of a document cannot be masked, nor (yet) a compressed one:
        // the upstream is not offered to send either.
        headers_to_remove.extend(["accept-encoding", "range", "if-range"].map(String::from));
    }
    CheckResponse {
        status: Some(rpc::Status { code: Code::Ok as i32, ..Default::default() }),
        http_response: Some(HttpResponse::OkResponse(OkHttpResponse {
            headers_to_remove,
            response_headers_to_add: vec![header(DECISION_HEADER, decision.as_str())],
            ..Default::default()
        })),
        dynamic_metadata: Some(obligations(&Obligations {
            decision: decision.to_string(),
            mask: permit.mask,
        })),
    }
}

fn denied(decision: &DecisionId, caller: &Caller, refusal: &Refusal) -> CheckResponse {
    let mut headers = vec![header(DECISION_HEADER, decision.as_str())];
    match refusal {
        Refusal::Unauthenticated { code, resource_metadata, .. } => {
            headers.push(header(
                "www-authenticate",
                &bearer_challenge(code, resource_metadata.as_deref()),
            ));
        }
        Refusal::NeedsApproval { retry_after, .. } => {
            headers.push(header("retry-after", &retry_after.as_secs().max(1).to_string()));
        }
        Refusal::Unavailable { .. } => {
            headers.push(header("retry-after", &UNAVAILABLE_RETRY_SECONDS.to_string()));
        }
        Refusal::Denied { .. } => {}
    }
    let mut status = refusal.http_status();
    let body = match caller {
        Caller::Mcp { id } if speaks_jsonrpc(refusal) => {
            status = 200;
            headers.push(header("content-type", "application/json"));
            jsonrpc_error(id, decision, refusal).to_string()
        }
        Caller::Grpc => {
            // Envoy turns the HTTP status into a gRPC one and the body into its
            // message; what HTTP has no status for is set by name.
            headers.push(header("grpc-status", &(grpc_code(refusal) as i32).to_string()));
            headers.push(header("grpc-status-details-bin", &grpc_details(decision, refusal)));
            refusal.detail().to_owned()
        }
        Caller::Http | Caller::Mcp { .. } => {
            headers.push(header("content-type", "application/problem+json"));
            problem(decision, refusal).to_string()
        }
    };
    CheckResponse {
        status: Some(rpc::Status { code: grpc_code(refusal) as i32, ..Default::default() }),
        http_response: Some(HttpResponse::DeniedResponse(DeniedHttpResponse {
            status: Some(HttpStatus { code: i32::from(status) }),
            headers,
            body,
        })),
        dynamic_metadata: Some(obligations(&Obligations {
            decision: decision.to_string(),
            mask: None,
        })),
    }
}

/// MCP's transport answers a missing credential and an outage over HTTP (401 and
/// 503); what was understood and refused is an error of the request.
const fn speaks_jsonrpc(refusal: &Refusal) -> bool {
    matches!(refusal, Refusal::Denied { .. } | Refusal::NeedsApproval { .. })
}

/// RFC 6750 section 3; `resource_metadata` is RFC 9728 section 5.1. A request with
/// no credential at all is told no error code (RFC 6750 section 3.1).
fn bearer_challenge(code: &str, resource_metadata: Option<&str>) -> String {
    let mut parameters = Vec::new();
    match code {
        "token_missing" => {}
        "malformed" => parameters.push(r#"error="invalid_request""#.to_owned()),
        _ => parameters.push(r#"error="invalid_token""#.to_owned()),
    }
    if code != "token_missing" {
        parameters.push(format!(r#"error_description="{code}""#));
    }
    if let Some(url) = resource_metadata {
        parameters.push(format!(r#"resource_metadata="{url}""#));
    }
    if parameters.is_empty() {
        "Bearer".to_owned()
    } else {
        format!("Bearer {}", parameters.join(", "))
    }
}

/// RFC 9457 problem details. `type` is left out, which means `about:blank`; `code`
/// is what a program looks at.
fn problem(decision: &DecisionId, refusal: &Refusal) -> serde_json::Value {
    let title = match refusal {
        Refusal::Unauthenticated { .. } => "Unauthorized",
        Refusal::Denied { .. } | Refusal::NeedsApproval { .. } => "Forbidden",
        Refusal::Unavailable { .. } => "Service Unavailable",
    };
    let mut problem = members(decision, refusal);
    problem.insert("title".to_owned(), title.into());
    problem.insert("status".to_owned(), refusal.http_status().into());
    problem.insert("detail".to_owned(), refusal.detail().into());
    problem.into()
}

fn jsonrpc_error(
    id: &serde_json::Value,
    decision: &DecisionId,
    refusal: &Refusal,
) -> serde_json::Value {
    let code = match refusal {
        Refusal::NeedsApproval { .. } => jsonrpc_code::NEEDS_APPROVAL,
        _ => jsonrpc_code::DENIED,
    };
    json!({
        "jsonrpc": "2.0",
        "id": id,
        "error": { "code": code, "message": refusal.detail(), "data": members(decision, refusal) },
    })
}

/// What every form of answer tells besides its status and text.
fn members(decision: &DecisionId, refusal: &Refusal) -> serde_json::Map<String, serde_json::Value> {
    let mut members = serde_json::Map::new();
    members.insert("code".to_owned(), refusal.code().into());
    members.insert("decision".to_owned(), decision.as_str().into());
    match refusal {
        Refusal::Denied { policies, .. } if !policies.is_empty() => {
            members.insert("policies".to_owned(), policies.as_slice().into());
        }
        Refusal::NeedsApproval { approval, .. } => {
            members.insert("approval".to_owned(), json!(approval));
        }
        _ => {}
    }
    members
}

const fn grpc_code(refusal: &Refusal) -> Code {
    match refusal {
        Refusal::Unauthenticated { .. } => Code::Unauthenticated,
        Refusal::Denied { .. } => Code::PermissionDenied,
        Refusal::NeedsApproval { .. } => Code::FailedPrecondition,
        Refusal::Unavailable { .. } => Code::Unavailable,
    }
}

/// A `google.rpc.Status` with an `ErrorInfo`, in base64 as binary metadata is.
fn grpc_details(decision: &DecisionId, refusal: &Refusal) -> String {
    let mut metadata = HashMap::from([("decision".to_owned(), decision.to_string())]);
    match refusal {
        Refusal::Denied { policies, .. } if !policies.is_empty() => {
            metadata.insert("policies".to_owned(), policies.join(","));
        }
        Refusal::NeedsApproval { approval, .. } => {
            metadata.insert("approval".to_owned(), approval.id.clone());
            metadata.insert("approval_status_url".to_owned(), approval.status_url.clone());
            metadata.insert("approval_expires_at".to_owned(), approval.expires_at.to_string());
        }
        _ => {}
    }
    let details =
        ErrorDetails::with_error_info(refusal.code().to_uppercase(), "chaperone", metadata);
    let status = tonic::Status::with_error_details(grpc_code(refusal), refusal.detail(), details);
    STANDARD_NO_PAD.encode(status.details())
}

fn obligations(obligations: &Obligations) -> Struct {
    let text = json!(obligations).to_string();
    Struct {
        fields: [(METADATA_KEY.to_owned(), Value { kind: Some(Kind::StringValue(text)) })].into(),
    }
}

fn header(name: &str, value: &str) -> HeaderValueOption {
    HeaderValueOption {
        header: Some(HeaderValue {
            key: name.to_owned(),
            value: value.to_owned(),
            ..Default::default()
        }),
        append_action: HeaderAppendAction::OverwriteIfExistsOrAdd as i32,
        ..Default::default()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use uuid::Uuid;

    use super::*;
    use crate::time::UnixMillis;
    use crate::verdict::ApprovalNotice;

    fn refused(caller: Caller, refusal: Refusal) -> DeniedHttpResponse {
        let verdict =
            Verdict { decision: DecisionId::new(Uuid::nil()), caller, outcome: Err(refusal) };
        match check_response(verdict).http_response {
            Some(HttpResponse::DeniedResponse(denied)) => denied,
            other => panic!("not denied: {other:?}"),
        }
    }

    fn header_of<'a>(denied: &'a DeniedHttpResponse, name: &str) -> Option<&'a str> {
        let headers = denied.headers.iter().filter_map(|option| option.header.as_ref());
        headers.filter(|header| header.key == name).map(|header| header.value.as_str()).next()
    }

    fn denial() -> Refusal {
        Refusal::Denied {
            code: "policy_denied",
            detail: "No.".into(),
            policies: vec!["never".into()],
        }
    }

    fn needs_approval() -> Refusal {
        Refusal::NeedsApproval {
            approval: ApprovalNotice {
                id: "apr_1".into(),
                status_url: "http://localhost/approvals/apr_1".into(),
                expires_at: UnixMillis::new(1_800_000_000_000),
            },
            retry_after: Duration::from_secs(5),
        }
    }

    #[test]
    fn an_http_caller_gets_problem_details() {
        let denied = refused(Caller::Http, denial());
        assert_eq!(denied.status.as_ref().unwrap().code, 403);
        assert_eq!(header_of(&denied, "content-type"), Some("application/problem+json"));
        let id = format!("dec_{}", Uuid::nil().simple());
        assert_eq!(header_of(&denied, DECISION_HEADER), Some(id.as_str()));
        let problem: serde_json::Value = serde_json::from_str(&denied.body).unwrap();
        assert_eq!(
            problem,
            json!({
                "title": "Forbidden", "status": 403, "detail": "No.", "code": "policy_denied",
                "decision": id, "policies": ["never"],
            })
        );
    }

    #[test]
    fn an_mcp_caller_gets_a_json_rpc_error_with_its_id() {
        let denied = refused(Caller::Mcp { id: json!("call-7") }, needs_approval());
        assert_eq!(denied.status.as_ref().unwrap().code, 200);
        assert_eq!(header_of(&denied, "retry-after"), Some("5"));
        let error: serde_json::Value = serde_json::from_str(&denied.body).unwrap();
        assert_eq!(error["id"], "call-7");
        assert_eq!(error["error"]["code"], jsonrpc_code::NEEDS_APPROVAL);
        assert_eq!(error["error"]["data"]["approval"]["id"], "apr_1");
        assert_eq!(error["error"]["data"]["approval"]["expires_at"], "2027-01-15T08:00:00.000Z");
    }

    #[test]
    fn an_mcp_caller_is_asked_for_a_credential_over_http() {
        let refusal = Refusal::Unauthenticated {
            code: "token_expired",
            detail: "Expired.".into(),
            resource_metadata: Some("https://mcp.example/.well-known/x".into()),
        };
        let denied = refused(Caller::Mcp { id: json!(1) }, refusal);
        assert_eq!(denied.status.as_ref().unwrap().code, 401);
        assert_eq!(
            header_of(&denied, "www-authenticate"),
            Some(
                "Bearer error=\"invalid_token\", error_description=\"token_expired\", \
                 resource_metadata=\"https://mcp.example/.well-known/x\""
            )
        );
    }

    #[test]
    fn a_grpc_caller_gets_the_status_that_http_has_none_for() {
        let denied = refused(Caller::Grpc, needs_approval());
        assert_eq!(header_of(&denied, "grpc-status"), Some("9"));
        let details = header_of(&denied, "grpc-status-details-bin").unwrap();
        let bytes = STANDARD_NO_PAD.decode(details).unwrap();
        let status = tonic::Status::with_details(Code::FailedPrecondition, "", bytes.into());
        let info = status.get_details_error_info().unwrap();
        assert_eq!(info.reason, "APPROVAL_REQUIRED");
        assert_eq!(info.metadata["approval"], "apr_1");
    }

    #[test]
    fn a_request_without_a_credential_is_told_no_error() {
        assert_eq!(bearer_challenge("token_missing", None), "Bearer");
    }

    #[test]
    fn an_allowed_request_loses_its_credential_where_the_service_says_so() {
        for (remove_credentials, expected) in
            [(true, vec![FACTS_HEADER, "authorization", "x-api-key"]), (false, vec![FACTS_HEADER])]
        {
            let permit = Permit {
                mask: None,
                remove_credentials,
                credential_headers: vec!["x-api-key".to_owned()],
            };
            let response = allowed(&DecisionId::new(Uuid::nil()), permit);
            let Some(HttpResponse::OkResponse(ok)) = response.http_response else {
                panic!("not allowed");
            };
            assert_eq!(ok.headers_to_remove, expected);
        }
    }
}
