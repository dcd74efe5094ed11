//! Typed stanzas (RFC 6120 section 8), as a component exchanges them.
//!
//! Addresses are plain strings here: an invalid one is for the policy to decide about, and
//! never breaks the link. The payload of a stanza stays an [`Element`], so unknown content is kept.

use smol_str::SmolStr;

use super::element::{Element, ElementRef, push_attribute};
use super::ns;

/// Why an element is not a valid stanza.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a valid stanza: {reason}")]
pub struct InvalidStanza {
    /// What is wrong with the element.
    pub reason: &'static str,
    /// The error to reply to the sender with (RFC 6120 section 8.3), if any.
    pub reply: Option<Box<Iq>>,
}

/// An error in reply to a stanza.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StanzaError {
    /// Type of the error: what the sender may do about it.
    pub kind: ErrorType,
    /// Defined condition of the error.
    pub condition: Condition,
    /// Text for a person, if any.
    pub text: Option<String>,
    /// Namespace and name of an application-specific condition (RFC 6120 section 8.3.4). It is written, but
    /// never read.
    pub detail: Option<(&'static str, &'static str)>,
}

impl StanzaError {
    /// Creates an error without a text.
    pub const fn new(kind: ErrorType, condition: Condition) -> Self {
        Self { kind, condition, text: None, detail: None }
    }

    /// Adds a text for a person.
    #[must_use]
    pub fn with_text(self, text: impl Into<String>) -> Self {
        Self { text: Some(text.into()), ..self }
    }

    /// Adds an application-specific condition.
    #[must_use]
    pub const fn with_detail(mut self, ns: &'static str, name: &'static str) -> Self {
        self.detail = Some((ns, name));
        self
    }

    /// Reads the `<error/>` of a stanza. A type or condition that RFC 6120 does not list is read as `cancel` or
    /// `undefined-condition`, so that an error stays an error.
    pub fn read(error: ElementRef<'_>) -> Self {
        let mut condition = None;
        let mut text = None;
        for child in error.children().filter(|child| child.ns() == ns::STANZA_ERRORS) {
            match child.name() {
                "text" => text = text.or_else(|| Some(child.text().into_owned())),
                name => {
                    let mut all = Condition::ALL.into_iter();
                    condition = condition.or_else(|| all.find(|it| it.name() == name));
                }
            }
        }
        let kind = ErrorType::ALL.into_iter().find(|it| error.attr("type") == Some(it.name()));
        Self {
            kind: kind.unwrap_or(ErrorType::Cancel),
            condition: condition.unwrap_or(Condition::UndefinedCondition),
            text,
            detail: None,
        }
    }

    /// Reads the error from a stanza of type `error`.
    pub(super) fn of(stanza: ElementRef<'_>) -> Self {
        match stanza.child(stanza.ns(), "error") {
            Some(error) => Self::read(error),
            None => Self::new(ErrorType::Cancel, Condition::UndefinedCondition),
        }
    }

    /// Returns the `<error/>` to put into a stanza.
    pub fn to_element(&self) -> Element {
        let text = self.text.as_ref();
        Element::new(ns::COMPONENT, "error")
            .with_attr("type", self.kind.name())
            .with_child(Element::new(ns::STANZA_ERRORS, self.condition.name()))
            .with_child_opt(text.map(|t| Element::new(ns::STANZA_ERRORS, "text").with_text(t)))
            .with_child_opt(self.detail.map(|(ns, name)| Element::new(ns, name)))
    }
}

names! {
    /// The type of an error (RFC 6120 section 8.3.2).
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub enum ErrorType {
        /// Retry after giving credentials.
        Auth = "auth",
        /// Do not retry.
        Cancel = "cancel",
        /// Proceed: it was only a warning.
        Continue = "continue",
        /// Retry after changing what was sent.
        Modify = "modify",
        /// Retry after a while.
        Wait = "wait",
    }
}

