//! Reload of the policy file, which is put in force as a whole or not at all.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::Path;
use std::sync::Arc;

use hmac::{Hmac, KeyInit as _, Mac as _};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::Sha256;

use super::clock::now;
use super::rooms::{Pages, RoomError, each_room, stored};
use super::{RunError, RuntimeConfig, Shared, addresses, config, rooms};
use crate::component::audit::Audit;
use crate::component::drift::{drifts, in_stored};
use crate::component::engine::{Consequences, Judged, Mode};
use crate::config::{
    Limit, LoadError, Loaded, Outside, changes, load, parse, read_file, redacted, redacted_changes,
};
use crate::control::{Called, List, PersonChange, Plan, ProviderChange, RoomChange};
use crate::jid::BareJid;
use crate::policy::Policy;
use crate::policy::context::Drift;
use crate::policy::providers::Proves;
use crate::policy::removal::admission;
use crate::policy::requester::SessionKind;
use crate::policy::verdict::Effects;
use crate::secret::Secret;
use crate::store::{Entry, Kind, Query};
use crate::wire::room::LiveRoom;

/// The result of a reload.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Reloaded {
    /// Revision of the policy in force.
    pub revision: String,
    /// Number of people whom the new policy removes.
    pub removed: usize,
    /// Keys of the file that are not in force before a restart.
    pub restart: Vec<String>,
}

/// Reloads the file each time that a signal asks for it; several signals at once count as one.
pub(super) async fn watch(shared: Shared) {
    loop {
        shared.reload_now.notified().await;
        // Errors are logged; the old policy stays in force.
        let _ = reload(&shared, false).await;
    }
}

/// Reloads the file, and counts the outcome. An invalid file changes nothing; its problems are logged and returned. The
/// same applies to a file that would remove more people than `[reload]` allows, unless the reload is forced.
pub(super) async fn reload(shared: &Shared, forced: bool) -> Result<Reloaded, String> {
    let reloaded = attempt(shared, forced).await;
    shared.metrics.reload(reloaded.is_ok());
    reloaded
}

async fn attempt(shared: &Shared, forced: bool) -> Result<Reloaded, String> {
    // Reloads run one after another, so that the last one reads the latest file.
    let _alone = shared.reloading.lock().await;
    let running = || shared.engine().policy().revision.clone();
    let loaded = match read(shared).await {
        Ok(loaded) => loaded,
        Err(problems) => {
            tracing::error!(running = running(), "the file is not reloaded:\n{problems}");
            said(shared, Some(wrong(&problems)));
            return Err(unchanged(&problems, &running()));
        }
    };
    for warning in loaded.warnings_at(now()) {
        tracing::warn!("{}", warning.to_string().trim_start_matches("warning: "));
    }
    let limit = shared.upkeep.lock().settings.reload;
    match activate(shared, loaded, (!forced).then_some(limit)).await {
        Ok(reloaded) => {
            if !reloaded.restart.is_empty() {
                tracing::warn!("{}", needs_restart(&reloaded.restart));
            }
            said(shared, in_part(shared));
            Ok(reloaded)
        }
        Err(reason) => {
            tracing::error!(running = running(), "the file is not reloaded: {reason}");
            Err(unchanged(&reason, &running()))
        }
    }
}

/// Compares the file on disk with the one in force, for [`super::Shared::on_disk`].
pub(super) async fn look_at_file(shared: &Shared) {
    let file = Arc::clone(&shared.file);
    let text = tokio::task::spawn_blocking(move || read_file(&file).ok()).await;
    let text = text.ok().flatten().map(Secret::new);
    // Usually it is unchanged; parsing it would take milliseconds.
    if text.as_ref() == Some(&shared.upkeep.lock().text) {
        return said(shared, in_part(shared));
    }
    let found = match read(shared).await {
        Err(problems) => wrong(&problems),
        Ok(loaded) => match pending(shared, &loaded) {
            0 => return said(shared, in_part(shared)),
            1 => "the file on the disk is not in force: 1 key differs".to_owned(),
            keys => format!("the file on the disk is not in force: {keys} keys differ"),
        },
    };
    said(shared, Some(found));
}

fn said(shared: &Shared, found: Option<String>) {
    *shared.on_disk.lock() = found;
}

pub(super) fn needs_restart(keys: &[String]) -> String {
    format!("NOT IN FORCE until this component is restarted: {}", keys.join(", "))
}

