//! Who may do something inside a room.

/// Who may do something inside a room. Operators always may, unless nobody may.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Who {
    /// Moderators of the room, and operators.
    #[default]
    Moderator,
    /// Operators of the file.
    Operator,
    /// Nobody.
    Nobody,
    /// Anyone whom the room service lets. No word in the file: it is what remains of a rule that is off.
    Anybody,
}

impl Who {
    /// Every value of the file.
    pub const ALL: [Self; 3] = [Self::Moderator, Self::Operator, Self::Nobody];

    /// The name in the file.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Moderator => "moderator",
            Self::Operator => "operator",
            Self::Nobody => "nobody",
            Self::Anybody => "anybody",
        }
    }
}
