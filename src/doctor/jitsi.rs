//! Checks of Jicofo and docker-jitsi-meet, by their own files.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use super::case::{Case, has_anywhere, place};
use super::gate::{GATE, SHORTEST_SECRET};
use super::readers::{Hocon, Location, Values, Variable, config_js, hocon, properties, variables};
use super::{Check, DOTENV, Looked, Severity};
use crate::config::{counted, is_local};
use crate::policy::lobby::Admission;
use crate::policy::moderators::Become;
use crate::policy::permissions::{E2ee, Permissions, Permitted};

const JICOFO: &str = "jicofo.conf";
const BRIDGE: &str = "jvb.conf";
/// The file that both had before, and still read.
pub const OLDER: &str = "sip-communicator.properties";
const WEB: &str = "config.js";
const NGINX: &str = "nginx";
/// Default port of Jicofo's HTTP interface.
const PORT: u16 = 8888;

/// Values of Jicofo's file; `None`: not set, so Jicofo's default applies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Jicofo {
    /// Whether the first occupant is made an owner; by default yes.
    pub auto_owner: Option<bool>,
    /// Whether conferences can be requested over HTTP; by default yes.
    pub conference_request: Option<bool>,
    /// Whether `auto_owner` is set in the older file, which counts more.
    pub is_older: bool,
    /// Files that count, too, and are not read.
    pub unread: Vec<String>,
}

/// Variables of docker-jitsi-meet that are checked, in addition to that of the secret.
const VARIABLES: [&str; 11] = [
    IMAGE,
    "XMPP_MUC_MODULES",
    "XMPP_LOBBY_MUC_MODULES",
    "XMPP_BREAKOUT_MUC_MODULES",
    "XMPP_MODULES",
    "PROSODY_TRUSTED_PROXIES",
    "ENABLE_AUTO_OWNER",
    "COMPOSE_FILE",
    "WAIT_FOR_HOST",
    "MAX_PARTICIPANTS",
    "PROSODY_RESERVATION_ENABLED",
];
/// Variable for the tag of the images.
pub(super) const IMAGE: &str = "JITSI_IMAGE_VERSION";
/// Variable of the link's secret.
pub const SECRET: &str = "VESTIBULE_COMPONENT_SECRET";

pub(super) static CHECKS: &[Check] = &[
    Check {
        id: "auto-owner",
        severity: Severity::Note,
        looks_at: "Moderators made by Jicofo (doctor.jicofo_config, doctor.docker_env)",
        why: "where the policy does not agree, the gate refuses it each time, and Jicofo believes that there is a moderator",
        source: "reference.conf of Jicofo: jicofo.conference.enable-auto-owner = true",
        look: auto_owner,
    },
    Check {
        id: "conference-request",
        severity: Severity::Warning,
        looks_at: "Conference requests over HTTP, past the server (doctor.jicofo_config, doctor.nginx_config, ports of this machine)",
        why: "the person who asks there is not known: a refusal reaches nobody, and they wait for ever",
        source: "docs/jitsi.md, Close the other door",
        look: conference_request,
    },
    Check {
        id: "web-server",
        severity: Severity::Warning,
        looks_at: "Addresses of people, as nginx passes them on (doctor.nginx_config)",
        why: "people without an address of their own are counted together: five wrong passwords of one are those of everybody",
        source: "docs/jitsi.md, Let the web server say who comes",
        look: web_server,
    },
    Check {
        id: "web-config",
        severity: Severity::Warning,
        looks_at: "Jitsi's web app: options that the policy contradicts (doctor.web_config)",
        why: "the web app shows people a way that is not there, or keeps them from one that is",
        source: "config.js of Jitsi Meet",
        look: web_app,
    },
    Check {
        id: "bridge-http",
        severity: Severity::Warning,
        looks_at: "HTTP interface of the bridge (doctor.bridge_config)",
        why: "anyone who reaches it makes meetings, or stops them, past the server and the policy",
        source: "reference.conf of jitsi-videobridge: apis.rest, rest.shutdown, http-servers.private",
        look: bridge,
    },
    Check {
        id: "default-permissions",
        severity: Severity::Note,
        looks_at: "Buttons of moderators (jitsi_default_permissions), compared with [policy.permissions]",
        why: "moderators may do it by the policy, and have no button for it",
        source: "mod_jitsi_permissions of Jitsi",
        look: default_permissions,
    },
    Check {
        id: "docker-env",
        severity: Severity::Warning,
        looks_at: "Variables of docker-jitsi-meet (doctor.docker_env)",
        why: "the next `docker compose up` makes the server by them",
        source: "prosody-snippets/docker-jitsi-meet/README.md",
        look: docker,
    },
];

