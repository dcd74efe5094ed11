//! Checks of the gate and the link: a gate of the right version on every service, its hooks and options, a safe link.

use std::collections::HashSet;
use std::net::SocketAddr;

use super::case::{Case, Server, place, services};
use super::{COMPONENT, Check, Looked, PROSODY, SHELL, Severity};
use crate::component::neighbours::{HTTP_COMMANDS, NEIGHBOURS, Neighbour, among};
use crate::config::is_this_machine;
use crate::wire::server_inventory::{EVERYWHERE, Host, Hosts, ServerInventory};

/// Name of the gate among Prosody's modules.
pub const GATE: &str = "vestibule_gate";
const MODULES: &str = "modules_enabled";
pub(super) static CHECKS: &[Check] = &[
    Check {
        id: "gate-missing",
        severity: Severity::Critical,
        looks_at: "Services of the file from which no gate has connected",
        why: "without a gate the rooms of that service are under no policy at all",
        source: "docs/troubleshooting.md",
        look: missing,
    },
    Check {
        id: "service-unguarded",
        severity: Severity::Critical,
        looks_at: "MUC services that the file does not name",
        why: "a person who is refused opens the same room there; lobby and breakout services are guarded by the gate of their main_muc and need none",
        source: "docs/jitsi.md",
        look: unguarded,
    },
    Check {
        id: "visitors-unguarded",
        severity: Severity::Critical,
        looks_at: "Visitors' servers (Jitsi's second tier) without the gate's module",
        why: "a person who is refused watches the meeting there, and nobody knows of them; what visitors say reaches no meeting",
        source: "docs/jitsi.md, Visitors",
        look: visitors,
    },
    Check {
        id: "internal-service-open",
        severity: Severity::Note,
        looks_at: "Room creation on the services for bridges and recorders (internal.…)",
        why: "if people can reach it, it is a MUC service without a policy",
        source: "docker-jitsi-meet loads muc_filter_access there; the Debian package restricts nothing",
        look: internal,
    },
    Check {
        id: "gate-version",
        severity: Severity::Warning,
        looks_at: "Versions of gate and component",
        why: "gate and component come from one release: others have not been tried together",
        source: "docs/protocol.md, section 1",
        look: version,
    },
    Check {
        id: "failing-open",
        severity: Severity::Warning,
        looks_at: "Joins while the component is away",
        why: "anyone who can stop the component, or waits until it is updated, enters everywhere",
        source: "docs/protocol.md, section 1",
        look: failing_open,
    },
    Check {
        id: "grace",
        severity: Severity::Note,
        looks_at: "Waiting time of joins while the component is away or answers late",
        why: "without a grace each restart of the component refuses everybody who comes meanwhile",
        source: "prosody-snippets/prosody.cfg.lua",
        look: grace,
    },
    Check {
        id: "bootstrap",
        severity: Severity::Note,
        looks_at: "Focus of Jitsi before the component has connected for the first time",
        why: "if the server is installed again while the component is away, the focus is treated as a stranger",
        source: "prosody-snippets/jitsi.cfg.lua",
        look: bootstrap,
    },
    Check {
        id: "also",
        severity: Severity::Note,
        looks_at: "Modules whose requests the gate does not know (vestibule_also)",
        why: "the gate refuses requests that nobody has named, so what the module offers does not work there",
        source: "docs/protocol.md, section 12",
        look: also,
    },
];

/// Modules that answer requests missing in the gate's own table, with the namespaces of these requests.
const REQUESTS: &[(&str, &[&str])] = &[
    ("external_services", &["urn:xmpp:extdisco:2", "urn:xmpp:extdisco:1"]),
    ("http_file_share", &["urn:xmpp:http:upload:0"]),
    ("http_upload", &["urn:xmpp:http:upload:0", "urn:xmpp:http:upload"]),
    ("http_upload_external", &["urn:xmpp:http:upload:0", "urn:xmpp:http:upload"]),
    ("time", &["urn:xmpp:time"]),
    ("uptime", &["jabber:iq:last"]),
    ("version", &["jabber:iq:version"]),
];

