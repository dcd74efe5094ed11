//! Settings of the program: `[component]`, `[log]`, `[doctor]`, `[audit]`, `[reload]` and `[[service]]`.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

use openidconnect::url::Url;
use tracing_subscriber::EnvFilter;

use super::admin::Admin;
use super::diagnostics::Place;
use super::environment::Outside;
use super::secrets::{self, Keys};
use super::store::{Store, is_local};
use super::table_reader::TableReader;
use crate::jid::BareJid;
use crate::policy::drift::compared;
use crate::policy::opinions::suspended;
use crate::policy::room_name::{Invitations, ROOM};
use crate::policy::rules::family::family_of;
use crate::policy::rules::renamed;
use crate::secret::Secret;
use crate::setting::values::{
    account, any_path, boolean, domain, duration, duration_or_never, jid, list, optional,
    some_text, text, whole, word, words_for_domains,
};
use crate::setting::{Item, Read, kind};

/// Program settings: everything in the file that is not policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// `[component]`: the component and its link to the server.
    pub component: Component,
    /// `[log]`: format and level of the log, and the decision log.
    pub log: Log,
    /// The MUC services that the policy is for, at least one.
    pub services: Vec<Service>,
    /// `[audit]`: how live rooms are compared with the policy.
    pub audit: Audit,
    /// `[reload]`: how many occupants a reload may remove unless it is forced.
    pub reload: Limit,
    /// `[store]`: the audit database.
    pub store: Store,
    /// `[admin]`: the web page and the API.
    pub admin: Admin,
    /// `[doctor]`: checks of the server.
    pub doctor: Doctor,
}

/// `[doctor]`: when the server is checked, and what is left out of the result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Doctor {
    /// Interval of the checks; `None`: only when a gate has connected.
    pub every: Option<Duration>,
    /// Names of checks whose findings are not counted.
    pub ignore: Vec<String>,
    /// Path of Jicofo's own configuration, relative to the operator's file; `None`: where Debian's package has it.
    pub jicofo_config: Option<PathBuf>,
    /// Path of the bridge's own configuration, likewise.
    pub bridge_config: Option<PathBuf>,
    /// Path of the web app's `config.js`, likewise.
    pub web_config: Option<PathBuf>,
    /// Path of nginx's file for the site, likewise.
    pub nginx_config: Option<PathBuf>,
    /// Path of the `.env` of docker-jitsi-meet, relative to the operator's file.
    pub docker_env: Option<PathBuf>,
    /// Path of a list of advisories that is newer than the program's own, relative to the operator's file.
    pub advisories: Option<PathBuf>,
}

impl Default for Doctor {
    fn default() -> Self {
        let every = Some(Duration::from_secs(86_400));
        Self {
            every,
            ignore: Vec::new(),
            jicofo_config: None,
            bridge_config: None,
            web_config: None,
            nginx_config: None,
            docker_env: None,
            advisories: None,
        }
    }
}

/// `[audit]`: how live rooms are compared with the policy, and which differences are repaired.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audit {
    /// Interval of the comparison; `None`: only after a reload, and when the link is up again.
    pub every: Option<Duration>,
    /// The rules, or families of rules, whose differences are repaired; others are only reported.
    pub repair: Vec<String>,
}

impl Default for Audit {
    fn default() -> Self {
        let repair = ["password", "lobby", "access", "ban", "permissions", "moderators.code"]
            .map(str::to_owned);
        Self { every: Some(Duration::from_secs(60)), repair: repair.into() }
    }
}

impl Audit {
    /// Returns whether differences from this rule are repaired. Those from a suspension by an operator always are.
    pub fn repairs(&self, rule: &str) -> bool {
        rule == suspended::RULE.name
            || self.repair.iter().any(|name| name == rule || name == family_of(rule))
    }
}

/// `[reload]`: how many occupants a reload may remove unless it is forced. The larger of the two limits applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Limit as a number of occupants.
    pub max_removed: u32,
    /// Limit as a percentage of all occupants, 0 to 100.
    pub max_removed_percent: u32,
}

impl Default for Limit {
    fn default() -> Self {
        Self { max_removed: 10, max_removed_percent: 10 }
    }
}

impl Limit {
    /// Returns how many of `inside` occupants may be removed.
    pub fn of(self, inside: usize) -> usize {
        let whole = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
        whole(self.max_removed).max(inside.saturating_mul(whole(self.max_removed_percent)) / 100)
    }
}

