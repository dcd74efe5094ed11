//! The thread that writes to a database, and the handle to it.

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

/// Longest time that an entry waits to be written with others: what a kill can lose, in addition to a commit's time.
const GATHER: Duration = Duration::from_millis(50);
/// Pause between two tries while the database is full or unreachable.
const AGAIN: Duration = Duration::from_secs(1);
/// Longest time to wait for something to do.
const IDLE: Duration = Duration::from_secs(60);
/// Time within which an entry of any server is in the shared database, if that can be reached.
const SETTLED: Duration = Duration::from_secs(2);
/// Pause between two steps of deleting old entries.
const SOON: Duration = Duration::from_millis(5);
/// Most entries in one transaction.
const AT_ONCE: usize = 500;

/// A database with its writing thread. Dropping it writes what is queued. An operation that fails has changed nothing.
#[derive(Debug)]
pub struct Store {
    queue: Arc<Queue>,
    readers: Arc<Readers>,
    bans: watch::Sender<u64>,
    /// The database that servers share, if there is one.
    common: OnceLock<Common>,
    last: i64,
    thread: Option<JoinHandle<()>>,
    /// Health of the writing thread.
    pub(crate) health: Health,
}

/// Where entries are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In this server's file.
    File,
    /// In the database that servers share.
    Shared,
}

/// The database that servers share, for searches, and its state.
#[derive(Debug)]
struct Common {
    readers: Arc<Readers>,
    state: Mutex<SharedState>,
    now: fn() -> Timestamp,
}

