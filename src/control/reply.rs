//! Replies of the commands that only look: the status, the plan, the rooms; and the metrics made of them.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::component::drift::DriftTally;
use crate::component::metrics::Tally;
use crate::config::KeyChange;
use crate::doctor::Counts;
use crate::metrics::{Counter, Family, Gauge, Info, Labels, gauged, metrics};
use crate::schema;
use crate::store::StoreState;

/// How the component is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Status {
    /// Its version.
    pub version: String,
    /// Linked, every service's gate has greeted and its rooms were read, and it is known what each log-in proves.
    pub ready: bool,
    /// The link is up.
    pub linked: bool,
    /// What is wrong with the link, or an address of the file that the server prepares otherwise.
    pub trouble: Option<String>,
    /// The policy's revision.
    pub revision: String,
    /// What there is to say of the file on the disk: that it is wrong, or not the one in force; `None`: it is in force.
    #[serde(default)]
    pub file: Option<String>,
    /// Decisions are only observed.
    pub observe: bool,
    /// Each service of the file, and what its gate said of itself.
    pub services: Vec<ServiceStatus>,
    /// What to write into the file of authentication providers of which nothing is known.
    #[serde(default)]
    pub unlisted: Vec<String>,
    /// Rooms that are open.
    pub rooms: usize,
    /// Decisions since the start.
    pub decisions: Tally,
    /// How the live rooms compare with the policy.
    #[serde(default)]
    pub drift: DriftTally,
    /// Lines of the decision log that were lost since the start.
    pub log_lines_lost: u64,
    /// The audit database; `None`: there is none.
    #[serde(default)]
    pub store: Option<StoreState>,
    /// What the doctor found last; `None`: nobody has looked yet.
    #[serde(default)]
    pub doctor: Option<Counts>,
    /// What is not needed for deciding, and is down.
    #[serde(default)]
    pub down: Vec<TaskDown>,
    /// Seconds since the start.
    pub uptime: u64,
}

/// A task that is not needed for deciding, and is started again until it stays up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TaskDown {
    /// Its name: `page`, `commands`, `audit`, `reload`, `doctor` or `PostgreSQL`; of the threads that write, `log` or
    /// `database`.
    pub task: String,
    /// Why it ended last.
    pub reason: String,
    /// Since when it has been down.
    #[schemars(with = "schema::Moment")]
    pub since: Timestamp,
}

/// How one service is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ServiceStatus {
    /// Its domain.
    pub domain: String,
    /// Its gate's version; `None`: no gate has greeted.
    pub gate: Option<String>,
    /// Why the gate that has greeted is refused: nobody is let in there; `None`: it is not.
    #[serde(default)]
    pub refused: Option<String>,
    /// The gate has greeted, and its rooms were not read since: who is there is not known for certain.
    #[serde(default)]
    pub unread: bool,
    /// The server's name and version.
    pub server: Option<String>,
    /// What the gate does while the component is away: `refuse` or `allow`.
    pub failure: Option<String>,
    /// Who may open rooms there, where no override says otherwise, and why; `None`: no gate has greeted.
    #[serde(default)]
    pub opening: Option<String>,
    /// The same where `access.create` is left at its default, for `show`; `None`: no gate has greeted.
    #[serde(default)]
    pub default_opening: Option<String>,
    /// The hosts that a person could log in to, by name.
    #[serde(default)]
    pub log_ins: Vec<LogIn>,
    /// Other modules of the server that do by themselves what the policy decides, each with what to do about it.
    #[serde(default)]
    pub neighbours: Vec<String>,
}

/// A host of the server that a person could log in to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LogIn {
    /// Its name.
    pub host: String,
    /// Its authentication provider.
    pub provider: String,
    /// What a log-in with it proves: `account`, `token` or `guest`; `None`: neither the file nor the table names it.
    pub proves: Option<String>,
    /// The line of the file that says so; 0: none does.
    pub line: u32,
    /// It counts as a host that people log in to.
    pub people: bool,
}

metrics! {
    /// What a [`Status`] shows, as metrics.
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

/// Most entries of a list that are told one by one.
const MOST: usize = 1000;

/// What another file would do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Plan {
    /// The revision in force.
    pub running: String,
    /// The revision of the other file.
    pub revision: String,
    /// What may not be meant in the other file.
    pub warnings: Vec<String>,
    /// Keys that the files give differently, secrets not shown.
    pub keys: Vec<KeyChange>,
    /// Rooms that are there; `None`: there is no link to the server, and only the keys were compared.
    pub rooms: Option<usize>,
    /// Rooms that the server has stored.
    #[serde(default)]
    pub stored: usize,
    /// Of these, rooms that were there before the policy and stay as they are.
    #[serde(default)]
    pub kept: usize,
    /// People inside, services apart: each once for each room.
    pub inside: usize,
    /// Authentication providers of which the other file says something else than the one in force, or nothing.
    #[serde(default)]
    pub providers: Vec<ProviderChange>,
    /// What would differ in rooms, and does not now.
    pub changes: List<RoomChange>,
    /// Who would be removed.
    pub removed: List<PersonChange>,
    /// Who waits, and would be let in.
    pub let_in: List<PersonChange>,
    /// Who waits, and would be turned away.
    pub turned_away: List<PersonChange>,
    /// Most people whom a reload may remove, by the file in force.
    pub limit: usize,
    /// A reload would be refused unless it is forced.
    pub refused: bool,
}

