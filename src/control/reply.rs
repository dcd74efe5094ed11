//! Replies of the commands that only read: status, plan and rooms; and the metrics made of them.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::component::counters::Refused;
use crate::component::drift::DriftTally;
use crate::component::metrics::Tally;
use crate::config::KeyChange;
use crate::doctor::Counts;
use crate::metrics::{Counter, Family, Gauge, Info, Labels, gauged, metrics};
use crate::policy::requester::{Requester, called};
use crate::schema;
use crate::store::StoreState;

/// The state of the component.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Status {
    /// Version of the component.
    pub version: String,
    /// Whether the link is up, every gate has connected, its rooms were read, and what each log-in proves is known.
    pub ready: bool,
    /// Whether the link to the server is up.
    pub linked: bool,
    /// Why the link is down, or an address of the file that the server prepares differently; null: no problem.
    pub trouble: Option<String>,
    /// Revision of the policy in force.
    pub revision: String,
    /// Problem with the file on disk: it is invalid, or not the one in force; null: it is in force.
    #[serde(default)]
    pub file: Option<String>,
    /// Whether decisions are only observed, not enforced.
    pub observe: bool,
    /// Each service of the file, with the state of its gate.
    pub services: Vec<ServiceStatus>,
    /// Lines to add to the file about authentication providers that it does not name and that are unknown.
    #[serde(default)]
    pub unlisted: Vec<String>,
    /// Gates that have greeted and are refused, since the policy in force has no such service; each with what to do.
    #[serde(default)]
    pub strangers: Vec<String>,
    /// Number of open rooms.
    pub rooms: usize,
    /// Counts of the decisions since the start.
    pub decisions: Tally,
    /// Differences found between the live rooms and the policy.
    #[serde(default)]
    pub drift: DriftTally,
    /// Lines of the decision log that were lost since the start.
    pub log_lines_lost: u64,
    /// State of the audit database; null: none is configured.
    #[serde(default)]
    pub store: Option<StoreState>,
    /// Findings of the last doctor run, by severity; null: it has not run yet.
    #[serde(default)]
    pub doctor: Option<Counts>,
    /// Background tasks that are down; none of them is needed for deciding.
    #[serde(default)]
    pub down: Vec<TaskDown>,
    /// Seconds since the start.
    pub uptime: u64,
    /// Processor time of all threads since the start, in milliseconds.
    #[serde(default)]
    pub processor_ms: u64,
}

/// A background task that is down. It is restarted until it stays up, and is not needed for deciding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TaskDown {
    /// Name of the task: `page`, `commands`, `audit`, `reload`, `doctor` or `PostgreSQL`; of a writer thread, `log` or
    /// `database`.
    pub task: String,
    /// Why the task last ended.
    pub reason: String,
    /// When the task went down.
    #[schemars(with = "schema::Moment")]
    pub since: Timestamp,
}

/// The state of a service and its gate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ServiceStatus {
    /// Domain of the service.
    pub domain: String,
    /// Version of the gate; null: no gate has connected.
    pub gate: Option<String>,
    /// Why the gate that has connected is refused, so that all joins are denied; null: it is not refused.
    #[serde(default)]
    pub refused: Option<String>,
    /// Whether the gate has connected but its rooms have not been read since: the list of occupants may be incomplete.
    #[serde(default)]
    pub unread: bool,
    /// Name and version of the server; null: no gate has connected.
    pub server: Option<String>,
    /// What the gate does while the component is unreachable: `refuse` or `allow`; null: no gate has connected.
    pub failure: Option<String>,
    /// Who may open rooms there unless an override says otherwise, and why; null: no gate has connected.
    #[serde(default)]
    pub opening: Option<String>,
    /// The same with `access.create` at its default; null: no gate has connected.
    #[serde(default)]
    pub default_opening: Option<String>,
    /// Hosts that a person could log in to, sorted by name.
    #[serde(default)]
    pub log_ins: Vec<LogIn>,
    /// Other modules of the server that conflict with the policy, each with what to do about it.
    #[serde(default)]
    pub neighbours: Vec<String>,
}

/// A host of the server that a person could log in to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LogIn {
    /// Name of the host.
    pub host: String,
    /// Authentication provider of the host.
    pub provider: String,
    /// What a log-in with it proves: `account`, `token` or `guest`; null: neither the file nor a built-in rule says.
    pub proves: Option<String>,
    /// Line of the file that says what it proves; 0: no line does.
    pub line: u32,
    /// Whether it counts as a host that people log in to.
    pub people: bool,
}

