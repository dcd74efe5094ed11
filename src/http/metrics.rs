//! `/metrics`: every registered metric as OpenMetrics text. No label carries a room, a person or an address.

use axum::extract::State as Of;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use prometheus_client::encoding::text::encode;

use super::bearer::Bearer;
use super::failure::Refused;
use super::router::State;
use super::site::Site;
use crate::metrics::{Counter, Gauge, Group as _, Registry, metrics};

metrics! {
    /// What the API counts.
    pub struct HttpMetrics {
        /// Requests to the API without a valid token
        logins_failed: Counter = "vestibule_http_logins_failed";
        /// Clients that read the event stream
        streams: Gauge = "vestibule_http_streams";
        /// Entries that were dropped because a client read the event stream too slowly
        entries_dropped: Counter = "vestibule_http_entries_dropped";
    }
}

/// Returns the metrics to a caller who may read them.
pub(super) async fn metrics<S: Site>(
    Of(state): Of<State<S>>,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    if !state.access.metrics_are_open() {
        Bearer::checked(&state, &headers)?;
    }
    let mut registry = Registry::default();
    state.site.register(&mut registry);
    state.metrics.register(&mut registry);
    let mut text = String::new();
    if encode(&mut text, &registry).is_err() {
        let reason = "the metrics could not be written";
        return Err(Refused::with(StatusCode::INTERNAL_SERVER_ERROR, reason));
    }
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(([(CONTENT_TYPE, kind)], text).into_response())
}