/// Returns which part of the last loaded file is not in force before a restart, if any.
fn in_part(shared: &Shared) -> Option<String> {
    let keys = shared.upkeep.lock().needs_restart();
    (!keys.is_empty()).then(|| format!("the file is in force in part; {}", needs_restart(&keys)))
}

fn wrong(problems: &str) -> String {
    let first = problems.lines().next().unwrap_or_default().trim_start_matches("error: ");
    format!("the file on the disk is WRONG, a restart would fail: {first}")
}

/// Returns the number of keys whose values in the file on disk differ from those in force.
pub(super) fn pending(shared: &Shared, on_disk: &Loaded) -> usize {
    let running = shared.upkeep.lock().text.clone();
    changes(running.expose(), on_disk.text.expose()).len()
}

/// Reads and checks the component's own file.
pub(super) async fn read(shared: &Shared) -> Result<Loaded, String> {
    let (file, environment) = (Arc::clone(&shared.file), Arc::clone(&shared.environment));
    match tokio::task::spawn_blocking(move || load(&file, &environment)).await {
        Ok(Ok(loaded)) => Ok(loaded),
        Ok(Err(problems)) => Err(problems.to_string()),
        Err(error) => Err(format!("the file could not be read: {error}")),
    }
}

fn unchanged(reason: &str, running: &str) -> String {
    format!("{reason}\nthe running policy {running} is unchanged")
}

async fn activate(
    shared: &Shared,
    loaded: Loaded,
    limit: Option<Limit>,
) -> Result<Reloaded, String> {
    let warnings = loaded.warnings_at(now()).cloned().collect();
    let Loaded { mut policy, settings, text, written, .. } = loaded;
    let in_file = Arc::new(settings.clone());
    let settings = settings.reloaded(&shared.upkeep.lock().settings);
    let known = Arc::new(settings.clone());
    let revision = policy.revision.clone();
    policy.made = Arc::clone(&shared.engine().policy().made);
    if let Some(limit) = limit {
        let would = rooms::consequences(shared, &policy).await;
        let most = limit.of(would.inside);
        if would.removed.len() > most {
            return Err(too_many(&would, most));
        }
    }
    let (before, welcomes) = {
        let mut engine = shared.engine();
        let before = engine.replace_policy(Arc::new(policy));
        let greeted = engine.greeted().into_iter();
        let welcomes: Vec<_> = greeted.map(|service| (engine.welcome(&service), service)).collect();
        (before, welcomes)
    };
    let consequences = rooms::judge_again(shared, before).await;
    shared.access.replace(settings.admin);
    let text_before = shared.upkeep.lock().text.clone();
    let entry = reloaded(&revision, &shared.file, &text_before, &text);
    shared.engine().audit().record(entry);
    *shared.upkeep.lock() =
        RuntimeConfig { text, settings: known, in_file, written: written.into(), warnings };
    shared.addresses.forget();
    for (welcome, service) in welcomes {
        addresses::check(shared, &service);
        tokio::spawn(rooms::tell(shared.clone(), service, welcome));
    }
    let removed = consequences.removed.len();
    tracing::info!(revision, removed, "the file is reloaded");
    tokio::spawn({
        let shared = shared.clone();
        async move {
            enforce(&shared, consequences).await;
            // An earlier audit would find people who are about to be removed.
            shared.audit_now.notify_one();
        }
    });
    shared.doctor.look_soon();
    let restart = shared.upkeep.lock().needs_restart();
    Ok(Reloaded { revision, removed, restart })
}

fn too_many(consequences: &Consequences, most: usize) -> String {
    format!(
        "it would remove {} of the {} people inside, and [reload] in the running file lets a reload remove {most}: \
         `vestibule reload --plan` says whom, `vestibule reload --force` does it",
        consequences.removed.len(),
        consequences.inside
    )
}

