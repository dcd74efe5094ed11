//! Messages and presences (RFC 6121 sections 4 and 5).

use super::super::element::Element;
use super::super::ns;
use super::{InvalidStanza, StanzaError, envelope, owned};

/// A message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The sender's name for it.
    pub id: Option<String>,
    /// The sender.
    pub from: Option<String>,
    /// The recipient.
    pub to: Option<String>,
    /// The type.
    pub kind: MessageKind,
    /// The payloads, the body included.
    pub payload: Vec<Element>,
}

/// The type of a message (RFC 6121 section 5.2.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MessageKind {
    /// Part of a conversation.
    Chat,
    /// Another message could not be delivered.
    Error(StanzaError),
    /// To or from a room.
    Groupchat,
    /// An alert that needs no reply.
    Headline,
    /// Anything else.
    Normal,
}

/// A presence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Presence {
    /// The sender's name for it.
    pub id: Option<String>,
    /// The sender.
    pub from: Option<String>,
    /// The recipient.
    pub to: Option<String>,
    /// The type.
    pub kind: PresenceKind,
    /// The payloads.
    pub payload: Vec<Element>,
}

/// The type of a presence (RFC 6121 section 4.7.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PresenceKind {
    /// The sender is there.
    Available,
    /// Another presence was refused.
    Error(StanzaError),
    /// The receiver asks what the sender's presence is.
    Probe,
    /// The sender asks for the receiver's presence.
    Subscribe,
    /// The sender lets the receiver know its presence.
    Subscribed,
    /// The sender is gone.
    Unavailable,
    /// The sender no longer asks for the receiver's presence.
    Unsubscribe,
    /// The sender no longer lets the receiver know its presence.
    Unsubscribed,
}

// === impl Message ===

impl Message {
    /// A message of no particular sort with one payload.
    pub fn new(from: impl Into<String>, to: impl Into<String>, payload: Element) -> Self {
        Self {
            id: None,
            from: Some(from.into()),
            to: Some(to.into()),
            kind: MessageKind::Normal,
            payload: vec![payload],
        }
    }

    /// The first payload `{ns}name`.
    pub fn payload(&self, ns: &str, name: &str) -> Option<&Element> {
        self.payload.iter().find(|payload| payload.is(ns, name))
    }
}

impl TryFrom<Element> for Message {
    type Error = InvalidStanza;

    /// # Errors
    /// When it is no `<message/>`. An unknown type is `normal` (RFC 6121 section 5.2.2).
    fn try_from(element: Element) -> Result<Self, InvalidStanza> {
        if !element.is(ns::COMPONENT, "message") {
            return Err(InvalidStanza::silent("not a message"));
        }
        let kind = match element.attr("type") {
            Some("chat") => MessageKind::Chat,
            Some("error") => MessageKind::Error(StanzaError::of(&element)),
            Some("groupchat") => MessageKind::Groupchat,
            Some("headline") => MessageKind::Headline,
            Some(_) | None => MessageKind::Normal,
        };
        Ok(Self {
            id: owned(&element, "id"),
            from: owned(&element, "from"),
            to: owned(&element, "to"),
            payload: payload(element, matches!(kind, MessageKind::Error(_))),
            kind,
        })
    }
}

impl From<Message> for Element {
    fn from(message: Message) -> Self {
        let Message { id, from, to, kind, payload } = message;
        let (kind, error) = match kind {
            MessageKind::Chat => (Some("chat"), None),
            MessageKind::Error(error) => (Some("error"), Some(error)),
            MessageKind::Groupchat => (Some("groupchat"), None),
            MessageKind::Headline => (Some("headline"), None),
            MessageKind::Normal => (None, None),
        };
        envelope("message", id.as_deref(), from.as_deref(), to.as_deref(), kind)
            .with_children(payload)
            .with_child_opt(error.map(|error| error.to_element()))
    }
}

// === impl Presence ===

impl Presence {
    /// The first payload `{ns}name`.
    pub fn payload(&self, ns: &str, name: &str) -> Option<&Element> {
        self.payload.iter().find(|payload| payload.is(ns, name))
    }
}

impl TryFrom<Element> for Presence {
    type Error = InvalidStanza;

