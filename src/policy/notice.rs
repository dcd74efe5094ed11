//! What the room says to people, in one place.

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
    /// To moderators: somebody came in whose client cannot encrypt end to end.
    CannotEncrypt,
    /// To a moderator: only clients that can do so come in.
    EncryptedOnly,
}

impl Notice {
    /// The text; the gate puts the room's password in place of `{password}`,
    /// and the name of whoever came in in place of `{nick}`.
    pub const fn text(self) -> &'static str {
        match self {
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
        }
    }
}
