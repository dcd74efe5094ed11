//! What the program needs to run; the policy is apart.

use std::path::PathBuf;
use std::time::Duration;

use jid::BareJid;

use crate::secret::Secret;

/// What the file says beside the policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The component and its link to the server.
    pub component: Component,
    /// Logs.
    pub log: Log,
    /// The MUC services that the policy is for, at least one.
    pub services: Vec<Service>,
}

/// The component and its link to the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Component {
    /// The domain that the server knows it by, as a JID.
    pub domain: BareJid,
    /// Host and port of the server's component port, like `127.0.0.1:5347` or `[::1]:5347`.
    pub server: String,
    /// The secret shared with the server (XEP-0114 §3).
    pub secret: Secret,
    /// The link may leave this machine, though nothing encrypts it.
    pub allow_plaintext_network: bool,
    /// Where files are kept.
    pub state_dir: PathBuf,
    /// The socket for the command line.
    pub socket: PathBuf,
    /// Every service's gate must have said hello so soon after the link is up.
    pub ready_within: Duration,
}

/// Logs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// A `tracing` filter, like `info` or `info,vestibule::xmpp=debug`.
    pub level: String,
    /// How lines look.
    pub format: Format,
    /// The file of decisions, in `state_dir` unless absolute; `None`: none is written.
    pub decisions: Option<PathBuf>,
}

/// How the lines of the log look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

impl Format {
    /// Every format.
    pub const ALL: [Self; 2] = [Self::Text, Self::Json];

    /// The name in the file.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Json => "json",
        }
    }
}

/// A MUC service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// Its domain, as a JID.
    pub domain: BareJid,
    /// The account of the conference focus, on Jitsi.
    pub focus: Option<BareJid>,
    /// Other accounts that are services: recorders, transcribers, gateways.
    pub trusted: Vec<BareJid>,
}
