//! Comparing the live rooms with the policy, and repairing what other modules of the server have changed.

mod trials;

use std::future::pending;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Map, Value};

use self::trials::{Key, Trials, Turn};
use super::clock::now;
use super::reading::{Reading, restore};
use super::rooms::{RoomError, apply};
use super::{Shared, config};
use crate::component::desk::Mode;
use crate::component::drift::drifts;
use crate::jid::BareJid;
use crate::metrics::gauged;
use crate::policy::drift::Drift;
use crate::policy::verdict::Effects;
use crate::wire::room::LiveRoom;

/// Watches until aborted.
pub(super) async fn watch(shared: Shared) {
    let mut trials = Trials::default();
    loop {
        let every = shared.upkeep().audit.every;
        let due = async {
            match every {
                Some(every) => tokio::time::sleep(every).await,
                None => pending().await,
            }
        };
        tokio::select! {
            () = due => {}
            () = shared.audit_now.notified() => {}
        }
        // Where nothing is enforced, every room differs.
        if shared.link.is_up() && shared.desk().mode() == Mode::Enforce {
            audit(&shared, &mut trials).await;
        }
    }
}

/// Compares every room of every service once.
async fn audit(shared: &Shared, trials: &mut Trials) {
    let settings = shared.upkeep().audit.clone();
    let (services, revision) = {
        let desk = shared.desk();
        (desk.greeted(), desk.policy().revision.clone())
    };
    trials.begin(&revision, settings.every);
    let mut rooms: u64 = 0;
    for service in &services {
        match service_rooms(shared, service, &settings, trials).await {
            Ok(number) => rooms = rooms.saturating_add(number),
            Err(error) => {
                tracing::warn!(%service, %error, "the rooms could not be compared with the policy");
                return;
            }
        }
    }
    let present = trials.end(now());
    let desk = shared.desk();
    let metrics = desk.drift();
    metrics.audits.inc();
    metrics.rooms.set(gauged(rooms));
    metrics.present.set(gauged(present));
}

async fn service_rooms(
    shared: &Shared,
    service: &Arc<str>,
    settings: &config::Audit,
    trials: &mut Trials,
) -> Result<u64, RoomError> {
    let _alone = shared.paging.lock().await;
    let mut reading = Reading::new(shared, service);
    let mut rooms: u64 = 0;
    while let Some(page) = reading.next().await? {
        for live in page {
            rooms = rooms.saturating_add(1);
            let found = compare(shared, &live);
            if !found.is_empty() {
                // A ban may wait for the end of this reading, which begins again afterwards.
                let Ok(_alone) = shared.banning.try_lock() else {
                    tokio::spawn(again(shared.clone()));
                    return Ok(rooms);
                };
                see_to(shared, &live.jid, found, settings, trials).await;
            }
        }
        tokio::task::yield_now().await;
    }
    if !reading.finish().await? {
        tokio::spawn(restore(shared.clone(), Arc::clone(service)));
    }
    Ok(rooms)
}

/// Asks for another audit once nobody bans any more.
async fn again(shared: Shared) {
    drop(shared.banning.lock().await);
    shared.audit_now.notify_one();
}

fn compare(shared: &Shared, live: &LiveRoom) -> Vec<Drift> {
    let desk = shared.desk();
    let rules = desk.live().rules_at(desk.policy(), live);
    drifts(desk.policy(), &rules, live, now())
}

/// Reports what is new, and repairs what is to be repaired.
async fn see_to(
    shared: &Shared,
    room: &BareJid,
    found: Vec<Drift>,
    settings: &config::Audit,
    trials: &mut Trials,
) {
    let mut wanted = Vec::new();
    for drift in found {
        let key = Key::new(room, &drift);
        let repairs = drift.effects != Effects::default() && settings.repairs(drift.rule.name);
        match trials.meet(&key, repairs, now()) {
            Turn::Repair => wanted.push(drift),
            Turn::Report => write_down(shared, room, &drift, false),
            Turn::Wait => {}
        }
    }
    if wanted.is_empty() {
        return;
    }
    let (repaired, error) = match repair(shared, room, &wanted).await {
        Ok(repaired) => (repaired, None),
        Err(error) => (Vec::new(), Some(error)),
    };
    for drift in &wanted {
        let is_repaired = repaired.iter().any(|done| done.is_same_as(drift));
        if let Some(error) = &error {
            tracing::warn!(room = room.as_str(), rule = drift.rule.name, %error, "a room could not be repaired");
        } else if !is_repaired {
            // It was gone by then.
            continue;
        }
        write_down(shared, room, drift, is_repaired);
        if trials.tried(&Key::new(room, drift), is_repaired, now()) {
            tracing::warn!(
                room = room.as_str(),
                rule = drift.rule.name,
                "a repair does not last: something else on the server changes the room back. It is tried again, more and more rarely"
            );
        }
    }
}

/// Repairs what of this is still so when the gate is asked; returns that.
async fn repair(
    shared: &Shared,
    room: &BareJid,
    wanted: &[Drift],
) -> Result<Vec<Drift>, RoomError> {
    let done = Mutex::new(Vec::new());
    let make = |live: &LiveRoom| {
        let mut still = compare(shared, live);
        still.retain(|drift| wanted.iter().any(|one| one.is_same_as(drift)));
        let mut effects = Effects::default();
        for drift in &still {
            effects.merge(drift.effects.clone());
        }
        *done.lock().unwrap_or_else(PoisonError::into_inner) = still;
        (effects, Vec::new())
    };
    apply(shared, room, None, make).await?;
    Ok(done.into_inner().unwrap_or_else(PoisonError::into_inner))
}

fn write_down(shared: &Shared, room: &BareJid, drift: &Drift, repaired: bool) {
    let Drift { rule, who, is, should, effects: _ } = drift;
    let who = who.as_ref().map(|jid| jid.as_str());
    tracing::warn!(
        room = room.as_str(),
        rule = rule.name,
        line = rule.line,
        who,
        is,
        should,
        repaired,
        "a room differs from its rules"
    );
    let mut details = Map::new();
    details.insert("rule".to_owned(), Value::from(rule.name));
    details.insert("line".to_owned(), Value::from(rule.line));
    if let Some(who) = who {
        details.insert("jid".to_owned(), Value::from(who));
    }
    details.insert("is".to_owned(), Value::from(*is));
    details.insert("should".to_owned(), Value::from(*should));
    details.insert("repaired".to_owned(), Value::from(repaired));
    let desk = shared.desk();
    let metrics = desk.drift();
    metrics.found.inc();
    metrics.repaired.inc_by(u64::from(repaired));
    desk.audit().event("drift", room.as_str(), details, now());
}
