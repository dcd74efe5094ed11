//! Whatever is read can be written and read again, and stays what it was.

use vestibule::xmpp::{Element, Iq, ns};

/// # Panics
/// When an element changes by being written.
pub(crate) fn check(bytes: &[u8]) {
    let Ok(element) = Element::parse(bytes, ns::COMPONENT) else { return };
    let mut written = Vec::new();
    element.write_in(ns::COMPONENT, &mut written);
    assert_eq!(Element::parse(&written, ns::COMPONENT).as_ref(), Ok(&element));
    let illegal =
        |c: char| (c < ' ' && !matches!(c, '\t' | '\n')) || matches!(c, '\u{FFFE}'..='\u{FFFF}');
    let text = std::str::from_utf8(&written);
    assert!(text.is_ok_and(|text| !text.contains(illegal)));
    let _ = Iq::try_from(element);
}
