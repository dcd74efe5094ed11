//! Who asks.

use crate::config::Role;

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
    /// Every face.
    pub const ALL: [Self; 3] = [Self::CommandLine, Self::Http, Self::AdHoc];

    /// Its name, as in the audit.
    pub const fn name(self) -> &'static str {
        match self {
            Self::CommandLine => "command-line",
            Self::Http => "http",
            Self::AdHoc => "ad-hoc",
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
