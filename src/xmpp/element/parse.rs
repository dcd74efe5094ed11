//! Reads bytes as an element, more strictly than the tokenizer.
//!
//! quick-xml tokenizes; whatever it accepts although XMPP forbids it is refused here: illegal
//! characters, entities, invalid names, comments, a second root, an unfinished element.

use std::borrow::Cow;

use quick_xml::events::{BytesStart, Event};
use quick_xml::reader::Reader;
use smol_str::SmolStr;

use super::ElementError;
use super::document::{Binding, Document, ElementRef, Head, Open, Pair, Record, Span};

/// Most attributes of one element; comparing them with each other takes quadratic time.
pub const MAX_ATTRIBUTES: usize = 64;

/// Most elements inside each other, including the outermost.
pub const MAX_DEPTH: usize = 32;

impl Document {
    /// Reads exactly one element in which `default_ns` is the namespace of unprefixed names.
    ///
    /// Attributes of other namespaces are checked and then left out.
    ///
    /// # Errors
    /// [`ElementError`] for everything that is not well-formed, namespace-well-formed and allowed
    /// by RFC 6120 section 11.1, and for white space around the element.
    pub fn parse(bytes: &[u8], default_ns: &str) -> Result<Self, ElementError> {
        let mut document = Self::default();
        document.read(bytes, &Scope::with_default(default_ns))?;
        Ok(document)
    }

    /// Reads exactly one element within the namespaces of a scope, as [`Document::parse`] does.
    ///
    /// # Errors
    /// As [`Document::parse`].
    pub fn parse_in(bytes: &[u8], scope: &Scope) -> Result<Self, ElementError> {
        let mut document = Self::default();
        document.read(bytes, scope)?;
        Ok(document)
    }

    /// Reads exactly one element within the namespaces of a scope, as [`Document::parse`] does, in place of what was
    /// read before. Returns the element.
    ///
    /// # Errors
    /// As [`Document::parse`].
    pub fn read(&mut self, bytes: &[u8], scope: &Scope) -> Result<ElementRef<'_>, ElementError> {
        if let Err(error) = self.fill(bytes, scope) {
            self.records.clear();
            return Err(error);
        }
        Ok(self.root())
    }

    fn fill(&mut self, bytes: &[u8], scope: &Scope) -> Result<(), ElementError> {
        let source = checked(bytes)?;
        let mut reader = Reader::from_str(source);
        let mut tree = Tree::new(source, scope, self);
        loop {
            let event = reader.read_event().map_err(|error| malformed(&error))?;
            if tree.is_done() {
                return if event == Event::Eof { Ok(()) } else { Err(ElementError::Trailing) };
            }
            match event {
                Event::Start(tag) => tree.start(&tag)?,
                Event::Empty(tag) => {
                    tree.start(&tag)?;
                    tree.end();
                }
                Event::End(_) => tree.end(),
                Event::Text(text) => tree.text(&text)?,
                Event::CData(text) => tree.characters(&text)?,
                Event::GeneralRef(name) => tree.reference(&name)?,
                Event::Eof => return Err(ElementError::Incomplete),
                Event::Comment(_) => return Err(ElementError::Restricted("a comment")),
                Event::Decl(_) => return Err(ElementError::Restricted("an XML declaration")),
                Event::DocType(_) => return Err(ElementError::Restricted("a DTD")),
                Event::PI(_) => return Err(ElementError::Restricted("a processing instruction")),
            }
        }
    }

    /// Reads one start tag, such as a stream header; returns the namespaces that it declares for its content too.
    ///
    /// # Errors
    /// As [`Document::parse`].
    pub(crate) fn parse_open_tag(bytes: &[u8]) -> Result<(Self, Scope), ElementError> {
        let source = checked(bytes)?;
        let mut reader = Reader::from_str(source);
        let (mut document, outer) = (Self::default(), Scope::default());
        let mut tree = Tree::new(source, &outer, &mut document);
        let Event::Start(tag) = reader.read_event().map_err(|error| malformed(&error))? else {
            return Err(ElementError::Syntax("not a start tag"));
        };
        tree.start(&tag)?;
        if !matches!(reader.read_event(), Ok(Event::Eof)) {
            return Err(ElementError::Trailing);
        }
        let scope = tree.scope();
        Ok((document, scope))
    }
}

