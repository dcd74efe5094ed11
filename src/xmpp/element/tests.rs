//! What is refused, what is read, and that reading undoes writing.

use super::*;
use proptest::prelude::*;

fn read(xml: &str) -> Result<Element, ElementError> {
    Element::parse(xml.as_bytes(), "urn:default")
}

#[test]
fn text_is_joined_across_references_and_cdata() {
    let element = read("<a>adm&#105;n &amp; <b/>co<![CDATA[<&]]>!</a>").unwrap();
    assert_eq!(element.text(), "admin & co<&!");
    assert_eq!(element.child("urn:default", "b").unwrap().name(), "b");
}

#[test]
fn namespaces_are_resolved_and_unescaped_before_they_are_compared() {
    let element = read("<a xmlns='jabber&#58;client'><p:b xmlns:p='urn:p'><c/></p:b></a>").unwrap();
    assert!(element.is("jabber:client", "a"));
    let child = element.child("urn:p", "b").unwrap();
    assert!(child.child("jabber:client", "c").is_some());
    assert!(read("<a xmlns=''/>").unwrap().is("", "a"));
    let outer = read("<a><b xmlns='urn:b'/><c/></a>").unwrap();
    assert!(outer.child("urn:default", "c").is_some());
}

#[test]
fn attributes_of_other_namespaces_do_not_pass_as_plain_ones() {
    let element = read("<a p:k='other' xmlns:p='urn:p' k='v' xml:lang='en'/>").unwrap();
    assert_eq!(element.attr("k"), Some("v"));
    assert_eq!(element.attr("xml:lang"), Some("en"));
    assert_eq!(element.attrs().count(), 2);
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
        "<a/ >",
        "<a></a b='c'>",
    ] {
        assert!(read(xml).is_err(), "{xml}");
    }
    assert_eq!(Element::parse(b"<a>\xFF</a>", ""), Err(ElementError::NotUtf8));
}

#[test]
fn depth_and_attributes_are_bounded() {
    let nested = |n: usize| format!("{}{}", "<a>".repeat(n), "</a>".repeat(n));
    assert!(read(&nested(MAX_DEPTH)).is_ok());
    assert_eq!(read(&nested(MAX_DEPTH + 1)), Err(ElementError::TooDeep));
    let wide = |n: usize| {
        let attributes: String = (0..n).map(|i| format!(" a{i}=''")).collect();
        format!("<a{attributes}/>")
    };
    assert!(read(&wide(MAX_ATTRIBUTES)).is_ok());
    assert_eq!(read(&wide(MAX_ATTRIBUTES + 1)), Err(ElementError::TooManyAttributes));
}

#[test]
fn a_child_given_twice_is_refused_where_one_is_allowed() {
    let element = read("<a><password>1</password><password>2</password><b/></a>").unwrap();
    assert_eq!(
        element.only_child("urn:default", "password"),
        Err(ElementError::Repeated("password".into()))
    );
    assert!(element.only_child("urn:default", "b").unwrap().is_some());
    assert_eq!(element.only_child("urn:other", "b"), Ok(None));
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
    let (element, scope) = Element::parse_open_tag(header).unwrap();
    assert!(element.is("urn:stream", "stream"));
    assert_eq!(scope.default_ns(), "urn:c");
    let inner = Element::parse_in(b"<s:error><x/></s:error>", &scope).unwrap();
    assert!(inner.is("urn:stream", "error"));
    assert!(inner.child("urn:c", "x").is_some());
    assert!(Element::parse_open_tag(b"<a/>").is_err());
    assert!(Element::parse_open_tag(b"<a><b>").is_err());
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
        prop_assert_eq!(&Element::parse(&alone, "").unwrap(), &element);
        let mut inside = Vec::new();
        element.write_in("urn:a", &mut inside);
        prop_assert_eq!(&Element::parse(&inside, "urn:a").unwrap(), &element);
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
        prop_assert!(std::str::from_utf8(&out).unwrap().chars().all(chars::is_legal));
        prop_assert_eq!(Element::parse(&out, "").unwrap(), element);
    }

    #[test]
    fn no_bytes_panic_the_reader(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Element::parse(&bytes, "");
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
        if !oracle_accepts(&xml) {
            prop_assert!(read(&xml).is_err(), "{xml:?}");
        }
    }
}

#[test]
fn the_oracle_tells_good_from_bad() {
    assert!(oracle_accepts("<a xmlns='urn:a'>&amp;<b/></a>"));
    for xml in ["<a>&x;</a>", "<a><!-- --></a>", "<a>\u{1}</a>", "<a></b>", "<p:a/>", "<a>"] {
        assert!(!oracle_accepts(xml), "{xml}");
    }
}

/// Returns whether rxml, an independent strict XML reader made for XMPP, takes the document.
fn oracle_accepts(xml: &str) -> bool {
    use rxml::Parse as _;
    let mut parser = rxml::Parser::default();
    let mut rest = xml.as_bytes();
    loop {
        match parser.parse(&mut rest, true) {
            Ok(Some(_)) => {}
            Ok(None) => return true,
            Err(_) => return false,
        }
    }
}
