//! Checks of the operator's file, of who may administer, and of the lists of the server that exempt people.

use super::case::{Case, doors, has_anywhere, has_s2s, place};
use super::exposure::is_open_to_all;
use super::{COMPONENT, Check, Looked, SHELL, Severity, checks};
use crate::config::{GUESTS_OPEN, Listen, Role, SECRET_IS_READABLE, counted};
use crate::jid::BareJid;
use crate::wire::server_inventory::{Host, Hosts, Setting};

pub(super) static CHECKS: &[Check] = &[
    Check {
        id: "policy-file",
        severity: Severity::Critical,
        looks_at: "Policy file on the disk: errors",
        why: "the component does not start again with a wrong file, and then everybody is refused",
        source: "vestibule check",
        look: broken,
    },
    Check {
        id: "policy-pending",
        severity: Severity::Note,
        looks_at: "Policy file on the disk: not in force",
        why: "the next start, or the next reload, puts another policy in force",
        source: "docs/reload.md",
        look: pending,
    },
    Check {
        id: "policy-suspicious",
        severity: Severity::Warning,
        looks_at: "Policy file: rules that nobody satisfies, that others undo, or that have no effect",
        why: "each line says what is wrong with it: the file does less than it says, or more",
        source: "vestibule check",
        look: suspicious,
    },
    Check {
        id: "ignore",
        severity: Severity::Note,
        looks_at: "Names in doctor.ignore",
        why: "a name that is none ignores nothing",
        source: "docs/doctor.md",
        look: ignored,
    },
];

fn broken(case: &Case<'_>, looked: &mut Looked) {
    if let Some(problems) = case.broken {
        let first = problems.lines().next().unwrap_or_default();
        looked.find(COMPONENT, first, (SHELL, "vestibule check"));
    }
}

fn pending(case: &Case<'_>, looked: &mut Looked) {
    let running = &case.policy.revision;
    match case.on_disk {
        Some(keys) if keys > 0 => looked.find(
            COMPONENT,
            format!(
                "{} not what is in force (revision {running})",
                counted(keys, "key of the file is", "keys of the file are")
            ),
            (SHELL, "vestibule reload --plan, then vestibule reload"),
        ),
        Some(_) => {}
        None => looked.unknown("the file on the disk is not valid"),
    }
    for key in case.settings.needs_restart(case.in_file) {
        looked.find(key, "takes a restart to be in force", (SHELL, "systemctl restart vestibule"));
    }
}

/// Warnings that another check covers with more knowledge.
const ELSEWHERE: [&str; 2] = [GUESTS_OPEN, SECRET_IS_READABLE];

fn suspicious(case: &Case<'_>, looked: &mut Looked) {
    let warnings = case.warnings.iter();
    for problem in warnings.filter(|problem| !ELSEWHERE.contains(&&*problem.message)) {
        let about = match problem.line {
            0 => problem.path.clone(),
            line => format!("line {line}, {}", problem.path),
        };
        let line = problem.suggestion.clone().unwrap_or_else(|| "see vestibule check".to_owned());
        looked.find(about, &problem.message, (COMPONENT, line));
    }
}

fn ignored(case: &Case<'_>, looked: &mut Looked) {
    for name in &case.settings.doctor.ignore {
        if !checks().any(|check| check.id == name) {
            let line = "[doctor] ignore = [ … ], with names of docs/doctor.md";
            looked.find(name, "no finding has that name", (COMPONENT, line));
        }
    }
}

pub(super) static ADMIN_CHECKS: &[Check] = &[
    Check {
        id: "admin-network",
        severity: Severity::Warning,
        looks_at: "Page and API that other machines can reach",
        why: "nothing encrypts them: a token that is read on the way gives its owner's commands",
        source: "component.toml, admin.http",
        look: network,
    },
    Check {
        id: "admin-metrics",
        severity: Severity::Note,
        looks_at: "Access to /metrics without a token",
        why: "the numbers tell when meetings are, and how many people come",
        source: "component.toml, admin.open_metrics",
        look: metrics,
    },
    Check {
        id: "admin-accounts",
        severity: Severity::Warning,
        looks_at: "Operators' accounts where anybody may register",
        why: "if such an account is deleted, anyone who registers its name has its rights",
        source: "component.toml, policy.operators and [[admin.person]]",
        look: accounts,
    },
];

fn network(case: &Case<'_>, looked: &mut Looked) {
    if let Listen::Tcp(on) = &case.settings.admin.http
        && !on.ip().to_canonical().is_loopback()
    {
        let line = "[admin] http = \"127.0.0.1:5480\", and a proxy with TLS in front";
        let found = "it listens for other machines, unencrypted";
        looked.find(on.to_string(), found, (COMPONENT, line));
    }
}

