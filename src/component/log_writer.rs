//! Writes lines to a file without making the caller wait.
//!
//! The caller leaves a line in memory and goes on; a thread takes all waiting lines twenty times a
//! second and writes them at once. Waking that thread for each line would cost more than the line.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead as _, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::{Condvar, Mutex, MutexGuard};
use tokio::sync::oneshot;

use crate::private::{OWNER, make_directory};
use crate::thread::{Health, keep};

/// Longest time that a line stays in memory.
const GATHER: Duration = Duration::from_millis(50);
/// Bytes in memory at which writing begins without waiting for more.
const PLENTY: usize = 1024 * 1024;
/// Most bytes that may wait to be written; further lines are lost.
const MOST: usize = 32 * 1024 * 1024;
/// Most bytes of a file: then it is renamed to `NAME.1`, replacing the one before, and a new one is begun.
const LARGEST: u64 = 256 * 1024 * 1024;

/// Appends lines to a file on a thread of its own, so that callers never wait for the disk.
#[derive(Debug)]
pub(super) struct LogWriter {
    pub(super) path: PathBuf,
    shared: Arc<Shared>,
    writer: Option<JoinHandle<()>>,
    /// Health of the writing thread.
    pub(super) health: Health,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    news: Condvar,
}

#[derive(Debug, Default)]
struct State {
    bytes: Vec<u8>,
    lost: u64,
    /// A reopened file, and how many of the waiting bytes still belong to the old one.
    fresh: Option<(Appended, usize)>,
    /// What is done to the files of the log, in this order, while nothing is written to them.
    rewrites: Vec<Rewrite>,
    stop: bool,
}

/// Something that is done to the files of the log.
struct Rewrite(Box<dyn FnOnce(&Path) + Send>);

impl std::fmt::Debug for Rewrite {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Rewrite")
    }
}

impl LogWriter {
    /// Opens `path` for appending, created with its directory, readable by its owner only.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        Self::bounded(path, LARGEST)
    }

    fn bounded(path: &Path, largest: u64) -> io::Result<Self> {
        let file = append(path)?;
        let shared = Arc::<Shared>::default();
        let path = path.to_owned();
        let health = Health::default();
        let mut writer = Writer {
            shared: Arc::clone(&shared),
            health: health.clone(),
            path: path.clone(),
            file,
            largest,
            taken: 0,
        };
        let thread = keep("log", health.clone(), move || writer.run())?;
        Ok(Self { path, shared, writer: Some(thread), health })
    }

    /// Queues a line to be written. One that does not fit is counted as lost.
    pub(super) fn line(&self, line: &str) {
        let mut state = self.shared.state.lock();
        let before = state.bytes.len();
        if before >= MOST {
            state.lost = state.lost.saturating_add(1);
            return;
        }
        state.bytes.extend_from_slice(line.as_bytes());
        state.bytes.push(b'\n');
        if before == 0 || (before < PLENTY && state.bytes.len() >= PLENTY) {
            self.shared.news.notify_one();
        }
    }

    /// Continues in the file that has the path now, created if missing; in the old one if it cannot be opened.
    pub(super) fn reopen(&self) -> io::Result<()> {
        let fresh = append(&self.path)?;
        let mut state = self.shared.state.lock();
        state.fresh = Some((fresh, state.bytes.len()));
        drop(state);
        self.shared.news.notify_one();
        Ok(())
    }

    /// Replaces lines of the log, and of the file that was renamed before: `line` returns the new one, or `None` for one
    /// that stays. New lines wait meanwhile. Never blocks: sends how many lines were replaced, or why a file could not be
    /// read or written, which is as it was then.
    pub(super) fn rewrite(
        &self,
        line: impl Fn(&[u8]) -> Option<String> + Send + 'static,
    ) -> oneshot::Receiver<io::Result<u64>> {
        let (tell, told) = oneshot::channel();
        let rewrite = Rewrite(Box::new(move |path: &Path| {
            let all = [path.to_owned(), aside(path)];
            let done = all
                .iter()
                .try_fold(0_u64, |sum, path| Ok(sum.saturating_add(rewritten(path, &line)?)));
            // The caller may have stopped waiting.
            let _ = tell.send(done);
        }));
        self.shared.state.lock().rewrites.push(rewrite);
        self.shared.news.notify_one();
        told
    }

    /// Returns the number of lines that were lost since the start.
    pub(super) fn lost(&self) -> u64 {
        self.shared.state.lock().lost
    }
}

impl Drop for LogWriter {
    fn drop(&mut self) {
        self.shared.state.lock().stop = true;
        self.shared.news.notify_one();
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
    }
}

