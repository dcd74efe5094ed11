//! Splits a byte stream into the parts of an XMPP stream (RFC 6120 section 4).
//!
//! Without I/O: bytes in, frames out, the same frames however the bytes arrive in pieces. A frame is
//! returned whole or not yet, so waiting for one can be cancelled at any moment without losing a byte.
//!
//! Nothing that a remote user can make a server send breaks the stream: a stanza that is too large
//! or too deep is skipped to its end and reported as [`Frame::Refused`].

use bytes::{Buf as _, Bytes, BytesMut};
use tokio_util::codec::Decoder;

use super::element::{ElementError, MAX_DEPTH};
use crate::xmpp::element::{Document, Scope, next_attribute};
use crate::xmpp::ns;

/// Most bytes of a stanza; also what Prosody accepts from a component
/// (`component_stanza_size_limit`).
pub const MAX_STANZA: usize = 512 * 1024;

/// A part of the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// The stream header.
    Open(StreamHeader),
    /// A whole stanza, not parsed yet.
    Stanza(Bytes),
    /// A stanza that was skipped, and why.
    Refused(Refusal),
    /// One character of white space between stanzas (RFC 6120 section 4.6.1).
    Keepalive,
    /// The end tag of the stream; nothing follows.
    Close,
}

/// Why a stanza was skipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The stanza has more than [`MAX_STANZA`] bytes.
    TooLarge,
    /// Elements are nested deeper than [`MAX_DEPTH`].
    TooDeep,
}

