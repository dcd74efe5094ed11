//! Which path is what.

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};
use tokio::sync::Semaphore;

use super::access::Access;
use super::metrics::HttpMetrics;
use super::minutes::Minutes;
use super::rooms::Changes;
use super::site::Site;
use super::stream::STREAMS;
use super::{api, guard, health, openapi, page, stream};

/// The state that every request handler shares.
#[derive(Debug)]
pub(super) struct State<S> {
    pub(super) site: Arc<S>,
    pub(super) access: Arc<Access>,
    pub(super) changes: Arc<Changes>,
    pub(super) minutes: Arc<Minutes>,
    pub(super) metrics: HttpMetrics,
    /// One for each stream.
    pub(super) streams: Arc<Semaphore>,
}

impl<S> Clone for State<S> {
    fn clone(&self) -> Self {
        Self {
            site: Arc::clone(&self.site),
            access: Arc::clone(&self.access),
            changes: Arc::clone(&self.changes),
            minutes: Arc::clone(&self.minutes),
            metrics: self.metrics.clone(),
            streams: Arc::clone(&self.streams),
        }
    }
}

/// The whole face. Called where tasks can be spawned: it counts minutes as long as it lives.
pub fn router<S: Site>(site: Arc<S>, access: Arc<Access>) -> Router {
    let streams = Arc::new(Semaphore::new(STREAMS));
    let minutes = Arc::<Minutes>::default();
    minutes.keep(&site);
    let metrics = HttpMetrics::default();
    let state = State { site, access, changes: Arc::default(), minutes, metrics, streams };
    let api = Router::new()
        .route("/commands", get(api::table::<S>))
        .route("/commands/{name}", post(api::command))
        .route("/rooms/{room}", get(api::room))
        .route("/metrics-summary", get(api::summary))
        .route("/stream", get(stream::stream))
        .route("/{view}", get(api::view));
    Router::new()
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .route("/openapi.json", get(openapi::serve::<S>))
        .route("/metrics", get(super::metrics::metrics))
        .nest("/api/v1", api)
        .fallback(page::serve)
        .layer(from_fn_with_state(state.clone(), guard::guard))
        .with_state(state)
}
