//! The caller of a command, and the interface they use.

use crate::config::Role;

/// The interface by which a request came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Interface {
    /// The command line, over the socket.
    CommandLine,
    /// The JSON API, and the page that uses it.
    Http,
    /// Ad-hoc commands (XEP-0050).
    AdHoc,
}

impl Interface {
    /// Every interface.
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

/// The person or program that gives a command, authenticated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The interface.
    pub face: Interface,
    /// The name of the token, the bare JID, or the system's account.
    pub name: String,
    /// The role.
    pub role: Role,
}
