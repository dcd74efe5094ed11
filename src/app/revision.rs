//! The policy that is put in force, as an entry of the audit: what is new in it, and the file without its secrets.

use std::path::Path;

use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;

use super::RunError;
use super::clock::now;
use crate::component::audit::Audit;
use crate::config::{redacted, redacted_changes};
use crate::secret::Secret;
use crate::store::{Entry, Kind, Query};

/// The file of the key for what strangers see.
const KEY: &str = "revision.key";

/// Returns the key for [`shown`], which is made at the first start.
pub(super) fn key(state_dir: &Path) -> Result<[u8; 32], RunError> {
    let path = state_dir.join(KEY);
    super::key::key(&path).map_err(|source| RunError::Key { path, source })
}

/// What strangers see instead of a revision: another for each, from which nobody without the key learns what the
/// file says, nor can tell whether a guess at it is right.
pub(super) fn shown(key: &[u8; 32], revision: &str) -> String {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return String::new() };
    mac.update(revision.as_bytes());
    hex::encode(mac.finalize().into_bytes()).chars().take(12).collect()
}

/// Writes down the policy that the component starts with, and how it differs from the last one that was in force.
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

/// The entry of a policy that replaces another.
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
