//! Diagnostics of the file: its problems with line and excerpt, the places of its secrets, and the keys asked for.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeSet, HashSet};
use std::fmt;
use std::ops::Range;
use std::path::PathBuf;

use jiff::Timestamp;

use crate::jid::BareJid;
pub(super) use crate::setting::{Foreign, Place};

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
pub(super) struct Diagnostics<'a> {
    name: &'a str,
    text: &'a str,
    lines: Lines,
    /// Problems without the file and the line, which are found by their places.
    notes: RefCell<Vec<(Place, Problem)>>,
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

impl<'a> Diagnostics<'a> {
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
        self.note(place, Problem::new(Severity::Error, path, message, suggestion));
    }

    pub(super) fn warning(
        &self,
        place: Place,
        path: impl Into<String>,
        message: impl Into<String>,
        suggestion: Option<String>,
    ) {
        self.note(place, Problem::new(Severity::Warning, path, message, suggestion));
    }

    /// A warning that is one from that moment on.
    pub(super) fn warning_from(
        &self,
        from: Timestamp,
        place: Place,
        path: impl Into<String>,
        message: impl Into<String>,
    ) {
        let problem = Problem::new(Severity::Warning, path, message, None);
        self.note(place, Problem { from: Some(from), ..problem });
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

    fn note(&self, place: Place, problem: Problem) {
        // An override inherits what is wrong with the base: once is enough.
        if self.said.borrow_mut().insert((place.clone(), problem.message.clone())) {
            self.notes.borrow_mut().push((place, problem));
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
        meets_any(span, &self.hidden.borrow())
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
            || self.notes.borrow().iter().any(|(_, note)| note.severity == Severity::Error)
    }

    /// A key may belong to another table.
    fn note_unknown_keys(&self, schema: impl FnOnce() -> BTreeSet<String>) {
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

    /// Returns the problems in the order of the file, errors and warnings apart. `schema` gives the path of every key
    /// that there is, to say of an unknown one where it belongs.
    pub(super) fn problems(
        self,
        schema: impl FnOnce() -> BTreeSet<String>,
    ) -> (Vec<Problem>, Vec<Problem>) {
        self.note_unknown_keys(schema);
        let mut notes = self.notes.take();
        notes.sort_by_key(|(place, _)| match place {
            Place::Whole => (0, 0),
            Place::Variable(_) => (1, 0),
            Place::Text(span) => (2, span.start),
        });
        let hidden = self.hidden.take();
        let excerpt = Excerpt { text: self.text, lines: &self.lines, hidden: &hidden };
        let placed = notes.into_iter().map(|(place, problem)| {
            let file = self.name.to_owned();
            match place {
                Place::Text(span) => {
                    let (line, column) = self.lines.position(self.text, span.start);
                    let source_line = excerpt.show(&span);
                    Problem { file, line, column, source_line, ..problem }
                }
                Place::Variable(file) => Problem { file, ..problem },
                Place::Whole => Problem { file, ..problem },
            }
        });
        placed.partition(|problem| problem.severity == Severity::Error)
    }
}

/// Where the lines begin.
pub(super) struct Lines(Vec<usize>);

impl Lines {
    pub(super) fn of(text: &str) -> Self {
        let after = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        Self(std::iter::once(0).chain(after.map(|(at, _)| at.saturating_add(1))).collect())
    }

    /// The 1-based line and column (in characters) of a byte.
    pub(super) fn position(&self, text: &str, at: usize) -> (u32, u32) {
        let line = self.0.partition_point(|start| *start <= at);
        let start = self.0.get(line.saturating_sub(1)).copied().unwrap_or(0);
        let column = text.get(start..at).map_or(0, |before| before.chars().count());
        (count(line), count(column.saturating_add(1)))
    }

    /// The bytes of a 1-based line, without its end and the blanks around it.
    pub(super) fn span(&self, text: &str, line: u32) -> Option<Range<usize>> {
        let line = usize::try_from(line).ok()?;
        let start = self.0.get(line.checked_sub(1)?).copied()?;
        let end = self.0.get(line).copied().unwrap_or(text.len());
        let whole = text.get(start..end)?;
        let start = start.saturating_add(whole.len().saturating_sub(whole.trim_start().len()));
        Some(start..start.saturating_add(whole.trim().len()))
    }
}

fn meets_any(span: &Range<usize>, others: &[Range<usize>]) -> bool {
    others.iter().any(|other| other.start < span.end && span.start < other.end)
}

fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

/// Longest piece of a line that is shown, in characters.
const WIDTH: usize = 100;

/// A text of which parts are hidden.
pub(super) struct Excerpt<'a> {
    pub(super) text: &'a str,
    pub(super) lines: &'a Lines,
    pub(super) hidden: &'a [Range<usize>],
}

impl Excerpt<'_> {
    /// The line that `span` begins on, with `…` for what is hidden, and the characters of it that are
    /// meant. `None`: it is all hidden, or not worth showing.
    pub(super) fn show(&self, span: &Range<usize>) -> Option<(String, Range<usize>)> {
        if meets_any(span, self.hidden) {
            return None;
        }
        let (line, column) = self.lines.position(self.text, span.start);
        if usize::try_from(column).ok()? > WIDTH {
            return None;
        }
        let start = self.lines.0.get(usize::try_from(line).ok()?.checked_sub(1)?).copied()?;
        let line = self.text.get(start..)?.lines().next()?;
        if line.trim().is_empty() {
            return None;
        }
        let (mut shown, mut meant, mut in_hidden) = (String::new(), 0..0, false);
        let mut width: usize = 0;
        for (offset, c) in line.char_indices() {
            // A line may be long, and wrong in many places.
            if width > WIDTH {
                break;
            }
            let at = start.saturating_add(offset);
            if at <= span.start {
                meant = width..width;
            }
            let is_hidden = self.hidden.iter().any(|hidden| hidden.contains(&at));
            if is_hidden && in_hidden {
                continue;
            }
            in_hidden = is_hidden;
            shown.push(if is_hidden { '…' } else { c });
            width = width.saturating_add(1);
            if at < span.end {
                meant.end = width;
            }
        }
        if span.start >= start.saturating_add(line.len()) {
            meant = width..width.saturating_add(1);
        }
        if width > WIDTH {
            shown = shown.chars().take(WIDTH).chain(['…']).collect();
            meant.end = meant.end.min(WIDTH);
        }
        Some((shown, meant))
    }
}

