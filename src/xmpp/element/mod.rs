//! One XML element: a stanza or a part of one.
//!
//! INVARIANT: an [`Element`] holds only characters that XML 1.0 allows, names that are names, and
//! no attribute twice, whether it was read or built. So writing one cannot fail and cannot break
//! the stream: a server closes a link over a single illegal character.

mod chars;
mod parse;
mod scope;
mod write;

use std::borrow::Cow;

use smol_str::SmolStr;

use self::chars::{clean, is_ncname};

pub(crate) use self::parse::next_attribute;
pub use self::parse::{MAX_ATTRIBUTES, MAX_DEPTH};
pub use self::scope::Scope;
pub(crate) use self::write::escape_value;

/// An element with its namespace, attributes, children and text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Element {
    ns: SmolStr,
    name: SmolStr,
    attributes: Vec<Attribute>,
    nodes: Vec<Node>,
}

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

/// Why bytes are not an element, or an element is not what was asked for.
///
/// No variant carries text from the wire.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ElementError {
    /// The bytes are not UTF-8 (RFC 6120 section 11.6).
    #[error("not valid UTF-8")]
    NotUtf8,
    /// A character that XML 1.0 does not allow, literally or by reference.
    #[error("a character that XML does not allow")]
    IllegalCharacter,
    /// Not well-formed.
    #[error("not well-formed XML: {0}")]
    Syntax(&'static str),
    /// A comment, processing instruction, declaration or DTD (RFC 6120 section 11.1).
    #[error("XML that XMPP does not allow: {0}")]
    Restricted(&'static str),
    /// A reference to something other than the five predefined entities.
    #[error("a reference to an entity that is not predefined")]
    UnknownEntity,
    /// A prefix that nothing declared.
    #[error("a namespace prefix that is not declared")]
    UnboundPrefix,
    /// The prefixes `xml` and `xmlns` or their namespaces were redefined.
    #[error("a reserved prefix or namespace is redefined")]
    ReservedNamespace,
    /// The same attribute twice, by name or by expanded name.
    #[error("an attribute is given twice")]
    DuplicateAttribute,
    /// More attributes or prefixes than [`MAX_ATTRIBUTES`].
    #[error("more than {MAX_ATTRIBUTES} attributes on one element")]
    TooManyAttributes,
    /// Elements nested deeper than [`MAX_DEPTH`].
    #[error("elements nested deeper than {MAX_DEPTH}")]
    TooDeep,
    /// The bytes end inside the element.
    #[error("the element does not end")]
    Incomplete,
    /// Something before or after the one element.
    #[error("there is more than the element")]
    Trailing,
    /// Two children where one is allowed: two readers may pick different ones.
    #[error("`{0}` is given more than once")]
    Repeated(SmolStr),
}

impl Element {
    /// An empty element. Illegal characters in `ns` become U+FFFD; `name` must be an XML name.
    pub fn new(ns: impl Into<Cow<'static, str>>, name: &'static str) -> Self {
        debug_assert!(is_ncname(name), "an element name must be an XML name");
        Self {
            ns: keep(ns.into()),
            name: SmolStr::new_static(name),
            attributes: Vec::new(),
            nodes: Vec::new(),
        }
    }

    /// The name without a prefix.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The namespace; empty for none.
    pub fn ns(&self) -> &str {
        &self.ns
    }

    /// Returns whether this is `{ns}name`.
    pub fn is(&self, ns: &str, name: &str) -> bool {
        self.name == name && self.ns == ns
    }

    /// The value of an attribute without a namespace; `xml:lang` is read under that name.
    pub fn attr(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|a| a.name == name).map(|a| a.value.as_str())
    }

    /// The attributes in the order they were written, except those of other namespaces.
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
            None => self.attributes.push(Attribute { name: SmolStr::new_static(name), value }),
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

    /// The child elements, in order.
    pub fn children(&self) -> impl Iterator<Item = &Self> {
        self.nodes.iter().filter_map(|node| match node {
            Node::Element(child) => Some(child),
            Node::Text(_) => None,
        })
    }

    /// The child elements, in order, without copying them.
    pub fn into_children(self) -> impl Iterator<Item = Self> {
        self.nodes.into_iter().filter_map(|node| match node {
            Node::Element(child) => Some(child),
            Node::Text(_) => None,
        })
    }

    /// The first child `{ns}name`.
    pub fn child(&self, ns: &str, name: &str) -> Option<&Self> {
        self.children().find(|child| child.is(ns, name))
    }

    /// The child `{ns}name` where one at most is allowed.
    ///
    /// # Errors
    /// [`ElementError::Repeated`] when there are two: a server that takes the first and a reader
    /// that takes the last could be played against each other.
    pub fn only_child(&self, ns: &str, name: &str) -> Result<Option<&Self>, ElementError> {
        let mut found = self.children().filter(|child| child.is(ns, name));
        match (found.next(), found.next()) {
            (_, Some(_)) => Err(ElementError::Repeated(SmolStr::new(name))),
            (first, None) => Ok(first),
        }
    }

    /// All text directly in this element, joined.
    pub fn text(&self) -> String {
        self.texts().collect()
    }

    fn texts(&self) -> impl Iterator<Item = &str> {
        self.nodes.iter().filter_map(|node| match node {
            Node::Text(text) => Some(text.as_str()),
            Node::Element(_) => None,
        })
    }

    /// Appends text that is known to be legal.
    fn push_text(&mut self, text: &str) {
        match self.nodes.last_mut() {
            _ if text.is_empty() => {}
            Some(Node::Text(last)) => *last = [last.as_str(), text].concat().into(),
            Some(Node::Element(_)) | None => self.nodes.push(Node::Text(SmolStr::new(text))),
        }
    }
}

fn keep(text: Cow<'static, str>) -> SmolStr {
    if let Cow::Borrowed(text) = text
        && chars::all_legal(text)
    {
        return SmolStr::new_static(text);
    }
    SmolStr::new(clean(&text))
}

#[cfg(test)]
mod tests;
