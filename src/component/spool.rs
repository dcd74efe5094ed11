//! Lines on their way to a file.
//!
//! Whoever has a line leaves it in memory and goes on; a thread takes all that is there twenty times a
//! second and writes it at once. Waking that thread for each line would cost more than the line.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// The longest a line stays in memory.
const GATHER: Duration = Duration::from_millis(50);
/// Bytes that are written without waiting for more.
const PLENTY: usize = 1024 * 1024;
/// Bytes that may wait to be written.
const MOST: usize = 32 * 1024 * 1024;

/// A file that is appended to. Lines given to it are never waited for.
#[derive(Debug)]
pub(super) struct Spool {
    shared: Arc<Shared>,
    writer: Option<JoinHandle<()>>,
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
    reopen: bool,
    stop: bool,
}

// === impl Spool ===

impl Spool {
    /// Appends to `path`, which is made, with its directory, readable by its owner only.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let (file, torn) = append(path)?;
        let shared = Arc::<Shared>::default();
        let writer = Writer { shared: Arc::clone(&shared), path: path.to_owned(), file, torn };
        let writer =
            std::thread::Builder::new().name("log".to_owned()).spawn(move || writer.run())?;
        Ok(Self { shared, writer: Some(writer) })
    }

    /// Leaves a line to be written. One that finds no place is counted as lost.
    pub(super) fn line(&self, line: &str) {
        let mut state = self.shared.lock();
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

    /// Goes on in a new file of the same name.
    pub(super) fn reopen(&self) {
        self.shared.lock().reopen = true;
        self.shared.news.notify_one();
    }

    /// How many lines were lost since the start.
    pub(super) fn lost(&self) -> u64 {
        self.shared.lock().lost
    }
}

impl Drop for Spool {
    fn drop(&mut self) {
        self.shared.lock().stop = true;
        self.shared.news.notify_one();
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
    }
}

// === impl Shared ===

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for something to do, and then for more of it.
    fn gather(&self) -> MutexGuard<'_, State> {
        let idle = |state: &mut State| state.bytes.is_empty() && !state.stop && !state.reopen;
        let few = |state: &mut State| state.bytes.len() < PLENTY && !state.stop && !state.reopen;
        let state = self.news.wait_while(self.lock(), idle).unwrap_or_else(PoisonError::into_inner);
        let gathered = self.news.wait_timeout_while(state, GATHER, few);
        gathered.unwrap_or_else(PoisonError::into_inner).0
    }
}

struct Writer {
    shared: Arc<Shared>,
    path: PathBuf,
    file: File,
    /// The last line in the file is not whole.
    torn: bool,
}

impl Writer {
    fn run(mut self) {
        let mut batch = Vec::new();
        loop {
            let mut state = self.shared.gather();
            std::mem::swap(&mut batch, &mut state.bytes);
            let (stop, reopen) = (state.stop, std::mem::take(&mut state.reopen));
            drop(state);
            self.write(&batch);
            batch.clear();
            batch.shrink_to(PLENTY);
            if reopen {
                match append(&self.path) {
                    Ok(fresh) => (self.file, self.torn) = fresh,
                    Err(error) => {
                        tracing::error!(%error, "the decision log could not be opened anew")
                    }
                }
            }
            if stop {
                return;
            }
        }
    }

    fn write(&mut self, mut rest: &[u8]) {
        if self.torn && !rest.is_empty() {
            self.torn = self.file.write_all(b"\n").is_err();
        }
        while !rest.is_empty() {
            match self.file.write(rest) {
                Ok(count @ 1..) => {
                    self.torn = rest.get(count.saturating_sub(1)) != Some(&b'\n');
                    rest = rest.get(count..).unwrap_or_default();
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                failed => {
                    let lines = memchr::memchr_iter(b'\n', rest).count();
                    let lines = u64::try_from(lines).unwrap_or(u64::MAX);
                    let error = failed.err();
                    tracing::error!(?error, lost = lines, "decisions could not be written down");
                    let mut state = self.shared.lock();
                    state.lost = state.lost.saturating_add(lines);
                    return;
                }
            }
        }
    }
}

/// Opens a log to go on with it; whether its last line is not whole.
fn append(path: &Path) -> io::Result<(File, bool)> {
    use std::os::unix::fs::OpenOptionsExt;
    if let Some(directory) = path.parent() {
        std::fs::create_dir_all(directory)?;
    }
    let mut file =
        OpenOptions::new().create(true).read(true).append(true).mode(0o600).open(path)?;
    let is_log = file.metadata()?.is_file();
    let mut last = [b'\n'];
    let torn = is_log
        && file.seek(SeekFrom::End(-1)).is_ok()
        && file.read_exact(&mut last).is_ok()
        && last != [b'\n'];
    Ok((file, torn))
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
        let spool = Spool::open(&path).unwrap();
        for number in 0..300_000_u64 {
            spool.line(&number.to_string());
        }
        drop(spool);
        assert_eq!(written(&path), (0..300_000).collect::<Vec<_>>());
    }

    #[test]
    fn a_single_line_does_not_wait_for_another() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("log");
        let spool = Spool::open(&path).unwrap();
        spool.line("7");
        std::thread::sleep(GATHER * 20);
        assert_eq!(written(&path), [7]);
    }

    #[test]
    fn after_a_rotation_lines_go_to_the_new_file() {
        let home = tempfile::tempdir().unwrap();
        let (path, old) = (home.path().join("log"), home.path().join("log.1"));
        let spool = Spool::open(&path).unwrap();
        spool.line("1");
        std::fs::rename(&path, &old).unwrap();
        spool.reopen();
        while !path.exists() {
            std::thread::yield_now();
        }
        spool.line("2");
        drop(spool);
        assert_eq!((written(&old), written(&path)), (vec![1], vec![2]));
    }

    #[test]
    fn a_line_that_was_torn_spoils_no_other() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("log");
        for (before, after) in [("", "7\n"), ("1\n", "1\n7\n"), ("1\n{\"a", "1\n{\"a\n7\n")] {
            std::fs::write(&path, before).unwrap();
            Spool::open(&path).unwrap().line("7");
            assert_eq!(std::fs::read_to_string(&path).unwrap(), after);
        }
    }

    #[test]
    fn lines_that_the_disk_refuses_are_counted() {
        let spool = Spool::open(Path::new("/dev/full")).unwrap();
        spool.line("1");
        spool.line("2");
        while spool.lost() < 2 {
            std::thread::yield_now();
        }
        assert_eq!(spool.lost(), 2);
    }
}
