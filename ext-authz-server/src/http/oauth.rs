//! The token endpoint (RFC 8693), the keys and the metadata of the server as an
//! issuer: translation, no rules.

mod form;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::to_bytes;
use axum::extract::{ConnectInfo, Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::exchange::{
    Asked, ExchangeError, Exchanged, Exchanger, FormError, Issued, IssuedType, OAuthError,
    TOKEN_PATH,
};
use crate::identity::{Algorithm, Scheme};
use crate::issuing::SigningAlgorithm;
use crate::request::{GuardedRequest, RequestHeaders, TlsPeer};

/// The path of the published keys.
const JWKS_PATH: &str = "/oauth/jwks";

/// How long the body of a request may take.
const BODY_TIME: Duration = Duration::from_secs(10);

/// How soon a caller may ask again when nothing could be decided, in seconds.
const RETRY_AFTER: &str = "2";

/// The headers that a request is judged and recorded by.
const HEADERS: [&str; 3] = ["authorization", "dpop", "traceparent"];

/// The routes of the server as an issuer.
pub fn router(exchanger: Arc<Exchanger>) -> Router {
    Router::new()
        .route(TOKEN_PATH, post(token))
        .route(JWKS_PATH, get(jwks))
        .route("/.well-known/openid-configuration", get(metadata))
        .route("/.well-known/oauth-authorization-server", get(metadata))
        .route("/.well-known/oauth-authorization-server/{*path}", get(metadata_of))
        .with_state(exchanger)
}

async fn token(State(exchanger): State<Arc<Exchanger>>, request: Request) -> Response {
    let guarded = guarded(&request);
    let asked = asked(request).await;
    let Exchanged { decision, outcome } = exchanger.exchange(&guarded, asked).await;
    let mut response = match outcome {
        Ok(issued) => Json(&granted(&issued)).into_response(),
        Err(error) => refused(&error, guarded.headers.get("authorization")),
    };
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
    if let Ok(decision) = HeaderValue::from_str(decision.as_str()) {
        headers.insert("x-chaperone-decision", decision);
    }
    response
}

async fn asked(request: Request) -> Result<Asked, FormError> {
    if !is_form(request.headers()) {
        return Err(FormError::NotAForm);
    }
    let body = tokio::time::timeout(BODY_TIME, to_bytes(request.into_body(), form::MAX_BYTES));
    let Ok(Ok(body)) = body.await else { return Err(FormError::TooLarge) };
    form::read(&Zeroizing::new(Vec::from(body)))
}

fn is_form(headers: &HeaderMap) -> bool {
    let mut kinds = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(kind), None) = (kinds.next(), kinds.next()) else { return false };
    let kind = kind.to_str().ok().and_then(|kind| kind.split(';').next()).unwrap_or_default();
    kind.trim().eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

fn guarded(request: &Request) -> GuardedRequest {
    let text = |name: &str| {
        let values = request.headers().get_all(name).iter();
        let values: Vec<_> = values.filter_map(|value| value.to_str().ok()).collect();
        // Joined as Envoy joins them, so that two credentials are not read as one.
        (!values.is_empty()).then(|| values.join(","))
    };
    let headers = HEADERS.iter().filter_map(|name| Some(((*name).to_owned(), text(name)?)));
    let source = request.extensions().get::<ConnectInfo<SocketAddr>>();
    GuardedRequest {
        method: request.method().to_string(),
        authority: text("host").unwrap_or_default(),
        path: TOKEN_PATH.to_owned(),
        request_id: text("x-request-id").unwrap_or_default(),
        scheme: "http".to_owned(),
        headers: RequestHeaders::new(headers.collect()),
        peer: TlsPeer::default(),
        grpc: false,
        source_address: source.map(|ConnectInfo(address)| address.to_string()),
    }
}

/// RFC 8693 section 2.2.1.
fn granted(issued: &Issued) -> Value {
    let issued_token_type = match issued.token_type {
        IssuedType::AccessToken => form::ACCESS_TOKEN,
        IssuedType::Jwt => form::JWT,
    };
    let mut body = json!({
        "access_token": issued.token.as_str(),
        "issued_token_type": issued_token_type,
        "token_type": if issued.bound { "DPoP" } else { "Bearer" },
        "expires_in": issued.expires_in,
    });
    if let Some(scope) = &issued.scope {
        body["scope"] = json!(scope);
    }
    body
}

/// RFC 6749 section 5.2; the description begins with our code. `authorization` is what
/// the client sent.
fn refused(error: &ExchangeError, authorization: Option<&str>) -> Response {
    let oauth = error.oauth();
    let description = describable(&format!("{}: {error}", error.code()));
    let status = StatusCode::from_u16(oauth.status()).unwrap_or(StatusCode::BAD_REQUEST);
    let body = json!({ "error": oauth.name(), "error_description": description });
    let mut response = (status, Json(body)).into_response();
    let headers = response.headers_mut();
    match oauth {
        OAuthError::InvalidClient => {
            if let Ok(challenge) = HeaderValue::from_str(&challenge(authorization)) {
                headers.insert(header::WWW_AUTHENTICATE, challenge);
            }
        }
        OAuthError::UseDpopNonce => {
            let nonce = error.nonce().and_then(|nonce| HeaderValue::from_str(nonce).ok());
            if let Some(nonce) = nonce {
                headers.insert("dpop-nonce", nonce);
            }
        }
        OAuthError::TemporarilyUnavailable => {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER));
        }
        _ => {}
    }
    response
}

