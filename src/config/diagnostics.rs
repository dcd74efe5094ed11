//! Diagnostics of the file: its problems with line and excerpt, the places of its secrets, and the keys asked for.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeSet, HashSet};
use std::fmt;
use std::ops::Range;
use std::path::PathBuf;

use jiff::Timestamp;

use crate::jid::BareJid;
use crate::policy::messages::is_invisible;
pub(super) use crate::setting::{Foreign, Place};

struct UnknownKey {
    place: Place,
    table: String,
    key: String,
    suggestion: Option<String>,
}

/// An address in the file that is not ASCII, as written and as prepared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// The address as written.
    pub text: String,
    /// The address as prepared by this program's own tables; a server may prepare it differently.
    pub prepared: BareJid,
    /// 1-based line of the address, or 0 if it comes from a variable.
    pub line: u32,
}

/// Collects the problems, secrets and keys of a file while it is read.
pub(super) struct Diagnostics<'a> {
    name: &'a str,
    text: &'a str,
    lines: Lines,
    /// Problems by place. File, line and column are filled in by [`Self::problems`].
    notes: RefCell<Vec<(Place, Problem)>>,
    said: RefCell<HashSet<(Place, String)>>,
    hidden: RefCell<Vec<Range<usize>>>,
    held: RefCell<Held>,
    /// Keys that readers have asked for; `None` unless they are collected.
    keys: Option<RefCell<BTreeSet<String>>>,
    unknown: RefCell<Vec<UnknownKey>>,
    /// Number of keys with a former name.
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

    /// Returns diagnostics that also collect the keys that readers ask for.
    pub(super) fn learning(text: &'a str) -> Self {
        Self { keys: Some(RefCell::default()), ..Self::new("", text) }
    }

    /// Returns whether the keys that readers ask for are collected.
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

    /// Records a warning that applies from that time on.
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

    /// Records a key that no reader asked for, in the table at that path.
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

    /// Counts a key with a former name.
    pub(super) fn count_renamed(&self) {
        self.renamed.update(|count| count.saturating_add(1));
    }

    /// Returns the number of keys with a former name.
    pub(super) const fn renamed(&self) -> u32 {
        self.renamed.get()
    }

    fn note(&self, place: Place, problem: Problem) {
        // An override inherits the problems of the base rules: each is reported once.
        if self.said.borrow_mut().insert((place.clone(), problem.message.clone())) {
            self.notes.borrow_mut().push((place, problem));
        }
    }

    /// Hides a part of the file, which is then not shown in excerpts.
    pub(super) fn hide(&self, place: &Place) {
        if let Place::Text(span) = place {
            self.hidden.borrow_mut().push(span.clone());
        }
    }

    /// Records that the file itself holds a secret.
    pub(super) fn holds_secret(&self) {
        self.held.borrow_mut().inline = true;
    }

    /// Records another file that holds a secret.
    pub(super) fn names_secret(&self, file: PathBuf) {
        self.held.borrow_mut().files.push(file);
    }

    /// Returns where the secrets are, and resets the record.
    pub(super) fn held(&self) -> Held {
        self.held.take()
    }

    /// Returns whether any of these bytes is hidden.
    pub(super) fn is_hidden(&self, span: &Range<usize>) -> bool {
        meets_any(span, &self.hidden.borrow())
    }

    /// Records a key that the file may have, like `room.close.at_occupants`, if keys are collected.
    pub(super) fn knows(&self, key: String) {
        if let Some(keys) = &self.keys {
            keys.borrow_mut().insert(key);
        }
    }

    /// Returns the keys that readers have asked for; empty unless keys are collected.
    pub(super) fn keys(&self) -> BTreeSet<String> {
        self.keys.as_ref().map(RefCell::take).unwrap_or_default()
    }

    pub(super) const fn foreign(&self) -> &Foreign {
        &self.foreign
    }

    /// Returns the addresses that are not ASCII, each once.
    pub(super) fn written(&self) -> Vec<Written> {
        let mut said = HashSet::new();
        let mut foreign = self.foreign.take();
        foreign.retain(|(text, ..)| said.insert(text.clone()));
        let written = |(text, prepared, place)| Written { text, prepared, line: self.line(&place) };
        foreign.into_iter().map(written).collect()
    }

    /// Returns the 1-based line of a place, or 0 for a variable and for the file as a whole.
    pub(super) fn line(&self, place: &Place) -> u32 {
        match place {
            Place::Text(span) => self.lines.position(self.text, span.start).0,
            Place::Variable(_) | Place::Whole => 0,
        }
    }

    /// Returns the place of a line, for values that were kept with their line only.
    pub(super) fn place_of(&self, line: u32) -> Place {
        self.lines.span(self.text, line).map_or(Place::Whole, Place::Text)
    }

    /// Returns whether an error was recorded.
    pub(super) fn has_errors(&self) -> bool {
        !self.unknown.borrow().is_empty()
            || self.notes.borrow().iter().any(|(_, note)| note.severity == Severity::Error)
    }

    /// Reports the unknown keys, each with its likely spelling or the table that it belongs in.
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
                // Keys are sorted, so that `policy.close` is suggested before `room.close`.
                tables.next().map(|table| format!("it belongs in `[{table}]`"))
            };
            let suggestion = suggestion.or_else(elsewhere);
            self.error(place, table, format!("unknown key `{key}`"), suggestion);
        }
    }

    /// Returns the errors and the warnings, each in the order of the file. `schema` returns the path of every key, to
    /// suggest the table that an unknown key belongs in.
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

