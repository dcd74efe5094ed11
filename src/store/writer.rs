//! The thread that writes, and the handle that others have of it.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::Duration;

use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::sync::{oneshot, watch};

use super::backend::{Connection, Database, Keep, StoreError};
use super::entry::{Ban, BanState, Entry};
use super::query::{Found, Query};
use super::queue::{Job, Queue, StoreState};
use super::replication::SharedState;
use crate::thread;
use crate::thread::Health;

/// The longest that an entry waits for others to be written with: what a kill can lose, and the time of a commit.
const GATHER: Duration = Duration::from_millis(50);
/// Between two tries, while the database is full or away.
const AGAIN: Duration = Duration::from_secs(1);
/// Without anything to do.
const IDLE: Duration = Duration::from_secs(60);
/// The time within which a server's entry is in the shared database, if that can be reached.
const SETTLED: Duration = Duration::from_secs(2);
/// Between two steps of giving up what is too old or too much.
const SOON: Duration = Duration::from_millis(5);
/// Entries in one transaction.
const AT_ONCE: usize = 500;

/// A database with its writing thread. What was left is written when it is dropped. What fails has changed nothing.
#[derive(Debug)]
pub struct Store {
    queue: Arc<Queue>,
    readers: Arc<Readers>,
    bans: watch::Sender<u64>,
    /// Of the database that servers have in common.
    common: OnceLock<Common>,
    last: i64,
    thread: Option<JoinHandle<()>>,
    /// Whether the thread that writes is down.
    pub(crate) health: Health,
}

/// The database that servers have in common, to be searched.
#[derive(Debug)]
struct Common {
    readers: Arc<Readers>,
    state: Mutex<SharedState>,
    now: fn() -> Timestamp,
}

impl Store {
    /// Connects to a database, and starts the thread that writes. Blocks until it is connected. With `keep`, what is too old
    /// or too much is given up, little by little.
    pub fn open(database: impl Database, keep: Option<Keep>) -> Result<Self, StoreError> {
        let database: Arc<dyn Database> = Arc::new(database);
        let mut connection = database.connect()?;
        let last = connection.last()?;
        let queue = Arc::<Queue>::default();
        let health = Health::default();
        let mut writer = Writer {
            queue: Arc::clone(&queue),
            health: health.clone(),
            connection,
            trimming: keep.map(Trimming::by),
            taken: Vec::new(),
        };
        let thread = thread::keep("store", health.clone(), move || writer.run())
            .map_err(|error| StoreError::Passing(error.to_string()))?;
        let (bans, _) = watch::channel(0);
        let (readers, thread) = (Readers::new(database), Some(thread));
        Ok(Self { queue, readers, bans, common: OnceLock::new(), last, thread, health })
    }

    /// The greatest number of all entries when it was opened.
    pub const fn last(&self) -> i64 {
        self.last
    }

    /// Leaves an entry to be written. Never blocks; one that finds no place is counted as lost.
    pub fn leave(&self, entry: Arc<Entry>) {
        self.queue.leave(entry);
    }

    /// Returns the state of the database and of its queue.
    pub fn state(&self) -> StoreState {
        StoreState { shared: self.shared(|shared| shared.clone()), ..self.queue.state() }
    }

    /// Looks at, or changes, what is known of the database that servers have in common; `None`: there is none.
    pub(super) fn shared<T>(&self, with: impl FnOnce(&mut SharedState) -> T) -> Option<T> {
        Some(with(&mut self.common.get()?.state.lock()))
    }

    /// The entries of this server that a query is for, in the order of their numbers. What was left in the last
    /// twentieth of a second may not be there yet.
    pub async fn search(&self, query: Query) -> Result<Vec<Entry>, StoreError> {
        self.readers.read(move |connection| connection.search(&query)).await
    }

    /// The entries of all servers that a query is for, where they have a database in common that is there; else
    /// those of this one. What was left in the last second may not be there yet; of a search that goes forward, what was
    /// left in the last two, so that a reader who continues after it misses nothing of a slower server.
    pub async fn search_all(&self, query: Query) -> Result<Found, StoreError> {
        let mut note = None;
        if let Some(common) = self.common.get() {
            // What is known to be away is not waited for.
            let everywhere = match self.shared(|state| state.trouble.clone()).flatten() {
                None => {
                    let query = common.settled(query.clone());
                    common.readers.read(move |connection| connection.search(&query)).await
                }
                Some(trouble) => Err(StoreError::Passing(trouble)),
            };
            match everywhere {
                Ok(entries) => return Ok(Found { entries, note }),
                Err(error) => {
                    note = Some(format!("only the entries of this server were searched: {error}"));
                }
            }
        }
        Ok(Found { entries: self.search(query).await?, note })
    }

