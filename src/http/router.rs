//! Which path is what.

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};

use super::access::Access;
use super::site::Site;
use super::{api, guard, health, page};

/// What every request is answered from.
#[derive(Debug)]
pub(super) struct State<S> {
    pub(super) site: Arc<S>,
    pub(super) access: Arc<Access>,
}

impl<S> Clone for State<S> {
    fn clone(&self) -> Self {
        Self { site: Arc::clone(&self.site), access: Arc::clone(&self.access) }
    }
}

/// The whole face.
pub fn router<S: Site>(site: Arc<S>, access: Arc<Access>) -> Router {
    let state = State { site, access };
    let api = Router::new()
        .route("/commands", get(api::table))
        .route("/commands/{name}", post(api::command))
        .route("/rooms/{room}", get(api::room))
        .route("/{view}", get(api::view));
    Router::new()
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .nest("/api/v1", api)
        .fallback(page::serve)
        .layer(from_fn_with_state(state.clone(), guard::guard))
        .with_state(state)
}