metrics! {
    /// The metrics made of a [`Status`].
    pub struct StatusMetrics {
        /// The program
        build: Info<Labels<1, String>> = "vestibule_build";
        /// The policy in force
        policy: Info<Labels<2, String>> = "vestibule_policy";
        /// Every service is under the policy, as /readyz says
        ready: Gauge = "vestibule_ready";
        /// Tasks that are down, and are started again until they stay up
        task_down: Family<Labels<1, String>, Gauge> = "vestibule_task_down";
        /// The link to the server is up
        link_up: Gauge = "vestibule_link_up";
        /// Services of the file, each of which needs a gate
        gates_expected: Gauge = "vestibule_gates_expected";
        /// Gates that have greeted
        gates_greeted: Gauge = "vestibule_gates_greeted";
        /// Gates that let everybody in while the component is away
        gates_fail_open: Gauge = "vestibule_gates_fail_open";
        /// Lines of the decision log that were lost
        log_lines_lost: Counter = "vestibule_log_lines_lost";
        /// Entries of the audit database that were lost
        store_lost: Counter = "vestibule_store_lost";
        /// Entries that wait to be written into the audit database
        store_waiting: Gauge = "vestibule_store_waiting";
        /// The audit database can be written, or there is none
        store_up: Gauge = "vestibule_store_up";
        /// What the doctor found last
        doctor_findings: Family<Labels<1>, Gauge> = "vestibule_doctor_findings";
    }
}

impl From<&Status> for StatusMetrics {
    fn from(status: &Status) -> Self {
        let mode = if status.observe { "observe" } else { "enforce" };
        let metrics = Self {
            build: Info([("version", status.version.clone())]),
            policy: Info([("revision", status.revision.clone()), ("mode", mode.to_owned())]),
            ..Self::default()
        };
        metrics.ready.set(status.ready.into());
        for TaskDown { task, .. } in &status.down {
            metrics.task_down.get_or_create(&[("task", task.clone())]).set(1);
        }
        metrics.link_up.set(status.linked.into());
        let services = |counts: fn(&&ServiceStatus) -> bool| {
            gauged(status.services.iter().filter(counts).count())
        };
        metrics.gates_expected.set(services(|_| true));
        metrics.gates_greeted.set(services(|service| service.gate.is_some()));
        let fails_open = |service: &&ServiceStatus| service.failure.as_deref() == Some("allow");
        metrics.gates_fail_open.set(services(fails_open));
        metrics.log_lines_lost.inc_by(status.log_lines_lost);
        let store = status.store.as_ref();
        metrics.store_lost.inc_by(store.map_or(0, |store| store.lost));
        metrics.store_waiting.set(store.map_or(0, |store| gauged(store.waiting)));
        metrics.store_up.set(store.is_none_or(|store| store.trouble.is_none()).into());
        let Counts { critical, warning, note, unknown, .. } = status.doctor.unwrap_or_default();
        let found =
            [("critical", critical), ("warning", warning), ("note", note), ("unknown", unknown)];
        for (severity, count) in found {
            metrics.doctor_findings.get_or_create(&[("severity", severity)]).set(count.into());
        }
        metrics
    }
}

/// The number of entries above which a list is truncated.
const MOST: usize = 1000;

/// The effect of another policy file, compared with the file in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Plan {
    /// Revision of the policy in force.
    pub running: String,
    /// Revision of the other file.
    pub revision: String,
    /// Warnings about the other file: settings that may not be meant.
    pub warnings: Vec<String>,
    /// Keys whose values differ between the files; secrets are not shown.
    pub keys: Vec<KeyChange>,
    /// Number of live rooms; null: there is no link to the server, and only the keys were compared.
    pub rooms: Option<usize>,
    /// Number of rooms that the server has stored.
    #[serde(default)]
    pub stored: usize,
    /// How many of these were there before the policy and stay as they are.
    #[serde(default)]
    pub kept: usize,
    /// Number of people inside, without services; a person in two rooms counts twice.
    pub inside: usize,
    /// Authentication providers for which the two files differ, or that the other file does not name.
    #[serde(default)]
    pub providers: Vec<ProviderChange>,
    /// New differences between rooms and the policy.
    pub changes: List<RoomChange>,
    /// Occupants who would be removed.
    pub removed: List<PersonChange>,
    /// People in a lobby who would be let in.
    pub let_in: List<PersonChange>,
    /// People in a lobby who would be turned away.
    pub turned_away: List<PersonChange>,
    /// Most people whom a reload may remove, according to the file in force.
    pub limit: usize,
    /// Whether a reload would be refused unless it is forced.
    pub refused: bool,
}

/// A list that may be truncated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct List<T> {
    /// Number of entries before truncation.
    pub count: usize,
    /// The first entries, at most 1000.
    pub first: Vec<T>,
}

impl<T> List<T> {
    /// Makes a list of these entries, of which it keeps the first 1000.
    pub fn of(mut all: Vec<T>) -> Self {
        let count = all.len();
        all.truncate(MOST);
        Self { count, first: all }
    }
}