fn missing(case: &Case<'_>, looked: &mut Looked) {
    case.each_server(looked, |server, looked| match (&server.hello, &server.refused) {
        (Some(_), _) => {}
        (None, Some(refusal)) => {
            let found = format!("its gate is refused, and lets nobody in: {refusal}");
            looked.find(&server.service, found, (SHELL, "make install"));
        }
        (None, None) => {
            let line = load_line(&server.service);
            looked.find(
                &server.service,
                "no gate has connected from this service",
                (&case.option_at(Some(&server.service), MODULES), line),
            );
        }
    })
}

pub(super) fn load_line(service: &str) -> String {
    format!("Component \"{service}\" \"muc\"  modules_enabled = {{ \"{GATE}\" }}")
}

/// Returns whether a service is the lobby or the breakout rooms of one whose gate guards it, too.
fn is_behind_another(hosts: &Hosts, service: &Host) -> bool {
    let names = |host| {
        ["lobby_muc", "breakout_rooms_muc"].iter().filter_map(move |name| hosts.option(host, name))
    };
    let is_guarded = |host| {
        let main = hosts.option(host, "main_muc").and_then(|main| main.text());
        hosts.all.iter().any(|it| Some(it.name.as_str()) == main && it.modules.contains(GATE))
    };
    let is_named = |host| names(host).any(|name| name.text() == Some(&service.name));
    hosts.all.iter().any(|host| is_named(host) && is_guarded(host))
}

fn is_internal(service: &Host) -> bool {
    service.name.starts_with("internal.") || service.name.starts_with("internal-muc.")
}

fn alone(hosts: &Hosts) -> impl Iterator<Item = &Host> {
    services(hosts).filter(|host| !host.modules.contains(GATE) && !is_behind_another(hosts, host))
}

fn unguarded(case: &Case<'_>, looked: &mut Looked) {
    case.each_with_hosts(looked, |_, _, hosts, looked| {
        for host in alone(hosts).filter(|host| !is_internal(host)) {
            let is_named = case.in_file.services.iter().any(|it| it.domain.as_str() == host.name);
            let (name, load) = (&host.name, load_line(&host.name));
            let line = match is_named {
                true => format!("{load}; then restart vestibule"),
                false => format!(
                    "{load}; and in component.toml: [[service]] domain = \"{name}\", then restart vestibule"
                ),
            };
            let file = place(hosts.option_at(host, MODULES));
            looked.find(name, "a MUC service without the gate", (&file, line));
        }
    })
}

fn visitors(case: &Case<'_>, looked: &mut Looked) {
    case.each_with_hosts(looked, |_, posture, _, looked| {
        for (service, _) in posture.visitors.iter().filter(|(_, is_guarded)| !is_guarded) {
            let line = format!(
                "Component \"{service}\" \"muc\"  modules_enabled = {{ …; \"vestibule_visitors\" }}, on that server"
            );
            looked.find(service, "a visitors' server without the gate's module", (PROSODY, line));
        }
    })
}

fn internal(case: &Case<'_>, looked: &mut Looked) {
    case.each_with_hosts(looked, |_, _, hosts, looked| {
        for host in alone(hosts).filter(|host| is_internal(host)) {
            let is_filtered = host.modules.contains("muc_filter_access");
            let is_restricted = hosts.is(host, "restrict_room_creation", true);
            if !is_filtered && !is_restricted {
                let name = &host.name;
                let line = format!("Component \"{name}\" \"muc\"  restrict_room_creation = true");
                let file = place(hosts.option_at(host, "restrict_room_creation"));
                looked.find(name, "anybody may open rooms there", (&file, line));
            }
        }
    })
}