/// `[component]`: the component and its link to the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Component {
    /// Domain of the component on the server, as a JID.
    pub domain: BareJid,
    /// Host and port of the server's component port, like `127.0.0.1:5347` or `[::1]:5347`.
    pub server: String,
    /// The secret shared with the server (XEP-0114 §3).
    pub secret: Secret,
    /// Whether the link may leave this machine, though it is not encrypted.
    pub allow_plaintext_network: bool,
    /// Directory of the component's own files.
    pub state_dir: PathBuf,
    /// Path of the control socket, for the command line.
    pub socket: PathBuf,
    /// Time within which the gate of every service has to greet after the link is up.
    pub ready_within: Duration,
}

/// `[log]`: format and level of the log, and the decision log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// A `tracing` filter, like `info` or `info,vestibule::xmpp=debug`.
    pub level: String,
    /// Format of the lines.
    pub format: Format,
    /// Path of the decision log, relative to `state_dir`; `None`: none is written.
    pub decisions: Option<PathBuf>,
}

names! {
    /// Format of the lines of the log.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub enum Format {
        /// Plain text, for people.
        #[default]
        Text = "text",
        /// One JSON object a line.
        Json = "json",
    }
}

/// `[[service]]`: a MUC service that the policy applies to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// Domain of the service, as a JID.
    pub domain: BareJid,
    /// Account of the conference focus (Jicofo), on Jitsi.
    pub focus: Option<BareJid>,
    /// Other accounts that are services: recorders, transcribers.
    pub trusted: Vec<BareJid>,
    /// Accounts by which gateways (Jigasi) join for their callers.
    pub gateways: Vec<BareJid>,
    /// What invitations to its rooms hold.
    pub invitations: Invitations,
}

/// Reads `[component]`; `None` if the secret is invalid, which is reported.
pub(super) fn read(mut section: TableReader<'_>, outside: &Outside<'_>) -> Option<Component> {
    let variables = outside.environment;
    variables.put_into("component", &mut section);

    let mut component = Component {
        domain: BareJid::prepared("vestibule.localhost").ok()?,
        server: "127.0.0.1:5347".to_owned(),
        secret: Secret::new(""),
        allow_plaintext_network: false,
        state_dir: variables.default_state_dir(),
        socket: variables.default_socket(),
        ready_within: Duration::from_secs(10),
    };
    section.put("domain", &mut component.domain, domain);
    let server = section.read("server", server);
    section.put("allow_plaintext_network", &mut component.allow_plaintext_network, boolean);
    section.put("state_dir", &mut component.state_dir, path);
    section.put("socket", &mut component.socket, path);
    section.put("ready_within", &mut component.ready_within, duration(Duration::from_secs(1)));
    if let Some((server, place)) = server {
        if !component.allow_plaintext_network && !is_this_machine(&server) {
            section.error_with(
                place,
                "server",
                format!("`{server}` is another machine: the link to it is not encrypted"),
                "use a tunnel, or set `allow_plaintext_network = true`",
            );
        }
        component.server = server;
    }
    let secret = secret(&mut section, outside);
    section.finish();
    component.secret = secret?;
    Some(component)
}

const KEYS: Keys = Keys { inline: "secret", file: "secret_file", least: 1 };

/// Error message if there is no secret for the link.
pub const NO_SECRET: &str = "there is no secret for the link to the server";
/// Suggestion that goes with [`NO_SECRET`].
pub const NO_SECRET_HINT: &str = "put the server's `component_secret` into a file of its own, and its name here: \
     `secret_file = \"…\"`";

fn secret(section: &mut TableReader<'_>, outside: &Outside<'_>) -> Option<Secret> {
    let given = secrets::read(section, KEYS, outside).ok()?.and_then(|(secret, _)| secret);
    if given.is_some() {
        return given;
    }
    if let Some(path) = outside.environment.credential("component_secret")
        && (outside.read)(&path).is_ok()
    {
        return secrets::from_file(&path, 1, outside)
            .map_err(|wrong| section.error(Place::Whole, "secret", wrong))
            .ok();
    }
    // Only `run` needs a secret, and reports a missing one: systemd passes it to the unit, but not to a check.
    Some(Secret::new(""))
}

/// Reads `[log]`.
pub(super) fn read_log(mut section: TableReader<'_>, outside: &Outside<'_>) -> Log {
    outside.environment.put_into("log", &mut section);
    let mut log = Log { level: "info".to_owned(), format: Format::default(), decisions: None };
    section.put("level", &mut log.level, level);
    section.put("format", &mut log.format, word(&Format::ALL, Format::name));
    section.put("decisions", &mut log.decisions, optional(any_path));
    section.finish();
    log
}