names! {
    /// A defined condition of a stanza error (RFC 6120 section 8.3.3).
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub enum Condition {
        /// The stanza is malformed.
        BadRequest = "bad-request",
        /// A resource or session of that name exists.
        Conflict = "conflict",
        /// The feature is not implemented.
        FeatureNotImplemented = "feature-not-implemented",
        /// The sender may not do this.
        Forbidden = "forbidden",
        /// The addressee is no longer at this address.
        Gone = "gone",
        /// The server has failed.
        InternalServerError = "internal-server-error",
        /// The addressed item does not exist.
        ItemNotFound = "item-not-found",
        /// An address is malformed.
        JidMalformed = "jid-malformed",
        /// The stanza does not meet the addressee's criteria.
        NotAcceptable = "not-acceptable",
        /// Nobody may do this.
        NotAllowed = "not-allowed",
        /// Credentials are missing or wrong.
        NotAuthorized = "not-authorized",
        /// A local policy was violated.
        PolicyViolation = "policy-violation",
        /// The addressee is unavailable for now.
        RecipientUnavailable = "recipient-unavailable",
        /// The addressee has redirected requests to another address.
        Redirect = "redirect",
        /// The sender must register first.
        RegistrationRequired = "registration-required",
        /// A remote server does not exist.
        RemoteServerNotFound = "remote-server-not-found",
        /// A remote server did not answer in time.
        RemoteServerTimeout = "remote-server-timeout",
        /// The server lacks resources.
        ResourceConstraint = "resource-constraint",
        /// The service is not offered.
        ServiceUnavailable = "service-unavailable",
        /// The sender must subscribe first.
        SubscriptionRequired = "subscription-required",
        /// None of the other conditions.
        UndefinedCondition = "undefined-condition",
        /// The stanza came at a wrong time.
        UnexpectedRequest = "unexpected-request",
    }
}

/// A request or the answer to one. `P` is its payload: an [`Element`] of one that is sent, an [`ElementRef`] of one
/// that has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Iq<P = Element> {
    /// Links the answer to the request.
    pub id: SmolStr,
    /// The sender, as stamped by the server.
    pub from: Option<SmolStr>,
    /// The recipient.
    pub to: Option<SmolStr>,
    /// Type and payload.
    pub kind: IqKind<P>,
}

/// Type and payload of an [`Iq`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IqKind<P = Element> {
    /// Requests information.
    Get(P),
    /// Requests an action.
    Set(P),
    /// A result, with its payload if there is one.
    Result(Option<P>),
    /// A refusal.
    Error(StanzaError),
}

impl Iq {
    /// Returns the answer to `request`. The addresses are those of the request, swapped.
    pub fn result_to<P>(request: &Iq<P>, payload: Option<Element>) -> Self {
        Self::reply(request, IqKind::Result(payload))
    }

    /// Returns the refusal of `request`. The addresses are those of the request, swapped.
    pub fn error_to<P>(request: &Iq<P>, error: StanzaError) -> Self {
        Self::reply(request, IqKind::Error(error))
    }

    fn reply<P>(request: &Iq<P>, kind: IqKind) -> Self {
        Self { id: request.id.clone(), from: request.to.clone(), to: request.from.clone(), kind }
    }

    /// Returns whether the element is an answer: a `result` or an `error`.
    pub(crate) fn is_answer(element: ElementRef<'_>) -> bool {
        element.is(ns::COMPONENT, "iq") && matches!(element.attr("type"), Some("result" | "error"))
    }
}

impl<'a> Iq<ElementRef<'a>> {
    /// Returns the payload of a request; `None` for an answer.
    pub const fn question(&self) -> Option<ElementRef<'a>> {
        match self.kind {
            IqKind::Get(payload) | IqKind::Set(payload) => Some(payload),
            IqKind::Result(_) | IqKind::Error(_) => None,
        }
    }
}

