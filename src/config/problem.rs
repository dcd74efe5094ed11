//! What is wrong with the file, as its writer reads it.

use std::fmt;
use std::ops::Range;

use jiff::Timestamp;

/// Whether a problem keeps the file from going live.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The file is not used.
    Error,
    /// The file is used, and may not do what its writer means.
    Warning,
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

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        write!(f, "{severity}: {}", Visible(&self.file))?;
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

/// Every problem on lines of its own, and how many there are.
pub(super) fn write_all(f: &mut fmt::Formatter<'_>, problems: &[Problem]) -> fmt::Result {
    for problem in problems {
        writeln!(f, "{problem}")?;
    }
    let errors = problems.iter().filter(|problem| problem.severity == Severity::Error).count();
    let s = if errors == 1 { "" } else { "s" };
    write!(f, "{errors} problem{s}; nothing was changed")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_the_file_reaches_the_terminal_as_a_command() {
        let problem = Problem {
            severity: Severity::Error,
            from: None,
            file: "a\u{1b}[2J".to_owned(),
            line: 1,
            column: 1,
            path: "\u{7}".to_owned(),
            message: "\u{202e}".to_owned(),
            suggestion: Some("\r".to_owned()),
            source_line: Some(("x\u{9b}".to_owned(), 0..1)),
        };
        let shown = problem.to_string();
        assert!(
            shown.chars().all(|c| c == '\n' || !(c.is_control() || is_invisible(c))),
            "{shown:?}"
        );
    }
}
