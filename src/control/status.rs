//! How the component is.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::component::drift::DriftTally;
use crate::component::tally::Tally;
use crate::doctor::Counts;
use crate::store::StoreState;

/// How the component is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Its version.
    pub version: String,
    /// Linked, every service's gate has greeted, and it is known what each log-in proves.
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskDown {
    /// Its name: `page`, `commands`, `audit`, `reload`, `doctor` or `PostgreSQL`; of the threads that write, `log` or
    /// `database`.
    pub task: String,
    /// Why it ended last.
    pub reason: String,
    /// Since when it has been down.
    pub since: Timestamp,
}

/// How one service is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceStatus {
    /// Its domain.
    pub domain: String,
    /// Its gate's version; `None`: no gate has greeted.
    pub gate: Option<String>,
    /// Why the gate that has greeted is refused: nobody is let in there; `None`: it is not.
    #[serde(default)]
    pub refused: Option<String>,
    /// The server's name and version.
    pub server: Option<String>,
    /// What the gate does while the component is away: `refuse` or `allow`.
    pub failure: Option<String>,
    /// Who may open rooms there, where no override says otherwise, and why; `None`: no gate has greeted.
    #[serde(default)]
    pub opening: Option<String>,
    /// The same where `access.open` is left at its default, for `show`; `None`: no gate has greeted.
    #[serde(default)]
    pub default_opening: Option<String>,
    /// The hosts that somebody could log in to, by name.
    #[serde(default)]
    pub log_ins: Vec<LogIn>,
    /// Modules beside the gate that do by themselves what the policy decides, each with what to do about it.
    #[serde(default)]
    pub neighbours: Vec<String>,
}

/// A host of the server that somebody could log in to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
