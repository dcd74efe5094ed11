//! An XML element: a stanza or a part of one.
//!
//! INVARIANT: an [`Element`] holds only characters that XML 1.0 allows, valid names, and
//! no attribute twice, whether it was read or built. So writing one cannot fail and cannot break
//! the stream: a server closes a link because of a single illegal character.

mod document;
mod parse;

use std::borrow::Cow;

use smol_str::SmolStr;

pub use self::document::{Document, ElementRef};
pub(crate) use self::parse::next_attribute;
pub use self::parse::{MAX_ATTRIBUTES, MAX_DEPTH, Scope};
use self::parse::{clean, is_ncname};

/// An element with its namespace, attributes, children and text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Element {
    ns: SmolStr,
    name: SmolStr,
    attributes: Vec<Attribute>,
    nodes: Vec<Node>,
}

/// Attributes for which memory is taken at first: an answer has as many.
const ATTRIBUTES: usize = 5;

#[derive(Clone, Debug, PartialEq, Eq)]
struct Attribute {
    name: SmolStr,
    value: SmolStr,
}

// INVARIANT: no text is empty and no two texts are neighbours, so equal XML is an equal element.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Node {
    Element(Element),
    Text(SmolStr),
}

/// Why bytes are not a valid element, or an element is not as requested.
///
/// No variant contains text from the network, except a name that was asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ElementError {
    /// The bytes are not UTF-8 (RFC 6120 section 11.6).
    #[error("not valid UTF-8")]
    NotUtf8,
    /// A character that XML 1.0 does not allow, literally or by reference.
    #[error("a character that XML does not allow")]
    IllegalCharacter,
    /// The bytes are not well-formed XML.
    #[error("not well-formed XML: {0}")]
    Syntax(&'static str),
    /// A comment, processing instruction, declaration or DTD (RFC 6120 section 11.1).
    #[error("XML that XMPP does not allow: {0}")]
    Restricted(&'static str),
    /// A reference to something other than the five predefined entities.
    #[error("a reference to an entity that is not predefined")]
    UnknownEntity,
    /// A prefix that was not declared.
    #[error("a namespace prefix that is not declared")]
    UnboundPrefix,
    /// One of the prefixes `xml` and `xmlns`, or of their namespaces, was redefined.
    #[error("a reserved prefix or namespace is redefined")]
    ReservedNamespace,
    /// An attribute is given twice, by name or by expanded name.
    #[error("an attribute is given twice")]
    DuplicateAttribute,
    /// There are more attributes or prefixes than [`MAX_ATTRIBUTES`].
    #[error("more than {MAX_ATTRIBUTES} attributes on one element")]
    TooManyAttributes,
    /// Elements are nested deeper than [`MAX_DEPTH`].
    #[error("elements nested deeper than {MAX_DEPTH}")]
    TooDeep,
    /// The bytes end inside the element.
    #[error("the element does not end")]
    Incomplete,
    /// There is something before or after the element.
    #[error("there is more than the element")]
    Trailing,
    /// A child is given twice where one is allowed: two readers may pick different ones.
    #[error("`{0}` is given more than once")]
    Repeated(SmolStr),
}

impl Element {
    /// Creates an empty element. Illegal characters in `ns` become U+FFFD; `name` must be an XML name.
    pub fn new(ns: impl Into<Cow<'static, str>>, name: &'static str) -> Self {
        debug_assert!(is_ncname(name), "an element name must be an XML name");
        Self {
            ns: keep(ns.into()),
            name: SmolStr::new_static(name),
            attributes: Vec::new(),
            nodes: Vec::new(),
        }
    }

    /// Returns the name without a prefix.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the namespace; empty for none.
    pub fn ns(&self) -> &str {
        &self.ns
    }

    /// Returns whether this is `{ns}name`.
    pub fn is(&self, ns: &str, name: &str) -> bool {
        self.name == name && self.ns == ns
    }

    /// Returns the value of an attribute without a namespace; `xml:lang` is read under that name.
    pub fn attr(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|a| a.name == name).map(|a| a.value.as_str())
    }

    /// Returns the attributes in the order in which they were written, except those of other namespaces.
    pub fn attrs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.attributes.iter().map(|a| (a.name.as_str(), a.value.as_str()))
    }

    /// Adds or replaces an attribute. Illegal characters in the value become U+FFFD.
    #[must_use]
    pub fn with_attr(mut self, name: &'static str, value: impl AsRef<str>) -> Self {
        self.set_attr(name, value);
        self
    }

    /// Adds or replaces an attribute if there is a value.
    #[must_use]
    pub fn with_attr_opt(self, name: &'static str, value: Option<impl AsRef<str>>) -> Self {
        match value {
            Some(value) => self.with_attr(name, value),
            None => self,
        }
    }

    /// Adds or replaces an attribute. Illegal characters in the value become U+FFFD.
    pub fn set_attr(&mut self, name: &'static str, value: impl AsRef<str>) {
        let local = name.strip_prefix("xml:").unwrap_or(name);
        debug_assert!(
            is_ncname(local) && local != "xmlns",
            "an attribute name must be an XML name"
        );
        let value = SmolStr::new(clean(value.as_ref()));
        match self.attributes.iter_mut().find(|a| a.name == name) {
            Some(attribute) => attribute.value = value,
            None => {
                if self.attributes.is_empty() {
                    self.attributes.reserve_exact(ATTRIBUTES);
                }
                self.attributes.push(Attribute { name: SmolStr::new_static(name), value });
            }
        }
    }

    /// Appends text. Illegal characters become U+FFFD.
    #[must_use]
    pub fn with_text(mut self, text: impl AsRef<str>) -> Self {
        self.push_text(&clean(text.as_ref()));
        self
    }

    /// Appends a child.
    #[must_use]
    pub fn with_child(mut self, child: Self) -> Self {
        self.push_child(child);
        self
    }

    /// Appends a child if there is one.
    #[must_use]
    pub fn with_child_opt(self, child: Option<Self>) -> Self {
        self.with_children(child)
    }

    /// Appends children.
    #[must_use]
    pub fn with_children(mut self, children: impl IntoIterator<Item = Self>) -> Self {
        self.nodes.extend(children.into_iter().map(Node::Element));
        self
    }

    /// Appends a child.
    pub fn push_child(&mut self, child: Self) {
        self.nodes.push(Node::Element(child));
    }

    /// Returns the child elements, in order.
    pub fn children(&self) -> impl Iterator<Item = &Self> {
        self.nodes.iter().filter_map(|node| match node {
            Node::Element(child) => Some(child),
            Node::Text(_) => None,
        })
    }

    /// Returns the first child `{ns}name`.
    pub fn child(&self, ns: &str, name: &str) -> Option<&Self> {
        self.children().find(|child| child.is(ns, name))
    }

    /// Returns all text directly in this element, joined.
    pub fn text(&self) -> String {
        let texts = self.nodes.iter().filter_map(|node| match node {
            Node::Text(text) => Some(text.as_str()),
            Node::Element(_) => None,
        });
        texts.collect()
    }

    /// Appends text that is known to have only legal characters.
    fn push_text(&mut self, text: &str) {
        match self.nodes.last_mut() {
            _ if text.is_empty() => {}
            Some(Node::Text(last)) => *last = [last.as_str(), text].concat().into(),
            Some(Node::Element(_)) | None => self.nodes.push(Node::Text(SmolStr::new(text))),
        }
    }
}

