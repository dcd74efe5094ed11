//! Rules on closing: when nobody else may come in.

use std::time::Duration;

use serde_json::json;

use super::family::family;
use super::kinds::{Who, classes, words_in_list};
use crate::policy::class::{Class, ClassSet};
use crate::setting::kind::{SECOND, duration_or_never, flag, whole, word};
use crate::setting::{Item, Kind, values};

/// What must hold before others may come in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Conditions {
    /// The room has a password.
    pub password: bool,
    /// A moderator is present.
    pub moderator: bool,
}

family! {
    /// The rules on closing.
    "close": Close {
        /// What others wait for once the room is open: "password" (there is one), "moderator" (one is present).
        hold_until: Conditions = Conditions { password: true, moderator: false }, conditions(),
            rule "Others wait until the room has a password, or until a moderator is there."
            [off Conditions::default()];
        /// Close the room when this many people are inside; 0: never.
        at_occupants: u32 = 0, whole(0..=1_000_000),
            rule "The room is closed because so many people were in."
            [off 0];
        /// Close the room this long after it opened, or "never".
        after: Option<Duration> = None, duration_or_never(SECOND),
            rule "The room is closed because it was open for so long."
            [off None];
        /// Who may enter a closed room.
        may_enter: ClassSet = ClassSet::of(&[Class::Service, Class::Operator, Class::Returning]), classes();
        /// Whether moderators by the rules above may enter a closed room.
        moderators_enter: bool = true, flag();
        /// Who may close the room by writing !close: "moderator", "operator" or "nobody".
        by: Who = Who::Moderator, word(),
            rule "The room was closed by a person; or: who may close it."
            [off Who::Nobody, exempt |close| close.by.value = Who::Anybody];
        /// Who may open a closed room again by writing !reopen.
        reopen: Who = Who::Moderator, word(),
            rule "Who may open a closed room again."
            [off Who::Nobody, exempt |close| close.reopen.value = Who::Anybody];
        /// Close the room this long after its last moderator left, or "never".
        when_unmoderated: Option<Duration> = None, duration_or_never(SECOND),
            rule "The room is closed because no moderator was inside for so long."
            [off None; Undescribed];
    }
}

fn conditions() -> Kind<Conditions> {
    static WORDS: [&str; 2] = ["password", "moderator"];
    let read = |item: &Item<'_>| {
        let words = values::list(values::word(&WORDS, |word| word))(item)?;
        Ok(Conditions {
            password: words.contains(&"password"),
            moderator: words.contains(&"moderator"),
        })
    };
    let write = |it: &Conditions| {
        let all = WORDS.into_iter().zip([it.password, it.moderator]);
        words_in_list(all.filter(|(_, is)| *is).map(|(word, _)| word))
    };
    Kind::new(read, write, json!({ "type": "array", "items": { "enum": WORDS } }))
}