impl Shared {
    /// Waits for something to do, then a moment for more of it.
    fn gather(&self) -> MutexGuard<'_, State> {
        let nothing =
            |state: &State| !state.stop && state.fresh.is_none() && state.rewrites.is_empty();
        let idle = |state: &mut State| state.bytes.is_empty() && nothing(state);
        let few = |state: &mut State| state.bytes.len() < PLENTY && nothing(state);
        let mut state = self.state.lock();
        self.news.wait_while(&mut state, idle);
        self.news.wait_while_for(&mut state, few, GATHER);
        state
    }
}

struct Writer {
    shared: Arc<Shared>,
    health: Health,
    path: PathBuf,
    file: Appended,
    /// Most bytes of a file.
    largest: u64,
    /// Lines that were taken from the queue and are not written yet.
    taken: u64,
}

/// A log file that is open for appending.
#[derive(Debug)]
struct Appended {
    file: File,
    /// Length in bytes; `None` if it is not a regular file, which has no limit.
    size: Option<u64>,
    /// Whether its last line is incomplete.
    torn: bool,
}

impl Writer {
    fn run(&mut self) {
        // The lines that the thread had taken before a panic are lost.
        let lost = std::mem::take(&mut self.taken);
        self.lose(lost, None);
        let mut batch = Vec::new();
        loop {
            self.health.round();
            let mut state = self.shared.gather();
            std::mem::swap(&mut batch, &mut state.bytes);
            let (stop, fresh) = (state.stop, state.fresh.take());
            let rewrites = std::mem::take(&mut state.rewrites);
            drop(state);
            self.taken = lines(&batch);
            let mut rest = batch.as_slice();
            if let Some((fresh, behind)) = fresh {
                let (before, after) = rest.split_at_checked(behind).unwrap_or((rest, &[]));
                self.write(before);
                self.file = fresh;
                rest = after;
            }
            self.write(rest);
            if !rewrites.is_empty() {
                rewrites.into_iter().for_each(|Rewrite(rewrite)| rewrite(&self.path));
                match append(&self.path) {
                    Ok(file) => self.file = file,
                    Err(error) => {
                        tracing::error!(%error, "the decision log cannot be opened again")
                    }
                }
            }
            self.taken = 0;
            batch.clear();
            batch.shrink_to(PLENTY);
            if stop {
                return;
            }
        }
    }

    fn write(&mut self, mut lines: &[u8]) {
        while !lines.is_empty() {
            let left = self.file.size.map(|size| self.largest.saturating_sub(size));
            let fit = left.map_or(lines.len(), |left| whole_lines(lines, left));
            if fit == 0 && self.file.size.is_some_and(|size| size > 0) {
                if let Err(error) = self.rotate() {
                    return self.lose(self::lines(lines), Some(error));
                }
                continue;
            }
            // A line that is longer than the limit gets a file of its own.
            let line = memchr::memchr(b'\n', lines).map_or(lines.len(), |at| at.saturating_add(1));
            let (now, later) = lines.split_at_checked(fit.max(line)).unwrap_or((lines, &[]));
            self.append(now);
            lines = later;
        }
    }

    fn append(&mut self, mut rest: &[u8]) {
        let to = &mut self.file;
        if to.torn && !rest.is_empty() {
            to.torn = to.file.write_all(b"\n").is_err();
        }
        while !rest.is_empty() {
            match to.file.write(rest) {
                Ok(count @ 1..) => {
                    to.torn = rest.get(count.saturating_sub(1)) != Some(&b'\n');
                    let written = u64::try_from(count).unwrap_or(u64::MAX);
                    to.size = to.size.map(|size| size.saturating_add(written));
                    rest = rest.get(count..).unwrap_or_default();
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                failed => return self.lose(lines(rest), failed.err()),
            }
        }
    }

    /// Rotates the file: renames it to `NAME.1`, replacing the one before, and begins a new one.
    fn rotate(&mut self) -> io::Result<()> {
        std::fs::rename(&self.path, aside(&self.path))?;
        self.file = append(&self.path)?;
        Ok(())
    }

    fn lose(&self, lines: u64, error: Option<io::Error>) {
        if lines == 0 {
            return;
        }
        tracing::error!(?error, lost = lines, "decisions could not be written down");
        let mut state = self.shared.state.lock();
        state.lost = state.lost.saturating_add(lines);
    }
}

/// Returns the path that a full log is renamed to.
pub fn aside(path: &Path) -> PathBuf {
    let mut aside = path.to_owned().into_os_string();
    aside.push(".1");
    aside.into()
}

/// Replaces lines of a file, if there is one; returns how many. The file is replaced as a whole or not at all, and keeps
/// its mode.
fn rewritten(path: &Path, line: &impl Fn(&[u8]) -> Option<String>) -> io::Result<u64> {
    let old = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        opened => opened?,
    };
    if !old.metadata()?.is_file() {
        return Ok(0);
    }
    // The file itself, where the path is a link to it.
    let path = std::fs::canonicalize(path)?;
    let mut fresh = path.clone().into_os_string();
    fresh.push(".rewritten");
    let fresh = PathBuf::from(fresh);
    let count = copied(old, &fresh, line).and_then(|count| match count {
        0 => Ok(0),
        _ => std::fs::rename(&fresh, &path).map(|()| count),
    });
    if !matches!(count, Ok(1..)) {
        // It may not have been made.
        let _ = std::fs::remove_file(&fresh);
    }
    count
}

