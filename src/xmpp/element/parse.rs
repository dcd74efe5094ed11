//! Bytes to an element, stricter than the tokenizer below it.
//!
//! quick-xml tokenizes; everything that XMPP forbids and it accepts is refused here: illegal
//! characters, entities, names that are no names, comments, a second root, an open end.

use quick_xml::events::{BytesStart, Event};
use quick_xml::reader::Reader;
use smol_str::SmolStr;

use super::chars::{all_legal, attribute_value, is_ncname, push_text, resolve_reference};
use super::scope::Scope;
use super::{Attribute, Element, ElementError, Node};

/// Attributes on one element; comparing them with each other is quadratic.
pub const MAX_ATTRIBUTES: usize = 64;

/// Elements inside each other, the outermost counted.
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

    /// Reads exactly one element where the scope's namespaces hold, as [`Element::parse`] does.
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

    /// Reads one start tag, such as a stream header, and what it declares for its content.
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
        Ok((open.element, tree.scope.into_outer()))
    }
}

fn reader(bytes: &[u8]) -> Result<Reader<&[u8]>, ElementError> {
    let text = std::str::from_utf8(bytes).map_err(|_| ElementError::NotUtf8)?;
    if !all_legal(text) {
        return Err(ElementError::IllegalCharacter);
    }
    // The tokenizer would skip a byte order mark.
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

/// The elements that are open, the outermost first.
struct Tree {
    scope: Scope,
    open: Vec<Open>,
    /// Text since the last tag: it arrives in pieces, one per reference and CDATA section.
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
        let outer_default = self.scope.default_smol();
        let attributes = self.attributes(tag.attributes_raw(), depth)?;
        let (prefix, local) = split_name(tag.name().into_inner())?;
        let ns = match prefix {
            Some(prefix) => self.scope.resolve(prefix)?,
            None => self.scope.default_smol(),
        };
        let element = Element { ns, name: SmolStr::new(local), attributes, nodes: Vec::new() };
        self.open.push(Open { element, outer_default });
        Ok(())
    }

    /// Applies the namespace declarations among the attributes and returns the others.
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

    /// XML Namespaces 1.0 section 6.3: `a:k` and `b:k` clash when both prefixes mean the same.
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
        self.scope.restore_default(outer_default);
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

/// The prefix and the local part of a qualified name.
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

/// The next `name="value"` of a tag and what follows it; `None` at the end.
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
