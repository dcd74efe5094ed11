//! What the room says to people, in one place.

use std::borrow::Cow;
use std::time::Duration;

use super::told::Told;
use super::words::{ENGLISH, WAIT, in_words};

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
    /// An operator suspends the meeting, to everybody inside.
    Suspended,
    /// The meeting is suspended, to somebody who comes in.
    SuspendedHere,
    /// An operator resumes the meeting.
    Resumed,
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
    /// To moderators: somebody inside has a name that may be taken for that of one of them.
    LooksAlike,
    /// To moderators: somebody who asks to be let in has such a name.
    KnocksAlike,
    /// To moderators: somebody came in whose client cannot encrypt end to end.
    CannotEncrypt,
    /// To a moderator: only clients that can do so come in.
    EncryptedOnly,
    /// What the operator has written, if anything.
    Told(Told),
}

impl Notice {
    /// One of each notice that has built-in words.
    pub const EVERY: [Self; 19] = [
        Self::Password,
        Self::PasswordChanged,
        Self::Closed,
        Self::Reopened,
        Self::Suspended,
        Self::SuspendedHere,
        Self::Resumed,
        Self::NobodyThere,
        Self::ClosesIn(WAIT),
        Self::EndsIn(WAIT),
        Self::TimeIsUp,
        Self::NoModerator,
        Self::HoursAreOver,
        Self::Wave,
        Self::Calm,
        Self::LooksAlike,
        Self::KnocksAlike,
        Self::CannotEncrypt,
        Self::EncryptedOnly,
    ];

    /// The name in the operator's file.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Password => "say-password",
            Self::PasswordChanged => "say-password-changed",
            Self::Closed => "say-closed",
            Self::Reopened => "say-reopened",
            Self::Suspended => "say-suspended",
            Self::SuspendedHere => "say-suspended-here",
            Self::Resumed => "say-resumed",
            Self::NobodyThere => "say-nobody-there",
            Self::ClosesIn(_) => "say-closes-in",
            Self::EndsIn(_) => "say-ends-in",
            Self::TimeIsUp => "say-time-is-up",
            Self::NoModerator => "say-no-moderator",
            Self::HoursAreOver => "say-hours-are-over",
            Self::Wave => "say-wave",
            Self::Calm => "say-calm",
            Self::LooksAlike => "say-looks-alike",
            Self::KnocksAlike => "say-knocks-alike",
            Self::CannotEncrypt => "say-cannot-encrypt",
            Self::EncryptedOnly => "say-encrypted-only",
            Self::Told(told) => told.name(),
        }
    }

    /// The text in English.
    pub fn text(self) -> Cow<'static, str> {
        self.fill(self.template(), ENGLISH)
    }

    /// Puts what differs into a template in that language. What the gate knows stays: it puts the room's
    /// password in place of `{password}`, and the name of whoever came in in place of `{nick}`.
    pub(super) fn fill<'a>(self, template: &'a str, language: &str) -> Cow<'a, str> {
        if let Self::ClosesIn(left) | Self::EndsIn(left) = self {
            Cow::Owned(template.replace("{left}", &in_words(left, language)))
        } else {
            Cow::Borrowed(template)
        }
    }

    /// The text in English, with placeholders for what differs.
    pub const fn template(self) -> &'static str {
        match self {
            Self::Password => {
                "Only you can read this. The password of this room is: {password} (write !password to see it again)"
            }
            Self::PasswordChanged => {
                "Only moderators can read this. The password of this room is now: {password}"
            }
            Self::Closed => "This room is closed now: nobody else can come in.",
            Self::Reopened => "This room is open again.",
            Self::Suspended => {
                "The operator of this server has suspended this meeting: only moderators can speak and write, nobody else can come in, and nothing is recorded."
            }
            Self::SuspendedHere => {
                "This meeting is suspended by the operator of this server: only moderators can speak and write."
            }
            Self::Resumed => "The operator of this server has resumed this meeting.",
            Self::Told(_) => "",
            Self::LooksAlike => {
                "Only moderators can read this. {nick} is now in the room under a name that looks like a moderator's."
            }
            Self::KnocksAlike => {
                "Only moderators can read this. {nick} asks to be let in under a name that looks like a moderator's."
            }
            Self::CannotEncrypt => {
                "Only moderators can read this. The client of {nick} does not say that it can encrypt end to end."
            }
            Self::EncryptedOnly => {
                "Only you can read this. This room takes only clients that can encrypt end to end; nothing is recorded, and no telephone is called. Switch the encryption on in your client: the server cannot."
            }
            Self::NobodyThere => "Nobody is there who could let you in. Try again later.",
            Self::ClosesIn(_) => "In {left} this room closes: nobody else can come in then.",
            Self::EndsIn(_) => "This room ends in {left}.",
            Self::TimeIsUp => "This room was open for as long as a room may be here.",
            Self::NoModerator => "This room has ended: no moderator was left in it.",
            Self::HoursAreOver => "Rooms are not open any more for now.",
            Self::Wave => {
                "Only moderators can read this. Many strangers came in within a short time: from now on they have to be let in."
            }
            Self::Calm => {
                "Only moderators can read this. No strangers have come for a while: they can come in again as before."
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notice_says_what_is_left() {
        assert_eq!(Notice::Calm.text(), Notice::Calm.template());
        let ends = Notice::EndsIn(Duration::from_secs(300)).text();
        assert_eq!(ends, "This room ends in 5 minutes.");
    }
}