names! {
    /// Whether a problem keeps the file from going live.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub enum Severity {
        /// The file is not used.
        Error = "error",
        /// The file is used, and may not do what its writer means.
        Warning = "warning",
    }
}

/// One thing that is wrong, with its place. It never holds a secret of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Whether it keeps the file from going live.
    pub severity: Severity,
    /// It is none before that; `None`: always.
    pub from: Option<Timestamp>,
    /// The file, or the environment variable, that the value comes from.
    pub file: String,
    /// 1-based line; 0: the file as a whole, or a variable.
    pub line: u32,
    /// 1-based column, in characters; 0 where `line` is.
    pub column: u32,
    /// The key, like `room[2].close.at_occupants`; empty: none.
    pub path: String,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub suggestion: Option<String>,
    /// The line as it may be shown, and the characters of it that are meant.
    pub source_line: Option<(String, Range<usize>)>,
}

impl Problem {
    fn new(
        severity: Severity,
        path: impl Into<String>,
        message: impl Into<String>,
        suggestion: Option<String>,
    ) -> Self {
        Self {
            severity,
            from: None,
            file: String::new(),
            line: 0,
            column: 0,
            path: path.into(),
            message: message.into(),
            suggestion,
            source_line: None,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.severity.name(), Visible(&self.file))?;
        if self.line > 0 {
            write!(f, ":{}:{}", self.line, self.column)?;
        }
        if !self.path.is_empty() {
            write!(f, ": {}", Visible(&self.path))?;
        }
        write!(f, ": {}", Visible(&self.message))?;
        if let Some((text, meant)) = &self.source_line {
            write!(f, "\n{:>5} | {}", self.line, Visible(text))?;
            let (before, marks) = (meant.start, "^".repeat(meant.len().max(1)));
            write!(f, "\n      | {:before$}{marks}", "")?;
            if let Some(suggestion) = &self.suggestion {
                write!(f, " {}", Visible(suggestion))?;
            }
        } else if let Some(suggestion) = &self.suggestion {
            write!(f, "; {}", Visible(suggestion))?;
        }
        Ok(())
    }
}

/// A text of another person on a terminal: no character of it can move the cursor or change colours.
#[derive(Clone, Copy, Debug)]
pub struct Visible<'a>(pub &'a str);

impl fmt::Display for Visible<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write as _;
        self.0.chars().try_for_each(|c| match c {
            '\t' => f.write_char(' '),
            c if !is_shown(c) => f.write_char('\u{fffd}'),
            c => f.write_char(c),
        })
    }
}

/// It is one that any terminal can show, on the line where it stands.
pub(super) fn is_shown(c: char) -> bool {
    !c.is_control() && !is_invisible(c)
}

/// Characters that turn the writing direction, or take no room.
const fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// Where the secrets of a file are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// There is one in the file itself.
    pub inline: bool,
    /// The files of their own that it, or the environment, names.
    pub files: Vec<PathBuf>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(
        text: &str,
        span: Range<usize>,
        hidden: Range<usize>,
    ) -> Option<(String, Range<usize>)> {
        Excerpt { text, lines: &Lines::of(text), hidden: &[hidden] }.show(&span)
    }

    #[test]
    fn a_place_is_counted_in_lines_and_characters() {
        let text = "a\n  ä = 1\n";
        let lines = Lines::of(text);
        assert_eq!(lines.position(text, 0), (1, 1));
        assert_eq!(lines.position(text, 7), (2, 5));
        assert_eq!(lines.span(text, 2), Some(4..10));
        assert_eq!(lines.span(text, 9), None);
    }

    #[test]
    fn what_is_hidden_does_not_show() {
        let text = "{ secret = 'hunter2', x = 1 }";
        assert_eq!(show(text, 22..23, 11..20), Some(("{ secret = …, x = 1 }".to_owned(), 14..15)));
        assert_eq!(show(text, 11..20, 11..20), None);
    }

    #[test]
    fn nothing_of_the_file_reaches_the_terminal_as_a_command() {
        let problem = Problem {
            file: "a\u{1b}[2J".to_owned(),
            line: 1,
            column: 1,
            source_line: Some(("x\u{9b}".to_owned(), 0..1)),
            ..Problem::new(Severity::Error, "\u{7}", "\u{202e}", Some("\r".to_owned()))
        };
        let shown = problem.to_string();
        assert!(
            shown.chars().all(|c| c == '\n' || !(c.is_control() || is_invisible(c))),
            "{shown:?}"
        );
    }
}
