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
}

impl Who {
    /// Every value.
    pub const ALL: [Self; 3] = [Self::Moderator, Self::Operator, Self::Nobody];

    /// The name in the file.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Moderator => "moderator",
            Self::Operator => "operator",
            Self::Nobody => "nobody",
        }
    }
}
