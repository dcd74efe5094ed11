//! Error responses.

use axum::Json;
use axum::http::header::WWW_AUTHENTICATE;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

use crate::control::{Failure, FailureKind, Reply};

/// The status for a kind of trouble (RFC 9110 §15).
pub(super) const fn status(kind: FailureKind) -> StatusCode {
    match kind {
        FailureKind::Invalid => StatusCode::BAD_REQUEST,
        FailureKind::Forbidden => StatusCode::FORBIDDEN,
        FailureKind::NotFound => StatusCode::NOT_FOUND,
        FailureKind::Conflict => StatusCode::CONFLICT,
        FailureKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// A request that is refused before it is a command.
#[derive(Debug)]
pub(super) struct Refused(pub(super) StatusCode, pub(super) Failure);

impl Refused {
    pub(super) fn new(kind: FailureKind, reason: impl ToString) -> Self {
        Self(status(kind), Failure::new(kind, reason))
    }

    /// With a status of its own.
    pub(super) fn with(status: StatusCode, reason: &str) -> Self {
        let kind = match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => FailureKind::Forbidden,
            StatusCode::NOT_FOUND => FailureKind::NotFound,
            _ if status.is_server_error() => FailureKind::Unavailable,
            _ => FailureKind::Invalid,
        };
        Self(status, Failure::new(kind, reason))
    }
}

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Self {
        Self(status(failure.kind), failure)
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let mut response = (self.0, Json(Reply::Failed(self.1))).into_response();
        if self.0 == StatusCode::UNAUTHORIZED {
            let scheme = HeaderValue::from_static("Bearer realm=\"vestibule\"");
            response.headers_mut().insert(WWW_AUTHENTICATE, scheme);
        }
        response
    }
}

/// A reply, with the status for it.
pub(super) fn respond(reply: Reply) -> Response {
    match reply {
        Reply::Done(_) => Json(reply).into_response(),
        Reply::Failed(failure) => Refused::from(failure).into_response(),
    }
}
