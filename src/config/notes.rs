//! What is noted while the file is read: problems, secrets' places, and the keys asked for.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeSet, HashSet};
use std::ops::Range;
use std::path::PathBuf;

use jiff::Timestamp;

use super::excerpt::{Excerpt, Lines};
use super::held::Held;
use super::load::schema;
use super::problem::{Problem, Severity};
use crate::jid::BareJid;
pub(super) use crate::setting::{Foreign, Place};

struct Note {
    severity: Severity,
    /// It is none before.
    from: Option<Timestamp>,
    place: Place,
    path: String,
    message: String,
    suggestion: Option<String>,
}

struct UnknownKey {
    place: Place,
    table: String,
    key: String,
    suggestion: Option<String>,
}

/// An address of a file that is not ASCII.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// As it was written.
    pub text: String,
    /// Prepared by this program's tables.
    pub prepared: BareJid,
    /// Its 1-based line; 0: it is in no file.
    pub line: u32,
}

/// The notes on one file.
pub(super) struct Notes<'a> {
    name: &'a str,
    text: &'a str,
    lines: Lines,
    notes: RefCell<Vec<Note>>,
    said: RefCell<HashSet<(Place, String)>>,
    hidden: RefCell<Vec<Range<usize>>>,
    held: RefCell<Held>,
    /// Every key that was asked for; `None`: they are not wanted.
    keys: Option<RefCell<BTreeSet<String>>>,
    unknown: RefCell<Vec<UnknownKey>>,
    /// Keys by names that they had before.
    renamed: Cell<u32>,
    foreign: Foreign,
}

impl<'a> Notes<'a> {
    pub(super) fn new(name: &'a str, text: &'a str) -> Self {
        Self {
            name,
            text,
            lines: Lines::of(text),
            notes: RefCell::default(),
            said: RefCell::default(),
            hidden: RefCell::default(),
            held: RefCell::default(),
            keys: None,
            unknown: RefCell::default(),
            renamed: Cell::default(),
            foreign: Foreign::default(),
        }
    }

    /// For a text that is read for the keys it may have.
    pub(super) fn learning(text: &'a str) -> Self {
        Self { keys: Some(RefCell::default()), ..Self::new("", text) }
    }

    /// The keys are wanted.
    pub(super) const fn is_learning(&self) -> bool {
        self.keys.is_some()
    }

    pub(super) fn error(
        &self,
        place: Place,
        path: impl Into<String>,
        message: impl Into<String>,
        suggestion: Option<String>,
    ) {
        self.note(Severity::Error, None, place, path.into(), message.into(), suggestion);
    }

    pub(super) fn warning(
        &self,
        place: Place,
        path: impl Into<String>,
        message: impl Into<String>,
        suggestion: Option<String>,
    ) {
        self.note(Severity::Warning, None, place, path.into(), message.into(), suggestion);
    }

    /// A warning that is one from that moment on.
    pub(super) fn warning_from(
        &self,
        from: Timestamp,
        place: Place,
        path: impl Into<String>,
        message: impl Into<String>,
    ) {
        self.note(Severity::Warning, Some(from), place, path.into(), message.into(), None);
    }

    /// A key that nobody asks for, in the table of that path.
    pub(super) fn unknown_key(
        &self,
        place: Place,
        table: String,
        key: &str,
        suggestion: Option<String>,
    ) {
        let key = key.to_owned();
        self.unknown.borrow_mut().push(UnknownKey { place, table, key, suggestion });
    }

    /// Counts a key by the name that it had before.
    pub(super) fn count_renamed(&self) {
        self.renamed.update(|count| count.saturating_add(1));
    }

    /// Returns how many keys have the names that they had before.
    pub(super) const fn renamed(&self) -> u32 {
        self.renamed.get()
    }

    fn note(
        &self,
        severity: Severity,
        from: Option<Timestamp>,
        place: Place,
        path: String,
        message: String,
        suggestion: Option<String>,
    ) {
        // An override inherits what is wrong with the base: once is enough.
        if self.said.borrow_mut().insert((place.clone(), message.clone())) {
            self.notes.borrow_mut().push(Note { severity, from, place, path, message, suggestion });
        }
    }

    /// Bytes of the file that must not be shown.
    pub(super) fn hide(&self, place: &Place) {
        if let Place::Text(span) = place {
            self.hidden.borrow_mut().push(span.clone());
        }
    }

