//! `prepare`: the server prepares what people have written.

use super::NS;
use crate::jid::BareJid;
use crate::xmpp::element::Element;

/// Most addresses of one request.
pub const MOST: usize = 64;

/// Asks for these addresses as the server would stamp them.
pub fn prepare<'a>(texts: impl IntoIterator<Item = &'a str>) -> Element {
    let addresses = texts.into_iter().map(|text| Element::new(NS, "address").with_text(text));
    Element::new(NS, "prepare").with_children(addresses)
}

/// Reads the reply: each address in its order, `None` where the server has none for it.
pub fn prepared(reply: &Element) -> Vec<Option<BareJid>> {
    let addresses = reply.children().filter(|child| child.is(NS, "address"));
    addresses.map(|address| address.attr("jid").and_then(BareJid::stamped)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_address_is_answered_in_its_place() {
        let asked = prepare(["J\u{F6}rg@example.org", "ro\u{1D52}t@localhost"]);
        let texts: Vec<_> = asked.children().map(Element::text).collect();
        assert_eq!(texts, ["J\u{F6}rg@example.org", "ro\u{1D52}t@localhost"]);
        let reply = b"<prepared xmlns='urn:vestibule:gate:1'>\
            <address jid='j\xC3\xB6rg@example.org'/><address/></prepared>";
        let read = prepared(&Element::parse(reply, "").unwrap());
        assert_eq!(read, [BareJid::stamped("j\u{F6}rg@example.org"), None]);
    }
}
