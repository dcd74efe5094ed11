//! `/healthz` and `/readyz`: for programs that restart the component, and for monitoring.

use axum::Json;
use axum::extract::State as Of;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::Serialize;

use super::router::State;
use super::site::Site;

/// The process answers.
pub(super) async fn alive() -> &'static str {
    "ok\n"
}

/// Whether every service is under the policy.
#[derive(JsonSchema, Serialize)]
pub(super) struct Ready {
    ready: bool,
    /// What keeps it from being so.
    reasons: Vec<String>,
}

/// Every service is under the policy, or what keeps it from being so.
pub(super) async fn ready<S: Site>(Of(state): Of<State<S>>) -> Response {
    let reasons = state.site.readiness().reasons;
    let status = if reasons.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(Ready { ready: reasons.is_empty(), reasons })).into_response()
}
