//! What the room says to people, in one place.

use std::borrow::Cow;
use std::time::Duration;

use super::denial::in_words;

/// A message from the room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Notice {
    /// The password, to somebody who moderates.
    Password,
    /// The password has changed, to those who moderate.
    PasswordChanged,
    /// The room is closed now.
    Closed,
    /// The room takes people in again.
    Reopened,
    /// To those who wait: they are turned away.
    NobodyThere,
    /// The room closes so soon.
    ClosesIn(Duration),
    /// The room ends so soon.
    EndsIn(Duration),
    /// The room ends: it was open for as long as a room may be.
    TimeIsUp,
    /// The room ends: no moderator was inside for too long.
    NoModerator,
    /// The room ends: the hours are over.
    HoursAreOver,
    /// To those who moderate: strangers have to knock now.
    Wave,
    /// To those who moderate: strangers need not knock any more.
    Calm,
    /// To moderators: somebody came in whose client cannot encrypt end to end.
    CannotEncrypt,
    /// To a moderator: only clients that can do so come in.
    EncryptedOnly,
}

impl Notice {
    /// The text; the gate puts the room's password in place of `{password}`,
    /// and the name of whoever came in in place of `{nick}`.
    pub fn text(self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::Password => {
                "Only you can read this. The password of this room is: {password} (write !password to see it again)"
            }
            Self::PasswordChanged => {
                "Only moderators can read this. The password of this room is now: {password}"
            }
            Self::Closed => "This room is closed now: nobody else can come in.",
            Self::Reopened => "This room is open again.",
            Self::CannotEncrypt => {
                "Only moderators can read this. The client of {nick} does not say that it can encrypt end to end."
            }
            Self::EncryptedOnly => {
                "Only you can read this. This room takes only clients that can encrypt end to end; nothing is recorded, and no telephone is called. Switch the encryption on in your client: the server cannot."
            }
            Self::NobodyThere => "Nobody is there who could let you in. Try again later.",
            Self::ClosesIn(left) => {
                let left = in_words(left);
                return Cow::Owned(format!(
                    "In {left} this room closes: nobody else can come in then."
                ));
            }
            Self::EndsIn(left) => {
                return Cow::Owned(format!("This room ends in {}.", in_words(left)));
            }
            Self::TimeIsUp => "This room was open for as long as a room may be here.",
            Self::NoModerator => "This room has ended: no moderator was left in it.",
            Self::HoursAreOver => "Rooms are not open any more for now.",
            Self::Wave => {
                "Only moderators can read this. Many strangers came in within a short time: from now on they have to be let in."
            }
            Self::Calm => {
                "Only moderators can read this. No strangers have come for a while: they can come in again as before."
            }
        })
    }
}
