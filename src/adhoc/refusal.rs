//! Why a step of a command is refused: an error, as XEP-0050 section 4.6 lists them.

use crate::xmpp::ns;
use crate::xmpp::stanza::{Condition, ErrorType, StanzaError};

/// Why a step is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Not for this caller.
    Forbidden,
    /// There is no such command.
    NoCommand,
    /// No action that there is.
    MalformedAction,
    /// An action that this stage does not offer.
    BadAction,
    /// No form that was asked for.
    BadPayload,
    /// No conversation of this caller's.
    BadSession,
    /// A conversation that waited too long.
    Expired,
    /// A question where something is to be done.
    BadRequest,
    /// Too many commands run.
    Busy,
}

impl From<Refusal> for StanzaError {
    fn from(refusal: Refusal) -> Self {
        use Condition::{BadRequest, Forbidden, ItemNotFound, NotAllowed, ResourceConstraint};
        use ErrorType::{Auth, Cancel, Modify, Wait};
        let (kind, condition, detail, text) = match refusal {
            Refusal::Forbidden => (Auth, Forbidden, None, "This is not for you."),
            Refusal::NoCommand => (Cancel, ItemNotFound, None, "There is no such command."),
            Refusal::MalformedAction => {
                (Modify, BadRequest, Some("malformed-action"), "There is no such action.")
            }
            Refusal::BadAction => {
                (Modify, BadRequest, Some("bad-action"), "This action is not offered here.")
            }
            Refusal::BadPayload => (
                Modify,
                BadRequest,
                Some("bad-payload"),
                "This is not the form that was asked for.",
            ),
            Refusal::BadSession => (
                Modify,
                BadRequest,
                Some("bad-sessionid"),
                "There is no such conversation of yours: begin again.",
            ),
            Refusal::Expired => (
                Cancel,
                NotAllowed,
                Some("session-expired"),
                "This has waited too long: begin again.",
            ),
            Refusal::BadRequest => {
                (Modify, BadRequest, None, "A command has to be an iq of type \"set\".")
            }
            Refusal::Busy => (
                Wait,
                ResourceConstraint,
                None,
                "Too many commands are being carried out: try again in a moment.",
            ),
        };
        let error = Self::new(kind, condition).with_text(text);
        match detail {
            Some(name) => error.with_detail(ns::COMMANDS, name),
            None => error,
        }
    }
}