fn version(case: &Case<'_>, looked: &mut Looked) {
    let ours = env!("CARGO_PKG_VERSION");
    case.each(looked, |server, posture, looked| {
        let hello = server.hello.as_ref().map(|hello| hello.gate.as_str());
        match posture.gate.as_deref().or(hello) {
            Some(theirs) if theirs == ours => {}
            Some(theirs) => looked.find(
                &server.service,
                format!("the gate is {theirs}, the component {ours}"),
                (SHELL, "systemctl restart prosody vestibule    # after installing both of one release: docs/install.md"),
            ),
            None => looked.not_told(server, "its version"),
        }
    })
}

fn failing_open(case: &Case<'_>, looked: &mut Looked) {
    case.each_server(looked, |server, looked| {
        match server.hello.as_ref().map(|hello| hello.failure.as_str()) {
            Some("refuse") => {}
            Some("allow") => looked.find(
                &server.service,
                "while the component is away, everybody gets in",
                (
                    &case.option_at(Some(&server.service), "vestibule_on_unavailable"),
                    "vestibule_on_unavailable = \"refuse\"",
                ),
            ),
            _ => looked.unknown_at(server, "no gate has told"),
        }
    })
}

fn grace(case: &Case<'_>, looked: &mut Looked) {
    case.each_service(looked, |_, hosts, host, looked| {
        for (name, why) in [
            ("vestibule_grace", "joins are refused as soon as the component is away"),
            ("vestibule_timeout", "an answer that takes a little longer refuses"),
        ] {
            let given =
                hosts.option(host, name).and_then(|value| value.text()?.parse::<f64>().ok());
            if let Some(seconds) = given.filter(|seconds| *seconds < 1.0) {
                let found = format!("{name} = {seconds}: {why}");
                let file = place(hosts.option_at(host, name));
                looked.find(&host.name, found, (&file, format!("{name} = 5")));
            }
        }
    })
}

fn bootstrap(case: &Case<'_>, looked: &mut Looked) {
    case.each_service(looked, |server, hosts, host, looked| {
        let trusted =
            hosts.option(host, "vestibule_trusted").map(|it| it.items()).unwrap_or_default();
        let focus = case.policy.focuses.get(&server.service);
        if let Some(focus) = focus
            && !trusted.iter().any(|jid| jid == focus.as_str())
        {
            let found = format!("vestibule_trusted does not name {focus}");
            let line = format!("vestibule_trusted = {{ \"{focus}\" }}");
            let file = place(hosts.option_at(host, "vestibule_trusted"));
            looked.find(&host.name, found, (&file, line));
        }
        for jid in trusted {
            if !case.policy.services.keys().any(|service| service.as_str() == jid.as_str()) {
                let found = format!("vestibule_trusted names {jid}, which the file does not");
                let line = format!(
                    "[[service]] trusted = [\"{jid}\"], or take it out of vestibule_trusted"
                );
                looked.find(&host.name, found, (COMPONENT, line));
            }
        }
    })
}

fn also(case: &Case<'_>, looked: &mut Looked) {
    case.each_service(looked, |_, hosts, host, looked| {
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
            let found = format!("requests to these modules are refused: {}", without.join(", "));
            let line = format!("vestibule_also = {{ \"{}\" }}", named.join("\", \""));
            let file = place(hosts.option_at(host, "vestibule_also"));
            looked.find(&host.name, found, (&file, line));
        }
    })
}

/// Priority of the gate's hook that requests the verdict on a join.
const VERDICT: f64 = 2.5;

/// Events of Prosody that the gate has to handle.
const EVENTS: [&str; 11] = [
    "muc-occupant-pre-join",
    "muc-room-pre-create",
    "muc-pre-set-affiliation",
    "muc-config-submitted",
    "muc-invite",
    "muc-occupant-pre-change",
    "presence/full",
    "presence/bare",
    "message/bare",
    "iq-set/bare/http://jabber.org/protocol/muc#owner:query",
    "iq-set/bare/http://jabber.org/protocol/muc#admin:query",
];

