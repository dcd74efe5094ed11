//! Writes files all or none, and keeps what was there, to put it back.
//!
//! Each run notes in the journal what it is about to do before it does it. A run that fails takes back what it did; after
//! one that was killed, the next run does so first.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Component, Path, PathBuf};

use rustix::process::{getegid, geteuid};
use serde::{Deserialize, Serialize};

use super::changes::{Change, Content, Folder, Undo, undo};
use super::opened::{self, Opened, is_safe_folder};
use crate::private;

/// Name of the journal's own file.
const MANIFEST: &str = "changes.json";
const LOCK: &str = "lock";

/// What was done, and how it was before.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Manifest {
    files: Vec<Written>,
    /// Folders that were made, the outer ones first.
    made: Vec<PathBuf>,
    /// What a run was about to do that has not ended.
    pending: Vec<Pending>,
    /// Number of the next copy.
    next: usize,
}

/// A file that was changed; paths are below the root.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Written {
    path: PathBuf,
    before: Option<Copy>,
    after: Option<Copy>,
    is_theirs: bool,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Pending {
    path: PathBuf,
    before: Option<Copy>,
    after: Option<Copy>,
}

/// A copy of a file in the journal.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Copy {
    name: String,
    sha256: String,
    mode: u32,
    owner: (u32, u32),
}

/// The journal of the changes below a root.
#[derive(Debug)]
pub(super) struct Journal {
    folder: PathBuf,
    root: PathBuf,
    manifest: Manifest,
    lock: Option<File>,
}

/// Why files were not written. Those that were are as before again.
#[derive(Debug, thiserror::Error)]
pub(super) enum JournalError {
    #[error("cannot write {}: {}", .0.display(), .1)]
    Write(PathBuf, #[source] io::Error),
    #[error("cannot read {}: {}", .0.display(), .1)]
    Read(PathBuf, #[source] io::Error),
    #[error("{} was changed meanwhile: run it again", .0.display())]
    Changed(PathBuf),
    #[error(
        "{} was changed in the lines that an earlier run wrote: undo those changes first, which --undo --dry-run shows", .0.display()
    )]
    Edited(PathBuf),
    #[error("{} is damaged ({}): put back what it has by hand, then remove it", .0.display(), .1)]
    Damaged(PathBuf, String),
    #[error("{} may have been written by another account: look at it, then remove it", .0.display())]
    Foreign(PathBuf),
    #[error("another `vestibule init` is running")]
    Locked,
}

/// What happened to a file when changes were taken back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Undone {
    pub(super) path: PathBuf,
    pub(super) undo: Undo,
    /// As it is.
    pub(super) now: Option<Content>,
    /// As it was written.
    pub(super) written: Option<Content>,
    /// Whether there was none before.
    pub(super) is_new: bool,
}

impl Journal {
    /// Opens the journal in that folder, which need not be there yet.
    pub(super) fn open(folder: &Path, root: &Path) -> Result<Self, JournalError> {
        let path = folder.join(MANIFEST);
        // What it says is done, as root: it has to be this account's word.
        if folder.symlink_metadata().is_ok() && !is_safe_folder(folder) {
            return Err(JournalError::Foreign(folder.to_owned()));
        }
        let manifest = match opened::own(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map_err(|error| JournalError::Damaged(folder.to_owned(), error.to_string()))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Manifest::default(),
            Err(error) => return Err(JournalError::Read(path, error)),
        };
        Ok(Self { folder: folder.to_owned(), root: root.to_owned(), manifest, lock: None })
    }

    /// Returns whether anything was written that could be taken back.
    pub(super) fn is_empty(&self) -> bool {
        self.manifest.files.is_empty()
    }

    /// Returns whether a run was interrupted.
    pub(super) fn is_interrupted(&self) -> bool {
        !self.manifest.pending.is_empty()
    }

    /// Returns whether the file is as an earlier run wrote it.
    pub(super) fn wrote(&self, path: &Path, now: &Content) -> bool {
        let shown = self.shown(path);
        let found = self.manifest.files.iter().find(|written| written.path == shown);
        let after = found.and_then(|written| written.after.as_ref());
        after.is_some_and(|copy| copy.sha256 == now.checksum())
    }

