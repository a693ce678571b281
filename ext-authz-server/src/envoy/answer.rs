//! A verdict in the caller's own protocol (DESIGN: what the caller sees).
//!
//! HTTP callers get RFC 9457 problem details, MCP and A2A callers a JSON-RPC error with
//! their request's id (a batch gets one for each of its requests), gRPC callers a status with `google.rpc.ErrorInfo`.

use std::collections::{BTreeSet, HashMap};

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

use crate::identity::{Algorithm, Scheme};
use crate::policy::Remedy;
use crate::upstream::HeaderChanges;
use crate::verdict::{
    Caller, Challenge, ChallengeError, DecisionId, Granted, JsonRpcCaller, Permit, Refusal, Verdict,
};

/// The header that every answer carries.
pub(super) const DECISION_HEADER: &str = "x-chaperone-decision";

/// The header with the nonce that a proof must have (RFC 9449 section 8).
const NONCE_HEADER: &str = "dpop-nonce";

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
        Ok(Granted::Forward(permit)) => allowed(&decision, permit),
        Ok(Granted::Metadata(document)) => metadata(&decision, &document),
        Err(refusal) => denied(&decision, &caller, &refusal),
    }
}

fn allowed(decision: &DecisionId, permit: Permit) -> CheckResponse {
    let HeaderChanges { mut remove, set } = permit.headers;
    remove.insert(FACTS_HEADER.to_owned());
    if permit.mask.is_some() || permit.mcp.is_some() {
        // A part of a document cannot be read, nor (yet) a compressed one:
        // the upstream is not offered to send either.
        remove.extend(["accept-encoding", "range", "if-range"].map(String::from));
    }
    let nonce = permit.dpop_nonce.iter().map(|nonce| header(NONCE_HEADER, nonce));
    CheckResponse {
        status: Some(rpc::Status { code: Code::Ok as i32, ..Default::default() }),
        http_response: Some(HttpResponse::OkResponse(OkHttpResponse {
            headers: set.iter().map(|set| header(set.name.as_str(), &set.value)).collect(),
            headers_to_remove: remove.into_iter().collect(),
            response_headers_to_add: [header(DECISION_HEADER, decision.as_str())]
                .into_iter()
                .chain(nonce)
                .collect(),
            ..Default::default()
        })),
        dynamic_metadata: Some(obligations(&Obligations {
            decision: decision.to_string(),
            mask: permit.mask,
            mcp: permit.mcp,
        })),
    }
}

/// To Envoy every answer of ours is a denied response, this one too.
fn metadata(decision: &DecisionId, document: &str) -> CheckResponse {
    let headers = vec![
        header(DECISION_HEADER, decision.as_str()),
        header("content-type", "application/json"),
        header("cache-control", "public, max-age=300"),
        // It is public, and clients in browsers read it too.
        header("access-control-allow-origin", "*"),
    ];
    answered(decision, Code::PermissionDenied, 200, headers, document.to_owned())
}

fn answered(
    decision: &DecisionId,
    code: Code,
    status: u16,
    headers: Vec<HeaderValueOption>,
    body: String,
) -> CheckResponse {
    CheckResponse {
        status: Some(rpc::Status { code: code as i32, ..Default::default() }),
        http_response: Some(HttpResponse::DeniedResponse(DeniedHttpResponse {
            status: Some(HttpStatus { code: i32::from(status) }),
            headers,
            body,
        })),
        dynamic_metadata: Some(obligations(&Obligations {
            decision: decision.to_string(),
            mask: None,
            mcp: None,
        })),
    }
}

