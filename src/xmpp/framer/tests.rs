//! Frames do not depend on how the bytes arrive; nothing a remote user sends ends the stream.

use super::*;
use proptest::prelude::*;

const HEADER: &str = "<?xml version='1.0'?><stream:stream id='7' from=\"x.example\" \
     xmlns:stream='http://etherx.jabber.org/streams' xmlns='jabber:component:accept'>";

/// Returns what came out, and how it ended: a frame, an error's text, or nothing.
fn frames(chunks: &[&[u8]]) -> Vec<String> {
    let mut framer = Framer::default();
    let mut buffer = BytesMut::new();
    let mut seen = Vec::new();
    for chunk in chunks {
        buffer.extend_from_slice(chunk);
        loop {
            match framer.decode(&mut buffer) {
                Ok(Some(frame)) => seen.push(format!("{frame:?}")),
                Ok(None) => break,
                Err(error) => {
                    seen.push(format!("{error}"));
                    return seen;
                }
            }
        }
    }
    match framer.decode_eof(&mut buffer) {
        Ok(Some(frame)) => seen.push(format!("{frame:?}")),
        Ok(None) => {}
        Err(error) => seen.push(format!("{error}")),
    }
    seen
}

fn after_header(body: &str) -> Vec<String> {
    let stream = format!("{HEADER}{body}");
    let mut seen = frames(&[stream.as_bytes()]);
    assert!(seen.remove(0).starts_with("Open"), "{stream}");
    seen
}

#[test]
fn a_stream_is_cut_into_its_parts() {
    let body = "<iq id='>'><a b=\"/>'\">&lt;</a></iq> <message/>\n</stream:stream >";
    let seen = after_header(body);
    assert_eq!(
        seen,
        [
            format!("{:?}", Frame::Stanza("<iq id='>'><a b=\"/>'\">&lt;</a></iq>".into())),
            "Keepalive".into(),
            format!("{:?}", Frame::Stanza("<message/>".into())),
            "Keepalive".into(),
            "Close".into(),
        ]
    );
}

#[test]
fn the_header_is_read_in_either_quotes_and_any_order() {
    let mut framer = Framer::default();
    let mut buffer = BytesMut::from(HEADER);
    let Some(Frame::Open(header)) = framer.decode(&mut buffer).unwrap() else { panic!() };
    assert_eq!(header.id.as_deref(), Some("7"));
    assert_eq!(header.from.as_deref(), Some("x.example"));
    assert_eq!(header.scope.default_ns(), "jabber:component:accept");
    let error =
        b"<stream:error><conflict xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>";
    let error = crate::xmpp::Element::parse_in(error, &header.scope).unwrap();
    assert!(error.is(crate::xmpp::ns::STREAM, "error"));
}

#[test]
fn cdata_hides_tags_and_quotes() {
    let stanza = "<a><![CDATA[</a>]] >'<b>]]]></a>";
    assert_eq!(after_header(stanza), [format!("{:?}", Frame::Stanza(stanza.into()))]);
}

#[test]
fn what_is_no_stream_of_stanzas_fails_with_its_own_condition() {
    for (body, condition) in [
        ("text", "not-well-formed"),
        ("&amp;", "not-well-formed"),
        ("<!-- c -->", "restricted-xml"),
        ("<a><!-- c --></a>", "restricted-xml"),
        ("<a><!DOCTYPE a></a>", "restricted-xml"),
        ("<![CDATA[x]]>", "restricted-xml"),
        ("<?pi?>", "restricted-xml"),
        ("<a><?pi?></a>", "restricted-xml"),
        ("<a b='<'/>", "not-well-formed"),
        ("<a <b/>", "not-well-formed"),
        ("<a / >", "not-well-formed"),
        ("<a/b>", "not-well-formed"),
        ("<a></a b='>'>", "not-well-formed"),
        ("< a/>", "not-well-formed"),
        ("<>", "not-well-formed"),
        ("</stream>", "not-well-formed"),
        ("</stream:streams>", "not-well-formed"),
    ] {
        let mut framer = Framer::default();
        let mut buffer = BytesMut::from(format!("{HEADER}{body}").as_str());
        assert!(matches!(framer.decode(&mut buffer), Ok(Some(Frame::Open(_)))));
        let error = framer.decode(&mut buffer).unwrap_err();
        assert_eq!(error.condition(), condition, "{body}");
        assert!(framer.decode(&mut buffer).is_err(), "a failed stream stays failed");
    }
}

#[test]
fn what_is_no_header_fails() {
    for stream in [
        "HTTP/1.1 400 Bad Request\r\n",
        "<html>",
        "<stream>",
        "<stream:stream>",
        "<stream:stream xmlns:stream='urn:other'>",
        "<stream:stream xmlns:stream='http://etherx.jabber.org/streams'/>",
        "</stream>",
        "<!DOCTYPE a>",
        " <?xml version='1.0'?>",
        "<?xml version='1.0'?><?xml version='1.0'?>",
        "<?xml version='1.1'?>",
        "<?xml?>",
        "<?xml encoding='utf-8'?>",
        "<?xml version='1.0' encoding='latin1'?>",
        "<?xml version='1.0' version='1.0'?>",
        "<?other version='1.0'?>",
    ] {
        assert_ne!(frames(&[stream.as_bytes()]).first(), None, "{stream}");
        assert!(!frames(&[stream.as_bytes()]).iter().any(|f| f.starts_with("Open")), "{stream}");
    }
    let declared = HEADER.replace("'1.0'", "\"1.0\" encoding='UTF-8' standalone='yes' ");
    assert!(frames(&[declared.as_bytes()])[0].starts_with("Open"));
}