/// Why the stream cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum FramerError {
    /// The bytes are not well-formed XML.
    #[error("the stream is not well-formed XML: {0}")]
    NotWellFormed(&'static str),
    /// The bytes are XML that RFC 6120 section 11.1 forbids.
    #[error("the stream contains XML that XMPP does not allow: {0}")]
    Restricted(&'static str),
    /// The first element is not a stream header.
    #[error("the peer does not speak XMPP: its first element is no stream header")]
    NotAStream,
    /// The stream header cannot be read.
    #[error("the stream header cannot be read: {0}")]
    Header(ElementError),
    /// The stream header is larger than [`MAX_STANZA`].
    #[error("the stream header does not end within {MAX_STANZA} bytes")]
    HeaderTooLarge,
    /// The bytes ended inside a frame.
    #[error("the connection ended inside a stanza")]
    Truncated,
    /// The bytes could not be read.
    #[error("the connection failed")]
    Io(#[from] std::io::Error),
}

impl FramerError {
    /// Returns the condition of the stream error to close with (RFC 6120 section 4.9.3).
    pub const fn condition(&self) -> &'static str {
        match self {
            Self::NotWellFormed(_) | Self::Truncated | Self::Io(_) => "not-well-formed",
            Self::Restricted(_) => "restricted-xml",
            Self::NotAStream => "invalid-namespace",
            Self::Header(_) => "bad-format",
            Self::HeaderTooLarge => "policy-violation",
        }
    }
}

/// Splits a stream into frames; keeps its state between two reads.
#[derive(Debug, Default)]
pub struct Framer {
    stage: Stage,
    scan: Scan,
    /// Bytes of the present stanza that were discarded already because it is too large.
    skipped: usize,
}

#[derive(Debug, Default)]
enum Stage {
    /// Before any byte.
    #[default]
    Start,
    /// Before the header, where an XML declaration is no longer allowed.
    Prolog,
    /// After the header, whose qualified name the closing tag must repeat.
    Stream {
        name: Bytes,
    },
    Closed,
    Failed,
}

impl Decoder for Framer {
    type Item = Frame;
    type Error = FramerError;

    fn decode(&mut self, src: &mut BytesMut) -> Result<Option<Frame>, FramerError> {
        let result = self.next(src);
        if result.is_err() {
            self.stage = Stage::Failed;
        }
        result
    }

    fn decode_eof(&mut self, src: &mut BytesMut) -> Result<Option<Frame>, FramerError> {
        match self.decode(src)? {
            None if !src.is_empty() || self.skipped > 0 => Err(FramerError::Truncated),
            frame => Ok(frame),
        }
    }
}

impl Framer {
    fn next(&mut self, src: &mut BytesMut) -> Result<Option<Frame>, FramerError> {
        match &self.stage {
            Stage::Closed => {
                src.clear();
                Ok(None)
            }
            Stage::Failed => Err(FramerError::NotWellFormed("the stream has failed before")),
            Stage::Start | Stage::Prolog => self.prolog(src),
            Stage::Stream { name } => {
                let name = name.clone();
                self.stanza(src, &name)
            }
        }
    }

    fn prolog(&mut self, src: &mut BytesMut) -> Result<Option<Frame>, FramerError> {
        loop {
            let skipped = match (src.first(), src.get(1)) {
                (None, _) | (Some(b'<'), None) => return Ok(None),
                (Some(b' ' | b'\t' | b'\r' | b'\n'), _) => 1,
                (Some(b'<'), Some(b'?')) if matches!(self.stage, Stage::Start) => {
                    let Some(end) = declaration(src)? else { return Ok(None) };
                    end
                }
                (Some(b'<'), Some(_)) => break,
                (Some(_), _) => return Err(FramerError::NotAStream),
            };
            src.advance(skipped);
            self.stage = Stage::Prolog;
        }
        let window = src.get(..MAX_STANZA).unwrap_or(src);
        match self.scan.tag(window)? {
            None if src.len() > MAX_STANZA => Err(FramerError::HeaderTooLarge),
            None => Ok(None),
            Some(Tag::Empty | Tag::Close) => Err(FramerError::NotAStream),
            Some(Tag::Open) => {
                let bytes = self.take(src);
                let (header, name) = StreamHeader::read(&bytes)?;
                self.stage = Stage::Stream { name };
                Ok(Some(Frame::Open(header)))
            }
        }
    }

    fn stanza(&mut self, src: &mut BytesMut, name: &[u8]) -> Result<Option<Frame>, FramerError> {
        // Inside a stanza that is being skipped, the first byte left is no beginning.
        if self.skipped == 0 {
            match (src.first(), src.get(1)) {
                (None, _) | (Some(b'<'), None) => return Ok(None),
                (Some(b' ' | b'\t' | b'\r' | b'\n'), _) => {
                    src.advance(1);
                    return Ok(Some(Frame::Keepalive));
                }
                (Some(b'<'), Some(b'/')) => return self.close(src, name),
                (Some(b'<'), Some(_)) => {}
                (Some(_), _) => return Err(FramerError::NotWellFormed("text between stanzas")),
            }
        }
        let ended = self.scan.element(src)?;
        let length = self.skipped.saturating_add(self.scan.at());
        if length > MAX_STANZA {
            src.advance(self.scan.at());
            self.scan.forget();
            self.skipped = length;
        }
        if !ended {
            return Ok(None);
        }
        if length > MAX_STANZA {
            self.skipped = 0;
            self.scan = Scan::default();
            return Ok(Some(Frame::Refused(Refusal::TooLarge)));
        }
        let deepest = self.scan.deepest();
        let bytes = self.take(src);
        Ok(Some(if deepest > MAX_DEPTH {
            Frame::Refused(Refusal::TooDeep)
        } else {
            Frame::Stanza(bytes)
        }))
    }

    fn close(&mut self, src: &mut BytesMut, name: &[u8]) -> Result<Option<Frame>, FramerError> {
        match self.scan.tag(src)? {
            Some(_) => {
                let tag = self.take(src);
                let rest = tag.strip_prefix(b"</").and_then(|tag| tag.strip_prefix(name));
                let padding = rest.and_then(|rest| rest.strip_suffix(b">"));
                if !padding.is_some_and(|p| p.iter().all(|b| b" \t\r\n".contains(b))) {
                    return Err(FramerError::NotWellFormed("an end tag without its start"));
                }
                self.stage = Stage::Closed;
                Ok(Some(Frame::Close))
            }
            // An unfinished tag that is longer than the name with some white space cannot be the right one.
            None if src.len() > name.len().saturating_add(MAX_CLOSE_PADDING) => {
                Err(FramerError::NotWellFormed("an end tag without its start"))
            }
            None => Ok(None),
        }
    }

    /// Splits off what has been scanned.
    fn take(&mut self, src: &mut BytesMut) -> Bytes {
        let bytes = src.split_to(self.scan.at().min(src.len())).freeze();
        self.scan = Scan::default();
        bytes
    }
}

const MAX_CLOSE_PADDING: usize = 1024;

/// The peer's stream header (RFC 6120 section 4.7).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamHeader {
    /// Id of the stream; empty in some refusals.
    pub id: Option<String>,
    /// Address that the peer claims, if any.
    pub from: Option<String>,
    /// Namespaces that apply in every stanza.
    pub scope: Scope,
}

