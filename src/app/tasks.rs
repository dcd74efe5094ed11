//! Supervision of the tasks that the component keeps running.
//!
//! The first task needed for deciding that ends, ends the process with the reason, so that systemd starts it again.
//! Every other task is started again with back-off, and `status` shows it while it is down.

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

/// The first pause before a task is started again, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(5));
/// A task that runs for so long is up again.
const SETTLED: Duration = Duration::from_secs(1);
/// A task that ran for longer starts the back-off again when it ends.
const LASTING: Duration = Duration::from_secs(61);

/// The end of a task that should go on: the reason.
pub(super) type Ended = Result<(), String>;

/// The tasks. Dropping them ends them.
#[derive(Debug)]
pub(super) struct Tasks {
    needed: JoinSet<(&'static str, String)>,
    others: JoinSet<()>,
    down: Down,
    fault: Option<Fault>,
}

impl Tasks {
    /// No tasks yet; those that are down are entered in `down`.
    pub(super) fn new(down: Down, fault: Option<Fault>) -> Self {
        Self { needed: JoinSet::new(), others: JoinSet::new(), down, fault }
    }

    /// Starts a task needed for deciding.
    pub(super) fn need(
        &mut self,
        name: &'static str,
        task: impl Future<Output = ()> + Send + 'static,
    ) {
        let fault = self.fault(name);
        let task = reason(faulty(task.map(Ok), fault));
        self.needed.spawn(task.map(move |reason| (name, reason)));
    }

    /// Starts a task that is not needed for deciding, and starts it again whenever it ends.
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

    /// Waits until a task needed for deciding ends; its name, and why.
    pub(super) async fn ended(&mut self) -> (&'static str, String) {
        match self.needed.join_next().await {
            Some(Ok(ended)) => ended,
            Some(Err(error)) => ("task", error.to_string()),
            // None was started.
            None => std::future::pending().await,
        }
    }

    /// Ends every task that is not needed for deciding, and then the others once `last` has let them end by themselves
    /// for at most `patience`.
    pub(super) async fn stop(mut self, patience: Duration, last: &'static str) {
        self.others.shutdown().await;
        let ended = async {
            while let Some(ended) = self.needed.join_next().await {
                if ended.is_ok_and(|(name, _)| name == last) {
                    break;
                }
            }
        };
        // What hangs is not waited for.
        let _ = timeout(patience, ended).await;
    }

    fn fault(&self, name: &str) -> Option<Fault> {
        self.fault.clone().filter(|fault| fault.task == name)
    }
}

/// Runs a task to its end; why it ended.
async fn reason(task: impl Future<Output = Ended>) -> String {
    match AssertUnwindSafe(task).catch_unwind().await {
        Ok(Ok(())) => "it ended".to_owned(),
        Ok(Err(reason)) => reason,
        Err(panic) => format!("it panicked: {}", words(&*panic)),
    }
}

/// Runs one step of a task; `None`: it panicked, which is logged.
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
    /// Every task that is down, by name.
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

/// The threads that write and are down.
pub(super) fn threads_down(audit: &Audit) -> impl Iterator<Item = TaskDown> {
    let down = |(name, health): (&str, &Health)| {
        let (reason, since) = health.down()?;
        let since = now().checked_sub(since).unwrap_or_default();
        Some(TaskDown { task: name.to_owned(), reason, since })
    };
    audit.threads().filter_map(down)
}

/// A panic that a test asks for: of that task, so long after it starts, so many times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    task: String,
    after: Duration,
    times: u32,
}

impl Fault {
    /// Reads `TASK`, `TASK@SECONDS` or `TASK@SECONDS*TIMES`; `None`: it is none.
    pub(super) fn read(text: &str) -> Option<Self> {
        let (text, times) = text.split_once('*').unwrap_or((text, "1"));
        let (task, after) = text.split_once('@').unwrap_or((text, "0"));
        let after = after.parse().ok().map(Duration::from_secs)?;
        Some(Self { task: task.to_owned(), after, times: times.parse().ok()? })
    }

    /// Has threads fail that are of that name.
    pub(super) async fn have_fail(self, threads: Vec<(&'static str, Health)>) {
        sleep(self.after).await;
        for (_, health) in threads.iter().filter(|(name, _)| *name == self.task) {
            health.fail(self.times);
        }
    }

    /// The fault for another start of the task; `None`: it was asked for no more often.
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
        // Nobody needs it: nothing ends.
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
