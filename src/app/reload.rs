//! The file again: all of it, or nothing.

use std::sync::Arc;

use super::clock::now;
use super::{Shared, rooms};
use crate::config::{Loaded, load};

/// Reads the file again. A wrong one changes nothing; its problems are logged and returned.
pub(super) async fn reload(shared: &Shared) -> Result<String, String> {
    let (file, environment) = (Arc::clone(&shared.file), Arc::clone(&shared.environment));
    let loaded = tokio::task::spawn_blocking(move || load(&file, &environment)).await;
    let loaded = match loaded {
        Ok(Ok(loaded)) => loaded,
        Ok(Err(problems)) => {
            let revision = shared.desk().policy().revision.clone();
            tracing::error!(running = revision, "the file is not reloaded:\n{problems}");
            return Err(format!("{problems}\nthe running policy {revision} is unchanged"));
        }
        Err(error) => return Err(format!("the file could not be read: {error}")),
    };
    for warning in loaded.warnings_at(now()) {
        tracing::warn!("{}", warning.to_string().trim_start_matches("warning: "));
    }
    let Loaded { policy, .. } = loaded;
    let revision = policy.revision.clone();
    let (removals, welcomes) = {
        let mut desk = shared.desk();
        let removals = desk.replace_policy(Arc::new(policy), now());
        let greeted = desk.greeted().into_iter();
        let welcomes: Vec<_> = greeted.map(|service| (desk.welcome(&service), service)).collect();
        (removals, welcomes)
    };
    for (welcome, service) in welcomes {
        tokio::spawn(rooms::tell(shared.clone(), service, welcome));
    }
    tracing::info!(revision, removed = removals.len(), "the file is reloaded");
    tokio::spawn(rooms::remove_all(shared.clone(), removals));
    Ok(revision)
}