impl StreamHeader {
    /// Reads a header; the second part is its qualified name, which the closing tag must repeat.
    pub(super) fn read(bytes: &Bytes) -> Result<(Self, Bytes), FramerError> {
        let (header, scope) = Document::parse_open_tag(bytes).map_err(FramerError::Header)?;
        let element = header.root();
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

/// Most bytes of an XML declaration.
const MAX_DECLARATION: usize = 128;

/// Returns the length of the XML declaration that the bytes begin with; `None` if it goes on.
///
/// Only `version='1.0'`, UTF-8 and `standalone` are accepted (RFC 6120 sections 11.4 and 11.6).
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

/// How far the scan of one element has come.
///
/// INVARIANT: every byte before `at` was examined and is never examined again, so the work
/// is linear however the bytes arrive.
#[derive(Debug, Default)]
pub(super) struct Scan {
    at: usize,
    depth: usize,
    deepest: usize,
    inside: Inside,
}

#[derive(Clone, Copy, Debug, Default)]
enum Inside {
    /// Between two tags.
    #[default]
    Content,
    /// After a `<`.
    Open,
    /// After `<!`, with this many bytes of [`CDATA`] seen.
    Marked(usize),
    /// In a CDATA section, with this many `]` seen (two at most).
    Cdata(u8),
    /// In a tag, outside of quotes; `slash` if the byte before was a `/`.
    Tag { closing: bool, slash: bool },
    /// In an attribute value, which this quote ends.
    Quoted(u8),
}

const CDATA: &[u8] = b"[CDATA[";

/// A tag that has just ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tag {
    Open,
    Empty,
    Close,
}

impl Scan {
    /// Returns the greatest depth of nested elements so far.
    pub(super) const fn deepest(&self) -> usize {
        self.deepest
    }

    /// Returns the number of bytes that were examined.
    pub(super) const fn at(&self) -> usize {
        self.at
    }

    /// Records that the bytes examined were removed from the front of the buffer.
    pub(super) const fn forget(&mut self) {
        self.at = 0;
    }

