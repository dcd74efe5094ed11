//! The buffer of outgoing stanzas.

use std::sync::Arc;

use super::metrics::{LinkMetrics, SENT};
use crate::xmpp::element::Element;
use crate::xmpp::framer::MAX_STANZA;
use crate::xmpp::ns;

/// The stanzas of one batch, already as bytes; they leave together.
#[derive(Debug)]
pub struct Outbox {
    domain: Arc<str>,
    metrics: LinkMetrics,
    open: bool,
    bytes: Vec<u8>,
    written: usize,
}

/// Why a stanza is not sent: the server would close the link over it, or there is no link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// There is no link.
    #[error("the link to the server is down")]
    Down,
    /// The queue to the link is full.
    #[error("too many stanzas wait to be sent")]
    Full,
    /// The `from` is of another domain (`invalid-from`).
    #[error("a stanza may only come from an address of the component's own domain")]
    ForeignSender,
    /// There is no `to`.
    #[error("a stanza from a component must have an addressee")]
    NoAddressee,
    /// More bytes than a server takes.
    #[error("a stanza may not be larger than {MAX_STANZA} bytes")]
    TooLarge,
}

impl Outbox {
    pub(super) const fn new(domain: Arc<str>, metrics: LinkMetrics) -> Self {
        Self { domain, metrics, open: false, bytes: Vec::new(), written: 0 }
    }

    /// Adds a stanza. Without a `from` it comes from the component's domain.
    ///
    /// # Errors
    /// [`SendError`]: the stanza is not sent and counted, and the link lives on.
    pub fn send(&mut self, stanza: impl Into<Element>) -> Result<(), SendError> {
        let result = self.add(stanza.into());
        match result {
            Ok(()) => self.metrics.count(&SENT),
            Err(_) => _ = self.metrics.dropped.inc(),
        }
        result
    }

    fn add(&mut self, mut stanza: Element) -> Result<(), SendError> {
        if !self.open {
            return Err(SendError::Down);
        }
        match stanza.attr("from") {
            None => stanza.set_attr("from", &self.domain),
            Some(from) if domain_of(from) == &*self.domain => {}
            Some(_) => return Err(SendError::ForeignSender),
        }
        if stanza.attr("to").is_none_or(str::is_empty) {
            return Err(SendError::NoAddressee);
        }
        let start = self.bytes.len();
        stanza.write_in(ns::COMPONENT, &mut self.bytes);
        if self.bytes.len().saturating_sub(start) > MAX_STANZA {
            self.bytes.truncate(start);
            return Err(SendError::TooLarge);
        }
        Ok(())
    }

    /// Adds bytes that are no stanza: the stream's own.
    pub(super) fn push_raw(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Lets stanzas in.
    pub(super) const fn open(&mut self) {
        self.open = true;
    }

    /// Forgets what was not written and takes nothing more.
    pub(super) fn close(&mut self) {
        self.open = false;
        self.bytes = Vec::new();
        self.written = 0;
    }

    /// Returns what is still to be written.
    pub(super) fn pending(&self) -> &[u8] {
        self.bytes.get(self.written..).unwrap_or_default()
    }

    /// Notes that the first `count` pending bytes are written.
    pub(super) fn wrote(&mut self, count: usize) {
        self.written = self.written.saturating_add(count);
        if self.written >= self.bytes.len() {
            self.bytes.clear();
            self.bytes.shrink_to(KEPT);
            self.written = 0;
        } else if self.written > KEPT {
            self.bytes.drain(..self.written);
            self.written = 0;
        }
    }
}

/// Bytes of buffer kept between batches.
const KEPT: usize = 256 * 1024;

/// The domain of an address, taken apart as Prosody does to check it.
fn domain_of(address: &str) -> &str {
    let bare = address.split_once('/').map_or(address, |(bare, _)| bare);
    bare.split_once('@').map_or(bare, |(_, domain)| domain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outbox() -> Outbox {
        let mut outbox = Outbox::new("v.example".into(), LinkMetrics::default());
        outbox.open();
        outbox
    }

    fn message(from: Option<&str>) -> Element {
        Element::new(ns::COMPONENT, "message").with_attr("to", "a@b").with_attr_opt("from", from)
    }

    #[test]
    fn every_stanza_comes_from_the_components_domain() {
        let mut outbox = outbox();
        outbox.send(message(None)).unwrap();
        assert_eq!(outbox.pending(), b"<message to='a@b' from='v.example'/>");
        for own in ["v.example", "x@v.example", "x@v.example/a@b/c", "v.example/r"] {
            assert_eq!(outbox.send(message(Some(own))), Ok(()), "{own}");
        }
        for foreign in ["", "b", "v.example@b", "b/v.example", "b/@v.example", "V.example"] {
            assert_eq!(outbox.send(message(Some(foreign))), Err(SendError::ForeignSender));
        }
    }

    #[test]
    fn what_would_close_the_link_is_not_sent() {
        let mut outbox = outbox();
        let nowhere = Element::new(ns::COMPONENT, "message");
        assert_eq!(outbox.send(nowhere), Err(SendError::NoAddressee));
        let large = message(None).with_text("x".repeat(MAX_STANZA));
        assert_eq!(outbox.send(large), Err(SendError::TooLarge));
        assert_eq!(outbox.pending(), b"");
        outbox.close();
        assert_eq!(outbox.send(message(None)), Err(SendError::Down));
    }

    #[test]
    fn what_is_partly_written_goes_on_where_it_stopped() {
        let mut outbox = outbox();
        outbox.push_raw(b"abcdef");
        outbox.wrote(2);
        outbox.push_raw(b"g");
        assert_eq!(outbox.pending(), b"cdefg");
        outbox.wrote(5);
        assert_eq!(outbox.pending(), b"");
        outbox.push_raw(&vec![b'x'; 3 * KEPT]);
        outbox.wrote(2 * KEPT);
        assert_eq!(outbox.pending().len(), KEPT);
    }
}
