//! XMPP: bytes, elements, stanzas, and the one link to the server.
//!
//! - [`framer`] splits the byte stream into whole stanzas, with limits on size and depth;
//! - [`element`] reads and writes one element;
//! - [`stanza`] adds types: [`Iq`], [`StanzaError`];
//! - [`handshake`] opens the stream (XEP-0114) as a state machine without I/O;
//! - [`link`] is the only place that uses a socket, and decides when to reconnect;
//! - [`replies`] answers requests that every XMPP entity gets.

pub mod element;
pub mod framer;
pub mod handshake;
pub mod link;
pub mod replies;
pub mod stanza;

pub use element::{Document, Element, ElementError, ElementRef};
pub use link::{
    Link, LinkError, LinkEvent, LinkHandle, LinkSettings, Outbox, Remedy, RequestError, SendError,
};
pub use stanza::{Condition, ErrorType, Iq, IqKind, StanzaError};

/// The namespaces in use, each with the document that defines it.
pub mod ns {
    /// XEP-0114: every stanza between a component and its server.
    pub const COMPONENT: &str = "jabber:component:accept";
    /// RFC 6120: the stream's own elements.
    pub const STREAM: &str = "http://etherx.jabber.org/streams";
    /// RFC 6120 section 4.9.3: conditions of a stream error.
    pub const STREAM_ERRORS: &str = "urn:ietf:params:xml:ns:xmpp-streams";
    /// RFC 6120 section 8.3.3: conditions of a stanza error.
    pub const STANZA_ERRORS: &str = "urn:ietf:params:xml:ns:xmpp-stanzas";
    /// XEP-0004: data forms.
    pub const DATA_FORMS: &str = "jabber:x:data";
    /// XEP-0030: what an entity is and can do.
    pub const DISCO_INFO: &str = "http://jabber.org/protocol/disco#info";
    /// XEP-0030: what an entity hosts.
    pub const DISCO_ITEMS: &str = "http://jabber.org/protocol/disco#items";
    /// XEP-0050: ad-hoc commands.
    pub const COMMANDS: &str = "http://jabber.org/protocol/commands";
    /// XEP-0092: software version.
    pub const VERSION: &str = "jabber:iq:version";
    /// XEP-0122: data types of the fields of a form.
    pub const VALIDATE: &str = "http://jabber.org/protocol/xdata-validate";
    /// XEP-0199: ping.
    pub const PING: &str = "urn:xmpp:ping";
}

/// Returns whether rxml, an independent strict XML parser for XMPP, accepts a document, or the beginning of one.
#[cfg(test)]
fn oracle_accepts(mut xml: &[u8], is_whole: bool) -> bool {
    use rxml::Parse as _;
    let mut parser = rxml::Parser::default();
    loop {
        match parser.parse(&mut xml, is_whole) {
            Ok(Some(_)) => {}
            Ok(None) => return true,
            Err(rxml::error::EndOrError::NeedMoreData) => return !is_whole,
            Err(rxml::error::EndOrError::Error(_)) => return false,
        }
    }
}