fn checked(bytes: &[u8]) -> Result<&str, ElementError> {
    let text = std::str::from_utf8(bytes).map_err(|_| ElementError::NotUtf8)?;
    if !all_legal(text) {
        return Err(ElementError::IllegalCharacter);
    }
    // The tokenizer would skip a byte order mark, so it is refused before.
    if text.starts_with('\u{FEFF}') {
        return Err(ElementError::Trailing);
    }
    Ok(text)
}

fn malformed(error: &quick_xml::Error) -> ElementError {
    ElementError::Syntax(if matches!(error, quick_xml::Error::IllFormed(_)) {
        "tags that do not match, or an `&` that begins no reference"
    } else {
        "markup that is no tag or does not end"
    })
}

/// A document that is being read.
struct Tree<'a> {
    source: &'a str,
    outer: &'a Scope,
    /// Its text begins with the source.
    document: &'a mut Document,
    /// The default namespace here.
    default: Span,
    text: Pending,
}

/// Text since the last tag: it comes in pieces, one per reference and CDATA section.
#[derive(Clone, Copy)]
enum Pending {
    None,
    /// A part of the source.
    Plain(Span),
    /// What the document's text has from this place on.
    Decoded(usize),
}

impl<'a> Tree<'a> {
    fn new(source: &'a str, outer: &'a Scope, document: &'a mut Document) -> Self {
        let Document { text, records, attributes, open, bindings } = document;
        text.clear();
        text.push_str(source);
        records.clear();
        attributes.clear();
        open.clear();
        bindings.clear();
        let mut tree =
            Self { source, outer, document, default: Span::default(), text: Pending::None };
        tree.default = tree.decoded(&outer.default);
        tree
    }

    /// Returns whether the outermost element has ended.
    fn is_done(&self) -> bool {
        self.document.open.is_empty() && !self.document.records.is_empty()
    }

    /// Returns where a part of the source is; what is none is appended.
    fn span(&mut self, part: &str) -> Span {
        let start = part.as_ptr().addr().wrapping_sub(self.source.as_ptr().addr());
        let end = start.saturating_add(part.len());
        if self.source.get(start..end) == Some(part) {
            return Span { start: short(start), end: short(end) };
        }
        self.decoded(part)
    }

    /// Appends text that the source does not have.
    fn decoded(&mut self, text: &str) -> Span {
        let start = self.document.text.len();
        self.document.text.push_str(text);
        self.from(start)
    }

    /// Returns what the text has from this place on.
    fn from(&self, start: usize) -> Span {
        Span { start: short(start), end: short(self.document.text.len()) }
    }

    fn start(&mut self, tag: &BytesStart<'_>) -> Result<(), ElementError> {
        self.flush();
        if self.document.open.len() >= MAX_DEPTH {
            return Err(ElementError::TooDeep);
        }
        let at = short(self.document.records.len());
        let outer_bindings = self.document.bindings.len();
        self.document.open.push(Open { at, outer_default: self.default, outer_bindings });
        let first = short(self.document.attributes.len());
        self.attributes(tag.attributes_raw(), outer_bindings)?;
        let after = short(self.document.attributes.len());
        let name = tag.name().into_inner();
        let (prefix, local) = split_name(name)?;
        let ns = match prefix {
            Some(prefix) => self.resolve(prefix)?,
            None => self.default,
        };
        let name = self.span(local);
        let head = Head { ns, name, attributes: (first, after), after: at.saturating_add(1) };
        self.document.records.push(Record::Element(head));
        Ok(())
    }