impl<'a> TryFrom<ElementRef<'a>> for Iq<ElementRef<'a>> {
    type Error = InvalidStanza;

    /// # Errors
    /// When it is no `<iq/>`, has no `id`, or none of the four types; or when a request has
    /// not exactly one payload: then the error holds the reply to the sender.
    fn try_from(element: ElementRef<'a>) -> Result<Self, InvalidStanza> {
        let silent = |reason| InvalidStanza { reason, reply: None };
        if !element.is(ns::COMPONENT, "iq") {
            return Err(silent("not an iq"));
        }
        let owned = |name| element.attr(name).map(SmolStr::new);
        let id = owned("id").ok_or(silent("an iq without an id"))?;
        let (from, to) = (owned("from"), owned("to"));
        let kind = match element.attr("type") {
            Some("result") => IqKind::Result(element.children().next()),
            Some("error") => IqKind::Error(StanzaError::of(element)),
            Some(kind @ ("get" | "set")) => {
                let question = if kind == "get" { IqKind::Get } else { IqKind::Set };
                let mut payloads = element.children();
                let (Some(payload), None) = (payloads.next(), payloads.next()) else {
                    let error = StanzaError::new(ErrorType::Modify, Condition::BadRequest);
                    let reply = Iq { id, from: to, to: from, kind: IqKind::Error(error) };
                    let reason = "a question without exactly one payload";
                    return Err(InvalidStanza { reason, reply: Some(Box::new(reply)) });
                };
                question(payload)
            }
            Some(_) | None => return Err(silent("an iq of no known type")),
        };
        Ok(Self { id, from, to, kind })
    }
}

impl IqKind {
    /// Returns the type and the payload, as they are written.
    fn into_written(self) -> (&'static str, Option<Element>) {
        match self {
            Self::Get(payload) => ("get", Some(payload)),
            Self::Set(payload) => ("set", Some(payload)),
            Self::Result(payload) => ("result", payload),
            Self::Error(error) => ("error", Some(error.to_element())),
        }
    }
}

impl Iq {
    /// Appends the stanza as XML to `out`, for the stream of a component.
    pub fn write(self, out: &mut Vec<u8>) {
        let (kind, payload) = self.kind.into_written();
        let attributes = [
            ("id", Some(self.id.as_str())),
            ("type", Some(kind)),
            ("from", self.from.as_deref()),
            ("to", self.to.as_deref()),
        ];
        out.extend_from_slice(b"<iq");
        for (name, value) in attributes {
            if let Some(value) = value {
                push_attribute(name, value, out);
            }
        }
        let Some(payload) = payload else { return out.extend_from_slice(b"/>") };
        out.push(b'>');
        payload.write_in(ns::COMPONENT, out);
        out.extend_from_slice(b"</iq>");
    }
}