/// Returns the element as the other side reads it.
#[cfg(test)]
pub(crate) fn received(element: &Element) -> Document {
    let mut bytes = Vec::new();
    element.write(&mut bytes);
    let document = Document::parse(&bytes, "");
    assert!(document.is_ok(), "{document:?}");
    document.unwrap_or_default()
}

fn keep(text: Cow<'static, str>) -> SmolStr {
    if let Cow::Borrowed(text) = text
        && parse::all_legal(text)
    {
        return SmolStr::new_static(text);
    }
    SmolStr::new(clean(&text))
}

impl Element {
    /// Appends the element as XML to `out`.
    ///
    /// The output can stand alone: the root declares its namespace unless it has none.
    pub fn write(&self, out: &mut Vec<u8>) {
        self.write_in("", out);
    }

    /// Appends the element as XML to `out`, for a place where `parent_ns` is the default namespace,
    /// such as the stream's.
    ///
    /// A namespace is declared only where it differs from the parent's; no prefix is ever used,
    /// so the result means the same in any stream.
    pub fn write_in(&self, parent_ns: &str, out: &mut Vec<u8>) {
        out.push(b'<');
        out.extend_from_slice(self.name.as_bytes());
        if self.ns != parent_ns {
            out.extend_from_slice(b" xmlns='");
            escape_value(&self.ns, out);
            out.push(b'\'');
        }
        for attribute in &self.attributes {
            write_attribute(&attribute.name, &attribute.value, out);
        }
        if self.nodes.is_empty() {
            out.extend_from_slice(b"/>");
            return;
        }
        out.push(b'>');
        for node in &self.nodes {
            match node {
                Node::Element(child) => child.write_in(&self.ns, out),
                Node::Text(text) => escape(text, text_escape, out),
            }
        }
        out.extend_from_slice(b"</");
        out.extend_from_slice(self.name.as_bytes());
        out.push(b'>');
    }
}

