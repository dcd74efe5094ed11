//! Who asks.

use serde::{Deserialize, Serialize};

/// By which way a request came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Face {
    /// The command line, over the socket.
    CommandLine,
    /// The JSON API, and the page that uses it.
    Http,
    /// Ad-hoc commands (XEP-0050).
    AdHoc,
}

impl Face {
    /// Its name, as in the audit.
    pub const fn name(self) -> &'static str {
        match self {
            Self::CommandLine => "command-line",
            Self::Http => "http",
            Self::AdHoc => "ad-hoc",
        }
    }
}

/// What somebody is trusted with. Each may do what those before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// May look.
    Viewer,
    /// Is on duty: may act on rooms and on people.
    Duty,
    /// May do everything: change the policy, end meetings in bulk.
    Operator,
}

impl Role {
    /// Every role, from the least.
    pub const ALL: [Self; 3] = [Self::Viewer, Self::Duty, Self::Operator];

    /// Its name, as in the file.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Duty => "duty",
            Self::Operator => "operator",
        }
    }
}

/// Somebody who asks something, once he has proved who he is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// How he came.
    pub face: Face,
    /// The name of the token, the bare JID, or the system's account.
    pub name: String,
    /// What he is trusted with.
    pub role: Role,
}
