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
    let mut record = Record::new(now, String::new(), None);
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

/// A Prosody module that conflicts with the policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Neighbour {
    /// Name of the module in `modules_enabled`.
    pub module: &'static str,
    /// What the module does, and what to do about it.
    pub advice: &'static str,
}

/// Modules that decide what the policy decides. `docs/jitsi-modules.md` has each with its advice.
pub const NEIGHBOURS: &[Neighbour] = &[
    Neighbour {
        module: "muc_allowners",
        advice: "makes everybody a moderator, and the gate does not let it: take it out",
    },
    Neighbour {
        module: "muc_wait_for_host",
        advice: "holds people by its own rule and lets all of them in at once: take it out, and set close.hold_until = [\"moderator\"]",
    },
    Neighbour {
        module: "token_affiliation",
        advice: "makes members and owners of people with tokens: take it out, \"token\" in moderators.assign does the same",
    },
    Neighbour {
        module: "token_affiliation_legacy",
        advice: "makes members and owners of people with tokens: take it out, \"token\" in moderators.assign does the same",
    },
    Neighbour {
        module: "lobby_autostart",
        advice: "raises a lobby that nobody may be able to open: take it out, lobby.admission does it",
    },
    Neighbour {
        module: "token_lobby_autostart",
        advice: "raises a lobby by the token of the first who joins: take it out, lobby.admission does it",
    },
    Neighbour {
        module: "lobby_autostart_on_owner",
        advice: "makes moderators by its own rules: take it out, moderators.successors does it",
    },
    Neighbour {
        module: "token_owner_party",
        advice: "refuses people by its own rule, without words: take it out, close.hold_until does it",
    },
    Neighbour {
        module: "token_lobby_bypass",
        advice: "makes members of people with tokens: take it out, \"token\" in lobby.bypass does the same",
    },
    Neighbour {
        module: "muc_flip",
        advice: "lets a second device of a token past password and lobby: take it out",
    },
    Neighbour {
        module: "muc_password_check",
        advice: "tells over HTTP whether a password is right, as often as one asks: take it out",
    },
    Neighbour {
        module: "reservations",
        advice: "asks another server who may open a room, gives it a password and a lobby, and ends it by its own clock: take it out, access.create, hours and limits.duration do it",
    },
    Neighbour {
        module: "muc_max_occupants",
        advice: "refuses people by a number of its own: take it out, limits.occupants does it in words",
    },
    Neighbour {
        module: "muc_auth_ban",
        advice: "asks another server who is banned, and disconnects them without a line in the log: take it out, [[ban]] and `vestibule ban` do it",
    },
    Neighbour {
        module: "test_observer_http",
        advice: "is for tests: anyone who reaches the HTTP port changes what tokens say: take it out",
    },
];

/// Modules by which the holder of a key of their own acts past the policy over HTTP. `docs/jitsi-modules.md` has each
/// with its advice.
pub const HTTP_COMMANDS: &[Neighbour] = &[
    Neighbour {
        module: "muc_kick_participant",
        advice: "removes people, past moderators.remove and without their coming back being judged: take it out, `vestibule remove` does it",
    },
    Neighbour {
        module: "muc_end_meeting",
        advice: "ends meetings, past moderators.end: take it out, `vestibule end` does it",
    },
    Neighbour {
        module: "system_chat_message",
        advice: "speaks to people inside as the server: take it out, `vestibule say` does it",
    },
    Neighbour {
        module: "muc_jigasi_invite",
        advice: "calls telephone numbers into a meeting, past permissions.dial and permissions.e2ee: take it out",
    },
];

/// Returns which of these modules are in a list of conflicting ones, sorted by name.
pub fn among<'a>(
    listed: &[Neighbour],
    modules: impl IntoIterator<Item = &'a str>,
) -> Vec<Neighbour> {
    let mut found: Vec<Neighbour> = modules
        .into_iter()
        .filter_map(|name| listed.iter().find(|neighbour| neighbour.module == name).copied())
        .collect();
    found.sort_unstable_by_key(|neighbour| neighbour.module);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_those_that_meddle_are_named() {
        let names: Vec<&str> = among(NEIGHBOURS, ["muc", "muc_flip", "muc_allowners"])
            .iter()
            .map(|n| n.module)
            .collect();
        assert_eq!(names, ["muc_allowners", "muc_flip"]);
    }
}
