//! Joins and leaves at a rate, by sessions that take turns; and what is measured of them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tokio::sync::{Mutex, mpsc};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::client::{ClientError, Entered, Session};
use crate::secret::Secret;

/// Rate of the first step, in joins a second.
const FIRST: u32 = 5;
/// Steps between the last rate that held and the first that did not.
const REFINEMENTS: usize = 2;
/// A step ends early once a join took this many times the bound.
const HOPELESS: u32 = 10;
/// Share of the joins that may be refused, in percent.
const TOLERATED: f64 = 10.0;
/// Longest wait for the answers to what was sent.
const DRAIN: Duration = Duration::from_secs(60);

/// A room that is joined.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) room: String,
    pub(super) password: Option<Secret>,
}

/// A join that is due.
struct Due {
    at: Instant,
    target: Target,
}

/// A join that was answered.
struct Outcome {
    /// From the time at which it was due.
    took: Duration,
    entered: Result<Entered, ClientError>,
}

/// Sessions that join and leave, each one room at a time.
pub(super) struct Crowd {
    due: mpsc::UnboundedSender<Due>,
    outcomes: mpsc::UnboundedReceiver<Outcome>,
}

impl Crowd {
    /// Starts the sessions; they close when `until` is cancelled.
    pub(super) fn start(
        sessions: Vec<(Session, String)>,
        tasks: &TaskTracker,
        until: &CancellationToken,
    ) -> Self {
        let (due, waiting) = mpsc::unbounded_channel();
        let (done, outcomes) = mpsc::unbounded_channel();
        let waiting = Arc::new(Mutex::new(waiting));
        for (session, nick) in sessions {
            let (waiting, done, until) = (Arc::clone(&waiting), done.clone(), until.clone());
            tasks.spawn(take_turns(session, nick, waiting, done, until));
        }
        Self { due, outcomes }
    }

    /// Has rooms joined at this rate for some seconds, and waits for every answer.
    ///
    /// # Errors
    /// A session has ended.
    pub(super) async fn step(
        &mut self,
        targets: &[Target],
        rate: u32,
        seconds: u32,
        bound: Duration,
    ) -> Result<Measured, ClientError> {
        let began = Instant::now();
        let total = rate.saturating_mul(seconds);
        let hopeless = bound.saturating_mul(HOPELESS);
        let mut targets = targets.iter().cycle();
        let (mut sent, mut measured) = (0_u32, Measured::default());
        let mut is_over = false;
        while sent < total && !is_over {
            let after = Duration::from_secs(1).saturating_mul(sent).checked_div(rate);
            let at = began.checked_add(after.unwrap_or_default()).unwrap_or(began);
            tokio::select! {
                biased;
                Some(outcome) = self.outcomes.recv() => {
                    is_over = outcome.took > hopeless;
                    measured.take(outcome)?;
                }
                () = sleep_until(at) => {
                    let Some(target) = targets.next().cloned() else { break };
                    let _ = self.due.send(Due { at, target });
                    sent = sent.saturating_add(1);
                }
            }
        }
        while measured.count() < sent {
            let outcome = timeout(DRAIN, self.outcomes.recv()).await;
            let outcome = outcome.ok().flatten().ok_or(ClientError::Late)?;
            measured.take(outcome)?;
        }
        measured.seconds = began.elapsed().as_secs_f64();
        Ok(measured)
    }
}

/// Joins and leaves what is due, one after the other.
async fn take_turns(
    mut session: Session,
    nick: String,
    waiting: Arc<Mutex<mpsc::UnboundedReceiver<Due>>>,
    done: mpsc::UnboundedSender<Outcome>,
    until: CancellationToken,
) {
    let turns = async {
        loop {
            let due = waiting.lock().await.recv().await;
            let Some(Due { at, target: Target { room, password } }) = due else { return };
            let password = password.as_ref().map(Secret::expose);
            let entered = session.join(&room, &nick, password).await;
            let is_inside = matches!(entered, Ok(Entered::In { .. }));
            let has_failed = entered.is_err();
            let _ = done.send(Outcome { took: at.elapsed(), entered });
            let left = match is_inside {
                true => session.leave(&room, &nick).await,
                false => Ok(()),
            };
            if let Err(error) = left {
                let _ = done.send(Outcome { took: Duration::ZERO, entered: Err(error) });
                return;
            }
            if has_failed {
                return;
            }
        }
    };
    let _ = until.run_until_cancelled(turns).await;
    session.close().await;
}

/// What became of the joins of a step.
#[derive(Debug, Default)]
pub(super) struct Measured {
    /// From the first join to the last answer.
    seconds: f64,
    latencies: Vec<Duration>,
    /// Refused joins, by the condition and its text.
    refused: BTreeMap<String, u32>,
}

impl Measured {
    fn take(&mut self, outcome: Outcome) -> Result<(), ClientError> {
        match outcome.entered? {
            Entered::In { .. } => self.latencies.push(outcome.took),
            Entered::Refused(kind) => {
                let count = self.refused.entry(kind).or_default();
                *count = count.saturating_add(1);
            }
        }
        Ok(())
    }

    fn count(&self) -> u32 {
        let joined = u32::try_from(self.latencies.len()).unwrap_or(u32::MAX);
        self.refused.values().fold(joined, |sum, count| sum.saturating_add(*count))
    }
}