fn denied(decision: &DecisionId, caller: &Caller, refusal: &Refusal) -> CheckResponse {
    let mut headers = vec![header(DECISION_HEADER, decision.as_str())];
    match refusal {
        Refusal::Unauthenticated { code, challenge, .. } => {
            headers.push(header("www-authenticate", &www_authenticate(code, challenge)));
            if let Some(ChallengeError::UseNonce(nonce)) = &challenge.error {
                headers.push(header(NONCE_HEADER, nonce));
                // RFC 9449 section 8.2: the nonce is for this caller.
                headers.push(header("cache-control", "no-store"));
            }
        }
        Refusal::Insufficient { remedy, scheme, resource_metadata, .. } => {
            let metadata = resource_metadata.as_deref();
            let challenge = insufficient_challenge(refusal.code(), remedy, *scheme, metadata);
            headers.push(header("www-authenticate", &challenge));
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
        Caller::JsonRpc(waiting) if speaks_jsonrpc(refusal) => {
            status = 200;
            headers.push(header("content-type", "application/json"));
            let error = |id: &serde_json::Value| jsonrpc_error(id, decision, refusal);
            match waiting {
                JsonRpcCaller::Single(id) => error(id),
                JsonRpcCaller::Batch(ids) => ids.iter().map(error).collect(),
            }
            .to_string()
        }
        Caller::Grpc => {
            // Envoy turns the HTTP status into a gRPC one and the body into its
            // message; what HTTP has no status for is set by name.
            headers.push(header("grpc-status", &(grpc_code(refusal) as i32).to_string()));
            headers.push(header("grpc-status-details-bin", &grpc_details(decision, refusal)));
            refusal.detail().to_owned()
        }
        Caller::Http | Caller::JsonRpc(_) => {
            headers.push(header("content-type", "application/problem+json"));
            problem(decision, refusal).to_string()
        }
    };
    answered(decision, grpc_code(refusal), status, headers, body)
}

/// MCP's transport answers a missing credential and an outage over HTTP (401 and
/// 503); what was understood and refused is an error of the request.
const fn speaks_jsonrpc(refusal: &Refusal) -> bool {
    matches!(refusal, Refusal::Denied { .. } | Refusal::NeedsApproval { .. })
}

/// RFC 6750 section 3, RFC 9449 section 7.1; `resource_metadata` is RFC 9728 section
/// 5.1.
fn www_authenticate(code: &str, challenge: &Challenge) -> String {
    let Challenge { scheme, error, resource_metadata } = challenge;
    let mut parameters = Vec::new();
    if let Some(error) = error {
        parameters.push(format!(r#"error="{}""#, error.name()));
        parameters.push(format!(r#"error_description="{code}""#));
    }
    if *scheme == Scheme::Dpop {
        let algorithms = Algorithm::ALL.map(Algorithm::name).join(" ");
        parameters.push(format!(r#"algs="{algorithms}""#));
    }
    if let Some(url) = resource_metadata {
        parameters.push(format!(r#"resource_metadata="{url}""#));
    }
    let challenge = format!("{} {}", scheme.name(), parameters.join(", "));
    challenge.trim_end().to_owned()
}

/// RFC 6750 section 3.1 for scopes, RFC 9470 section 3 for authentication. The values
/// were checked when the policies were loaded.
fn insufficient_challenge(
    code: &str,
    remedy: &Remedy,
    scheme: Scheme,
    resource_metadata: Option<&str>,
) -> String {
    let mut parameters = vec![format!(r#"error="{code}""#)];
    let mut list = |name: &str, values: &BTreeSet<String>| {
        if !values.is_empty() {
            let values: Vec<_> = values.iter().map(String::as_str).collect();
            parameters.push(format!(r#"{name}="{}""#, values.join(" ")));
        }
    };
    list("scope", &remedy.scopes);
    list("acr_values", &remedy.acr_values);
    if let Some(max_age) = remedy.max_age {
        parameters.push(format!(r#"max_age="{}""#, max_age.as_secs()));
    }
    if let Some(url) = resource_metadata {
        parameters.push(format!(r#"resource_metadata="{url}""#));
    }
    format!("{} {}", scheme.name(), parameters.join(", "))
}

/// RFC 9457 problem details. `type` is left out, which means `about:blank`; `code`
/// is what a program looks at.
fn problem(decision: &DecisionId, refusal: &Refusal) -> serde_json::Value {
    let title = match refusal.http_status() {
        401 => "Unauthorized",
        403 => "Forbidden",
        _ => "Service Unavailable",
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
        Refusal::Denied { policies, .. } | Refusal::Insufficient { policies, .. }
            if !policies.is_empty() =>
        {
            members.insert("policies".to_owned(), policies.as_slice().into());
        }
        Refusal::NeedsApproval { approval, .. } => {
            members.insert("approval".to_owned(), json!(approval));
        }
        _ => {}
    }
    members
}

fn grpc_code(refusal: &Refusal) -> Code {
    match refusal {
        Refusal::Unauthenticated { .. } => Code::Unauthenticated,
        Refusal::Insufficient { remedy, .. } if remedy.is_step_up() => Code::Unauthenticated,
        Refusal::Denied { .. } | Refusal::Insufficient { .. } => Code::PermissionDenied,
        Refusal::NeedsApproval { .. } => Code::FailedPrecondition,
        Refusal::Unavailable { .. } => Code::Unavailable,
    }
}

/// A `google.rpc.Status` with an `ErrorInfo`, in base64 as binary metadata is.
fn grpc_details(decision: &DecisionId, refusal: &Refusal) -> String {
    let mut metadata = HashMap::from([("decision".to_owned(), decision.to_string())]);
    match refusal {
        Refusal::Denied { policies, .. } | Refusal::Insufficient { policies, .. }
            if !policies.is_empty() =>
        {
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
    use crate::identity::HeaderName;
    use crate::time::UnixMillis;
    use crate::upstream::SetHeader;
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

    const fn challenge(scheme: Scheme, error: Option<ChallengeError>) -> Challenge {
        Challenge { scheme, error, resource_metadata: None }
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

    fn json_rpc(id: serde_json::Value) -> Caller {
        Caller::JsonRpc(JsonRpcCaller::Single(id))
    }

    #[test]
    fn every_request_of_a_batch_gets_an_error() {
        let batch = JsonRpcCaller::Batch(vec![json!(1), json!("1")]);
        let denied = refused(Caller::JsonRpc(batch), denial());
        let errors: serde_json::Value = serde_json::from_str(&denied.body).unwrap();
        let ids: Vec<_> = errors.as_array().unwrap().iter().map(|error| &error["id"]).collect();
        assert_eq!(ids, [&json!(1), &json!("1")]);
        assert_eq!(errors[1]["error"]["data"]["policies"], json!(["never"]));
    }

    #[test]
    fn a_json_rpc_caller_gets_an_error_with_its_id() {
        let denied = refused(json_rpc(json!("call-7")), needs_approval());
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
            challenge: Challenge {
                resource_metadata: Some("https://mcp.example/.well-known/x".into()),
                ..challenge(Scheme::Bearer, Some(ChallengeError::InvalidToken))
            },
        };
        let denied = refused(json_rpc(json!(1)), refusal);
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
    fn a_token_that_is_not_enough_is_told_what_would_be() {
        let insufficient = |remedy| Refusal::Insufficient {
            remedy: Box::new(remedy),
            detail: "No.".into(),
            policies: Vec::new(),
            scheme: Scheme::Bearer,
            resource_metadata: Some("https://a.example/m".into()),
        };
        let scopes = ["orders:write".to_owned(), "orders:read".to_owned()].into();
        let refusal = insufficient(Remedy { scopes, ..Remedy::default() });
        let denied = refused(json_rpc(json!(1)), refusal);
        assert_eq!(denied.status.as_ref().unwrap().code, 403);
        assert_eq!(
            header_of(&denied, "www-authenticate"),
            Some(
                "Bearer error=\"insufficient_scope\", scope=\"orders:read orders:write\", \
                 resource_metadata=\"https://a.example/m\""
            )
        );
        let (acr_values, max_age) = (["phr".to_owned()].into(), Some(Duration::from_mins(5)));
        let refusal = insufficient(Remedy { acr_values, max_age, ..Remedy::default() });
        let denied = refused(Caller::Http, refusal);
        assert_eq!(denied.status.as_ref().unwrap().code, 401);
        assert_eq!(
            header_of(&denied, "www-authenticate"),
            Some(
                "Bearer error=\"insufficient_user_authentication\", acr_values=\"phr\", \
                 max_age=\"300\", resource_metadata=\"https://a.example/m\""
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
        let none = challenge(Scheme::Bearer, None);
        assert_eq!(www_authenticate("token_missing", &none), "Bearer");
    }

    #[test]
    fn a_caller_whose_proof_is_refused_is_told_how_to_make_one() {
        let algorithms = "RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512 EdDSA";
        let asked = challenge(Scheme::Dpop, Some(ChallengeError::InvalidProof));
        assert_eq!(
            www_authenticate("proof_replayed", &asked),
            format!(
                "DPoP error=\"invalid_dpop_proof\", error_description=\"proof_replayed\", \
                 algs=\"{algorithms}\""
            )
        );
        let refusal = Refusal::Unauthenticated {
            code: "proof_nonce_required",
            detail: "Use the nonce.".into(),
            challenge: challenge(Scheme::Dpop, Some(ChallengeError::UseNonce("n-1".into()))),
        };
        let denied = refused(Caller::Http, refusal);
        assert_eq!(header_of(&denied, "dpop-nonce"), Some("n-1"));
        let told = header_of(&denied, "www-authenticate").unwrap();
        assert!(told.starts_with("DPoP error=\"use_dpop_nonce\""), "{told}");
    }

    #[test]
    fn an_allowed_request_is_changed_as_the_permit_says() {
        let value = std::sync::Arc::new(zeroize::Zeroizing::new("Bearer own".to_owned()));
        let headers = HeaderChanges {
            remove: ["dpop".to_owned()].into(),
            set: vec![SetHeader { name: HeaderName::authorization(), value }],
        };
        let permit = Permit { mask: None, mcp: None, headers, dpop_nonce: None };
        let response = allowed(&DecisionId::new(Uuid::nil()), permit);
        let Some(HttpResponse::OkResponse(ok)) = response.http_response else {
            panic!("not allowed");
        };
        assert_eq!(ok.headers_to_remove, ["dpop", FACTS_HEADER]);
        let set = ok.headers[0].header.as_ref().unwrap();
        assert_eq!((set.key.as_str(), set.value.as_str()), ("authorization", "Bearer own"));
    }
}