/// Compares the live state with another file, given by its absolute path and text, or with the component's own file as
/// it is on disk. Nothing is changed.
///
/// # Errors
/// The file is invalid, or the rooms cannot be read.
pub(super) async fn plan(
    shared: &Shared,
    candidate: Option<(String, Secret)>,
) -> Result<Plan, String> {
    let loaded = match candidate {
        Some((path, text)) => understand(shared, path, text).await,
        None => read(shared).await,
    }?;
    let upkeep = shared.upkeep.lock().clone();
    let mut warnings: Vec<String> = loaded
        .warnings_at(now())
        .map(|warning| warning.to_string().trim_start_matches("warning: ").to_owned())
        .collect();
    let Loaded { mut policy, settings, text, .. } = loaded;
    let restart = upkeep.settings.needs_restart(&settings);
    if !restart.is_empty() {
        warnings.push(format!("after a reload {}", needs_restart(&restart)));
    }
    policy.made = Arc::clone(&shared.engine().policy().made);
    if shared.engine().mode() == Mode::Observe {
        warnings.push("nothing is enforced: no room and nobody is affected".to_owned());
    }
    let (mut in_memory, mut stored, mut kept, mut room_changes) = (None, 0, 0, Vec::new());
    if shared.link.is_up() {
        in_memory = Some(rooms(shared, &policy, &settings.audit, &mut room_changes).await?);
        (stored, kept) = stored_rooms(shared, &policy, &mut room_changes).await?;
    }
    room_changes.sort_by(|a, b| (&a.room, &a.rule).cmp(&(&b.room, &b.rule)));
    let consequences = rooms::consequences(shared, &policy).await;
    let providers = providers(shared, &policy);
    let limit = upkeep.settings.reload.of(consequences.inside);
    Ok(Plan {
        running: shared.engine().policy().revision.clone(),
        revision: policy.revision.clone(),
        warnings,
        keys: changes(upkeep.text.expose(), text.expose()),
        rooms: in_memory,
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

/// Parses a text as this component would if it were its file, including the files that it names.
async fn understand(shared: &Shared, path: String, text: Secret) -> Result<Loaded, String> {
    let environment = Arc::clone(&shared.environment);
    let file = Arc::clone(&shared.file);
    let understand = move || {
        // Relative to the directory of the component's own file, if the path is empty or relative.
        let own = file.parent().unwrap_or(Path::new(""));
        let directory = Path::new(&path).parent().unwrap_or(Path::new(""));
        let directory = own.join(directory);
        let read = |other: &Path| read_file(&directory.join(other));
        let outside =
            Outside { environment: &environment, read: &read, exposed: false, lenient: false };
        parse(&path, text.expose(), &outside)
            .map_err(|problems| LoadError::Invalid(problems).to_string())
    };
    let understood = tokio::task::spawn_blocking(understand).await;
    understood.unwrap_or_else(|error| Err(format!("the file could not be read: {error}")))
}

/// Adds the new differences in live rooms under the other file; returns the number of rooms.
async fn rooms(
    shared: &Shared,
    policy: &Policy,
    settings: &config::Audit,
    changes: &mut Vec<RoomChange>,
) -> Result<usize, String> {
    let services = shared.engine().greeted();
    let mut number = 0_usize;
    let _alone = shared.paging.lock().await;
    for service in services {
        let mut pages = Pages::new(shared, &service);
        while let Some(page) = pages.next_rooms().await.map_err(|error| error.to_string())? {
            for live in page {
                number = number.saturating_add(1);
                changes.extend(room(shared, policy, settings, &live));
            }
            tokio::task::yield_now().await;
        }
    }
    Ok(number)
}

/// Adds the new differences in stored rooms under the other file. Returns the number of stored rooms, and how many of
/// them were there before the policy and stay as they are.
async fn stored_rooms(
    shared: &Shared,
    policy: &Policy,
    changes: &mut Vec<RoomChange>,
) -> Result<(usize, usize), String> {
    let services = shared.engine().greeted();
    let (mut number, mut kept) = (0_usize, 0_usize);
    for service in services {
        for live in stored(shared, &service).await.map_err(|error| error.to_string())? {
            let then = in_stored(policy, &live, now());
            number = number.saturating_add(1);
            kept = kept.saturating_add(usize::from(live.view.is_found() && then.is_empty()));
            // Stored rooms that have a record are compared when they are in memory.
            if live.view.record.is_none() {
                changes.extend(then.into_iter().map(|drift| change(&live, drift, true)));
            }
        }
    }
    Ok((number, kept))
}

fn change(live: &LiveRoom, drift: Drift, repaired: bool) -> RoomChange {
    let mut inside = live.occupants.iter();
    let who = inside.find(|who| drift.who.is_some() && who.jid == drift.who);
    RoomChange {
        called: who.map(Called::from).unwrap_or_default(),
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
        let engine = shared.engine();
        if engine.mode() == Mode::Observe {
            return Vec::new();
        }
        let rules = engine.live().rules_at(engine.policy(), live);
        drifts(engine.policy(), &rules, live, now())
    };
    drifts(policy, &policy.rules_in(&live.jid, live.claims(), live.view.is_found()), live, now())
        .into_iter()
        // People who would be removed are listed separately.
        .filter(|drift| drift.effects.remove.is_empty())
        .filter(|drift| !before.iter().any(|known| known.is_same_as(drift)))
        .map(|drift| {
            let repaired = settings.repairs(drift.rule.name);
            change(live, drift, repaired)
        })
        .collect()
}

/// Returns the providers for which another policy differs from the one in force, or that it does not name.
fn providers(shared: &Shared, policy: &Policy) -> Vec<ProviderChange> {
    let mut all = BTreeMap::<String, (BTreeSet<String>, HashSet<(BareJid, BareJid)>)>::new();
    let hellos = shared.engine();
    for host in hellos.services().filter_map(|(_, hello)| hello).flat_map(|it| &it.hosts.hosts) {
        all.entry(host.provider.clone()).or_default().0.insert(host.name.clone());
    }
    drop(hellos);
    each_room(shared, |_, room, inside| {
        for who in inside.occupants.values().map(|known| &known.who) {
            let session = who.session.as_ref().filter(|it| it.kind == SessionKind::Client);
            if let (Some(session), Some(jid)) = (session, &who.jid) {
                let inside = &mut all.entry(session.provider.to_string()).or_default().1;
                inside.insert((room.clone(), jid.clone()));
            }
        }
    });
    let running = Arc::clone(shared.engine().policy());
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
            let called = (&one.attempt.requester).into();
            let (room, jid) = (room.to_string(), jid.to_string());
            Some(PersonChange { room, jid, called, rule: rule.name.to_owned(), line: rule.line })
        })
        .collect();
    all.sort_by(|a, b| (&a.room, &a.jid).cmp(&(&b.room, &b.jid)));
    List::of(all)
}

/// The file in the state directory with the key of [`shown`].
const KEY: &str = "revision.key";

/// Returns the key of [`shown`], which is created at the first start.
pub(super) fn key(state_dir: &Path) -> Result<[u8; 32], RunError> {
    let path = state_dir.join(KEY);
    super::store::key(&path).map_err(|error| RunError::Key(path, error))
}

/// Returns a keyed hash that strangers see instead of the policy's revision: it changes with the revision, but without
/// the key nobody can infer what the file says or confirm a guess.
pub(super) fn shown(key: &[u8; 32], revision: &str) -> String {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return String::new() };
    mac.update(revision.as_bytes());
    hex::encode(mac.finalize().into_bytes()).chars().take(12).collect()
}

