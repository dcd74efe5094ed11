//! Threads that are restarted after a panic, and their health.

use std::any::Any;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::{Builder, JoinHandle, sleep};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// The first and the longest pause before a thread is restarted after a panic.
const PAUSES: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(5));
/// How long a restarted thread must have run to count as up.
const SETTLED: Duration = Duration::from_secs(1);
/// How long a thread must have run for the next pause to be the first one again.
const LASTING: Duration = Duration::from_secs(60);

/// The health of a thread: whether it is down after a panic.
#[derive(Clone, Debug, Default)]
pub struct Health(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    /// Message of the last panic, and since when the thread has been down.
    fall: Option<(String, Instant)>,
    /// Since when the thread runs again after a panic; `None` if it has not been restarted.
    goes_on: Option<Instant>,
    /// Number of panics that a test still asks for.
    faults: u32,
}

impl Health {
    /// Returns why the thread is down, and for how long it has been; `None` if it is up.
    pub fn down(&self) -> Option<(String, Duration)> {
        let inner = self.0.lock();
        let is_settled = inner.goes_on.is_some_and(|since| since.elapsed() >= SETTLED);
        let (reason, since) = inner.fall.as_ref().filter(|_| !is_settled)?;
        Some((reason.clone(), since.elapsed()))
    }

    /// Makes the thread panic that many times, for a test.
    pub fn fail(&self, times: u32) {
        self.0.lock().faults = times;
    }

    /// Marks a round of the thread's work; the thread calls this in each of them.
    ///
    /// # Panics
    /// When a test has asked for it.
    #[expect(clippy::panic, reason = "a test asks for it")]
    pub fn round(&self) {
        let mut inner = self.0.lock();
        let Some(left) = inner.faults.checked_sub(1) else { return };
        inner.faults = left;
        drop(inner);
        panic!("a test asks for it");
    }

    fn fell(&self, reason: &str) -> Duration {
        let mut inner = self.0.lock();
        let lasted = inner.goes_on.take().map_or(LASTING, |since| since.elapsed());
        let before = inner.fall.take().filter(|_| lasted < SETTLED);
        let since = before.map_or_else(Instant::now, |(_, since)| since);
        inner.fall = Some((reason.to_owned(), since));
        lasted
    }
}

/// Starts a thread that does `work` until that returns, and is restarted after each panic.
///
/// # Errors
/// When the system cannot start a thread.
pub fn keep(
    name: &'static str,
    health: Health,
    mut work: impl FnMut() + Send + 'static,
) -> io::Result<JoinHandle<()>> {
    Builder::new().name(name.to_owned()).spawn(move || {
        let (first, longest) = PAUSES;
        let mut pause = first;
        while let Err(panic) = catch_unwind(AssertUnwindSafe(&mut work)) {
            let reason = format!("it panicked: {}", words(&*panic));
            if health.fell(&reason) >= LASTING {
                pause = first;
            }
            tracing::error!(thread = name, reason, "a thread is down: it is started again");
            sleep(pause);
            pause = pause.saturating_mul(2).min(longest);
            health.0.lock().goes_on = Some(Instant::now());
        }
    })
}

/// Returns the message of a panic.
pub fn words(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&'static str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no reason given")
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn a_thread_goes_on_after_a_panic_and_is_down_until_it_has_for_a_while() {
        let health = Health::default();
        let (give, work) = channel::<&str>();
        let (done, result) = channel();
        let kept = health.clone();
        let thread = keep("test", health.clone(), move || {
            while let Ok(word) = work.recv() {
                kept.round();
                done.send(word).unwrap();
            }
        });
        give.send("one").unwrap();
        assert_eq!(result.recv(), Ok("one"));
        assert_eq!(health.down(), None);
        health.fail(1);
        give.send("lost").unwrap();
        give.send("two").unwrap();
        assert_eq!(result.recv(), Ok("two"));
        let (reason, _) = health.down().unwrap();
        assert_eq!(reason, "it panicked: a test asks for it");
        sleep(SETTLED);
        assert_eq!(health.down(), None);
        drop(give);
        thread.unwrap().join().unwrap();
    }
}
