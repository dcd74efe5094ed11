//! The opening of a stream: XML declaration and header.

use bytes::Bytes;

use super::FramerError;
use crate::xmpp::element::{Element, Scope, next_attribute};
use crate::xmpp::ns;

/// The peer's stream header (RFC 6120 section 4.7).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamHeader {
    /// The stream's id; empty on some refusals.
    pub id: Option<String>,
    /// Who the peer says it is.
    pub from: Option<String>,
    /// The namespaces that hold in every stanza.
    pub scope: Scope,
}

impl StreamHeader {
    /// Reads a header; the second part is its qualified name, for the closing tag.
    pub(super) fn read(bytes: &Bytes) -> Result<(Self, Bytes), FramerError> {
        let (element, scope) = Element::parse_open_tag(bytes).map_err(FramerError::Header)?;
        if !element.is(ns::STREAM, "stream") {
            return Err(FramerError::NotAStream);
        }
        let name_end = bytes.iter().position(|&b| b.is_ascii_whitespace() || b == b'>');
        let name = name_end.and_then(|end| bytes.get(1..end)).unwrap_or_default();
        let header = Self {
            id: element.attr("id").map(str::to_owned),
            from: element.attr("from").map(str::to_owned),
            scope,
        };
        Ok((header, bytes.slice_ref(name)))
    }
}

/// Bytes in an XML declaration.
const MAX_DECLARATION: usize = 128;

/// The length of the XML declaration that the bytes begin with; `None` when it goes on.
///
/// Only `version='1.0'`, UTF-8 and `standalone` are taken (RFC 6120 sections 11.4 and 11.6).
pub(super) fn declaration(bytes: &[u8]) -> Result<Option<usize>, FramerError> {
    let bad = FramerError::NotWellFormed("an XML declaration that is none");
    let window = bytes.get(..MAX_DECLARATION).unwrap_or(bytes);
    let Some(end) = memchr::memchr(b'>', window) else {
        return if bytes.len() > MAX_DECLARATION { Err(bad) } else { Ok(None) };
    };
    let text = window.get(..end).and_then(|text| std::str::from_utf8(text).ok());
    let inner = text.and_then(|text| text.strip_prefix("<?xml")?.strip_suffix('?'));
    let mut rest = inner.ok_or(FramerError::Restricted("a processing instruction"))?;
    let mut expected = ["version", "encoding", "standalone"].into_iter();
    let mut version = false;
    while let Ok(Some((name, value, after))) = next_attribute(rest) {
        if !expected.any(|expected| expected == name) {
            return Err(bad);
        }
        version |= name == "version";
        let fine = match name {
            "version" => value == "1.0",
            "encoding" => value.eq_ignore_ascii_case("utf-8"),
            _ => matches!(value, "yes" | "no"),
        };
        if !fine {
            return Err(bad);
        }
        rest = after;
    }
    if version && rest.bytes().all(|b| b" \t\r\n".contains(&b)) {
        Ok(Some(end.saturating_add(1)))
    } else {
        Err(bad)
    }
}
