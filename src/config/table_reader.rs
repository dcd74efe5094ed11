//! A table of the file, read key by key.

use jiff::Timestamp;
use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use super::diagnostics::Diagnostics;
use crate::policy::rules::renamed;
use crate::setting::{Item, Kind, Place, Read, Setting, Wrong, kind};

/// A table of the file; a missing one is empty.
///
/// Every key is read by name, which makes it known: [`TableReader::finish`] reports the others.
pub(super) struct TableReader<'a> {
    notes: &'a Diagnostics<'a>,
    table: Option<&'a DeTable<'a>>,
    /// Values of variables that override those of the file: key, variable, value.
    instead: Vec<(String, String, DeValue<'a>)>,
    path: String,
    schema: String,
    place: Place,
    known: Vec<&'static str>,
}

impl<'a> TableReader<'a> {
    /// Returns a reader of the whole file.
    pub(super) fn root(notes: &'a Diagnostics<'a>, table: &'a DeTable<'a>) -> Self {
        Self::new(notes, Some(table), String::new(), String::new(), Place::Whole)
    }

    const fn new(
        notes: &'a Diagnostics<'a>,
        table: Option<&'a DeTable<'a>>,
        path: String,
        schema: String,
        place: Place,
    ) -> Self {
        Self { notes, table, instead: Vec::new(), path, schema, place, known: Vec::new() }
    }

    /// Overrides the value of a key by that of a variable.
    pub(super) fn put_instead(&mut self, key: &str, variable: &str, value: &str) {
        let value = DeValue::String(value.to_owned().into());
        self.instead.push((key.to_owned(), variable.to_owned(), value));
    }

    /// Returns where the table begins.
    pub(super) fn place(&self) -> Place {
        self.place.clone()
    }

    /// Returns the 1-based line where the table begins, or 0 if the file does not have it.
    pub(super) fn line(&self) -> u32 {
        self.notes.line(&self.place)
    }

    /// Returns the path of a key, like `room[2].close.after`.
    pub(super) fn path_of(&self, key: &str) -> String {
        join(&self.path, key)
    }

    /// Passes the value of a key to `take`, if the key is given.
    pub(super) fn given<T>(
        &mut self,
        key: &'static str,
        take: impl FnOnce(&Item<'_>) -> T,
    ) -> Option<T> {
        self.know(key);
        if let Some((_, variable, value)) = self.instead.iter().find(|(name, ..)| name == key) {
            let place = Place::Variable(variable.clone());
            return Some(take(&Item { value, place, foreign: self.notes.foreign() }));
        }
        self.table?.get(key).map(|value| take(&self.item(value)))
    }

    fn item(&self, value: &'a Spanned<DeValue<'a>>) -> Item<'a> {
        let place = Place::Text(value.span());
        Item { value: value.get_ref(), place, foreign: self.notes.foreign() }
    }

    /// Returns whether a key is given.
    pub(super) fn has(&mut self, key: &'static str) -> bool {
        self.given(key, |_| ()).is_some()
    }

    /// Reports a key that is missing, with what to write.
    pub(super) fn require(&mut self, key: &'static str, hint: &str) {
        if !self.has(key) {
            self.error_with(self.place(), key, "it is missing", hint);
        }
    }

