//! The service that is guarded: made-up customers over HTTP and JSON, SQL and MCP, and
//! their orders over gRPC.
//!
//! It is real where it matters: an SQLite database behind `/sql`, an MCP server at
//! `/mcp`, answers that stream. It records every request that reached it.

mod customers;
mod mcp;
mod orders;
mod sql;
mod streams;

use std::sync::{Arc, Mutex};

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};

use self::sql::Database;
use crate::failure::Result;
use crate::postgres::Postgres;
use crate::runtime::{self, Serving};

/// More than any request of a story.
const MAX_BODY: usize = 64 * 1024 * 1024;

/// The upstream, as long as this is not dropped.
#[derive(Debug)]
pub struct Upstream {
    seen: Seen,
    serving: Serving,
}

/// A request that reached the upstream.
#[derive(Clone, Debug)]
pub struct SeenRequest {
    /// Its method.
    pub method: String,
    /// Its path and query.
    pub path: String,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

impl SeenRequest {
    /// A header's value, if it is there and readable.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

type Seen = Arc<Mutex<Vec<SeenRequest>>>;

impl Upstream {
    /// Fills a new database and starts to serve it; port 0 takes any that is free.
    pub async fn start(port: u16) -> Result<Self> {
        Self::serve(Database::create().map(router)?, port).await
    }

    /// The same with `postgres` behind `/postgres`.
    pub async fn with_postgres(postgres: Postgres) -> Result<Self> {
        let behind = Router::new().route("/postgres", post(run_postgres));
        let router = Database::create().map(router)?;
        Self::serve(router.merge(behind.with_state(Arc::new(postgres))), 0).await
    }

    async fn serve(router: Router, port: u16) -> Result<Self> {
        let seen = Seen::default();
        let router = router
            .merge(orders::router())
            .fallback(echo)
            .layer(middleware::from_fn_with_state(Arc::clone(&seen), record));
        let serving = runtime::serve(router, port).await?;
        Ok(Self { seen, serving })
    }

    /// The port it listens on.
    pub fn port(&self) -> u16 {
        self.serving.address.port()
    }

    /// Its address, for requests that go around Envoy.
    pub fn address(&self) -> std::net::SocketAddr {
        self.serving.address
    }

    /// Every request that reached it so far.
    pub fn seen(&self) -> Vec<SeenRequest> {
        self.seen.lock().expect("no holder panics").clone()
    }

