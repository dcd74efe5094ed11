//! `[policy.settings]`, and `[room.settings]` for some rooms.

use std::collections::BTreeSet;

use super::section::{Item, Read, Section};
use super::values::{list, some_text, whole, word};
use crate::policy::set::Set;
use crate::policy::settings::{PersistentBy, Settings, SubjectBy};
use crate::policy::who::Who;

/// The greatest bound on a text, in characters.
const LONGEST: u32 = 1000;
/// The most messages of history, whatever the file says: a gate refuses a form that asks for more.
const LONGEST_HISTORY: u32 = 1000;
/// The choices of XEP-0045 §15.5.4 for `muc#roomconfig_whois`.
static WHOIS: [&str; 2] = ["moderators", "anyone"];
/// The same for `muc#roomconfig_allowpm`, and what Prosody has beside.
static PRIVATE_MESSAGES: [&str; 5] = ["anyone", "participants", "members", "moderators", "none"];

/// Puts what the table says into the rules.
pub(super) fn read(mut section: Section<'_>, rules: &mut Settings) {
    let mut who = |key, setting: &mut Set<Who>| {
        section.set(key, setting, word(&Who::ALL, Who::name));
    };
    who("name", &mut rules.name);
    who("description", &mut rules.description);
    who("subject_change", &mut rules.subject_change);
    who("language", &mut rules.language);
    who("moderated", &mut rules.moderated);
    who("whois", &mut rules.whois);
    who("history", &mut rules.history);
    who("member_invites", &mut rules.member_invites);
    who("private_messages", &mut rules.private_messages);
    who("presence", &mut rules.presence);
    who("archive", &mut rules.archive);
    who("max_occupants", &mut rules.max_occupants);
    who("other", &mut rules.other);
    section.set("subject", &mut rules.subject, word(&SubjectBy::ALL, SubjectBy::name));
    section.set("persistent", &mut rules.persistent, word(&PersistentBy::ALL, PersistentBy::name));
    section.set("name_length", &mut rules.name_length, whole(0..=LONGEST));
    section.set("description_length", &mut rules.description_length, whole(0..=LONGEST));
    section.set("subject_length", &mut rules.subject_length, whole(0..=LONGEST));
    section.set("history_max", &mut rules.history_max, whole(0..=LONGEST_HISTORY));
    section.set("max_occupants_least", &mut rules.max_occupants_least, whole(0..=1_000_000));
    section.set("max_occupants_most", &mut rules.max_occupants_most, whole(0..=1_000_000));
    section.set("languages", &mut rules.languages, |item| {
        list(some_text)(item).map(|tags| tags.iter().map(|tag| tag.to_lowercase()).collect())
    });
    section.set("whois_choices", &mut rules.whois_choices, |item| choices(item, &WHOIS));
    section.set("private_message_choices", &mut rules.private_message_choices, |item| {
        choices(item, &PRIVATE_MESSAGES)
    });
    section.finish();
}

fn choices(item: &Item<'_>, all: &'static [&'static str]) -> Read<BTreeSet<String>> {
    let words = list(word(all, |word| word))(item)?;
    Ok(words.into_iter().map(str::to_owned).collect())
}
