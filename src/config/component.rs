//! `[component]` and `[log]`.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use tracing_subscriber::EnvFilter;

use super::notes::Place;
use super::outside::Outside;
use super::secrets::{self, Keys};
use super::section::Section;
use super::settings::{Component, Format, Log};
use crate::jid::BareJid;
use crate::secret::Secret;
use crate::setting::address::domain;
use crate::setting::values::{boolean, duration, some_text, text, word};
use crate::setting::{Item, Read};

/// Reads `[component]`; `None`: there is no domain to speak as, or no secret (which is noted).
pub(super) fn read(mut section: Section<'_>, outside: &Outside<'_>) -> Option<Component> {
    let variables = outside.environment;
    variables.put_into("component", &mut section);

    let mut component = Component {
        domain: BareJid::prepared("vestibule.localhost").ok()?,
        server: "127.0.0.1:5347".to_owned(),
        secret: Secret::new(""),
        allow_plaintext_network: false,
        state_dir: default_state_dir(variables.state_directory()),
        socket: default_socket(variables.runtime_directory()),
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

/// The directory that systemd made, or that it would make.
pub(super) fn default_state_dir(state_directory: Option<PathBuf>) -> PathBuf {
    state_directory.unwrap_or_else(|| "/var/lib/vestibule".into())
}

/// The socket in the directory that systemd made, or that it would make.
pub(super) fn default_socket(runtime_directory: Option<PathBuf>) -> PathBuf {
    runtime_directory.unwrap_or_else(|| "/run/vestibule".into()).join("control.sock")
}

const KEYS: Keys = Keys { inline: "secret", file: "secret_file", least: 1 };

/// What is said where there is no secret.
pub const NO_SECRET: &str = "there is no secret for the link to the server";
/// What to do about it.
pub const NO_SECRET_HINT: &str = "put the server's `component_secret` into a file of its own, and its name here: \
     `secret_file = \"…\"`";

fn secret(section: &mut Section<'_>, outside: &Outside<'_>) -> Option<Secret> {
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
    // Only running needs one, and says so: the unit hands it to the program, and to nobody who checks a file.
    Some(Secret::new(""))
}

/// Reads `[log]`.
pub(super) fn read_log(mut section: Section<'_>, outside: &Outside<'_>) -> Log {
    outside.environment.put_into("log", &mut section);
    let mut log = Log { level: "info".to_owned(), format: Format::default(), decisions: None };
    section.put("level", &mut log.level, level);
    section.put("format", &mut log.format, word(&Format::ALL, Format::name));
    section.put("decisions", &mut log.decisions, |item| {
        text(item).map(|path| (!path.is_empty()).then(|| PathBuf::from(path)))
    });
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

fn is_this_machine(server: &str) -> bool {
    let host = server.rsplit_once(':').map_or(server, |(host, _)| host);
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

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
    }
}