    /// The requests that carry `mark` in their path or body: tests that share an
    /// upstream tell theirs apart by something that only they send.
    pub fn seen_with(&self, mark: &str) -> Vec<SeenRequest> {
        let marked = |request: &SeenRequest| {
            request.path.contains(mark) || String::from_utf8_lossy(&request.body).contains(mark)
        };
        self.seen().into_iter().filter(marked).collect()
    }
}

fn router(database: Database) -> Router {
    Router::new()
        .route("/api/customers", get(list))
        .route("/api/customers/search", post(search))
        .route("/api/customers/{id}", get(one))
        .route("/api/export", get(streams::export))
        .route("/api/feed", get(streams::feed))
        .route("/api/photo", get(photo))
        .route("/notes", get(notes))
        .route("/sql", post(run_sql))
        .route("/mcp", post(mcp::message).get(mcp::listen))
        .with_state(Arc::new(database))
}

/// Keeps a copy of the request and passes it on.
async fn record(State(seen): State<Seen>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let body = match to_bytes(body, MAX_BODY).await {
        Ok(body) => body,
        // The sender gave up half-way: the upstream has seen it all the same.
        Err(_) => Bytes::new(),
    };
    seen.lock().expect("no holder panics").push(SeenRequest {
        method: parts.method.to_string(),
        path: parts.uri.path_and_query().map(ToString::to_string).unwrap_or_default(),
        headers: parts.headers.clone(),
        body: body.clone(),
    });
    next.run(Request::from_parts(parts, Body::from(body))).await
}

/// What went wrong, as an answer.
struct Trouble(StatusCode, String);

impl IntoResponse for Trouble {
    fn into_response(self) -> Response {
        (self.0, Json(json!({ "error": self.1 }))).into_response()
    }
}

fn trouble(error: &rusqlite::Error) -> Trouble {
    Trouble(StatusCode::BAD_REQUEST, error.to_string())
}

type Answered<T> = std::result::Result<T, Trouble>;

async fn list(State(database): State<Arc<Database>>) -> Answered<Json<Value>> {
    let customers = database.customers().map_err(|error| trouble(&error))?;
    Ok(Json(json!({ "customers": customers })))
}

async fn one(State(database): State<Arc<Database>>, Path(id): Path<i64>) -> Answered<Json<Value>> {
    let found = database.customer(id).map_err(|error| trouble(&error))?;
    let missing = || Trouble(StatusCode::NOT_FOUND, "no such customer".to_owned());
    found.map(Json).ok_or_else(missing)
}

/// Those whose e-mail address is the one asked for.
async fn search(
    State(database): State<Arc<Database>>,
    Json(wanted): Json<Value>,
) -> Answered<Json<Value>> {
    let mut customers = database.customers().map_err(|error| trouble(&error))?;
    customers.retain(|customer| customer["email"] == wanted["email"]);
    Ok(Json(json!({ "customers": customers })))
}

async fn run_sql(
    State(database): State<Arc<Database>>,
    Json(request): Json<Value>,
) -> Answered<Json<Value>> {
    let query = request["query"].as_str();
    let query = query.ok_or_else(|| {
        Trouble(StatusCode::BAD_REQUEST, "the body is {\"query\": \"...\"}".to_owned())
    })?;
    database.run(query).map(Json).map_err(|error| trouble(&error))
}

/// Plain text with everything in it that a detector looks for.
/// Runs the text of `query` on PostgreSQL, all of its statements.
async fn run_postgres(
    State(postgres): State<Arc<Postgres>>,
    Json(request): Json<Value>,
) -> Answered<Json<Value>> {
    let query = request["query"].as_str().unwrap_or_default();
    postgres.run(query).await.map(Json).map_err(|told| Trouble(StatusCode::BAD_REQUEST, told))
}

/// Any other path: what arrived.
async fn echo(request: Request) -> Json<Value> {
    let (method, path) = (request.method().to_string(), request.uri().path().to_owned());
    let body = to_bytes(request.into_body(), MAX_BODY).await.unwrap_or_default();
    Json(json!({ "method": method, "path": path, "bytes": body.len() }))
}

async fn notes(State(database): State<Arc<Database>>) -> Answered<String> {
    let customers = database.customers().map_err(|error| trouble(&error))?;
    let text = |customer: &Value, name: &str| customer[name].as_str().unwrap_or("").to_owned();
    let lines = customers.iter().map(|customer| {
        format!(
            "{} <{}> paid with {} from {}.\n{}\n",
            text(customer, "name"),
            text(customer, "email"),
            text(customer, "card"),
            text(customer, "iban"),
            text(customer, "notes"),
        )
    });
    Ok(lines.collect())
}

/// Something that no masker understands.
async fn photo() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "image/png")], b"\x89PNG\r\n\x1a\n".as_slice())
}

#[cfg(test)]
mod tests {
    use reqwest::Method;

    use super::*;
    use crate::answer::Answer;
    use crate::request;

    async fn get(upstream: &Upstream, path: &str) -> Answer {
        let request = request::Request::new(upstream.address(), Method::GET, path);
        request.send().await.unwrap()
    }

    async fn post(upstream: &Upstream, path: &str, body: &Value) -> Answer {
        let request = request::Request::new(upstream.address(), Method::POST, path);
        request.json(body).send().await.unwrap()
    }

