//! Finds where one element ends, without looking at a byte twice.

use super::FramerError;

/// The place reached inside one element.
///
/// INVARIANT: every byte before `at` has been looked at and is never looked at again, so the work
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
    /// Between tags.
    #[default]
    Content,
    /// After a `<`.
    Open,
    /// After `<!`, with so many bytes of [`CDATA`] seen.
    Marked(usize),
    /// In a CDATA section, with so many `]` seen (two at most).
    Cdata(u8),
    /// In a tag outside quotes; `slash` when the byte before was a `/`.
    Tag { closing: bool, slash: bool },
    /// In an attribute value.
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
    /// Elements inside each other so far, at most.
    pub(super) const fn deepest(&self) -> usize {
        self.deepest
    }

    /// Returns the number of bytes that have been looked at.
    pub(super) const fn at(&self) -> usize {
        self.at
    }

    /// Tells the scan that the bytes it has looked at are gone from the front of the buffer.
    pub(super) const fn forget(&mut self) {
        self.at = 0;
    }

    /// Goes on to the end of the element; false when the bytes end before it does.
    pub(super) fn element(&mut self, bytes: &[u8]) -> Result<bool, FramerError> {
        while self.tag(bytes)?.is_some() {
            if self.depth == 0 {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Goes on to the end of the next tag.
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

    /// Goes behind the byte found, or to the end of the bytes when there is none.
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

    /// Of what begins with `<!` only a CDATA section inside an element is allowed.
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
