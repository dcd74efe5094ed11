//! `posture`: what a gate's server is made of.

use super::NS;
use crate::xmpp::element::Element;

/// Asks a gate for it.
pub fn posture() -> Element {
    Element::new(NS, "posture")
}

/// The modules of the service, by name.
pub fn modules(posture: &Element) -> impl Iterator<Item = &str> {
    posture
        .children()
        .filter(|child| child.is(NS, "module"))
        .filter_map(|module| module.attr("name"))
}
