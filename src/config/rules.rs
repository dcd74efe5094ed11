//! The families of rules: in `[policy]` for every room, in `[[room]]` for some.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use super::modes;
use super::outside::Outside;
use super::secrets::{self, Keys};
use super::section::Section;
use crate::policy::password::Password;
use crate::policy::rules::{Families, Family, Key, Rules, Visit};
use crate::setting::values::text;
use crate::setting::{Item, Kind, Read, Setting};

/// The preset password.
const PRESET: Keys = Keys { inline: "preset", file: "preset_file", least: 1 };
/// The secret that passwords are derived from, with its least length in characters.
const DERIVE: Keys = Keys { inline: "secret", file: "secret_file", least: 32 };

/// Puts what the tables say into the rules. A family without a table stays shared with the rules that it is
/// laid over.
pub(super) fn read(section: &mut Section<'_>, rules: &mut Rules, outside: &Outside<'_>) {
    rules.visit(&mut Tables(section));
    if let Some(table) = section.table_if_given(Password::NAME) {
        from_files(table, Arc::make_mut(&mut rules.password), outside);
    }
    if let Some(table) = section.table_if_given("modes") {
        modes::read(table, Arc::make_mut(&mut rules.modes));
    }
}

struct Tables<'a, 'f>(&'a mut Section<'f>);

impl Families for Tables<'_, '_> {
    fn family<F: Family + Clone>(&mut self, family: &mut Arc<F>) {
        if let Some(mut table) = self.0.table_if_given(F::NAME) {
            Arc::make_mut(family).visit(&mut table);
            table.finish();
        }
    }
}

impl Visit for Section<'_> {
    fn setting<T: 'static>(&mut self, key: &Key, setting: &mut Setting<T>, kind: Kind<T>) {
        self.set(key.name, setting, &kind);
    }

    fn table<F: Family>(&mut self, key: &'static str, family: &mut F) {
        let mut table = self.table(key);
        family.visit(&mut table);
        table.finish();
    }
}

/// Reads what may stand in files of their own: the secrets, and words of the deny list in addition to those of the key.
fn from_files(mut section: Section<'_>, rules: &mut Password, outside: &Outside<'_>) {
    for (setting, keys) in [(&mut rules.preset, PRESET), (&mut rules.secret, DERIVE)] {
        if let Ok(Some((secret, place))) = secrets::read(&mut section, keys, outside) {
            setting.set(secret, section.notes().line(&place));
        }
    }
    let listed = section.read("deny_list_file", |item| words_of(item, outside));
    if let Some((words, place)) = listed {
        let mut all: HashSet<_> = words.iter().map(|word| word.to_lowercase()).collect();
        if section.given("deny_list", |_| ()).is_some() {
            all.extend(rules.deny_list.value.iter().cloned());
            rules.deny_list.value = Arc::new(all);
        } else {
            rules.deny_list.set(Arc::new(all), section.notes().line(&place));
        }
    }
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