    /// Returns whether an earlier run wrote what is to be written again, and an operator has only added lines to it.
    pub(super) fn has_more(&self, change: &Change) -> bool {
        let (Some(now), Some(after)) = (&change.before, &change.after) else { return false };
        let mut lines = now.bytes.split(|byte| *byte == b'\n');
        self.wrote(&change.path, after)
            && after.bytes.split(|byte| *byte == b'\n').all(|line| lines.any(|now| now == line))
    }

    /// Takes back what a run has done that was interrupted.
    pub(super) fn recover(&mut self) -> Result<(), JournalError> {
        if self.is_interrupted() {
            self.lock()?;
            self.roll_back()?;
        }
        Ok(())
    }

    /// Makes the changes and then the folders, all or none.
    pub(super) fn apply(
        &mut self,
        changes: &[Change],
        folders: &[Folder],
    ) -> Result<(), JournalError> {
        self.lock()?;
        // Until all is written, the journal says what was so before this run.
        match self.prepare(changes).and_then(|files| {
            self.write_pending(changes, folders)?;
            Ok(files)
        }) {
            Ok(files) => {
                self.manifest.files = files;
                self.manifest.pending.clear();
                self.save()
            }
            Err(error) => {
                self.roll_back()?;
                Err(error)
            }
        }
    }

    /// Keeps copies of what is going to change, and returns the list of files as it will be.
    fn prepare(&mut self, changes: &[Change]) -> Result<Vec<Written>, JournalError> {
        let mut files = self.manifest.files.clone();
        for change in changes.iter().filter(|change| change.is_change()) {
            if self.read(&change.path)? != change.before {
                return Err(JournalError::Changed(change.path.clone()));
            }
            let path = self.shown(&change.path);
            let before = self.keep(change.before.as_ref())?;
            let after = self.keep(change.after.as_ref())?;
            let is_theirs = change.is_theirs;
            self.manifest.pending.push(Pending {
                path: path.clone(),
                before: before.clone(),
                after: after.clone(),
            });
            match files.iter_mut().find(|written| written.path == path) {
                // What was there before the first run is what counts, with what the operator has changed since.
                Some(written) => {
                    written.before = self.original(written, change)?;
                    written.after = after;
                }
                None => files.push(Written { path, before, after, is_theirs }),
            }
        }
        Ok(files)
    }

    /// Returns what was there before the first run, with what the operator has changed since an earlier run wrote the
    /// file.
    fn original(
        &mut self,
        written: &Written,
        change: &Change,
    ) -> Result<Option<Copy>, JournalError> {
        let copy = |copy: &Option<Copy>| copy.as_ref().map(|copy| self.kept(copy)).transpose();
        let earlier = Change {
            path: change.path.clone(),
            before: copy(&written.before)?,
            after: copy(&written.after)?,
            is_theirs: written.is_theirs,
        };
        match undo(&earlier, change.before.as_ref()) {
            Undo::PutBack(_) => Ok(written.before.clone()),
            Undo::TakeOut(content) => self.keep(Some(&content)),
            // Theirs, which is replaced because they ask for it; or as before, with another mode or owner.
            Undo::Kept | Undo::Nothing => self.keep(change.before.as_ref()),
            Undo::Refused => Err(JournalError::Edited(change.path.clone())),
        }
    }

    fn write_pending(
        &mut self,
        changes: &[Change],
        folders: &[Folder],
    ) -> Result<(), JournalError> {
        let parents = changes.iter().filter_map(|change| change.path.parent());
        for path in parents.chain(folders.iter().map(|folder| folder.path.as_path())) {
            let missing = path.ancestors().filter(|folder| !folder.exists());
            for folder in
                missing.map(|folder| self.shown(folder)).collect::<Vec<_>>().into_iter().rev()
            {
                if !self.manifest.made.contains(&folder) {
                    self.manifest.made.push(folder);
                }
            }
        }
        self.save()?;
        for change in changes.iter().filter(|change| change.is_change()) {
            write(&change.path, change.after.as_ref())
                .map_err(|error| JournalError::Write(change.path.clone(), error))?;
        }
        for folder in folders.iter().filter(|folder| !folder.path.exists()) {
            make_folder(folder).map_err(|error| JournalError::Write(folder.path.clone(), error))?;
        }
        Ok(())
    }

