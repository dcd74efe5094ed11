//! Which path is what.

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};
use tokio::sync::Semaphore;

use super::access::Access;
use super::rooms::Changes;
use super::site::Site;
use super::stream::STREAMS;
use super::{api, guard, health, page, stream};

/// What every request is answered from.
#[derive(Debug)]
pub(super) struct State<S> {
    pub(super) site: Arc<S>,
    pub(super) access: Arc<Access>,
    pub(super) changes: Arc<Changes>,
    /// One for each stream.
    pub(super) streams: Arc<Semaphore>,
}

impl<S> Clone for State<S> {
    fn clone(&self) -> Self {
        Self {
            site: Arc::clone(&self.site),
            access: Arc::clone(&self.access),
            changes: Arc::clone(&self.changes),
            streams: Arc::clone(&self.streams),
        }
    }
}

/// The whole face.
pub fn router<S: Site>(site: Arc<S>, access: Arc<Access>) -> Router {
    let streams = Arc::new(Semaphore::new(STREAMS));
    let state = State { site, access, changes: Arc::default(), streams };
    let api = Router::new()
        .route("/commands", get(api::table))
        .route("/commands/{name}", post(api::command))
        .route("/rooms/{room}", get(api::room))
        .route("/stream", get(stream::stream))
        .route("/{view}", get(api::view));
    Router::new()
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .nest("/api/v1", api)
        .fallback(page::serve)
        .layer(from_fn_with_state(state.clone(), guard::guard))
        .with_state(state)
}