/// Appends an attribute. Illegal characters in the value become U+FFFD.
pub(super) fn push_attribute(name: &str, value: &str, out: &mut Vec<u8>) {
    write_attribute(name, &clean(value), out);
}

fn write_attribute(name: &str, value: &str, out: &mut Vec<u8>) {
    out.push(b' ');
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"='");
    escape_value(value, out);
    out.push(b'\'');
}

/// Appends a value, escaped for use between single quotes.
pub(crate) fn escape_value(value: &str, out: &mut Vec<u8>) {
    escape(value, value_escape, out);
}

/// Returns the escape of a byte in text: `>` so that `]]>` cannot appear, `\r` so that it is not read as a line end.
const fn text_escape(byte: u8) -> &'static [u8] {
    match byte {
        b'&' => b"&amp;",
        b'<' => b"&lt;",
        b'>' => b"&gt;",
        b'\r' => b"&#13;",
        _ => b"",
    }
}

/// Returns the escape of a byte in a value: white space other than a space would be read back as a space.
const fn value_escape(byte: u8) -> &'static [u8] {
    match byte {
        b'\'' => b"&apos;",
        b'\t' => b"&#9;",
        b'\n' => b"&#10;",
        other => text_escape(other),
    }
}

#[inline]
fn escape(text: &str, replacement: impl Fn(u8) -> &'static [u8], out: &mut Vec<u8>) {
    let mut rest = text.as_bytes();
    while let Some(at) = rest.iter().position(|&b| !replacement(b).is_empty()) {
        let (before, from) = rest.split_at(at);
        out.extend_from_slice(before);
        if let Some((&special, after)) = from.split_first() {
            out.extend_from_slice(replacement(special));
            rest = after;
        }
    }
    out.extend_from_slice(rest);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::xmpp::oracle_accepts;

    fn read(xml: &str) -> Result<Document, ElementError> {
        Document::parse(xml.as_bytes(), "urn:default")
    }

    #[test]
    fn text_is_joined_across_references_and_cdata() {
        let document = read("<a>adm&#105;n &amp; <b/>co<![CDATA[<&]]>!</a>").unwrap();
        let element = document.root();
        assert_eq!(element.text(), "admin & co<&!");
        assert_eq!(element.child("urn:default", "b").unwrap().name(), "b");
    }

    #[test]
    fn namespaces_are_resolved_and_unescaped_before_they_are_compared() {
        let document =
            read("<a xmlns='jabber&#58;client'><p:b xmlns:p='urn:p'><c/></p:b></a>").unwrap();
        let element = document.root();
        assert!(element.is("jabber:client", "a"));
        let child = element.child("urn:p", "b").unwrap();
        assert!(child.child("jabber:client", "c").is_some());
        assert!(read("<a xmlns=''/>").unwrap().root().is("", "a"));
        let outer = read("<a><b xmlns='urn:b'/><c/></a>").unwrap();
        assert!(outer.root().child("urn:default", "c").is_some());
    }

    #[test]
    fn attributes_of_other_namespaces_do_not_pass_as_plain_ones() {
        let document = read("<a p:k='other' xmlns:p='urn:p' k='v' xml:lang='en'/>").unwrap();
        let element = document.root();
        assert_eq!(element.attr("k"), Some("v"));
        assert_eq!(element.attr("xml:lang"), Some("en"));
        assert_eq!(element.attrs().count(), 2);
    }

    #[test]
    fn a_value_may_have_what_ends_a_tag_elsewhere() {
        let document = read("<a k='/>' l=\"'>\" m='\"' ><b n='/a>'/></a >").unwrap();
        let element = document.root();
        let values = ["k", "l", "m"].map(|name| element.attr(name).unwrap());
        assert_eq!(values, ["/>", "'>", "\""]);
        assert_eq!(element.child("urn:default", "b").unwrap().attr("n"), Some("/a>"));
    }

    #[test]
    fn what_xmpp_forbids_is_refused() {
        for xml in [
            "",
            " <a/>",
            "<a/> ",
            "\u{FEFF}<a/>",
            "text",
            "<a/><b/>",
            "<a/>text",
            "<a/>&amp;",
            "<a>",
            "<a><b></a>",
            "<a></b>",
            "</a>",
            "<a",
            "<a k='v",
            "<!DOCTYPE a><a/>",
            "<a><!DOCTYPE a></a>",
            "<?xml version='1.0'?><a/>",
            "<a><?pi x?></a>",
            "<a><!-- c --></a>",
            "<1a .='x'/>",
            "<a .='x'/>",
            "< a/>",
            "<a:b:c/>",
            "<:a/>",
            "<a:/>",
            "<a>]]></a>",
            "<a k='<'/>",
            "<a>\u{1}</a>",
            "<a>\u{FFFF}</a>",
            "<a k='\u{1}'/>",
            "<a>&#1;</a>",
            "<a>&#xFFFE;</a>",
            "<a>&#xD800;</a>",
            "<a>&nbsp;</a>",
            "<a>& b</a>",
            "<a>&amp</a>",
            "<a k='&nope;'/>",
            "<a k='1' k='2'/>",
            "<a xmlns='urn:1' xmlns='urn:1'/>",
            "<a xmlns:p='urn:1' xmlns:p='urn:1'/>",
            "<a xmlns:p='urn:1' xmlns:q='urn:1' p:k='1' q:k='2'/>",
            "<p:a/>",
            "<a p:k='v'/>",
            "<a><b xmlns:p='urn:p'/><p:c/></a>",
            "<a xmlns:p=''/>",
            "<a xmlns:xmlns='urn:1'/>",
            "<a xmlns:xml='urn:1'/>",
            "<a k='1'j='2'/>",
            "<a k/>",
            "<a k=v/>",
            "<a / >",
            "</ a>",
            "<a></ a>",
            "<a><![CDATA[x]]</a>",
            "<a><![cdata[x]]></a>",
            "<a><b></b",
            "<a k='>",
            "<a>&amp",
            "<a>&#65</a>;",
            "<a/ >",
            "<a></a b='c'>",
        ] {
            assert!(read(xml).is_err(), "{xml}");
        }
        assert_eq!(Document::parse(b"<a>\xFF</a>", "").err(), Some(ElementError::NotUtf8));
    }

    #[test]
    fn depth_and_attributes_are_bounded() {
        let nested = |n: usize| format!("{}{}", "<a>".repeat(n), "</a>".repeat(n));
        assert!(read(&nested(MAX_DEPTH)).is_ok());
        assert_eq!(read(&nested(MAX_DEPTH + 1)).err(), Some(ElementError::TooDeep));
        let wide = |n: usize| {
            let attributes: String = (0..n).map(|i| format!(" a{i}=''")).collect();
            format!("<a{attributes}/>")
        };
        assert!(read(&wide(MAX_ATTRIBUTES)).is_ok());
        assert_eq!(read(&wide(MAX_ATTRIBUTES + 1)).err(), Some(ElementError::TooManyAttributes));
    }

    #[test]
    fn a_child_given_twice_is_refused_where_one_is_allowed() {
        let document = read("<a><password>1</password><password>2</password><b/></a>").unwrap();
        let element = document.root();
        assert_eq!(
            element.only_child("urn:default", "password").err(),
            Some(ElementError::Repeated("password".into()))
        );
        assert!(element.only_child("urn:default", "b").unwrap().is_some());
        assert!(element.only_child("urn:other", "b").is_ok_and(|found| found.is_none()));
    }

    #[test]
    fn an_attribute_set_twice_keeps_the_last_value() {
        let element = Element::new("", "a").with_attr("k", "1").with_attr("k", "2");
        assert_eq!(element.attr("k"), Some("2"));
        assert_eq!(element.attrs().count(), 1);
        assert_eq!(Element::new("", "a").with_attr_opt("k", None::<&str>).attr("k"), None);
    }

    #[test]
    fn a_start_tag_gives_its_content_its_namespaces() {
        let header = b"<s:stream xmlns:s='urn:stream' xmlns='urn:c' id='7'>";
        let (document, scope) = Document::parse_open_tag(header).unwrap();
        assert!(document.root().is("urn:stream", "stream"));
        assert_eq!(scope.default_ns(), "urn:c");
        let error = Document::parse_in(b"<s:error><x/></s:error>", &scope).unwrap();
        let inner = error.root();
        assert!(inner.is("urn:stream", "error"));
        assert!(inner.child("urn:c", "x").is_some());
        assert!(Document::parse_open_tag(b"<a/>").is_err());
        assert!(Document::parse_open_tag(b"<a><b>").is_err());
    }

    fn any_name() -> impl Strategy<Value = &'static str> {
        prop::sample::select(vec!["a", "body", "x-1", "query", "_u", "é"])
    }

    fn any_ns() -> impl Strategy<Value = &'static str> {
        prop::sample::select(vec!["", "urn:a", "jabber:component:accept", "urn:'\"<>&"])
    }

    fn any_element() -> impl Strategy<Value = Element> {
        let text = "(?s).{0,12}";
        let attributes = prop::collection::vec((any_name(), text), 0..4);
        let leaf = (any_ns(), any_name(), attributes, text).prop_map(|(ns, name, attrs, text)| {
            let element = Element::new(ns, name).with_text(text);
            attrs.into_iter().fold(element, |element, (name, value)| element.with_attr(name, value))
        });
        leaf.prop_recursive(4, 24, 4, move |inner| {
            let children = prop::collection::vec((inner, text), 0..4);
            (any_ns(), any_name(), children).prop_map(|(ns, name, children)| {
                children.into_iter().fold(Element::new(ns, name), |element, (child, text)| {
                    element.with_child(child).with_text(text)
                })
            })
        })
    }

    proptest! {
        #[test]
        fn reading_undoes_writing(element in any_element()) {
            let mut alone = Vec::new();
            element.write(&mut alone);
            let read = Document::parse(&alone, "").unwrap();
            prop_assert_eq!(&read.root(), &element);
            let mut inside = Vec::new();
            element.write_in("urn:a", &mut inside);
            let read = Document::parse(&inside, "urn:a").unwrap();
            prop_assert_eq!(&read.root(), &element);
        }

        #[test]
        fn nothing_written_has_an_illegal_character(
            text in any::<String>(), controls in prop::collection::vec(any::<char>(), 0..8),
            low in prop::collection::vec(0_u8..0x20, 0..8),
        ) {
            let dirty: String = text.chars().chain(controls).chain(low.iter().map(|&b| char::from(b)))
                .chain(['\u{FFFE}', '\u{FFFF}']).collect();
            let element = Element::new(dirty.clone(), "a").with_attr("k", &dirty).with_text(&dirty);
            let mut out = Vec::new();
            element.write(&mut out);
            prop_assert!(std::str::from_utf8(&out).unwrap().chars().all(parse::is_legal));
            let read = Document::parse(&out, "").unwrap();
            prop_assert_eq!(&read.root(), &element);
        }

        #[test]
        fn no_bytes_panic_the_reader(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Document::parse(&bytes, "");
        }

        #[test]
        fn what_the_oracle_refuses_is_refused(
            pieces in prop::collection::vec(prop::sample::select(vec![
                "<a>", "</a>", "<b k='v'>", "</b>", "<c/>", "<p:d/>", "<e xmlns='urn:e'>", "</e>", "<",
                ">", "&amp;", "&lt", "&#x41;", "&#1;", "&x;", "'", "\"", "=", " k='1'", " ", "]]>", "x",
                "<![CDATA[", "<!--", "-->", "<?p ?>", "<!DOCTYPE a>", "/", "\u{1}", "é", "xmlns:p='u'",
                "<f xmlns:p='u'>", "</f>", "<g k='a' k='b'/>", "\r\n", "\u{FFFE}",
            ]), 0..8), wrap in any::<bool>(),
        ) {
            let inner = pieces.concat();
            let xml = if wrap { format!("<r>{inner}</r>") } else { inner };
            if !oracle_accepts(xml.as_bytes(), true) {
                prop_assert!(read(&xml).is_err(), "{xml:?}");
            }
        }
    }

    #[test]
    fn the_oracle_tells_good_from_bad() {
        assert!(oracle_accepts(b"<a xmlns='urn:a'>&amp;<b/></a>", true));
        for xml in ["<a>&x;</a>", "<a><!-- --></a>", "<a>\u{1}</a>", "<a></b>", "<p:a/>", "<a>"] {
            assert!(!oracle_accepts(xml.as_bytes(), true), "{xml}");
        }
    }

    fn written(element: &Element) -> String {
        let mut out = Vec::new();
        element.write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_namespace_is_declared_only_where_it_changes() {
        let element = Element::new("urn:a", "a")
            .with_child(Element::new("urn:a", "b").with_child(Element::new("", "c")))
            .with_child(Element::new("urn:d", "d").with_attr("k", "v"));
        assert_eq!(
            written(&element),
            "<a xmlns='urn:a'><b><c xmlns=''/></b><d xmlns='urn:d' k='v'/></a>"
        );
        let mut inside = Vec::new();
        element.write_in("urn:a", &mut inside);
        assert!(inside.starts_with(b"<a><b>"));
    }

    #[test]
    fn what_xml_would_misread_is_escaped() {
        let element =
            Element::new("", "a").with_attr("k", "'\"<>&\t\n\r").with_text("]]> & < \r '\"");
        assert_eq!(
            written(&element),
            "<a k='&apos;\"&lt;&gt;&amp;&#9;&#10;&#13;'>]]&gt; &amp; &lt; &#13; '\"</a>"
        );
    }
}
