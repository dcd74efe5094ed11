//! `/sign-in`: how a browser gets into the page without a token.

use axum::Json;
use axum::extract::State as Of;
use axum::http::HeaderMap;
use schemars::JsonSchema;
use serde::Serialize;

use super::access::{SignedIn, Unproved};
use super::api::{ApiBackend, Known};
use super::router::State;

/// Who the browser is signed in as without a token, if anyone.
#[derive(JsonSchema, Serialize)]
pub(super) struct Ways {
    /// The caller; null if the page has to ask for a token.
    caller: Option<Known>,
    /// Why the caller whom the proxy names does not get in.
    reason: Option<String>,
}

/// Returns who the browser is signed in as without a token.
pub(super) async fn ways<S: ApiBackend>(Of(state): Of<State<S>>, headers: HeaderMap) -> Json<Ways> {
    Json(match SignedIn::found(&state.access, &headers) {
        Ok(SignedIn { caller, .. }) => Ways { caller: Some(caller.into()), reason: None },
        Err(Unproved::Nothing) => Ways { caller: None, reason: None },
        Err(why) => Ways { caller: None, reason: Some(why.reason()) },
    })
}