    /// Applies the namespace declarations among the attributes, and keeps the other attributes.
    fn attributes(&mut self, raw: &str, outer_bindings: usize) -> Result<(), ElementError> {
        let first = self.document.attributes.len();
        let mut prefixed: Vec<(&str, &str)> = Vec::new();
        let mut default_given = false;
        let mut rest = raw;
        for count in 0_usize.. {
            let Some((name, value, after)) = next_attribute(rest)? else { break };
            if count >= MAX_ATTRIBUTES {
                return Err(ElementError::TooManyAttributes);
            }
            rest = after;
            let value = self.value(value)?;
            match split_name(name)? {
                (None, "xmlns") if default_given => return Err(ElementError::DuplicateAttribute),
                (None, "xmlns") => {
                    default_given = true;
                    if [XML, XMLNS].contains(&self.document.slice(value)) {
                        return Err(ElementError::ReservedNamespace);
                    }
                    self.default = value;
                }
                (Some("xmlns"), prefix) => self.bind(prefix, value, outer_bindings)?,
                (Some(prefix), local) if prefix != "xml" => prefixed.push((prefix, local)),
                (None | Some(_), _) if self.has_attribute(first, name) => {
                    return Err(ElementError::DuplicateAttribute);
                }
                (None | Some(_), _) => {
                    let name = self.span(name);
                    self.document.attributes.push(Pair { name, value });
                }
            }
        }
        self.expanded_names_differ(&prefixed)
    }

    fn has_attribute(&self, first: usize, name: &str) -> bool {
        let here = self.document.attributes.get(first..).unwrap_or_default();
        here.iter().any(|pair| self.document.slice(pair.name) == name)
    }

    /// Refuses names that expand to the same: `a:k` and `b:k` with equal prefixes (XML Namespaces 1.0 section 6.3).
    fn expanded_names_differ(&mut self, names: &[(&str, &str)]) -> Result<(), ElementError> {
        let mut seen: Vec<(Span, &str)> = Vec::with_capacity(names.len());
        for &(prefix, local) in names {
            let ns = self.resolve(prefix)?;
            let document = &*self.document;
            let is_same = |&(it, name): &(Span, &str)| {
                name == local && document.slice(it) == document.slice(ns)
            };
            if seen.iter().any(is_same) {
                return Err(ElementError::DuplicateAttribute);
            }
            seen.push((ns, local));
        }
        Ok(())
    }

    /// Binds a prefix for the element that begins and everything in it.
    fn bind(&mut self, prefix: &str, ns: Span, outer: usize) -> Result<(), ElementError> {
        if !is_ncname(prefix) {
            return Err(ElementError::Syntax("a prefix is not a name"));
        }
        let meaning = self.document.slice(ns);
        if (prefix == "xml") != (meaning == XML) || prefix == "xmlns" || meaning == XMLNS {
            return Err(ElementError::ReservedNamespace);
        }
        if meaning.is_empty() {
            return Err(ElementError::UnboundPrefix);
        }
        let here = self.document.bindings.get(outer..).unwrap_or_default();
        if here.iter().any(|binding| self.document.slice(binding.prefix) == prefix) {
            return Err(ElementError::DuplicateAttribute);
        }
        let bound = self.document.bindings.len().saturating_add(self.outer.bindings.len());
        if bound >= MAX_BINDINGS {
            return Err(ElementError::TooManyAttributes);
        }
        let prefix = self.span(prefix);
        self.document.bindings.push(Binding { prefix, ns });
        Ok(())
    }

    /// Returns the namespace that a prefix means here.
    fn resolve(&mut self, prefix: &str) -> Result<Span, ElementError> {
        if prefix == "xml" {
            return Ok(self.decoded(XML));
        }
        let mut inner = self.document.bindings.iter().rev();
        if let Some(found) = inner.find(|it| self.document.slice(it.prefix) == prefix) {
            return Ok(found.ns);
        }
        let outer = self.outer;
        let found = outer.bindings.iter().find(|(name, _)| name == prefix);
        let (_, ns) = found.ok_or(ElementError::UnboundPrefix)?;
        Ok(self.decoded(ns))
    }

    /// Returns what is declared here, for what is read later.
    fn scope(&self) -> Scope {
        let own = |span| SmolStr::new(self.document.slice(span));
        let bindings = self.document.bindings.iter();
        Scope {
            default: own(self.default),
            bindings: bindings.map(|it| (own(it.prefix), own(it.ns))).collect(),
        }
    }

