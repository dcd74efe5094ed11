//! Supervision of the tasks that the component keeps running.
//!
//! If a task that decisions depend on ends, the process ends with the reason, so that systemd restarts it. Every other
//! task is restarted with back-off, and `status` shows it while it is down.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use super::clock::now;
use crate::component::audit::Audit;
use crate::control::TaskDown;
use crate::thread::{Health, words};

/// The first and the longest pause before a task is restarted.
const PAUSES: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(5));
/// How long a task has to run to count as up again.
const SETTLED: Duration = Duration::from_secs(1);
/// How long a task has to run for its next back-off to begin at the first pause.
const LASTING: Duration = Duration::from_secs(61);

/// How a task ended that should run forever: the reason, if it gave one.
pub(super) type Ended = Result<(), String>;

/// The running tasks, which are aborted when this is dropped.
#[derive(Debug)]
pub(super) struct Tasks {
    needed: JoinSet<(&'static str, String)>,
    others: JoinSet<()>,
    down: Down,
    fault: Option<Fault>,
}

impl Tasks {
    /// Makes an empty set of tasks; those that go down are entered in `down`.
    pub(super) fn new(down: Down, fault: Option<Fault>) -> Self {
        Self { needed: JoinSet::new(), others: JoinSet::new(), down, fault }
    }

    /// Starts a task that decisions depend on.
    pub(super) fn need(
        &mut self,
        name: &'static str,
        task: impl Future<Output = ()> + Send + 'static,
    ) {
        let fault = self.fault(name);
        let task = reason(faulty(task.map(Ok), fault));
        self.needed.spawn(task.map(move |reason| (name, reason)));
    }

    /// Starts a task that decisions do not depend on; `start` is called again whenever the task ends.
    pub(super) fn keep<F>(
        &mut self,
        name: &'static str,
        mut start: impl FnMut() -> F + Send + 'static,
    ) where
        F: Future<Output = Ended> + Send + 'static,
    {
        let (down, mut fault) = (self.down.clone(), self.fault(name));
        self.others.spawn(async move {
            let (first, longest) = PAUSES;
            let mut pause = first;
            loop {
                let wanted = fault.as_mut().and_then(Fault::again);
                let mut task = Box::pin(reason(faulty(start(), wanted)));
                let began = Instant::now();
                let reason = match timeout(SETTLED, &mut task).await {
                    Ok(reason) => reason,
                    Err(_) => {
                        down.up(name);
                        task.await
                    }
                };
                if began.elapsed() > LASTING {
                    pause = first;
                }
                down.down(name, reason, now());
                sleep(pause).await;
                pause = pause.saturating_mul(2).min(longest);
            }
        });
    }

    /// Waits until a task that decisions depend on ends; returns its name and the reason.
    pub(super) async fn ended(&mut self) -> (&'static str, String) {
        match self.needed.join_next().await {
            Some(Ok(ended)) => ended,
            Some(Err(error)) => ("task", error.to_string()),
            // No such task was started.
            None => std::future::pending().await,
        }
    }

    /// Aborts the tasks that decisions do not depend on. The others may end by themselves for at most `patience`, or
    /// until the task `last` has ended, and are then aborted.
    pub(super) async fn stop(mut self, patience: Duration, last: &'static str) {
        self.others.shutdown().await;
        let ended = async {
            while let Some(ended) = self.needed.join_next().await {
                if ended.is_ok_and(|(name, _)| name == last) {
                    break;
                }
            }
        };
        // After the time limit, hanging tasks are aborted.
        let _ = timeout(patience, ended).await;
    }

    fn fault(&self, name: &str) -> Option<Fault> {
        self.fault.clone().filter(|fault| fault.task == name)
    }
}

/// Runs a task to its end, and returns why it ended.
async fn reason(task: impl Future<Output = Ended>) -> String {
    match AssertUnwindSafe(task).catch_unwind().await {
        Ok(Ok(())) => "it ended".to_owned(),
        Ok(Err(reason)) => reason,
        Err(panic) => format!("it panicked: {}", words(&*panic)),
    }
}

/// Runs one step of a task; returns `None` if it panicked, which is logged.
pub(super) async fn guarded<T>(what: &str, step: impl Future<Output = T>) -> Option<T> {
    match AssertUnwindSafe(step).catch_unwind().await {
        Ok(value) => Some(value),
        Err(panic) => {
            tracing::error!(reason = words(&*panic), "{what} panicked");
            None
        }
    }
}

#[derive(Clone, Debug, Default)]
pub(super) struct Down(Arc<Mutex<BTreeMap<&'static str, TaskDown>>>);

impl Down {
    /// Returns every task that is down, sorted by name.
    pub(super) fn all(&self) -> Vec<TaskDown> {
        self.0.lock().values().cloned().collect()
    }

    fn up(&self, name: &'static str) {
        if self.0.lock().remove(name).is_some() {
            tracing::info!(task = name, "a task is up again");
        }
    }

    fn down(&self, name: &'static str, reason: String, at: Timestamp) {
        let before = self.0.lock().get(name).cloned();
        // A task that fails in the same way again and again is logged once.
        if before.as_ref().is_none_or(|before| before.reason != reason) {
            tracing::error!(
                task = name,
                reason,
                "a task is down: it is started again until it stays up"
            );
        }
        let since = before.map_or(at, |before| before.since);
        self.0.lock().insert(name, TaskDown { task: name.to_owned(), reason, since });
    }
}

/// Returns the writer threads that are down.
pub(super) fn threads_down(audit: &Audit) -> impl Iterator<Item = TaskDown> {
    let down = |(name, health): (&str, &Health)| {
        let (reason, since) = health.down()?;
        let since = now().checked_sub(since).unwrap_or_default();
        Some(TaskDown { task: name.to_owned(), reason, since })
    };
    audit.threads().filter_map(down)
}

/// A fault that a test injects: panics of a task, after a delay, a number of times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    task: String,
    after: Duration,
    times: u32,
}

impl Fault {
    /// Parses `TASK`, `TASK@SECONDS` or `TASK@SECONDS*TIMES`; returns `None` for anything else.
    pub(super) fn read(text: &str) -> Option<Self> {
        let (text, times) = text.split_once('*').unwrap_or((text, "1"));
        let (task, after) = text.split_once('@').unwrap_or((text, "0"));
        let after = after.parse().ok().map(Duration::from_secs)?;
        Some(Self { task: task.to_owned(), after, times: times.parse().ok()? })
    }