fn metrics(case: &Case<'_>, looked: &mut Looked) {
    let admin = &case.settings.admin;
    if admin.open_metrics && admin.http != Listen::Off {
        looked.find("/metrics", "it needs no token", (COMPONENT, "[admin] open_metrics = false"));
    }
}

fn accounts(case: &Case<'_>, looked: &mut Looked) {
    let operators = case.policy.operators.keys().map(|jid| (jid, Role::Operator));
    let persons = case.settings.admin.persons.iter().map(|(jid, role)| (jid, *role));
    let all: Vec<_> = operators.chain(persons).collect();
    case.each_door(looked, |_, hosts, host, looked| {
        if !is_open_to_all(hosts, host) {
            return;
        }
        for (jid, role) in all.iter().filter(|(jid, _)| jid.domain() == host.name) {
            let role = role.name();
            let found = format!("it has the role \"{role}\", and anybody may register there");
            let line = "name accounts of a host where nobody registers";
            looked.find(jid.as_str(), found, (COMPONENT, line));
        }
    })
}

pub(super) static EXEMPT_CHECKS: &[Check] = &[
    Check {
        id: "token-allowlist",
        severity: Severity::Warning,
        looks_at: "Accounts in token_verification_allowlist that the file does not name",
        why: "anyone who logs in there needs no token, so no rule about tokens applies to them",
        source: "mod_token_verification of Jitsi, verify_user",
        look: |case, looked| listed(case, looked, "token_verification_allowlist"),
    },
    Check {
        id: "access-whitelist",
        severity: Severity::Warning,
        looks_at: "Accounts in muc_access_whitelist that the file does not name",
        why: "anyone on it enters full rooms",
        source: "mod_muc_max_occupants of Jitsi",
        look: |case, looked| listed(case, looked, "muc_access_whitelist"),
    },
    Check {
        id: "password-whitelist",
        severity: Severity::Warning,
        looks_at: "Accounts in muc_password_whitelist that the file does not name",
        why: "the server puts the password of the room into their joins; it is meant for focus and recorder",
        source: "mod_muc_password_whitelist of Jitsi",
        look: |case, looked| listed(case, looked, "muc_password_whitelist"),
    },
    Check {
        id: "lobby-whitelist",
        severity: Severity::Warning,
        looks_at: "Accounts in muc_lobby_whitelist that the file does not name",
        why: "anyone who logs in there need not knock; it is meant for the recorder's host alone",
        source: "mod_muc_lobby_rooms of Jitsi",
        look: lobby,
    },
    Check {
        id: "recorder-not-listed",
        severity: Severity::Note,
        looks_at: "Recorders of the file that muc_lobby_whitelist lacks",
        why: "while the component is away, or only observes, the recorder would wait in the lobby",
        source: "mod_muc_lobby_rooms of Jitsi",
        look: recorder,
    },
    Check {
        id: "prefixes",
        severity: Severity::Note,
        looks_at: "Prefixes of recorders and transcribers (recorder_prefixes, transcriber_prefixes)",
        why: "Jitsi's modules treat an address that begins so as a recorder: it is not counted, and may stay",
        source: "util.lib of Jitsi: is_jibri, is_transcriber",
        look: prefixes,
    },
    Check {
        id: "server-admins",
        severity: Severity::Note,
        looks_at: "Admins of the services that the file does not name",
        why: "an admin of the server owns every room there where component_admins_as_room_owners is on, whatever the policy says",
        source: "mod_muc of Prosody; on by default in 0.12, off in 13",
        look: admins,
    },
];

/// Returns the accounts and hosts of a list that the file does not name as services. A host counts as named if any
/// service has an account there.
fn strangers<'a>(case: &Case<'_>, list: &'a Setting) -> impl Iterator<Item = &'a str> {
    let services: Vec<_> = case.policy.services.keys().cloned().collect();
    list.items().iter().map(String::as_str).filter(move |item| {
        !services
            .iter()
            .any(|jid| jid.as_str() == *item || (!item.contains('@') && jid.domain() == *item))
    })
}

fn report(
    case: &Case<'_>,
    (hosts, host): (&Hosts, &Host),
    name: &str,
    list: &Setting,
    looked: &mut Looked,
) {
    let file = place(hosts.option_at(host, name));
    for item in strangers(case, list) {
        let account = if item.contains('@') { item.to_owned() } else { format!("recorder@{item}") };
        looked.find(
            &host.name,
            format!("{name} names {item}, which is no service of the file"),
            (&file, format!("take \"{item}\" out of {name}; or in component.toml: [[service]] trusted = [\"{account}\"]")),
        );
    }
}

fn listed(case: &Case<'_>, looked: &mut Looked, name: &str) {
    case.each_service(looked, |_, hosts, host, looked| {
        if let Some(list) = hosts.option(host, name) {
            report(case, (hosts, host), name, list, looked);
        }
    })
}

