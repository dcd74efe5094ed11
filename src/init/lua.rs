//! Edits of a Lua configuration that leave the rest of the text as it is: an entry more in a list, an option more below
//! a header.

use std::ops::Range;

/// A piece of Lua, without blanks and comments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Name,
    Text,
    Symbol,
}

#[derive(Clone, Debug)]
struct Token {
    kind: Kind,
    at: Range<usize>,
    /// Line on which it ends, from 1 on.
    line: usize,
}

/// A text to put in at an offset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Insertion {
    pub(super) at: usize,
    pub(super) text: String,
}

/// Where the configuration sets an option, as the server's own Lua reports it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Place<'a> {
    /// An assignment that ends on this line.
    Assignment { line: usize },
    /// A table of options behind the header of a host, which starts on this line.
    Table { line: usize, host: &'a str },
}

/// What begins the header of a host.
const HEADERS: [&str; 5] = ["Component", "component", "VirtualHost", "Host", "host"];

/// A configuration file, cut into tokens.
#[derive(Debug)]
pub(super) struct Source<'a> {
    text: &'a str,
    tokens: Vec<Token>,
    comments: Vec<Range<usize>>,
}

impl<'a> Source<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        let mut source = Self { text, tokens: Vec::new(), comments: Vec::new() };
        let (mut at, mut line) = (0, 1);
        while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
            let (length, kind) = next(rest, at == 0);
            let end = at.saturating_add(length.max(1));
            let piece = text.get(at..end).unwrap_or_default();
            line = piece.matches('\n').count().saturating_add(line);
            match kind {
                Piece::Blank => {}
                Piece::Comment => source.comments.push(at..end),
                Piece::Token(kind) => source.tokens.push(Token { kind, at: at..end, line }),
            }
            at = end;
        }
        source
    }

    fn of(&self, token: &Token) -> &'a str {
        self.text.get(token.at.clone()).unwrap_or_default()
    }

    fn is(&self, at: usize, text: &str) -> bool {
        self.tokens.get(at).is_some_and(|token| self.of(token) == text)
    }

    /// Returns the index of the brace that closes the one at `open`.
    fn close(&self, open: usize) -> Option<usize> {
        let mut depth = 0_usize;
        for (at, token) in self.tokens.iter().enumerate().skip(open) {
            match self.of(token) {
                "{" | "(" => depth = depth.saturating_add(1),
                "}" | ")" => {
                    depth = depth.saturating_sub(1);
                    if depth == 0 {
                        return Some(at);
                    }
                }
                _ => {}
            }
        }
        None
    }

    /// Returns the braces of the list that the option is set to at that place; `None` if it is no list that is written
    /// out there, or more than one could be meant.
    fn list(&self, option: &str, place: Place<'_>) -> Option<(usize, usize)> {
        let written = |at: usize| {
            let is_named = self.is(at, option) && self.is(at.saturating_add(1), "=");
            let open = at.saturating_add(2);
            (is_named && self.is(open, "{")).then(|| Some((open, self.close(open)?))).flatten()
        };
        let within = match place {
            Place::Assignment { .. } => 0..self.tokens.len(),
            Place::Table { line, host } => {
                let header = self.header(line, host)?;
                let open = self.tokens.iter().enumerate().skip(header);
                let open = open.map(|(at, _)| at).find(|at| self.is(*at, "{"))?;
                open..self.close(open)?
            }
        };
        let ends_there = |close: usize| match place {
            Place::Assignment { line } => {
                self.tokens.get(close).is_some_and(|token| token.line == line)
            }
            Place::Table { .. } => true,
        };
        let mut found = within.filter_map(written).filter(|(_, close)| ends_there(*close));
        let only = found.next()?;
        found.next().is_none().then_some(only)
    }

    /// Returns the index of the token that names the host in its header on that line.
    fn header(&self, line: usize, host: &str) -> Option<usize> {
        let mut before = "";
        for (at, token) in self.tokens.iter().enumerate() {
            let text = self.of(token);
            let is_header = HEADERS.contains(&before) && token.kind == Kind::Text;
            if is_header && token.line >= line && unquoted(text).to_lowercase() == host {
                return Some(at);
            }
            before = text;
        }
        None
    }

    /// Returns what to put in so that the list has `entry` (written as Lua) at its end.
    pub(super) fn with_entry(
        &self,
        option: &str,
        place: Place<'_>,
        entry: &str,
    ) -> Option<Vec<Insertion>> {
        let (open, close) = self.list(option, place)?;
        let (brace, end) = (self.tokens.get(open)?, self.tokens.get(close)?);
        let last = self.tokens.get(close.checked_sub(1)?)?;
        let separator = self.separator(open, close);
        if open.saturating_add(1) == close {
            if brace.line == end.line {
                let blank = if brace.at.end == end.at.start { " " } else { "" };
                return Some(vec![Insertion::new(brace.at.end, format!(" {entry}{blank}"))]);
            }
            let at = self.start_of_line(end.at.start);
            let indentation = self.indentation(end.at.start);
            let line = format!("{indentation}\t{entry}{separator}{}", self.newline(at));
            return Some(vec![Insertion::new(at, line)]);
        }
        let is_separated = matches!(self.of(last), "," | ";");
        let at = self.end_of_line(last.at.end);
        // On a line of its own, if the list has its entries on lines of their own.
        if end.line == last.line || brace.line == last.line || self.is_in_comment(at) {
            let text = if is_separated {
                format!(" {entry}{separator}")
            } else {
                format!("{separator} {entry}")
            };
            return Some(vec![Insertion::new(last.at.end, text)]);
        }
        let indentation = self.indentation(last.at.start);
        let line = format!("{}{indentation}{entry}{separator}", self.newline(at));
        let before = (!is_separated).then(|| Insertion::new(last.at.end, separator));
        Some(before.into_iter().chain([Insertion::new(at, line)]).collect())
    }

    /// Returns the separator of the list's entries.
    fn separator(&self, open: usize, close: usize) -> &'a str {
        let inside = self.tokens.get(open..close).unwrap_or_default();
        let mut separators = inside.iter().rev().map(|token| self.of(token));
        separators.find(|text| matches!(*text, "," | ";")).unwrap_or(",")
    }

    /// Returns what to put in so that the host has an option, written as Lua, below its header.
    pub(super) fn with_option(
        &self,
        line: usize,
        host: &str,
        option: &str,
    ) -> Option<Vec<Insertion>> {
        let name = self.header(line, host)?;
        let is_text = |at: usize| self.tokens.get(at).is_some_and(|it| it.kind == Kind::Text);
        let module = name.saturating_add(1);
        let last = if is_text(module) { module } else { name };
        let next = last.saturating_add(1);
        if self.is(next, "{") {
            let brace = self.tokens.get(next)?;
            return Some(vec![Insertion::new(brace.at.end, format!(" {option};"))]);
        }
        let (token, next) = (self.tokens.get(last)?, self.tokens.get(next));
        let at = self.end_of_line(token.at.end);
        if self.is_in_comment(at) || next.is_some_and(|next| next.at.start < at) {
            return Some(vec![Insertion::new(token.at.end, format!(" {option}"))]);
        }
        let indentation = next.map_or("", |next| self.indentation(next.at.start));
        let indentation = if indentation.is_empty() { "\t" } else { indentation };
        Some(vec![Insertion::new(at, format!("{}{indentation}{option}", self.newline(at)))])
    }

    fn is_in_comment(&self, at: usize) -> bool {
        self.comments.iter().any(|comment| comment.start < at && at < comment.end)
    }

    /// Returns the offset of the end of the line, before its line break.
    fn end_of_line(&self, at: usize) -> usize {
        let rest = self.text.get(at..).unwrap_or_default();
        let length = rest.find('\n').unwrap_or(rest.len());
        let line = rest.get(..length).unwrap_or_default();
        at.saturating_add(line.strip_suffix('\r').unwrap_or(line).len())
    }

    fn start_of_line(&self, at: usize) -> usize {
        let before = self.text.get(..at).unwrap_or_default();
        before.rfind('\n').map_or(0, |found| found.saturating_add(1))
    }

    fn indentation(&self, at: usize) -> &'a str {
        let line = self.text.get(self.start_of_line(at)..).unwrap_or_default();
        let length = line.find(|c| c != ' ' && c != '\t').unwrap_or(line.len());
        line.get(..length).unwrap_or_default()
    }

    /// Returns the line break that is used around the offset.
    fn newline(&self, at: usize) -> &'static str {
        let rest = self.text.get(at..).unwrap_or_default();
        let before = self.text.get(..at).unwrap_or_default();
        let is_windows = rest.starts_with("\r\n") || before.ends_with("\r\n");
        if is_windows { "\r\n" } else { "\n" }
    }
}

