//! Checks of the exposure of the server and its people: accounts, other servers, encryption, addresses.

use ipnet::IpNet;

use super::case::{Case, Change, doors, has_anywhere, has_s2s, place, services};
use super::{COMPONENT, Check, Looked, Severity};
use crate::policy::class::Class;
use crate::policy::moderators::Become;
use crate::wire::server_inventory::{Host, Hosts, ServerInventory, Web};

pub(super) static CHECKS: &[Check] = &[
    Check {
        id: "open-registration",
        severity: Severity::Warning,
        looks_at: "Open registration of accounts",
        why: "the class \"account\" is then anybody, bans on accounts mean nothing, and \"focus@…\" can be taken",
        source: "mod_register_ibr of Prosody",
        look: registration,
    },
    Check {
        id: "s2s-token",
        severity: Severity::Critical,
        looks_at: "Other servers where rooms are for people with tokens",
        why: "mod_token_verification asks nobody for a token who comes from another server",
        source: "mod_token_verification of Jitsi, verify_user: session.type == 's2sin'",
        look: token,
    },
    Check {
        id: "s2s-strangers",
        severity: Severity::Note,
        looks_at: "People of other servers",
        why: "their server says who they are, and the address of their network is not known",
        source: "component.toml, access.enter",
        look: strangers,
    },
    Check {
        id: "s2s-authentication",
        severity: Severity::Note,
        looks_at: "Certificates of other servers",
        why: "otherwise who controls their DNS for a moment can come as anybody of theirs, also as a person whom the file names",
        source: "Prosody, s2s_secure_auth: false by default",
        look: authentication,
    },
    Check {
        id: "c2s-unencrypted",
        severity: Severity::Warning,
        looks_at: "Unencrypted connections of clients",
        why: "passwords of accounts and rooms can be read on the way",
        source: "Prosody, c2s_require_encryption",
        look: unencrypted,
    },
    Check {
        id: "plain-passwords",
        severity: Severity::Warning,
        looks_at: "Account passwords sent without encryption",
        why: "they can be read on the way, and the account is what makes an operator or a moderator",
        source: "Prosody, allow_unencrypted_plain_auth",
        look: plain,
    },
    Check {
        id: "web-unencrypted",
        severity: Severity::Warning,
        looks_at: "HTTP sessions that count as encrypted, and HTTP past the web server",
        why: "who speaks to that port directly counts as encrypted without being so: access.encrypted does not hold",
        source: "mod_bosh and mod_websocket of Prosody: consider_bosh_secure, consider_websocket_secure",
        look: web,
    },
];

/// Returns whether anybody may register an account on a host.
pub(super) fn is_open_to_all(hosts: &Hosts, host: &Host) -> bool {
    let is = |name: &str| hosts.is(host, name, true);
    is("allow_registration") && !is("registration_invite_only")
}

fn registration(case: &Case<'_>, looked: &mut Looked) {
    case.doors_that(
        looked,
        |_, hosts, host| {
            let can = ["register", "register_ibr"].iter().any(|module| hosts.has(host, module));
            can && is_open_to_all(hosts, host)
        },
        "anybody may register an account",
        Change::Option("allow_registration", "allow_registration = false"),
    );
}

fn token(case: &Case<'_>, looked: &mut Looked) {
    case.services_that(
        looked,
        |hosts, host| {
            let asks = host.modules.contains("token_verification");
            asks && has_s2s(hosts) && !hosts.has(host, "s2s_whitelist")
        },
        "people of any server come in without a token",
        Change::Option("modules_disabled", "modules_disabled = { \"s2s\" }, or \"s2s_whitelist\" in modules_enabled and s2s_whitelist = { … }"),
    )
}

fn strangers(case: &Case<'_>, looked: &mut Looked) {
    let may_enter = case.policy.base.access.enter.value.has(Class::Federated);
    case.services_that(
        looked,
        |hosts, host| may_enter && has_s2s(hosts) && !hosts.has(host, "s2s_whitelist"),
        "people of any server may enter",
        Change::File(COMPONENT, "[policy.access] enter = [\"service\", \"operator\", \"listed\", \"token\", \"account\", \"returning\", \"guest\"]"),
    )
}

fn authentication(case: &Case<'_>, looked: &mut Looked) {
    case.services_that(
        looked,
        |hosts, host| {
            let is_asked = hosts.global("s2s_secure_auth").is_some_and(|value| value.is(true));
            // With a list of servers it is Jitsi's second tier, which has no certificates.
            has_s2s(hosts) && !is_asked && !hosts.has(host, "s2s_whitelist")
        },
        "other servers are believed without a certificate",
        Change::Option("s2s_secure_auth", "s2s_secure_auth = true"),
    )
}

