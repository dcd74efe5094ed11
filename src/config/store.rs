//! `[store]`: the audit database.

use std::path::PathBuf;

use super::section::Section;
use super::settings::{Addresses, Store};
use super::values::{text, word};

/// Reads `[store]`.
pub(super) fn read(mut section: Section<'_>) -> Store {
    let mut store = Store::default();
    section.put("file", &mut store.file, |item| {
        text(item).map(|path| (!path.is_empty()).then(|| PathBuf::from(path)))
    });
    section.put("addresses", &mut store.addresses, word(&Addresses::ALL, Addresses::name));
    section.finish();
    store
}