/// Copies a file to a new one with some of its lines replaced; returns how many.
fn copied(old: File, fresh: &Path, line: &impl Fn(&[u8]) -> Option<String>) -> io::Result<u64> {
    use std::os::unix::fs::OpenOptionsExt;
    // What a run that was killed has left, or a link that another program has put there: only the name goes.
    match std::fs::remove_file(fresh) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        removed => removed?,
    }
    let new = OpenOptions::new().create_new(true).write(true).mode(0o600).open(fresh)?;
    new.set_permissions(old.metadata()?.permissions())?;
    let (mut new, mut count) = (io::BufWriter::new(new), 0_u64);
    for text in io::BufReader::new(old).split(b'\n') {
        let text = text?;
        let replaced = line(&text);
        count = count.saturating_add(u64::from(replaced.is_some()));
        new.write_all(replaced.as_deref().map_or(text.as_slice(), str::as_bytes))?;
        new.write_all(b"\n")?;
    }
    new.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
    Ok(count)
}

/// Returns the number of whole lines.
fn lines(text: &[u8]) -> u64 {
    u64::try_from(memchr::memchr_iter(b'\n', text).count()).unwrap_or(u64::MAX)
}

/// Returns the length of the whole lines that fit into `left` bytes.
fn whole_lines(lines: &[u8], left: u64) -> usize {
    let left = usize::try_from(left).unwrap_or(usize::MAX).min(lines.len());
    let fit = lines.get(..left).unwrap_or_default();
    memchr::memrchr(b'\n', fit).map_or(0, |at| at.saturating_add(1))
}

