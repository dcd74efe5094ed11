//! The opening of a component's stream (XEP-0114 section 3), as a state machine without I/O.

use sha1::{Digest as _, Sha1};

use super::element::{Document, Element, ElementRef, Scope, escape_value};
use super::framer::Frame;
use super::ns;

/// A handshake that is under way, by what comes next.
#[derive(Debug)]
pub enum Handshake {
    /// The server's stream header.
    Header,
    /// The server's answer to the digest, which was sent.
    Answer(Scope),
}

/// What to do after a frame.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// Send these bytes, and wait for the next frame.
    Send(Vec<u8>),
    /// Wait for the next frame.
    Wait,
    /// The stream is authenticated; its stanzas are read in this scope.
    Done(Scope),
}

/// Why a handshake has failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HandshakeError {
    /// The server refused the component with a stream error.
    #[error(transparent)]
    Refused(#[from] StreamError),
    /// The server closed the stream without an error.
    #[error("the server closed the stream during the handshake")]
    Closed,
    /// The server did something that XEP-0114 does not provide for.
    #[error("the server does not speak the component protocol: {0}")]
    Unexpected(&'static str),
}

/// A stream error that the server sent (RFC 6120 section 4.9).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the server closed the stream with `{condition}`{}", .text.as_ref().map(|t| format!(": {t:?}")).unwrap_or_default())]
pub struct StreamError {
    /// Condition of RFC 6120 section 4.9.3, such as `conflict`.
    pub condition: String,
    /// Text that the server added, if any.
    pub text: Option<String>,
}

/// Returns the header of a stream to `domain` whose stanzas have this namespace. `more`: further attributes, each after
/// a space.
pub(crate) fn stream_header(namespace: &str, more: &str, domain: &str) -> Vec<u8> {
    let streams = ns::STREAM;
    let mut header = format!(
        "<?xml version='1.0'?><stream:stream xmlns='{namespace}' xmlns:stream='{streams}'{more} to='"
    )
    .into_bytes();
    // Illegal characters cannot come from a valid address; here they would only close the stream.
    let domain = Element::new("", "domain").with_text(domain).text();
    escape_value(&domain, &mut header);
    header.extend_from_slice(b"'>");
    header
}

impl Handshake {
    /// Begins a handshake for the component `domain`. The bytes are the stream header, to be sent
    /// in one write: Prosody's port multiplexer may misjudge a header that arrives in two parts.
    pub fn begin(domain: &str) -> (Self, Vec<u8>) {
        (Self::Header, stream_header(ns::COMPONENT, "", domain))
    }

    /// Takes a frame from the server, and returns what to do next.
    ///
    /// # Errors
    /// When the handshake has failed; the connection cannot be used any further.
    pub fn receive(&mut self, frame: &Frame, secret: &str) -> Result<Step, HandshakeError> {
        match (&*self, frame) {
            (_, Frame::Keepalive) => Ok(Step::Wait),
            (_, Frame::Close) => Err(HandshakeError::Closed),
            (Self::Header, Frame::Open(header)) => {
                if header.scope.default_ns() != ns::COMPONENT {
                    return Err(HandshakeError::Unexpected("another namespace in its header"));
                }
                let id = header.id.as_deref().unwrap_or_default();
                *self = Self::Answer(header.scope.clone());
                // A refusal has an empty id, and a stream error follows at once.
                Ok(if id.is_empty() { Step::Wait } else { Step::Send(proof(id, secret)) })
            }
            (Self::Answer(scope), Frame::Stanza(bytes)) => {
                let answer = Document::parse_in(bytes, scope)
                    .map_err(|_| HandshakeError::Unexpected("an unreadable answer"))?;
                if let Some(error) = StreamError::read(answer.root()) {
                    return Err(error.into());
                }
                if answer.root().is(ns::COMPONENT, "handshake") {
                    return Ok(Step::Done(scope.clone()));
                }
                Err(HandshakeError::Unexpected("a stanza before the handshake ended"))
            }
            (Self::Header | Self::Answer(_), _) => {
                Err(HandshakeError::Unexpected("something other than the next step"))
            }
        }
    }
}

/// Returns `<handshake/>` with its digest: lower-case hexadecimal SHA-1 of stream id and secret (XEP-0114 section 3).
fn proof(id: &str, secret: &str) -> Vec<u8> {
    let digest = Sha1::new().chain_update(id).chain_update(secret).finalize();
    let mut out = Vec::new();
    Element::new(ns::COMPONENT, "handshake")
        .with_text(hex::encode(digest))
        .write_in(ns::COMPONENT, &mut out);
    out
}

impl StreamError {
    /// Reads `<stream:error/>`; returns `None` for any other element.
    pub fn read(element: ElementRef<'_>) -> Option<Self> {
        if !element.is(ns::STREAM, "error") {
            return None;
        }
        let said =
            |child: &ElementRef<'_>| child.ns() == ns::STREAM_ERRORS && child.name() != "text";
        let condition =
            element.children().find(said).map_or("undefined-condition", ElementRef::name);
        let text = element.child(ns::STREAM_ERRORS, "text").map(|text| text.text().into_owned());
        Some(Self { condition: condition.to_owned(), text: text.filter(|text| !text.is_empty()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xmpp::element::received;
    use crate::xmpp::framer::Framer;
    use bytes::BytesMut;
    use tokio_util::codec::Decoder as _;

    const HEADER: &str = "<?xml version='1.0'?><stream:stream xmlns:stream='http://etherx.jabber.org/streams' \
         xmlns='jabber:component:accept' from='v.example' id='3BF96D32'>";

    fn run(said: &str) -> Result<Vec<Step>, HandshakeError> {
        let (mut handshake, _header) = Handshake::begin("v.example");
        let (mut framer, mut bytes) = (Framer::default(), BytesMut::from(said));
        let mut steps = Vec::new();
        while let Some(frame) = framer.decode(&mut bytes).unwrap() {
            steps.push(handshake.receive(&frame, "secret")?);
        }
        Ok(steps)
    }

    fn error(condition: &str) -> String {
        format!(
            "<stream:error><{condition} xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>\
             <text xmlns='urn:ietf:params:xml:ns:xmpp-streams'>why</text></stream:error>"
        )
    }

    #[test]
    fn the_header_is_one_piece_and_addresses_the_domain() {
        let (_, header) = Handshake::begin("v'<.example\u{1}");
        let header = String::from_utf8(header).unwrap();
        assert!(header.starts_with("<?xml version='1.0'?><stream:stream "));
        assert!(header.ends_with("to='v&apos;&lt;.example\u{FFFD}'>"), "{header}");
    }

    #[test]
    fn the_proof_is_the_sha1_of_id_and_secret() {
        let steps = run(&format!("{HEADER} <handshake/>")).unwrap();
        let [Step::Send(proof), Step::Wait, Step::Done(scope)] = &steps[..] else { panic!() };
        // printf '3BF96D32secret' | sha1sum
        let digest = "b09ea9b3b7f586be8a08d0a3dd7466f110aeb136";
        assert_eq!(*proof, format!("<handshake>{digest}</handshake>").into_bytes());
        assert_eq!(scope.default_ns(), ns::COMPONENT);
    }

    #[test]
    fn a_refusal_is_told_at_either_place() {
        let early = HEADER.replace("3BF96D32", "");
        for said in
            [format!("{HEADER}{}", error("conflict")), format!("{early}{}", error("conflict"))]
        {
            let expected = StreamError { condition: "conflict".into(), text: Some("why".into()) };
            assert_eq!(run(&said), Err(HandshakeError::Refused(expected)));
        }
    }

    #[test]
    fn anything_else_is_not_a_component_stream() {
        let other = HEADER.replace("jabber:component:accept", "jabber:client");
        let stanza = format!("{HEADER}<iq/>");
        let foreign = format!("{HEADER}<handshake xmlns='urn:other'/>");
        for said in [&other, &stanza, &foreign] {
            assert!(matches!(run(said), Err(HandshakeError::Unexpected(_))), "{said}");
        }
        assert_eq!(run(&format!("{HEADER}</stream:stream>")), Err(HandshakeError::Closed));
    }

    #[test]
    fn a_stream_error_without_condition_is_still_one() {
        let error = received(&Element::new(ns::STREAM, "error"));
        assert_eq!(StreamError::read(error.root()).unwrap().condition, "undefined-condition");
        let other = received(&Element::new(ns::COMPONENT, "error"));
        assert_eq!(StreamError::read(other.root()), None);
    }
}
