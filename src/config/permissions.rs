//! `[policy.permissions]`, and `[room.permissions]` for some rooms.

use super::section::{Item, Read, Section};
use super::values::{CLASSES, list, word};
use crate::policy::class::ClassSet;
use crate::policy::permissions::{E2ee, Permissions, Permitted};

/// Puts what the table says into the rules.
pub(super) fn read(mut section: Section<'_>, rules: &mut Permissions) {
    section.set("chat", &mut rules.chat, permitted);
    section.set("private", &mut rules.private, permitted);
    section.set("rename", &mut rules.rename, permitted);
    section.set("audio", &mut rules.audio, permitted);
    section.set("video", &mut rules.video, permitted);
    section.set("desktop", &mut rules.desktop, permitted);
    section.set("record", &mut rules.record, permitted);
    section.set("dial", &mut rules.dial, permitted);
    section.set("e2ee", &mut rules.e2ee, word(&E2ee::ALL, E2ee::name));
    section.finish();
}

/// Classes, and `moderator`, which is no class but a role.
fn permitted(item: &Item<'_>) -> Read<Permitted> {
    static WORDS: [(&str, Option<ClassSet>); CLASSES.len() + 1] = {
        let mut words = [("moderator", None); CLASSES.len() + 1];
        let mut rest: &mut [(&str, Option<ClassSet>)] = &mut words;
        let mut classes: &[(&str, ClassSet)] = &CLASSES;
        while let ([word, more_words @ ..], [class, more_classes @ ..]) = (rest, classes) {
            *word = (class.0, Some(class.1));
            rest = more_words;
            classes = more_classes;
        }
        words
    };
    let words = list(word(&WORDS, |(name, _)| name))(item)?;
    Ok(Permitted {
        classes: words
            .iter()
            .filter_map(|(_, classes)| *classes)
            .fold(ClassSet::NONE, ClassSet::and),
        moderators: words.iter().any(|(_, classes)| classes.is_none()),
    })
}