    /// The database that servers have in common, to be searched too.
    pub(super) fn has_in_common(
        &self,
        database: Arc<dyn Database>,
        state: SharedState,
        now: fn() -> Timestamp,
    ) {
        let (readers, state) = (Readers::new(database), Mutex::new(state));
        // There is only one.
        let _ = self.common.set(Common { readers, state, now });
    }

    /// Every ban, the oldest first; also those that have ended and were not cleared away yet.
    pub async fn bans(&self) -> Result<Vec<Ban>, StoreError> {
        self.readers.read(|connection| connection.bans()).await
    }

    /// Writes a ban, which may be written already: a try that failed may have been carried out. Once it has returned, the
    /// ban outlives a kill.
    pub async fn add_ban(&self, ban: Ban) -> Result<(), StoreError> {
        self.write(move |connection| connection.add_ban(&ban)).await?;
        self.bans_changed();
        Ok(())
    }

    /// Takes away the bans of these ids, all or none; those taken away.
    pub async fn lift_bans(&self, ids: Vec<String>) -> Result<Vec<Ban>, StoreError> {
        let lifted = self.write(move |connection| connection.lift_bans(&ids)).await?;
        self.bans_changed();
        Ok(lifted)
    }

    /// A page of the bans, lifted ones too, that have changed since that change.
    pub(super) async fn ban_changes(&self, after: i64) -> Result<Vec<(i64, BanState)>, StoreError> {
        self.readers.read(move |connection| connection.ban_changes(after)).await
    }

    /// Writes what another server knows of bans, all or nothing.
    pub(super) async fn merge_bans(&self, bans: Vec<BanState>) -> Result<(), StoreError> {
        if self.write(move |connection| connection.merge_bans(&bans)).await? > 0 {
            self.bans_changed();
        }
        Ok(())
    }

    /// Returns the number of entries that have greater numbers than that.
    pub(super) async fn count_after(&self, seq: i64) -> Result<i64, StoreError> {
        self.readers.read(move |connection| connection.count_after(seq)).await
    }

    /// Notifies readers of changed bans; the value only tells one change from the next.
    pub fn watch_bans(&self) -> watch::Receiver<u64> {
        self.bans.subscribe()
    }

    /// The bans are others than they were.
    pub fn bans_changed(&self) {
        self.bans.send_modify(|changes| *changes = changes.wrapping_add(1));
    }

    /// Done by the writing thread, ahead of the entries that wait.
    async fn write<T: Send + 'static>(
        &self,
        what: impl FnOnce(&mut dyn Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (reply, done) = oneshot::channel();
        let job: Job = Box::new(move |connection| {
            // The caller may have gone.
            let _ = reply.send(what(connection));
        });
        self.queue.ask(job).map_err(|_| gone())?;
        done.await.unwrap_or_else(|_| Err(gone()))
    }
}

