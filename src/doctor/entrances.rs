//! Exposure of the server: accounts, other servers, encryption.

use super::case::{Case, has_s2s};
use super::{COMPONENT, Check, Looked, PROSODY, Severity};
use crate::policy::class::Class;
use crate::wire::posture::{Host, Hosts, Posture};

pub(super) static CHECKS: &[Check] = &[
    Check {
        id: "open-registration",
        severity: Severity::Warning,
        looks_at: "whether anybody may register an account",
        why: "the class \"account\" is then anybody, bans on accounts mean nothing, and \"focus@…\" can be taken",
        source: "mod_register_ibr of Prosody",
        look: registration,
    },
    Check {
        id: "s2s-token",
        severity: Severity::Critical,
        looks_at: "other servers, where rooms are for people with tokens",
        why: "mod_token_verification asks nobody for a token who comes from another server",
        source: "mod_token_verification of Jitsi, verify_user: session.type == 's2sin'",
        look: token,
    },
    Check {
        id: "s2s-strangers",
        severity: Severity::Note,
        looks_at: "whether people of other servers can come, and may",
        why: "their server says who they are, and the address of their network is not known",
        source: "component.toml, access.enter",
        look: strangers,
    },
    Check {
        id: "s2s-authentication",
        severity: Severity::Note,
        looks_at: "whether other servers have to show a certificate",
        why: "otherwise who controls their DNS for a moment can come as anybody of theirs, also as a person whom the file names",
        source: "Prosody, s2s_secure_auth: false by default",
        look: authentication,
    },
    Check {
        id: "c2s-unencrypted",
        severity: Severity::Warning,
        looks_at: "whether clients may connect without encryption",
        why: "passwords of accounts and rooms can be read on the way",
        source: "Prosody, c2s_require_encryption",
        look: unencrypted,
    },
    Check {
        id: "plain-passwords",
        severity: Severity::Warning,
        looks_at: "whether clients may send account passwords without encryption",
        why: "they can be read on the way, and the account is what makes an operator or a moderator",
        source: "Prosody, allow_unencrypted_plain_auth",
        look: plain,
    },
    Check {
        id: "web-unencrypted",
        severity: Severity::Warning,
        looks_at: "sessions by HTTP that count as encrypted, and whether HTTP can be reached past the web server",
        why: "who speaks to that port directly counts as encrypted without being so: access.encrypted does not hold",
        source: "mod_bosh and mod_websocket of Prosody: consider_bosh_secure, consider_websocket_secure",
        look: web,
    },
];

fn registration(case: &Case<'_>) -> Looked {
    case.each_door(|_, hosts, host, looked| {
        let is = |name: &str| hosts.option(host, name).is_some_and(|value| value.is(true));
        let can = ["register", "register_ibr"].iter().any(|module| hosts.has(host, module));
        if can && is("allow_registration") && !is("registration_invite_only") {
            looked.find(
                &host.name,
                "anybody may register an account",
                (PROSODY, "allow_registration = false"),
            );
        }
    })
}

fn token(case: &Case<'_>) -> Looked {
    case.each_service(|_, hosts, host, looked| {
        let asks = host.modules.contains("token_verification");
        if asks && has_s2s(hosts) && !hosts.has(host, "s2s_whitelist") {
            looked.find(
                &host.name,
                "people of any server come in without a token",
                (PROSODY, "modules_disabled = { \"s2s\" }, or \"s2s_whitelist\" in modules_enabled and s2s_whitelist = { … }"),
            );
        }
    })
}

fn strangers(case: &Case<'_>) -> Looked {
    case.each_service(|_, hosts, host, looked| {
        let enter = &case.policy.base.access.enter;
        let is_limited = hosts.has(host, "s2s_whitelist");
        if has_s2s(hosts) && enter.value.has(Class::Federated) && !is_limited {
            looked.find(
                &host.name,
                "people of any server may enter",
                (COMPONENT, "[policy.access] enter = [\"service\", \"operator\", \"listed\", \"token\", \"account\", \"returning\", \"guest\"]"),
            );
        }
    })
}

fn authentication(case: &Case<'_>) -> Looked {
    case.each_service(|_, hosts, host, looked| {
        let is_asked = hosts.global("s2s_secure_auth").is_some_and(|value| value.is(true));
        if has_s2s(hosts) && !is_asked {
            looked.find(
                &host.name,
                "other servers are believed without a certificate",
                (PROSODY, "s2s_secure_auth = true"),
            );
        }
    })
}

fn requires_encryption(hosts: &Hosts, host: &Host) -> bool {
    let given = ["c2s_require_encryption", "require_encryption"]
        .iter()
        .find_map(|name| hosts.option(host, name));
    !given.is_some_and(|value| value.is(false))
}

fn is_open(posture: &Posture, service: &str) -> bool {
    posture.ports.iter().any(|port| port.service == service && port.is_open())
}

fn unencrypted(case: &Case<'_>) -> Looked {
    case.each_door(|posture, hosts, host, looked| {
        if !requires_encryption(hosts, host) && is_open(posture, "c2s") {
            looked.find(
                &host.name,
                "c2s_require_encryption is false, and the port is open to other machines",
                (PROSODY, "c2s_require_encryption = true"),
            );
        }
    })
}

fn plain(case: &Case<'_>) -> Looked {
    case.each_door(|posture, hosts, host, looked| {
        let allows =
            hosts.option(host, "allow_unencrypted_plain_auth").is_some_and(|it| it.is(true));
        if allows && !requires_encryption(hosts, host) && is_open(posture, "c2s") {
            looked.find(
                &host.name,
                "allow_unencrypted_plain_auth is true, and the port is open to other machines",
                (PROSODY, "allow_unencrypted_plain_auth = false"),
            );
        }
    })
}

fn web(case: &Case<'_>) -> Looked {
    case.each_door(|posture, hosts, host, looked| {
        for (module, option) in
            [("bosh", "consider_bosh_secure"), ("websocket", "consider_websocket_secure")]
        {
            let counts = hosts.option(host, option).is_some_and(|value| value.is(true));
            if counts && hosts.has(host, module) && is_open(posture, "http") {
                looked.find(
                    &host.name,
                    format!("{option} is true, and the HTTP port is open to other machines"),
                    (PROSODY, "http_interfaces = { \"127.0.0.1\", \"::1\" }"),
                );
            }
        }
    })
}
