//! What is going to change in files: before and after, the difference, and how a change is taken back.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::{Path, PathBuf};

use diffy::{DiffOptions, HunkRange};
use sha2::{Digest as _, Sha256};

use super::prosody::SHOWN_SECRET;
use crate::config::Visible;

/// A file: its bytes, and who may read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Content {
    pub(super) bytes: Vec<u8>,
    /// Permission bits.
    pub(super) mode: u32,
    /// User and group, by number.
    pub(super) owner: (u32, u32),
}

impl Content {
    /// Returns the bytes as text; bytes that are none are replaced.
    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    pub(super) fn checksum(&self) -> String {
        hex::encode(Sha256::digest(&self.bytes))
    }
}

/// A folder that has to be there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Folder {
    pub(super) path: PathBuf,
    /// Permission bits.
    pub(super) mode: u32,
    /// User and group, by number.
    pub(super) owner: (u32, u32),
}

/// A change of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) path: PathBuf,
    /// `None`: it is not there.
    pub(super) before: Option<Content>,
    /// `None`: it is removed.
    pub(super) after: Option<Content>,
    /// Whether the file belongs to the operator once it is written: what they changed in it stays.
    pub(super) is_theirs: bool,
}

impl Change {
    /// Returns whether there is anything to do.
    pub(super) fn is_change(&self) -> bool {
        self.before != self.after
    }
}

/// Returns the unified diff of a change, under the name that is to be shown.
pub(super) fn diff(path: &Path, before: Option<&str>, after: Option<&str>) -> String {
    let name = |is_there: bool| match is_there {
        true => path.display().to_string(),
        false => "/dev/null".to_owned(),
    };
    let mut options = DiffOptions::new();
    options.set_original_filename(name(before.is_some()));
    options.set_modified_filename(name(after.is_some()));
    let (before, after) = (before.unwrap_or_default(), after.unwrap_or_default());
    let patch = options.create_patch(before, after);
    // Where a secret begins and ends, only the whole text says.
    let (old, new) = (shown(before), shown(after));
    let (old, new): (Vec<_>, Vec<_>) = (old.lines().collect(), new.lines().collect());
    let mut hunks = patch.hunks().iter();
    let (mut old_at, mut new_at) = (0, 0);
    let mut text = String::new();
    for (number, line) in patch.to_string().split_inclusive('\n').enumerate() {
        let body = line.trim_end_matches(['\r', '\n']);
        let end = line.get(body.len()..).unwrap_or_default();
        let (is_old, is_new) = (!line.starts_with('+'), !line.starts_with('-'));
        if number >= HEAD && line.starts_with("@@ ") {
            if let Some(hunk) = hunks.next() {
                (old_at, new_at) = (first(&hunk.old_range()), first(&hunk.new_range()));
            }
            text.push_str(line);
        } else if number < HEAD || line.starts_with('\\') {
            text.push_str(&visible(line));
        } else {
            let found = if is_new { new.get(new_at) } else { old.get(old_at) };
            // An empty line that is the same in both has no sign.
            let sign = body.get(..1).unwrap_or_default();
            text.push_str(&format!("{sign}{}{end}", found.copied().unwrap_or("…")));
            old_at = old_at.saturating_add(usize::from(is_old));
            new_at = new_at.saturating_add(usize::from(is_new));
        }
    }
    text
}

/// Returns the number of the first line of a range; one without lines names the line before it.
fn first(range: &HunkRange) -> usize {
    if range.is_empty() { range.start() } else { range.start().saturating_sub(1) }
}

/// Number of lines in which a diff names its files.
const HEAD: usize = 2;
/// Words in the names of settings whose values are not shown.
const HIDDEN: [&str; 5] = ["secret", "password", "passwd", "token", "key"];

/// Returns text of files for a terminal: without the values of secrets, and without characters that a terminal obeys. It has as
/// many lines as before.
pub(super) fn shown(text: &str) -> String {
    visible(&without_secrets(text))
}

/// Returns text without characters that a terminal obeys.
fn visible(text: &str) -> String {
    let line = |line: &str| {
        let body = line.trim_end_matches(['\r', '\n']);
        let end = line.get(body.len()..).unwrap_or_default();
        let words: Vec<_> = body.split('\t').map(|word| Visible(word).to_string()).collect();
        format!("{}{end}", words.join("\t"))
    };
    text.split_inclusive('\n').map(line).collect()
}