fn level(item: &Item<'_>) -> Read<String> {
    let level = some_text(item)?;
    // A filter takes any single word for the name of a module, and would then show nothing.
    let is_word = level.chars().all(|c| c.is_ascii_alphanumeric());
    let is_level = ["off", "error", "warn", "info", "debug", "trace"]
        .iter()
        .any(|name| level.eq_ignore_ascii_case(name));
    if EnvFilter::try_new(&level).is_err() || (is_word && !is_level) {
        let hint = "write \"error\", \"warn\", \"info\", \"debug\" or \"trace\"".to_owned();
        return item.wrong(format!("`{level}` is not a level"), Some(hint));
    }
    Ok(level)
}

fn path(item: &Item<'_>) -> Read<PathBuf> {
    some_text(item).map(PathBuf::from)
}

fn server(item: &Item<'_>) -> Read<String> {
    let server = text(item)?;
    let hint = || Some("write it like \"127.0.0.1:5347\"".to_owned());
    let Some((host, port)) = server.rsplit_once(':') else {
        return item.wrong(format!("`{server}` has no port"), hint());
    };
    let is_host = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(host) => host.parse::<std::net::Ipv6Addr>().is_ok(),
        None => {
            !host.is_empty()
                && host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'))
        }
    };
    if !is_host || !port.parse::<u16>().is_ok_and(|port| port > 0) {
        return item.wrong(format!("`{server}` is not a host and a port"), hint());
    }
    Ok(server)
}

/// Returns whether the host in `host:port` is this machine.
pub fn is_this_machine(server: &str) -> bool {
    is_local(server.rsplit_once(':').map_or(server, |(host, _)| host))
}

/// Reads `[doctor]`.
pub(super) fn read_doctor(mut section: TableReader<'_>) -> Doctor {
    let mut doctor = Doctor::default();
    section.put("every", &mut doctor.every, duration_or_never(Duration::from_secs(60)));
    section.put("ignore", &mut doctor.ignore, list(some_text));
    section.put("jicofo_config", &mut doctor.jicofo_config, optional(any_path));
    section.put("bridge_config", &mut doctor.bridge_config, optional(any_path));
    section.put("web_config", &mut doctor.web_config, optional(any_path));
    section.put("nginx_config", &mut doctor.nginx_config, optional(any_path));
    section.put("docker_env", &mut doctor.docker_env, optional(any_path));
    section.put("advisories", &mut doctor.advisories, optional(any_path));
    section.finish();
    doctor
}

/// Reads `[audit]`.
pub(super) fn read_audit(mut section: TableReader<'_>) -> Audit {
    let mut audit = Audit::default();
    section.put("every", &mut audit.every, duration_or_never(Duration::from_secs(1)));
    section.put("repair", &mut audit.repair, list(rule_or_family));
    section.finish();
    audit
}

/// Reads `[reload]`.
pub(super) fn read_reload(mut section: TableReader<'_>) -> Limit {
    let mut limit = Limit::default();
    section.put("max_removed", &mut limit.max_removed, whole(0..=1_000_000));
    section.put("max_removed_percent", &mut limit.max_removed_percent, whole(0..=100));
    section.finish();
    limit
}

fn rule_or_family(item: &Item<'_>) -> Read<String> {
    let name = some_text(item)?;
    let names = || compared().chain(compared().map(family_of));
    if names().any(|known| known == name) {
        return Ok(name);
    }
    let message = format!("`{name}` is no rule that a room could differ from");
    let now = renamed(&name).map(|now| format!("it is `{now}` now"));
    item.wrong(message, now.or_else(|| kind::did_you_mean(&name, names())))
}

/// Accounts of all services, each with its line in the file.
#[derive(Debug, Default)]
pub(super) struct Accounts {
    /// Focuses and trusted accounts.
    pub(super) services: HashMap<BareJid, u32>,
    /// Gateways.
    pub(super) gateways: HashMap<BareJid, u32>,
}