impl Insertion {
    pub(super) fn new(at: usize, text: impl Into<String>) -> Self {
        Self { at, text: text.into() }
    }
}

/// Returns the text with everything put in.
pub(super) fn edited(text: &str, insertions: &[Insertion]) -> String {
    let mut sorted: Vec<_> = insertions.iter().collect();
    // Of two at one place, the first stays the first.
    sorted.sort_by_key(|insertion| insertion.at);
    let (mut result, mut from) = (String::with_capacity(text.len()), 0);
    for insertion in sorted {
        result.push_str(text.get(from..insertion.at).unwrap_or_default());
        result.push_str(&insertion.text);
        from = insertion.at;
    }
    result.push_str(text.get(from..).unwrap_or_default());
    result
}

/// Returns a text as a literal of Lua.
pub(super) fn quoted(text: &str) -> String {
    let mut literal = String::from('"');
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => literal.extend(['\\', char::from(byte)]),
            b' '..=b'~' => literal.push(char::from(byte)),
            _ => literal.push_str(&format!("\\{byte:03}")),
        }
    }
    literal.push('"');
    literal
}

fn unquoted(text: &str) -> &str {
    text.trim_matches(['"', '\'', '[', ']', '='])
}

/// What a piece of text is.
enum Piece {
    Blank,
    Comment,
    Token(Kind),
}