/// A new difference between a room and the policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RoomChange {
    /// Bare JID of the room.
    pub room: String,
    /// Rule that requires a change.
    pub rule: String,
    /// Line of the rule in the other file; 0: a built-in default.
    pub line: u32,
    /// Bare JID of the person concerned; null: the difference is about the room.
    pub jid: Option<String>,
    /// What others call that person.
    #[serde(flatten)]
    pub called: Called,
    /// Current state.
    pub is: String,
    /// State that the rule requires.
    pub should: String,
    /// Whether it would be repaired, not only reported.
    pub repaired: bool,
}

/// What others call a person in a room.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Called {
    /// Nick in the room; empty: it is not known.
    #[serde(default)]
    pub nick: String,
    /// Display name (XEP-0172), as Jitsi's clients have one; absent: none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
}

impl From<&Requester> for Called {
    fn from(who: &Requester) -> Self {
        Self { nick: who.nick.to_string(), name: who.name.to_string() }
    }
}

impl Called {
    /// Returns the names, by which others know a person, and their address, for a line of text.
    pub fn with_jid(&self, jid: &str) -> String {
        // A name may be chosen to read like the rest of the line.
        let names = called(&self.name, &self.nick).into_iter().map(|name| format!("{name:?}"));
        let names: Vec<_> = names.collect();
        if names.is_empty() { jid.to_owned() } else { format!("{} ({jid})", names.join(", ")) }
    }
}

/// A person for whom the other file has consequences.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PersonChange {
    /// Bare JID of the room.
    pub room: String,
    /// Bare JID of the person.
    pub jid: String,
    /// What others call the person.
    #[serde(flatten)]
    pub called: Called,
    /// Rule that decides it.
    pub rule: String,
    /// Line of the rule in the other file; 0: a built-in default.
    pub line: u32,
}

/// What a log-in with an authentication provider proves, according to the file in force and to another one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProviderChange {
    /// Name of the provider.
    pub name: String,
    /// Hosts that use it.
    pub hosts: Vec<String>,
    /// What it proves now: `account`, `token` or `guest`; null: it is not known, and counts as `guest`.
    pub before: Option<String>,
    /// What it would prove, in the same words; null: it would not be known.
    pub after: Option<String>,
    /// Number of people inside who logged in with it; a person in two rooms counts twice.
    pub inside: usize,
}

/// A room in the list of rooms.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RoomLine {
    /// Bare JID of the room.
    pub room: String,
    /// Another open room of the service whose name looks like this one's; null: none does.
    #[serde(default)]
    pub looks_like: Option<String>,
    /// Domain of the service that hosts the room.
    pub service: String,
    /// Who may enter.
    pub state: RoomState,
    /// Number of occupants (XEP-0045: one for each nick) without services. A person with two tabs counts twice.
    pub occupants: usize,
    /// Number of people inside, without services, however many sessions each has.
    #[serde(default)]
    pub people: usize,
    /// Number of occupants who are moderators.
    pub moderators: usize,
    /// Number of people who wait to be let in.
    pub waiting: usize,
    /// When the person who has waited longest began to wait; null: nobody waits.
    #[serde(default)]
    #[schemars(with = "Option<schema::Moment>")]
    pub waiting_since: Option<String>,
    /// Joins in the last five minutes that were refused or answered by asking for the password.
    #[serde(default)]
    pub refused: Refused,
    /// Whether the room has a password.
    pub password: bool,
    /// Whether the room has a lobby, in which strangers wait to be let in.
    pub lobby: bool,
    /// What the room asks of a stranger: `password-or-lobby`, `password-and-lobby`, `password`, `lobby` or `open`
    /// (as `lobby.admission`); whether they may enter at all, `state` says.
    #[serde(default)]
    pub door: String,
    /// When the policy was applied to the room; null: not yet.
    #[schemars(with = "Option<schema::Moment>")]
    pub opened: Option<String>,
    /// Who opened the room; null: it is not known.
    pub opener: Option<String>,
    /// Display name or nick of the opener, while they are inside and shortly after; null: it is not known.
    #[serde(default)]
    pub opener_name: Option<String>,
    /// Why the room is closed; null: it is not closed.
    pub closed: Option<String>,
}

