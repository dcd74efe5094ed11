//! The file again: all of it, or nothing.

use std::sync::{Arc, PoisonError};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::clock::now;
use super::enforce::enforce;
use super::{Shared, Upkeep, addresses, parts, revision, rooms};
use crate::component::desk::Consequences;
use crate::config::{Limit, Loaded, changes, load};
use crate::secret::Secret;

/// The policy in force, and how many people it removed.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Reloaded {
    /// The revision of the policy.
    pub revision: String,
    /// How many people it removed.
    pub removed: usize,
    /// The keys of the file that are not in force before a restart.
    pub restart: Vec<String>,
}

/// Reads the file again each time that it is asked for by a signal; several at once are one.
pub(super) async fn watch(shared: Shared) {
    loop {
        shared.reload_now.notified().await;
        // What went wrong is in the log; the old policy stays.
        let _ = reload(&shared, false).await;
    }
}

/// Reads the file again, and counts how that went. A wrong one changes nothing; its problems are logged and returned. Nor does one that
/// would remove more people than the running file lets a reload remove, unless it is forced.
pub(super) async fn reload(shared: &Shared, forced: bool) -> Result<Reloaded, String> {
    let reloaded = attempt(shared, forced).await;
    shared.metrics.reload(reloaded.is_ok());
    reloaded
}

async fn attempt(shared: &Shared, forced: bool) -> Result<Reloaded, String> {
    // A later reload reads a later file.
    let _alone = shared.reloading.lock().await;
    let running = || shared.desk().policy().revision.clone();
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
    let limit = shared.upkeep().limit;
    match put_in_force(shared, loaded, (!forced).then_some(limit)).await {
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

/// Compares the file on the disk with the one in force, for [`super::Shared::on_disk`].
pub(super) async fn look_at_file(shared: &Shared) {
    let file = Arc::clone(&shared.file);
    let text = tokio::task::spawn_blocking(move || std::fs::read_to_string(&*file).ok()).await;
    let text = text.ok().flatten().map(Secret::new);
    // Most of the time it is as it was; reading it whole takes milliseconds.
    if text.as_ref() == Some(&shared.upkeep().text) {
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
    *shared.on_disk.lock().unwrap_or_else(PoisonError::into_inner) = found;
}

/// The words for keys that take a restart.
pub(super) fn needs_restart(keys: &[String]) -> String {
    format!("NOT IN FORCE until this component is restarted: {}", keys.join(", "))
}

/// Returns the part of the file loaded last that is not in force.
fn in_part(shared: &Shared) -> Option<String> {
    let keys = shared.upkeep().needs_restart();
    (!keys.is_empty()).then(|| format!("the file is in force in part; {}", needs_restart(&keys)))
}

fn wrong(problems: &str) -> String {
    let first = problems.lines().next().unwrap_or_default().trim_start_matches("error: ");
    format!("the file on the disk is WRONG, a restart would fail: {first}")
}

/// Returns the number of keys of the file on the disk that differ from those in force.
pub(super) fn pending(shared: &Shared, on_disk: &Loaded) -> usize {
    let running = shared.upkeep().text.clone();
    changes(running.expose(), on_disk.text.expose()).len()
}

/// Reads the component's own file.
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

async fn put_in_force(
    shared: &Shared,
    loaded: Loaded,
    limit: Option<Limit>,
) -> Result<Reloaded, String> {
    let warnings = loaded.warnings_at(now()).cloned().collect();
    let Loaded { mut policy, settings, text, written, .. } = loaded;
    let in_file = Arc::new(settings.clone());
    let settings = settings.reloaded(&shared.upkeep().settings);
    let known = Arc::new(settings.clone());
    let revision = policy.revision.clone();
    policy.made = Arc::clone(&shared.desk().policy().made);
    if let Some(limit) = limit {
        let would = parts::consequences(shared, &policy).await;
        let most = limit.of(would.inside);
        if would.removed.len() > most {
            return Err(too_many(&would, most));
        }
    }
    let (before, welcomes) = {
        let mut desk = shared.desk();
        let before = desk.replace_policy(Arc::new(policy));
        let greeted = desk.greeted().into_iter();
        let welcomes: Vec<_> = greeted.map(|service| (desk.welcome(&service), service)).collect();
        (before, welcomes)
    };
    let consequences = parts::judge_again(shared, before).await;
    shared.access.replace(settings.admin);
    let text_before = shared.upkeep().text.clone();
    let entry = revision::reloaded(&revision, &shared.file, &text_before, &text);
    shared.desk().audit().record(entry);
    *shared.upkeep() = Upkeep {
        audit: settings.audit,
        limit: settings.reload,
        text,
        settings: known,
        in_file,
        written: written.into(),
        warnings,
    };
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
            // Not before: it would find people who are about to be out.
            shared.audit_now.notify_one();
        }
    });
    shared.doctor.look_soon();
    let restart = shared.upkeep().needs_restart();
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
