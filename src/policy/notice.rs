//! Notices: what the room says to people. One row each, with its name and its text.

use std::borrow::Cow;
use std::time::Duration;

use super::denial::{Clock, OPENS, WAIT, sample};
use super::messages::{ENGLISH, in_words, when};

/// One row a notice: what it is, `like` a value to show it with, and `=>` its name in the operator's file and its text
/// in English, with placeholders for what differs.
macro_rules! notices {
    ($(
        $(#[$doc:meta])*
        $name:ident $(($of:ty) like $sample:expr)? => $key:literal, $template:literal;
    )*) => {
        /// A notice: a message from the room to people.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Notice {
            $($(#[$doc])* $name $(($of))?,)*
            /// A notice of the operator's own; its text is empty unless the file has one.
            Told(Told),
        }

        impl Notice {
            /// A sample of each notice that has a built-in text.
            pub const EVERY: &[Self] = &[$(sample!($name $($sample)?)),*];

            /// Returns the name in the operator's file.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name { .. } => $key,)*
                    Self::Told(told) => told.name(),
                }
            }

            /// Returns the text in English, with placeholders for what differs.
            pub const fn template(self) -> &'static str {
                match self {
                    Self::HoursAreOver(None) => "This meeting has ended because meetings are closed now.",
                    $(Self::$name { .. } => $template,)*
                    Self::Told(_) => "",
                }
            }
        }
    };
}

notices! {
    /// To a moderator: the password.
    Password =>
        "say-password", "Only you can see this. The password of this meeting is: {password} (write !password to see it again)";
    /// To a moderator: the password and the host code.
    PasswordAndCode =>
        "say-password-and-code", "Only you can see this. The password of this meeting is: {password} (write !password to see it again). The host code is: {code} (typed instead of the password, it makes anyone a moderator; give it to hosts only)";
    /// To a moderator or to all of them: the host code.
    Code =>
        "say-code", "Only moderators can see this. The host code of this meeting is: {code} (typed where a password is asked for, it makes anyone a moderator; give it to hosts only)";
    /// To moderators: the password has changed.
    PasswordChanged =>
        "say-password-changed", "Only moderators can see this. The password of this meeting is now: {password}";
    /// An invitation to pass on: the link.
    Invite =>
        "say-invite", "You are invited to a meeting: {link}";
    /// An invitation to pass on, to a meeting on Jitsi whose link is not known: its name.
    InviteName =>
        "say-invite-name", "You are invited to the meeting {link}.";
    /// More of the invitation: the telephone.
    InvitePhone =>
        "say-invite-phone", "By phone: {phone}";
    /// More of the invitation: the password.
    InvitePassword =>
        "say-invite-password", "Password: {password}";
    /// More of the invitation: the lobby.
    InviteLobby =>
        "say-invite-lobby", "You wait in the lobby first; a moderator lets you in.";
    /// More of the invitation: when meetings are open again.
    InviteHours(Option<Clock>) like Self::InviteHours(Some(OPENS)) =>
        "say-invite-hours", "Meetings open on {opens}.";
    /// The words that can be written in the chat.
    Help =>
        "say-help",
        "In this chat you can write !password, !password NEW-PASSWORD, !invite, !close, !reopen, !admit all and !reject all. Most of these are for moderators.";
    /// The room is closed to newcomers.
    Closed =>
        "say-closed", "This meeting is now closed to new participants.";
    /// The room is open to newcomers again.
    Reopened =>
        "say-reopened", "This meeting is open to new participants again.";
    /// To everybody inside: an operator has suspended the meeting.
    Suspended =>
        "say-suspended", "The server's operator has suspended this meeting. Only moderators can speak and write, nobody else can join, and nothing is recorded.";
    /// To a person who comes in: the meeting is suspended.
    SuspendedHere =>
        "say-suspended-here", "This meeting has been suspended by the server's operator. Only moderators can speak and write.";
    /// To those who wait: the meeting is suspended.
    SuspendedWaiting =>
        "say-suspended-waiting", "The server's operator has suspended this meeting. Nobody can be let in until it resumes. You are still in the lobby.";
    /// An operator has resumed the meeting.
    Resumed =>
        "say-resumed", "The server's operator has resumed this meeting.";
    /// To those who wait: they are turned away.
    NobodyThere =>
        "say-nobody-there", "Nobody is here to let you in. Please try again later.";
    /// To everybody inside: no moderator is left, and nobody takes over.
    Unattended =>
        "say-unattended", "No moderator is in this meeting any more, so nobody can let in people who knock.";
    /// The room closes to newcomers after this time.
    ClosesIn(Duration) like Self::ClosesIn(WAIT) =>
        "say-closes-in", "This meeting closes to new participants in {left}.";
    /// The room ends after this time.
    EndsIn(Duration) like Self::EndsIn(WAIT) =>
        "say-ends-in", "This meeting ends in {left}.";
    /// The room ends: it was open for as long as a room may be.
    TimeIsUp =>
        "say-time-is-up", "This meeting has ended because it reached the longest time allowed here.";
    /// The room ends: no moderator was inside for too long.
    NoModerator =>
        "say-no-moderator", "This meeting has ended because no moderator was left.";
    /// The room ends with the opening hours, which begin again at that time, if ever.
    HoursAreOver(Option<Clock>) like Self::HoursAreOver(Some(OPENS)) =>
        "say-hours-are-over", "This meeting has ended because meetings are closed now. They open again on {opens}.";
    /// To moderators: strangers have to knock now.
    JoinFlood =>
        "say-wave", "Only moderators can see this. Many unknown people joined within a short time, so new ones now have to be let in.";
    /// To moderators: strangers need not knock any more.
    Calm =>
        "say-calm", "Only moderators can see this. Unknown people can join as before, since none have come for a while.";
    /// To moderators: a person inside has a name that may be taken for that of one of them.
    LooksAlike =>
        "say-looks-alike", "Only moderators can see this. {nick} now has a name here that looks like a moderator's.";
    /// To moderators: a person who asks to be let in has a name that may be taken for that of one of them.
    KnocksAlike =>
        "say-knocks-alike", "Only moderators can see this. {nick} is asking to join with a name that looks like a moderator's.";
    /// To moderators: a person came in whose client cannot encrypt end to end.
    CannotEncrypt =>
        "say-cannot-encrypt", "Only moderators can see this. {nick}'s client does not support end-to-end encryption.";
    /// To a moderator: only clients that can encrypt end to end may enter.
    EncryptedOnly =>
        "say-encrypted-only", "Please turn end-to-end encryption on in your client: the server cannot. Other clients and phones are not let in, and nothing is recorded.";
    /// To the person who let everybody in from the lobby: how many there were.
    LetIn(u32) like Self::LetIn(2) =>
        "say-let-in", "Everyone in the lobby was let in ({count}).";
    /// To the person who turned everybody in the lobby away: how many there were.
    TurnedAway(u32) like Self::TurnedAway(2) =>
        "say-turned-away", "Everyone in the lobby was turned away ({count}).";
}

