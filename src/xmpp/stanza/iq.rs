//! Questions and their answers (RFC 6120 section 8.2.3).

use super::super::element::Element;
use super::super::ns;
use super::{Condition, ErrorType, InvalidStanza, StanzaError, envelope, owned};

/// A question or the answer to one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Iq {
    /// Ties the answer to the question.
    pub id: String,
    /// The sender, as stamped by the server.
    pub from: Option<String>,
    /// The recipient.
    pub to: Option<String>,
    /// Type and payload.
    pub kind: IqKind,
}

/// Type and payload of an [`Iq`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IqKind {
    /// Asks for something.
    Get(Element),
    /// Asks to do something.
    Set(Element),
    /// A result, with its payload if there is one.
    Result(Option<Element>),
    /// Why not.
    Error(StanzaError),
}

impl Iq {
    /// The answer to `request`. The addresses are those of the request, swapped.
    pub fn result_to(request: &Self, payload: Option<Element>) -> Self {
        Self::reply(request, IqKind::Result(payload))
    }

    /// The refusal of `request`. The addresses are those of the request, swapped.
    pub fn error_to(request: &Self, error: StanzaError) -> Self {
        Self::reply(request, IqKind::Error(error))
    }

    fn reply(request: &Self, kind: IqKind) -> Self {
        Self { id: request.id.clone(), from: request.to.clone(), to: request.from.clone(), kind }
    }

    /// Returns what is asked, if this is a question.
    pub const fn question(&self) -> Option<&Element> {
        match &self.kind {
            IqKind::Get(payload) | IqKind::Set(payload) => Some(payload),
            IqKind::Result(_) | IqKind::Error(_) => None,
        }
    }

    /// Returns whether the element is an answer: a `result` or an `error`.
    pub(crate) fn is_answer(element: &Element) -> bool {
        element.is(ns::COMPONENT, "iq") && matches!(element.attr("type"), Some("result" | "error"))
    }
}

impl TryFrom<Element> for Iq {
    type Error = InvalidStanza;

    /// # Errors
    /// When it is no `<iq/>`, has no `id`, or not one of the four types; or when a question has
    /// not exactly one payload: then the error holds the answer that says so.
    fn try_from(element: Element) -> Result<Self, InvalidStanza> {
        if !element.is(ns::COMPONENT, "iq") {
            return Err(InvalidStanza::silent("not an iq"));
        }
        let id = owned(&element, "id").ok_or(InvalidStanza::silent("an iq without an id"))?;
        let (from, to) = (owned(&element, "from"), owned(&element, "to"));
        let question: fn(Element) -> IqKind = match element.attr("type") {
            Some("get") => IqKind::Get,
            Some("set") => IqKind::Set,
            Some("result") => {
                let kind = IqKind::Result(element.into_children().next());
                return Ok(Self { id, from, to, kind });
            }
            Some("error") => {
                let kind = IqKind::Error(StanzaError::of(&element));
                return Ok(Self { id, from, to, kind });
            }
            Some(_) | None => return Err(InvalidStanza::silent("an iq of no known type")),
        };
        let mut payloads = element.into_children();
        match (payloads.next(), payloads.next()) {
            (Some(payload), None) => Ok(Self { id, from, to, kind: question(payload) }),
            (_, _) => {
                let error = StanzaError::new(ErrorType::Modify, Condition::BadRequest);
                let reply = Self { id, from: to, to: from, kind: IqKind::Error(error) };
                let reason = "a question without exactly one payload";
                Err(InvalidStanza { reason, reply: Some(Box::new(reply)) })
            }
        }
    }
}

impl From<Iq> for Element {
    fn from(iq: Iq) -> Self {
        let (kind, payload) = match iq.kind {
            IqKind::Get(payload) => ("get", Some(payload)),
            IqKind::Set(payload) => ("set", Some(payload)),
            IqKind::Result(payload) => ("result", payload),
            IqKind::Error(error) => ("error", Some(error.to_element())),
        };
        envelope("iq", Some(&iq.id), iq.from.as_deref(), iq.to.as_deref(), Some(kind))
            .with_child_opt(payload)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(xml: &str) -> Result<Iq, InvalidStanza> {
        Iq::try_from(Element::parse(xml.as_bytes(), ns::COMPONENT).unwrap())
    }

    #[test]
    fn an_answer_swaps_the_addresses_of_its_question() {
        let ask =
            read("<iq type='get' id='1' from='a@b/c' to='x'><q xmlns='urn:q'/></iq>").unwrap();
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
            assert_eq!(read(std::str::from_utf8(&out).unwrap()).unwrap(), iq);
        }
    }

    #[test]
    fn a_question_without_exactly_one_payload_is_answered_as_such() {
        for body in ["", "<a/><b/>", "text"] {
            let error = read(&format!("<iq type='set' id='1' from='a' to='x'>{body}</iq>"));
            let reply = error.unwrap_err().reply.unwrap();
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
            assert_eq!(read(xml).unwrap_err().reply, None, "{xml}");
        }
    }
}
