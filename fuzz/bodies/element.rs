//! Whatever is read has only what XML allows, and stays what it was where it is kept.

use vestibule::xmpp::{Document, ElementRef, Iq, ns};

/// # Panics
/// When an element has an illegal character, or what is kept of it differs.
pub(crate) fn check(bytes: &[u8]) {
    let Ok(document) = Document::parse(bytes, ns::COMPONENT) else { return };
    let element = document.root();
    legal(element);
    for child in element.children() {
        same(child, child.to_document().root());
    }
    let _ = Iq::try_from(element);
}

fn legal(element: ElementRef<'_>) {
    let text = element.text();
    let values = element.attrs().map(|(_, value)| value).chain([element.ns(), &text]);
    let illegal = |c: char| {
        (c < ' ' && !matches!(c, '\t' | '\n' | '\r')) || matches!(c, '\u{FFFE}'..='\u{FFFF}')
    };
    for value in values {
        assert!(!value.contains(illegal));
    }
    element.children().for_each(legal);
}

fn same(one: ElementRef<'_>, other: ElementRef<'_>) {
    assert!(other.is(one.ns(), one.name()) && one.text() == other.text());
    assert!(one.attrs().eq(other.attrs()));
    assert_eq!(one.children().count(), other.children().count());
    one.children().zip(other.children()).for_each(|(one, other)| same(one, other));
}
