//! The plan of a reload: what another file would change.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::Path;
use std::sync::Arc;

use super::clock::now;
use super::parts::each_room;
use super::reading::{Pages, stored};
use super::reload::{needs_restart, read};
use super::{Shared, config, parts};
use crate::component::desk::{Judged, Mode};
use crate::component::drift::{drifts, in_stored};
use crate::config::{LoadError, Loaded, Outside, changes, parse};
use crate::control::{Candidate, List, PersonChange, Plan, ProviderChange, RoomChange};
use crate::jid::BareJid;
use crate::policy::Policy;
use crate::policy::drift::Drift;
use crate::policy::providers::Proves;
use crate::policy::session::SessionKind;
use crate::wire::room::LiveRoom;

/// Compares what is there with another file; without one, with the component's own as it is now. Nothing is changed.
///
/// # Errors
/// The file is wrong, or the rooms could not be read.
pub(super) async fn plan(shared: &Shared, candidate: Option<Candidate>) -> Result<Plan, String> {
    let loaded = match candidate {
        Some(candidate) => understand(shared, candidate).await,
        None => read(shared).await,
    }?;
    let upkeep = shared.upkeep().clone();
    let mut warnings: Vec<String> = loaded
        .warnings_at(now())
        .map(|warning| warning.to_string().trim_start_matches("warning: ").to_owned())
        .collect();
    let Loaded { mut policy, settings, text, .. } = loaded;
    let restart = upkeep.settings.needs_restart(&settings);
    if !restart.is_empty() {
        warnings.push(format!("after a reload {}", needs_restart(&restart)));
    }
    policy.made = Arc::clone(&shared.desk().policy().made);
    if shared.desk().mode() == Mode::Observe {
        warnings.push("nothing is enforced: no room and nobody is affected".to_owned());
    }
    let (rooms, mut room_changes) = match shared.link.is_up() {
        true => {
            rooms(shared, &policy, &settings.audit).await.map(|(all, some)| (Some(all), some))?
        }
        false => (None, Vec::new()),
    };
    let (mut stored, mut kept) = (0, 0);
    if rooms.is_some() {
        (stored, kept) = stored_rooms(shared, &policy, &mut room_changes).await?;
    }
    room_changes.sort_by(|a, b| (&a.room, &a.rule).cmp(&(&b.room, &b.rule)));
    let consequences = parts::consequences(shared, &policy).await;
    let providers = providers(shared, &policy);
    let limit = upkeep.limit.of(consequences.inside);
    Ok(Plan {
        running: shared.desk().policy().revision.clone(),
        revision: policy.revision.clone(),
        warnings,
        keys: changes(upkeep.text.expose(), text.expose()),
        rooms,
        stored,
        kept,
        inside: consequences.inside,
        providers,
        changes: List::of(room_changes),
        refused: consequences.removed.len() > limit,
        removed: people(&consequences.removed),
        let_in: people(&consequences.let_in),
        turned_away: people(&consequences.turned_away),
        limit,
    })
}

/// Reads the text as this component would if it were its file, the files that it names included.
async fn understand(shared: &Shared, candidate: Candidate) -> Result<Loaded, String> {
    let environment = Arc::clone(&shared.environment);
    let file = Arc::clone(&shared.file);
    let understand = move || {
        // A text without a path, or with a relative one, stands in the directory of the component's own file.
        let own = file.parent().unwrap_or(Path::new(""));
        let directory = Path::new(&candidate.path).parent().unwrap_or(Path::new(""));
        let directory = own.join(directory);
        let read = |other: &Path| std::fs::read_to_string(directory.join(other));
        let outside =
            Outside { environment: &environment, read: &read, exposed: false, lenient: false };
        parse(&candidate.path, candidate.text.expose(), &outside)
            .map_err(|problems| LoadError::Invalid(problems).to_string())
    };
    let understood = tokio::task::spawn_blocking(understand).await;
    understood.unwrap_or_else(|error| Err(format!("the file could not be read: {error}")))
}

/// Returns the number of rooms, and the differences that the other file would add.
async fn rooms(
    shared: &Shared,
    policy: &Policy,
    settings: &config::Audit,
) -> Result<(usize, Vec<RoomChange>), String> {
    let services = shared.desk().greeted();
    let (mut number, mut found) = (0_usize, Vec::new());
    let _alone = shared.paging.lock().await;
    for service in services {
        let mut pages = Pages::new(shared, &service);
        while let Some(page) = pages.next_rooms().await.map_err(|error| error.to_string())? {
            for live in page {
                number = number.saturating_add(1);
                found.extend(room(shared, policy, settings, &live));
            }
            tokio::task::yield_now().await;
        }
    }
    Ok((number, found))
}