impl Jicofo {
    /// Parses the checked values of Jicofo's file (HOCON), and of the older one next to it (properties). A value other than
    /// true and false, such as a variable, counts as not set.
    ///
    /// # Errors
    /// Fails for a text with more than the checks need to read.
    pub fn read(text: &str, older: &str) -> Result<Self, String> {
        let Hocon { values, includes } = hocon(text)?;
        let older = properties(older)?;
        let rest: Option<bool> = is(&values, "jicofo.rest.enabled").filter(|is_on| !is_on);
        let disabled = is(&older, "org.jitsi.jicofo.DISABLE_AUTO_OWNER");
        let new = is(&values, "jicofo.conference.enable-auto-owner");
        Ok(Self {
            auto_owner: disabled.map(|is_off| !is_off).or(new),
            conference_request: rest
                .or_else(|| is(&values, "jicofo.rest.conference-request.enabled")),
            is_older: disabled.is_some(),
            unread: includes,
        })
    }
}

/// Returns a truth value of a file.
fn is(values: &Values, path: &str) -> Option<bool> {
    values.get(path).and_then(|value| value.to_ascii_lowercase().parse().ok())
}

/// Values of the bridge's file; `None`: not set, so the bridge's default applies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bridge {
    /// Whether meetings can be made over HTTP (`/colibri`); by default no.
    pub rest: Option<bool>,
    /// Whether the bridge can be stopped over HTTP; by default no.
    pub shutdown: Option<bool>,
    /// Address of the HTTP interface; by default 127.0.0.1.
    pub host: Option<String>,
    /// Whether `host` is set in the older file, which counts more.
    pub is_older: bool,
    /// Files that count, too, and are not read.
    pub unread: Vec<String>,
}

impl Bridge {
    /// Parses the checked values of the bridge's file (HOCON), and of the older one next to it (properties).
    ///
    /// # Errors
    /// Fails for a text with more than the checks need to read.
    pub fn read(text: &str, older: &str) -> Result<Self, String> {
        let Hocon { values, includes } = hocon(text)?;
        let older = properties(older)?;
        let host = older.get("org.jitsi.videobridge.rest.private.jetty.host").cloned();
        let is_off = is(&older, "org.jitsi.videobridge.ENABLE_REST_COLIBRI") == Some(false);
        Ok(Self {
            rest: is(&values, "videobridge.apis.rest.enabled").map(|is_on| is_on && !is_off),
            shutdown: is(&older, "org.jitsi.videobridge.ENABLE_REST_SHUTDOWN")
                .or_else(|| is(&values, "videobridge.rest.shutdown.enabled")),
            is_older: host.is_some(),
            host: host.or_else(|| values.get("videobridge.http-servers.private.host").cloned()),
            unread: includes,
        })
    }
}

/// Values of Jitsi's `config.js`, by the path of their keys; the empty text for an expression.
///
/// # Errors
/// Fails for a text with more than the checks need to read.
pub fn web_config(text: &str) -> Result<BTreeMap<String, String>, String> {
    config_js(text)
}