/// Returns a text of Lua, TOML or `.env` with `…` for the values of secrets, and for each line of them.
fn without_secrets(text: &str) -> String {
    let mut found = String::new();
    let mut rest = text;
    while let Some((head, tail)) = rest.split_once('=') {
        found.push_str(head);
        let line = found.rsplit('\n').next().unwrap_or_default();
        let is_comment =
            line.contains("--") || line.trim_start().starts_with('#') || line.contains(" #");
        found.push('=');
        rest = tail;
        let name = head.trim_end_matches(|c: char| c.is_whitespace() || "\"']".contains(c));
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        let name = name.rsplit(|c| !is_name(c)).next().unwrap_or_default().to_ascii_lowercase();
        // The name of a file with a secret is none.
        if !HIDDEN.iter().any(|word| name.contains(word)) || name.ends_with("_file") {
            continue;
        }
        let blank = blank(tail);
        let (before, value) = tail.split_at_checked(blank).unwrap_or(("", tail));
        let line = value.find(['\r', '\n']).unwrap_or(value.len());
        let length = if is_comment { length(value).min(line) } else { length(value) };
        let Some((secret, behind)) = value.split_at_checked(length).filter(|_| length > 0) else {
            continue;
        };
        found.push_str(before);
        found.push('…');
        secret.matches('\n').for_each(|_| found.push_str("\n…"));
        rest = behind;
    }
    found.push_str(rest);
    found
}

/// Returns the length in bytes of what stands before a value, which may begin on another line where it has a sign of its own.
fn blank(tail: &str) -> usize {
    let here = tail.trim_start_matches([' ', '\t']);
    let further = tail.trim_start();
    let begins = further.starts_with(['"', '\'', '{', '[']);
    tail.len().saturating_sub(if begins { further.len() } else { here.len() })
}

/// Returns the length in bytes of the value of a secret; 0 if the value is none.
fn length(value: &str) -> usize {
    let mut end = one(value);
    // Lua joins texts.
    while end > 0 {
        let behind = value.get(end..).unwrap_or_default();
        let Some(next) = behind.trim_start().strip_prefix("..").map(str::trim_start) else { break };
        let text = one(next);
        end = value.len().saturating_sub(next.len()).saturating_add(text);
        if text == 0 {
            break;
        }
    }
    end
}

/// Returns the length in bytes of one text, list or word at the beginning.
fn one(value: &str) -> usize {
    let word: &str =
        value.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next().unwrap_or(value);
    let is_none = matches!(word, "true" | "false" | "nil") || word.starts_with("ENV_");
    let is_ours = value.trim_start_matches('"').starts_with(SHOWN_SECRET);
    if value.is_empty() || is_none || is_ours || value.starts_with("${") {
        return 0;
    }
    let up_to = |inside: &str, end: &str| match inside.find(end) {
        Some(at) => {
            value.len().saturating_sub(inside.len()).saturating_add(at).saturating_add(end.len())
        }
        None => value.len(),
    };
    for quotes in ["\"\"\"", "'''"] {
        if let Some(inside) = value.strip_prefix(quotes) {
            return up_to(inside, quotes);
        }
    }
    let level =
        value.strip_prefix('[').map(|it| it.len().saturating_sub(it.trim_start_matches('=').len()));
    let begins =
        |level: usize| value.get(level.saturating_add(1)..).and_then(|it| it.strip_prefix('['));
    if let Some((level, inside)) = level.and_then(|level| Some((level, begins(level)?))) {
        return up_to(inside, &format!("]{}]", "=".repeat(level)));
    }
    match value.chars().next() {
        Some(quote @ ('"' | '\'')) => quoted(value, quote),
        Some('{' | '[') => {
            // A table of settings has names of its own; a list of texts has none.
            let list = value.get(1..).unwrap_or_default().trim_start();
            if list.starts_with(['"', '\'', '[']) { listed(value) } else { 0 }
        }
        _ => value.find(['\r', '\n']).unwrap_or(value.len()),
    }
}