    /// The file itself holds a secret.
    pub(super) fn holds_secret(&self) {
        self.held.borrow_mut().inline = true;
    }

    /// The file names another one that holds a secret.
    pub(super) fn names_secret(&self, file: PathBuf) {
        self.held.borrow_mut().files.push(file);
    }

    /// Returns where its secrets are.
    pub(super) fn held(&self) -> Held {
        self.held.take()
    }

    /// Some of these bytes must not be shown.
    pub(super) fn is_hidden(&self, span: &Range<usize>) -> bool {
        let meets = |hidden: &Range<usize>| hidden.start < span.end && span.start < hidden.end;
        self.hidden.borrow().iter().any(meets)
    }

    /// A key that the file may have, like `room.close.at_occupants`.
    pub(super) fn knows(&self, key: String) {
        if let Some(keys) = &self.keys {
            keys.borrow_mut().insert(key);
        }
    }

    /// Every key that was asked for, if they are wanted.
    pub(super) fn keys(&self) -> BTreeSet<String> {
        self.keys.as_ref().map(RefCell::take).unwrap_or_default()
    }

    pub(super) const fn foreign(&self) -> &Foreign {
        &self.foreign
    }

    /// The addresses outside of ASCII, each once.
    pub(super) fn written(&self) -> Vec<Written> {
        let mut said = HashSet::new();
        let mut foreign = self.foreign.take();
        foreign.retain(|(text, ..)| said.insert(text.clone()));
        let written = |(text, prepared, place)| Written { text, prepared, line: self.line(&place) };
        foreign.into_iter().map(written).collect()
    }

    /// The 1-based line of a place; 0: none.
    pub(super) fn line(&self, place: &Place) -> u32 {
        match place {
            Place::Text(span) => self.lines.position(self.text, span.start).0,
            Place::Variable(_) | Place::Whole => 0,
        }
    }

    /// A place on that line, for what was read before and kept with its line only.
    pub(super) fn place_of(&self, line: u32) -> Place {
        self.lines.span(self.text, line).map_or(Place::Whole, Place::Text)
    }

    /// There is an error among the notes.
    pub(super) fn has_errors(&self) -> bool {
        !self.unknown.borrow().is_empty()
            || self.notes.borrow().iter().any(|note| note.severity == Severity::Error)
    }

    /// A key may belong to another table.
    fn note_unknown_keys(&self) {
        let unknown = self.unknown.take();
        if unknown.is_empty() {
            return;
        }
        let keys = schema();
        for UnknownKey { place, table, key, suggestion } in unknown {
            let elsewhere = || {
                let mut tables = keys
                    .iter()
                    .filter_map(|known| known.rsplit_once('.').filter(|(_, last)| *last == key))
                    .map(|(table, _)| table);
                // Of `policy.close` and `room.close` the first comes first in the alphabet.
                tables.next().map(|table| format!("it belongs in `[{table}]`"))
            };
            let suggestion = suggestion.or_else(elsewhere);
            self.error(place, table, format!("unknown key `{key}`"), suggestion);
        }
    }

    /// The problems in the order of the file, errors and warnings apart.
    pub(super) fn problems(self) -> (Vec<Problem>, Vec<Problem>) {
        self.note_unknown_keys();
        let mut notes = self.notes.take();
        notes.sort_by_key(|note| match &note.place {
            Place::Whole => (0, 0),
            Place::Variable(_) => (1, 0),
            Place::Text(span) => (2, span.start),
        });
        let hidden = self.hidden.take();
        let excerpt = Excerpt { text: self.text, lines: &self.lines, hidden: &hidden };
        notes
            .into_iter()
            .map(|note| {
                let (line, column, source_line) = match &note.place {
                    Place::Text(span) => {
                        let (line, column) = self.lines.position(self.text, span.start);
                        (line, column, excerpt.show(span))
                    }
                    Place::Variable(_) | Place::Whole => (0, 0, None),
                };
                let file = match note.place {
                    Place::Variable(name) => name,
                    Place::Text(_) | Place::Whole => self.name.to_owned(),
                };
                let Note { severity, from, path, message, suggestion, .. } = note;
                Problem {
                    severity,
                    from,
                    file,
                    line,
                    column,
                    path,
                    message,
                    suggestion,
                    source_line,
                }
            })
            .partition(|problem| problem.severity == Severity::Error)
    }
}