impl Notice {
    /// Returns the text in English.
    pub fn text(self) -> Cow<'static, str> {
        self.fill(self.template(), ENGLISH)
    }

    /// Fills in a template in that language, except for what the gate knows: it puts in the room's
    /// password for `{password}`, its host code for `{code}`, and the name of the person who came in for `{nick}`.
    pub(super) fn fill<'a>(self, template: &'a str, language: &str) -> Cow<'a, str> {
        if let Self::ClosesIn(left) | Self::EndsIn(left) = self {
            Cow::Owned(template.replace("{left}", &in_words(left, language)))
        } else if let Self::LetIn(count) | Self::TurnedAway(count) = self {
            Cow::Owned(template.replace("{count}", &count.to_string()))
        } else if let Self::HoursAreOver(Some(opens)) | Self::InviteHours(Some(opens)) = self {
            Cow::Owned(template.replace("{opens}", &when(opens, language)))
        } else {
            Cow::Borrowed(template)
        }
    }
}

names! {
    /// A notice that only the operator has text for.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub enum Told {
        /// To everybody who enters.
        Enter = "notice-enter",
        /// To moderators when they enter.
        Moderate = "notice-moderate",
        /// To a person who has to wait, in addition to the reason.
        Wait = "notice-wait",
        /// To a person who is asked for a password, in addition to the reason.
        Password = "notice-password",
        /// To a person who may not enter, in addition to the reason.
        Refused = "notice-refused",
    }
}

impl Told {
    /// Returns the placeholders that the text may have. The gate fills in those of the first two.
    pub const fn template(self) -> &'static str {
        match self {
            Self::Enter => "{room} {nick}",
            Self::Moderate => "{room} {nick} {password}",
            Self::Wait | Self::Password | Self::Refused => "{room} {rule}",
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
        assert_eq!(ends, "This meeting ends in 5 minutes.");
        let over = |opens| Notice::HoursAreOver(opens).text();
        assert!(
            over(Some(OPENS))
                .ends_with("They open again on Monday, 5 January 2026, at 08:00 (UTC+01).")
        );
        assert!(!over(None).contains("again"));
    }

    #[test]
    fn a_notice_fits_the_pop_up_of_jitsi_s_web_app() {
        // It cuts after five lines. The chat alone tells secrets and answers `!help`.
        const FITS: usize = 140;
        for notice in Notice::EVERY {
            let text = notice.text();
            let is_secret = ["{password}", "{code}"].iter().any(|it| text.contains(it));
            let is_in_chat = is_secret || *notice == Notice::Help;
            assert!(is_in_chat || text.len() <= FITS, "{} characters: {text}", text.len());
        }
    }

    #[test]
    fn one_and_several_are_told_alike_or_each_in_its_form() {
        for (notice, english) in [
            (Notice::EndsIn(Duration::from_secs(1)), "This meeting ends in 1 second."),
            (Notice::EndsIn(Duration::from_secs(60)), "This meeting ends in 60 seconds."),
            (
                Notice::ClosesIn(Duration::from_secs(120)),
                "This meeting closes to new participants in 2 minutes.",
            ),
            (Notice::LetIn(1), "Everyone in the lobby was let in (1)."),
            (Notice::TurnedAway(2), "Everyone in the lobby was turned away (2)."),
        ] {
            assert_eq!(notice.text(), english);
        }
        let german = |seconds| {
            Notice::EndsIn(Duration::from_secs(seconds)).fill("Ende in {left}.", "de").into_owned()
        };
        assert_eq!(
            [german(1), german(60), german(3600)],
            ["Ende in 1 s.", "Ende in 60 s.", "Ende in 60 min."]
        );
    }
}