/// Some of many.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct List<T> {
    /// How many there are.
    pub count: usize,
    /// The first of them, at most 1000.
    pub first: Vec<T>,
}

impl<T> List<T> {
    /// The list of all these.
    pub fn of(mut all: Vec<T>) -> Self {
        let count = all.len();
        all.truncate(MOST);
        Self { count, first: all }
    }
}

/// What would differ in a room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RoomChange {
    /// The room.
    pub room: String,
    /// The rule that would ask for something else.
    pub rule: String,
    /// Its line in the other file; 0: a built-in default.
    pub line: u32,
    /// Whom it is about, if it is about a person.
    pub jid: Option<String>,
    /// What is.
    pub is: String,
    /// What should be.
    pub should: String,
    /// It would be repaired, not only reported.
    pub repaired: bool,
}

/// What would become of a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PersonChange {
    /// The room.
    pub room: String,
    /// Who.
    pub jid: String,
    /// By which rule.
    pub rule: String,
    /// Its line in the other file; 0: a built-in default.
    pub line: u32,
}

/// What a log-in with an authentication provider proves, by the file in force and by another one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProviderChange {
    /// The provider.
    pub name: String,
    /// The hosts that have it.
    pub hosts: Vec<String>,
    /// What it proves now: `account`, `token` or `guest`; `None`: it is not known, and counts as `guest`.
    pub before: Option<String>,
    /// What it would prove.
    pub after: Option<String>,
    /// People inside who logged in with it: each once for each room.
    pub inside: usize,
}

/// A room in the list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RoomLine {
    /// Its address.
    pub room: String,
    /// The service that it lives on.
    pub service: String,
    /// Who may enter.
    pub state: RoomState,
    /// Occupants (XEP-0045: one for each nick), services apart. A person with two tabs is two.
    pub occupants: usize,
    /// People inside, services apart, however many sessions each has.
    #[serde(default)]
    pub people: usize,
    /// Of the occupants, moderators.
    pub moderators: usize,
    /// People who wait to be let in.
    pub waiting: usize,
    /// It has a password.
    pub password: bool,
    /// Strangers have to be let in.
    pub lobby: bool,
    /// When the policy was applied to it; `None`: it was not yet.
    #[schemars(with = "Option<schema::Moment>")]
    pub opened: Option<String>,
    /// Who opened it.
    pub opener: Option<String>,
    /// Why it is closed.
    pub closed: Option<String>,
}

/// One room, the people inside, services included, and those who wait.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RoomDetails {
    /// Its address.
    pub room: String,
    /// The service that it lives on.
    pub service: String,
    /// Who may enter.
    pub state: RoomState,
    /// Who is inside, one for each nick.
    pub occupants: Vec<OccupantLine>,
    /// People inside, services apart, however many sessions each has.
    pub people: usize,
    /// Of the occupants, moderators.
    pub moderators: usize,
    /// Who waits.
    pub waiting: Vec<WaitingLine>,
    /// It has a password.
    pub password: bool,
    /// Strangers have to be let in.
    pub lobby: bool,
    /// When the policy was applied to it; null: it was not yet.
    #[schemars(with = "Option<schema::Moment>")]
    pub opened: Option<String>,
    /// Who opened it.
    pub opener: Option<String>,
    /// Why it is closed.
    pub closed: Option<String>,
}

names! {
    /// Who may enter a room.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
    #[serde(rename_all = "kebab-case")]
    pub enum RoomState {
        /// Nobody yet: what `close.hold_until` asks for is not there.
        Held = "held",
        /// Those whom the rules admit.
        Open = "open",
        /// Nobody else.
        Closed = "closed",
        /// Nobody else, and only moderators speak; it may be closed as well.
        Suspended = "suspended",
    }
}

/// A person inside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OccupantLine {
    /// The nick.
    pub nick: String,
    /// The bare JID.
    pub jid: Option<String>,
    /// `moderator`, `participant` or `visitor` (XEP-0045 §5.1).
    pub role: String,
    /// `owner`, `admin`, `member` or `none` (XEP-0045 §5.2).
    pub affiliation: String,
    /// The class of the person.
    pub class: String,
    /// Since when, as far as is known.
    #[schemars(with = "Option<schema::Moment>")]
    pub since: Option<String>,
}

/// A person who waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WaitingLine {
    /// The nick.
    pub nick: String,
    /// The bare JID.
    pub jid: Option<String>,
    /// Since when, as far as is known.
    #[schemars(with = "Option<schema::Moment>")]
    pub since: Option<String>,
}

metrics! {
    /// What the list of rooms shows, as metrics.
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