/// Byte offsets at which the lines of a text begin.
pub(super) struct Lines(Vec<usize>);

impl Lines {
    pub(super) fn of(text: &str) -> Self {
        let after = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        Self(std::iter::once(0).chain(after.map(|(at, _)| at.saturating_add(1))).collect())
    }

    /// Returns the 1-based line and column (in characters) of a byte offset.
    pub(super) fn position(&self, text: &str, at: usize) -> (u32, u32) {
        let line = self.0.partition_point(|start| *start <= at);
        let start = self.0.get(line.saturating_sub(1)).copied().unwrap_or(0);
        let column = text.get(start..at).map_or(0, |before| before.chars().count());
        (count(line), count(column.saturating_add(1)))
    }

    /// Returns the byte range of a 1-based line, without the whitespace around it.
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

/// Longest excerpt of a line, in characters.
const WIDTH: usize = 100;

/// A text and its hidden parts, to show single lines of it.
pub(super) struct Excerpt<'a> {
    pub(super) text: &'a str,
    pub(super) lines: &'a Lines,
    pub(super) hidden: &'a [Range<usize>],
}

impl Excerpt<'_> {
    /// Returns the line that `span` begins on, with `…` for hidden parts, and the range of characters to mark.
    /// `None` if a part of the span is hidden, the line is blank, or the span begins too far to the right.
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
    /// Whether a problem prevents the file from going live.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub enum Severity {
        /// The file is not used.
        Error = "error",
        /// The file is used, but may not do what its author meant.
        Warning = "warning",
    }
}

/// A problem in the file, with its place. It never contains a secret of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Whether it prevents the file from going live.
    pub severity: Severity,
    /// Time from which it is a problem, such as the end of a ban; `None`: always.
    pub from: Option<Timestamp>,
    /// The file, or the environment variable, that the value comes from.
    pub file: String,
    /// 1-based line; 0: the file as a whole, or a variable.
    pub line: u32,
    /// 1-based column, in characters; 0 where `line` is.
    pub column: u32,
    /// The key, like `room[2].close.at_occupants`; empty if it is about no single key.
    pub path: String,
    /// Description of the problem, for the operator.
    pub message: String,
    /// What to write instead, if that is known.
    pub suggestion: Option<String>,
    /// Excerpt of the line without secrets, and the range of characters to mark.
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

/// Untrusted text for a terminal: characters that could move the cursor or change colours are replaced.
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

/// Returns whether a terminal can show a character without leaving the line.
pub(super) fn is_shown(c: char) -> bool {
    !c.is_control() && !is_invisible(c)
}

/// Where the secrets of a file are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// Whether the file itself holds a secret.
    pub inline: bool,
    /// Files with secrets that the policy file or the environment names.
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

    #[test]
    fn no_character_of_a_name_rearranges_the_line() {
        for c in ['\u{7}', '\u{9b}', '\u{61c}', '\u{200f}', '\u{2028}', '\u{202e}', '\u{2067}'] {
            assert_eq!(Visible(&format!("a{c}b")).to_string(), "a\u{fffd}b", "{c:?}");
        }
    }
}