/// What the component counted during a step.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct Counted {
    /// Decisions, on these joins and on whatever else was tried meanwhile.
    pub(super) decisions: u64,
    /// Audit entries that wait to be written, at the end of the step.
    pub(super) waiting: u64,
    /// Processor time of the component, in milliseconds.
    pub(super) processor_ms: u64,
}

/// A step: joins at one rate.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Step {
    /// Joins a second that were due.
    pub(super) rate: u32,
    /// Joins a second that came in.
    pub(super) joins_per_second: f64,
    /// Joins that came in.
    pub(super) joined: usize,
    /// Joins that were refused, by the condition and its text.
    pub(super) refused: BTreeMap<String, u32>,
    /// Latency quantiles of the joins that came in; null: none did.
    pub(super) median_ms: Option<f64>,
    pub(super) p90_ms: Option<f64>,
    pub(super) p99_ms: Option<f64>,
    /// Whether the 90th percentile is within the bound.
    pub(super) kept_up: bool,
    pub(super) component: Counted,
}

impl Step {
    pub(super) fn new(rate: u32, measured: Measured, bound: Duration, component: Counted) -> Self {
        let Measured { seconds, mut latencies, refused } = measured;
        latencies.sort_unstable();
        let quantile = |percent| quantile(&latencies, percent);
        let p90_ms = quantile(90);
        #[expect(clippy::cast_precision_loss, reason = "a count of joins")]
        let joined = latencies.len() as f64;
        let joins_per_second = if seconds > 0.0 { joined / seconds } else { 0.0 };
        let kept_up = p90_ms.is_some_and(|it| it <= bound.as_secs_f64() * 1000.0);
        Self {
            rate,
            joins_per_second,
            joined: latencies.len(),
            refused,
            median_ms: quantile(50),
            p90_ms,
            p99_ms: quantile(99),
            kept_up,
            component,
        }
    }

    /// Returns whether so many joins were refused that the latency of the others means nothing.
    pub(super) fn is_refused(&self) -> bool {
        let refused: u32 = self.refused.values().sum();
        #[expect(clippy::cast_precision_loss, reason = "a count of joins")]
        let all = self.joined as f64 + f64::from(refused);
        f64::from(refused) * 100.0 > all * TOLERATED
    }
}

/// Returns the latency in milliseconds that `percent` of the sorted latencies are not above, or `None` without any.
fn quantile(sorted: &[Duration], percent: usize) -> Option<f64> {
    let place = sorted.len().saturating_mul(percent).div_ceil(100).saturating_sub(1);
    sorted.get(place).map(|it| it.as_secs_f64() * 1000.0)
}

/// Returns the rate of the next step, by what became of those before (rate, whether the server kept up): twice as much until
/// it does not keep up or the limit is reached, then between the last that held and the first that did not. `None`: it is known.
pub(super) fn next_rate(before: &[(u32, bool)], limit: u32) -> Option<u32> {
    let held = before.iter().filter(|(_, held)| *held).map(|(rate, _)| *rate).max();
    let lost = before.iter().filter(|(_, held)| !*held).map(|(rate, _)| *rate).min();
    let held_rate = held.unwrap_or_default();
    let Some(lost) = lost else {
        let next = held.map_or(FIRST, |held| held.saturating_mul(2)).min(limit);
        return (next > held_rate).then_some(next);
    };
    let first = before.iter().position(|(_, held)| !*held)?;
    let refined = before.len().saturating_sub(first).saturating_sub(1);
    let between = held_rate.midpoint(lost);
    (refined < REFINEMENTS && between > held_rate).then_some(between)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rates that are tried on a server that keeps up to `capacity`.
    fn rates(capacity: u32, limit: u32) -> Vec<u32> {
        let mut before = Vec::new();
        while let Some(rate) = next_rate(&before, limit) {
            before.push((rate, rate <= capacity));
        }
        before.into_iter().map(|(rate, _)| rate).collect()
    }

    #[test]
    fn rates_double_and_then_close_in() {
        assert_eq!(rates(1000, 100), [5, 10, 20, 40, 80, 100]);
        assert_eq!(rates(50, 100), [5, 10, 20, 40, 80, 60, 50]);
        assert_eq!(rates(0, 100), [5, 2, 1]);
        assert_eq!(rates(1000, 3), [3]);
    }

    fn step(latencies: &[u64], refused: u32, seconds: f64) -> Step {
        let latencies = latencies.iter().map(|it| Duration::from_millis(*it)).collect();
        let refused = [("forbidden".to_owned(), refused)].into_iter().collect();
        let counted = Counted { decisions: 0, waiting: 0, processor_ms: 0 };
        let measured = Measured { seconds, latencies, refused };
        Step::new(10, measured, Duration::from_millis(100), counted)
    }

    #[test]
    fn a_server_keeps_up_as_long_as_nine_of_ten_are_within_the_bound() {
        let mut latencies = [10; 10];
        latencies[0] = 5000;
        let kept = step(&latencies, 1, 1.0);
        assert_eq!(
            (kept.median_ms, kept.p90_ms, kept.p99_ms),
            (Some(10.0), Some(10.0), Some(5000.0))
        );
        assert!(kept.kept_up && !kept.is_refused());
        latencies[1] = 5000;
        assert!(!step(&latencies, 0, 1.0).kept_up);
        assert!(step(&latencies, 2, 1.0).is_refused());
        let none = step(&[], 3, 1.0);
        assert_eq!((none.median_ms, none.kept_up, none.is_refused()), (None, false, true));
    }
}
