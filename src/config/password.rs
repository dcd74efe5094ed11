//! `[policy.password]`, and `[room.password]` for some rooms.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::notes::Place;
use super::outside::Outside;
use super::secrets::{self, Keys};
use super::section::{Item, Read, Section};
use super::values::{
    boolean, classes, duration, duration_or_never, list, some_text, text, whole, word,
};
use crate::policy::password::{AskAgain, Guesses, Password};
use crate::policy::record::Source;
use crate::policy::set::Set;
use crate::policy::who::Who;
use crate::secret::Secret;

/// Least length of the secret that passwords are derived from, in characters.
const SECRET_LENGTH: usize = 32;
const MILLISECOND: Duration = Duration::from_millis(1);
const MINUTE: Duration = Duration::from_secs(60);

/// Puts what the table says into the rules.
pub(super) fn read(mut section: Section<'_>, rules: &mut Password, outside: &Outside<'_>) {
    section.set("required", &mut rules.required, boolean);
    section.set("source", &mut rules.source, word(&Source::ALL, Source::name));
    section.set("words", &mut rules.words, whole(3..=12));
    section.set("min_length", &mut rules.min_length, whole(1..=128));
    section.set("min_score", &mut rules.min_score, whole(0..=4));
    deny_list(&mut section, &mut rules.deny_list, outside);
    let preset = Keys { inline: "preset", file: "preset_file", least: 1 };
    secret(&mut section, &mut rules.preset, preset, outside);
    let derive = Keys { inline: "secret", file: "secret_file", least: SECRET_LENGTH };
    secret(&mut section, &mut rules.secret, derive, outside);
    section.set("period", &mut rules.period, duration_or_never(MINUTE));
    section.set("change", &mut rules.change, word(&Who::ALL, Who::name));
    section.set("ask_again", &mut rules.ask_again, word(&AskAgain::ALL, AskAgain::name));
    section.set("tell", &mut rules.tell, boolean);
    section.set("bypass", &mut rules.bypass, classes);
    guesses(section.table("guesses"), &mut rules.guesses);
    section.finish();
}

fn guesses(mut section: Section<'_>, guesses: &mut Guesses) {
    section.set("free", &mut guesses.free, whole(0..=10_000));
    section.set("room_free", &mut guesses.room_free, whole(0..=1_000_000));
    section.set("delay", &mut guesses.delay, duration(MILLISECOND));
    section.set("max_delay", &mut guesses.max_delay, duration(MILLISECOND));
    section.set("forget", &mut guesses.forget, duration(Duration::from_secs(1)));
    section.finish();
}

fn secret(
    section: &mut Section<'_>,
    setting: &mut Set<Option<Secret>>,
    keys: Keys,
    outside: &Outside<'_>,
) {
    if let Ok(Some((secret, place))) = secrets::read(section, keys, outside) {
        *setting = Set::at(secret, section.notes().line(&place));
    }
}

/// Both the list and the file, if both are given.
fn deny_list(
    section: &mut Section<'_>,
    setting: &mut Set<Arc<HashSet<String>>>,
    outside: &Outside<'_>,
) {
    let written = section.read("deny_list", list(some_text));
    let listed = section.read("deny_list_file", |item| words_of(item, outside));
    let place = match (&written, &listed) {
        (Some((_, place)), _) | (None, Some((_, place))) => place.clone(),
        (None, None) => return,
    };
    let words =
        |given: Option<(Vec<String>, Place)>| given.map(|(words, _)| words).unwrap_or_default();
    let all = words(written).into_iter().chain(words(listed));
    *setting = Set::at(
        Arc::new(all.map(|word| word.to_lowercase()).collect()),
        section.notes().line(&place),
    );
}

fn words_of(item: &Item<'_>, outside: &Outside<'_>) -> Read<Vec<String>> {
    let name = text(item)?;
    if name.is_empty() {
        return Ok(Vec::new());
    }
    match (outside.read)(Path::new(&name)) {
        Ok(words) => Ok(words.lines().filter(|word| !word.is_empty()).map(str::to_owned).collect()),
        Err(error) => item.wrong(format!("cannot read `{name}`: {error}"), None),
    }
}
