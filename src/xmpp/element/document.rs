//! An element as it was received, in one piece.
//!
//! The names, values and texts of a [`Document`] are parts of one string, and its elements stand one after the other
//! in one list: reading a stanza into a document that was used before needs no memory of its own.

use std::borrow::Cow;

use smol_str::SmolStr;

use super::{Element, ElementError, Node};

/// An element that was read, with everything in it.
///
/// INVARIANT: the first record is an element. In a document that nothing was read into it has no name.
#[derive(Clone, Debug, Default)]
pub struct Document {
    /// What was read, and after it what could not be taken from there as it is: values with references or line ends.
    pub(super) text: String,
    /// Elements and texts in the order of the document.
    pub(super) records: Vec<Record>,
    pub(super) attributes: Vec<Pair>,
    /// What is open and bound while it is read; empty afterwards, and here for its memory.
    pub(super) open: Vec<Open>,
    pub(super) bindings: Vec<Binding>,
}

/// A part of the document's text, in bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Span {
    pub(super) start: u32,
    pub(super) end: u32,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Pair {
    pub(super) name: Span,
    pub(super) value: Span,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Record {
    Element(Head),
    /// Text that is not empty and has no other text next to it.
    Text(Span),
}

/// What a start tag says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    pub(super) ns: Span,
    pub(super) name: Span,
    /// Index of the first attribute, and that after the last.
    pub(super) attributes: (u32, u32),
    /// Index of the record after all that is in the element.
    pub(super) after: u32,
}

impl Head {
    const NOTHING: Self = {
        let nothing = Span { start: 0, end: 0 };
        Self { ns: nothing, name: nothing, attributes: (0, 0), after: 0 }
    };
}

/// An element that has begun.
#[derive(Clone, Copy, Debug)]
pub(super) struct Open {
    /// Index of its record.
    pub(super) at: u32,
    /// The default namespace around it.
    pub(super) outer_default: Span,
    /// Number of bindings around it.
    pub(super) outer_bindings: usize,
}

/// A prefix and what it means.
#[derive(Clone, Copy, Debug)]
pub(super) struct Binding {
    pub(super) prefix: Span,
    pub(super) ns: Span,
}

impl Document {
    /// Returns the outermost element.
    pub fn root(&self) -> ElementRef<'_> {
        let head = match self.records.first() {
            Some(Record::Element(head)) => head,
            Some(Record::Text(_)) | None => &Head::NOTHING,
        };
        ElementRef { document: self, at: 0, head }
    }

    pub(super) fn slice(&self, span: Span) -> &str {
        self.text.get(index(span.start)..index(span.end)).unwrap_or_default()
    }
}

const fn index(at: u32) -> usize {
    at as usize
}

/// An element of a [`Document`].
#[derive(Clone, Copy, Debug)]
pub struct ElementRef<'a> {
    document: &'a Document,
    at: u32,
    head: &'a Head,
}

impl<'a> ElementRef<'a> {
    /// Returns the name without a prefix.
    pub fn name(self) -> &'a str {
        self.document.slice(self.head.name)
    }

    /// Returns the namespace; empty for none.
    pub fn ns(self) -> &'a str {
        self.document.slice(self.head.ns)
    }

    /// Returns whether this is `{ns}name`.
    pub fn is(self, ns: &str, name: &str) -> bool {
        self.name() == name && self.ns() == ns
    }

    /// Returns the value of an attribute without a namespace; `xml:lang` is read under that name.
    pub fn attr(self, name: &str) -> Option<&'a str> {
        self.attrs().find(|&(its_name, _)| its_name == name).map(|(_, value)| value)
    }

    /// Returns the attributes in the order in which they were written, except those of other namespaces.
    pub fn attrs(self) -> impl Iterator<Item = (&'a str, &'a str)> {
        let (from, to) = self.head.attributes;
        let pairs = self.document.attributes.get(index(from)..index(to)).unwrap_or_default();
        pairs
            .iter()
            .map(move |pair| (self.document.slice(pair.name), self.document.slice(pair.value)))
    }

    /// Returns the child elements, in order.
    pub fn children(self) -> impl Iterator<Item = Self> {
        self.content().filter_map(|content| match content {
            Content::Element(child) => Some(child),
            Content::Text(_) => None,
        })
    }

    /// Returns the first child `{ns}name`.
    pub fn child(self, ns: &str, name: &str) -> Option<Self> {
        self.children().find(|child| child.is(ns, name))
    }

    /// Returns the child `{ns}name` where at most one is allowed.
    ///
    /// # Errors
    /// [`ElementError::Repeated`] when there are two: a server that takes the first and a reader
    /// that takes the last could be played off against each other.
    pub fn only_child(self, ns: &str, name: &str) -> Result<Option<Self>, ElementError> {
        let mut found = self.children().filter(|child| child.is(ns, name));
        match (found.next(), found.next()) {
            (_, Some(_)) => Err(ElementError::Repeated(SmolStr::new(name))),
            (first, None) => Ok(first),
        }
    }

    /// Returns all text directly in this element, joined.
    pub fn text(self) -> Cow<'a, str> {
        let mut texts = self.content().filter_map(|content| match content {
            Content::Text(text) => Some(text),
            Content::Element(_) => None,
        });
        let first = texts.next().unwrap_or_default();
        match texts.next() {
            None => Cow::Borrowed(first),
            Some(second) => Cow::Owned([first, second].into_iter().chain(texts).collect()),
        }
    }

    /// Returns the element alone, to be kept for longer than the stanza that it came in.
    pub fn to_document(self) -> Document {
        let records = self.document.records.get(index(self.at)..index(self.head.after));
        let moved = |record: &Record| match *record {
            Record::Element(head) => {
                Record::Element(Head { after: head.after.saturating_sub(self.at), ..head })
            }
            text @ Record::Text(_) => text,
        };
        Document {
            text: self.document.text.clone(),
            records: records.unwrap_or_default().iter().map(moved).collect(),
            attributes: self.document.attributes.clone(),
            ..Document::default()
        }
    }

    fn content(self) -> impl Iterator<Item = Content<'a>> {
        let mut at = self.at.saturating_add(1);
        std::iter::from_fn(move || {
            if at >= self.head.after {
                return None;
            }
            match self.document.records.get(index(at))? {
                Record::Element(head) => {
                    let child = Self { document: self.document, at, head };
                    // Whatever the list says, this comes to an end.
                    at = head.after.max(at.saturating_add(1));
                    Some(Content::Element(child))
                }
                Record::Text(span) => {
                    at = at.saturating_add(1);
                    Some(Content::Text(self.document.slice(*span)))
                }
            }
        })
    }
}

enum Content<'a> {
    Element(ElementRef<'a>),
    Text(&'a str),
}

/// What is read equals what was built if they are the same XML.
impl PartialEq<Element> for ElementRef<'_> {
    fn eq(&self, built: &Element) -> bool {
        self.is(built.ns(), built.name())
            && self.attrs().eq(built.attrs())
            && self.content().count() == built.nodes.len()
            && self.content().zip(&built.nodes).all(|pair| match pair {
                (Content::Element(child), Node::Element(built)) => child == *built,
                (Content::Text(text), Node::Text(built)) => text == *built,
                (Content::Element(_) | Content::Text(_), Node::Element(_) | Node::Text(_)) => false,
            })
    }
}
