//! Cutting a stream into stanzas, and looking into one without parsing it.

use memchr::{memchr, memmem};

/// Cuts what comes over one stream.
#[derive(Debug, Default)]
pub struct Splitter {
    buffer: Vec<u8>,
    /// Up to where tags have been looked at.
    at: usize,
    /// Where the stanza begins that is not whole yet.
    begin: usize,
    depth: usize,
}

impl Splitter {
    /// Where received bytes are appended; cut stanzas are gone then.
    pub fn buffer(&mut self) -> &mut Vec<u8> {
        let done = if self.depth > 1 { self.begin } else { self.at };
        self.buffer.drain(..done);
        self.at -= done;
        self.begin = self.begin.saturating_sub(done);
        &mut self.buffer
    }

    /// A new stream header follows (after authentication).
    pub fn restart(&mut self) {
        *self = Self::default();
    }

    /// The next whole stanza, or the header or the end of the stream; `None`: more bytes are needed.
    pub fn cut(&mut self) -> Option<&[u8]> {
        loop {
            let open = self.at + memchr(b'<', self.buffer.get(self.at..)?)?;
            let close = open + memchr(b'>', &self.buffer[open..])?;
            let (second, last) = (self.buffer[open + 1], self.buffer[close - 1]);
            self.at = close + 1;
            if second == b'?' {
                continue;
            }
            if self.depth <= 1 {
                self.begin = open;
            }
            if second == b'/' {
                self.depth = self.depth.saturating_sub(1);
            } else if last != b'/' {
                self.depth += 1;
                if self.depth > 1 {
                    continue;
                }
            }
            if self.depth <= 1 {
                return Some(&self.buffer[self.begin..self.at]);
            }
        }
    }
}

/// Whether `needle` stands in the stanza.
pub fn has(stanza: &[u8], needle: &str) -> bool {
    memmem::find(stanza, needle.as_bytes()).is_some()
}

/// An attribute of the stanza's own tag, not unescaped; empty without it.
pub fn attribute<'a>(stanza: &'a [u8], name: &str) -> &'a str {
    let tag = &stanza[..memchr(b'>', stanza).unwrap_or(stanza.len())];
    let mut from = 0;
    while let Some(found) = memmem::find(&tag[from..], name.as_bytes()) {
        let (before, after) = (from + found, from + found + name.len());
        if before > 0 && tag[before - 1] == b' ' && tag.get(after) == Some(&b'=') {
            let quote = tag.get(after + 1).copied().unwrap_or_default();
            let value = tag.get(after + 2..).unwrap_or_default();
            let end = memchr(quote, value).unwrap_or(0);
            return std::str::from_utf8(&value[..end]).unwrap_or_default();
        }
        from = after;
    }
    ""
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stanzas_come_out_whole_however_the_bytes_arrive() {
        let text = "<?xml version='1.0'?><s:s to='a'><iq id='1'><q/><p>x</p></iq> <presence/><m a=\"b\">t</m>";
        let expected =
            ["<s:s to='a'>", "<iq id='1'><q/><p>x</p></iq>", "<presence/>", "<m a=\"b\">t</m>"];
        for size in 1..text.len() {
            let (mut splitter, mut found) = (Splitter::default(), Vec::new());
            for chunk in text.as_bytes().chunks(size) {
                splitter.buffer().extend_from_slice(chunk);
                while let Some(stanza) = splitter.cut() {
                    found.push(String::from_utf8(stanza.to_vec()).unwrap());
                }
            }
            assert_eq!(found, expected, "in pieces of {size}");
        }
    }

    #[test]
    fn attributes_are_those_of_the_outermost_tag() {
        let stanza = b"<iq xid='0' type=\"set\" id='7'><x from='a'/></iq>";
        assert_eq!(attribute(stanza, "id"), "7");
        assert_eq!(attribute(stanza, "type"), "set");
        assert_eq!(attribute(stanza, "from"), "");
    }
}
