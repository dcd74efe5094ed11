//! The queue of entries and jobs for the writing thread.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use serde::{Deserialize, Serialize};

use super::backend::Connection;
use super::entry::Entry;
use super::replication::SharedState;

/// Most bytes that may wait, with those that are being written.
const MOST_BYTES: usize = 32 * 1024 * 1024;
/// Most entries that may wait, with those that are being written.
const MOST_ENTRIES: usize = 100_000;
/// Bytes at which writing begins without waiting for more.
const PLENTY: usize = 512 * 1024;

/// A job for the writing thread, other than writing an entry.
pub(super) type Job = Box<dyn FnOnce(&mut dyn Connection) + Send>;

/// The state of the audit database.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct StoreState {
    /// Entries lost since the start.
    pub lost: u64,
    /// Entries that wait to be written, or are being written.
    pub waiting: usize,
    /// Why nothing is written at present; absent while all is well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
    /// State of the database that several servers share; absent without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shared: Option<SharedState>,
}

/// Entries and jobs on their way to the writing thread. Adding never blocks.
#[derive(Debug, Default)]
pub(super) struct Queue {
    inner: Mutex<Inner>,
    news: Condvar,
}

#[derive(Default)]
struct Inner {
    entries: Vec<Arc<Entry>>,
    jobs: Vec<Job>,
    /// Bytes of the entries here, and of those that were taken and are not settled.
    bytes: usize,
    taken: usize,
    lost: u64,
    trouble: Option<String>,
    stop: bool,
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inner")
            .field("entries", &self.entries.len())
            .field("lost", &self.lost)
            .finish()
    }
}

/// Entries and jobs that were taken from the queue.
#[derive(Default)]
pub(super) struct Taken {
    pub(super) entries: Vec<Arc<Entry>>,
    pub(super) jobs: Vec<Job>,
    pub(super) stop: bool,
}

impl Queue {
    /// Queues an entry. One that does not fit is counted as lost.
    pub(super) fn leave(&self, entry: Arc<Entry>) {
        let mut inner = self.inner.lock();
        let all = inner.entries.len().saturating_add(inner.taken);
        if inner.bytes >= MOST_BYTES || all >= MOST_ENTRIES || inner.stop {
            inner.lost = inner.lost.saturating_add(1);
            return;
        }
        let before = inner.bytes;
        inner.bytes = before.saturating_add(entry.weight());
        inner.entries.push(entry);
        if inner.entries.len() == 1 || (before < PLENTY && inner.bytes >= PLENTY) {
            self.news.notify_one();
        }
    }

    /// Queues a job; returns it if the thread has stopped.
    pub(super) fn ask(&self, job: Job) -> Result<(), Job> {
        let mut inner = self.inner.lock();
        if inner.stop {
            return Err(job);
        }
        inner.jobs.push(job);
        self.news.notify_one();
        Ok(())
    }

    /// Closes the queue; the thread writes what is queued, and ends.
    pub(super) fn stop(&self) {
        self.inner.lock().stop = true;
        self.news.notify_one();
    }

    /// Waits for something to do, at most `idle`, and then for more of it, at most `gather`.
    pub(super) fn take(&self, idle: Duration, gather: Duration) -> Taken {
        let nothing =
            |inner: &mut Inner| inner.entries.is_empty() && inner.jobs.is_empty() && !inner.stop;
        let few = |inner: &mut Inner| {
            inner.bytes < PLENTY
                && !inner.entries.is_empty()
                && inner.jobs.is_empty()
                && !inner.stop
        };
        let mut inner = self.inner.lock();
        self.news.wait_while_for(&mut inner, nothing, idle);
        self.news.wait_while_for(&mut inner, few, gather);
        inner.taken = inner.taken.saturating_add(inner.entries.len());
        Taken {
            entries: std::mem::take(&mut inner.entries),
            jobs: std::mem::take(&mut inner.jobs),
            stop: inner.stop,
        }
    }

    /// Takes only jobs, because entries cannot be written at present, and whether to stop. Waits at most `pause`.
    pub(super) fn take_jobs(&self, pause: Duration) -> (Vec<Job>, bool) {
        let nothing = |inner: &mut Inner| inner.jobs.is_empty() && !inner.stop;
        let mut inner = self.inner.lock();
        self.news.wait_while_for(&mut inner, nothing, pause);
        (std::mem::take(&mut inner.jobs), inner.stop)
    }

    /// Removes entries from the count of those waiting, once they are written, or `lost`.
    pub(super) fn settle(&self, entries: &[Arc<Entry>], lost: bool) {
        let weight = entries.iter().fold(0_usize, |sum, entry| sum.saturating_add(entry.weight()));
        let mut inner = self.inner.lock();
        inner.bytes = inner.bytes.saturating_sub(weight);
        inner.taken = inner.taken.saturating_sub(entries.len());
        if lost {
            inner.lost =
                inner.lost.saturating_add(u64::try_from(entries.len()).unwrap_or(u64::MAX));
        }
    }

    /// Sets why nothing is written at present; returns whether that has begun or ended.
    pub(super) fn trouble(&self, trouble: Option<String>) -> bool {
        let mut inner = self.inner.lock();
        let is_news = inner.trouble.is_some() != trouble.is_some();
        inner.trouble = trouble;
        is_news
    }

    pub(super) fn state(&self) -> StoreState {
        let inner = self.inner.lock();
        let waiting = inner.entries.len().saturating_add(inner.taken);
        StoreState { lost: inner.lost, waiting, trouble: inner.trouble.clone(), shared: None }
    }
}
