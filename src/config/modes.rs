//! `[policy.modes]`, and `[room.modes]` for some rooms.

use super::section::Section;
use crate::policy::modes::{FIXED, Mode, Modes, SWITCHES, families, named};
use crate::policy::rules::renamed;
use crate::setting::suggest;
use crate::setting::values::word;

/// Puts what the table says into the modes: first of whole families, then of single rules.
pub(super) fn read(mut section: Section<'_>, modes: &mut Modes) {
    let mut found: Vec<(String, Mode, u32)> = Vec::new();
    for (name, key, item) in section.leaves(families()) {
        if let Some((message, hint)) = what_is_wrong_with(&name) {
            section.hide(&item);
            section.error_with(key, &name, message, &hint);
            continue;
        }
        if found.iter().any(|(other, ..)| *other == name) {
            section.error(key, &name, "it is there twice, with and without quotes");
        }
        if let Some(mode) = section.judge(&name, &item, word(&Mode::ALL, Mode::name)) {
            found.push((name, mode, section.notes().line(&item.place)));
        }
    }
    // A rule's name has a dot, a family's has none.
    found.sort_by_key(|(name, ..)| name.contains('.'));
    for (name, mode, line) in found {
        modes.put(named(&name), mode, line);
    }
}

/// Returns what is wrong with a name that should be one of a rule or a family, and what to do about it.
pub(super) fn what_is_wrong_with(name: &str) -> Option<(&'static str, String)> {
    if named(name).next().is_some() {
        return None;
    }
    if let Some(rule) = FIXED.iter().find(|rule| rule.name == name) {
        return Some(("this rule always holds", rule.because.to_owned()));
    }
    if let Some(now) = renamed(name) {
        return Some(("this rule has another name now", format!("write `{now}`")));
    }
    let all = families().chain(SWITCHES.iter().map(|switch| switch.name));
    let hint = suggest::did_you_mean(name, all);
    let hint = hint.unwrap_or_else(|| "the names of the rules are in docs/rules.md".to_owned());
    Some(("no rule or family has this name", hint))
}
