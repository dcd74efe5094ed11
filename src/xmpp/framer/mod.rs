//! Cuts a byte stream into the parts of an XMPP stream (RFC 6120 section 4).
//!
//! Pure: bytes in, frames out, the same frames however the bytes were cut on their way. A frame is
//! whole or not there yet, so waiting for one can be given up at any moment without losing a byte.
//!
//! What a remote user can make a server send never breaks the stream: a stanza that is too large
//! or too deep is skipped up to its end and reported as [`Frame::Refused`].

mod header;
mod scan;

use bytes::{Buf as _, Bytes, BytesMut};
use tokio_util::codec::Decoder;

use self::scan::{Scan, Tag};
use super::element::{ElementError, MAX_DEPTH};

pub use self::header::StreamHeader;

/// Bytes in one stanza; also what Prosody takes from a component
/// (`component_stanza_size_limit`).
pub const MAX_STANZA: usize = 512 * 1024;

/// One part of the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// The stream header.
    Open(StreamHeader),
    /// One whole stanza, not yet read.
    Stanza(Bytes),
    /// A stanza that was skipped.
    Refused(Refusal),
    /// One character of white space between stanzas (RFC 6120 section 4.6.1).
    Keepalive,
    /// The end tag of the stream; nothing follows.
    Close,
}

/// Why a stanza was skipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// More than [`MAX_STANZA`] bytes.
    TooLarge,
    /// Elements nested deeper than [`MAX_DEPTH`].
    TooDeep,
}

/// Why the stream cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum FramerError {
    /// Not XML.
    #[error("the stream is not well-formed XML: {0}")]
    NotWellFormed(&'static str),
    /// XML that RFC 6120 section 11.1 forbids.
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
    /// The stream error to close with (RFC 6120 section 4.9.3).
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

/// The state between two reads.
#[derive(Debug, Default)]
pub struct Framer {
    stage: Stage,
    scan: Scan,
    /// Bytes of the present stanza that are already thrown away: it is too large.
    skipped: usize,
}

#[derive(Debug, Default)]
enum Stage {
    /// Before anything.
    #[default]
    Start,
    /// Before the header, where an XML declaration may no longer come.
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
        loop {
            match &self.stage {
                Stage::Closed => {
                    src.clear();
                    return Ok(None);
                }
                Stage::Failed => {
                    return Err(FramerError::NotWellFormed("the stream has failed before"));
                }
                Stage::Start | Stage::Prolog => match self.prolog(src)? {
                    Prolog::Incomplete => return Ok(None),
                    Prolog::Skipped => self.stage = Stage::Prolog,
                    Prolog::Header(header) => return Ok(Some(Frame::Open(header))),
                },
                Stage::Stream { name } => {
                    let name = name.clone();
                    return self.stanza(src, &name);
                }
            }
        }
    }

    fn prolog(&mut self, src: &mut BytesMut) -> Result<Prolog, FramerError> {
        match (src.first(), src.get(1)) {
            (None, _) | (Some(b'<'), None) => return Ok(Prolog::Incomplete),
            (Some(b' ' | b'\t' | b'\r' | b'\n'), _) => {
                src.advance(1);
                return Ok(Prolog::Skipped);
            }
            (Some(b'<'), Some(b'?')) if matches!(self.stage, Stage::Start) => {
                let Some(end) = header::declaration(src)? else { return Ok(Prolog::Incomplete) };
                src.advance(end);
                return Ok(Prolog::Skipped);
            }
            (Some(b'<'), Some(_)) => {}
            (Some(_), _) => return Err(FramerError::NotAStream),
        }
        let window = src.get(..MAX_STANZA).unwrap_or(src);
        match self.scan.tag(window)? {
            None if src.len() > MAX_STANZA => Err(FramerError::HeaderTooLarge),
            None => Ok(Prolog::Incomplete),
            Some(Tag::Empty | Tag::Close) => Err(FramerError::NotAStream),
            Some(Tag::Open) => {
                let bytes = self.take(src);
                let (header, name) = StreamHeader::read(&bytes)?;
                self.stage = Stage::Stream { name };
                Ok(Prolog::Header(header))
            }
        }
    }

    fn stanza(&mut self, src: &mut BytesMut, name: &[u8]) -> Result<Option<Frame>, FramerError> {
        // A scan that has begun knows more than the first byte of what is left.
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
            // Longer than the name, even with some white space, it cannot be the right one.
            None if src.len() > name.len().saturating_add(MAX_CLOSE_PADDING) => {
                Err(FramerError::NotWellFormed("an end tag without its start"))
            }
            None => Ok(None),
        }
    }

    /// Cuts off what has been scanned.
    fn take(&mut self, src: &mut BytesMut) -> Bytes {
        let bytes = src.split_to(self.scan.at().min(src.len())).freeze();
        self.scan = Scan::default();
        bytes
    }
}

const MAX_CLOSE_PADDING: usize = 1024;

enum Prolog {
    Incomplete,
    Skipped,
    Header(StreamHeader),
}

#[cfg(test)]
mod tests;