/// Reads every `[[service]]`. Also returns the accounts of all.
pub(super) fn read_services(
    sections: Vec<TableReader<'_>>,
    component: Option<&BareJid>,
) -> (Vec<Service>, Accounts) {
    let (mut services, mut accounts) = (Vec::<Service>::new(), Accounts::default());
    let mut gateways = Vec::new();
    if sections.is_empty() {
        services.extend(BareJid::prepared("conference.localhost").ok().map(without_accounts));
    }
    for mut section in sections {
        let hint = "write the MUC service's, like `domain = \"conference.example.org\"`";
        section.require("domain", hint);
        let read = section.read("domain", domain);
        let focus =
            section.read("focus", optional(account)).and_then(|(jid, place)| Some((jid?, place)));
        let trusted = section.value("trusted", list(placed_jid)).unwrap_or_default();
        section.warn("trusted", words_for_domains);
        let of_callers = section.value("gateways", list(placed_account)).unwrap_or_default();
        let invitations = Invitations {
            link: section.value("link", link).unwrap_or_default(),
            phone: section.value("phone", phone).unwrap_or_default(),
            on_jitsi: focus.is_some(),
        };
        let notes = section.notes();
        for (jid, place) in focus.iter().chain(&trusted) {
            for jid in jid.spellings() {
                accounts.services.entry(jid).or_insert_with(|| notes.line(place));
            }
        }
        for (jid, place) in &of_callers {
            for jid in jid.spellings() {
                accounts.gateways.entry(jid).or_insert_with(|| notes.line(place));
            }
        }
        let path = section.path_of("gateways");
        gateways.extend(of_callers.iter().cloned().map(|named| (named, path.clone(), notes)));
        if let Some((domain, place)) = read {
            if component == Some(&domain) {
                section.error_with(
                    place,
                    "domain",
                    format!("`{domain}` is the component's own domain"),
                    "name the MUC service that is to be guarded",
                );
            } else if services.iter().any(|service| service.domain == domain) {
                section.error(place, "domain", format!("`{domain}` is a service already"));
            }
            services.push(Service {
                domain,
                focus: focus.map(|(jid, _)| jid),
                trusted: trusted.into_iter().map(|(jid, _)| jid).collect(),
                gateways: of_callers.into_iter().map(|(jid, _)| jid).collect(),
                invitations,
            });
        }
        section.finish();
    }
    for ((jid, place), path, notes) in gateways {
        if let Some(line) = accounts.services.get(&jid) {
            let hint = format!("take it out of line {line}, by which all callers pass every door");
            notes.error(place, path, format!("`{jid}` is a service, too"), Some(hint));
        }
    }
    (services, accounts)
}

fn without_accounts(domain: BareJid) -> Service {
    let (trusted, gateways) = (Vec::new(), Vec::new());
    Service { domain, focus: None, trusted, gateways, invitations: Invitations::default() }
}

/// Fewest digits of a telephone number: emergency numbers have three.
const LEAST_DIGITS: usize = 3;

/// Returns whether a text is the address of a meeting's page: one of a web server, with a place for the room's name.
pub fn is_link(text: &str) -> bool {
    // What a reader of addresses leaves out, people would see in their invitations.
    let is_odd = |c: char| c.is_whitespace() || c.is_control() || "\"<>\\`".contains(c);
    let is_web = text.starts_with("https://") || text.starts_with("http://");
    is_web
        && text.contains(ROOM)
        && !text.contains(is_odd)
        && Url::parse(&text.replace(ROOM, "room")).is_ok_and(|url| url.has_host())
}

/// Reads the address of a meeting's page: empty, or one with a place for the room's name.
fn link(item: &Item<'_>) -> Read<String> {
    let link = text(item)?;
    if link.is_empty() || is_link(&link) {
        return Ok(link);
    }
    let hint = format!("write it like \"https://meet.example.org/{ROOM}\"");
    item.wrong(format!("`{link}` is no link to a meeting"), Some(hint))
}

/// Reads the telephone numbers of invitations: empty, or one line with a number in it.
fn phone(item: &Item<'_>) -> Read<String> {
    let phone = text(item)?;
    let digits = phone.chars().filter(char::is_ascii_digit).count();
    if phone.is_empty() || digits >= LEAST_DIGITS && !phone.contains(char::is_control) {
        return Ok(phone);
    }
    let hint = "write it on one line like \"+49 30 123456, code 77\"".to_owned();
    item.wrong(format!("`{}` is no telephone number", phone.escape_debug()), Some(hint))
}

fn placed_account(item: &Item<'_>) -> Read<(BareJid, Place)> {
    account(item).map(|jid| (jid, item.place.clone()))
}

fn placed_jid(item: &Item<'_>) -> Read<(BareJid, Place)> {
    jid(item).map(|jid| (jid, item.place.clone()))
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

    #[test]
    fn only_loopback_is_this_machine() {
        for server in ["127.0.0.1:5347", "[::1]:1", "localhost:5347", "[::ffff:127.0.0.1]:1"] {
            assert!(is_this_machine(server), "{server}");
        }
        for server in
            ["10.0.0.1:5347", "prosody:5347", "[::]:1", "0.0.0.0:1", "localhost.example.org:1"]
        {
            assert!(!is_this_machine(server), "{server}");
        }
        for host in ["localhost", "127.0.0.1", "::1", "[::1]"] {
            assert!(is_local(host), "{host}");
        }
    }
}