impl Store {
    /// Connects to a database, and starts the writing thread. Blocks until it is connected. With `keep`, entries beyond
    /// that retention are deleted little by little.
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
            indexing: Indexing { steps: 0, more: true },
            taken: Vec::new(),
        };
        let thread = thread::keep("store", health.clone(), move || writer.run())
            .map_err(|error| StoreError::Passing(error.to_string()))?;
        let (bans, _) = watch::channel(0);
        let (readers, thread) = (Readers::new(database), Some(thread));
        Ok(Self { queue, readers, bans, common: OnceLock::new(), last, thread, health })
    }

    /// Returns the greatest entry number when the store was opened; 0 without entries.
    pub const fn last(&self) -> i64 {
        self.last
    }

    /// Queues an entry to be written. Never blocks; one that does not fit is counted as lost.
    pub fn leave(&self, entry: Arc<Entry>) {
        self.queue.leave(entry);
    }

    /// Returns the state of the database and of its queue.
    pub fn state(&self) -> StoreState {
        StoreState { shared: self.shared(|shared| shared.clone()), ..self.queue.state() }
    }

    /// Reads or changes the state of the database that servers share; returns `None` if there is none.
    pub(super) fn shared<T>(&self, with: impl FnOnce(&mut SharedState) -> T) -> Option<T> {
        Some(with(&mut self.common.get()?.state.lock()))
    }

    /// Returns the entries of this server that match a query, in the order of their numbers. Entries queued in the last
    /// twentieth of a second may be missing.
    pub async fn search(&self, query: Query) -> Result<Vec<Entry>, StoreError> {
        self.readers.read(move |connection| connection.search(&query)).await
    }

    /// Returns the entries of all servers that match a query, if they share a database that can be reached; else those
    /// of this server. Entries queued in the last second may be missing; in a search that goes forward, those of the
    /// last two, so that a reader who continues after it misses nothing of a slower server.
    pub async fn search_all(&self, query: Query) -> Result<Found, StoreError> {
        let mut note = None;
        if let Some(common) = self.common.get() {
            // A database that is known to be unreachable is not waited for.
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

    /// Returns the entries that match a query, in this server's file, or in the database that servers share; `None` if
    /// there is no such database.
    pub async fn search_in(
        &self,
        place: Place,
        query: Query,
    ) -> Option<Result<Vec<Entry>, StoreError>> {
        match place {
            Place::File => Some(self.search(query).await),
            Place::Shared => {
                let common = self.common.get()?;
                Some(common.readers.read(move |connection| connection.search(&query)).await)
            }
        }
    }

    /// Replaces what entries say of people, all or none. What is there already, and not what is queued.
    pub async fn replace_in(&self, place: Place, entries: Vec<Entry>) -> Result<(), StoreError> {
        self.overwrite(place, move |connection| connection.replace(&entries)).await
    }

    /// Overwrites whom bans were on that have ended, and why.
    pub async fn forget_bans_in(&self, place: Place, ids: Vec<String>) -> Result<(), StoreError> {
        self.overwrite(place, move |connection| connection.forget_bans(&ids)).await
    }

    /// Makes sure that nothing of what was replaced or deleted is left in this server's file.
    pub async fn wipe(&self) -> Result<(), StoreError> {
        self.write(|connection| connection.wipe()).await
    }

    async fn overwrite(
        &self,
        place: Place,
        what: impl FnOnce(&mut dyn Connection) -> Result<(), StoreError> + Send + 'static,
    ) -> Result<(), StoreError> {
        match (place, self.common.get()) {
            (Place::File, _) => self.write(what).await,
            (Place::Shared, Some(common)) => common.readers.read(what).await,
            (Place::Shared, None) => Ok(()),
        }
    }

    /// Returns every ban, those that were lifted too.
    pub async fn every_ban(&self) -> Result<Vec<BanState>, StoreError> {
        let (mut all, mut after) = (Vec::new(), 0);
        loop {
            let page = self.ban_changes(after).await?;
            let Some((last, _)) = page.last() else { return Ok(all) };
            after = *last;
            all.extend(page.into_iter().map(|(_, state)| state));
        }
    }

    /// Adds the database that servers share, which is then searched too.
    pub(super) fn has_in_common(
        &self,
        database: Arc<dyn Database>,
        state: SharedState,
        now: fn() -> Timestamp,
    ) {
        let (readers, state) = (Readers::new(database), Mutex::new(state));
        // It is added only once.
        let _ = self.common.set(Common { readers, state, now });
    }

    /// Returns every ban that was not lifted, oldest first, even if it has expired.
    pub async fn bans(&self) -> Result<Vec<Ban>, StoreError> {
        self.readers.read(|connection| connection.bans()).await
    }

    /// Writes a ban. Writing it again is harmless: a try that failed may have been carried out. Once this returns, the
    /// ban survives a kill.
    pub async fn add_ban(&self, ban: Ban) -> Result<(), StoreError> {
        self.write(move |connection| connection.add_ban(&ban)).await?;
        self.bans_changed();
        Ok(())
    }

    /// Lifts the bans of these ids, all or none; returns those that were lifted.
    pub async fn lift_bans(&self, ids: Vec<String>) -> Result<Vec<Ban>, StoreError> {
        let lifted = self.write(move |connection| connection.lift_bans(&ids)).await?;
        self.bans_changed();
        Ok(lifted)
    }

    /// Returns a page of the bans, lifted ones too, that changed after change number `after`.
    pub(super) async fn ban_changes(&self, after: i64) -> Result<Vec<(i64, BanState)>, StoreError> {
        self.readers.read(move |connection| connection.ban_changes(after)).await
    }

    /// Merges the bans that another server knows, all or none.
    pub(super) async fn merge_bans(&self, bans: Vec<BanState>) -> Result<(), StoreError> {
        if self.write(move |connection| connection.merge_bans(&bans)).await? > 0 {
            self.bans_changed();
        }
        Ok(())
    }

    /// Returns the number of entries with a number greater than `seq`.
    pub(super) async fn count_after(&self, seq: i64) -> Result<i64, StoreError> {
        self.readers.read(move |connection| connection.count_after(seq)).await
    }

    /// Returns a receiver that is notified when bans change; its value only counts the changes.
    pub fn watch_bans(&self) -> watch::Receiver<u64> {
        self.bans.subscribe()
    }

    /// Notifies the receivers that bans have changed.
    pub fn bans_changed(&self) {
        self.bans.send_modify(|changes| *changes = changes.wrapping_add(1));
    }

    /// Runs a write on the writing thread, ahead of the queued entries, and waits for its result.
    async fn write<T: Send + 'static>(
        &self,
        what: impl FnOnce(&mut dyn Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (reply, done) = oneshot::channel();
        let job: Job = Box::new(move |connection| {
            // The caller may have stopped waiting.
            let _ = reply.send(what(connection));
        });
        self.queue.ask(job).map_err(|_| gone())?;
        done.await.unwrap_or_else(|_| Err(gone()))
    }
}

impl Common {
    /// Limits a search that goes forward to the time up to which every server's entries have arrived.
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
    indexing: Indexing,
    /// Entries that were taken from the queue, and are neither written nor given up.
    taken: Vec<Arc<Entry>>,
}

impl Writer {
    fn run(&mut self) {
        // After a panic these count as lost: one of them may have caused it, and some may have been written.
        let lost = std::mem::take(&mut self.taken);
        self.queue.settle(&lost, true);
        loop {
            self.health.round();
            let trims = self.trimming.as_ref().is_some_and(|trimming| trimming.more);
            let more = trims || self.indexing.more;
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
            // What is about to be deleted is not indexed before.
            if !self.trimming.as_ref().is_some_and(|trimming| trimming.more) {
                self.indexing.index(&mut *self.connection);
            }
        }
    }

    /// Deletes old entries from a full database; returns whether it deleted any.
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

    /// Writes a batch, however long that takes, unless it has to stop; returns whether it has to.
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
                    // An entry that can never be written must not take others with it.
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

/// Steps of indexing in a row from which on they are reported: that many come after an upgrade, and not in between.
const MANY: u32 = 16;

/// Indexes what was written, a part at a time.
struct Indexing {
    /// Steps in a row, up to now.
    steps: u32,
    /// Whether there may be more to index.
    more: bool,
}

impl Indexing {
    /// Indexes a part of the entries, if enough have come.
    fn index(&mut self, connection: &mut dyn Connection) {
        self.more = connection.index().unwrap_or_else(|error| {
            tracing::warn!(%error, "a part of the audit database is not indexed: searches are slower");
            false
        });
        self.steps = if self.more { self.steps.saturating_add(1) } else { 0 };
        if self.steps > 0 && self.steps.is_multiple_of(MANY) {
            tracing::info!(
                parts = self.steps,
                "the audit database is being indexed; searches are slow until it is"
            );
        }
    }
}

/// Pause between two checks for entries beyond the retention.
const PAUSE: Duration = Duration::from_secs(60);

/// Deletes entries beyond the retention, a few at a time.
pub(super) struct Trimming {
    keep: Keep,
    next: Timestamp,
    /// Whether there are more entries to delete.
    pub(super) more: bool,
}

impl Trimming {
    /// Begins to delete by this retention.
    pub(super) fn by(keep: Keep) -> Self {
        let next = (keep.clock)();
        Self { keep, next, more: true }
    }

    /// Deletes a few entries, if it is time for that.
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

/// Most idle connections that are kept.
const KEPT: usize = 4;

/// A pool of connections for reading a database.
#[derive(Debug)]
pub(super) struct Readers {
    database: Arc<dyn Database>,
    kept: Mutex<Vec<Box<dyn Connection>>>,
}

impl Readers {
    /// Creates an empty pool for that database.
    pub(super) fn new(database: Arc<dyn Database>) -> Arc<Self> {
        Arc::new(Self { database, kept: Mutex::default() })
    }

    /// Runs a read with an idle connection, or a new one.
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

/// Gives every entry a number: its microsecond since 1970, or the next that is free.
#[derive(Debug, Default)]
pub struct Sequence {
    last: AtomicI64,
}

impl Sequence {
    /// Creates a sequence whose numbers are greater than this one.
    pub const fn after(last: i64) -> Self {
        Self { last: AtomicI64::new(last) }
    }

    /// Returns the number of an entry that is made now.
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
