//! Drift: how live rooms, as reported by their gates, differ from the policy.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::metrics::{Counter, Gauge, metrics};
use crate::policy::attempt::RoomView;
use crate::policy::context::{Drift, Scene};
use crate::policy::drift::compare;
use crate::policy::record::Record;
use crate::policy::{Policy, Rules};
use crate::wire::room::LiveRoom;

/// Returns how a live room differs from these rules of the policy.
pub fn drifts(policy: &Policy, rules: &Rules, live: &LiveRoom, now: Timestamp) -> Vec<Drift> {
    compare(&scene(policy, rules, live, now))
}

/// Returns what a policy changes in a stored room: at its next join, if no policy was applied to it yet.
pub fn in_stored(policy: &Policy, live: &LiveRoom, now: Timestamp) -> Vec<Drift> {
    let found = live.view.is_found();
    let mut record = Record::new(now, "", None);
    record.found = found;
    let record = live.view.record.clone().unwrap_or(record);
    let view = RoomView { record: Some(record), ..live.view.clone() };
    let rules = policy.rules_in(&live.jid, live.claims(), found);
    drifts(policy, &rules, &LiveRoom { view, ..live.clone() }, now)
}

/// Gathers everything about a room that is compared with the policy.
pub fn scene<'a>(
    policy: &'a Policy,
    rules: &'a Rules,
    live: &'a LiveRoom,
    now: Timestamp,
) -> Scene<'a> {
    Scene {
        policy,
        rules,
        room: &live.jid,
        view: &live.view,
        settings: live.settings,
        occupants: &live.occupants,
        may: &live.may,
        standing: &live.standing,
        forgets: live.forgets,
        now,
    }
}

metrics! {
    /// Metrics of the drift audits.
    pub struct DriftMetrics {
        /// Comparisons of all rooms with the policy
        audits: Counter = "vestibule_drift_audits";
        /// Differences between rooms and the policy that were found
        found: Counter = "vestibule_drift_found";
        /// Differences between rooms and the policy that were repaired
        repaired: Counter = "vestibule_drift_repaired";
        /// Differences between rooms and the policy that exist now
        present: Gauge = "vestibule_drift_present";
        /// Rooms that were compared the last time
        rooms: Gauge;
    }
}

impl DriftMetrics {
    /// Returns the counts that `status` shows.
    pub fn tally(&self) -> DriftTally {
        let gauge = |gauge: &Gauge| u64::try_from(gauge.get()).unwrap_or_default();
        DriftTally {
            audits: self.audits.get(),
            rooms: gauge(&self.rooms),
            found: self.found.get(),
            repaired: self.repaired.get(),
            present: gauge(&self.present),
        }
    }
}

/// The counts of the drift audits, for `status`.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema,
)]
pub struct DriftTally {
    /// Comparisons of all rooms since the start.
    pub audits: u64,
    /// Rooms that were compared the last time.
    pub rooms: u64,
    /// Differences found since the start, each once while it lasts and once more for each repair that did not last.
    pub found: u64,
    /// Differences repaired since the start.
    pub repaired: u64,
    /// Differences that exist now.
    pub present: u64,
}
