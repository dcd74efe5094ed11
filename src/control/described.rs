//! The fields that describe an attempt.

use super::command::{Field, FieldKind, PERSON, ROOM, may};

/// What an attempt is described by ([`crate::config::Described`]).
pub(super) const ATTEMPT: &[Field] = &[
    ROOM,
    PERSON,
    may("what", "What is tried", FieldKind::Text),
    may(
        "auth",
        "How the session logged in",
        FieldKind::Choice(&["account", "token", "anonymous", "server", "component"]),
    ),
    may("claims", "Claims of the token, as NAME=VALUE", FieldKind::List),
    may("unencrypted", "The connection is not encrypted", FieldKind::Flag),
    may("address", "Network address", FieldKind::Text),
    may("password", "What is typed as password", FieldKind::Choice(&["none", "wrong", "right"])),
    may("admitted", "Somebody inside has let him in", FieldKind::Flag),
    may("moderator", "Moderates the room", FieldKind::Flag),
    may("occupants", "People inside", FieldKind::Number),
    may("moderators", "Moderators inside", FieldKind::Number),
    may("waiting", "People waiting", FieldKind::Number),
    may("no_password", "The room has no password", FieldKind::Flag),
    may("closed", "The room is closed", FieldKind::Flag),
    may("jitsi", "Uses Jitsi Meet", FieldKind::Flag),
    may("e2ee", "Can encrypt end to end", FieldKind::Flag),
];
