//! Routes of the page and the API, and what all responses have in common.

use std::sync::Arc;

use axum::extract::{Request, State as Of};
use axum::http::header::{CONTENT_TYPE, HeaderName, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use prometheus_client::encoding::text::encode;
use schemars::JsonSchema;
use serde::Serialize;
use tokio::sync::Semaphore;

use super::access::{Access, SignedIn};
use super::api::ApiBackend;
use super::history::Minutes;
use super::sign_in::SignIns;
use super::stream::{Changes, STREAMS};
use super::{api, openapi, page, sign_in, stream};
use crate::control::{Failure, FailureKind, Reply};
use crate::metrics::{Counter, Gauge, Group as _, Registry, metrics};

/// The state that every request handler shares.
pub(super) type State<S> = Arc<Shared<S>>;

/// State of the page and the API.
#[derive(Debug)]
pub(super) struct Shared<S> {
    pub(super) site: Arc<S>,
    pub(super) access: Arc<Access>,
    pub(super) changes: Arc<Changes>,
    pub(super) minutes: Arc<Minutes>,
    pub(super) metrics: HttpMetrics,
    pub(super) sign_ins: SignIns,
    /// One permit for each stream.
    pub(super) streams: Arc<Semaphore>,
}

/// Returns the routes of the page and the API. Spawns a task that counts minutes for as long as the routes exist.
pub fn router<S: ApiBackend>(site: Arc<S>, access: Arc<Access>) -> Router {
    let streams = Arc::new(Semaphore::new(STREAMS));
    let minutes = Arc::<Minutes>::default();
    minutes.keep(&site);
    let metrics = HttpMetrics::default();
    let changes = Arc::default();
    let sign_ins = SignIns::default();
    let state = Arc::new(Shared { site, access, changes, minutes, metrics, sign_ins, streams });
    let api = Router::new()
        .route("/commands", get(api::table::<S>))
        .route("/commands/{name}", post(api::command))
        .route("/rooms/{room}", get(api::room))
        .route("/metrics-summary", get(api::summary))
        .route("/stream", get(stream::stream))
        .route("/{view}", get(api::view));
    Router::new()
        .route("/healthz", get(alive))
        .route("/readyz", get(ready))
        .route("/openapi.json", get(openapi::serve::<S>))
        .route("/metrics", get(open_metrics))
        .route("/sign-in", get(sign_in::ways))
        .route("/sign-in/oidc", get(sign_in::begin))
        .route("/sign-in/callback", get(sign_in::end))
        .route("/sign-in/out", post(sign_in::out))
        .nest("/api/v1", api)
        .fallback(page::serve)
        .layer(from_fn_with_state(state.clone(), guard))
        .with_state(state)
}

/// Returns the HTTP status for a kind of failure (RFC 9110 §15).
pub(super) const fn status(kind: FailureKind) -> StatusCode {
    match kind {
        FailureKind::Invalid => StatusCode::BAD_REQUEST,
        FailureKind::Forbidden => StatusCode::FORBIDDEN,
        FailureKind::NotFound => StatusCode::NOT_FOUND,
        FailureKind::Conflict => StatusCode::CONFLICT,
        FailureKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// A request that is refused before it becomes a command.
#[derive(Debug)]
pub(super) struct Refused(pub(super) StatusCode, pub(super) Failure);

impl Refused {
    pub(super) fn new(kind: FailureKind, reason: impl ToString) -> Self {
        Self(status(kind), Failure::new(kind, reason))
    }

    /// Refuses with this status, whatever the kind of failure.
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

/// Returns the response to a command's reply, with the status for it.
pub(super) fn respond(reply: Reply) -> Response {
    match reply {
        Reply::Done(_) => Json(reply).into_response(),
        Reply::Failed(failure) => Refused::from(failure).into_response(),
    }
}

/// Headers of every response. The content security policy lets the page load, and connect to, only its own server.
const HEADERS: [(HeaderName, &str); 8] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
         connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-embedder-policy"), "require-corp"),
    (HeaderName::from_static("permissions-policy"), "camera=(), microphone=(), geolocation=()"),
];

/// Lets a request through if its host name is accepted, and adds the headers to its response.
pub(super) async fn guard<S: ApiBackend>(
    Of(state): Of<State<S>>,
    request: Request,
    next: Next,
) -> Response {
    // The target of a request to a proxy has a host, too.
    let target = request.uri().authority().map(|authority| authority.as_str());
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let first = hosts.next().and_then(|host| host.to_str().ok());
    // Two `Host` headers are not allowed (RFC 9112 §3.2).
    let host = first.or(target).filter(|_| hosts.next().is_none());
    let is_known = [host, target].into_iter().flatten().all(|host| state.access.is_host(host));
    let mut response = match host {
        Some(_) if is_known => next.run(request).await,
        Some(_) => {
            let reason = "Unknown Host header; add this name to `admin.hosts`.";
            Refused::with(StatusCode::MISDIRECTED_REQUEST, reason).into_response()
        }
        None => Refused::with(StatusCode::BAD_REQUEST, "the request names no host").into_response(),
    };
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// Answers for as long as the process runs.
pub(super) async fn alive() -> &'static str {
    "ok\n"
}

/// Whether every service is under the policy.
#[derive(JsonSchema, Serialize)]
pub(super) struct Ready {
    ready: bool,
    /// Why services are not under the policy; empty if every one is.
    reasons: Vec<String>,
}

/// Returns whether every service is under the policy; if not, the status is 503.
pub(super) async fn ready<S: ApiBackend>(Of(state): Of<State<S>>) -> Response {
    let reasons = state.site.readiness();
    let status = if reasons.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(Ready { ready: reasons.is_empty(), reasons })).into_response()
}

metrics! {
    /// Metrics of the API.
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
async fn open_metrics<S: ApiBackend>(
    Of(state): Of<State<S>>,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    if !state.access.metrics_are_open() {
        SignedIn::checked(&state, &headers)?;
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