/// A room with its occupants, its services apart, and the people who wait.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RoomDetails {
    /// Bare JID of the room.
    pub room: String,
    /// Another open room of the service whose name looks like this one's; null: none does.
    #[serde(default)]
    pub looks_like: Option<String>,
    /// Domain of the service that hosts the room.
    pub service: String,
    /// Who may enter.
    pub state: RoomState,
    /// Occupants without services, one for each nick.
    pub occupants: Vec<OccupantLine>,
    /// Services of the file that are inside, such as the focus: they are no people.
    #[serde(default)]
    pub services: Vec<OccupantLine>,
    /// Number of people inside, without services, however many sessions each has.
    pub people: usize,
    /// Number of occupants who are moderators.
    pub moderators: usize,
    /// People who wait to be let in.
    pub waiting: Vec<WaitingLine>,
    /// Joins in the last five minutes that were refused or answered by asking for the password.
    #[serde(default)]
    pub refused: Refused,
    /// Whether the room has a password.
    pub password: bool,
    /// Whether the room has a lobby, in which strangers wait to be let in.
    pub lobby: bool,
    /// What the room asks of a stranger: `password-or-lobby`, `password-and-lobby`, `password`, `lobby` or `open`
    /// (as `lobby.admission`); whether they may enter at all, `state` says.
    #[serde(default)]
    pub door: String,
    /// When the policy was applied to the room; null: not yet.
    #[schemars(with = "Option<schema::Moment>")]
    pub opened: Option<String>,
    /// Who opened the room; null: it is not known.
    pub opener: Option<String>,
    /// Display name or nick of the opener, while they are inside and shortly after; null: it is not known.
    #[serde(default)]
    pub opener_name: Option<String>,
    /// Why the room is closed; null: it is not closed.
    pub closed: Option<String>,
}

names! {
    /// Who may enter a room.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
    #[serde(rename_all = "kebab-case")]
    pub enum RoomState {
        /// Nobody yet: the condition of `close.hold_until` is not met.
        Held = "held",
        /// Those whom the rules admit.
        Open = "open",
        /// Nobody else: the room is closed.
        Closed = "closed",
        /// Nobody else, and only moderators may speak; the room may be closed as well.
        Suspended = "suspended",
    }
}

/// An occupant of a room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OccupantLine {
    /// What others call the person.
    #[serde(flatten)]
    pub called: Called,
    /// Whose name theirs looks like: `moderator` or `occupant`, another person inside; absent: nobody's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub looks_like: Option<String>,
    /// Bare JID; null: it is not known.
    pub jid: Option<String>,
    /// `moderator`, `participant` or `visitor` (XEP-0045 §5.1).
    pub role: String,
    /// `owner`, `admin`, `member` or `none` (XEP-0045 §5.2).
    pub affiliation: String,
    /// Class of the person, such as `account` or `guest`.
    pub class: String,
    /// The breakout room, or visitors' room, that they are in (Jitsi); null: the room itself.
    pub breakout: Option<String>,
    /// When they joined; null: it is not known.
    #[schemars(with = "Option<schema::Moment>")]
    pub since: Option<String>,
}

/// A person who waits to be let in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WaitingLine {
    /// What they call themselves.
    #[serde(flatten)]
    pub called: Called,
    /// Whose name theirs looks like: `moderator` or `occupant`, a person inside; absent: nobody's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub looks_like: Option<String>,
    /// Bare JID; null: it is not known.
    pub jid: Option<String>,
    /// Class of the person, such as `account` or `guest`.
    #[serde(default)]
    pub class: String,
    /// When they began to wait; null: it is not known.
    #[schemars(with = "Option<schema::Moment>")]
    pub since: Option<String>,
}

metrics! {
    /// The metrics made of the list of rooms.
    pub struct RoomMetrics {
        /// Rooms, by who may enter
        rooms: Family<Labels<1>, Gauge> = "vestibule_rooms";
        /// Occupants of rooms, services apart: one for each nick
        occupants: Gauge = "vestibule_occupants";
        /// People inside rooms, services apart, however many sessions each has
        people: Gauge = "vestibule_people";
        /// People who wait to be let in
        waiting: Gauge = "vestibule_waiting";
        /// Rooms with people inside and no moderator
        unmoderated: Gauge = "vestibule_rooms_unmoderated";
    }
}

impl From<&[RoomLine]> for RoomMetrics {
    fn from(rooms: &[RoomLine]) -> Self {
        let metrics = Self::default();
        for state in RoomState::ALL {
            let count = rooms.iter().filter(|room| room.state == state).count();
            metrics.rooms.get_or_create(&[("state", state.name())]).set(gauged(count));
        }
        let sum = |count: fn(&RoomLine) -> usize| {
            gauged(rooms.iter().map(count).fold(0, usize::saturating_add))
        };
        metrics.occupants.set(sum(|room| room.occupants));
        metrics.people.set(sum(|room| room.people));
        metrics.waiting.set(sum(|room| room.waiting));
        metrics
            .unmoderated
            .set(sum(|room| usize::from(room.occupants > 0 && room.moderators == 0)));
        metrics
    }
}