/// Returns whether nobody has an account on a host.
fn is_anonymous(hosts: &Hosts, host: &Host) -> bool {
    let way = hosts.option(host, "authentication").and_then(|it| it.text());
    matches!(way, Some("anonymous" | "jitsi-anonymous"))
}

fn is_open(posture: &ServerInventory, service: &str) -> bool {
    posture.ports.iter().any(|port| port.service == service && port.is_open())
}

/// Returns whether clients on other machines may connect to a host without encryption.
fn is_clear(posture: &ServerInventory, hosts: &Hosts, host: &Host) -> bool {
    let given = ["c2s_require_encryption", "require_encryption"]
        .iter()
        .find_map(|name| hosts.option(host, name));
    given.is_some_and(|value| value.is(false)) && is_open(posture, "c2s")
}

fn unencrypted(case: &Case<'_>, looked: &mut Looked) {
    // Jitsi's package configures it so for its guests: they have no account password, and nobody who connects so enters no room.
    let is_guarded = case.policy.base.access.encrypted.value;
    case.doors_that(
        looked,
        |posture, hosts, host| {
            is_clear(posture, hosts, host) && !(is_guarded && is_anonymous(hosts, host))
        },
        "c2s_require_encryption is false, and the port is open to other machines",
        Change::Option("c2s_require_encryption", "c2s_require_encryption = true"),
    );
}

fn plain(case: &Case<'_>, looked: &mut Looked) {
    case.doors_that(
        looked,
        |posture, hosts, host| {
            let allows = hosts.is(host, "allow_unencrypted_plain_auth", true);
            allows && is_clear(posture, hosts, host)
        },
        "allow_unencrypted_plain_auth is true, and the port is open to other machines",
        Change::Option("allow_unencrypted_plain_auth", "allow_unencrypted_plain_auth = false"),
    );
}

fn web(case: &Case<'_>, looked: &mut Looked) {
    case.each_door(looked, |posture, hosts, host, looked| {
        for module in ["bosh", "websocket"] {
            let option = format!("consider_{module}_secure");
            let counts = hosts.is(host, &option, true);
            if !counts || !hosts.has(host, module) || !is_open(posture, "http") {
                continue;
            }
            if case.is_docker(posture) {
                // The web container is another machine to it, and has to reach the port.
                looked.unknown(
                    "whether the HTTP port of the container is published to other machines is not seen from here: \
                     `docker compose port prosody 5280` must find none",
                );
            } else {
                let found =
                    format!("{option} is true, and the HTTP port is open to other machines");
                let line = "http_interfaces = { \"127.0.0.1\", \"::1\" }";
                let file = place(hosts.global_at("http_interfaces"));
                looked.find(&host.name, found, (&file, line));
            }
        }
    })
}

/// Minimum number of sessions from which their addresses are judged.
const FEW: u64 = 3;

pub(super) static PEOPLE_CHECKS: &[Check] = &[
    Check {
        id: "occupant-listing",
        severity: Severity::Warning,
        looks_at: "Lists of rooms and people over HTTP without a token",
        why: "anybody learns which rooms there are and who is in them, with names and e-mail addresses",
        source: "mod_muc_size and mod_muc_census of Jitsi; enable_roomsize_token_verification is off by default",
        look: listing,
    },
    Check {
        id: "trusted-proxies",
        severity: Severity::Warning,
        looks_at: "Proxies whose word about addresses the server takes",
        why: "anyone from such a network writes their own address: bans and counts by address mean nothing",
        source: "mod_http of Prosody, trusted_proxies",
        look: proxies,
    },
    Check {
        id: "one-address",
        severity: Severity::Warning,
        looks_at: "Addresses of the people who are connected by HTTP now",
        why: "if all have the web server's address, five wrong passwords of one are those of everybody, and a ban on an address is on all or none",
        source: "docs/jitsi.md, Let the web server say who comes",
        look: address,
    },
    Check {
        id: "anonymous-opener",
        severity: Severity::Warning,
        looks_at: "Rooms opened by people without an account",
        why: "an early stranger opens the room before its people come, and moderates it",
        source: "component.toml, access.create and moderators.assign",
        look: opener,
    },
    Check {
        id: "nobody-opens",
        severity: Severity::Warning,
        looks_at: "Rooms that nobody can open",
        why: "each person is told to log in, and no log-in is there",
        source: "component.toml, access.create",
        look: nobody,
    },
    Check {
        id: "login-provider",
        severity: Severity::Critical,
        looks_at: "Log-ins of which it is not known what they prove",
        why: "a person who logs in with a provider of which nothing is known is a guest, and the component is not ready",
        source: "docs/rules.md, What a log-in proves",
        look: provider,
    },
];