/// Opens a log for appending, and checks whether its last line is complete.
fn append(path: &Path) -> io::Result<Appended> {
    use std::os::unix::fs::OpenOptionsExt;
    if let Some(directory) = path.parent() {
        make_directory(directory, OWNER)?;
    }
    let mut file =
        OpenOptions::new().create(true).read(true).append(true).mode(0o600).open(path)?;
    let found = file.metadata()?;
    let size = found.is_file().then_some(found.len());
    let mut last = [b'\n'];
    let torn = size.is_some()
        && file.seek(SeekFrom::End(-1)).is_ok()
        && file.read_exact(&mut last).is_ok()
        && last != [b'\n'];
    Ok(Appended { file, size, torn })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(path: &Path) -> Vec<u64> {
        let text = std::fs::read_to_string(path).unwrap();
        text.lines().map(|line| line.parse().unwrap()).collect()
    }

    #[test]
    fn what_was_left_is_written_in_order_when_it_ends() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("state/log");
        let log_writer = LogWriter::open(&path).unwrap();
        for number in 0..300_000_u64 {
            log_writer.line(&number.to_string());
        }
        drop(log_writer);
        assert_eq!(written(&path), (0..300_000).collect::<Vec<_>>());
    }

    #[test]
    fn lines_are_replaced_in_both_files_and_later_ones_follow() {
        let home = tempfile::tempdir().unwrap();
        let (path, old) = (home.path().join("log"), home.path().join("log.1"));
        std::fs::write(&old, "1\n2\n").unwrap();
        let log_writer = LogWriter::open(&path).unwrap();
        log_writer.line("2");
        log_writer.line("3");
        let replace = |line: &[u8]| (line == b"2").then(|| "7".to_owned());
        assert_eq!(log_writer.rewrite(replace).blocking_recv().unwrap().unwrap(), 2);
        assert_eq!(log_writer.rewrite(replace).blocking_recv().unwrap().unwrap(), 0);
        log_writer.line("4");
        drop(log_writer);
        assert_eq!((written(&old), written(&path)), (vec![1, 7], vec![7, 3, 4]));
        assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 2);
    }

    #[test]
    fn two_who_replace_lines_at_the_same_time_both_do() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("log");
        let log = LogWriter::open(&path).unwrap();
        ["1", "2", "3"].into_iter().for_each(|line| log.line(line));
        let replace = |old: &'static [u8], new: &'static str| {
            move |line: &[u8]| (line == old).then(|| new.to_owned())
        };
        let (go, wait) = std::sync::mpsc::channel::<()>();
        let first = log.rewrite(move |line| {
            let _ = wait.recv();
            replace(b"1", "4")(line)
        });
        let others = [log.rewrite(replace(b"2", "5")), log.rewrite(replace(b"3", "6"))];
        drop(go);
        for told in [first].into_iter().chain(others) {
            assert_eq!(told.blocking_recv().unwrap().unwrap(), 1);
        }
        assert_eq!(written(&path), [4, 5, 6]);
    }

    #[test]
    fn a_rewritten_log_keeps_its_mode_and_goes_through_no_link() {
        use std::os::unix::fs::{PermissionsExt as _, symlink};
        let home = tempfile::tempdir().unwrap();
        let [path, link, other] = ["log", "log.rewritten", "other"].map(|it| home.path().join(it));
        std::fs::write(&path, b"2\n\xff\n").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        std::fs::write(&other, "7\n").unwrap();
        symlink(&other, &link).unwrap();
        let log_writer = LogWriter::open(&path).unwrap();
        let replace = |line: &[u8]| (line == b"2").then(|| "3".to_owned());
        assert_eq!(log_writer.rewrite(replace).blocking_recv().unwrap().unwrap(), 1);
        drop(log_writer);
        assert_eq!(std::fs::read(&path).unwrap(), b"3\n\xff\n");
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o640);
        assert_eq!((written(&other), link.exists()), (vec![7], false));
    }

    #[test]
    fn a_single_line_does_not_wait_for_another() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("log");
        let log_writer = LogWriter::open(&path).unwrap();
        log_writer.line("7");
        std::thread::sleep(GATHER * 20);
        assert_eq!(written(&path), [7]);
    }

    #[test]
    fn after_a_rotation_lines_go_to_the_new_file() {
        let home = tempfile::tempdir().unwrap();
        let (path, old) = (home.path().join("log"), home.path().join("log.1"));
        let log_writer = LogWriter::open(&path).unwrap();
        log_writer.line("1");
        std::fs::rename(&path, &old).unwrap();
        log_writer.reopen().unwrap();
        assert!(path.exists());
        log_writer.line("2");
        drop(log_writer);
        assert_eq!((written(&old), written(&path)), (vec![1], vec![2]));
    }

    #[test]
    fn a_file_that_is_full_is_moved_aside_and_there_are_never_more_than_two() {
        let home = tempfile::tempdir().unwrap();
        let (path, old) = (home.path().join("log"), home.path().join("log.1"));
        std::fs::write(&path, "1000\n").unwrap();
        let log_writer = LogWriter::bounded(&path, 100).unwrap();
        for number in 1001..1100_u64 {
            log_writer.line(&number.to_string());
        }
        drop(log_writer);
        // 500 bytes: four files of 100 bytes were filled before the last.
        assert_eq!(written(&old), (1060..1080).collect::<Vec<_>>());
        assert_eq!(written(&path), (1080..1100).collect::<Vec<_>>());
        assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 2);
        // Writing continues in the existing file, and a line that is too long for any file is not lost.
        let log_writer = LogWriter::bounded(&path, 100).unwrap();
        log_writer.line(&"7".repeat(200));
        log_writer.line("8");
        drop(log_writer);
        assert_eq!(std::fs::read_to_string(&old).unwrap().len(), 201);
        assert_eq!(written(&path), [8]);
    }

    #[test]
    fn a_line_that_was_torn_spoils_no_other() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("log");
        for (before, after) in [("", "7\n"), ("1\n", "1\n7\n"), ("1\n{\"a", "1\n{\"a\n7\n")] {
            std::fs::write(&path, before).unwrap();
            LogWriter::open(&path).unwrap().line("7");
            assert_eq!(std::fs::read_to_string(&path).unwrap(), after);
        }
    }

    #[test]
    fn lines_that_the_disk_refuses_are_counted() {
        let log_writer = LogWriter::open(Path::new("/dev/full")).unwrap();
        log_writer.line("1");
        log_writer.line("2");
        while log_writer.lost() < 2 {
            std::thread::yield_now();
        }
        assert_eq!(log_writer.lost(), 2);
    }
}