    /// Scans on to the end of the element; returns `false` if the bytes end before it.
    pub(super) fn element(&mut self, bytes: &[u8]) -> Result<bool, FramerError> {
        while self.tag(bytes)?.is_some() {
            if self.depth == 0 {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Scans on to the end of the next tag; returns `None` if the bytes end before it.
    pub(super) fn tag(&mut self, bytes: &[u8]) -> Result<Option<Tag>, FramerError> {
        while let Some(rest) = bytes.get(self.at..)
            && let Some(&byte) = rest.first()
        {
            match self.inside {
                Inside::Content => self.jump(rest, memchr::memchr(b'<', rest), Inside::Open),
                Inside::Open => self.open(byte)?,
                Inside::Marked(seen) => self.marked(byte, seen)?,
                Inside::Cdata(0) => {
                    self.jump(rest, memchr::memchr(b']', rest), Inside::Cdata(1));
                }
                Inside::Cdata(brackets) => {
                    self.step(match byte {
                        b']' => Inside::Cdata(2),
                        b'>' if brackets == 2 => Inside::Content,
                        _ => Inside::Cdata(0),
                    });
                }
                Inside::Quoted(quote) => {
                    let end = memchr::memchr2(quote, b'<', rest);
                    if end.and_then(|end| rest.get(end)) == Some(&b'<') {
                        return Err(FramerError::NotWellFormed("a `<` in an attribute value"));
                    }
                    self.jump(rest, end, Inside::Tag { closing: false, slash: false });
                }
                Inside::Tag { closing, slash } => {
                    if let Some(tag) = self.in_tag(rest, closing, slash)? {
                        return Ok(Some(tag));
                    }
                }
            }
        }
        Ok(None)
    }

    fn step(&mut self, inside: Inside) {
        self.at = self.at.saturating_add(1);
        self.inside = inside;
    }

    /// Moves behind the byte that was found, or to the end of the bytes if there is none.
    fn jump(&mut self, rest: &[u8], found: Option<usize>, inside: Inside) {
        match found {
            Some(offset) => {
                self.at = self.at.saturating_add(offset);
                self.step(inside);
            }
            None => self.at = self.at.saturating_add(rest.len()),
        }
    }

    fn open(&mut self, byte: u8) -> Result<(), FramerError> {
        self.step(match byte {
            b'/' => Inside::Tag { closing: true, slash: false },
            b'!' => Inside::Marked(0),
            b'?' => return Err(FramerError::Restricted("a processing instruction")),
            b'<' | b'>' | b'"' | b'\'' | b' ' | b'\t' | b'\r' | b'\n' => {
                return Err(FramerError::NotWellFormed("a `<` that begins no tag"));
            }
            _ => Inside::Tag { closing: false, slash: false },
        });
        Ok(())
    }

    /// Continues after `<!`, where only a CDATA section inside an element is allowed.
    fn marked(&mut self, byte: u8, seen: usize) -> Result<(), FramerError> {
        if self.depth == 0 || CDATA.get(seen) != Some(&byte) {
            return Err(FramerError::Restricted("a comment or a DTD"));
        }
        let seen = seen.saturating_add(1);
        self.step(if seen == CDATA.len() { Inside::Cdata(0) } else { Inside::Marked(seen) });
        Ok(())
    }

    fn in_tag(
        &mut self,
        rest: &[u8],
        closing: bool,
        slash: bool,
    ) -> Result<Option<Tag>, FramerError> {
        let special = |b: &u8| matches!(b, b'>' | b'/' | b'<' | b'"' | b'\'');
        let offset = rest.iter().position(special);
        if slash && offset != Some(0) {
            return Err(FramerError::NotWellFormed("a `/` inside a tag"));
        }
        let byte = offset.and_then(|offset| rest.get(offset)).copied();
        let inside = match byte {
            None => Inside::Tag { closing, slash },
            Some(b'>') => Inside::Content,
            Some(b'/') if !closing && !slash => Inside::Tag { closing, slash: true },
            Some(quote @ (b'"' | b'\'')) if !closing && !slash => Inside::Quoted(quote),
            Some(_) => return Err(FramerError::NotWellFormed("a tag that does not end")),
        };
        self.jump(rest, offset, inside);
        if byte != Some(b'>') {
            return Ok(None);
        }
        let tag = match (closing, slash) {
            (true, _) => Tag::Close,
            (false, true) => Tag::Empty,
            (false, false) => Tag::Open,
        };
        self.deepest = self.deepest.max(self.depth.saturating_add(1));
        self.depth = match tag {
            Tag::Open => self.depth.saturating_add(1),
            Tag::Close => self.depth.saturating_sub(1),
            Tag::Empty => self.depth,
        };
        Ok(Some(tag))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::xmpp::oracle_accepts;

    const HEADER: &str = "<?xml version='1.0'?><stream:stream id='7' from=\"x.example\" \
     xmlns:stream='http://etherx.jabber.org/streams' xmlns='jabber:component:accept'>";

    /// Returns what came out, and how it ended: a frame, an error's text, or nothing.
    fn frames(chunks: &[&[u8]]) -> Vec<String> {
        let mut framer = Framer::default();
        let mut buffer = BytesMut::new();
        let mut seen = Vec::new();
        for chunk in chunks {
            buffer.extend_from_slice(chunk);
            loop {
                match framer.decode(&mut buffer) {
                    Ok(Some(frame)) => seen.push(format!("{frame:?}")),
                    Ok(None) => break,
                    Err(error) => {
                        seen.push(format!("{error}"));
                        return seen;
                    }
                }
            }
        }
        match framer.decode_eof(&mut buffer) {
            Ok(Some(frame)) => seen.push(format!("{frame:?}")),
            Ok(None) => {}
            Err(error) => seen.push(format!("{error}")),
        }
        seen
    }

    fn after_header(body: &str) -> Vec<String> {
        let stream = format!("{HEADER}{body}");
        let mut seen = frames(&[stream.as_bytes()]);
        assert!(seen.remove(0).starts_with("Open"), "{stream}");
        seen
    }

    #[test]
    fn a_stream_is_cut_into_its_parts() {
        let body = "<iq id='>'><a b=\"/>'\">&lt;</a></iq> <message/>\n</stream:stream >";
        let seen = after_header(body);
        assert_eq!(
            seen,
            [
                format!("{:?}", Frame::Stanza("<iq id='>'><a b=\"/>'\">&lt;</a></iq>".into())),
                "Keepalive".into(),
                format!("{:?}", Frame::Stanza("<message/>".into())),
                "Keepalive".into(),
                "Close".into(),
            ]
        );
    }

    #[test]
    fn the_header_is_read_in_either_quotes_and_any_order() {
        let mut framer = Framer::default();
        let mut buffer = BytesMut::from(HEADER);
        let Some(Frame::Open(header)) = framer.decode(&mut buffer).unwrap() else { panic!() };
        assert_eq!(header.id.as_deref(), Some("7"));
        assert_eq!(header.from.as_deref(), Some("x.example"));
        assert_eq!(header.scope.default_ns(), "jabber:component:accept");
        let error =
            b"<stream:error><conflict xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>";
        let error = Document::parse_in(error, &header.scope).unwrap();
        assert!(error.root().is(ns::STREAM, "error"));
    }

    #[test]
    fn cdata_hides_tags_and_quotes() {
        let stanza = "<a><![CDATA[</a>]] >'<b>]]]></a>";
        assert_eq!(after_header(stanza), [format!("{:?}", Frame::Stanza(stanza.into()))]);
    }

    #[test]
    fn what_is_no_stream_of_stanzas_fails_with_its_own_condition() {
        for (body, condition) in [
            ("text", "not-well-formed"),
            ("&amp;", "not-well-formed"),
            ("<!-- c -->", "restricted-xml"),
            ("<a><!-- c --></a>", "restricted-xml"),
            ("<a><!DOCTYPE a></a>", "restricted-xml"),
            ("<![CDATA[x]]>", "restricted-xml"),
            ("<?pi?>", "restricted-xml"),
            ("<a><?pi?></a>", "restricted-xml"),
            ("<a b='<'/>", "not-well-formed"),
            ("<a <b/>", "not-well-formed"),
            ("<a / >", "not-well-formed"),
            ("<a/b>", "not-well-formed"),
            ("<a></a b='>'>", "not-well-formed"),
            ("< a/>", "not-well-formed"),
            ("<>", "not-well-formed"),
            ("</stream>", "not-well-formed"),
            ("</stream:streams>", "not-well-formed"),
        ] {
            let mut framer = Framer::default();
            let mut buffer = BytesMut::from(format!("{HEADER}{body}").as_str());
            assert!(matches!(framer.decode(&mut buffer), Ok(Some(Frame::Open(_)))));
            let error = framer.decode(&mut buffer).unwrap_err();
            assert_eq!(error.condition(), condition, "{body}");
            assert!(framer.decode(&mut buffer).is_err(), "a failed stream stays failed");
        }
    }

    #[test]
    fn what_is_no_header_fails() {
        for stream in [
            "HTTP/1.1 400 Bad Request\r\n",
            "<html>",
            "<stream>",
            "<stream:stream>",
            "<stream:stream xmlns:stream='urn:other'>",
            "<stream:stream xmlns:stream='http://etherx.jabber.org/streams'/>",
            "</stream>",
            "<!DOCTYPE a>",
            " <?xml version='1.0'?>",
            "<?xml version='1.0'?><?xml version='1.0'?>",
            "<?xml version='1.1'?>",
            "<?xml?>",
            "<?xml encoding='utf-8'?>",
            "<?xml version='1.0' encoding='latin1'?>",
            "<?xml version='1.0' version='1.0'?>",
            "<?other version='1.0'?>",
        ] {
            assert_ne!(frames(&[stream.as_bytes()]).first(), None, "{stream}");
            assert!(
                !frames(&[stream.as_bytes()]).iter().any(|f| f.starts_with("Open")),
                "{stream}"
            );
        }
        let declared = HEADER.replace("'1.0'", "\"1.0\" encoding='UTF-8' standalone='yes' ");
        assert!(frames(&[declared.as_bytes()])[0].starts_with("Open"));
    }

    #[test]
    fn a_stanza_too_large_or_too_deep_is_skipped_and_the_next_one_is_read() {
        let fits = format!("<a>{}</a>", "x".repeat(MAX_STANZA - 7));
        assert_eq!(fits.len(), MAX_STANZA);
        assert!(after_header(&fits)[0].starts_with("Stanza"));
        let over = format!("<a>{}</a><b/>", "x".repeat(MAX_STANZA - 6));
        assert_eq!(after_header(&over), ["Refused(TooLarge)", "Stanza(b\"<b/>\")"]);
        let deep = format!("{}{}<b/>", "<a>".repeat(40), "</a>".repeat(40));
        assert_eq!(after_header(&deep), ["Refused(TooDeep)", "Stanza(b\"<b/>\")"]);
    }

    #[test]
    fn a_stanza_without_end_needs_no_memory() {
        let mut framer = Framer::default();
        let mut buffer = BytesMut::from(HEADER);
        assert!(framer.decode(&mut buffer).unwrap().is_some());
        buffer.extend_from_slice(b"<a>");
        let chunk = vec![b'x'; 64 * 1024];
        for _ in 0..256 {
            buffer.extend_from_slice(&chunk);
            assert!(framer.decode(&mut buffer).unwrap().is_none());
            assert!(buffer.len() <= MAX_STANZA);
        }
        assert!(matches!(framer.decode_eof(&mut buffer), Err(FramerError::Truncated)));
    }

    #[test]
    fn a_header_without_end_is_refused() {
        let header = format!("<stream:stream id='{}", "x".repeat(MAX_STANZA));
        assert_eq!(frames(&[header.as_bytes()]), [FramerError::HeaderTooLarge.to_string()]);
    }

    #[test]
    fn every_cut_gives_the_same_frames() {
        let stream = format!("{HEADER}<a b='1'><![CDATA[]]]]><c/>t</a> <d>é</d></stream:stream> ");
        let whole = frames(&[stream.as_bytes()]);
        assert_eq!(whole.len(), 5);
        for at in 0..stream.len() {
            let (first, second) = stream.as_bytes().split_at(at);
            assert_eq!(frames(&[first, second]), whole, "cut at {at}");
        }
        let bytes: Vec<&[u8]> = stream.as_bytes().chunks(1).collect();
        assert_eq!(frames(&bytes), whole);
    }

    #[test]
    fn the_end_inside_a_frame_is_told() {
        for cut in ["<a", "<a>", "<a><b/>", "<a b='", "<", "</stream:st"] {
            assert_eq!(
                after_header(cut).last().unwrap(),
                &FramerError::Truncated.to_string(),
                "{cut}"
            );
        }
        assert!(after_header("<a/>").len() == 1);
    }

    fn any_stream() -> impl Strategy<Value = String> {
        let pieces = vec![
            "<iq>",
            "</iq>",
            "<a b='c'/>",
            "<a b=\"'>\">",
            "</a>",
            "<",
            ">",
            "/",
            "'",
            "\"",
            " ",
            "\n",
            "x",
            "&amp;",
            "<![CDATA[",
            "]]>",
            "]",
            "<!--",
            "<?",
            "</stream:stream>",
            "é",
        ];
        prop::collection::vec(prop::sample::select(pieces), 0..14).prop_map(|p| p.concat())
    }

    proptest! {
        #[test]
        fn frames_do_not_depend_on_chunking(body in any_stream(), size in 1_usize..40) {
            let stream = format!("{HEADER}{body}");
            let chunks: Vec<&[u8]> = stream.as_bytes().chunks(size).collect();
            prop_assert_eq!(frames(&chunks), frames(&[stream.as_bytes()]));
        }

        #[test]
        fn no_bytes_panic_the_framer(bytes in prop::collection::vec(any::<u8>(), 0..300), header in any::<bool>()) {
            let mut stream = if header { HEADER.as_bytes().to_vec() } else { Vec::new() };
            stream.extend(bytes);
            frames(&[&stream]);
        }

        /// A stanza that the oracle refuses is refused here by the framer or by the reader.
        #[test]
        fn what_the_oracle_refuses_does_not_pass(body in any_stream()) {
            let mut framer = Framer::default();
            let mut buffer = BytesMut::from(format!("{HEADER}{body}").as_str());
            let mut fine = true;
            let mut scope = None;
            while let Some(frame) = framer.decode(&mut buffer).unwrap_or_else(|_| { fine = false; None }) {
                match frame {
                    Frame::Open(header) => scope = Some(header.scope),
                    Frame::Stanza(bytes) => {
                        fine &= Document::parse_in(&bytes, scope.as_ref().unwrap()).is_ok();
                    }
                    Frame::Refused(_) => fine = false,
                    Frame::Close => break,
                    Frame::Keepalive => {}
                }
            }
            // Only what came before an incomplete rest was judged.
            let stream = format!("{HEADER}{body}");
            let judged = stream.as_bytes().strip_suffix(&buffer[..]).unwrap();
            if fine && !oracle_accepts(judged, false) {
                prop_assert!(false, "{:?} was refused by the oracle only", String::from_utf8_lossy(judged));
            }
        }
    }
}
