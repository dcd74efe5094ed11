//! The facts of the component's machine, collected elsewhere.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use super::jitsi::Jicofo;

/// A value of a file that the operator names; `None`: the operator names none. `Err`: it cannot be read, and why.
pub type Named<T> = Option<Result<T, String>>;

/// The facts of the component's machine.
#[derive(Clone, Debug, Default)]
pub struct Machine {
    /// Files and directories that matter.
    pub files: Vec<File>,
    /// The listening sockets; `None`: the system does not report them.
    pub listening: Option<Vec<SocketAddr>>,
    /// The version of the package `prosody` that Debian's package manager has installed.
    pub package: Option<String>,
    /// Jicofo's own file.
    pub jicofo: Named<Jicofo>,
    /// The `.env` of docker-jitsi-meet; of secrets, only that they are there.
    pub docker: Named<BTreeMap<String, String>>,
}

/// A file or directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// The path.
    pub path: PathBuf,
    /// The purpose.
    pub kind: Kind,
    /// The bits of its mode (`0o777`); `Err`: it cannot be looked at, and why.
    pub mode: Result<u32, String>,
    /// The component may be able to read it by the bits for all accounts alone, as one with an account of its own
    /// (`DynamicUser=`) reads a file of root's.
    pub needs_others: bool,
}

/// The purpose of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The operator's file; with secrets in it.
    Settings {
        /// A secret.
        has_secret: bool,
    },
    /// A file that holds a secret.
    Secret,
    /// The state directory of the component.
    State,
    /// Data of the component: log, database.
    Kept,
    /// The socket of the command line.
    Socket,
}