/// Modules that may handle joins after the verdict: they are known only to refuse, or to carry out what was
/// decided.
const KNOWN: [&str; 20] = [
    "muc",
    "muc_lobby_rooms",
    "muc_breakout_rooms",
    "muc_password_whitelist",
    "muc_rate_limit",
    "muc_meeting_id",
    "muc_max_occupants",
    "muc_resource_validate",
    "muc_occupant_id",
    "muc_hide_all",
    "persistent_lobby",
    "register_nick",
    "token_verification",
    "visitors",
    "visitors_component",
    "fmuc",
    "occupant_id",
    "muc_occupant_joined",
    "muc_mam",
    "conference_duration",
];

pub(super) static ORDER_CHECKS: &[Check] = &[
    Check {
        id: "gate-order",
        severity: Severity::Critical,
        looks_at: "Order of the gate's handlers",
        why: "handlers with the same priority run in any order, so now and then the other one decides first",
        source: "util.events of Prosody sorts equal priorities as they come",
        look: order,
    },
    Check {
        id: "gate-after",
        severity: Severity::Note,
        looks_at: "Unknown modules that handle a join after the gate",
        why: "they can let a person in, make a moderator or change the room after the decision",
        source: "Prosody, Developers: Hooks and events",
        look: after,
    },
    Check {
        id: "neighbours",
        severity: Severity::Warning,
        looks_at: "Modules that decide what the policy decides",
        why: "two that decide undo each other: who is let in depends on which comes first",
        source: "docs/replaces.md",
        look: |case, looked| loaded(case, looked, NEIGHBOURS),
    },
    Check {
        id: "http-commands",
        severity: Severity::Warning,
        looks_at: "Modules that act in meetings over HTTP",
        why: "the policy is not asked, and its log does not know who did it",
        source: "docs/replaces.md",
        look: |case, looked| loaded(case, looked, HTTP_COMMANDS),
    },
];

/// Calls `look` for every server whose gate reports the event handlers.
fn each_with_hooks(
    case: &Case<'_>,
    looked: &mut Looked,
    look: impl Fn(&Server, &ServerInventory, &mut Looked),
) {
    case.each(looked, |server, posture, looked| match posture.hooks.is_empty() {
        true => looked.not_told(server, "of handlers"),
        false => look(server, posture, looked),
    });
}

const UNNAMED: &str = "a module that the server does not name";

fn order(case: &Case<'_>, looked: &mut Looked) {
    each_with_hooks(case, looked, |server, posture, looked| {
        for event in EVENTS {
            let own = of(posture, event, |it| it == Some(GATE));
            if own.is_empty() {
                let found = format!("the gate does not handle `{event}`");
                let file = case.option_at(Some(&server.service), MODULES);
                looked.find(&server.service, found, (&file, load_line(&server.service)));
            }
            for (priority, module) in of(posture, event, |it| it != Some(GATE)) {
                if own.iter().any(|(mine, _)| (mine - priority).abs() < 1e-6) {
                    let module = module.unwrap_or(UNNAMED);
                    looked.find(
                        &server.service,
                        format!("{module} handles `{event}` at {priority}, as the gate does"),
                        (&module_at(posture, server, module), format!("take \"{module}\" out of modules_enabled, or give its hook another priority")),
                    );
                }
            }
        }
    });
}

/// Returns where the service has a module loaded.
fn module_at(posture: &ServerInventory, server: &Server, module: &str) -> String {
    let hosts = posture.hosts.as_ref();
    place(hosts.and_then(|hosts| hosts.module_at(hosts.named(&server.service)?, module)))
}

fn of<'a>(
    posture: &'a ServerInventory,
    event: &str,
    whose: impl Fn(Option<&str>) -> bool,
) -> Vec<(f64, Option<&'a str>)> {
    let hooks = posture.hooks.iter().filter(|hook| hook.event == event);
    let hooks = hooks.map(|hook| (hook.priority, hook.module.as_deref()));
    hooks.filter(|(_, module)| whose(*module)).collect()
}

