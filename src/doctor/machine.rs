//! What the component's machine is like. It is looked at elsewhere.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use super::jitsi::Jicofo;

/// Something of a file that the operator names; `None`: he names none. `Err`: it cannot be read, and why.
pub type Named<T> = Option<Result<T, String>>;

/// What the component's machine is like.
#[derive(Clone, Debug, Default)]
pub struct Machine {
    /// Files and directories that matter.
    pub files: Vec<File>,
    /// Where something listens; `None`: the system does not say.
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
    /// Where.
    pub path: PathBuf,
    /// What it is for.
    pub kind: Kind,
    /// The bits of its mode (`0o777`); `Err`: it cannot be looked at, and why.
    pub mode: Result<u32, String>,
    /// The component may be able to read it by the bits for all accounts alone, as one with an account of its own
    /// (`DynamicUser=`) reads a file of root's.
    pub needs_others: bool,
}

/// What a file is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The operator's file; with secrets in it.
    Settings {
        /// There is a secret in it.
        has_secret: bool,
    },
    /// A file that holds a secret.
    Secret,
    /// Where the component keeps its files.
    State,
    /// What the component keeps: log, database.
    Kept,
    /// The socket of the command line.
    Socket,
}
