//! `[text]`: the operator's own wording of messages, with a table `[text.LANG]` for each language.

use super::diagnostics::Place;
use super::table_reader::TableReader;
use crate::policy::denial::Denial;
use crate::policy::form_field::FormField;
use crate::policy::messages::{ENGLISH, GATE_WORDS, placeholders};
use crate::policy::notice::{Notice, Told};
use crate::policy::room_form::is_that_language;
use crate::policy::texts::{Texts, Words};
use crate::setting::values::some_text;
use crate::setting::{Item, Read, kind};

/// Longest text in bytes: a reply is one small stanza.
const LONGEST: usize = 1000;
/// Longest language tag in bytes (RFC 5646 §4.4.1).
const LONGEST_TAG: usize = 35;

/// Returns the code and the built-in template of every message; its placeholders are those that a text may use.
fn sentences() -> impl Iterator<Item = (&'static str, &'static str)> {
    let denials = Denial::EVERY.iter().map(|denial| (denial.code(), denial.template()));
    let notices = Notice::EVERY.iter().map(|notice| (notice.name(), notice.template()));
    let told = Told::ALL.iter().map(|told| (told.name(), told.template()));
    denials.chain(notices).chain(told).chain(GATE_WORDS)
}

/// Reads `[text]` and the table of each language.
pub(super) fn read(mut section: TableReader<'_>) -> Texts {
    let mut texts = Texts::default();
    let (notes, default) = (section.notes(), section.read("language", language));
    for (tag, place, mut table) in section.into_tables() {
        if !is_language(&tag) {
            let hint = "write a language's tag, like `[text.de]` or `[text.pt-BR]`";
            table.error_with(place, "", format!("`{tag}` is no language"), hint);
            continue;
        }
        let mut words = Words { language: tag.clone(), ..Words::default() };
        for (key, template) in sentences() {
            if let Some(text) = table.value(key, |item| text_for(item, template)) {
                words.sentences.insert(key, text);
            }
        }
        let mut settings = table.table("settings");
        for setting in FormField::ALL {
            if let Some(text) = settings.value(setting.name(), |item| text_for(item, "")) {
                words.settings.insert(setting.name(), text);
            }
        }
        settings.finish();
        unnamed(&table, &words, place.clone());
        if texts.languages.insert(tag.to_lowercase(), words).is_some() {
            table.error(place, "", format!("`{tag}` stands there twice"));
        }
        table.finish();
    }
    if let Some((tag, place)) = default {
        let is_known = |known: &String| is_that_language(&tag.to_lowercase(), known);
        if !is_known(&ENGLISH.to_owned()) && !texts.languages.keys().any(is_known) {
            let message = format!("there are no words in `{tag}`");
            let hint = format!("write them under `[text.{tag}]`");
            notes.warning(place, "text.language", message, Some(hint));
        }
        texts.default = tag;
    }
    texts
}

/// Warns if texts of a language use `{setting}`, and a room setting has no name in that language.
fn unnamed(table: &TableReader<'_>, words: &Words, place: Place) {
    if words.language.eq_ignore_ascii_case(ENGLISH) {
        return;
    }
    let names_one = |text: &String| placeholders(text).any(|name| name == "setting");
    if !words.sentences.values().any(names_one) {
        return;
    }
    let names = FormField::ALL.iter().map(|setting| setting.name());
    let missing: Vec<_> = names
        .filter(|name| !words.settings.contains_key(name))
        .map(|name| format!("`{name}`"))
        .collect();
    if !missing.is_empty() {
        table.warning_with(
            place,
            "settings",
            format!("{{setting}} has no words for {}", missing.join(", ")),
            "write them there; until then these refusals are told in another language",
        );
    }
}

fn text_for(item: &Item<'_>, template: &str) -> Read<String> {
    let text = some_text(item)?;
    if text.len() > LONGEST {
        return item.wrong(format!("it is longer than {LONGEST} bytes"), None);
    }
    let known: Vec<_> = placeholders(template).collect();
    if let Some(other) = placeholders(&text).find(|name| !known.contains(name)) {
        let hint = kind::nearest(other, known.iter().copied()).or(known.first().copied());
        let hint = hint.map_or_else(
            || "this text has no placeholders".to_owned(),
            |name| format!("did you mean `{{{name}}}`?"),
        );
        return item.wrong(format!("`{{{other}}}` stands for nothing here"), Some(hint));
    }
    Ok(text)
}

fn language(item: &Item<'_>) -> Read<String> {
    let tag = some_text(item)?;
    if is_language(&tag) {
        return Ok(tag);
    }
    let hint = "write a language's tag, like \"de\" or \"pt-BR\"".to_owned();
    item.wrong(format!("`{tag}` is no language"), Some(hint))
}

fn is_language(tag: &str) -> bool {
    tag.len() <= LONGEST_TAG
        && tag.split('-').all(|part| {
            matches!(part.len(), 1..=8) && part.bytes().all(|b| b.is_ascii_alphanumeric())
        })
}