/// Records the policy that the component starts with, and how it differs from the last one that was in force.
pub(super) async fn started(audit: &Audit, revision: &str, file: &Path, text: &Secret) {
    let Some(store) = audit.store() else { return };
    let query = Query { kind: Some(Kind::Revision), limit: Some(1), ..Query::default() };
    let last = match store.search(query).await {
        Ok(found) => found.into_iter().next(),
        Err(error) => {
            tracing::warn!(%error, "the policy that was in force last is not known");
            None
        }
    };
    let before = last.and_then(|last| {
        let body: Value = serde_json::from_str(&last.body).ok()?;
        Some(body.get("text")?.as_str()?.to_owned())
    });
    let kept = redacted(text.expose());
    let changes = before.map(|before| redacted_changes(&before, &kept));
    audit.record(entry(revision, file, json!({"why": "start", "changes": changes, "text": kept})));
}

pub(super) fn reloaded(revision: &str, file: &Path, before: &Secret, text: &Secret) -> Entry {
    let changes = redacted_changes(before.expose(), text.expose());
    let kept = redacted(text.expose());
    entry(revision, file, json!({"why": "reload", "changes": changes, "text": kept}))
}

fn entry(revision: &str, file: &Path, mut body: Value) -> Entry {
    if let Some(body) = body.as_object_mut() {
        body.insert("file".to_owned(), file.display().to_string().into());
    }
    Entry {
        revision: Some(revision.to_owned()),
        body: body.to_string(),
        ..Entry::new(Kind::Revision, now())
    }
}

/// The largest number of checks whether anyone is left who has to go.
const ROUNDS: u32 = 3;

/// The result of enforcing a policy: people with the room of each, and failures.
#[derive(Debug, Default)]
pub(super) struct Enforced {
    /// People who were inside and were removed.
    pub(super) removed: Vec<(BareJid, BareJid)>,
    /// People who waited and were turned away.
    pub(super) turned_away: Vec<(BareJid, BareJid)>,
    /// People who are still inside or waiting, with the reason.
    pub(super) failed: Vec<(BareJid, BareJid, RoomError)>,
    /// Services whose occupants are not known, with the reason.
    pub(super) unread: Vec<(Arc<str>, RoomError)>,
}