fn lobby(case: &Case<'_>, looked: &mut Looked) {
    const NAME: &str = "muc_lobby_whitelist";
    case.each_door(looked, |_, hosts, host, looked| {
        if let Some(list) = hosts.option(host, NAME) {
            report(case, (hosts, host), NAME, list, looked);
        }
    });
}

fn recorder(case: &Case<'_>, looked: &mut Looked) {
    case.each_with_hosts(looked, |server, _, hosts, looked| {
        let own = case.settings.services.iter().find(|it| it.domain.as_str() == server.service);
        // docker-jitsi-meet has the recorder's host, and the list, only once recording is on.
        let is_there = |jid: &&BareJid| hosts.named(jid.domain()).is_some();
        let lobbies = doors(hosts).filter(|host| host.modules.contains("muc_lobby_rooms"));
        for host in lobbies {
            let list = hosts.option(host, "muc_lobby_whitelist");
            let items = list.map(Setting::items).unwrap_or_default();
            for jid in own.iter().flat_map(|service| &service.trusted).filter(is_there) {
                let (account, domain) = (jid.as_str(), jid.domain());
                if !items.iter().any(|item| item == account || item == domain) {
                    let found = format!("muc_lobby_whitelist has neither {account} nor its host");
                    let line = format!("muc_lobby_whitelist = {{ \"{domain}\" }}");
                    let file = place(hosts.option_at(host, "muc_lobby_whitelist"));
                    looked.find(&host.name, found, (&file, line));
                }
            }
        }
    })
}

/// Jitsi's options that name services by the beginning of their addresses, the defaults, and an account for the advice.
const PREFIXES: [(&str, &str, &str); 2] = [
    ("recorder_prefixes", "recorder@recorder., jibria@recorder. and jibrib@recorder.", "recorder"),
    (
        "transcriber_prefixes",
        "transcriber@recorder., transcribera@recorder. and transcriberb@recorder.",
        "transcriber",
    ),
];

fn prefixes(case: &Case<'_>, looked: &mut Looked) {
    case.each_service(looked, |_, hosts, host, looked| {
        for (name, defaults, account) in PREFIXES {
            let line = format!("{name} = {{ \"{}\" }}", service_account(case, host, account));
            let file = place(hosts.option_at(host, name));
            let Some(list) = hosts.option(host, name) else {
                if has_s2s(hosts) && has_anywhere(hosts, "muc_lobby_rooms") {
                    let found = format!("{name} is not set: {defaults} count, on any server");
                    looked.find(&host.name, found, (&file, line));
                }
                continue;
            };
            for item in list.items() {
                let host_part = item.split_once('@').map(|(_, host)| host).unwrap_or_default();
                if !host_part.contains('.') || host_part.ends_with('.') {
                    let found = format!("{name} has \"{item}\", which is no whole address");
                    looked.find(&host.name, found, (&file, &line));
                }
            }
        }
    })
}

/// Returns the address of a recorder or transcriber: the one that the file trusts, else the one that Jitsi's guides give it.
fn service_account(case: &Case<'_>, service: &Host, name: &str) -> String {
    let mut trusted: Vec<_> = case.policy.services.keys().map(|jid| jid.as_str()).collect();
    trusted.sort_unstable();
    let is_it = |jid: &&str| jid.split_once('@').is_some_and(|(node, _)| node == name);
    let above = service.name.split_once('.').map_or("YOUR-DOMAIN", |(_, above)| above);
    let usual = || format!("{name}@recorder.{above}");
    trusted.into_iter().find(is_it).map_or_else(usual, str::to_owned)
}

fn admins(case: &Case<'_>, looked: &mut Looked) {
    case.each_with_hosts(looked, |server, posture, hosts, looked| {
        let Some(host) = hosts.named(&server.service) else { return };
        let owns = match hosts.option(host, "component_admins_as_room_owners") {
            Some(value) => value.is(true),
            None => posture.server.contains(" 0."),
        };
        let Some(list) = hosts.option(host, "admins").filter(|_| owns) else { return };
        let operators: Vec<_> = case.policy.operators.keys().map(|jid| jid.as_str()).collect();
        let has_focus = |host: &str| case.policy.focuses.values().any(|jid| jid.domain() == host);
        for item in strangers(case, list).filter(|item| !operators.contains(item)) {
            // The host of the focus has accounts of Jitsi's services alone. Bridges have to be admins of a service of their
            // own, and docker-jitsi-meet makes Jibri and Jigasi admins, too.
            if item.rsplit_once('@').is_some_and(|(_, host)| has_focus(host)) {
                continue;
            }
            looked.find(
                &host.name,
                format!("{item} is an admin, and so owns every room"),
                (COMPONENT, format!("[policy] operators = [\"{item}\"], or take it out of admins")),
            );
        }
    })
}
