//! Stanza errors (RFC 6120 section 8.3).

use super::super::element::Element;
use super::super::ns;

/// An error that answers a stanza.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StanzaError {
    /// The error type: what the sender may do about it.
    pub kind: ErrorType,
    /// The defined condition.
    pub condition: Condition,
    /// Words for a person.
    pub text: Option<String>,
    /// The namespace and name of a condition of the application's own (RFC 6120 section 8.3.4). It is written, and
    /// not read.
    pub detail: Option<(&'static str, &'static str)>,
}

impl StanzaError {
    /// An error without words.
    pub const fn new(kind: ErrorType, condition: Condition) -> Self {
        Self { kind, condition, text: None, detail: None }
    }

    /// The error with words for a person.
    #[must_use]
    pub fn with_text(self, text: impl Into<String>) -> Self {
        Self { text: Some(text.into()), ..self }
    }

    /// The error with a condition of the application's own.
    #[must_use]
    pub const fn with_detail(mut self, ns: &'static str, name: &'static str) -> Self {
        self.detail = Some((ns, name));
        self
    }

    /// Reads the `<error/>` of a stanza. What RFC 6120 does not list is read as `cancel` and
    /// `undefined-condition`: an error stays an error.
    pub fn read(error: &Element) -> Self {
        let mut condition = None;
        let mut text = None;
        for child in error.children().filter(|child| child.ns() == ns::STANZA_ERRORS) {
            match child.name() {
                "text" => text = text.or_else(|| Some(child.text())),
                name => condition = condition.or_else(|| Condition::from_name(name)),
            }
        }
        Self {
            kind: error.attr("type").and_then(ErrorType::from_name).unwrap_or(ErrorType::Cancel),
            condition: condition.unwrap_or(Condition::UndefinedCondition),
            text,
            detail: None,
        }
    }

    /// Reads the error out of a stanza of type `error`.
    pub(super) fn of(stanza: &Element) -> Self {
        match stanza.child(stanza.ns(), "error") {
            Some(error) => Self::read(error),
            None => Self::new(ErrorType::Cancel, Condition::UndefinedCondition),
        }
    }

    /// The `<error/>` to put into a stanza.
    pub fn to_element(&self) -> Element {
        let text = self.text.as_ref();
        Element::new(ns::COMPONENT, "error")
            .with_attr("type", self.kind.as_str())
            .with_child(Element::new(ns::STANZA_ERRORS, self.condition.as_str()))
            .with_child_opt(text.map(|t| Element::new(ns::STANZA_ERRORS, "text").with_text(t)))
            .with_child_opt(self.detail.map(|(ns, name)| Element::new(ns, name)))
    }
}

/// An enum with the names that stand for it on the wire.
macro_rules! names {
    ($(#[$doc:meta])* $type:ident { $($(#[$variant_doc:meta])* $variant:ident = $name:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $type { $($(#[$variant_doc])* $variant,)* }

        impl $type {
            /// Every value.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The name on the wire.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The value with this name on the wire.
            pub fn from_name(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

names! {
    /// The type of an error (RFC 6120 section 8.3.2).
    ErrorType {
        /// Retry after giving credentials.
        Auth = "auth",
        /// Do not retry.
        Cancel = "cancel",
        /// Nothing: it was only a warning.
        Continue = "continue",
        /// Retry after changing what was sent.
        Modify = "modify",
        /// Retry after a while.
        Wait = "wait",
    }
}

names! {
    /// A defined condition (RFC 6120 section 8.3.3).
    Condition {
        /// The stanza is malformed.
        BadRequest = "bad-request",
        /// A resource or session of that name exists.
        Conflict = "conflict",
        /// The feature is not implemented.
        FeatureNotImplemented = "feature-not-implemented",
        /// The sender may not do this.
        Forbidden = "forbidden",
        /// The addressee is elsewhere now.
        Gone = "gone",
        /// The server failed.
        InternalServerError = "internal-server-error",
        /// There is no such thing.
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
        /// Ask another person.
        Redirect = "redirect",
        /// The sender must register first.
        RegistrationRequired = "registration-required",
        /// The other server does not exist.
        RemoteServerNotFound = "remote-server-not-found",
        /// The other server did not answer.
        RemoteServerTimeout = "remote-server-timeout",
        /// Resources are short.
        ResourceConstraint = "resource-constraint",
        /// The service is not offered.
        ServiceUnavailable = "service-unavailable",
        /// The sender must subscribe first.
        SubscriptionRequired = "subscription-required",
        /// Something else.
        UndefinedCondition = "undefined-condition",
        /// The stanza came at the wrong time.
        UnexpectedRequest = "unexpected-request",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_survives_the_wire() {
        for &kind in ErrorType::ALL {
            for &condition in Condition::ALL {
                let plain = StanzaError::new(kind, condition);
                assert_eq!(StanzaError::read(&plain.to_element()), plain);
                let worded = plain.with_text("no <entry> & so on");
                assert_eq!(StanzaError::read(&worded.to_element()), worded);
            }
        }
    }

    #[test]
    fn what_is_not_listed_is_still_an_error() {
        let xml = b"<error type='odd'><odd xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>";
        let error = Element::parse(xml, ns::COMPONENT).unwrap();
        let expected = StanzaError::new(ErrorType::Cancel, Condition::UndefinedCondition);
        assert_eq!(StanzaError::read(&error), expected);
    }
}
