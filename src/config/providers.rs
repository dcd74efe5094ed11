//! `[[provider]]`: what a log-in with an authentication provider proves.

use std::collections::HashMap;

use super::section::Section;
use crate::policy::providers::{Proves, Provider, listed};
use crate::setting::values::{some_text, word};
use crate::setting::{Item, Read};

/// Reads every `[[provider]]`, by name.
pub(super) fn read(sections: Vec<Section<'_>>) -> HashMap<String, Provider> {
    let mut providers = HashMap::new();
    for section in sections {
        one(section, &mut providers);
    }
    providers
}

fn one(mut section: Section<'_>, providers: &mut HashMap<String, Provider>) {
    let given = ["name", "proves"].map(|key| section.given(key, |_| ()).is_some());
    let name = section.read("name", name);
    let proves = section.read("proves", word(&Proves::ALL, Proves::name));
    let hints = [
        ("name", "write what `authentication` of the host says, like `name = \"custom_http\"`"),
        ("proves", "write `proves = \"account\"`, `\"token\"` or `\"guest\"`"),
    ];
    for ((key, hint), _) in hints.into_iter().zip(given).filter(|(_, given)| !given) {
        section.error_with(section.place(), key, "it is missing", hint);
    }
    if let (Some((name, place)), Some((proves, _))) = (name, proves) {
        match listed(&name) {
            Some(known) if known == proves => section.warning_with(
                place.clone(),
                "name",
                format!("`{name}` proves that as it is: this table has no effect"),
                "leave it out",
            ),
            Some(known) => section.warning_with(
                place.clone(),
                "name",
                format!(
                    "`{name}` is known to prove \"{}\", and this table says \"{}\" of all who log in by it",
                    known.name(),
                    proves.name()
                ),
                "delete this table, unless just that is meant",
            ),
            None => {}
        }
        let provider = Provider { proves, line: section.line() };
        if providers.insert(name.clone(), provider).is_some() {
            section.error(place, "name", format!("`{name}` has a table of its own already"));
        }
    }
    section.finish();
}

/// The name of a provider, as Prosody's option `authentication` has it.
fn name(item: &Item<'_>) -> Read<String> {
    let name = some_text(item)?;
    match name.strip_prefix("mod_auth_") {
        Some(short) => {
            let hint = format!("write \"{short}\", as in Prosody's `authentication`");
            item.wrong(format!("`{name}` is the name of its module"), Some(hint))
        }
        None => Ok(name),
    }
}