    #[tokio::test]
    async fn sql_runs_on_a_real_database() {
        let upstream = Upstream::start(0).await.unwrap();
        let ask = async |query: &str| post(&upstream, "/sql", &json!({ "query": query })).await;
        let rows = ask("SELECT name, email FROM customers WHERE id = 1").await.json();
        assert_eq!(rows["rows"][0]["email"], "ada.lovelace@example.com");
        let changed = ask("UPDATE customers SET name = 'x' WHERE id = 1").await.json();
        assert_eq!(changed["changes"], 1);
        assert_eq!(get(&upstream, "/api/customers/1").await.json()["name"], "x");
        assert_eq!(ask("SELEC").await.status, 400);
        assert_eq!(ask("SELECT 1; SELECT 2").await.status, 400);
    }

    #[tokio::test]
    async fn every_request_is_seen_with_its_headers_and_body() {
        let upstream = Upstream::start(0).await.unwrap();
        let body = json!({ "email": "ada.lovelace@example.com" });
        let found = post(&upstream, "/api/customers/search", &body).await.json();
        assert_eq!(found["customers"][0]["id"], 1);
        let seen = upstream.seen_with("ada.lovelace");
        assert_eq!(seen.len(), 1);
        assert_eq!(seen[0].method, "POST");
        assert_eq!(seen[0].header("content-type"), Some("application/json"));
        assert_eq!(seen[0].body, body.to_string());
    }

    #[tokio::test]
    async fn mcp_lists_and_calls_its_tools() {
        let upstream = Upstream::start(0).await.unwrap();
        let call = |method: &str, params: Value| json!({ "jsonrpc": "2.0", "id": "a", "method": method, "params": params });
        let hello = json!({ "protocolVersion": "2025-06-18", "capabilities": {} });
        let hello = post(&upstream, "/mcp", &call("initialize", hello)).await.json();
        assert_eq!(hello["result"]["protocolVersion"], "2025-06-18");
        assert_eq!(hello["id"], "a");
        let tools = post(&upstream, "/mcp", &call("tools/list", json!({}))).await.json();
        assert_eq!(tools["result"]["tools"][0]["name"], "lookup_customer");
        let lookup = json!({ "name": "lookup_customer", "arguments": { "id": 2 } });
        let found = post(&upstream, "/mcp", &call("tools/call", lookup)).await.json();
        assert_eq!(found["result"]["structuredContent"]["id"], 2);
        let unknown = post(&upstream, "/mcp", &call("tools/fly", json!({}))).await.json();
        assert_eq!(unknown["error"]["code"], -32601);
        let told = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
        assert_eq!(post(&upstream, "/mcp", &told).await.status, 202);
    }

    #[tokio::test]
    async fn mcp_answers_as_events_when_asked() {
        let upstream = Upstream::start(0).await.unwrap();
        let ping = json!({ "jsonrpc": "2.0", "id": 1, "method": "ping" });
        let request = request::Request::new(upstream.address(), Method::POST, "/mcp");
        let answer =
            request.header("accept", "text/event-stream").json(&ping).send().await.unwrap();
        assert_eq!(answer.header("content-type"), Some("text/event-stream"));
        let text = answer.text();
        let data = text.strip_prefix("event: message\ndata: ").unwrap();
        let message: Value = serde_json::from_str(data.strip_suffix("\n\n").unwrap()).unwrap();
        assert_eq!(message, json!({ "jsonrpc": "2.0", "id": 1, "result": {} }));
    }

    #[tokio::test]
    async fn an_export_is_one_json_document_of_as_many_rows_as_asked() {
        let upstream = Upstream::start(0).await.unwrap();
        let export = get(&upstream, "/api/export?rows=1000").await.json();
        assert_eq!(export["rows"].as_array().unwrap().len(), 1000);
    }

    #[tokio::test]
    async fn a_feed_comes_event_by_event() {
        let upstream = Upstream::start(0).await.unwrap();
        let request = request::Request::new(
            upstream.address(),
            Method::GET,
            "/api/feed?events=2&every_ms=50",
        );
        let mut response = request.open().await.unwrap();
        let mut events = 0;
        while let Some(chunk) = response.chunk().await.unwrap() {
            assert!(chunk.starts_with(b"event: customer\ndata: {"));
            events += 1;
        }
        assert_eq!(events, 2);
    }
}