#[test]
fn a_stanza_too_large_or_too_deep_is_skipped_and_the_next_one_is_read() {
    let fits = format!("<a>{}</a>", "x".repeat(MAX_STANZA - 7));
    assert_eq!(fits.len(), MAX_STANZA);
    assert!(after_header(&fits)[0].starts_with("Stanza"));
    let over = format!("<a>{}</a><b/>", "x".repeat(MAX_STANZA - 6));
    assert_eq!(after_header(&over), ["Refused(TooLarge)", "Stanza(b\"<b/>\")"]);
    let deep = format!("{}{}<b/>", "<a>".repeat(40), "</a>".repeat(40));
    assert_eq!(after_header(&deep), ["Refused(TooDeep)", "Stanza(b\"<b/>\")"]);
}

#[test]
fn a_stanza_without_end_needs_no_memory() {
    let mut framer = Framer::default();
    let mut buffer = BytesMut::from(HEADER);
    assert!(framer.decode(&mut buffer).unwrap().is_some());
    buffer.extend_from_slice(b"<a>");
    let chunk = vec![b'x'; 64 * 1024];
    for _ in 0..256 {
        buffer.extend_from_slice(&chunk);
        assert!(framer.decode(&mut buffer).unwrap().is_none());
        assert!(buffer.len() <= MAX_STANZA);
    }
    assert!(matches!(framer.decode_eof(&mut buffer), Err(FramerError::Truncated)));
}

#[test]
fn a_header_without_end_is_refused() {
    let header = format!("<stream:stream id='{}", "x".repeat(MAX_STANZA));
    assert_eq!(frames(&[header.as_bytes()]), [FramerError::HeaderTooLarge.to_string()]);
}

#[test]
fn every_cut_gives_the_same_frames() {
    let stream = format!("{HEADER}<a b='1'><![CDATA[]]]]><c/>t</a> <d>é</d></stream:stream> ");
    let whole = frames(&[stream.as_bytes()]);
    assert_eq!(whole.len(), 5);
    for at in 0..stream.len() {
        let (first, second) = stream.as_bytes().split_at(at);
        assert_eq!(frames(&[first, second]), whole, "cut at {at}");
    }
    let bytes: Vec<&[u8]> = stream.as_bytes().chunks(1).collect();
    assert_eq!(frames(&bytes), whole);
}

#[test]
fn the_end_inside_a_frame_is_told() {
    for cut in ["<a", "<a>", "<a><b/>", "<a b='", "<", "</stream:st"] {
        assert_eq!(after_header(cut).last().unwrap(), &FramerError::Truncated.to_string(), "{cut}");
    }
    assert!(after_header("<a/>").len() == 1);
}

fn any_stream() -> impl Strategy<Value = String> {
    let pieces = vec![
        "<iq>",
        "</iq>",
        "<a b='c'/>",
        "<a b=\"'>\">",
        "</a>",
        "<",
        ">",
        "/",
        "'",
        "\"",
        " ",
        "\n",
        "x",
        "&amp;",
        "<![CDATA[",
        "]]>",
        "]",
        "<!--",
        "<?",
        "</stream:stream>",
        "é",
    ];
    prop::collection::vec(prop::sample::select(pieces), 0..14).prop_map(|p| p.concat())
}

proptest! {
    #[test]
    fn frames_do_not_depend_on_chunking(body in any_stream(), size in 1_usize..40) {
        let stream = format!("{HEADER}{body}");
        let chunks: Vec<&[u8]> = stream.as_bytes().chunks(size).collect();
        prop_assert_eq!(frames(&chunks), frames(&[stream.as_bytes()]));
    }

    #[test]
    fn no_bytes_panic_the_framer(bytes in prop::collection::vec(any::<u8>(), 0..300), header in any::<bool>()) {
        let mut stream = if header { HEADER.as_bytes().to_vec() } else { Vec::new() };
        stream.extend(bytes);
        frames(&[&stream]);
    }

    /// A stanza that the oracle refuses is refused here by the framer or by the reader.
    #[test]
    fn what_the_oracle_refuses_does_not_pass(body in any_stream()) {
        let mut framer = Framer::default();
        let mut buffer = BytesMut::from(format!("{HEADER}{body}").as_str());
        let mut fine = true;
        let mut scope = None;
        while let Some(frame) = framer.decode(&mut buffer).unwrap_or_else(|_| { fine = false; None }) {
            match frame {
                Frame::Open(header) => scope = Some(header.scope),
                Frame::Stanza(bytes) => {
                    fine &= crate::xmpp::Element::parse_in(&bytes, scope.as_ref().unwrap()).is_ok();
                }
                Frame::Refused(_) => fine = false,
                Frame::Close => break,
                Frame::Keepalive => {}
            }
        }
        // Only what came before an incomplete rest was judged.
        let stream = format!("{HEADER}{body}");
        let judged = stream.as_bytes().strip_suffix(&buffer[..]).unwrap();
        if fine && !oracle_accepts(judged) {
            prop_assert!(false, "{:?} was refused by the oracle only", String::from_utf8_lossy(judged));
        }
    }
}

/// Returns whether rxml takes the bytes as the beginning of a document.
fn oracle_accepts(xml: &[u8]) -> bool {
    use rxml::Parse as _;
    let mut parser = rxml::Parser::default();
    let mut rest = xml;
    loop {
        match parser.parse(&mut rest, false) {
            Ok(Some(_)) => {}
            Ok(None) | Err(rxml::error::EndOrError::NeedMoreData) => return true,
            Err(rxml::error::EndOrError::Error(_)) => return false,
        }
    }
}
