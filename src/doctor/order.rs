//! The order of event handlers: no other handler precedes the gate's, or decides in addition to it.

use super::case::Case;
use super::gate::{GATE, load_line};
use super::{Check, Looked, PROSODY, Severity};
use crate::component::neighbours::among;
use crate::wire::posture::Posture;

/// The hook of the gate that asks for the verdict on a join, in its table of priorities.
const VERDICT: f64 = 2.5;

/// The events that the gate has to handle.
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

/// Modules that handle joins after the verdict, of which it is known what they do: they refuse, or they serve what was
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

pub(super) static CHECKS: &[Check] = &[
    Check {
        id: "gate-order",
        severity: Severity::Critical,
        looks_at: "whether the gate handles the events that it must, at priorities that nothing else has",
        why: "handlers with the same priority run in any order, so now and then the other one decides first",
        source: "util.events of Prosody sorts equal priorities as they come",
        look: order,
    },
    Check {
        id: "gate-after",
        severity: Severity::Note,
        looks_at: "modules that handle a join after the gate has decided, and of which nothing is known",
        why: "they can let a person in, make a moderator or change the room after the decision",
        source: "Prosody, Developers: Hooks and events",
        look: after,
    },
    Check {
        id: "neighbours",
        severity: Severity::Warning,
        looks_at: "modules that decide by themselves what the policy decides",
        why: "two that decide undo each other: who is let in depends on which comes first",
        source: "docs/jitsi.md",
        look: neighbours,
    },
];

fn order(case: &Case<'_>) -> Looked {
    case.each(|server, posture, looked| {
        if posture.hooks.is_empty() {
            looked.unknown(format!("{}: the gate does not tell of handlers", server.service));
            return;
        }
        for event in EVENTS {
            let at = |module: &str| of(posture, event, |it| it == Some(module));
            let own = at(GATE);
            if own.is_empty() {
                looked.find(
                    &server.service,
                    format!("the gate does not handle `{event}`"),
                    (PROSODY, load_line(&server.service)),
                );
            }
            for (priority, module) in of(posture, event, |it| it != Some(GATE)) {
                if own.iter().any(|(mine, _)| same(*mine, priority)) {
                    let module = module.unwrap_or("a module that the server does not name");
                    looked.find(
                        &server.service,
                        format!("{module} handles `{event}` at {priority}, as the gate does"),
                        (PROSODY, format!("take \"{module}\" out of modules_enabled, or give its hook another priority")),
                    );
                }
            }
        }
    })
}

fn same(one: f64, other: f64) -> bool {
    (one - other).abs() < 1e-6
}

fn of<'a>(
    posture: &'a Posture,
    event: &str,
    whose: impl Fn(Option<&str>) -> bool,
) -> Vec<(f64, Option<&'a str>)> {
    let hooks = posture.hooks.iter().filter(|hook| hook.event == event);
    hooks
        .filter(|hook| whose(hook.module.as_deref()))
        .map(|hook| (hook.priority, hook.module.as_deref()))
        .collect()
}

fn after(case: &Case<'_>) -> Looked {
    case.each(|server, posture, looked| {
        if posture.hooks.is_empty() {
            looked.unknown(format!("{}: the gate does not tell of handlers", server.service));
            return;
        }
        let unknown = |module: Option<&str>| {
            module.is_none_or(|name| {
                name != GATE && !KNOWN.contains(&name) && among([name]).is_empty()
            })
        };
        for (priority, module) in of(posture, "muc-occupant-pre-join", unknown) {
            if priority < VERDICT {
                let module = module.unwrap_or("a module that the server does not name");
                looked.find(
                    &server.service,
                    format!("{module} handles joins at {priority}, after the verdict at {VERDICT}"),
                    (PROSODY, format!("read what mod_{module} does; if nobody needs it, take it out of modules_enabled")),
                );
            }
        }
    })
}

fn neighbours(case: &Case<'_>) -> Looked {
    case.each(|server, posture, looked| {
        let hosts = posture.hosts.iter().flat_map(|hosts| &hosts.all);
        let elsewhere = hosts.map(|host| (host.name.as_str(), &host.modules));
        let own = (server.service.as_str(), &posture.modules);
        for (name, modules) in elsewhere.chain([own]) {
            for found in among(modules.iter().map(String::as_str)) {
                looked.find(
                    name,
                    format!("{} {}", found.module, found.advice),
                    (
                        PROSODY,
                        format!("take \"{}\" out of modules_enabled of \"{name}\"", found.module),
                    ),
                );
            }
        }
    })
}