/// The challenge of the scheme that the client used (RFC 6749 section 5.2); where it
/// cannot be used here, one that can be stands beside it.
fn challenge(authorization: Option<&str>) -> String {
    let scheme = authorization.and_then(|value| value.split_whitespace().next());
    let used = |name: &str| scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case(name));
    let bearer = Scheme::Bearer.name();
    if used(Scheme::Dpop.name()) {
        // RFC 9449 section 7.1.
        format!(r#"{} algs="{}""#, Scheme::Dpop.name(), proof_algorithms().join(" "))
    } else if used("Basic") {
        format!(r#"Basic realm="chaperone", {bearer}"#)
    } else {
        bearer.to_owned()
    }
}

/// What proofs of possession may be signed with.
fn proof_algorithms() -> Vec<&'static str> {
    Algorithm::ALL.into_iter().map(Algorithm::name).collect()
}

/// The text with what a description cannot have replaced.
fn describable(text: &str) -> String {
    let allowed = |c: char| matches!(c, ' '..='~') && c != '"' && c != '\\';
    text.chars().map(|c| if allowed(c) { c } else { '?' }).collect()
}

/// The published keys, to be kept no longer than a new key waits before it signs.
async fn jwks(State(exchanger): State<Arc<Exchanger>>) -> impl IntoResponse {
    let keys = exchanger.keys();
    cached(keys.max_age(), keys.jwks(exchanger.now()))
}

/// RFC 8414 section 2, and OpenID Connect Discovery 1.0 section 3 for those who look
/// there.
async fn metadata(State(exchanger): State<Arc<Exchanger>>) -> impl IntoResponse {
    let issuer = exchanger.issuer();
    let document = json!({
        "issuer": issuer,
        "token_endpoint": format!("{issuer}{TOKEN_PATH}"),
        "jwks_uri": format!("{issuer}{JWKS_PATH}"),
        "grant_types_supported": [form::TOKEN_EXCHANGE],
        // Whoever asks is known by their token, not by a registration.
        "token_endpoint_auth_methods_supported": ["none"],
        "response_types_supported": [],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": SigningAlgorithm::ALL.map(SigningAlgorithm::name),
        // RFC 9449 section 5.1.
        "dpop_signing_alg_values_supported": proof_algorithms(),
    });
    cached(exchanger.keys().max_age(), document)
}

/// The metadata where an issuer with a path has it: the path comes last (RFC 8414
/// section 3.1).
async fn metadata_of(
    State(exchanger): State<Arc<Exchanger>>,
    Path(path): Path<String>,
) -> Response {
    let issuer = exchanger.issuer();
    let own = issuer.split_once("://").and_then(|(_, rest)| rest.split_once('/'));
    if own.is_some_and(|(_, own)| own == path) {
        metadata(State(exchanger)).await.into_response()
    } else {
        StatusCode::NOT_FOUND.into_response()
    }
}

fn cached(max_age: Duration, document: Value) -> impl IntoResponse {
    let control = format!("public, max-age={}", max_age.as_secs());
    ([(header::CACHE_CONTROL, control)], Json(document))
}

#[cfg(test)]
mod tests;