/// Parses the checked variables of an `.env`. Instead of the secret it returns `good`, or `bad` if it is too short.
pub fn dotenv(text: &str) -> BTreeMap<String, String> {
    let checked = variables(text).into_iter().filter_map(|Variable { name, value, .. }| {
        if name == SECRET {
            let is_good = value.chars().count() >= SHORTEST_SECRET;
            return Some((name, if is_good { "good" } else { "bad" }));
        }
        VARIABLES.contains(&name).then_some((name, value))
    });
    checked.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// Returns the tag of docker-jitsi-meet's images: of the `.env`, or the default of its `docker-compose.yml`.
pub fn image(env: &BTreeMap<String, String>, compose: &str) -> Option<String> {
    let given = env.get(IMAGE).filter(|tag| !tag.is_empty()).map(String::as_str);
    let default = || compose.split(&format!("${{{IMAGE}:-")).nth(1)?.split('}').next();
    given.or_else(default).map(str::to_owned)
}

fn auto_owner(case: &Case<'_>, looked: &mut Looked) {
    const LINE: &str = "jicofo { conference { enable-auto-owner = false } }";
    // Where the opener moderates anyhow, there is nothing to disagree about.
    let agrees = case.policy.base.moderators.assign.value.contains(&Become::Opener);
    if case.policy.focuses.is_empty() {
        return;
    }
    let mut change = (JICOFO, LINE);
    let by_file = match &case.machine.jicofo {
        Some(Ok(jicofo)) => {
            unread(&jicofo.unread, "doctor.jicofo_config", looked);
            if jicofo.is_older {
                change = (OLDER, "org.jitsi.jicofo.DISABLE_AUTO_OWNER=true");
            }
            Some(jicofo.auto_owner)
        }
        Some(Err(reason)) => return looked.unknown(format!("doctor.jicofo_config: {reason}")),
        None => None,
    };
    let by_env = match &case.machine.docker {
        Some(Ok(env)) => Some(env.get("ENABLE_AUTO_OWNER").map(|value| !is_off(value))),
        Some(Err(reason)) => return looked.unknown(format!("doctor.docker_env: {reason}")),
        None => None,
    };
    match by_file.or(by_env) {
        None if case.elections > 0 => {
            let times = counted(case.elections, "time", "times");
            let found = format!("since the start it wanted to make an owner of a person {times}, and was refused");
            looked.find("jicofo", found, (JICOFO, LINE));
        }
        None => looked.unknown(
            "Prosody does not know it: name Jicofo's file in doctor.jicofo_config, or the .env in doctor.docker_env",
        ),
        Some(is_on) if is_on.unwrap_or(true) && !agrees => {
            let by_env = (DOTENV, "ENABLE_AUTO_OWNER=false");
            let change = if by_file.is_some() { change } else { by_env };
            let found = "Jicofo makes an owner of the first who comes, and moderators.assign has no \"opener\"";
            looked.find("jicofo", found, change);
        }
        Some(_) => {}
    }
}

/// Records which files of a program are not read.
fn unread(files: &[String], key: &str, looked: &mut Looked) {
    for file in files {
        looked.unknown(format!("{key}: {file} counts, too, and is not read"));
    }
}

fn is_off(value: &str) -> bool {
    matches!(value.to_ascii_lowercase().as_str(), "0" | "false" | "no" | "off")
}

const DOOR: &str = "/conference-request/v1";

fn conference_request(case: &Case<'_>, looked: &mut Looked) {
    if case.policy.focuses.is_empty() {
        return;
    }
    const CHANGE: (&str, &str) =
        (JICOFO, "jicofo { rest { conference-request { enabled = false } } }");
    let sites = sites(case);
    let jicofo = case.machine.jicofo.as_ref();
    let is_off =
        jicofo.is_some_and(|it| it.as_ref().is_ok_and(|it| it.conference_request == Some(false)));
    match jicofo {
        Some(Ok(Jicofo { unread: files, .. })) if is_off && files.is_empty() => return,
        // Where nginx is on this machine, it tells whether anybody gets there.
        Some(_) if sites.is_some() => {}
        Some(Err(reason)) => looked.unknown(format!("doctor.jicofo_config: {reason}")),
        Some(Ok(jicofo)) => {
            unread(&jicofo.unread, "doctor.jicofo_config", looked);
            if is_off {
                return;
            }
            looked.find("jicofo", format!("its file leaves {DOOR} on"), CHANGE);
        }
        None => {}
    }
    for (path, locations) in sites.iter().flatten() {
        match locations {
            Err(reason) => looked.unknown(format!("doctor.nginx_config: {reason}")),
            Ok(locations) => {
                if let Some(location) =
                    locations.iter().find(|it| it.path.trim_start_matches('^').starts_with(DOOR))
                {
                    let line = format!("location ~ {} {{ return 404; }}", location.path);
                    looked.find(*path, format!("it passes {DOOR} on to Jicofo"), (NGINX, line));
                }
            }
        }
    }
    match &case.machine.listening {
        Some(listening) => {
            let others = |on: &&SocketAddr| !on.ip().to_canonical().is_loopback();
            for on in listening.iter().filter(|on| on.port() == PORT).filter(others) {
                let found = "what listens there can be reached from other machines; it is Jicofo's port for HTTP";
                looked.find(on.to_string(), found, CHANGE);
            }
        }
        None => looked.unknown("the system does not say what listens on it"),
    }
    if looked.findings.is_empty() && sites.is_none() {
        looked.unknown(format!(
            "whether the web server passes {DOOR} on is not seen from here: `vestibule doctor --probe` prints what to run on \
             another machine"
        ));
    }
}

/// A file of nginx, and its locations.
type Site<'a> = (&'a str, Result<&'a [Location], &'a str>);