/// Returns the length of a text with its quotes.
fn quoted(value: &str, quote: char) -> usize {
    let mut is_escaped = false;
    let end = value.char_indices().skip(1).find(|(_, c)| {
        let is_end = *c == quote && !is_escaped;
        is_escaped = *c == '\\' && !is_escaped;
        is_end
    });
    end.map_or(value.len(), |(at, _)| at.saturating_add(1))
}

/// Returns the length of a list with its brackets.
fn listed(value: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0_usize);
    while let Some(c) = value.get(at..).and_then(|rest| rest.chars().next()) {
        match c {
            '"' | '\'' => {
                at = at.saturating_add(quoted(value.get(at..).unwrap_or_default(), c));
                continue;
            }
            '{' | '[' => depth = depth.saturating_add(1),
            '}' | ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        at = at.saturating_add(c.len_utf8());
        if depth == 0 {
            return at;
        }
    }
    value.len()
}

/// How the change of one file is taken back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Undo {
    /// It is as it was.
    Nothing,
    /// It is put back to this; `None` removes it.
    PutBack(Option<Content>),
    /// Only our lines are taken out: others have changed since.
    TakeOut(Content),
    /// It stays, with what the operator has made of it.
    Kept,
    /// Our lines cannot be told from what was changed since.
    Refused,
}

/// Decides how a change is taken back: `change` is what was once done, `now` the file as it is.
pub(super) fn undo(change: &Change, now: Option<&Content>) -> Undo {
    let same = |one: Option<&Content>, other: Option<&Content>| {
        one.map(|content| &content.bytes) == other.map(|content| &content.bytes)
    };
    let (before, after) = (change.before.as_ref(), change.after.as_ref());
    if same(now, before) {
        return Undo::Nothing;
    }
    if same(now, after) {
        return Undo::PutBack(change.before.clone());
    }
    if change.is_theirs {
        return Undo::Kept;
    }
    let (Some(now), Some(before), Some(after)) = (now, before, after) else { return Undo::Refused };
    match without(&before.bytes, &after.bytes, &now.bytes) {
        Some(bytes) => Undo::TakeOut(Content { bytes, ..now.clone() }),
        None => Undo::Refused,
    }
}

/// A run of lines that differ: where it begins and ends in the old and in the new text.
struct Hunk {
    old: Range<usize>,
    new: Range<usize>,
}

fn lines(text: &[u8]) -> Vec<&[u8]> {
    text.split_inclusive(|byte| *byte == b'\n').collect()
}

fn hunks(old: &[u8], new: &[u8]) -> Vec<Hunk> {
    let patch = DiffOptions::new().set_context_len(0).create_patch_bytes(old, new);
    let range = |range: HunkRange| first(&range)..first(&range).saturating_add(range.len());
    let hunk = |hunk: &diffy::Hunk<'_, [u8]>| Hunk {
        old: range(hunk.old_range()),
        new: range(hunk.new_range()),
    };
    patch.hunks().iter().map(hunk).collect()
}

