//! The gate: there is one on every service, the right one, and it does what is expected of it.

use super::case::{Case, services};
use super::{COMPONENT, Check, Looked, PROSODY, SHELL, Severity};
use crate::wire::posture::{Host, Hosts};

pub(super) const GATE: &str = "vestibule_gate";
pub(super) static CHECKS: &[Check] = &[
    Check {
        id: "gate-missing",
        severity: Severity::Critical,
        looks_at: "whether a gate has greeted from each [[service]] of the file",
        why: "without a gate the rooms of that service are under no policy at all",
        source: "docs/troubleshooting.md",
        look: missing,
    },
    Check {
        id: "service-unguarded",
        severity: Severity::Critical,
        looks_at: "whether the server has MUC services that the file does not name",
        why: "a person who is refused opens the same room there; lobby and breakout services go through the guarded one and need none",
        source: "docs/jitsi.md",
        look: unguarded,
    },
    Check {
        id: "internal-service-open",
        severity: Severity::Note,
        looks_at: "who may open rooms on the services for bridges and recorders (internal.…)",
        why: "if people can reach it, it is a MUC service without a policy",
        source: "docker-jitsi-meet loads muc_filter_access there; the Debian package restricts nothing",
        look: internal,
    },
    Check {
        id: "gate-version",
        severity: Severity::Warning,
        looks_at: "the versions of gate and component",
        why: "gate and component come from one release: others have not been tried together",
        source: "docs/protocol.md, section 1",
        look: version,
    },
    Check {
        id: "failing-open",
        severity: Severity::Warning,
        looks_at: "what the gate does while the component is away",
        why: "anyone who can stop the component, or waits until it is updated, enters everywhere",
        source: "docs/protocol.md, section 1",
        look: failing_open,
    },
    Check {
        id: "grace",
        severity: Severity::Note,
        looks_at: "how long a join waits while the component is away, and how long for an answer",
        why: "without a grace each restart of the component refuses everybody who comes meanwhile",
        source: "prosody-snippets/prosody.cfg.lua",
        look: grace,
    },
    Check {
        id: "bootstrap",
        severity: Severity::Note,
        looks_at: "whether the gate knows the focus before the component has spoken for the first time",
        why: "if the server is installed again while the component is away, the focus is treated as a stranger",
        source: "prosody-snippets/jitsi.cfg.lua",
        look: bootstrap,
    },
    Check {
        id: "also",
        severity: Severity::Note,
        looks_at: "modules of the service whose requests the gate does not know, in addition to vestibule_also",
        why: "the gate refuses requests that nobody has named, so what the module offers does not work there",
        source: "docs/protocol.md, section 12",
        look: also,
    },
];

/// Modules that answer requests which the gate's own table does not have, and the namespaces of these.
const REQUESTS: &[(&str, &[&str])] = &[
    ("external_services", &["urn:xmpp:extdisco:2", "urn:xmpp:extdisco:1"]),
    ("http_file_share", &["urn:xmpp:http:upload:0"]),
    ("http_upload", &["urn:xmpp:http:upload:0", "urn:xmpp:http:upload"]),
    ("http_upload_external", &["urn:xmpp:http:upload:0", "urn:xmpp:http:upload"]),
    ("time", &["urn:xmpp:time"]),
    ("uptime", &["jabber:iq:last"]),
    ("version", &["jabber:iq:version"]),
];

fn missing(case: &Case<'_>) -> Looked {
    let servers = match case.servers {
        Ok(servers) => servers,
        Err(reason) => return Looked::unless_known(reason),
    };
    let mut looked = Looked::default();
    for server in servers.iter().filter(|server| server.hello.is_none()) {
        match &server.refused {
            Some(refusal) => {
                let found = format!("its gate is refused, and lets nobody in: {refusal}");
                looked.find(&server.service, found, (SHELL, "make install"));
            }
            None => looked.find(
                &server.service,
                "no gate has greeted from this service",
                (PROSODY, load_line(&server.service)),
            ),
        }
    }
    looked
}

pub(super) fn load_line(service: &str) -> String {
    format!("Component \"{service}\" \"muc\"  modules_enabled = {{ \"{GATE}\" }}")
}

/// People come to these through a guarded service.
fn is_behind_another(hosts: &Hosts, service: &Host) -> bool {
    let names = |host| {
        ["lobby_muc", "breakout_rooms_muc"].iter().filter_map(move |name| hosts.option(host, name))
    };
    hosts.all.iter().any(|host| names(host).any(|name| name.text() == Some(&service.name)))
}

fn is_internal(service: &Host) -> bool {
    service.name.starts_with("internal.") || service.name.starts_with("internal-muc.")
}

fn alone(hosts: &Hosts) -> impl Iterator<Item = &Host> {
    services(hosts).filter(|host| !host.modules.contains(GATE) && !is_behind_another(hosts, host))
}