fn listing(case: &Case<'_>, looked: &mut Looked) {
    case.each_with_hosts(looked, |_, _, hosts, looked| {
        for host in &hosts.all {
            let verifies = hosts.is(host, "enable_roomsize_token_verification", true);
            if host.modules.contains("muc_size") && !verifies {
                let found = "muc_size answers /room and /room-size without a token";
                let option = "enable_roomsize_token_verification";
                let file = place(hosts.option_at(host, option));
                looked.find(&host.name, found, (&file, format!("{option} = true")));
            }
            if host.modules.contains("muc_census") {
                looked.find(
                    &host.name,
                    "muc_census answers /room-census to everybody",
                    (&place(hosts.module_at(host, "muc_census")), "take \"muc_census\" out of modules_enabled, or have the web server refuse /room-census"),
                );
            }
        }
    })
}

fn proxies(case: &Case<'_>, looked: &mut Looked) {
    case.each_with_hosts(looked, |_, _, hosts, looked| {
        for item in hosts.global("trusted_proxies").map(|it| it.items()).unwrap_or_default() {
            let is_wide = item.parse::<IpNet>().is_ok_and(|net| match net {
                IpNet::V4(net) => net.prefix_len() < 8,
                IpNet::V6(net) => net.prefix_len() < 16,
            });
            if is_wide {
                let line = "trusted_proxies = { \"127.0.0.1\", \"::1\" }";
                let file = place(hosts.global_at("trusted_proxies"));
                looked.find(item, "it is a large part of all addresses", (&file, line));
            }
        }
    })
}

fn address(case: &Case<'_>, looked: &mut Looked) {
    case.each_with_hosts(looked, |server, posture, hosts, looked| {
        if !has_anywhere(hosts, "bosh") && !has_anywhere(hosts, "websocket") {
            return;
        }
        let Some(Web { sessions, addresses, loopback }) = posture.web else {
            return looked.not_told(server, "of sessions");
        };
        if sessions < FEW {
            looked.unknown_at(server, format!("fewer than {FEW} people are there by HTTP now"));
        } else if addresses == 1 {
            let whose = if loopback == sessions { "that of this machine" } else { "one and the same" };
            looked.find(
                &server.service,
                format!("{sessions} sessions by HTTP have one address between them, {whose}"),
                (&place(hosts.global_at("trusted_proxies")), "trusted_proxies = { \"127.0.0.1\", \"::1\", \"ADDRESS-OF-THE-WEB-SERVER\" }, and X-Forwarded-For in the web server"),
            );
        }
    })
}

fn nobody(case: &Case<'_>, looked: &mut Looked) {
    let access = &case.policy.base.access;
    let classes = access.create.value.classes(true);
    let listed = &access.listed.value;
    let is_named =
        classes.has(Class::Listed) && !(listed.jids.is_empty() && listed.domains.is_empty());
    let without_log_in = [Class::Guest, Class::Federated, Class::Returning];
    if is_named || without_log_in.iter().any(|class| classes.has(*class)) {
        return;
    }
    case.each(looked, |server, _, looked| {
        let Some(hosts) = server.hello.as_ref().map(|hello| &hello.hosts) else { return };
        if !hosts.complete {
            looked.not_told(server, "of all hosts");
        } else if case.policy.nobody_logs_in(&server.service, hosts) {
            looked.find(
                &server.service,
                "nobody starts a meeting: access.create names only people who log in, and nobody logs in to this server",
                (COMPONENT, "[policy.access] create = \"default\", or have people log in"),
            );
        }
    })
}

fn provider(case: &Case<'_>, looked: &mut Looked) {
    case.each(looked, |server, _, looked| {
        let hosts = server.hello.as_ref().map(|hello| &hello.hosts);
        for host in hosts.into_iter().flat_map(|hosts| case.policy.unlisted(hosts)) {
            let name = &host.provider;
            looked.find(
                &host.name,
                format!("nobody knows what a log-in by mod_auth_{name} proves"),
                (COMPONENT, format!("[[provider]] name = \"{name}\", proves = \"account\", or \"guest\" if it takes anybody")),
            );
        }
    })
}

fn opener(case: &Case<'_>, looked: &mut Looked) {
    let base = &case.policy.base;
    let guests = base.access.create.value.classes(false).has(Class::Guest)
        && base.access.enter.value.has(Class::Guest);
    let opens = guests && base.moderators.assign.value.contains(&Become::Opener);
    case.each_with_hosts(looked, |_, _, hosts, looked| {
        let anonymous = doors(hosts).find(|host| {
            is_anonymous(hosts, host) || hosts.is(host, "allow_empty_token", true)
        });
        if let Some(host) = anonymous.filter(|_| opens && services(hosts).next().is_some()) {
            looked.find(
                &host.name,
                "people come without an account there, guests may open rooms, and who opens a room moderates it",
                (COMPONENT, "[policy.access] create = [\"service\", \"operator\", \"listed\", \"token\", \"account\"]"),
            );
        }
    })
}
