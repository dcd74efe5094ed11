//! Stanzas with their types (RFC 6120 section 8), as a component exchanges them.
//!
//! Addresses are plain strings here: one that does not parse is something to decide about, and
//! never breaks the link. What a stanza carries stays an [`Element`], so what is not known is kept.

mod error;
mod iq;
mod message;

use super::element::Element;
use super::ns;

pub use self::error::{Condition, ErrorType, StanzaError};
pub use self::iq::{Iq, IqKind};
pub use self::message::{Message, MessageKind, Presence, PresenceKind};

/// Why an element is not the stanza it was taken for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a valid stanza: {reason}")]
pub struct InvalidStanza {
    /// The fault.
    pub reason: &'static str,
    /// The advice to the sender by RFC 6120 section 8.3, if any.
    pub reply: Option<Box<Iq>>,
}

impl InvalidStanza {
    const fn silent(reason: &'static str) -> Self {
        Self { reason, reply: None }
    }
}

/// An attribute that addresses or names, as the stanza's owner keeps it.
fn owned(element: &Element, name: &str) -> Option<String> {
    element.attr(name).map(str::to_owned)
}

/// A stanza without its payload.
fn envelope(
    name: &'static str,
    id: Option<&str>,
    from: Option<&str>,
    to: Option<&str>,
    kind: Option<&'static str>,
) -> Element {
    Element::new(ns::COMPONENT, name)
        .with_attr_opt("id", id)
        .with_attr_opt("type", kind)
        .with_attr_opt("from", from)
        .with_attr_opt("to", to)
}
