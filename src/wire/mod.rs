//! The gate protocol (`docs/protocol.md`): elements to attempts, decisions to elements. Pure.

pub mod answer;
pub mod handshake;
pub mod request;
pub mod room;
pub mod server_inventory;

use crate::xmpp::element::Element;

/// The namespace, version included.
pub const NS: &str = "urn:vestibule:gate:2";
/// The namespaces of every version.
pub const NS_FAMILY: &str = "urn:vestibule:gate:";
/// The version spoken here.
pub const VERSION: &str = "2";
/// The level of that version: grows where one side would do without the other what neither may do.
pub const LEVEL: &str = "1";

/// The children of that name, in the namespace of the protocol.
fn children<'a>(element: &'a Element, name: &'static str) -> impl Iterator<Item = &'a Element> {
    element.children().filter(move |child| child.is(NS, name))
}
