//! What the load drivers share: just enough XMPP to write stanzas and to count what comes back.
//!
//! A driver must be faster than what it drives, so nothing here builds a tree. It reads only what
//! Prosody and the measured components write: `<` and `>` never stand in an attribute's value.

pub mod arguments;
pub mod stanza;
pub mod stream;

/// A measurement either is made or ends with words for a person.
pub type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// The service that asks, as in `component.toml`.
pub const SERVICE: &str = "conference.localhost";
/// The component's domain, as in `component.toml`.
pub const COMPONENT: &str = "vestibule.localhost";
/// The namespace of the gate protocol (`docs/protocol.md`).
pub const GATE: &str = "urn:vestibule:gate:2";
