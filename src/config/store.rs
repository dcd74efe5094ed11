//! `[store]`: the audit database.

use std::path::PathBuf;

use super::outside::Outside;
use super::postgres;
use super::section::Section;
use super::settings::{Addresses, Store};
use super::values::{text, word};

/// Reads `[store]`.
pub(super) fn read(mut section: Section<'_>, outside: &Outside<'_>) -> Store {
    outside.environment.put_into("store", &mut section);
    let mut store = Store::default();
    section.put("file", &mut store.file, |item| {
        text(item).map(|path| (!path.is_empty()).then(|| PathBuf::from(path)))
    });
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
