//! What the program needs to run; the policy is apart.

use std::path::PathBuf;
use std::time::Duration;

use super::admin::Admin;
use super::postgres::PostgresAddress;
use crate::jid::BareJid;
use crate::policy::drift::family;
use crate::policy::suspended;
use crate::secret::Secret;

/// The settings of the file that are not policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The component and its link to the server.
    pub component: Component,
    /// Logs.
    pub log: Log,
    /// The MUC services that the policy is for, at least one.
    pub services: Vec<Service>,
    /// How live rooms are compared with the policy.
    pub audit: Audit,
    /// What a reload may do without being told to.
    pub reload: Limit,
    /// The audit database.
    pub store: Store,
    /// The page and the API.
    pub admin: Admin,
    /// How the server is looked at.
    pub doctor: Doctor,
}

/// How the server is looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Doctor {
    /// How often by itself; `None`: only when a gate has greeted.
    pub every: Option<Duration>,
    /// Findings that count no more.
    pub ignore: Vec<String>,
    /// Jicofo's own file, relative to the operator's file.
    pub jicofo_config: Option<PathBuf>,
    /// The `.env` of docker-jitsi-meet, relative to the operator's file.
    pub docker_env: Option<PathBuf>,
}

impl Default for Doctor {
    fn default() -> Self {
        let every = Some(Duration::from_secs(86_400));
        Self { every, ignore: Vec::new(), jicofo_config: None, docker_env: None }
    }
}

/// How live rooms are compared with the policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audit {
    /// How often; `None`: only after a reload, and when the link is up again.
    pub every: Option<Duration>,
    /// The rules, or families of rules, whose differences are repaired; others are only reported.
    pub repair: Vec<String>,
}

impl Default for Audit {
    fn default() -> Self {
        let repair = ["password", "lobby", "access", "ban", "permissions"].map(str::to_owned);
        Self { every: Some(Duration::from_secs(60)), repair: repair.into() }
    }
}

impl Audit {
    /// Returns whether what differs from this rule is repaired. What an operator did is, in any case.
    pub fn repairs(&self, rule: &str) -> bool {
        rule == suspended::RULE.name
            || self.repair.iter().any(|name| name == rule || name == family(rule))
    }
}

/// How many of those inside a reload may remove without being told to: the larger of the two numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// A number of people.
    pub max_removed: u32,
    /// A percentage, 0 to 100.
    pub max_removed_percent: u32,
}

impl Default for Limit {
    fn default() -> Self {
        Self { max_removed: 10, max_removed_percent: 10 }
    }
}

impl Limit {
    /// Most who may be removed where so many are inside.
    pub fn of(self, inside: usize) -> usize {
        let whole = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
        whole(self.max_removed).max(inside.saturating_mul(whole(self.max_removed_percent)) / 100)
    }
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

/// The audit database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Store {
    /// The file, in `state_dir` unless absolute; `None`: there is none.
    pub file: Option<PathBuf>,
    /// Entries that are older go; `None`: none is too old.
    pub retention: Option<Duration>,
    /// If the database takes more bytes than that, the oldest entries go.
    pub max_size: u64,
    /// What becomes of network addresses.
    pub addresses: Addresses,
    /// The database that several servers have in common.
    pub postgres: Option<PostgresAddress>,
    /// The name of this server in it; `None`: the component's domain.
    pub server: Option<String>,
}

impl Default for Store {
    fn default() -> Self {
        Self {
            file: Some("vestibule.db".into()),
            retention: Some(Duration::from_secs(90 * 86_400)),
            max_size: 2 << 30,
            addresses: Addresses::default(),
            postgres: None,
            server: None,
        }
    }
}

/// What becomes of network addresses in the audit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Addresses {
    /// The network is kept: /24, or /48 of IPv6.
    #[default]
    Shorten,
    /// A keyed hash is kept: two can be told apart, and neither be found out.
    Hash,
    /// They are kept as they are.
    Whole,
    /// They are not kept.
    None,
}

impl Addresses {
    /// Every way.
    pub const ALL: [Self; 4] = [Self::Shorten, Self::Hash, Self::Whole, Self::None];

    /// The name in the file.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Shorten => "shorten",
            Self::Hash => "hash",
            Self::Whole => "whole",
            Self::None => "none",
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reload_may_remove_a_few_or_a_share_whichever_is_more() {
        let limit = Limit { max_removed: 10, max_removed_percent: 10 };
        assert_eq!(
            [0, 5, 100, 109, 110, 5000].map(|inside| limit.of(inside)),
            [10, 10, 10, 10, 11, 500]
        );
        assert_eq!(Limit { max_removed: 0, max_removed_percent: 0 }.of(5000), 0);
        assert_eq!(Limit { max_removed: 0, max_removed_percent: 100 }.of(7), 7);
    }

    #[test]
    fn a_rule_is_repaired_by_its_name_or_its_family() {
        let audit = Audit { repair: vec!["password".into(), "access.hidden".into()], every: None };
        let repaired = ["password.required", "access.hidden", "access.enter", "lobby.admission"];
        assert_eq!(repaired.map(|rule| audit.repairs(rule)), [true, true, false, false]);
    }
}