/// Returns the nginx files that hand requests to a server of Jitsi's, or that cannot be read; `None` if there is none.
fn sites<'a>(case: &'a Case<'_>) -> Option<Vec<Site<'a>>> {
    let sites: Vec<_> = case
        .machine
        .nginx
        .iter()
        .map(|(path, site)| (path.as_str(), site.as_deref().map_err(String::as_str)))
        .filter(|(_, site)| site.is_err() || site.is_ok_and(|it| it.iter().any(is_of_xmpp)))
        .collect();
    (!sites.is_empty()).then_some(sites)
}

/// Paths of the web server by which people reach the XMPP server.
const PATHS: [&str; 2] = ["/http-bind", "/xmpp-websocket"];

fn is_of_xmpp(location: &Location) -> bool {
    PATHS.contains(&location.path.as_str())
}

/// Separates the file of nginx from the path of the location in what a finding of `web-server` is about.
pub const LOCATION: &str = ": location ";
/// Directive by which nginx passes the address of a person on.
pub const FORWARDED: &str = "proxy_set_header X-Forwarded-For $remote_addr;";

fn web_server(case: &Case<'_>, looked: &mut Looked) {
    if case.policy.focuses.is_empty() {
        return;
    }
    let Some(sites) = sites(case) else {
        return looked
            .unknown("no nginx is on this machine, and doctor.nginx_config names no file");
    };
    for (path, locations) in sites {
        let locations = match locations {
            Ok(locations) => locations,
            Err(reason) => {
                looked.unknown(format!("doctor.nginx_config: {reason}"));
                continue;
            }
        };
        for location in locations.iter().filter(|it| is_of_xmpp(it)) {
            let about = format!("{path}{LOCATION}{}", location.path);
            match location.forwards_address {
                Some(true) => {}
                Some(false) => looked.find(
                    about,
                    "it does not pass on the addresses of people",
                    (NGINX, FORWARDED),
                ),
                None => looked.unknown(format!("{about}: a file that it includes is not read")),
            }
        }
    }
}

fn web_app(case: &Case<'_>, looked: &mut Looked) {
    if case.policy.focuses.is_empty() {
        return;
    }
    if case.machine.web.is_empty() {
        looked.unknown("no config.js is on this machine, and doctor.web_config names none");
    }
    for (path, config) in &case.machine.web {
        let config = match config {
            Ok(config) => config,
            Err(reason) => {
                looked.unknown(format!("doctor.web_config: {reason}"));
                continue;
            }
        };
        let is = |key: &str| config.get(key).is_some_and(|value| value == "true");
        if config.contains_key("conferenceRequestUrl") {
            let found =
                "its clients ask Jicofo for meetings over HTTP, where nobody knows who they are";
            looked.find(path, found, (WEB, "// conferenceRequestUrl: …"));
        }
        if is("e2ee.disabled") && case.policy.base.permissions.e2ee.value == E2ee::Require {
            let found = "encryption from end to end is switched off, and permissions.e2ee requires it: nobody gets in";
            looked.find(path, found, (WEB, "e2ee: { disabled: false }"));
        }
        let asks_for_password = matches!(
            case.policy.base.lobby.admission.value,
            Admission::PasswordOrLobby | Admission::PasswordAndLobby
        );
        if is("securityUi.disableLobbyPassword") && asks_for_password {
            let found =
                "people in the lobby cannot type the password, and lobby.admission asks for it";
            looked.find(path, found, (WEB, "securityUi: { disableLobbyPassword: false }"));
        }
        let Some(guests) = config.get("hosts.anonymousdomain").filter(|it| !it.is_empty()) else {
            continue;
        };
        let hosts: Vec<_> = case
            .servers
            .unwrap_or_default()
            .iter()
            .filter_map(|server| server.posture.as_ref().ok()?.hosts.as_ref())
            .collect();
        if hosts.is_empty() {
            let reason = case.servers.err().unwrap_or("no gate tells of the hosts of its server");
            looked.unknown(reason);
        } else if hosts.iter().all(|hosts| hosts.named(guests).is_none()) {
            let found = format!("its guests log in to {guests}, and the server has no such host");
            looked.find(path, found, (WEB, "// anonymousdomain: …"));
        }
    }
}

