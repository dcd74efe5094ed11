//! Checks of the MUC service's own settings and stored rooms, as far as they contradict the policy.

use super::case::{Case, Change, place};
use super::{COMPONENT, Check, Looked, Severity};
use crate::component::drift::in_stored;
use crate::config::counted;
use crate::policy::access::Persistence;
use crate::policy::class::{Class, ClassSet};
use crate::policy::context::Drift;
use crate::wire::room::LiveRoom;

/// Smallest room cache that is not reported, in rooms.
const ROOMS: u64 = 1000;
/// Maximum number of rooms that a finding names.
const NAMED: usize = 5;

pub(super) static CHECKS: &[Check] = &[
    Check {
        id: "room-creation",
        severity: Severity::Warning,
        looks_at: "Room creation (restrict_room_creation of the service)",
        why: "on Jitsi only the focus may open rooms: anyone who opens one without it moderates it (CVE-2021-33506); elsewhere the server would refuse those who may open rooms by the policy",
        source: "Jitsi's advisory JSA-2021-0001; Prosody 13 restricts to local accounts by default",
        look: creation,
    },
    Check {
        id: "room-locking",
        severity: Severity::Note,
        looks_at: "Locked new rooms on Jitsi (muc_room_locking)",
        why: "the focus never sends the configuration that a locked room waits for",
        source: "every configuration of Jitsi sets muc_room_locking = false",
        look: |case, looked| {
            not_off(
                case,
                looked,
                "muc_room_locking",
                "new rooms are locked until they are configured",
            )
        },
    },
    Check {
        id: "tombstones",
        severity: Severity::Note,
        looks_at: "Tombstones of rooms on Jitsi (muc_tombstones)",
        why: "a room that was ended for all is barred for a month",
        source: "mod_muc of Prosody; prosody-snippets/jitsi.cfg.lua",
        look: |case, looked| {
            not_off(case, looked, "muc_tombstones", "rooms that were ended leave a tombstone")
        },
    },
    Check {
        id: "room-defaults",
        severity: Severity::Note,
        looks_at: "Defaults of new rooms (muc_room_default_…), compared with access.hidden and access.persistent",
        why: "each new room is made one way and changed to the other",
        source: "mod_muc of Prosody",
        look: defaults,
    },
    Check {
        id: "room-storage",
        severity: Severity::Note,
        looks_at: "Storage of rooms that outlive their last occupant",
        why: "with storage in memory a restart of the server forgets them, with their owners and bans",
        source: "Prosody, Storage",
        look: storage,
    },
    Check {
        id: "rooms-deleted",
        severity: Severity::Critical,
        looks_at: "Stored rooms that access.persistent deletes",
        why: "a stored room that the policy has end with its last occupant loses its owners, members, bans and archive, and the next who joins owns its name",
        source: "README, Rooms you already have",
        look: deleted,
    },
    Check {
        id: "rooms-kept",
        severity: Severity::Note,
        looks_at: "Stored rooms from before the policy",
        why: "they are kept as they are: their own password, list of members, owners and bans count, and the presets of the policy do not hold in them",
        source: "README, Rooms you already have",
        look: kept,
    },
    Check {
        id: "room-cache",
        severity: Severity::Note,
        looks_at: "Number of rooms in memory (muc_room_cache_size)",
        why: "beyond it, rooms with people in them are saved and loaded again, each time with the list of all: with a thousand rooms the server comes to a halt",
        source: "mod_muc of Prosody: 100 by default; docker-jitsi-meet sets 10000",
        look: cache,
    },
    Check {
        id: "self-registration",
        severity: Severity::Note,
        looks_at: "Registration with rooms (allow_unaffiliated_register of the service)",
        why: "people would make themselves members of a room; the gate refuses it, and their client shows a form that never works",
        source: "register.lib of Prosody's MUC",
        look: registration,
    },
];

fn creation(case: &Case<'_>, looked: &mut Looked) {
    const NAME: &str = "restrict_room_creation";
    case.each_service(looked, |server, hosts, host, looked| {
        let is_jitsi = case.policy.focuses.contains_key(&server.service);
        let file = place(hosts.option_at(host, NAME));
        if is_jitsi && !hosts.is(host, NAME, true) {
            let found = "people may open rooms without the focus";
            looked.find(&host.name, found, (&file, format!("{NAME} = true")));
        }
        let people = ClassSet::of(&[Class::Token, Class::Account, Class::Guest]);
        if !is_jitsi
            && hosts.is(host, NAME, true)
            && case.policy.base.access.create.value.classes(false).meets(people)
        {
            let found = "the server lets only its admins open rooms, the policy others, too";
            looked.find(&host.name, found, (&file, format!("{NAME} = false")));
        }
    })
}

/// Reports each service with a focus (Jitsi) where this option is not off.
fn not_off(case: &Case<'_>, looked: &mut Looked, name: &str, found: &str) {
    case.each_service(looked, |server, hosts, host, looked| {
        let is_jitsi = case.policy.focuses.contains_key(&server.service);
        if is_jitsi && !hosts.is(host, name, false) {
            let file = place(hosts.option_at(host, name));
            looked.find(&host.name, found, (&file, format!("{name} = false")));
        }
    })
}

