//! Reads bytes as an element, more strictly than the tokenizer.
//!
//! quick-xml tokenizes; whatever it accepts although XMPP forbids it is refused here: illegal
//! characters, entities, invalid names, comments, a second root, an unfinished element.

use std::borrow::Cow;

use quick_xml::events::{BytesStart, Event};
use quick_xml::reader::Reader;
use smol_str::SmolStr;

use super::{Attribute, Element, ElementError, Node};

/// Most attributes of one element; comparing them with each other takes quadratic time.
pub const MAX_ATTRIBUTES: usize = 64;

/// Most elements inside each other, including the outermost.
pub const MAX_DEPTH: usize = 32;

impl Element {
    /// Reads exactly one element in which `default_ns` is the namespace of unprefixed names.
    ///
    /// Attributes of other namespaces are checked and then left out.
    ///
    /// # Errors
    /// [`ElementError`] for everything that is not well-formed, namespace-well-formed and allowed
    /// by RFC 6120 section 11.1, and for white space around the element.
    pub fn parse(bytes: &[u8], default_ns: &str) -> Result<Self, ElementError> {
        Self::parse_in(bytes, &Scope::with_default(default_ns))
    }

    /// Reads exactly one element within the namespaces of a scope, as [`Element::parse`] does.
    ///
    /// # Errors
    /// As [`Element::parse`].
    pub fn parse_in(bytes: &[u8], scope: &Scope) -> Result<Self, ElementError> {
        let mut reader = reader(bytes)?;
        let mut tree = Tree { scope: scope.clone(), open: Vec::new(), text: String::new() };
        let mut root = None;
        loop {
            let event = reader.read_event().map_err(|error| malformed(&error))?;
            if let Some(root) = root {
                return if event == Event::Eof { Ok(root) } else { Err(ElementError::Trailing) };
            }
            match event {
                Event::Start(tag) => tree.start(&tag)?,
                Event::Empty(tag) => {
                    tree.start(&tag)?;
                    root = tree.end();
                }
                Event::End(_) => root = tree.end(),
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
    /// As [`Element::parse`].
    pub(crate) fn parse_open_tag(bytes: &[u8]) -> Result<(Self, Scope), ElementError> {
        let mut reader = reader(bytes)?;
        let mut tree = Tree { scope: Scope::default(), open: Vec::new(), text: String::new() };
        let Event::Start(tag) = reader.read_event().map_err(|error| malformed(&error))? else {
            return Err(ElementError::Syntax("not a start tag"));
        };
        tree.start(&tag)?;
        if !matches!(reader.read_event(), Ok(Event::Eof)) {
            return Err(ElementError::Trailing);
        }
        let open = tree.open.pop().ok_or(ElementError::Incomplete)?;
        // For the stanzas of the stream these declarations are the outermost.
        tree.scope.bindings.iter_mut().for_each(|binding| binding.depth = 0);
        Ok((open.element, tree.scope))
    }
}

fn reader(bytes: &[u8]) -> Result<Reader<&[u8]>, ElementError> {
    let text = std::str::from_utf8(bytes).map_err(|_| ElementError::NotUtf8)?;
    if !all_legal(text) {
        return Err(ElementError::IllegalCharacter);
    }
    // The tokenizer would skip a byte order mark, so it is refused before.
    if text.starts_with('\u{FEFF}') {
        return Err(ElementError::Trailing);
    }
    Ok(Reader::from_str(text))
}

fn malformed(error: &quick_xml::Error) -> ElementError {
    ElementError::Syntax(if matches!(error, quick_xml::Error::IllFormed(_)) {
        "tags that do not match, or an `&` that begins no reference"
    } else {
        "markup that is no tag or does not end"
    })
}

/// The elements that are open, outermost first.
struct Tree {
    scope: Scope,
    open: Vec<Open>,
    /// Text since the last tag: it comes in pieces, one per reference and CDATA section.
    text: String,
}

struct Open {
    element: Element,
    outer_default: SmolStr,
}

impl Tree {
    fn start(&mut self, tag: &BytesStart<'_>) -> Result<(), ElementError> {
        self.flush();
        let depth = self.open.len().saturating_add(1);
        if depth > MAX_DEPTH {
            return Err(ElementError::TooDeep);
        }
        let outer_default = self.scope.default.clone();
        let attributes = self.attributes(tag.attributes_raw(), depth)?;
        let (prefix, local) = split_name(tag.name().into_inner())?;
        let ns = match prefix {
            Some(prefix) => self.scope.resolve(prefix)?,
            None => self.scope.default.clone(),
        };
        let element = Element { ns, name: SmolStr::new(local), attributes, nodes: Vec::new() };
        self.open.push(Open { element, outer_default });
        Ok(())
    }

    /// Applies the namespace declarations among the attributes, and returns the other attributes.
    fn attributes(&mut self, raw: &str, depth: usize) -> Result<Vec<Attribute>, ElementError> {
        let expected = memchr::memchr_iter(b'=', raw.as_bytes()).count().min(MAX_ATTRIBUTES);
        let mut attributes: Vec<Attribute> = Vec::with_capacity(expected);
        let mut prefixed: Vec<(&str, &str)> = Vec::new();
        let mut default_given = false;
        let mut rest = raw;
        for count in 0_usize.. {
            let Some((name, value, after)) = next_attribute(rest)? else { break };
            if count >= MAX_ATTRIBUTES {
                return Err(ElementError::TooManyAttributes);
            }
            rest = after;
            let value = attribute_value(value)?;
            match split_name(name)? {
                (None, "xmlns") if default_given => return Err(ElementError::DuplicateAttribute),
                (None, "xmlns") => {
                    default_given = true;
                    self.scope.set_default(value)?;
                }
                (Some("xmlns"), prefix) => self.scope.bind(prefix, value, depth)?,
                (Some(prefix), local) if prefix != "xml" => prefixed.push((prefix, local)),
                (None | Some(_), _) if attributes.iter().any(|a| a.name == name) => {
                    return Err(ElementError::DuplicateAttribute);
                }
                (None | Some(_), _) => {
                    attributes.push(Attribute { name: SmolStr::new(name), value });
                }
            }
        }
        self.expanded_names_differ(&prefixed)?;
        Ok(attributes)
    }

    /// Refuses names that expand to the same: `a:k` and `b:k` with equal prefixes (XML Namespaces 1.0 section 6.3).
    fn expanded_names_differ(&self, names: &[(&str, &str)]) -> Result<(), ElementError> {
        let mut seen: Vec<(SmolStr, &str)> = Vec::with_capacity(names.len());
        for &(prefix, local) in names {
            let expanded = (self.scope.resolve(prefix)?, local);
            if seen.contains(&expanded) {
                return Err(ElementError::DuplicateAttribute);
            }
            seen.push(expanded);
        }
        Ok(())
    }

    /// Ends the innermost element; returns it if it was the outermost.
    fn end(&mut self) -> Option<Element> {
        self.flush();
        self.scope.leave(self.open.len());
        let Open { element, outer_default } = self.open.pop()?;
        self.scope.default = outer_default;
        match self.open.last_mut() {
            Some(parent) => {
                parent.element.nodes.push(Node::Element(element));
                None
            }
            None => Some(element),
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
        push_text(&mut self.text, text);
        Ok(())
    }

    fn reference(&mut self, name: &str) -> Result<(), ElementError> {
        self.inside()?;
        self.text.push(resolve_reference(name)?);
        Ok(())
    }

    fn inside(&self) -> Result<(), ElementError> {
        if self.open.is_empty() { Err(ElementError::Trailing) } else { Ok(()) }
    }

    fn flush(&mut self) {
        if self.text.is_empty() {
            return;
        }
        if let Some(open) = self.open.last_mut() {
            open.element.nodes.push(Node::Text(SmolStr::new(&self.text)));
        }
        self.text.clear();
    }
}

/// Splits a qualified name into its prefix and its local part.
fn split_name(name: &str) -> Result<(Option<&str>, &str), ElementError> {
    let (prefix, local) = match name.split_once(':') {
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
        start.split_once('=').ok_or(ElementError::Syntax("an attribute without a value"))?;
    let after = after.trim_start_matches(WHITE_SPACE);
    let (value, rest) = match (after.strip_prefix('\''), after.strip_prefix('"')) {
        (Some(quoted), _) => quoted.split_once('\''),
        (None, Some(quoted)) => quoted.split_once('"'),
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
    while let Some((before, after)) = rest.split_once('\r') {
        out.push_str(before);
        out.push('\n');
        rest = after.strip_prefix('\n').unwrap_or(after);
    }
    out.push_str(rest);
}

/// Returns the value of an attribute, with references resolved and literal white space turned into spaces
/// (XML 1.0 section 3.3.3).
fn attribute_value(raw: &str) -> Result<SmolStr, ElementError> {
    if !raw.bytes().any(|b| matches!(b, b'&' | b'<' | b'\t' | b'\n' | b'\r')) {
        return Ok(SmolStr::new(raw));
    }
    let mut out = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(c) = rest.chars().next() {
        rest = rest.get(c.len_utf8()..).unwrap_or_default();
        match c {
            '<' => return Err(ElementError::Syntax("a `<` in an attribute value")),
            '&' => {
                let (name, after) = rest.split_once(';').ok_or(ElementError::UnknownEntity)?;
                out.push(resolve_reference(name)?);
                rest = after;
            }
            '\r' => {
                rest = rest.strip_prefix('\n').unwrap_or(rest);
                out.push(' ');
            }
            '\t' | '\n' => out.push(' '),
            other => out.push(other),
        }
    }
    Ok(SmolStr::from(out))
}

const XML: &str = "http://www.w3.org/XML/1998/namespace";
const XMLNS: &str = "http://www.w3.org/2000/xmlns/";

/// Most prefixes that are bound at once: more is an attack, and each lookup takes linear time.
const MAX_BINDINGS: usize = 64;

/// The namespaces that apply where a stanza begins: those that its stream header declared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    default: SmolStr,
    bindings: Vec<Binding>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Binding {
    prefix: SmolStr,
    ns: SmolStr,
    depth: usize,
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

    fn set_default(&mut self, ns: SmolStr) -> Result<(), ElementError> {
        if ns == XML || ns == XMLNS {
            return Err(ElementError::ReservedNamespace);
        }
        self.default = ns;
        Ok(())
    }

    /// Binds a prefix for the element at `depth` and everything in it.
    fn bind(&mut self, prefix: &str, ns: SmolStr, depth: usize) -> Result<(), ElementError> {
        if !is_ncname(prefix) {
            return Err(ElementError::Syntax("a prefix is not a name"));
        }
        if (prefix == "xml") != (ns == XML) || prefix == "xmlns" || ns == XMLNS {
            return Err(ElementError::ReservedNamespace);
        }
        if ns.is_empty() {
            return Err(ElementError::UnboundPrefix);
        }
        let here = self.bindings.iter().rev().take_while(|b| b.depth == depth);
        if here.into_iter().any(|b| b.prefix == prefix) {
            return Err(ElementError::DuplicateAttribute);
        }
        if self.bindings.len() >= MAX_BINDINGS {
            return Err(ElementError::TooManyAttributes);
        }
        self.bindings.push(Binding { prefix: SmolStr::new(prefix), ns, depth });
        Ok(())
    }

    /// Forgets the prefixes that the element at `depth` bound.
    fn leave(&mut self, depth: usize) {
        while self.bindings.last().is_some_and(|b| b.depth >= depth && depth > 0) {
            self.bindings.pop();
        }
    }

    /// Returns the namespace that a prefix means here.
    fn resolve(&self, prefix: &str) -> Result<SmolStr, ElementError> {
        if prefix == "xml" {
            return Ok(SmolStr::new_static(XML));
        }
        let found = self.bindings.iter().rev().find(|b| b.prefix == prefix);
        found.map(|b| b.ns.clone()).ok_or(ElementError::UnboundPrefix)
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
        assert_eq!(attribute_value("a\r\nb\tc&#10;d&#9;e").unwrap(), "a b c\nd\te");
        assert_eq!(attribute_value("a&lt;&#60;").unwrap(), "a<<");
        assert!(attribute_value("a<b").is_err());
        assert!(attribute_value("a&amp").is_err());
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

    #[test]
    fn an_inner_binding_hides_the_outer_one_until_its_element_ends() {
        let mut scope = Scope::default();
        scope.bind("a", "urn:1".into(), 1).unwrap();
        scope.bind("a", "urn:2".into(), 2).unwrap();
        assert_eq!(scope.resolve("a").unwrap(), "urn:2");
        scope.leave(2);
        assert_eq!(scope.resolve("a").unwrap(), "urn:1");
        scope.leave(1);
        assert_eq!(scope.resolve("a"), Err(ElementError::UnboundPrefix));
    }

    #[test]
    fn reserved_names_stay_reserved() {
        let mut scope = Scope::default();
        assert!(scope.bind("xml", "urn:other".into(), 1).is_err());
        assert!(scope.bind("other", XML.into(), 1).is_err());
        assert!(scope.bind("xmlns", "urn:1".into(), 1).is_err());
        assert!(scope.bind("a", XMLNS.into(), 1).is_err());
        assert!(scope.bind("a", "".into(), 1).is_err());
        assert!(scope.set_default(XML.into()).is_err());
        assert!(scope.bind("xml", XML.into(), 1).is_ok());
    }

    #[test]
    fn bindings_are_bounded() {
        let mut scope = Scope::default();
        for n in 0..MAX_BINDINGS {
            scope.bind(&format!("p{n}"), "urn:1".into(), 1).unwrap();
        }
        assert_eq!(scope.bind("more", "urn:1".into(), 1), Err(ElementError::TooManyAttributes));
    }
}
