//! `[policy.modes]`, and `[room.modes]` for some rooms.

use super::section::Section;
use super::suggest;
use super::values::word;
use crate::policy::modes::{ALWAYS, Mode, Modes, SWITCHES, families, named};
use crate::policy::set::Set;

/// Puts what the table says into the modes: first of whole families, then of single rules.
pub(super) fn read(mut section: Section<'_>, modes: &mut Modes) {
    let mut found: Vec<(String, Mode, u32)> = Vec::new();
    for (name, key, item) in section.leaves(families()) {
        if named(&name).next().is_none() {
            section.hide(&item);
            match ALWAYS.iter().find(|(rule, _)| *rule == name) {
                Some((_, why)) => {
                    section.error_with(key, &name, "this rule is never switched off", why);
                }
                None => {
                    let all = families().chain(SWITCHES.iter().map(|switch| switch.name));
                    let hint = suggest::did_you_mean(&name, all).unwrap_or_else(|| {
                        "the names of the rules are in docs/rules.md".to_owned()
                    });
                    section.error_with(key, &name, "no rule or family has this name", &hint);
                }
            }
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
        modes.put(named(&name), Set::at(mode, line));
    }
}
