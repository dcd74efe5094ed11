//! `[store]`: the audit database.

use std::path::PathBuf;

use super::section::Section;
use super::settings::Store;
use super::values::text;

/// Reads `[store]`.
pub(super) fn read(mut section: Section<'_>) -> Store {
    let mut store = Store::default();
    section.put("file", &mut store.file, |item| {
        text(item).map(|path| (!path.is_empty()).then(|| PathBuf::from(path)))
    });
    section.finish();
    store
}