/// Returns `now` without what was done between `before` and `after`: lines that were written go, and those that they
/// replaced come back. `None` if one of the lines that were written has changed. Lines next to them may have.
fn without(before: &[u8], after: &[u8], now: &[u8]) -> Option<Vec<u8>> {
    let (old, here) = (lines(before), lines(now));
    // Where each line of `after` is now.
    let mut places = Vec::new();
    let mut next = 0_usize;
    for hunk in hunks(after, now) {
        let kept = hunk.old.start.saturating_sub(places.len());
        places.extend((next..next.saturating_add(kept)).map(Some));
        places.extend(hunk.old.map(|_| None));
        next = hunk.new.end;
    }
    places.extend((next..here.len()).map(Some));

    let mut gone = BTreeSet::new();
    let mut back: BTreeMap<usize, &[&[u8]]> = BTreeMap::new();
    for hunk in hunks(before, after) {
        let written: Option<Vec<_>> = places.get(hunk.new.clone())?.iter().copied().collect();
        let written = written?;
        let place = match written.first() {
            Some(first) => *first,
            // Nothing was written there: between its neighbours.
            None => match hunk.new.start.checked_sub(1).and_then(|line| places.get(line)) {
                Some(before) => (*before)?.saturating_add(1),
                None => 0,
            },
        };
        gone.extend(written);
        back.insert(place, old.get(hunk.old)?);
    }
    let mut text: Vec<u8> = Vec::new();
    let mut add = |line: &[u8]| {
        if text.last().is_some_and(|byte| *byte != b'\n') {
            text.push(b'\n');
        }
        text.extend_from_slice(line);
    };
    for number in 0..=here.len() {
        back.get(&number).into_iter().copied().flatten().for_each(|line| add(line));
        if let Some(line) = here.get(number).filter(|_| !gone.contains(&number)) {
            add(line);
        }
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(text: &str) -> Content {
        Content { bytes: text.into(), mode: 0o640, owner: (0, 0) }
    }

    fn change() -> Change {
        Change {
            path: "/file".into(),
            before: Some(content("a\nb\nc\nd\ne\n")),
            after: Some(content("a\nb\nours\nc\nd\ne\n")),
            is_theirs: false,
        }
    }

    #[test]
    fn a_diff_names_the_file_and_what_is_new() {
        let text = diff(Path::new("/etc/a"), Some("a\nb\n"), Some("a\nc\nb\n"));
        assert_eq!(text, "--- /etc/a\n+++ /etc/a\n@@ -1,2 +1,3 @@\n a\n+c\n b\n");
        let text = diff(Path::new("/etc/a"), None, Some("a\n"));
        assert_eq!(text, "--- /dev/null\n+++ /etc/a\n@@ -0,0 +1 @@\n+a\n");
    }

    #[test]
    fn no_secret_and_no_control_character_is_shown() {
        for (line, hidden) in [
            (" JICOFO_AUTH_PASSWORD=0123 456", " JICOFO_AUTH_PASSWORD=…"),
            ("+\texport A_TOKEN='x=y' # z\r\n", "+\texport A_TOKEN=… # z\r\n"),
            (r#"s = { Password = "a\"b", name = "c" }"#, r#"s = { Password = …, name = "c" }"#),
            (r#"["turn_secret"] = [[x]];"#, r#"["turn_secret"] = …;"#),
            (r#"keys = { "a", "b" }"#, "keys = …"),
            ("password = { required = true }", "password = { required = true }"),
            ("secret = ENV_SECRET", "secret = ENV_SECRET"),
            ("allow_empty_token = false", "allow_empty_token = false"),
            ("secret_file = \"/a\"", "secret_file = \"/a\""),
            ("SECRET=", "SECRET="),
            ("name = \"\u{1b}[2J\"", "name = \"\u{fffd}[2J\""),
        ] {
            assert_eq!(shown(line), hidden);
        }
    }

    #[test]
    fn a_secret_over_several_lines_is_hidden_in_each_of_them() {
        for (text, hidden) in [
            ("app_secret = [[\nhush\nhush]]\na = 1\n", "app_secret = …\n…\n…\na = 1\n"),
            ("secret = [==[\nhush]]\n]==]; b = [[c]]\n", "secret = …\n…\n…; b = [[c]]\n"),
            ("secret = \"hush\\\nhush\"\na = 1", "secret = …\n…\na = 1"),
            ("secret =\n\t\"hush\" ..\n\t\"hush\"\na = 1", "secret =\n\t…\n…\na = 1"),
            ("keys = {\n\t\"hush\";\n\t\"hush}\";\n}\na = 1", "keys = …\n…\n…\n…\na = 1"),
            ("password = \"\"\"\nhush \"\" hush\n\"\"\"\na = 1", "password = …\n…\n…\na = 1"),
            ("A_KEY='hush\nhush'\nA=1\n", "A_KEY=…\n…\nA=1\n"),
            ("SECRET=\nA=1\n", "SECRET=\nA=1\n"),
            ("# key = 'it\na = 'b'\n", "# key = …\na = 'b'\n"),
            ("secrets = {\n\ta_secret = \"hush\";\n}\n", "secrets = {\n\ta_secret = …;\n}\n"),
        ] {
            assert_eq!(shown(text), hidden);
        }
        let before = "a = 1\napp_secret = [[\nhush one\nhush two\n]]\nmodules = { \"a\" }\n";
        let after = before.replace("\"a\"", "\"a\", \"gate\"").replace("two", "three");
        let text = diff(Path::new("/etc/a"), Some(before), Some(&after));
        assert!(!text.contains("hush"), "{text}");
        let expected = "-…\n+…\n …\n-modules = { \"a\" }\n+modules = { \"a\", \"gate\" }\n";
        assert!(text.ends_with(expected), "{text}");
        let far = format!("app_secret = [[\n{}]]\na\n", "hush\n".repeat(9));
        let text = diff(Path::new("/etc/a"), Some(&far), Some(&far.replace("\na\n", "\nb\n")));
        assert!(!text.contains("hush") && text.ends_with("-a\n+b\n"), "{text}");
    }

    #[test]
    fn an_unchanged_file_is_put_back_and_one_as_before_is_left() {
        let change = change();
        assert_eq!(undo(&change, change.after.as_ref()), Undo::PutBack(change.before.clone()));
        assert_eq!(undo(&change, change.before.as_ref()), Undo::Nothing);
        let new = Change { before: None, ..change };
        assert_eq!(undo(&new, new.after.as_ref()), Undo::PutBack(None));
        assert_eq!(undo(&new, None), Undo::Nothing);
    }

    #[test]
    fn our_lines_are_taken_out_of_a_file_that_changed_elsewhere() {
        let now = content("a\nb\nours\nc\nd\ne\nnew\n");
        assert_eq!(undo(&change(), Some(&now)), Undo::TakeOut(content("a\nb\nc\nd\ne\nnew\n")));
    }

    #[test]
    fn lines_that_changed_with_ours_are_left_to_the_operator() {
        let now = content("a\nb\nours, changed\nc\nd\ne\n");
        assert_eq!(undo(&change(), Some(&now)), Undo::Refused);
        assert_eq!(undo(&change(), None), Undo::Refused);
        let theirs = Change { before: None, is_theirs: true, ..change() };
        assert_eq!(undo(&theirs, Some(&now)), Undo::Kept);
    }

    fn taken_out(before: &str, after: &str, now: &str) -> Option<String> {
        let bytes = without(before.as_bytes(), after.as_bytes(), now.as_bytes())?;
        Some(String::from_utf8(bytes).unwrap())
    }

    #[test]
    fn lines_next_to_ours_may_change() {
        let (before, after) = ("a\nlist = { x }\nb\n", "a\nlist = { x, ours }\nb\n");
        for now in [
            "a\nnew\nlist = { x, ours }\nb\n",
            "a\nlist = { x, ours }\nnew\nb\n",
            "new\nlist = { x, ours }\n",
            "a\nlist = { x, ours }\nb\nnew",
        ] {
            let without = now.replace(", ours", "");
            assert_eq!(taken_out(before, after, now), Some(without), "{now}");
        }
        assert_eq!(taken_out(before, after, "a\nlist = { y, ours }\nb\n"), None);
    }

    #[test]
    fn what_is_written_after_our_last_line_stays_a_line_of_its_own() {
        let (before, after) = ("a\nb", "a\nb\nours\n");
        assert_eq!(taken_out(before, after, "a\nb\nours\nnew\n").as_deref(), Some("a\nb\nnew\n"));
        assert_eq!(taken_out(before, after, after).as_deref(), Some(before));
    }

    #[test]
    fn a_line_that_we_took_out_comes_back_between_its_neighbours() {
        let (before, after) = ("a\nb\nc\n", "a\nc\n");
        assert_eq!(taken_out(before, after, "new\na\nc\n").as_deref(), Some("new\na\nb\nc\n"));
    }

    proptest::proptest! {
        #[test]
        fn hiding_leaves_the_lines_and_a_diff_its_form(
            before in "[ab\n=\"'{}\\[\\].#k-]{0,40}",
            after in "(key = )?[ab\n=\"'{}\\[\\].#k-]{0,40}",
        ) {
            proptest::prop_assert_eq!(shown(&after).lines().count(), after.lines().count());
            let text = diff(Path::new("/x"), Some(&before), Some(&after));
            let patch = DiffOptions::new().create_patch(&before, &after).to_string();
            proptest::prop_assert_eq!(text.lines().count(), patch.lines().count());
        }

        #[test]
        fn an_untouched_file_is_as_before(before in "[ab\n]{0,30}", after in "[ab\n]{0,30}") {
            let found = taken_out(&before, &after, &after);
            proptest::prop_assert_eq!(found, Some(before));
        }
    }
}