    /// Ends the innermost element.
    fn end(&mut self) {
        self.flush();
        let Some(open) = self.document.open.pop() else { return };
        self.default = open.outer_default;
        self.document.bindings.truncate(open.outer_bindings);
        let after = short(self.document.records.len());
        if let Some(Record::Element(head)) = self.document.records.get_mut(open.at as usize) {
            head.after = after;
        }
    }

    fn text(&mut self, text: &str) -> Result<(), ElementError> {
        if text.contains("]]>") {
            return Err(ElementError::Syntax("`]]>` in text"));
        }
        self.characters(text)
    }

    fn characters(&mut self, text: &str) -> Result<(), ElementError> {
        self.inside()?;
        if text.is_empty() {
            return Ok(());
        }
        let is_first = matches!(self.text, Pending::None);
        if is_first && memchr::memchr(b'\r', text.as_bytes()).is_none() {
            self.text = Pending::Plain(self.span(text));
            return Ok(());
        }
        self.decode();
        push_text(&mut self.document.text, text);
        Ok(())
    }

    fn reference(&mut self, name: &str) -> Result<(), ElementError> {
        self.inside()?;
        let c = resolve_reference(name)?;
        self.decode();
        self.document.text.push(c);
        Ok(())
    }

    /// Lets the pending text be continued.
    fn decode(&mut self) {
        let start = self.document.text.len();
        match self.text {
            Pending::Decoded(_) => return,
            Pending::None => {}
            Pending::Plain(span) => {
                let plain = span.start as usize..span.end as usize;
                self.document.text.extend_from_within(plain);
            }
        }
        self.text = Pending::Decoded(start);
    }

    fn inside(&self) -> Result<(), ElementError> {
        if self.document.open.is_empty() { Err(ElementError::Trailing) } else { Ok(()) }
    }

    fn flush(&mut self) {
        let span = match std::mem::replace(&mut self.text, Pending::None) {
            Pending::None => return,
            Pending::Plain(span) => span,
            Pending::Decoded(start) => self.from(start),
        };
        self.document.records.push(Record::Text(span));
    }

    /// Returns the value of an attribute, with references resolved and literal white space turned into spaces
    /// (XML 1.0 section 3.3.3).
    fn value(&mut self, raw: &str) -> Result<Span, ElementError> {
        let special = |b: u8| matches!(b, b'&' | b'<' | b'\t' | b'\n' | b'\r');
        if !raw.bytes().any(special) {
            return Ok(self.span(raw));
        }
        let start = self.document.text.len();
        push_value(&mut self.document.text, raw)?;
        Ok(self.from(start))
    }
}

