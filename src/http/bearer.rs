//! The caller, by the bearer token of the request.

use axum::extract::FromRequestParts;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};

use super::access::{Access, Digest};
use super::failure::Refused;
use super::router::State;
use super::site::Site;
use crate::control::Caller;

/// A caller with a valid token.
#[derive(Debug)]
pub(super) struct Bearer {
    pub(super) caller: Caller,
    pub(super) digest: Digest,
}

impl Bearer {
    /// Returns whose token stands in these headers; that there is none which is good is counted.
    pub(super) fn checked<S: Site>(state: &State<S>, headers: &HeaderMap) -> Result<Self, Refused> {
        let found = Self::of(&state.access, headers);
        if found.is_err() {
            state.metrics.logins_failed.inc();
        }
        found
    }

    fn of(access: &Access, headers: &HeaderMap) -> Result<Self, Refused> {
        let token = token(headers);
        let found = token
            .map(Digest::of)
            .and_then(|digest| access.caller(&digest).map(|caller| Self { caller, digest }));
        found.ok_or_else(|| refused(access, token.is_some()))
    }
}

impl<S: Site> FromRequestParts<State<S>> for Bearer {
    type Rejection = Refused;

    async fn from_request_parts(
        parts: &mut Parts,
        state: &State<S>,
    ) -> Result<Self, Self::Rejection> {
        Self::checked(state, &parts.headers)
    }
}

/// The scheme's name may be written in any case (RFC 9110 §11.1).
fn token(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn refused(access: &Access, had_token: bool) -> Refused {
    if !access.may_fail() {
        let reason = "too many requests without a valid token: try again later";
        return Refused::with(StatusCode::TOO_MANY_REQUESTS, reason);
    }
    let reason = if had_token {
        tracing::warn!("a request to the API came with a token that is not valid");
        "this token is not valid, or no longer"
    } else {
        "this needs a token, as `Authorization: Bearer TOKEN`"
    };
    Refused::with(StatusCode::UNAUTHORIZED, reason)
}
