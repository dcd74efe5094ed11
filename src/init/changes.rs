//! What is going to change in files: before and after, the difference, and how a change is taken back.

use std::path::{Path, PathBuf};

use diffy::DiffOptions;
use sha2::{Digest as _, Sha256};

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
pub(super) fn diff(shown: &Path, before: Option<&str>, after: Option<&str>) -> String {
    let name = |is_there: bool| match is_there {
        true => shown.display().to_string(),
        false => "/dev/null".to_owned(),
    };
    let mut options = DiffOptions::new();
    options.set_original_filename(name(before.is_some()));
    options.set_modified_filename(name(after.is_some()));
    options.create_patch(before.unwrap_or_default(), after.unwrap_or_default()).to_string()
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
    match diffy::merge_bytes(&after.bytes, &now.bytes, &before.bytes) {
        Ok(bytes) => Undo::TakeOut(Content { bytes, ..now.clone() }),
        Err(_) => Undo::Refused,
    }
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
}