/// A place in a stanza, which has far fewer bytes than this can count.
fn short(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

/// Splits a text at the first of these ASCII characters, as `str::split_once` does more slowly.
fn split_at_byte(text: &str, byte: u8) -> Option<(&str, &str)> {
    let at = memchr::memchr(byte, text.as_bytes())?;
    Some((text.get(..at)?, text.get(at.saturating_add(1)..)?))
}

/// Splits a qualified name into its prefix and its local part.
fn split_name(name: &str) -> Result<(Option<&str>, &str), ElementError> {
    let (prefix, local) = match split_at_byte(name, b':') {
        Some((prefix, local)) => (Some(prefix), local),
        None => (None, name),
    };
    if is_ncname(local) && prefix.is_none_or(is_ncname) {
        Ok((prefix, local))
    } else {
        Err(ElementError::Syntax("a name that is no name"))
    }
}

/// Returns the next `name="value"` of a tag and what follows it; `None` at the end.
pub(crate) fn next_attribute(raw: &str) -> Result<Option<(&str, &str, &str)>, ElementError> {
    let start = raw.trim_start_matches(WHITE_SPACE);
    if start.is_empty() {
        return Ok(None);
    }
    if start.len() == raw.len() {
        return Err(ElementError::Syntax("no white space before an attribute"));
    }
    let (name, after) =
        split_at_byte(start, b'=').ok_or(ElementError::Syntax("an attribute without a value"))?;
    let after = after.trim_start_matches(WHITE_SPACE);
    let (value, rest) = match (after.strip_prefix('\''), after.strip_prefix('"')) {
        (Some(quoted), _) => split_at_byte(quoted, b'\''),
        (None, Some(quoted)) => split_at_byte(quoted, b'"'),
        (None, None) => None,
    }
    .ok_or(ElementError::Syntax("an attribute value without quotes"))?;
    Ok(Some((name.trim_end_matches(WHITE_SPACE), value, rest)))
}

const WHITE_SPACE: [char; 4] = [' ', '\t', '\n', '\r'];

/// Returns whether XML 1.0 section 2.2 (`Char`) allows the character.
pub(super) const fn is_legal(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{FFFD}' | '\u{10000}'..='\u{10FFFF}')
}

/// Returns whether every character is legal.
///
/// Checks bytes: in UTF-8 the only illegal ones are the C0 controls and `EF BF BE`, `EF BF BF`
/// (U+FFFE and U+FFFF); surrogates cannot occur.
pub(super) fn all_legal(text: &str) -> bool {
    let bytes = text.as_bytes();
    if bytes.iter().any(|&b| b < 0x20 && !matches!(b, b'\t' | b'\n' | b'\r')) {
        return false;
    }
    memchr::memchr_iter(0xEF, bytes).all(|at| {
        !matches!(bytes.get(at..).and_then(|rest| rest.get(..3)), Some([_, 0xBF, 0xBE | 0xBF]))
    })
}

/// Returns the text with every illegal character replaced by U+FFFD.
pub(super) fn clean(text: &str) -> Cow<'_, str> {
    if all_legal(text) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().map(|c| if is_legal(c) { c } else { '\u{FFFD}' }).collect())
}

/// Returns whether the name is an `NCName` (XML Namespaces 1.0 section 3): a name without a colon.
pub(super) fn is_ncname(name: &str) -> bool {
    if !name.is_ascii() {
        return is_long_way_ncname(name);
    }
    // The fast path, for nearly all names of nearly all stanzas.
    name.as_bytes().split_first().is_some_and(|(first, rest)| {
        (first.is_ascii_alphabetic() || *first == b'_')
            && rest.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_'))
    })
}

fn is_long_way_ncname(name: &str) -> bool {
    let mut chars = name.chars();
    chars.next().is_some_and(is_name_start) && chars.all(is_name_char)
}

const fn is_name_start(c: char) -> bool {
    matches!(c,
        'a'..='z' | 'A'..='Z' | '_'
        | '\u{C0}'..='\u{D6}' | '\u{D8}'..='\u{F6}' | '\u{F8}'..='\u{2FF}'
        | '\u{370}'..='\u{37D}' | '\u{37F}'..='\u{1FFF}' | '\u{200C}'..='\u{200D}'
        | '\u{2070}'..='\u{218F}' | '\u{2C00}'..='\u{2FEF}' | '\u{3001}'..='\u{D7FF}'
        | '\u{F900}'..='\u{FDCF}' | '\u{FDF0}'..='\u{FFFD}' | '\u{10000}'..='\u{EFFFF}')
}

const fn is_name_char(c: char) -> bool {
    is_name_start(c)
        || matches!(c,
            '-' | '.' | '0'..='9' | '\u{B7}' | '\u{300}'..='\u{36F}' | '\u{203F}'..='\u{2040}')
}

/// Returns the character that `&name;` means: an entity of XML 1.0 section 4.6, or a character reference.
fn resolve_reference(name: &str) -> Result<char, ElementError> {
    let number = match name {
        "amp" => return Ok('&'),
        "lt" => return Ok('<'),
        "gt" => return Ok('>'),
        "quot" => return Ok('"'),
        "apos" => return Ok('\''),
        _ => name.strip_prefix('#').ok_or(ElementError::UnknownEntity)?,
    };
    let (digits, radix) = match number.strip_prefix('x') {
        Some(hex) => (hex, 16),
        None => (number, 10),
    };
    // `from_str_radix` would also accept a sign, which XML does not.
    if !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(ElementError::IllegalCharacter);
    }
    u32::from_str_radix(digits, radix)
        .ok()
        .and_then(char::from_u32)
        .filter(|&c| is_legal(c))
        .ok_or(ElementError::IllegalCharacter)
}

