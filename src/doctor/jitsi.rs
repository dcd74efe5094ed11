//! Checks of Jicofo and docker-jitsi-meet, by their own files.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use super::case::{Case, has_anywhere};
use super::{Check, DOTENV, Looked, Severity};
use crate::config::counted;
use crate::policy::moderators::Become;

const JICOFO: &str = "jicofo.conf";
/// Default port of Jicofo's HTTP interface.
const PORT: u16 = 8888;

/// Values of Jicofo's file; `None`: not set, so Jicofo's default applies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Jicofo {
    /// Whether the first occupant is made an owner; by default yes.
    pub auto_owner: Option<bool>,
    /// Whether conferences can be requested over HTTP; by default yes.
    pub conference_request: Option<bool>,
}

/// Variables of docker-jitsi-meet that are checked, in addition to that of the secret.
const VARIABLES: [&str; 14] = [
    IMAGE,
    "XMPP_MUC_MODULES",
    "XMPP_LOBBY_MUC_MODULES",
    "XMPP_BREAKOUT_MUC_MODULES",
    "XMPP_MODULES",
    "PROSODY_TRUSTED_PROXIES",
    "ENABLE_AUTO_OWNER",
    "ENABLE_LOBBY",
    "ENABLE_S2S",
    "ENABLE_GUESTS",
    "COMPOSE_FILE",
    "WAIT_FOR_HOST",
    "MAX_PARTICIPANTS",
    "PROSODY_RESERVATION_ENABLED",
];
/// Variable for the tag of the images.
pub(super) const IMAGE: &str = "JITSI_IMAGE_VERSION";
const SECRET: &str = "VESTIBULE_COMPONENT_SECRET";

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
        looks_at: "Conference requests over HTTP, past the server (doctor.jicofo_config, ports of this machine)",
        why: "the person who asks there is not known: a refusal reaches nobody, and they wait for ever",
        source: "docs/jitsi.md, Close the other door",
        look: conference_request,
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
    /// Parses the checked values of Jicofo's file (HOCON): keys as paths or in nested braces, with `=` or `:`. A value
    /// other than true and false, such as a variable, counts as not set.
    pub fn read(text: &str) -> Self {
        let mut found = Self::default();
        let mut path: Vec<String> = Vec::new();
        for line in text.lines() {
            let line = line.split("//").next().unwrap_or_default();
            let line = line.split('#').next().unwrap_or_default();
            let spread = line.replace('{', " { ").replace('}', " } ").replace([',', ';'], " ");
            let words: Vec<&str> = spread
                .split(|c: char| c.is_whitespace() || c == '=' || c == ':')
                .filter(|word| !word.is_empty())
                .collect();
            let mut key = "";
            for word in words {
                match word {
                    "{" => path.push(key.trim_matches('"').to_owned()),
                    "}" => {
                        path.pop();
                    }
                    "true" | "false" | "\"true\"" | "\"false\"" => {
                        let value = word.contains("true");
                        let whole = format!("{}.{}", path.join("."), key.trim_matches('"'));
                        if whole.ends_with(".enable-auto-owner") {
                            found.auto_owner = Some(value);
                        } else if whole.ends_with(".conference-request.enabled") {
                            found.conference_request = Some(value);
                        }
                    }
                    word => key = word,
                }
            }
        }
        found
    }
}

/// Parses the checked variables of an `.env`. Instead of the secret it returns `good`, or `bad` if it is too short.
pub fn dotenv(text: &str) -> BTreeMap<String, String> {
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    lines
        .filter_map(|line| line.strip_prefix("export ").unwrap_or(line).split_once('='))
        .filter_map(|(name, value)| {
            let value = value.trim().trim_matches(['"', '\'']);
            if name == SECRET {
                let is_good = value.chars().count() >= 16;
                return Some((name.to_owned(), if is_good { "good" } else { "bad" }.to_owned()));
            }
            VARIABLES.contains(&name).then(|| (name.to_owned(), value.to_owned()))
        })
        .collect()
}

/// Returns the tag of docker-jitsi-meet's images: of the `.env`, or the default of its `docker-compose.yml`.
pub fn image(env: &BTreeMap<String, String>, compose: &str) -> Option<String> {
    let given = env.get(IMAGE).filter(|tag| !tag.is_empty()).map(String::as_str);
    let default = || compose.split("${JITSI_IMAGE_VERSION:-").nth(1)?.split('}').next();
    given.or_else(default).map(str::to_owned)
}

fn auto_owner(case: &Case<'_>, looked: &mut Looked) {
    const LINE: &str = "jicofo { conference { enable-auto-owner = false } }";
    // Where the opener moderates anyhow, there is nothing to disagree about.
    let agrees = case.policy.base.moderators.assign.value.contains(&Become::Opener);
    if case.policy.focuses.is_empty() {
        return;
    }
    let by_file = match &case.machine.jicofo {
        Some(Ok(jicofo)) => Some(jicofo.auto_owner),
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
            let change = if by_file.is_some() { (JICOFO, LINE) } else { by_env };
            let found = "Jicofo makes an owner of the first who comes, and moderators.assign has no \"opener\"";
            looked.find("jicofo", found, change);
        }
        Some(_) => {}
    }
}

fn is_off(value: &str) -> bool {
    matches!(value.to_ascii_lowercase().as_str(), "0" | "false" | "no" | "off")
}

fn conference_request(case: &Case<'_>, looked: &mut Looked) {
    if case.policy.focuses.is_empty() {
        return;
    }
    const CHANGE: (&str, &str) =
        (JICOFO, "jicofo { rest { conference-request { enabled = false } } }");
    match &case.machine.jicofo {
        Some(Ok(Jicofo { conference_request: Some(false), .. })) => return,
        Some(Err(reason)) => looked.unknown(format!("doctor.jicofo_config: {reason}")),
        Some(Ok(_)) => looked.find("jicofo", "its file leaves /conference-request/v1 on", CHANGE),
        None => {}
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
    if looked.findings.is_empty() {
        looked.unknown(
            "whether the web server passes /conference-request/v1 on is not seen from here: \
             `curl -X POST https://YOUR-DOMAIN/conference-request/v1` must be answered with an error by the web server",
        );
    }
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
    if !has("XMPP_MUC_MODULES", "vestibule_gate") {
        find("XMPP_MUC_MODULES", "it does not load the gate", "vestibule_gate");
    }
    if !has("XMPP_MODULES", "persistent_lobby") {
        let found = "without it nobody can wait for the first who comes";
        find("XMPP_MODULES", found, "persistent_lobby");
    }
    for name in ["XMPP_LOBBY_MUC_MODULES", "XMPP_BREAKOUT_MUC_MODULES"] {
        if has(name, "vestibule_gate") {
            find(name, "the gate does not belong there: one is enough", "");
        }
    }
    if !env.contains_key("PROSODY_TRUSTED_PROXIES") {
        let found = "all people have the address of the web container";
        find("PROSODY_TRUSTED_PROXIES", found, "127.0.0.1,::1,172.16.0.0/12");
    }
    if env.get(SECRET).is_none_or(|state| state == "bad") {
        let found = "it is missing or shorter than 16 characters";
        find(SECRET, found, "…: openssl rand -hex 32 makes one");
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
            ("# enable-auto-owner = false\njicofo { rest { enabled = false } }", None, None),
            ("enable-auto-owner = ${?X} } } }", None, None),
        ] {
            assert_eq!(Jicofo::read(text), Jicofo { auto_owner, conference_request }, "{text}");
        }
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