    /// # Errors
    /// When it is no `<presence/>` or not of a type that RFC 6121 lists.
    fn try_from(element: Element) -> Result<Self, InvalidStanza> {
        if !element.is(ns::COMPONENT, "presence") {
            return Err(InvalidStanza::silent("not a presence"));
        }
        let kind = match element.attr("type") {
            None => PresenceKind::Available,
            Some("error") => PresenceKind::Error(StanzaError::of(&element)),
            Some("probe") => PresenceKind::Probe,
            Some("subscribe") => PresenceKind::Subscribe,
            Some("subscribed") => PresenceKind::Subscribed,
            Some("unavailable") => PresenceKind::Unavailable,
            Some("unsubscribe") => PresenceKind::Unsubscribe,
            Some("unsubscribed") => PresenceKind::Unsubscribed,
            Some(_) => return Err(InvalidStanza::silent("a presence of no known type")),
        };
        Ok(Self {
            id: owned(&element, "id"),
            from: owned(&element, "from"),
            to: owned(&element, "to"),
            payload: payload(element, matches!(kind, PresenceKind::Error(_))),
            kind,
        })
    }
}

impl From<Presence> for Element {
    fn from(presence: Presence) -> Self {
        let Presence { id, from, to, kind, payload } = presence;
        let (kind, error) = match kind {
            PresenceKind::Available => (None, None),
            PresenceKind::Error(error) => (Some("error"), Some(error)),
            PresenceKind::Probe => (Some("probe"), None),
            PresenceKind::Subscribe => (Some("subscribe"), None),
            PresenceKind::Subscribed => (Some("subscribed"), None),
            PresenceKind::Unavailable => (Some("unavailable"), None),
            PresenceKind::Unsubscribe => (Some("unsubscribe"), None),
            PresenceKind::Unsubscribed => (Some("unsubscribed"), None),
        };
        envelope("presence", id.as_deref(), from.as_deref(), to.as_deref(), kind)
            .with_children(payload)
            .with_child_opt(error.map(|error| error.to_element()))
    }
}

/// The children; without the error, which is read on its own.
fn payload(element: Element, without_error: bool) -> Vec<Element> {
    let is_error = |child: &Element| without_error && child.is(ns::COMPONENT, "error");
    element.into_children().filter(|child| !is_error(child)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xmpp::stanza::{Condition, ErrorType};

    fn read(xml: &str) -> Element {
        Element::parse(xml.as_bytes(), ns::COMPONENT).unwrap()
    }

    #[test]
    fn messages_and_presences_survive_the_wire() {
        for xml in [
            "<message id='1' from='a' to='b'><body>hi</body><x xmlns='urn:x'/></message>",
            "<message type='groupchat' from='a' to='b'/>",
        ] {
            let element = read(xml);
            assert_eq!(Element::from(Message::try_from(element.clone()).unwrap()), element);
        }
        for kind in
            ["probe", "subscribe", "subscribed", "unavailable", "unsubscribe", "unsubscribed"]
        {
            let element = read(&format!("<presence type='{kind}' from='a' to='b'><x/></presence>"));
            assert_eq!(Element::from(Presence::try_from(element.clone()).unwrap()), element);
        }
    }

    #[test]
    fn an_error_is_read_once_and_not_as_payload() {
        let error = StanzaError::new(ErrorType::Auth, Condition::RegistrationRequired);
        let presence = Presence {
            id: None,
            from: Some("room@x/n".into()),
            to: Some("a@b/c".into()),
            kind: PresenceKind::Error(error),
            payload: vec![Element::new(ns::MUC, "x")],
        };
        assert_eq!(Presence::try_from(Element::from(presence.clone())), Ok(presence.clone()));
        assert!(presence.payload(ns::MUC, "x").is_some());
    }

    #[test]
    fn an_unknown_type_of_message_is_normal_and_of_presence_is_invalid() {
        assert_eq!(
            Message::try_from(read("<message type='odd'/>")).unwrap().kind,
            MessageKind::Normal
        );
        assert!(Presence::try_from(read("<presence type='odd'/>")).is_err());
        assert!(Message::try_from(read("<presence/>")).is_err());
        assert!(Presence::try_from(read("<message/>")).is_err());
    }
}