/// Appends literal text with line ends made `\n` (XML 1.0 section 2.11).
fn push_text(out: &mut String, text: &str) {
    let mut rest = text;
    while let Some((before, after)) = split_at_byte(rest, b'\r') {
        out.push_str(before);
        out.push('\n');
        rest = after.strip_prefix('\n').unwrap_or(after);
    }
    out.push_str(rest);
}

/// Appends the value of an attribute, with references resolved and literal white space turned into spaces
/// (XML 1.0 section 3.3.3).
fn push_value(out: &mut String, raw: &str) -> Result<(), ElementError> {
    let mut rest = raw;
    while let Some(c) = rest.chars().next() {
        rest = rest.get(c.len_utf8()..).unwrap_or_default();
        match c {
            '<' => return Err(ElementError::Syntax("a `<` in an attribute value")),
            '&' => {
                let (name, after) = split_at_byte(rest, b';').ok_or(ElementError::UnknownEntity)?;
                out.push(resolve_reference(name)?);
                rest = after;
            }
            '\r' => {
                out.push(' ');
                rest = rest.strip_prefix('\n').unwrap_or(rest);
            }
            '\t' | '\n' => out.push(' '),
            other => out.push(other),
        }
    }
    Ok(())
}

const XML: &str = "http://www.w3.org/XML/1998/namespace";
const XMLNS: &str = "http://www.w3.org/2000/xmlns/";

/// Most prefixes that are bound at once: more is an attack, and each lookup takes linear time.
const MAX_BINDINGS: usize = 64;

/// The namespaces that apply where a stanza begins: those that its stream header declared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    default: SmolStr,
    /// Prefixes and what they mean.
    bindings: Vec<(SmolStr, SmolStr)>,
}

impl Scope {
    /// Creates a scope with a default namespace and no prefix.
    pub fn with_default(ns: &str) -> Self {
        Self { default: SmolStr::new(ns), bindings: Vec::new() }
    }

