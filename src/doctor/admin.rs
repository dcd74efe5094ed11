//! The page and the API themselves.

use super::case::Case;
use super::{COMPONENT, Check, Looked, Severity};
use crate::config::{Listen, Role};

pub(super) static CHECKS: &[Check] = &[
    Check {
        id: "admin-network",
        severity: Severity::Warning,
        looks_at: "whether the page and the API can be reached from other machines",
        why: "nothing encrypts them: a token that is read on the way gives its owner's commands",
        source: "component.toml, admin.http",
        look: network,
    },
    Check {
        id: "admin-metrics",
        severity: Severity::Note,
        looks_at: "whether /metrics needs a token",
        why: "the numbers tell when meetings are, and how many people come",
        source: "component.toml, admin.open_metrics",
        look: metrics,
    },
    Check {
        id: "admin-accounts",
        severity: Severity::Warning,
        looks_at: "the accounts that may give commands by XMPP, where anybody may register",
        why: "if such an account is deleted, anyone who registers its name has its rights",
        source: "component.toml, policy.operators and [[admin.person]]",
        look: accounts,
    },
];

fn network(case: &Case<'_>) -> Looked {
    let mut looked = Looked::default();
    if let Listen::Tcp(on) = &case.settings.admin.http
        && !on.ip().to_canonical().is_loopback()
    {
        looked.find(
            on.to_string(),
            "it listens for other machines, unencrypted",
            (COMPONENT, "[admin] http = \"127.0.0.1:5480\", and a proxy with TLS in front"),
        );
    }
    looked
}

fn metrics(case: &Case<'_>) -> Looked {
    let mut looked = Looked::default();
    let admin = &case.settings.admin;
    if admin.open_metrics && admin.http != Listen::Off {
        looked.find("/metrics", "it needs no token", (COMPONENT, "[admin] open_metrics = false"));
    }
    looked
}

fn accounts(case: &Case<'_>) -> Looked {
    let operators = case.policy.operators.keys().map(|jid| (jid, Role::Operator));
    let persons = case.settings.admin.persons.iter().map(|(jid, role)| (jid, *role));
    let all: Vec<_> = operators.chain(persons).collect();
    case.each_door(|_, hosts, host, looked| {
        let is = |name: &str| hosts.option(host, name).is_some_and(|value| value.is(true));
        if !is("allow_registration") || is("registration_invite_only") {
            return;
        }
        for (jid, role) in all.iter().filter(|(jid, _)| jid.domain() == host.name) {
            looked.find(
                jid.as_str(),
                format!("it has the role \"{}\", and anybody may register there", role.name()),
                (COMPONENT, "name accounts of a host where nobody registers"),
            );
        }
    })
}