/// Adds what would differ in stored rooms and does not now; how many there are, and how many of them were there before
/// the policy and stay as they are.
async fn stored_rooms(
    shared: &Shared,
    policy: &Policy,
    changes: &mut Vec<RoomChange>,
) -> Result<(usize, usize), String> {
    let services = shared.desk().greeted();
    let (mut number, mut kept) = (0_usize, 0_usize);
    for service in services {
        for live in stored(shared, &service).await.map_err(|error| error.to_string())? {
            let then = in_stored(policy, &live, now());
            number = number.saturating_add(1);
            kept = kept.saturating_add(usize::from(live.view.is_found() && then.is_empty()));
            // The others are compared as rooms in memory are.
            if live.view.record.is_none() {
                changes.extend(then.into_iter().map(|drift| change(&live, drift, true)));
            }
        }
    }
    Ok((number, kept))
}

fn change(live: &LiveRoom, drift: Drift, repaired: bool) -> RoomChange {
    RoomChange {
        room: live.jid.to_string(),
        rule: drift.rule.name.to_owned(),
        line: drift.rule.line,
        jid: drift.who.map(|jid| jid.to_string()),
        is: drift.is.to_owned(),
        should: drift.should.to_owned(),
        repaired,
    }
}

fn room(
    shared: &Shared,
    policy: &Policy,
    settings: &config::Audit,
    live: &LiveRoom,
) -> Vec<RoomChange> {
    let before = {
        let desk = shared.desk();
        if desk.mode() == Mode::Observe {
            return Vec::new();
        }
        let rules = desk.live().rules_at(desk.policy(), live);
        drifts(desk.policy(), &rules, live, now())
    };
    drifts(policy, &policy.rules_in(&live.jid, live.claims(), live.view.is_found()), live, now())
        .into_iter()
        // Who would be removed is told apart.
        .filter(|drift| drift.effects.remove.is_empty())
        .filter(|drift| !before.iter().any(|known| known.is_same_as(drift)))
        .map(|drift| {
            let repaired = settings.repairs(drift.rule.name);
            change(live, drift, repaired)
        })
        .collect()
}

/// The providers of which another policy says something else than the one in force, or nothing, and whom that is about.
fn providers(shared: &Shared, policy: &Policy) -> Vec<ProviderChange> {
    let mut all = BTreeMap::<String, (BTreeSet<String>, HashSet<(BareJid, BareJid)>)>::new();
    let hellos = shared.desk();
    for host in hellos.services().filter_map(|(_, hello)| hello).flat_map(|it| &it.hosts.hosts) {
        all.entry(host.provider.clone()).or_default().0.insert(host.name.clone());
    }
    drop(hellos);
    each_room(shared, |_, room, inside| {
        for who in inside.occupants.values().map(|known| &known.who) {
            let session = who.session.as_deref().filter(|it| it.kind == SessionKind::Client);
            if let (Some(session), Some(jid)) = (session, &who.jid) {
                let inside = &mut all.entry(session.provider.to_string()).or_default().1;
                inside.insert((room.clone(), jid.clone()));
            }
        }
    });
    let running = Arc::clone(shared.desk().policy());
    let name = |proves: Option<Proves>| proves.map(|proves| proves.name().to_owned());
    all.into_iter()
        .filter(|(provider, _)| !provider.is_empty())
        .map(|(provider, (hosts, inside))| ProviderChange {
            before: name(running.proves(&provider)),
            after: name(policy.proves(&provider)),
            name: provider,
            hosts: hosts.into_iter().collect(),
            inside: inside.len(),
        })
        .filter(|change| change.after.is_none() || change.before != change.after)
        .collect()
}

fn people(judged: &[Judged]) -> List<PersonChange> {
    let mut all: Vec<_> = judged
        .iter()
        .filter_map(|one| {
            let (room, jid) = one.about()?;
            let rule = one.decision.rule;
            let (room, jid) = (room.to_string(), jid.to_string());
            Some(PersonChange { room, jid, rule: rule.name.to_owned(), line: rule.line })
        })
        .collect();
    all.sort_by(|a, b| (&a.room, &a.jid).cmp(&(&b.room, &b.jid)));
    List::of(all)
}
