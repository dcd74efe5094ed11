//! An element as XML.

use super::{Element, Node};

impl Element {
    /// Appends the element as XML.
    ///
    /// The output can stand alone: the root declares its namespace unless it has none.
    pub fn write(&self, out: &mut Vec<u8>) {
        self.write_in("", out);
    }

    /// Appends the element as XML for a place where `parent_ns` is the default namespace,
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
            out.push(b' ');
            out.extend_from_slice(attribute.name.as_bytes());
            out.extend_from_slice(b"='");
            escape_value(&attribute.value, out);
            out.push(b'\'');
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

/// Appends a value for use between single quotes.
pub(crate) fn escape_value(value: &str, out: &mut Vec<u8>) {
    escape(value, value_escape, out);
}

/// `>` is escaped everywhere so that `]]>` cannot appear; `\r` so that it is not read as a line end.
const fn text_escape(byte: u8) -> &'static [u8] {
    match byte {
        b'&' => b"&amp;",
        b'<' => b"&lt;",
        b'>' => b"&gt;",
        b'\r' => b"&#13;",
        _ => b"",
    }
}

/// White space other than a space would be read back as a space.
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
    use super::*;

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
