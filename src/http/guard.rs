//! Checks and headers of every request: the `Host` header, and the policies for browsers.

use axum::extract::{Request, State as Of};
use axum::http::header::{self, HeaderName};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::failure::Refused;
use super::router::State;
use super::site::Site;

/// The content security policy. The page is one document with its own script and style, and speaks to us alone.
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

/// Lets a request through that came by a name of ours.
pub(super) async fn guard<S: Site>(
    Of(state): Of<State<S>>,
    request: Request,
    next: Next,
) -> Response {
    let host = request.uri().authority().map(|authority| authority.as_str()).or_else(|| {
        let mut hosts = request.headers().get_all(header::HOST).iter();
        // Two of them are a trick (RFC 9112 §3.2).
        let host = hosts.next()?.to_str().ok()?;
        hosts.next().is_none().then_some(host)
    });
    let mut response = match host {
        Some(host) if state.access.is_host(host) => next.run(request).await,
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