    /// Puts back what is pending, as far as it was written.
    fn roll_back(&mut self) -> Result<(), JournalError> {
        for pending in self.manifest.pending.clone() {
            let path = self.full(&pending.path);
            let now = self.read(&path)?;
            let is_written = now.as_ref().map(Content::checksum)
                == pending.after.as_ref().map(|copy| copy.sha256.clone());
            if is_written {
                let before = pending.before.as_ref().map(|copy| self.kept(copy)).transpose()?;
                write(&path, before.as_ref()).map_err(|error| JournalError::Write(path, error))?;
            }
        }
        self.manifest.pending.clear();
        if self.is_empty() {
            return self.remove();
        }
        self.save()
    }

    /// Returns how every change would be taken back.
    pub(super) fn plan_undo(&self) -> Result<Vec<Undone>, JournalError> {
        let plan = |written: &Written| {
            let path = self.full(&written.path);
            let copy = |copy: &Option<Copy>| copy.as_ref().map(|copy| self.kept(copy)).transpose();
            let (before, after) = (copy(&written.before)?, copy(&written.after)?);
            let now = self.read(&path)?;
            let is_theirs = written.is_theirs;
            let is_new = before.is_none();
            let change = Change { path: path.clone(), before, after: after.clone(), is_theirs };
            Ok(Undone { path, undo: undo(&change, now.as_ref()), now, written: after, is_new })
        };
        self.manifest.files.iter().map(plan).collect()
    }

    /// Takes back every change as planned, and removes the journal.
    pub(super) fn take_back(&mut self, plan: &[Undone]) -> Result<(), JournalError> {
        let change = |undone: &Undone| {
            let after = match &undone.undo {
                Undo::Nothing | Undo::Kept | Undo::Refused => return None,
                Undo::PutBack(content) => content.clone(),
                Undo::TakeOut(content) => Some(content.clone()),
            };
            let (path, before) = (undone.path.clone(), undone.now.clone());
            Some(Change { path, before, after, is_theirs: false })
        };
        let changes: Vec<_> = plan.iter().filter_map(change).collect();
        self.apply(&changes, &[])?;
        self.remove()
    }

    /// Removes the journal, and folders that were made and are empty.
    fn remove(&mut self) -> Result<(), JournalError> {
        let failed = |error| JournalError::Write(self.folder.clone(), error);
        in_its_folder(&self.folder, fs::remove_dir_all).map_err(failed)?;
        for folder in self.manifest.made.iter().rev() {
            // One that holds something else stays.
            _ = in_its_folder(&self.full(folder), fs::remove_dir);
        }
        self.manifest = Manifest::default();
        self.lock = None;
        Ok(())
    }

    fn lock(&mut self) -> Result<(), JournalError> {
        if self.lock.is_some() {
            return Ok(());
        }
        let failed = |error| JournalError::Write(self.folder.clone(), error);
        let missing = self.folder.ancestors().skip(1).filter(|folder| !folder.exists());
        let missing: Vec<_> = missing.map(|folder| self.shown(folder)).collect();
        self.manifest.made.extend(missing.into_iter().rev());
        if let Some(parent) = self.folder.parent() {
            make_folders(parent).map_err(failed)?;
        }
        private::make_directory(&self.folder, private::OWNER).map_err(failed)?;
        if !is_safe_folder(&self.folder) {
            return Err(JournalError::Foreign(self.folder.clone()));
        }
        let lock = opened::lock(&self.folder.join(LOCK)).map_err(failed)?;
        lock.try_lock().map_err(|_| JournalError::Locked)?;
        self.lock = Some(lock);
        Ok(())
    }

    fn save(&self) -> Result<(), JournalError> {
        let path = self.folder.join(MANIFEST);
        let bytes = serde_json::to_vec_pretty(&self.manifest)
            .map_err(|error| JournalError::Damaged(self.folder.clone(), error.to_string()))?;
        let content = Content { bytes, mode: 0o600, owner: owner() };
        write(&path, Some(&content)).map_err(|error| JournalError::Write(path, error))
    }

    /// Keeps a copy of a content.
    fn keep(&mut self, content: Option<&Content>) -> Result<Option<Copy>, JournalError> {
        let Some(content) = content else { return Ok(None) };
        let name = self.manifest.next.to_string();
        self.manifest.next = self.manifest.next.saturating_add(1);
        let path = self.folder.join(&name);
        let copy = Content { bytes: content.bytes.clone(), mode: 0o600, owner: owner() };
        write(&path, Some(&copy)).map_err(|error| JournalError::Write(path, error))?;
        let Content { mode, owner, .. } = *content;
        Ok(Some(Copy { name, sha256: content.checksum(), mode, owner }))
    }