fn unguarded(case: &Case<'_>) -> Looked {
    case.each_with_hosts(|_, _, hosts, looked| {
        for host in alone(hosts).filter(|host| !is_internal(host)) {
            let is_named = case.in_file.services.iter().any(|it| it.domain.as_str() == host.name);
            let line = match is_named {
                true => format!("{}; then restart vestibule", load_line(&host.name)),
                false => format!(
                    "{}; and in component.toml: [[service]] domain = \"{}\", then restart vestibule",
                    load_line(&host.name),
                    host.name
                ),
            };
            looked.find(&host.name, "a MUC service without the gate", (PROSODY, line));
        }
    })
}

fn internal(case: &Case<'_>) -> Looked {
    case.each_with_hosts(|_, _, hosts, looked| {
        for host in alone(hosts).filter(|host| is_internal(host)) {
            let is_filtered = host.modules.contains("muc_filter_access");
            let is_restricted =
                hosts.option(host, "restrict_room_creation").is_some_and(|it| it.is(true));
            if !is_filtered && !is_restricted {
                looked.find(
                    &host.name,
                    "anybody may open rooms there",
                    (
                        PROSODY,
                        format!(
                            "Component \"{}\" \"muc\"  restrict_room_creation = true",
                            host.name
                        ),
                    ),
                );
            }
        }
    })
}

fn version(case: &Case<'_>) -> Looked {
    let ours = env!("CARGO_PKG_VERSION");
    case.each(|server, posture, looked| {
        let hello = server.hello.as_ref().map(|hello| hello.gate.as_str());
        match posture.gate.as_deref().or(hello) {
            Some(theirs) if theirs == ours => {}
            Some(theirs) => looked.find(
                &server.service,
                format!("the gate is {theirs}, the component {ours}"),
                (SHELL, "cp -r prosody-snippets/mod_vestibule_gate FOLDER-OF-PLUGINS/ && systemctl restart prosody"),
            ),
            None => looked.unknown(format!("{}: the gate does not tell its version", server.service)),
        }
    })
}

fn failing_open(case: &Case<'_>) -> Looked {
    let servers = match case.servers {
        Ok(servers) => servers,
        Err(reason) => return Looked::unless_known(reason),
    };
    let mut looked = Looked::default();
    for server in servers {
        match server.hello.as_ref().map(|hello| hello.failure.as_str()) {
            Some("refuse") => {}
            Some("allow") => looked.find(
                &server.service,
                "while the component is away, everybody gets in",
                (PROSODY, "vestibule_on_unavailable = \"refuse\""),
            ),
            _ => looked.unknown(format!("{}: no gate has told", server.service)),
        }
    }
    looked
}

fn grace(case: &Case<'_>) -> Looked {
    case.each_service(|_, hosts, host, looked| {
        for (name, why) in [
            ("vestibule_grace", "joins are refused as soon as the component is away"),
            ("vestibule_timeout", "an answer that takes a little longer refuses"),
        ] {
            let given =
                hosts.option(host, name).and_then(|value| value.text()?.parse::<f64>().ok());
            if let Some(seconds) = given.filter(|seconds| *seconds < 1.0) {
                looked.find(
                    &host.name,
                    format!("{name} = {seconds}: {why}"),
                    (PROSODY, format!("{name} = 5")),
                );
            }
        }
    })
}

fn bootstrap(case: &Case<'_>) -> Looked {
    case.each_service(|server, hosts, host, looked| {
        let trusted =
            hosts.option(host, "vestibule_trusted").map(|it| it.items()).unwrap_or_default();
        let focus = case.policy.focuses.get(&server.service);
        if let Some(focus) = focus
            && !trusted.iter().any(|jid| jid == focus.as_str())
        {
            looked.find(
                &host.name,
                format!("vestibule_trusted does not name {focus}"),
                (PROSODY, format!("vestibule_trusted = {{ \"{focus}\" }}")),
            );
        }
        for jid in trusted {
            let is_known =
                case.policy.services.keys().any(|service| service.as_str() == jid.as_str());
            if !is_known {
                looked.find(
                    &host.name,
                    format!("vestibule_trusted names {jid}, which the file does not"),
                    (
                        COMPONENT,
                        format!(
                            "[[service]] trusted = [\"{jid}\"], or take it out of vestibule_trusted"
                        ),
                    ),
                );
            }
        }
    })
}

fn also(case: &Case<'_>) -> Looked {
    case.each_service(|_, hosts, host, looked| {
        let mut named =
            hosts.option(host, "vestibule_also").map(|it| it.items().to_vec()).unwrap_or_default();
        let mut without = Vec::new();
        for (module, namespaces) in REQUESTS {
            let missing = namespaces.iter().filter(|it| !named.iter().any(|name| name == **it));
            let missing: Vec<String> = missing.map(|it| (*it).to_owned()).collect();
            if host.modules.contains(*module) && !missing.is_empty() {
                without.push(format!("{module} ({})", missing.join(", ")));
                named.extend(missing);
            }
        }
        if !without.is_empty() {
            looked.find(
                &host.name,
                format!("requests to these modules are refused: {}", without.join(", ")),
                (PROSODY, format!("vestibule_also = {{ \"{}\" }}", named.join("\", \""))),
            );
        }
    })
}