fn bridge(case: &Case<'_>, looked: &mut Looked) {
    let bridge = match &case.machine.bridge {
        // A server without a focus has no bridge.
        None if case.policy.focuses.is_empty() => return,
        None => {
            return looked
                .unknown("no bridge is on this machine, and doctor.bridge_config names no file");
        }
        Some(Err(reason)) => return looked.unknown(format!("doctor.bridge_config: {reason}")),
        Some(Ok(bridge)) => bridge,
    };
    unread(&bridge.unread, "doctor.bridge_config", looked);
    let host = bridge.host.as_deref().unwrap_or("127.0.0.1");
    if is_local(host) {
        return;
    }
    let found = match (bridge.rest, bridge.shutdown) {
        (Some(true), _) => "other machines reach it, and it makes meetings (/colibri)",
        (_, Some(true)) => "other machines reach it, and it stops the bridge",
        _ => "other machines reach its statistics and debug information",
    };
    let change = if bridge.is_older {
        (OLDER, "org.jitsi.videobridge.rest.private.jetty.host=127.0.0.1")
    } else {
        (BRIDGE, "videobridge { http-servers { private { host = \"127.0.0.1\" } } }")
    };
    looked.find(format!("{host}:8080"), found, change);
}

/// Buttons of Jitsi's moderators, and the rule of the policy by which they have each.
type Buttons = (&'static str, fn(&Permissions) -> bool, &'static [&'static str]);
const BUTTONS: [Buttons; 3] = [
    (
        "permissions.record",
        |it| it.record.value.moderators,
        &["recording", "livestreaming", "transcription"],
    ),
    ("permissions.dial", |it| it.dial.value.moderators, &["outbound-call"]),
    (
        "permissions.chat",
        |it| it.chat.value == Permitted::EVERYONE,
        &["send-groupchat", "create-polls"],
    ),
];

fn default_permissions(case: &Case<'_>, looked: &mut Looked) {
    const NAME: &str = "jitsi_default_permissions";
    case.each_service(looked, |server, hosts, host, looked| {
        if !case.policy.focuses.contains_key(&server.service) {
            return;
        }
        // Where it is not set, moderators have every button, and the gate takes away those that the policy reserves.
        let Some(given) = hosts.option(host, NAME) else { return };
        for (key, _, buttons) in
            BUTTONS.iter().filter(|(_, has, _)| has(&case.policy.base.permissions))
        {
            let is_on =
                |button: &&&str| given.items().iter().any(|it| *it == format!("{button}=true"));
            let missing: Vec<&str> = buttons.iter().filter(|it| !is_on(it)).copied().collect();
            if !missing.is_empty() {
                let named = missing.join(", ");
                let found = format!("moderators have no button for {named}, and {key} lets them");
                let line = format!(
                    "{NAME}: add {}",
                    missing
                        .iter()
                        .map(|it| format!("[\"{it}\"] = true"))
                        .collect::<Vec<_>>()
                        .join(", ")
                );
                let file = place(hosts.option_at(host, NAME));
                looked.find(&host.name, found, (&file, line));
            }
        }
    });
}

fn docker(case: &Case<'_>, looked: &mut Looked) {
    let env = match &case.machine.docker {
        None => return,
        Some(Err(reason)) => return looked.unknown(format!("doctor.docker_env: {reason}")),
        Some(Ok(env)) => env,
    };
    let has = |name: &str, module: &str| {
        env.get(name).is_some_and(|list| list.split(',').any(|one| one.trim() == module))
    };
    let mut find = |name: &str, found: &str, value: &str| {
        looked.find(name, found, (DOTENV, format!("{name}={value}")));
    };
    if !has("XMPP_MUC_MODULES", GATE) {
        find("XMPP_MUC_MODULES", "it does not load the gate", GATE);
    }
    if !has("XMPP_MODULES", "persistent_lobby") {
        let found = "without it nobody can wait for the first who comes";
        find("XMPP_MODULES", found, "persistent_lobby");
    }
    for name in ["XMPP_LOBBY_MUC_MODULES", "XMPP_BREAKOUT_MUC_MODULES"] {
        if has(name, GATE) {
            find(name, "the gate does not belong there: one is enough", "");
        }
    }
    if !env.contains_key("PROSODY_TRUSTED_PROXIES") {
        let found = "all people have the address of the web container";
        find("PROSODY_TRUSTED_PROXIES", found, "127.0.0.1,::1,172.16.0.0/12");
    }
    if env.get(SECRET).is_none_or(|state| state == "bad") {
        let found = format!("it is missing or shorter than {SHORTEST_SECRET} characters");
        find(SECRET, &found, "…: openssl rand -hex 32 makes one");
    }
    if env.get("WAIT_FOR_HOST").is_some_and(|value| !is_off(value) && !value.is_empty()) {
        let found = "the module lets in everybody who waits as soon as anybody with a token comes";
        let value = "0, and close.hold_until = [\"moderator\"] in component.toml";
        find("WAIT_FOR_HOST", found, value);
    }
    if env.get("MAX_PARTICIPANTS").is_some_and(|value| !value.is_empty()) {
        let found = "muc_max_occupants refuses people by that number";
        find("MAX_PARTICIPANTS", found, " (empty), and limits.occupants in component.toml");
    }
    if env
        .get("PROSODY_RESERVATION_ENABLED")
        .is_some_and(|value| !is_off(value) && !value.is_empty())
    {
        let found =
            "reservations asks another server who may open a room, and ends it by its own clock";
        let value = "0, and access.create, hours and limits.duration in component.toml";
        find("PROSODY_RESERVATION_ENABLED", found, value);
    }
    if env.get("COMPOSE_FILE").is_some_and(|files| !files.contains("vestibule.yml")) {
        let found = "a plain `docker compose up` leaves Vestibule's container out, and every join is refused";
        find("COMPOSE_FILE", found, "docker-compose.yml:vestibule.yml");
    }
    let not_seen = case.servers.is_ok_and(|servers| {
        let postures = servers.iter().filter_map(|server| server.posture.as_ref().ok());
        let mut hosts = postures.filter_map(|posture| posture.hosts.as_ref());
        hosts.any(|hosts| !has_anywhere(hosts, "persistent_lobby"))
    });
    if not_seen && has("XMPP_MODULES", "persistent_lobby") {
        let found = "the running server has not loaded it: its container is older than the file";
        looked.find("XMPP_MODULES", found, (super::SHELL, "docker compose up -d"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jicofo_s_file_is_read_in_each_of_its_shapes() {
        for (text, auto_owner, conference_request) in [
            ("jicofo {\n  conference {\n    enable-auto-owner = false\n  }\n}", Some(false), None),
            ("jicofo.conference.enable-auto-owner: true", Some(true), None),
            ("jicofo { rest { conference-request { enabled=false } } }", None, Some(false)),
            ("jicofo.rest.conference-request.enabled = \"false\"", None, Some(false)),
            ("# enable-auto-owner = false\njicofo { rest { enabled = false } }", None, Some(false)),
            ("jicofo.conference.enable-auto-owner = ${?X} } } }", None, None),
        ] {
            let expected = Jicofo { auto_owner, conference_request, ..Jicofo::default() };
            assert_eq!(Jicofo::read(text, ""), Ok(expected), "{text}");
        }
    }

    #[test]
    fn the_older_file_counts_more_and_what_is_included_is_named() {
        let text =
            "include \"/etc/jitsi/own.conf\"\njicofo { conference { enable-auto-owner = true } }";
        let older = "org.jitsi.jicofo.DISABLE_AUTO_OWNER=True\n";
        let expected = Jicofo {
            auto_owner: Some(false),
            is_older: true,
            unread: vec!["/etc/jitsi/own.conf".to_owned()],
            ..Jicofo::default()
        };
        assert_eq!(Jicofo::read(text, older), Ok(expected));
        let older = "org.jitsi.videobridge.ENABLE_REST_SHUTDOWN=true\n\
                     org.jitsi.videobridge.rest.private.jetty.host=0.0.0.0\n";
        let found =
            Bridge::read("videobridge { apis { rest { enabled = true } } }", older).unwrap();
        let host = Some("0.0.0.0".to_owned());
        let expected = Bridge {
            rest: Some(true),
            shutdown: Some(true),
            host,
            is_older: true,
            ..found.clone()
        };
        assert_eq!(found, expected);
    }

    #[test]
    fn of_an_env_no_secret_is_kept() {
        let env = dotenv(
            "# XMPP_MODULES=x\nXMPP_MODULES=\"a,b\"\nJICOFO_AUTH_PASSWORD=hush\nVESTIBULE_COMPONENT_SECRET=quite-a-long-secret\n",
        );
        let expected = [("VESTIBULE_COMPONENT_SECRET", "good"), ("XMPP_MODULES", "a,b")];
        assert_eq!(env, expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
    }
}