    /// Makes the writer threads of that name fail after the delay.
    pub(super) async fn have_fail(self, threads: Vec<(&'static str, Health)>) {
        sleep(self.after).await;
        for (_, health) in threads.iter().filter(|(name, _)| *name == self.task) {
            health.fail(self.times);
        }
    }

    /// Returns the fault for the next start of the task, or `None` if it has occurred often enough.
    fn again(&mut self) -> Option<Self> {
        self.times = self.times.checked_sub(1)?;
        Some(self.clone())
    }
}

async fn faulty(task: impl Future<Output = Ended>, fault: Option<Fault>) -> Ended {
    let Some(Fault { after, .. }) = fault else { return task.await };
    tokio::select! {
        ended = task => ended,
        () = sleep(after) => panic!("a test asks for it"),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    fn tasks() -> (Tasks, Down) {
        let down = Down::default();
        (Tasks::new(down.clone(), None), down)
    }

    #[tokio::test]
    async fn the_first_needed_task_that_ends_or_panics_is_told_with_its_reason() {
        let (mut tasks, _) = tasks();
        tasks.need("timers", std::future::pending());
        tasks.need("link", async { panic!("no {}", "reason") });
        assert_eq!(tasks.ended().await, ("link", "it panicked: no reason".to_owned()));
        let (mut tasks, _) = self::tasks();
        tasks.need("link", async {});
        assert_eq!(tasks.ended().await, ("link", "it ended".to_owned()));
    }

    #[tokio::test(start_paused = true)]
    async fn another_task_is_started_again_and_shown_while_it_is_down() {
        let (mut tasks, down) = tasks();
        let starts = Arc::<AtomicU32>::default();
        let counted = Arc::clone(&starts);
        tasks.keep("doctor", move || {
            let start = counted.fetch_add(1, Ordering::Relaxed);
            async move {
                if start == 1 {
                    panic!("ill");
                }
                if start < 4 {
                    return Err("away".to_owned());
                }
                std::future::pending().await
            }
        });
        sleep(Duration::from_millis(100)).await;
        assert_eq!(down.all()[0].reason, "away");
        sleep(Duration::from_millis(300)).await;
        assert_eq!(down.all()[0].reason, "it panicked: ill");
        // 250 ms, 500 ms, 1 s, 2 s, and a second in which it stays up.
        sleep(Duration::from_millis(4600)).await;
        assert_eq!(down.all(), []);
        assert_eq!(starts.load(Ordering::Relaxed), 5);
        // A task that decisions do not depend on does not end the process.
        assert!(timeout(SETTLED, tasks.ended()).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_fails_for_ever_is_tried_every_five_seconds() {
        let (mut tasks, down) = tasks();
        let starts = Arc::<AtomicU32>::default();
        let counted = Arc::clone(&starts);
        tasks.keep("page", move || {
            counted.fetch_add(1, Ordering::Relaxed);
            async { Err("in use".to_owned()) }
        });
        sleep(Duration::from_secs(3600)).await;
        assert!((700..730).contains(&starts.load(Ordering::Relaxed)));
        assert_eq!(down.all().len(), 1);
    }

    #[test]
    fn a_fault_is_read() {
        let fault = |task: &str, after, times| {
            let after = Duration::from_secs(after);
            Some(Fault { task: task.to_owned(), after, times })
        };
        assert_eq!(Fault::read("link"), fault("link", 0, 1));
        assert_eq!(Fault::read("link@2"), fault("link", 2, 1));
        assert_eq!(Fault::read("page@0*3"), fault("page", 0, 3));
        assert_eq!(Fault::read("page@x"), None);
    }
}