/// Returns the length in bytes of the first piece of a text, and what it is. Text that ends too early is one piece to
/// its end: the server does not load it.
fn next(text: &str, is_start: bool) -> (usize, Piece) {
    let span = |accepts: fn(char) -> bool| text.find(|c| !accepts(c)).unwrap_or(text.len());
    let line = || text.find('\n').unwrap_or(text.len());
    let Some(first) = text.chars().next() else { return (0, Piece::Blank) };
    match first {
        '#' if is_start => (line(), Piece::Comment),
        c if c.is_whitespace() => (span(char::is_whitespace), Piece::Blank),
        c if is_name(c) => (span(is_name), Piece::Token(Kind::Name)),
        '-' if text.starts_with("--") => {
            let rest = text.get(2..).unwrap_or_default();
            let length = long_bracket(rest).map_or_else(line, |length| length.saturating_add(2));
            (length, Piece::Comment)
        }
        '[' => match long_bracket(text) {
            Some(length) => (length, Piece::Token(Kind::Text)),
            None => (1, Piece::Token(Kind::Symbol)),
        },
        '"' | '\'' => {
            let mut is_escaped = false;
            let mut ends = text.char_indices().skip(1).filter(|(_, c)| {
                let ends = *c == first && !is_escaped;
                is_escaped = *c == '\\' && !is_escaped;
                ends
            });
            let length = ends.next().map_or(text.len(), |(at, _)| at.saturating_add(1));
            (length, Piece::Token(Kind::Text))
        }
        c => (c.len_utf8(), Piece::Token(Kind::Symbol)),
    }
}

fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// Returns the length of a long bracket, as of `[==[ … ]==]`, that the text begins with.
fn long_bracket(text: &str) -> Option<usize> {
    let inside = text.strip_prefix('[')?;
    let level = inside.find(|c| c != '=').unwrap_or(inside.len());
    inside.get(level..)?.strip_prefix('[')?;
    let end = format!("]{}]", "=".repeat(level));
    Some(text.find(&end).map_or(text.len(), |at| at.saturating_add(end.len())))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The text with an entry more in the list that ends on the line.
    fn listed(text: &str, line: usize) -> Option<String> {
        let place = Place::Assignment { line };
        let found = Source::new(text).with_entry("modules_enabled", place, "\"gate\"")?;
        Some(edited(text, &found))
    }

    #[test]
    fn a_list_gains_an_entry_in_its_own_form() {
        for (before, after) in [
            ("modules_enabled = {}", "modules_enabled = { \"gate\" }"),
            ("modules_enabled = { }", "modules_enabled = { \"gate\" }"),
            ("modules_enabled = { 'a' }", "modules_enabled = { 'a', \"gate\" }"),
            ("modules_enabled={'a';}", "modules_enabled={'a'; \"gate\";}"),
            ("modules_enabled = {\n\t'a';\n}", "modules_enabled = {\n\t'a';\n\t\"gate\";\n}"),
            (
                "modules_enabled = {\n  'a',\n  'b' -- last\n}",
                "modules_enabled = {\n  'a',\n  'b', -- last\n  \"gate\",\n}",
            ),
            (
                "modules_enabled = {\n\t'a'; --[[ of\nlines ]]\n}",
                "modules_enabled = {\n\t'a'; \"gate\"; --[[ of\nlines ]]\n}",
            ),
            (
                "modules_enabled = {\r\n 'a';\r\n}\r\n",
                "modules_enabled = {\r\n 'a';\r\n \"gate\";\r\n}\r\n",
            ),
            ("modules_enabled = {\n\t-- 'a';\n}", "modules_enabled = {\n\t-- 'a';\n\t\"gate\",\n}"),
            (
                "modules_enabled = {\n\t'a';\n\t-- }\n\t'b' }",
                "modules_enabled = {\n\t'a';\n\t-- }\n\t'b'; \"gate\" }",
            ),
            ("modules_enabled = { [[}]], '}' }", "modules_enabled = { [[}]], '}', \"gate\" }"),
        ] {
            let line = before.trim_end().matches('\n').count() + 1;
            assert_eq!(listed(before, line).as_deref(), Some(after), "{before}");
        }
    }

    #[test]
    fn what_is_no_list_there_is_left_alone() {
        for text in [
            "modules_enabled = list",
            "modules_enabled = make { 'a' }",
            "-- modules_enabled = { 'a' }",
            "other = { 'a' }",
            "modules_enabled = {} modules_enabled = {}",
        ] {
            assert_eq!(listed(text, 1), None, "{text}");
        }
        assert_eq!(listed("modules_enabled = {}\n", 2), None);
    }

    #[test]
    fn a_table_of_options_is_found_by_its_host() {
        let text = "Component 'a' 'muc' { modules_enabled = { 'x' } }\nComponent 'b' 'muc' { modules_enabled = { 'y' } }";
        let place = Place::Table { line: 2, host: "b" };
        let found = Source::new(text).with_entry("modules_enabled", place, "\"gate\"").unwrap();
        assert_eq!(edited(text, &found), text.replace("'y' }", "'y', \"gate\" }"));
    }

    #[test]
    fn an_option_goes_below_the_header() {
        let option = "new = { 1 }";
        for (before, after) in [
            (
                "Component \"A.b\" \"muc\"\n  old = 1\n",
                "Component \"A.b\" \"muc\"\n  new = { 1 }\n  old = 1\n",
            ),
            (
                "Component \"a.b\" \"muc\" -- it\nVirtualHost \"c\"",
                "Component \"a.b\" \"muc\" -- it\n\tnew = { 1 }\nVirtualHost \"c\"",
            ),
            ("Component 'a.b'\n\t'muc'", "Component 'a.b'\n\t'muc'\n\tnew = { 1 }"),
            ("Component 'a.b' 'muc' old = 1\r\n", "Component 'a.b' 'muc' new = { 1 } old = 1\r\n"),
            ("Component 'a.b' 'muc' { old = 1 }", "Component 'a.b' 'muc' { new = { 1 }; old = 1 }"),
        ] {
            let found = Source::new(before).with_option(1, "a.b", option).unwrap();
            assert_eq!(edited(before, &found), after);
        }
        assert_eq!(Source::new("Component(name)").with_option(1, "a.b", option), None);
    }

    #[test]
    fn a_literal_says_what_it_was_made_of() {
        assert_eq!(quoted("a\"b\\c\nü"), "\"a\\\"b\\\\c\\010\\195\\188\"");
    }
}
