//! The gate protocol (`docs/protocol.md`): reads elements as attempts, writes decisions as elements. No I/O.

pub mod answer;
pub mod handshake;
pub mod request;
pub mod room;
pub mod server_inventory;

use crate::xmpp::element::ElementRef;

/// Namespace of the protocol, with its version.
pub const NS: &str = "urn:vestibule:gate:2";
/// Prefix that the namespaces of all versions share.
pub const NS_FAMILY: &str = "urn:vestibule:gate:";
/// Version of the protocol that the component speaks.
pub const VERSION: &str = "2";
/// Level of that version: it grows where a gate and a component of different releases must not work together.
pub const LEVEL: &str = "1";

/// Returns the children of that name in the namespace of the protocol.
fn children<'a>(
    element: ElementRef<'a>,
    name: &'static str,
) -> impl Iterator<Item = ElementRef<'a>> {
    element.children().filter(move |child| child.is(NS, name))
}