impl Common {
    /// Of a search that goes forward, the part that no server adds to any more.
    fn settled(&self, query: Query) -> Query {
        let now = (self.now)().as_microsecond();
        let settled = now.saturating_sub(i64::try_from(SETTLED.as_micros()).unwrap_or_default());
        let before = query.before.unwrap_or(i64::MAX);
        let before = if query.goes_forward() { before.min(settled) } else { before };
        Query { before: Some(before), ..query }
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.queue.stop();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn gone() -> StoreError {
    StoreError::Passing(
        "the audit database does not answer: its thread ends, or is started again".to_owned(),
    )
}

struct Writer {
    queue: Arc<Queue>,
    health: Health,
    connection: Box<dyn Connection>,
    trimming: Option<Trimming>,
    /// Entries that were taken, and are neither written nor given up.
    taken: Vec<Arc<Entry>>,
}

impl Writer {
    fn run(&mut self) {
        // After a panic. One of them may have caused it, and some may be written.
        let lost = std::mem::take(&mut self.taken);
        self.queue.settle(&lost, true);
        loop {
            self.health.round();
            let more = self.trimming.as_ref().is_some_and(|trimming| trimming.more);
            let taken = self.queue.take(if more { SOON } else { IDLE }, GATHER);
            self.taken.clone_from(&taken.entries);
            self.work(taken.jobs);
            let mut stop = taken.stop;
            for batch in taken.entries.chunks(AT_ONCE) {
                stop |= self.write(batch, stop);
                self.taken.drain(..batch.len().min(self.taken.len()));
            }
            if stop {
                return;
            }
            if let Some(trimming) = &mut self.trimming {
                trimming.trim(&mut *self.connection);
            }
        }
    }

    /// Makes room where there is none; whether there is some.
    fn make_room(&mut self) -> bool {
        let Some(trimming) = &mut self.trimming else { return false };
        let mut is_some = false;
        trimming.more = true;
        while trimming.more {
            trimming.trim(&mut *self.connection);
            is_some |= trimming.more;
        }
        is_some
    }

    fn work(&mut self, jobs: Vec<Job>) {
        for job in jobs {
            job(&mut *self.connection);
        }
    }

    /// Writes a batch, however long that takes, unless it is told to stop; whether it was told so.
    fn write(&mut self, batch: &[Arc<Entry>], mut stop: bool) -> bool {
        loop {
            match self.connection.append(batch) {
                Ok(()) => {
                    self.queue.settle(batch, false);
                    if self.queue.trouble(None) {
                        tracing::info!("the audit database takes entries again");
                    }
                    return stop;
                }
                Err(StoreError::Lasting(_)) if batch.len() > 1 => {
                    // One that can never be written takes no other with it.
                    return batch.chunks(1).fold(stop, |stop, one| self.write(one, stop) || stop);
                }
                Err(StoreError::Passing(_)) if !stop && self.make_room() => {}
                Err(StoreError::Passing(error)) if !stop => {
                    if self.queue.trouble(Some(error.clone())) {
                        tracing::error!(
                            error,
                            "the audit database takes no entries; they wait, as many as find a place"
                        );
                    }
                    let (jobs, told) = self.queue.take_jobs(AGAIN);
                    self.work(jobs);
                    stop = told;
                }
                Err(error) => {
                    tracing::error!(%error, lost = batch.len(), "entries of the audit could not be written");
                    self.queue.settle(batch, true);
                    return stop;
                }
            }
        }
    }
}

/// Between two looks at whether there is something to give up.
const PAUSE: Duration = Duration::from_secs(60);

/// Giving up what is too old or too much.
pub(super) struct Trimming {
    keep: Keep,
    next: Timestamp,
    /// There is more to give up.
    pub(super) more: bool,
}

impl Trimming {
    /// By that, from now on.
    pub(super) fn by(keep: Keep) -> Self {
        let next = (keep.clock)();
        Self { keep, next, more: true }
    }

    /// Takes a little away, if it is time for that.
    pub(super) fn trim(&mut self, connection: &mut dyn Connection) {
        let now = (self.keep.clock)();
        if !self.more && now < self.next {
            return;
        }
        self.next = now.checked_add(PAUSE).unwrap_or(now);
        self.more = match connection.trim(&self.keep, now) {
            Ok(more) => more,
            Err(error) => {
                tracing::warn!(%error, "nothing could be given up of what is too old or too much");
                false
            }
        };
    }
}

/// Connections that are kept.
const KEPT: usize = 4;

/// Connections to a database.
#[derive(Debug)]
pub(super) struct Readers {
    database: Arc<dyn Database>,
    kept: Mutex<Vec<Box<dyn Connection>>>,
}

impl Readers {
    /// To that database.
    pub(super) fn new(database: Arc<dyn Database>) -> Arc<Self> {
        Arc::new(Self { database, kept: Mutex::default() })
    }

    /// Looks, with a connection that is free, or a new one.
    pub(super) async fn read<T: Send + 'static>(
        self: &Arc<Self>,
        what: impl FnOnce(&mut dyn Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let readers = Arc::clone(self);
        let reading = tokio::task::spawn_blocking(move || {
            let free = readers.kept.lock().pop();
            let mut connection = match free {
                Some(connection) => connection,
                None => readers.database.connect()?,
            };
            let found = what(&mut *connection)?;
            let mut kept = readers.kept.lock();
            if kept.len() < KEPT {
                kept.push(connection);
            }
            Ok(found)
        });
        reading.await.unwrap_or_else(|_| Err(StoreError::Passing("it is being closed".to_owned())))
    }
}

/// Gives every entry a number: its microsecond, or the next that is free.
#[derive(Debug, Default)]
pub struct Sequence {
    last: AtomicI64,
}

impl Sequence {
    /// Numbers greater than this one.
    pub const fn after(last: i64) -> Self {
        Self { last: AtomicI64::new(last) }
    }

    /// The number of what happens now.
    pub fn next(&self, now: Timestamp) -> i64 {
        let now = now.as_microsecond();
        let next = |last: i64| now.max(last.saturating_add(1));
        let taken =
            self.last.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| Some(next(last)));
        taken.map_or(now, next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_only_grow_also_when_the_clock_is_set_back() {
        let at = |micro| Timestamp::from_microsecond(micro).unwrap();
        let sequence = Sequence::after(40);
        let given = [at(50), at(50), at(7), at(53), at(52)].map(|now| sequence.next(now));
        assert_eq!(given, [50, 51, 52, 53, 54]);
        assert_eq!(Sequence::after(90).next(at(50)), 91);
    }
}