fn after(case: &Case<'_>, looked: &mut Looked) {
    each_with_hooks(case, looked, |server, posture, looked| {
        let unknown = |module: Option<&str>| {
            module.is_none_or(|name| {
                name != GATE && !KNOWN.contains(&name) && among(NEIGHBOURS, [name]).is_empty()
            })
        };
        for (priority, module) in of(posture, "muc-occupant-pre-join", unknown) {
            if priority < VERDICT {
                let module = module.unwrap_or(UNNAMED);
                looked.find(
                    &server.service,
                    format!("{module} handles joins at {priority}, after the verdict at {VERDICT}"),
                    (&module_at(posture, server, module), format!("read what mod_{module} does; if nobody needs it, take it out of modules_enabled")),
                );
            }
        }
    });
}

/// Finds the hosts that load one of these modules.
fn loaded(case: &Case<'_>, looked: &mut Looked, listed: &[Neighbour]) {
    case.each(looked, |server, posture, looked| {
        let own = (server.service.as_str(), &posture.modules);
        let hosts = || posture.hosts.iter().flat_map(Hosts::with_everywhere);
        let all = hosts().map(|host| (host.name.as_str(), &host.modules));
        for (name, modules) in all.chain([own]) {
            for found in among(listed, modules.iter().map(String::as_str)) {
                let list = match name {
                    EVERYWHERE => "the modules_enabled above all hosts".to_owned(),
                    name => format!("modules_enabled of \"{name}\""),
                };
                let line = format!("take \"{}\" out of {list}", found.module);
                let host = hosts().find(|host| host.name == name).zip(posture.hosts.as_ref());
                let file = place(host.and_then(|(host, all)| all.module_at(host, found.module)));
                looked.find(name, format!("{} {found}", found.module), (&file, line));
            }
        }
    })
}

/// Secret in the shipped example configuration.
const PLACEHOLDER: &str = "replace with a long random secret";
/// Minimum length of the link's secret in characters.
pub(super) const SHORTEST_SECRET: usize = 16;
/// Best score of zxcvbn, "very unguessable", which the link's secret has to have.
const BEST: u8 = 4;

pub(super) static LINK_CHECKS: &[Check] = &[
    Check {
        id: "component-port",
        severity: Severity::Critical,
        looks_at: "Addresses on which the server listens for components",
        why: "who reaches the port may try secrets, and who has the secret is the policy; the link is not encrypted",
        source: "XEP-0114, security considerations; component_interfaces of Prosody",
        look: port,
    },
    Check {
        id: "component-secret",
        severity: Severity::Critical,
        looks_at: "Secret of the link",
        why: "who guesses it connects as the component and decides everything",
        source: "XEP-0114, section 3",
        look: secret,
    },
    Check {
        id: "conflict-resolve",
        severity: Severity::Note,
        looks_at: "Second connections of the component",
        why: "after a half-open connection, or for a standby, the new one is rejected until the old one has timed out",
        source: "mod_component of Prosody, component_conflict_resolve: kick_new by default",
        look: conflict,
    },
    Check {
        id: "link-network",
        severity: Severity::Warning,
        looks_at: "Unencrypted link over the network",
        why: "passwords of rooms and the answers of the policy can be read and changed on the way",
        source: "XEP-0114 has no encryption",
        look: network,
    },
];

