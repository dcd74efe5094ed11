//! The last hour, minute by minute, for the page's charts.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use parking_lot::Mutex;
use schemars::JsonSchema;
use serde::Serialize;
use tokio::time::{MissedTickBehavior, interval};

use super::api::ApiBackend;
use crate::metrics::LatencyCounts;
use crate::policy::verdict::Verdict;
use crate::schema;

/// Most minutes that are kept.
const MINUTES: usize = 60;
const MINUTE: Duration = Duration::from_secs(60);

/// One minute; the last one is not over yet.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub(super) struct Minute {
    /// When the minute began.
    #[schemars(with = "schema::Moment")]
    at: String,
    /// Joins, by verdict.
    joins: BTreeMap<&'static str, u64>,
    /// Denials and wrong passwords, by rule.
    refusals: BTreeMap<&'static str, u64>,
    /// Time from a request to its answer.
    latency: Latency,
}

/// Latency quantiles of answers, in µs; `None` without answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize)]
struct Latency {
    /// Number of answers.
    count: u64,
    /// The median.
    p50: Option<u64>,
    /// The 99th percentile.
    p99: Option<u64>,
}

/// Counts of the last hour, minute by minute.
#[derive(Debug, Default)]
pub(super) struct Minutes(Mutex<Hour>);

#[derive(Debug, Default)]
struct Hour {
    past: VecDeque<Minute>,
    /// When the present minute began, and the totals at that time.
    begun: Option<(Timestamp, Totals)>,
}

/// Totals since the start, from which the charts are made.
#[derive(Clone, Debug, Default)]
pub struct Totals {
    /// Joins, by verdict, in the order of [`Verdict::ALL`].
    pub joins: [u64; Verdict::ALL.len()],
    /// Denials and wrong passwords, by rule.
    pub denials: HashMap<&'static str, u64>,
    /// Latency of the answers.
    pub answers: LatencyCounts,
}

impl Minutes {
    /// Ends a minute every minute, until this is dropped.
    pub(super) fn keep<S: ApiBackend>(self: &Arc<Self>, site: &Arc<S>) {
        let (minutes, site) = (Arc::downgrade(self), Arc::clone(site));
        tokio::spawn(async move {
            let mut tick = interval(MINUTE);
            tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                tick.tick().await;
                let Some(minutes) = minutes.upgrade() else { return };
                minutes.0.lock().end(site.now(), site.totals());
            }
        });
    }

    /// Returns the minutes so far, oldest first.
    pub(super) fn so_far(&self, site: &impl ApiBackend) -> Vec<Minute> {
        let now = site.totals();
        let hour = self.0.lock();
        let present = hour.begun.as_ref().map(|(at, before)| minute(*at, before, &now));
        hour.past.iter().cloned().chain(present).collect()
    }
}

impl Hour {
    fn end(&mut self, at: Timestamp, now: Totals) {
        if let Some((begun, before)) = &self.begun {
            self.past.push_back(minute(*begun, before, &now));
        }
        while self.past.len() >= MINUTES {
            self.past.pop_front();
        }
        self.begun = Some((at, now));
    }
}

fn minute(at: Timestamp, before: &Totals, now: &Totals) -> Minute {
    let joins = Verdict::ALL.into_iter().zip(now.joins.iter().zip(&before.joins));
    let denials = now.denials.iter().map(|(rule, count)| {
        let before = before.denials.get(rule).copied().unwrap_or_default();
        (*rule, count.saturating_sub(before))
    });
    let answers = now.answers.since(&before.answers);
    let micros = |quantile| answers.quantile(quantile).map(|nanoseconds| nanoseconds / 1000);
    Minute {
        at: format!("{at:.0}"),
        joins: joins
            .map(|(verdict, (now, before))| (verdict.name(), now.saturating_sub(*before)))
            .collect(),
        refusals: denials.filter(|(_, count)| *count > 0).collect(),
        latency: Latency { count: answers.count(), p50: micros(500), p99: micros(990) },
    }
}
