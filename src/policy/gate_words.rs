//! What a gate says by itself, without asking: its names in the operator's file, and its words in English.

/// The name, and the English words as the gate has them.
pub const GATE_WORDS: [(&str, &str); 15] = [
    ("gate-chat", "You may not write to this room."),
    ("gate-private", "You may not write privately to anybody in this room."),
    ("gate-rename", "You may not change your name in this room."),
    ("gate-media", "Who may speak, show himself and share the screen is set by the server."),
    ("gate-admitted", "You have been admitted."),
    ("gate-nobody", "Nobody has let you in. Try again later."),
    ("gate-away", "The meeting policy does not answer. Try again in a moment."),
    ("gate-full", "Too many people wait here. Try again in a moment."),
    (
        "gate-address",
        "An address in this request has characters that are not allowed in addresses here.",
    ),
    ("gate-too-large", "The request is too large."),
    ("gate-value", "This value cannot be used here: {field}."),
    ("gate-outside", "You are not in this room."),
    ("gate-unnamed", "This room does not take such a request."),
    ("gate-read", "Only moderators can see this."),
    ("gate-elsewhere", "No meetings are held at this address."),
];

/// Those that the component says, too: they have their names already.
pub const SHARED: [&str; 2] = ["say-suspended-here", "reserved-nick"];