    fn kept(&self, copy: &Copy) -> Result<Content, JournalError> {
        let damaged = |said: String| JournalError::Damaged(self.folder.clone(), said);
        if copy.name.is_empty() || !copy.name.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(damaged(format!("`{}` is no name of a copy", copy.name)));
        }
        let path = self.folder.join(&copy.name);
        let bytes = opened::own(&path).map_err(|error| JournalError::Read(path.clone(), error))?;
        let content = Content { bytes, mode: copy.mode & 0o777, owner: copy.owner };
        if content.checksum() != copy.sha256 {
            return Err(damaged(format!("{} is not what was kept", path.display())));
        }
        Ok(content)
    }

    fn read(&self, path: &Path) -> Result<Option<Content>, JournalError> {
        read(path).map_err(|error| JournalError::Read(path.to_owned(), error))
    }

    /// Returns the path below the root, with a `/` before it.
    fn shown(&self, path: &Path) -> PathBuf {
        Path::new("/").join(path.strip_prefix(&self.root).unwrap_or(path))
    }

    fn full(&self, shown: &Path) -> PathBuf {
        let parts = shown.components().filter(|part| matches!(part, Component::Normal(_)));
        self.root.join(parts.collect::<PathBuf>())
    }
}

/// Makes folders that everyone may enter, whatever the umask. They belong to the owner of the folder in which they are.
fn make_folders(path: &Path) -> io::Result<()> {
    let missing: Vec<_> = path.ancestors().take_while(|folder| !folder.exists()).collect();
    for path in missing.into_iter().rev() {
        let parent = fs::metadata(path.parent().unwrap_or(Path::new("/")))?;
        let own = owner();
        let owner = if own.0 == 0 { (parent.uid(), parent.gid()) } else { own };
        make_folder(&Folder { path: path.to_owned(), mode: 0o755, owner })?;
    }
    Ok(())
}

fn make_folder(folder: &Folder) -> io::Result<()> {
    if let Some(parent) = folder.path.parent().filter(|parent| !parent.exists()) {
        make_folders(parent)?;
    }
    opened::make(folder)
}

/// Most bytes of a file that is read: it is held in memory, and may be another account's.
const MOST: u64 = 16 << 20;