impl Enforced {
    fn is_new(&self, judged: &Judged) -> bool {
        let failed = self.failed.iter().map(|(room, jid, _)| (room, jid));
        let mut tried = self.turned_away.iter().map(|(room, jid)| (room, jid)).chain(failed);
        !tried.any(|one| judged.about() == Some(one))
    }
}

/// Removes people who may no longer be inside, lets in those who no longer need to wait, and turns away those who would
/// wait in vain. Then it does the same for people who entered meanwhile by an earlier decision, as the gates report.
pub(super) async fn enforce(shared: &Shared, consequences: Consequences) -> Enforced {
    let mut all = Enforced { unread: rooms::catch_up(shared).await, ..Enforced::default() };
    let mut now_out = rooms::misplaced(shared).await;
    let mut judged: HashSet<_> = consequences.removed.iter().filter_map(owned).collect();
    answer(shared, &consequences.let_in, true, &mut all).await;
    answer(shared, &consequences.turned_away, false, &mut all).await;
    for _ in 0..ROUNDS {
        now_out.removed.retain(|judged| all.is_new(judged));
        now_out.turned_away.retain(|judged| all.is_new(judged));
        if now_out.removed.is_empty() && now_out.turned_away.is_empty() {
            break;
        }
        let new = now_out.removed.iter().filter(|it| owned(it).is_some_and(|it| judged.insert(it)));
        let new: Vec<_> = new.cloned().collect();
        shared.engine().write_removals(&new, now());
        remove(shared, &now_out.removed, &mut all).await;
        answer(shared, &now_out.turned_away, false, &mut all).await;
        all.unread = rooms::catch_up(shared).await;
        now_out = rooms::misplaced(shared).await;
    }
    // A person who came back meanwhile may have been removed twice.
    all.removed.sort();
    all.removed.dedup();
    all
}

/// Turns away people who wait in vain under the policy in force, as far as the registry knows: they may have knocked
/// under an earlier policy.
pub(super) async fn turn_away(shared: &Shared) {
    // People whom a ban turns away are listed in its reply.
    let _alone = shared.banning.lock().await;
    let waiting = rooms::misplaced(shared).await.turned_away;
    answer(shared, &waiting, false, &mut Enforced::default()).await;
}

fn owned(judged: &Judged) -> Option<(BareJid, BareJid)> {
    judged.about().map(|(room, jid)| (room.clone(), jid.clone()))
}

async fn remove(shared: &Shared, those: &[Judged], all: &mut Enforced) {
    for (room, jid, done) in rooms::remove_all(shared, those).await {
        match done {
            Ok(true) => all.removed.push((room, jid)),
            // They had left before.
            Ok(false) => {}
            Err(error) => all.failed.push((room, jid, error)),
        }
    }
}

async fn answer(shared: &Shared, those: &[Judged], lets_in: bool, all: &mut Enforced) {
    for judged in those {
        let Some((room, jid)) = judged.about() else { continue };
        match answer_one(shared, judged, (room, jid), lets_in).await {
            Ok(true) if !lets_in => all.turned_away.push((room.clone(), jid.clone())),
            Ok(_) => {}
            Err(error) => all.failed.push((room.clone(), jid.clone(), error)),
        }
    }
}

/// Returns whether they were waiting.
async fn answer_one(
    shared: &Shared,
    judged: &Judged,
    (room, jid): (&BareJid, &BareJid),
    lets_in: bool,
) -> Result<bool, RoomError> {
    let effects = |live: &LiveRoom| {
        let waits = live.waiting.iter().any(|(who, _)| who.jid.as_ref() == Some(jid));
        let effects = match (waits, lets_in) {
            (false, _) => Effects::default(),
            (true, true) => admission(jid, live.person.as_ref()),
            (true, false) => Effects::rejecting([jid.clone()], None),
        };
        (effects, Vec::new(), waits)
    };
    let action = if lets_in { "admitted" } else { "rejected" };
    let rule = judged.decision.rule.name;
    match rooms::apply(shared, room, Some(jid), effects).await {
        Ok(waited) => {
            if waited {
                shared.engine().write_event(action, room.as_str(), rooms::about(jid), now());
                tracing::info!(?room, ?jid, rule, "{action}: the policy has changed meanwhile");
            }
            Ok(waited)
        }
        Err(RoomError::None(_)) => Ok(false),
        Err(error) => {
            tracing::warn!(?room, ?jid, %error, "a person who waits could not be answered");
            Err(error)
        }
    }
}
