//! The page and the JSON API: the interface for browsers and programs.
//!
//! It listens on this machine unless the file says otherwise; TLS is left to a proxy. That a person can connect proves
//! nothing: every request but those about health, signing in and the page's own files bears a token
//! (`Authorization: Bearer`, RFC 6750 §2.1), never in the address, or comes from the page itself, with the session of a
//! person who signed in at a provider, or by a proxy that names its sender. Each
//! [`Command`](crate::control::Command) is carried out by the same handler as on every interface.

mod access;
mod api;
mod history;
mod oidc;
mod openapi;
mod page;
mod router;
mod server;
mod sign_in;
mod stream;

pub use self::access::Access;
pub use self::api::ApiBackend;
pub use self::history::Totals;
pub use self::openapi::document;
pub use self::router::{HttpMetrics, router};
pub use self::server::{HttpError, Server};