    /// Returns the text of a key in the file, even where a variable overrides it; `None` if it is missing or empty.
    pub(super) fn text_in_file(&self, key: &str) -> Option<&'a str> {
        self.table?.get(key)?.get_ref().as_str().filter(|text| !text.is_empty())
    }

    /// Like [`Self::text_in_file`], for the key of a secret: its value is hidden, of whatever kind it is.
    pub(super) fn secret_in_file(&self, key: &str) -> Option<&'a str> {
        let value = self.table?.get(key)?;
        hide(self.notes, value.get_ref(), &Place::Text(value.span()));
        self.text_in_file(key)
    }

    /// Reads the value of a key, with its place; `None` if it is not given, or wrong (which is reported).
    pub(super) fn read<T>(
        &mut self,
        key: &'static str,
        kind: impl FnOnce(&Item<'_>) -> Read<T>,
    ) -> Option<(T, Place)> {
        let (read, place) = self.given(key, |item| (kind(item), item.place.clone()))?;
        self.take(key, read).map(|value| (value, place))
    }

    /// Reads the value of a key, without its place; see [`Self::read`].
    pub(super) fn value<T>(
        &mut self,
        key: &'static str,
        kind: impl FnOnce(&Item<'_>) -> Read<T>,
    ) -> Option<T> {
        self.read(key, kind).map(|(value, _)| value)
    }

    /// Returns the value that was read from a key, or reports what is wrong with it.
    fn take<T>(&self, key: &str, read: Read<T>) -> Option<T> {
        match read {
            Ok(value) => Some(value),
            Err(wrongs) => {
                for wrong in wrongs {
                    let path = self.path_of(key);
                    self.notes.error(wrong.place, path, wrong.message, wrong.suggestion);
                }
                None
            }
        }
    }

    /// Reads the value of one of the [`TableReader::leaves`].
    pub(super) fn judge<T>(
        &self,
        name: &str,
        item: &Item<'_>,
        kind: impl FnOnce(&Item<'_>) -> Read<T>,
    ) -> Option<T> {
        self.take(name, kind(item))
    }

    /// Hides a value that may be a secret in the wrong place.
    pub(super) fn hide(&self, item: &Item<'_>) {
        hide(self.notes, item.value, &item.place);
    }

    /// Returns every value in this table and its subtables, each with its dotted name and the place of that.
    /// `usual` are the keys that belong in the schema.
    pub(super) fn leaves(
        &mut self,
        usual: impl IntoIterator<Item = &'static str>,
    ) -> Vec<(String, Place, Item<'a>)> {
        usual.into_iter().for_each(|key| self.know(key));
        let mut leaves = Vec::new();
        let mut tables: Vec<_> =
            self.table.map(|table| (String::new(), table)).into_iter().collect();
        while let Some((path, table)) = tables.pop() {
            for (key, value) in table {
                let name = join(&path, key.get_ref());
                if let Some(inner) = value.get_ref().as_table() {
                    tables.push((name, inner));
                } else {
                    leaves.push((name, Place::Text(key.span()), self.item(value)));
                }
            }
        }
        leaves
    }

    /// Reads a key's value into a setting of the policy, if it is given and valid.
    pub(super) fn set<T: 'static>(
        &mut self,
        key: &'static str,
        setting: &mut Setting<T>,
        kind: &Kind<T>,
    ) {
        self.warn(key, |item| kind.warnings(item));
        if let Some((value, place)) = self.read(key, |item| kind.read(item)) {
            setting.set(value, self.notes.line(&place));
        }
    }

    /// Reports the warnings about a key's value.
    pub(super) fn warn(
        &mut self,
        key: &'static str,
        warnings: impl FnOnce(&Item<'_>) -> Vec<Wrong>,
    ) {
        for Wrong { place, message, suggestion } in self.given(key, warnings).unwrap_or_default() {
            self.notes.warning(place, self.path_of(key), message, suggestion);
        }
    }

    /// Reads a key's value into `into`, if it is given and valid.
    pub(super) fn put<T>(
        &mut self,
        key: &'static str,
        into: &mut T,
        kind: impl FnOnce(&Item<'_>) -> Read<T>,
    ) {
        if let Some(value) = self.value(key, kind) {
            *into = value;
        }
    }

    /// Returns a reader of a subtable, which is empty if it is missing.
    pub(super) fn table(&mut self, key: &'static str) -> Self {
        self.know(key);
        let (path, schema) = (self.path_of(key), join(&self.schema, key));
        let value = self.table.and_then(|table| table.get(key));
        let table =
            value.and_then(|value| self.is_table(value, &path, &format!("a table, `[{schema}]`")));
        let place = value.map_or(Place::Whole, |value| Place::Text(value.span()));
        Self::new(self.notes, table, path, schema, place)
    }

    /// Returns a reader of a subtable, if it is given or keys are collected.
    pub(super) fn table_if_given(&mut self, key: &'static str) -> Option<Self> {
        let is_given = self.table.is_some_and(|table| table.contains_key(key));
        if is_given || self.notes.is_learning() {
            return Some(self.table(key));
        }
        self.known.push(key);
        None
    }

    /// Returns the subtables of a table, like `[profile.NAME]`, by the names that the operator gave them.
    pub(super) fn tables_by_name(&mut self, key: &'static str) -> Vec<(String, Self)> {
        let outer = self.table(key);
        let tables = outer.table.into_iter().flatten().filter_map(|(name, value)| {
            let name = name.get_ref();
            let (path, schema) = (outer.path_of(name), join(&outer.schema, "NAME"));
            let table = outer.is_table(value, &path, &format!("a table, `[{key}.{name}]`"))?;
            let place = Place::Text(value.span());
            Some((name.to_string(), Self::new(self.notes, Some(table), path, schema, place)))
        });
        tables.collect()
    }

    /// Returns the tables of an array, each under a header like `[[room]]`.
    pub(super) fn tables(&mut self, key: &'static str) -> Vec<Self> {
        self.know(key);
        let (path, schema) = (self.path_of(key), join(&self.schema, key));
        let Some(value) = self.table.and_then(|table| table.get(key)) else { return Vec::new() };
        let what = format!("tables, each under `[[{schema}]]`");
        let Some(array) = value.get_ref().as_array() else {
            self.refuse(value, &path, &what);
            return Vec::new();
        };
        let tables = array.iter().zip(1_usize..).filter_map(|(item, number)| {
            let (path, place) = (format!("{path}[{number}]"), Place::Text(item.span()));
            let table = self.is_table(item, &path, &what)?;
            Some(Self::new(self.notes, Some(table), path, schema.clone(), place))
        });
        tables.collect()
    }

    /// Returns the subtables that have not been read yet, whose names are the operator's, with their places.
    /// Reports the other keys that have not been read.
    pub(super) fn into_tables(self) -> Vec<(String, Place, Self)> {
        let tables = self.unasked().filter_map(|(key, value)| {
            let (name, place) = (key.get_ref(), Place::Text(value.span()));
            let (path, schema) = (self.path_of(name), join(&self.schema, "*"));
            let table = Some(value.get_ref().as_table()?);
            let inner = Self::new(self.notes, table, path, schema, place.clone());
            Some((name.to_string(), place, inner))
        });
        let tables = tables.collect();
        self.report_unknown(|value| !value.is_table());
        tables
    }

    /// Reports the keys that have not been read.
    pub(super) fn finish(self) {
        self.report_unknown(|_| true);
    }

    fn unasked(
        &self,
    ) -> impl Iterator<Item = (&'a Spanned<DeString<'a>>, &'a Spanned<DeValue<'a>>)> {
        let keys = self.table.into_iter().flatten();
        keys.filter(|(key, _)| !self.known.contains(&key.get_ref().as_ref()))
    }

    fn report_unknown(&self, is_meant: impl Fn(&DeValue<'_>) -> bool) {
        for (key, value) in self.unasked().filter(|(_, value)| is_meant(value.get_ref())) {
            let (name, place) = (key.get_ref(), Place::Text(key.span()));
            if let Some(now) = self.name_now(name) {
                let hint = format!("write `{now}`");
                self.error_with(place, name, "this key has another name now", &hint);
                self.notes.count_renamed();
                continue;
            }
            // The value of a mistyped `secret` is a secret.
            hide(self.notes, value.get_ref(), &Place::Text(value.span()));
            let suggestion = kind::did_you_mean(name, self.known.iter().copied());
            self.notes.unknown_key(place, self.path.clone(), name, suggestion);
        }
    }

    /// Returns the current name of a renamed key: alone if it is in this table, else with the table that it is in.
    fn name_now(&self, key: &str) -> Option<&'static str> {
        let path = join(&self.schema, key);
        let family =
            ["policy.", "room.", "profile.NAME."].iter().find_map(|it| path.strip_prefix(it));
        let now = renamed(family.unwrap_or(&path))?;
        let table = self.schema.rsplit_once('.').map_or(self.schema.as_str(), |(_, last)| last);
        Some(match now.rsplit_once('.') {
            Some((other, key)) if other.ends_with(table) => key,
            _ => now,
        })
    }

    /// Reports an error at a key's value.
    pub(super) fn error(&self, place: Place, key: &str, message: impl Into<String>) {
        self.notes.error(place, self.path_of(key), message, None);
    }

    /// Reports an error at a key's value, with what to write instead.
    pub(super) fn error_with(
        &self,
        place: Place,
        key: &str,
        message: impl Into<String>,
        hint: &str,
    ) {
        self.notes.error(place, self.path_of(key), message, Some(hint.to_owned()));
    }

    /// Reports an error of the table as a whole, with what to write instead.
    pub(super) fn wrong(&self, message: &str, hint: &str) {
        self.error_with(self.place(), "", message, hint);
    }

    /// Reports a warning at a key's value, with what to write instead.
    pub(super) fn warning_with(
        &self,
        place: Place,
        key: &str,
        message: impl Into<String>,
        hint: &str,
    ) {
        self.notes.warning(place, self.path_of(key), message, Some(hint.to_owned()));
    }

    /// Reports a warning at a key's value that applies from that time on.
    pub(super) fn ends(&self, from: Timestamp, place: Place, key: &str, message: &str) {
        self.notes.warning_from(from, place, self.path_of(key), message);
    }

    pub(super) const fn notes(&self) -> &'a Diagnostics<'a> {
        self.notes
    }

    /// Makes a key known, so that it is not reported.
    pub(super) fn know(&mut self, key: &'static str) {
        self.known.push(key);
        if self.notes.is_learning() {
            self.notes.knows(join(&self.schema, key));
        }
    }

    /// Returns a value as a table, or reports that it is none.
    fn is_table(
        &self,
        value: &'a Spanned<DeValue<'a>>,
        path: &str,
        what: &str,
    ) -> Option<&'a DeTable<'a>> {
        let table = value.get_ref().as_table();
        if table.is_none() {
            self.refuse(value, path, what);
        }
        table
    }

    fn refuse(&self, value: &'a Spanned<DeValue<'a>>, path: &str, what: &str) {
        let item = self.item(value);
        // `password = "…"` where the table `[policy.password]` was meant.
        self.hide(&item);
        for wrong in item.expected::<()>(what).err().into_iter().flatten() {
            self.notes.error(wrong.place, path, wrong.message, wrong.suggestion);
        }
    }
}

/// Joins the path of a table and a key, either of which may be empty.
pub(super) fn join(path: &str, key: &str) -> String {
    match (path, key) {
        (one, "") | ("", one) => one.to_owned(),
        (path, key) => format!("{path}.{key}"),
    }
}

/// Hides every text in a value.
pub(super) fn hide(notes: &Diagnostics<'_>, value: &DeValue<'_>, place: &Place) {
    match value {
        DeValue::String(_) => notes.hide(place),
        DeValue::Array(items) => {
            for item in items.iter() {
                hide(notes, item.get_ref(), &Place::Text(item.span()));
            }
        }
        DeValue::Table(table) => {
            for (_, value) in table.iter() {
                hide(notes, value.get_ref(), &Place::Text(value.span()));
            }
        }
        DeValue::Integer(_) | DeValue::Float(_) | DeValue::Boolean(_) | DeValue::Datetime(_) => {}
    }
}
