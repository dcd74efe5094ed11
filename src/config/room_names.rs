//! `[policy.names]`, and `[room.names]` for some rooms: what people may call themselves.

use unicode_script::Script;

use super::section::{Item, Read, Section};
use super::values::{list, some_text, word};
use crate::policy::names::{Name, Names, Unique};

/// Puts what the table says into the rules.
pub(super) fn read(mut section: Section<'_>, rules: &mut Names) {
    section.set("reserved", &mut rules.reserved, list(name));
    section.set("unique", &mut rules.unique, word(&Unique::ALL, Unique::name));
    section.set("protected", &mut rules.protected, list(name));
    section.set("scripts", &mut rules.scripts, list(script));
    section.finish();
}

fn name(item: &Item<'_>) -> Read<Name> {
    let name = Name::new(some_text(item)?);
    if name.looks.is_empty() { item.wrong("nothing of it is seen", None) } else { Ok(name) }
}

fn script(item: &Item<'_>) -> Read<Script> {
    let name = some_text(item)?;
    let found = Script::from_full_name(&name);
    let found = found.filter(|script| !matches!(script, Script::Common | Script::Inherited));
    found.map_or_else(
        || {
            let hint = "write it like \"Latin\", \"Greek\", \"Cyrillic\", \"Arabic\" or \"Han\"";
            item.wrong(format!("`{name}` is no script of Unicode"), Some(hint.to_owned()))
        },
        Ok,
    )
}
