//! `[store]`: the audit database.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::component::default_state_dir;
use super::environment::Environment;
use super::outside::Outside;
use super::postgres;
use super::section::Section;
use super::settings::{Addresses, Store};
use crate::setting::values::{duration_or_never, size, text, word};

/// The least that the database may take, in bytes.
const LEAST: u64 = 16 << 20;

/// The database of the component that runs by this file, which need not be right, nor be there, for that; `None`: it
/// has none.
pub fn database(path: &Path, environment: &Environment) -> Option<PathBuf> {
    let text = fs::read_to_string(path).unwrap_or_default();
    let table: toml::Table = text.parse().unwrap_or_default();
    let written = |of: &str, key: &str| table.get(of)?.get(key)?.as_str().map(PathBuf::from);
    let state_dir = environment.state_dir().or_else(|| written("component", "state_dir"));
    let file = written("store", "file").or_else(|| Store::default().file)?;
    let in_use = !file.as_os_str().is_empty();
    let state_dir = state_dir.unwrap_or_else(|| default_state_dir(environment.state_directory()));
    in_use.then(|| state_dir.join(file))
}

/// Reads `[store]`.
pub(super) fn read(mut section: Section<'_>, outside: &Outside<'_>) -> Store {
    outside.environment.put_into("store", &mut section);
    let mut store = Store::default();
    section.put("file", &mut store.file, |item| {
        text(item).map(|path| (!path.is_empty()).then(|| PathBuf::from(path)))
    });
    section.put("retention", &mut store.retention, duration_or_never(Duration::from_secs(60)));
    section.put("max_size", &mut store.max_size, size(LEAST));
    section.put("addresses", &mut store.addresses, word(&Addresses::ALL, Addresses::name));
    store.postgres = postgres::read(&mut section, outside);
    if store.postgres.is_some() && store.file.is_none() {
        section.error_with(
            section.place(),
            "file",
            "there is no file, and what waits for the database `store.postgres` is kept there",
            "leave `file` out",
        );
    }
    section.put("server", &mut store.server, |item| {
        text(item).map(|name| (!name.is_empty()).then_some(name))
    });
    section.finish();
    store
}