/// Calls `look` for every service with its stored rooms from before the policy, and what the policy changes in each.
fn each_stored(
    case: &Case<'_>,
    looked: &mut Looked,
    mut look: impl FnMut(&str, &[(&LiveRoom, Vec<Drift>)], &mut Looked),
) {
    case.each(looked, |server, _, looked| match &server.stored {
        Err(reason) => looked.unknown_at(server, reason),
        Ok(rooms) => {
            let found = rooms.iter().filter(|room| room.view.is_found());
            let changed = |room| (room, in_stored(case.policy, room, case.now));
            look(&server.service, &found.map(changed).collect::<Vec<_>>(), looked);
        }
    })
}

fn deleted(case: &Case<'_>, looked: &mut Looked) {
    each_stored(case, looked, |service, rooms, looked| {
        let is_lost = |drifts: &[Drift]| drifts.iter().any(|it| it.effects.keep == Some(false));
        let lost: Vec<_> = rooms.iter().filter(|(_, drifts)| is_lost(drifts)).collect();
        if lost.is_empty() {
            return;
        }
        let affiliations = lost.iter().map(|(room, _)| u64::from(room.view.affiliations));
        let affiliations: u64 = affiliations.sum();
        let names: Vec<_> = lost.iter().take(NAMED).map(|(room, _)| room.jid.as_str()).collect();
        let more = if lost.len() > NAMED { ", …" } else { "" };
        let people = "owners, admins, members and outcasts";
        let rooms = match lost.len() {
            1 => format!("1 stored room, with {affiliations} {people}, is deleted when its"),
            many => {
                format!("{many} stored rooms, with {affiliations} {people}, are deleted when their")
            }
        };
        let found = format!("{rooms} next meeting ends: {}{more}", names.join(", "));
        looked.find(service, found, (COMPONENT, "[policy.access] persistent = \"keep\""));
    })
}

fn stored(count: usize) -> String {
    counted(count, "room is stored", "rooms are stored")
}

fn they(count: usize) -> &'static str {
    if count == 1 { "it is" } else { "they are" }
}

fn are(count: usize) -> String {
    counted(count, "is", "are")
}

fn kept(case: &Case<'_>, looked: &mut Looked) {
    each_stored(case, looked, |service, rooms, looked| {
        let same = rooms.iter().filter(|(_, drifts)| drifts.is_empty()).count();
        if rooms.is_empty() {
            return;
        }
        let others = rooms.len().saturating_sub(same);
        let changed = format!("{} changed by the file: `vestibule plan` says how", are(others));
        let found = match (same, others) {
            (same, 0) => format!("{}: kept as {}", stored(same), they(same)),
            (0, others) => format!("{}: {changed}", stored(others)),
            (same, _) => {
                let all = stored(rooms.len());
                format!("{all}: {} kept as found, {changed}", are(same))
            }
        };
        let line = "[[room]] with `match` and the rules that are to hold in one of them";
        looked.find(service, found, (COMPONENT, line));
    })
}

fn cache(case: &Case<'_>, looked: &mut Looked) {
    case.each_service(looked, |_, hosts, host, looked| {
        let size =
            hosts.option(host, "muc_room_cache_size").and_then(|it| it.text()?.parse::<u64>().ok());
        if size.unwrap_or(100) < ROOMS {
            let found =
                format!("{} kept in memory", counted(size.unwrap_or(100), "room is", "rooms are"));
            let file = place(hosts.option_at(host, "muc_room_cache_size"));
            looked.find(&host.name, found, (&file, "muc_room_cache_size = 10000"));
        }
    })
}

fn defaults(case: &Case<'_>, looked: &mut Looked) {
    let access = &case.policy.base.access;
    case.each_service(looked, |_, hosts, host, looked| {
        if access.hidden.value == Some(true) && hosts.is(host, "muc_room_default_public", true) {
            let found = "new rooms are listed, and the policy hides them";
            let file = place(hosts.option_at(host, "muc_room_default_public"));
            looked.find(&host.name, found, (&file, "muc_room_default_public = false"));
        }
        if access.persistent.value.preset() == Some(false)
            && hosts.is(host, "muc_room_default_persistent", true)
        {
            let found = "new rooms outlive their last occupant, and the policy says they do not";
            let file = place(hosts.option_at(host, "muc_room_default_persistent"));
            looked.find(&host.name, found, (&file, "muc_room_default_persistent = false"));
        }
    })
}

fn storage(case: &Case<'_>, looked: &mut Looked) {
    let persists = case.policy.base.access.persistent.value == Persistence::Always;
    case.services_that(
        looked,
        |hosts, host| {
            let storage = hosts.option(host, "storage").map(|it| it.items()).unwrap_or_default();
            let default = hosts.option(host, "default_storage").and_then(|it| it.text());
            let is_in_memory = |item: &String| item == "memory" || item == "config=memory";
            persists && (storage.iter().any(is_in_memory) || default == Some("memory"))
        },
        "rooms are to outlive their last occupant, and are kept in memory",
        Change::Option(
            "storage",
            "storage = \"internal\"; or in component.toml: [policy.access] persistent = false",
        ),
    )
}

fn registration(case: &Case<'_>, looked: &mut Looked) {
    let line = "allow_unaffiliated_register = false; who becomes what is in component.toml: [policy.moderators]";
    case.services_that(
        looked,
        |hosts, host| hosts.is(host, "allow_unaffiliated_register", true),
        "strangers may register with rooms",
        Change::Option("allow_unaffiliated_register", line),
    )
}
