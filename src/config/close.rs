//! `[policy.close]`, and `[room.close]` for some rooms.

use std::time::Duration;

use super::section::{Item, Read, Section};
use super::values::{boolean, classes, duration_or_never, list, whole, word};
use crate::policy::close::{Close, Conditions};
use crate::policy::who::Who;

/// Puts what the table says into the rules.
pub(super) fn read(mut section: Section<'_>, rules: &mut Close) {
    section.set("hold_until", &mut rules.hold_until, conditions);
    section.set("at_occupants", &mut rules.at_occupants, whole(0..=1_000_000));
    section.set("after", &mut rules.after, duration_or_never(Duration::from_secs(1)));
    let never_or = duration_or_never(Duration::from_secs(1));
    section.set("when_unmoderated", &mut rules.when_unmoderated, never_or);
    section.set("may_enter", &mut rules.may_enter, classes);
    section.set("moderators_enter", &mut rules.moderators_enter, boolean);
    section.set("by", &mut rules.by, word(&Who::ALL, Who::name));
    section.set("reopen", &mut rules.reopen, word(&Who::ALL, Who::name));
    section.finish();
}

fn conditions(item: &Item<'_>) -> Read<Conditions> {
    let words = list(word(&["password", "moderator"], |word| word))(item)?;
    Ok(Conditions {
        password: words.contains(&"password"),
        moderator: words.contains(&"moderator"),
    })
}
