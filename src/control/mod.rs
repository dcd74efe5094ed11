//! The socket that the command line speaks to: one JSON request a line, one JSON reply a line.
//!
//! It is a Unix socket that only the component's own account (and root) may open: whoever can, is the
//! operator.

mod client;
mod plan;
mod server;

pub use self::client::{ClientError, ask};
pub use self::plan::{Candidate, List, PersonChange, Plan, RoomChange};
pub use self::server::{Handler, SocketError, serve};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::component::drift::DriftTally;
use crate::component::tally::Tally;
use crate::config::Described;

/// What an operator asks of the running component.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Request {
    /// How it is.
    Status {},
    /// The rooms that are open.
    Rooms {},
    /// One room, and who is in it and waits.
    Room {
        /// Its bare JID.
        room: String,
    },
    /// Nobody else may enter.
    Close {
        /// The room.
        room: String,
    },
    /// People may enter again.
    Reopen {
        /// The room.
        room: String,
    },
    /// Everybody out, and the room is no more.
    End {
        /// The room.
        room: String,
        /// What those inside are told.
        reason: String,
    },
    /// Let somebody in who waits.
    Admit {
        /// The room.
        room: String,
        /// The bare JID.
        jid: String,
    },
    /// Turn somebody away who waits.
    Reject {
        /// The room.
        room: String,
        /// The bare JID.
        jid: String,
    },
    /// Remove somebody who is inside.
    Remove {
        /// The room.
        room: String,
        /// The bare JID.
        jid: String,
        /// What he is told.
        reason: String,
    },
    /// Explain an attempt at a live room.
    Explain {
        /// The attempt.
        attempt: Box<Described>,
    },
    /// What another file would do.
    Plan {
        /// That file; `None`: the component's own, as it is now.
        candidate: Option<Box<Candidate>>,
    },
    /// Read the file again.
    Reload {
        /// Whatever it does to those who are there.
        #[serde(default)]
        force: bool,
    },
}

/// The reply.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reply {
    /// It is done; what there is to say.
    Done(Value),
    /// It is not; why.
    Failed(String),
}

/// How the component is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Its version.
    pub version: String,
    /// Linked, and every service's gate has greeted.
    pub ready: bool,
    /// The link is up.
    pub linked: bool,
    /// What is wrong with the link, if it is not up.
    pub trouble: Option<String>,
    /// The policy's revision.
    pub revision: String,
    /// Decisions are only observed.
    pub observe: bool,
    /// Each service of the file, and what its gate said of itself.
    pub services: Vec<ServiceStatus>,
    /// Rooms that are open.
    pub rooms: usize,
    /// Decisions since the start.
    pub decisions: Tally,
    /// How the live rooms compare with the policy.
    #[serde(default)]
    pub drift: DriftTally,
    /// Lines of the decision log that were lost since the start.
    pub log_lines_lost: u64,
    /// Seconds since the start.
    pub uptime: u64,
}

/// How one service is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceStatus {
    /// Its domain.
    pub domain: String,
    /// Its gate's version; `None`: no gate has greeted.
    pub gate: Option<String>,
    /// The server's name and version.
    pub server: Option<String>,
    /// What the gate does while the component is away: `refuse` or `allow`.
    pub failure: Option<String>,
    /// Modules beside the gate that do by themselves what the policy decides, each with what to do about it.
    #[serde(default)]
    pub neighbours: Vec<String>,
}