impl From<Iq> for Element {
    fn from(iq: Iq) -> Self {
        let (kind, payload) = iq.kind.into_written();
        Self::new(ns::COMPONENT, "iq")
            .with_attr("id", iq.id)
            .with_attr("type", kind)
            .with_attr_opt("from", iq.from)
            .with_attr_opt("to", iq.to)
            .with_child_opt(payload)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xmpp::element::{Document, received};

    #[test]
    fn every_error_survives_the_wire() {
        for kind in ErrorType::ALL {
            for condition in Condition::ALL {
                let plain = StanzaError::new(kind, condition);
                assert_eq!(StanzaError::read(received(&plain.to_element()).root()), plain);
                let worded = plain.with_text("no <entry> & so on");
                assert_eq!(StanzaError::read(received(&worded.to_element()).root()), worded);
            }
        }
    }

    #[test]
    fn an_iq_is_written_as_its_element_is() {
        let payload = || Element::new("urn:x", "x").with_attr("k", "<'&").with_text("]]>");
        let error = StanzaError::new(ErrorType::Wait, Condition::Conflict).with_text("\u{1}");
        let kinds = [
            IqKind::Get(payload()),
            IqKind::Set(payload()),
            IqKind::Result(Some(payload())),
            IqKind::Result(None),
            IqKind::Error(error),
        ];
        for kind in kinds {
            let to = Some(SmolStr::new("a&b@c\u{FFFF}'<"));
            let iq = Iq { id: "\u{1}'>".into(), from: None, to, kind };
            let (mut written, mut element) = (Vec::new(), Vec::new());
            iq.clone().write(&mut written);
            Element::from(iq).write_in(ns::COMPONENT, &mut element);
            assert_eq!(String::from_utf8(written), String::from_utf8(element));
        }
    }

    #[test]
    fn what_is_not_listed_is_still_an_error() {
        let xml = b"<error type='odd'><odd xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>";
        let error = Document::parse(xml, ns::COMPONENT).unwrap();
        let expected = StanzaError::new(ErrorType::Cancel, Condition::UndefinedCondition);
        assert_eq!(StanzaError::read(error.root()), expected);
    }

    fn document(xml: &str) -> Document {
        Document::parse(xml.as_bytes(), ns::COMPONENT).unwrap()
    }

    fn refused(xml: &str) -> InvalidStanza {
        Iq::try_from(document(xml).root()).unwrap_err()
    }

    #[test]
    fn an_answer_swaps_the_addresses_of_its_question() {
        let ask = document("<iq type='get' id='1' from='a@b/c' to='x'><q xmlns='urn:q'/></iq>");
        let ask = Iq::try_from(ask.root()).unwrap();
        assert_eq!(ask.question().unwrap().ns(), "urn:q");
        let answer = Iq::result_to(&ask, None);
        assert_eq!((answer.from.as_deref(), answer.to.as_deref()), (Some("x"), Some("a@b/c")));
        let error = StanzaError::new(ErrorType::Auth, Condition::Forbidden);
        let refusal = Iq::error_to(&ask, error.clone());
        assert_eq!(refusal.id, "1");
        assert_eq!(refusal.kind, IqKind::Error(error));
    }

    #[test]
    fn every_kind_survives_the_wire() {
        let payload = Element::new("urn:q", "q").with_text("t");
        for kind in [
            IqKind::Get(payload.clone()),
            IqKind::Set(payload.clone()),
            IqKind::Result(None),
            IqKind::Result(Some(payload)),
            IqKind::Error(StanzaError::new(ErrorType::Wait, Condition::Gone).with_text("later")),
        ] {
            let iq = Iq { id: "'<1".into(), from: Some("a".into()), to: None, kind };
            let mut out = Vec::new();
            Element::from(iq.clone()).write_in(ns::COMPONENT, &mut out);
            let document = document(std::str::from_utf8(&out).unwrap());
            let read = Iq::try_from(document.root()).unwrap();
            assert_eq!((&read.id, &read.from, &read.to), (&iq.id, &iq.from, &iq.to));
            match (read.kind, iq.kind) {
                (IqKind::Get(read), IqKind::Get(sent)) => assert_eq!(read, sent),
                (IqKind::Set(read), IqKind::Set(sent)) => assert_eq!(read, sent),
                (IqKind::Result(Some(read)), IqKind::Result(Some(sent))) => assert_eq!(read, sent),
                (IqKind::Result(None), IqKind::Result(None)) => {}
                (IqKind::Error(read), IqKind::Error(sent)) => assert_eq!(read, sent),
                (read, sent) => panic!("{read:?} {sent:?}"),
            }
        }
    }

    #[test]
    fn a_question_without_exactly_one_payload_is_answered_as_such() {
        for body in ["", "<a/><b/>", "text"] {
            let error = refused(&format!("<iq type='set' id='1' from='a' to='x'>{body}</iq>"));
            let reply = error.reply.unwrap();
            assert_eq!((reply.from.as_deref(), reply.to.as_deref()), (Some("x"), Some("a")));
        }
    }

    #[test]
    fn what_cannot_be_answered_is_not() {
        for xml in [
            "<iq type='get' from='a'><q/></iq>",
            "<iq type='odd' id='1' from='a'><q/></iq>",
            "<iq id='1' from='a'><q/></iq>",
            "<message type='get' id='1' from='a'><q/></message>",
            "<iq xmlns='jabber:other' type='get' id='1'><q/></iq>",
        ] {
            assert_eq!(refused(xml).reply, None, "{xml}");
        }
    }
}
