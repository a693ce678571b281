//! The HTTP port: health for probes, and an approval's state for the caller that
//! waits for it; the server as an issuer (`oauth`).

mod oauth;

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::json;

use crate::approval::{ApprovalId, Approvals};
use crate::health::Health;
use crate::time::Clock;

pub use self::oauth::router as oauth_router;

/// What the routes need.
#[derive(Clone)]
pub struct HttpState {
    /// How the rooms are.
    pub health: Arc<Health>,
    /// What waits for a human.
    pub approvals: Arc<Approvals>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// The routes of the HTTP port.
pub fn router(state: HttpState) -> Router {
    Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/approvals/{id}", get(approval_state))
        .with_state(state)
}

/// The process lives; the body tells how each room is.
async fn healthz(State(state): State<HttpState>) -> impl IntoResponse {
    Json(state.health.report(state.clock.now()).await)
}

/// 200 when requests can be decided, 503 when not.
async fn readyz(State(state): State<HttpState>) -> impl IntoResponse {
    let report = state.health.report(state.clock.now()).await;
    let status = if report.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(report))
}

/// The state of one approval. Its id is unguessable and was given to its caller;
/// what it is about is not told here.
async fn approval_state(
    State(state): State<HttpState>,
    Path(id): Path<String>,
) -> Result<impl IntoResponse, StatusCode> {
    let id: ApprovalId = id.parse().map_err(|_| StatusCode::NOT_FOUND)?;
    let found = state.approvals.get(id).await.map_err(|error| {
        tracing::error!(%error, "an approval could not be read");
        StatusCode::SERVICE_UNAVAILABLE
    })?;
    let approval = found.ok_or(StatusCode::NOT_FOUND)?;
    Ok(Json(json!({
        "id": approval.id,
        "state": approval.state_at(state.clock.now()),
        "expires_at": approval.expires_at,
    })))
}
