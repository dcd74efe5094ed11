//! The link between the component and the server.

use std::net::SocketAddr;

use super::case::Case;
use super::{COMPONENT, Check, Looked, PROSODY, Severity};

/// The secret that stands in the shipped lines.
const PLACEHOLDER: &str = "replace with a long random secret";
/// Fewer characters are guessed.
const LEAST: usize = 16;
/// The score that zxcvbn calls very unguessable.
const BEST: u8 = 4;

pub(super) static CHECKS: &[Check] = &[
    Check {
        id: "component-port",
        severity: Severity::Critical,
        looks_at: "the addresses on which the server listens for components",
        why: "who reaches the port may try secrets, and who has the secret is the policy; the link is not encrypted",
        source: "XEP-0114, security considerations; component_interfaces of Prosody",
        look: port,
    },
    Check {
        id: "component-secret",
        severity: Severity::Critical,
        looks_at: "the secret of the link",
        why: "who guesses it connects as the component and decides everything",
        source: "XEP-0114, section 3",
        look: secret,
    },
    Check {
        id: "conflict-resolve",
        severity: Severity::Note,
        looks_at: "what the server does with a second connection of the component",
        why: "after a half-open connection, or for a standby, the new one is rejected until the old one has timed out",
        source: "mod_component of Prosody, component_conflict_resolve: kick_new by default",
        look: conflict,
    },
    Check {
        id: "link-network",
        severity: Severity::Warning,
        looks_at: "whether the link leaves this machine",
        why: "passwords of rooms and the answers of the policy can be read and changed on the way",
        source: "XEP-0114 has no encryption",
        look: network,
    },
];

fn port(case: &Case<'_>) -> Looked {
    let mut looked = case.each(|server, posture, looked| {
        let ports: Vec<_> =
            posture.ports.iter().filter(|port| port.service == "component").collect();
        if ports.is_empty() {
            looked.unknown(format!("{}: the gate does not tell of ports", server.service));
        }
        for port in ports.into_iter().filter(|port| port.is_open()) {
            let on = if port.interface.contains(':') {
                format!("[{}]:{}", port.interface, port.port)
            } else {
                format!("{}:{}", port.interface, port.port)
            };
            looked.find(
                &on,
                "other machines reach the component port",
                (PROSODY, "component_interfaces = { \"127.0.0.1\" }"),
            );
        }
    });
    // Where no gate tells, this machine may.
    let number: Option<u16> =
        case.settings.component.server.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
    if let (false, Some(listening), Some(number)) =
        (looked.unknown.is_empty(), &case.machine.listening, number)
    {
        let here: Vec<&SocketAddr> = listening.iter().filter(|on| on.port() == number).collect();
        for on in here.iter().filter(|on| !on.ip().to_canonical().is_loopback()) {
            looked.find(
                on.to_string(),
                "other machines reach the component port",
                (PROSODY, "component_interfaces = { \"127.0.0.1\" }"),
            );
        }
        if !here.is_empty() {
            looked.unknown.clear();
        }
    }
    looked
}

fn secret(case: &Case<'_>) -> Looked {
    let secret = case.settings.component.secret.expose();
    if secret.is_empty() {
        return Looked::unless_known("the secret is not known here: it is handed to the service");
    }
    let mut looked = Looked::default();
    let found = if secret == PLACEHOLDER {
        Some("it is the one of the example")
    } else if secret.chars().count() < LEAST {
        Some("it has fewer than 16 characters")
    } else if u8::from(zxcvbn::zxcvbn(secret, &["vestibule", "prosody", "jitsi"]).score()) < BEST {
        Some("it can be guessed")
    } else {
        None
    };
    if let Some(found) = found {
        let line =
            "component_secret = \"…\", and the same in secret_file: openssl rand -hex 32 makes one";
        looked.find(case.settings.component.domain.as_str(), found, (PROSODY, line));
    }
    looked
}

fn conflict(case: &Case<'_>) -> Looked {
    let domain = case.settings.component.domain.as_str();
    case.each_with_hosts(|_, _, hosts, looked| {
        let Some(host) = hosts.named(domain) else {
            looked.unknown(format!("the gate does not tell of the host {domain}"));
            return;
        };
        let given = hosts.option(host, "component_conflict_resolve").and_then(|it| it.text());
        if given != Some("kick_old") {
            looked.find(
                domain,
                format!("component_conflict_resolve is {}", given.unwrap_or("not set: kick_new")),
                (
                    PROSODY,
                    format!("Component \"{domain}\"  component_conflict_resolve = \"kick_old\""),
                ),
            );
        }
    })
}

fn network(case: &Case<'_>) -> Looked {
    let component = &case.settings.component;
    let mut looked = Looked::default();
    let host = component.server.rsplit_once(':').map_or("", |(host, _)| host);
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let is_here = host.eq_ignore_ascii_case("localhost")
        || host.parse::<std::net::IpAddr>().is_ok_and(|it| it.to_canonical().is_loopback());
    if component.allow_plaintext_network && !is_here {
        looked.find(
            &component.server,
            "the link goes over a network, unencrypted",
            (
                COMPONENT,
                "[component] server = \"127.0.0.1:5347\", with a tunnel or one network namespace",
            ),
        );
    }
    looked
}
