//! How a client shows what was decided: for each denial and each kind of client, the one answer that makes
//! the right thing appear on the screen.
//!
//! Jitsi Meet reads very little of a stanza error: a handful of conditions open a dialog, and everything else
//! is a broken server. Words reach its user only as the reason of a room that was destroyed, and of a
//! reservation that was refused (lib-jitsi-meet, `ChatRoom.onPresenceError` and `Moderator`).

use super::attempt::{Action, Client};
use super::denial::{Condition, Denial, OnJitsi};

/// An answer that is not `allow`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Shown {
    /// A stanza error (RFC 6120 §8.3), as XEP-0045 has it.
    Error(Condition),
    /// A stanza error that names the lobby to wait in: the client goes there.
    Lobby,
    /// A stanza error that makes the client offer to log in.
    LogIn,
    /// A stanza error after which the client tries again by itself.
    Retry,
    /// The room is said to be destroyed, for the reason given: the client shows the words.
    Destroyed,
    /// The reservation of the room is said to be refused: the client shows the words.
    Reservation,
}

impl Shown {
    /// The name on the wire. `None`: a plain stanza error.
    pub const fn name(self) -> Option<&'static str> {
        match self {
            Self::Error(_) => None,
            Self::Lobby => Some("lobby"),
            Self::LogIn => Some("log-in"),
            Self::Retry => Some("retry"),
            Self::Destroyed => Some("destroyed"),
            Self::Reservation => Some("reservation"),
        }
    }
}

/// Returns what the client is answered.
pub const fn shown(denial: Denial, client: Client, action: &Action) -> Shown {
    match (client, action) {
        // Only Jitsi's clients ask for rooms.
        (_, Action::Request) => requested(denial),
        (Client::Jitsi, Action::Open { .. } | Action::Join { .. }) => joined(denial),
        (Client::Plain | Client::Jitsi, _) => Shown::Error(denial.condition()),
    }
}

const fn requested(denial: Denial) -> Shown {
    if matches!(denial.on_jitsi(), OnJitsi::LogIn) { Shown::LogIn } else { Shown::Reservation }
}

const fn joined(denial: Denial) -> Shown {
    match denial.on_jitsi() {
        OnJitsi::Words | OnJitsi::Never => Shown::Destroyed,
        OnJitsi::Dialog => Shown::Error(denial.condition()),
        OnJitsi::Lobby => Shown::Lobby,
        OnJitsi::LogIn => Shown::LogIn,
        OnJitsi::Retry => Shown::Retry,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::attempt::Credential;

    #[test]
    fn only_jitsi_gets_answers_that_only_jitsi_understands() {
        let join = Action::Join { credential: Credential::None };
        assert_eq!(
            shown(Denial::Banned, Client::Plain, &join),
            Shown::Error(("auth", "forbidden"))
        );
        assert_eq!(shown(Denial::Banned, Client::Jitsi, &join), Shown::Destroyed);
        assert_eq!(
            shown(Denial::MayNotGrant, Client::Jitsi, &Action::Destroy),
            Shown::Error(("auth", "forbidden"))
        );
    }
}