fn port(case: &Case<'_>, looked: &mut Looked) {
    let find = |looked: &mut Looked, on: String| {
        let line = "component_interfaces = { \"127.0.0.1\" }";
        let file = case.option_at(None, "component_interfaces");
        looked.find(on, "other machines reach the component port", (&file, line));
    };
    case.each(looked, |server, posture, looked| {
        let mut ports = posture.ports.iter().filter(|port| port.service == "component").peekable();
        if ports.peek().is_none() {
            looked.not_told(server, "of ports");
        }
        for port in ports.filter(|port| port.is_open()) {
            let (on, number) = (&port.interface, port.port);
            let is_v6 = on.contains(':');
            find(looked, if is_v6 { format!("[{on}]:{number}") } else { format!("{on}:{number}") });
        }
    });
    // Where no gate reports its ports, the listening sockets of this machine may show the port.
    let number: Option<u16> =
        case.settings.component.server.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
    if let (false, Some(listening), Some(number)) =
        (looked.unknown.is_empty(), &case.machine.listening, number)
    {
        let here: Vec<&SocketAddr> = listening.iter().filter(|on| on.port() == number).collect();
        for on in here.iter().filter(|on| !on.ip().to_canonical().is_loopback()) {
            find(looked, on.to_string());
        }
        if !here.is_empty() {
            looked.unknown.clear();
        }
    }
}

/// Hexadecimal digits of a secret as `openssl rand -hex 32` draws it.
const DRAWN_DIGITS: usize = 64;
/// Fewest pairs of neighbours that differ among those of so many random digits: 56 on average, and 44 hardly ever.
const DRAWN_PAIRS: usize = 40;

/// Returns whether a secret looks drawn at random in the way that the doctor advises. Others are looked up in
/// dictionaries, which then stay in memory: five megabytes.
fn is_drawn(secret: &str) -> bool {
    let bytes = secret.as_bytes();
    let pairs: HashSet<_> = bytes.windows(2).collect();
    bytes.len() >= DRAWN_DIGITS
        && bytes.iter().all(u8::is_ascii_hexdigit)
        && pairs.len() >= DRAWN_PAIRS
}

fn secret(case: &Case<'_>, looked: &mut Looked) {
    let secret = case.settings.component.secret.expose();
    if secret.is_empty() {
        return looked.unknown("the secret is not known here: it is handed to the service");
    }
    let found = if secret == PLACEHOLDER {
        Some("it is the one of the example".to_owned())
    } else if secret.chars().count() < SHORTEST_SECRET {
        Some(format!("it has fewer than {SHORTEST_SECRET} characters"))
    } else if !is_drawn(secret)
        && u8::from(zxcvbn::zxcvbn(secret, &["vestibule", "prosody", "jitsi"]).score()) < BEST
    {
        Some("it can be guessed".to_owned())
    } else {
        None
    };
    if let Some(found) = found {
        let line =
            "component_secret = \"…\", and the same in secret_file: openssl rand -hex 32 makes one";
        let domain = case.settings.component.domain.as_str();
        let file = case.option_at(Some(domain), "component_secret");
        looked.find(domain, found, (&file, line));
    }
}

fn conflict(case: &Case<'_>, looked: &mut Looked) {
    let domain = case.settings.component.domain.as_str();
    case.each_with_hosts(looked, |_, _, hosts, looked| {
        let Some(host) = hosts.named(domain) else {
            return looked.unknown(format!("the gate does not tell of the host {domain}"));
        };
        let given = hosts.option(host, "component_conflict_resolve").and_then(|it| it.text());
        if given != Some("kick_old") {
            let given = given.unwrap_or("not set: kick_new");
            let line = format!("Component \"{domain}\"  component_conflict_resolve = \"kick_old\"");
            let file = place(hosts.option_at(host, "component_conflict_resolve"));
            looked.find(domain, format!("component_conflict_resolve is {given}"), (&file, line));
        }
    })
}

fn network(case: &Case<'_>, looked: &mut Looked) {
    let component = &case.settings.component;
    if component.allow_plaintext_network && !is_this_machine(&component.server) {
        let line =
            "[component] server = \"127.0.0.1:5347\", with a tunnel or one network namespace";
        let found = "the link goes over a network, unencrypted";
        looked.find(&component.server, found, (COMPONENT, line));
    }
}
