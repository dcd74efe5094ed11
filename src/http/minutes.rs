//! The last hour, a minute at a time, for the page's charts.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use tokio::time::{MissedTickBehavior, interval};

use super::figures::Figures;
use super::site::Site;
use crate::component::decided::Decided;
use crate::component::measures::Taken;
use crate::policy::verdict::Verdict;

/// Minutes that are kept.
const MINUTES: usize = 60;
const MINUTE: Duration = Duration::from_secs(60);

/// One minute; the last one is not over yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Minute {
    /// When it began.
    at: String,
    /// Joins, by verdict.
    joins: BTreeMap<&'static str, u64>,
    /// What was denied, by rule.
    refusals: BTreeMap<&'static str, u64>,
    /// From a question to its answer.
    latency: Latency,
}

/// How long answers took, in microseconds; absent: there were none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
struct Latency {
    /// How many answers.
    count: u64,
    /// Half of them took at most so long.
    p50: Option<u64>,
    /// Of a hundred, 99.
    p99: Option<u64>,
}

/// The last hour.
#[derive(Debug, Default)]
pub(super) struct Minutes(Mutex<Hour>);

#[derive(Debug, Default)]
struct Hour {
    past: VecDeque<Minute>,
    /// When the present minute began, and what had been counted by then.
    begun: Option<(Timestamp, Counted)>,
}

#[derive(Clone, Debug)]
struct Counted {
    decided: Decided,
    answers: Taken,
}

impl Counted {
    fn of(figures: Figures) -> Self {
        Self { decided: figures.decided, answers: figures.answers }
    }
}

impl Minutes {
    /// Ends a minute every minute, as long as anybody can ask for them.
    pub(super) fn keep<S: Site>(self: &Arc<Self>, site: &Arc<S>) {
        let (minutes, site) = (Arc::downgrade(self), Arc::clone(site));
        tokio::spawn(Self::count(minutes, site));
    }

    async fn count<S: Site>(minutes: Weak<Self>, site: Arc<S>) {
        let mut tick = interval(MINUTE);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            let Some(minutes) = minutes.upgrade() else { return };
            minutes.hour().end(site.now(), Counted::of(site.figures()));
        }
    }

    /// The minutes so far, the oldest first.
    pub(super) fn so_far(&self, site: &impl Site) -> Vec<Minute> {
        let now = Counted::of(site.figures());
        let hour = self.hour();
        let present = hour.begun.as_ref().map(|(at, before)| minute(*at, before, &now));
        hour.past.iter().cloned().chain(present).collect()
    }

    fn hour(&self) -> MutexGuard<'_, Hour> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Hour {
    fn end(&mut self, at: Timestamp, now: Counted) {
        if let Some((begun, before)) = &self.begun {
            self.past.push_back(minute(*begun, before, &now));
        }
        while self.past.len() >= MINUTES {
            self.past.pop_front();
        }
        self.begun = Some((at, now));
    }
}

fn minute(at: Timestamp, before: &Counted, now: &Counted) -> Minute {
    let verdicts = [Verdict::Allow, Verdict::Hold, Verdict::Prompt, Verdict::Deny];
    let joins = |counted: &Counted, verdict| counted.decided.of("join", verdict);
    let denied = |counted: &Counted| -> BTreeMap<_, _> {
        let denied = counted.decided.rules().filter(|(_, verdict, _)| *verdict == Verdict::Deny);
        denied.map(|(rule, _, count)| (rule, count)).collect()
    };
    let denied_before = denied(before);
    let grown = |rule: &&'static str, count: u64| {
        count.saturating_sub(denied_before.get(rule).copied().unwrap_or_default())
    };
    let answers = now.answers.since(&before.answers);
    let micros = |quantile| answers.quantile(quantile).map(|nanoseconds| nanoseconds / 1000);
    Minute {
        at: format!("{at:.0}"),
        joins: verdicts
            .map(|verdict| {
                let count = joins(now, verdict).saturating_sub(joins(before, verdict));
                (verdict.name(), count)
            })
            .into(),
        refusals: denied(now)
            .into_iter()
            .map(|(rule, count)| (rule, grown(&rule, count)))
            .filter(|(_, count)| *count > 0)
            .collect(),
        latency: Latency { count: answers.count(), p50: micros(500), p99: micros(990) },
    }
}
