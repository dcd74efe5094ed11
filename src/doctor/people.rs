//! People: who they are seen as, who can list them, who opens rooms.

use ipnet::IpNet;

use super::case::{Case, doors, has_anywhere, services};
use super::{COMPONENT, Check, Looked, PROSODY, Severity};
use crate::policy::class::Class;
use crate::policy::moderators::Become;
use crate::wire::posture::Web;

/// Fewer sessions say nothing about all.
const FEW: u64 = 3;

pub(super) static CHECKS: &[Check] = &[
    Check {
        id: "occupant-listing",
        severity: Severity::Warning,
        looks_at: "modules that list rooms and people over HTTP without a token",
        why: "anybody learns which rooms there are and who is in them, with names and e-mail addresses",
        source: "mod_muc_size and mod_muc_census of Jitsi; enable_roomsize_token_verification is off by default",
        look: listing,
    },
    Check {
        id: "trusted-proxies",
        severity: Severity::Warning,
        looks_at: "whose word about a person's address the server takes",
        why: "anyone from such a network writes their own address: bans and counts by address mean nothing",
        source: "mod_http of Prosody, trusted_proxies",
        look: proxies,
    },
    Check {
        id: "one-address",
        severity: Severity::Warning,
        looks_at: "the addresses of those who are there by HTTP now",
        why: "if all have the web server's address, five wrong passwords of one are those of everybody, and a ban on an address is on all or none",
        source: "docs/jitsi.md, Let the web server say who comes",
        look: address,
    },
    Check {
        id: "anonymous-opener",
        severity: Severity::Warning,
        looks_at: "who opens rooms where people need no account",
        why: "an early stranger opens the room before its people come, and moderates it",
        source: "component.toml, access.create and moderators.assign",
        look: opener,
    },
    Check {
        id: "login-provider",
        severity: Severity::Critical,
        looks_at: "whether it is known what a log-in to each host proves",
        why: "a person who logs in with a provider of which nothing is known is a guest, and the component is not ready",
        source: "docs/rules.md, What a log-in proves",
        look: provider,
    },
];

fn listing(case: &Case<'_>) -> Looked {
    case.each_with_hosts(|_, _, hosts, looked| {
        for host in &hosts.all {
            let verifies = hosts
                .option(host, "enable_roomsize_token_verification")
                .is_some_and(|value| value.is(true));
            if host.modules.contains("muc_size") && !verifies {
                looked.find(
                    &host.name,
                    "muc_size answers /room and /room-size without a token",
                    (PROSODY, "enable_roomsize_token_verification = true"),
                );
            }
            if host.modules.contains("muc_census") {
                looked.find(
                    &host.name,
                    "muc_census answers /room-census to everybody",
                    (PROSODY, "take \"muc_census\" out of modules_enabled, or have the web server refuse /room-census"),
                );
            }
        }
    })
}

fn proxies(case: &Case<'_>) -> Looked {
    case.each_with_hosts(|_, _, hosts, looked| {
        for item in hosts.global("trusted_proxies").map(|it| it.items()).unwrap_or_default() {
            let is_wide = item.parse::<IpNet>().is_ok_and(|net| match net {
                IpNet::V4(net) => net.prefix_len() < 8,
                IpNet::V6(net) => net.prefix_len() < 16,
            });
            if is_wide {
                looked.find(
                    item,
                    "it is a large part of all addresses",
                    (PROSODY, "trusted_proxies = { \"127.0.0.1\", \"::1\" }"),
                );
            }
        }
    })
}

fn address(case: &Case<'_>) -> Looked {
    case.each_with_hosts(|server, posture, hosts, looked| {
        if !has_anywhere(hosts, "bosh") && !has_anywhere(hosts, "websocket") {
            return;
        }
        let Some(Web { sessions, addresses, loopback }) = posture.web else {
            looked.unknown(format!("{}: the gate does not tell of sessions", server.service));
            return;
        };
        if sessions < FEW {
            looked.unknown(format!("{}: fewer than {FEW} people are there by HTTP now", server.service));
        } else if addresses == 1 {
            let whose = if loopback == sessions { "that of this machine" } else { "one and the same" };
            looked.find(
                &server.service,
                format!("{sessions} sessions by HTTP have one address between them, {whose}"),
                (PROSODY, "trusted_proxies = { \"127.0.0.1\", \"::1\", \"ADDRESS-OF-THE-WEB-SERVER\" }, and X-Forwarded-For in the web server"),
            );
        }
    })
}

fn provider(case: &Case<'_>) -> Looked {
    case.each(|server, _, looked| {
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

fn opener(case: &Case<'_>) -> Looked {
    let base = &case.policy.base;
    let guests = base.access.create.value.classes(false).has(Class::Guest)
        && base.access.enter.value.has(Class::Guest);
    let opens = guests && base.moderators.assign.value.contains(&Become::Opener);
    case.each_with_hosts(|_, _, hosts, looked| {
        let anonymous = doors(hosts).find(|host| {
            let way = hosts.option(host, "authentication").and_then(|it| it.text());
            matches!(way, Some("anonymous" | "jitsi-anonymous"))
                || hosts.option(host, "allow_empty_token").is_some_and(|it| it.is(true))
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