/// Reads a file with mode and owner; `None`: it is not there.
pub(super) fn read(path: &Path) -> io::Result<Option<Content>> {
    let file = match opened::file(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let metadata = file.metadata()?;
    let mut bytes = Vec::new();
    if file.take(MOST).read_to_end(&mut bytes)? as u64 == MOST {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    let mode = metadata.permissions().mode() & 0o7777;
    Ok(Some(Content { bytes, mode, owner: (metadata.uid(), metadata.gid()) }))
}

/// Returns user and group of this process.
pub(super) fn owner() -> (u32, u32) {
    (geteuid().as_raw(), getegid().as_raw())
}

/// Does something to what has that name, in the folder that has it now: another account may put a link in its place.
fn in_its_folder(path: &Path, act: impl Fn(PathBuf) -> io::Result<()>) -> io::Result<()> {
    let folder = Opened::new(path.parent().unwrap_or(Path::new("/")))?;
    act(folder.path().join(path.file_name().unwrap_or_default()))
}

/// Writes a file whole, or removes it. Who reads meanwhile gets the former or the new one.
pub(super) fn write(path: &Path, content: Option<&Content>) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    let name = path.file_name().unwrap_or_default();
    let Some(content) = content else {
        return match in_its_folder(path, fs::remove_file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        };
    };
    make_folders(folder)?;
    let opened = Opened::new(folder)?;
    let folder = opened.path();
    // Servers that read every file of a folder leave out those with a dot before their name.
    let mut file = tempfile::Builder::new().prefix(".vestibule-").tempfile_in(&folder)?;
    file.write_all(&content.bytes)?;
    let (user, group) = content.owner;
    let made = file.as_file().metadata()?;
    if (made.uid(), made.gid()) != content.owner {
        std::os::unix::fs::fchown(file.as_file(), Some(user), Some(group))?;
    }
    file.as_file().set_permissions(fs::Permissions::from_mode(content.mode))?;
    file.as_file().sync_all()?;
    file.persist(folder.join(name)).map_err(|error| error.error)?;
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(text: &str) -> Content {
        Content { bytes: text.into(), mode: 0o640, owner: owner() }
    }

    /// A root with one file, its journal, and a change of that file and a new one in a new folder.
    fn root() -> (tempfile::TempDir, PathBuf, Vec<Change>) {
        let root = tempfile::tempdir().unwrap();
        let [old, new] = ["old", "new/folder/file"].map(|name| root.path().join(name));
        write(&old, Some(&content("before"))).unwrap();
        let change = |path: &Path, before, after| {
            let (path, after) = (path.to_owned(), Some(content(after)));
            Change { path, before, after, is_theirs: false }
        };
        let changes =
            vec![change(&new, None, "new"), change(&old, Some(content("before")), "after")];
        let journal = root.path().join("etc/journal");
        (root, journal, changes)
    }

    fn open(root: &tempfile::TempDir, journal: &Path) -> Journal {
        Journal::open(journal, root.path()).unwrap()
    }

    /// The names below the root, and the text of the old file.
    fn seen(root: &tempfile::TempDir) -> (Vec<String>, String) {
        let names = fs::read_dir(root.path()).unwrap();
        let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        (names, fs::read_to_string(root.path().join("old")).unwrap())
    }

    fn as_before() -> (Vec<String>, String) {
        (vec!["old".to_owned()], "before".to_owned())
    }

    #[test]
    fn all_is_written_and_taken_back() {
        let (root, place, changes) = root();
        let mut journal = open(&root, &place);
        journal.apply(&changes, &[]).unwrap();
        drop(journal);
        assert_eq!(seen(&root).1, "after");
        let mut journal = open(&root, &place);
        assert!(journal.wrote(&changes[1].path, &content("after")));
        let plan = journal.plan_undo().unwrap();
        journal.take_back(&plan).unwrap();
        assert_eq!(seen(&root), as_before());
    }

    #[test]
    fn a_write_that_fails_leaves_all_as_it_was() {
        let (root, place, changes) = root();
        // A file is where its parent would have to be.
        let folders = [Folder { path: root.path().join("old/x"), mode: 0o700, owner: owner() }];
        let error = open(&root, &place).apply(&changes, &folders).unwrap_err();
        assert!(matches!(error, JournalError::Write(..)), "{error}");
        assert_eq!(seen(&root), as_before());
    }

    #[test]
    fn what_an_interrupted_run_did_is_taken_back_by_the_next() {
        let (root, place, changes) = root();
        let mut journal = open(&root, &place);
        // As if it were killed before it notes the end.
        journal.lock().unwrap();
        journal.prepare(&changes).unwrap();
        journal.write_pending(&changes, &[]).unwrap();
        drop(journal);
        assert_eq!(seen(&root).1, "after");
        let mut journal = open(&root, &place);
        assert!(journal.is_interrupted());
        journal.recover().unwrap();
        assert_eq!(seen(&root), as_before());
    }

    #[test]
    fn no_folder_is_removed_where_a_link_of_another_account_leads() {
        let (root, place, changes) = root();
        let mut journal = open(&root, &place);
        journal.apply(&changes, &[]).unwrap();
        fs::remove_dir_all(root.path().join("new")).unwrap();
        fs::create_dir_all(root.path().join("elsewhere/folder")).unwrap();
        std::os::unix::fs::symlink("elsewhere", root.path().join("new")).unwrap();
        fs::set_permissions(root.path(), fs::Permissions::from_mode(0o777)).unwrap();
        journal.remove().unwrap();
        assert!(root.path().join("elsewhere/folder").exists() && !place.exists());
    }

    #[test]
    fn a_file_that_changes_meanwhile_is_not_overwritten() {
        let (root, place, changes) = root();
        write(&changes[1].path, Some(&content("newer"))).unwrap();
        let error = open(&root, &place).apply(&changes, &[]).unwrap_err();
        assert!(matches!(error, JournalError::Changed(_)), "{error}");
        assert_eq!(seen(&root).1, "newer");
        assert!(!place.exists());
    }
}
