//! What a gate says by itself, without asking: its names in the operator's file, and its words in English.

/// The name, and the English words as the gate has them.
pub const GATE_WORDS: [(&str, &str); 18] = [
    ("gate-chat", "You cannot write in this meeting."),
    ("gate-private", "You cannot send private messages in this meeting."),
    ("gate-rename", "You cannot change your name in this meeting."),
    ("gate-media", "Audio, video and screen sharing are controlled by this server."),
    ("gate-admitted", "A moderator has let you in."),
    ("gate-knock", "{nick} ({address}) would like to join."),
    ("gate-declined", "Your request to join was declined."),
    ("gate-nobody", "Nobody has let you in. Please try again later."),
    ("gate-away", "The meeting service is briefly unavailable. Please try again in a moment."),
    (
        "gate-mismatch",
        "The meeting service is out of order. Please tell the operator of this server.",
    ),
    ("gate-full", "Too many people are waiting. Please try again in a moment."),
    ("gate-address", "An address in this request contains characters that are not allowed here."),
    ("gate-too-large", "The request is too large."),
    ("gate-value", "This value is not allowed here: {field}."),
    ("gate-outside", "You are not in this room. Please join first."),
    ("gate-unnamed", "This room does not support this request."),
    ("gate-read", "Only moderators can see this."),
    ("gate-elsewhere", "No meetings are held at this address."),
];

/// Those that the component says, too: they have their names already.
pub const SHARED: [&str; 2] = ["say-suspended-here", "reserved-nick"];