    /// Returns the namespace of names without a prefix.
    pub fn default_ns(&self) -> &str {
        &self.default
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_byte_test_and_the_character_test_agree_on_every_character() {
        for c in (0..=0x0010_FFFF).filter_map(char::from_u32) {
            let mut buffer = [0; 4];
            assert_eq!(all_legal(c.encode_utf8(&mut buffer)), is_legal(c), "{:#x}", c as u32);
        }
    }

    #[test]
    fn illegal_characters_become_the_replacement_character() {
        assert_eq!(clean("a\u{1}b\u{FFFE}c\u{FFFF}\td"), "a\u{FFFD}b\u{FFFD}c\u{FFFD}\td");
        assert!(matches!(clean("plain \u{FFFD} ok"), Cow::Borrowed(_)));
    }

    #[test]
    fn only_the_five_names_and_legal_character_references_resolve() {
        for (name, c) in
            [("amp", '&'), ("apos", '\''), ("#65", 'A'), ("#x1F600", '😀'), ("#9", '\t')]
        {
            assert_eq!(resolve_reference(name), Ok(c));
        }
        for name in [
            "", "nbsp", "AMP", "#", "#x", "#0", "#1", "#xFFFE", "#xD800", "#x110000", "#+65",
            "#X41", "#-1",
        ] {
            assert!(resolve_reference(name).is_err(), "{name}");
        }
    }

    #[test]
    fn attribute_white_space_is_normalised_only_where_it_is_literal() {
        let value = |raw| {
            let mut out = String::new();
            push_value(&mut out, raw).map(|()| out)
        };
        assert_eq!(value("a\r\nb\tc&#10;d&#9;e").unwrap(), "a b c\nd\te");
        assert_eq!(value("a&lt;&#60;").unwrap(), "a<<");
        assert!(value("a<b").is_err());
        assert!(value("a&amp").is_err());
    }

    #[test]
    fn line_ends_become_line_feeds() {
        let mut out = String::new();
        push_text(&mut out, "a\r\nb\rc\n\rd");
        assert_eq!(out, "a\nb\nc\n\nd");
    }

    #[test]
    fn the_short_way_to_a_name_agrees_with_the_long_one() {
        for first in 0..0x80_u8 {
            for second in 0..0x80_u8 {
                let name = String::from_utf8(vec![first, second]).unwrap();
                assert_eq!(is_ncname(&name), is_long_way_ncname(&name), "{name:?}");
            }
        }
    }

    #[test]
    fn names_follow_the_namespace_rules() {
        for good in ["a", "_a", "a-b.c9", "é", "x\u{B7}"] {
            assert!(is_ncname(good), "{good}");
        }
        for bad in ["", "1a", ".=", "-a", "a:b", "a b", "\u{D7}", "a\u{2190}"] {
            assert!(!is_ncname(bad), "{bad}");
        }
    }

    fn read(xml: &str) -> Result<Document, ElementError> {
        Document::parse(xml.as_bytes(), "")
    }

    #[test]
    fn an_inner_binding_hides_the_outer_one_until_its_element_ends() {
        let document =
            read("<r xmlns:a='urn:1'><a:x><a:y xmlns:a='urn:2'/><a:z/></a:x></r>").unwrap();
        let x = document.root().child("urn:1", "x").unwrap();
        assert!(x.child("urn:2", "y").is_some());
        assert!(x.child("urn:1", "z").is_some());
        assert!(matches!(
            read("<r><x xmlns:a='urn:1'/><a:y/></r>"),
            Err(ElementError::UnboundPrefix)
        ));
    }

    #[test]
    fn reserved_names_stay_reserved() {
        for declared in [
            "xmlns:xml='urn:other'".to_owned(),
            format!("xmlns:other='{XML}'"),
            "xmlns:xmlns='urn:1'".to_owned(),
            format!("xmlns:a='{XMLNS}'"),
            "xmlns:a=''".to_owned(),
            format!("xmlns='{XML}'"),
        ] {
            assert!(read(&format!("<r {declared}/>")).is_err(), "{declared}");
        }
        assert!(read(&format!("<r xmlns:xml='{XML}'/>")).is_ok());
    }

    #[test]
    fn bindings_are_bounded() {
        let bound = |n: usize| {
            let outer: String = (1..n).map(|i| format!(" xmlns:p{i}='urn:1'")).collect();
            read(&format!("<r{outer}><x xmlns:more='urn:1'/></r>")).map(drop)
        };
        assert_eq!(bound(MAX_BINDINGS), Ok(()));
        assert_eq!(bound(MAX_BINDINGS + 1), Err(ElementError::TooManyAttributes));
    }

    #[test]
    fn a_document_that_was_used_before_has_nothing_of_what_was_in_it() {
        let scope = Scope::with_default("urn:d");
        let mut document = Document::default();
        document.read(b"<a k='v'>text<p:b xmlns:p='urn:p'/></a>", &scope).unwrap();
        assert!(document.read(b"<a><b></a>", &scope).is_err());
        assert_eq!(document.root().name(), "");
        let root = document.read(b"<c>&lt;<d/>more</c>", &scope).unwrap();
        assert_eq!((root.name(), root.ns(), root.attrs().count()), ("c", "urn:d", 0));
        assert_eq!((root.children().count(), root.text().as_ref()), (1, "<more"));
    }

    #[test]
    fn what_is_kept_of_a_document_is_the_element_alone() {
        let document = read("<a><b k='v'>1<c/>2</b><d/></a>").unwrap();
        let kept = document.root().child("", "b").unwrap().to_document();
        let b = kept.root();
        assert_eq!((b.name(), b.attr("k"), b.text().as_ref()), ("b", Some("v"), "12"));
        assert_eq!(b.children().map(ElementRef::name).collect::<Vec<_>>(), ["c"]);
    }
}
