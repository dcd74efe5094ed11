//! Whether a file is what it was when it was made.

use serde_json::Value;

use super::bundle::FORMAT;
use super::page::{self, page};
use super::seal::seal;

/// The result of verifying a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// The checksum of what it holds.
    pub sha256: String,
    /// The checksum that it says it has.
    pub said: String,
    /// A page shows what its bundle says. `None`: it is no page, or was made by another version, which may have
    /// shown it otherwise.
    pub page: Option<bool>,
}

impl Checked {
    /// Nothing in it was changed, as far as can be told from the file alone.
    pub fn is_whole(&self) -> bool {
        self.sha256 == self.said && self.page != Some(false)
    }
}

/// A file is none of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is no incident: neither the page nor the JSON that `vestibule incident` writes")]
pub struct Unreadable;

/// Checks the text of a file.
///
/// # Errors
/// The file holds no incident.
pub fn check(text: &str) -> Result<Checked, Unreadable> {
    let json = if text.trim_start().starts_with('{') {
        text
    } else {
        let (_, rest) = text.split_once(page::OPENING).ok_or(Unreadable)?;
        rest.split_once(page::CLOSING).ok_or(Unreadable)?.0
    };
    let sealed: Value = serde_json::from_str(json).map_err(|_| Unreadable)?;
    let said = sealed.get("sha256").and_then(Value::as_str).ok_or(Unreadable)?;
    let bundle = sealed.get("incident").ok_or(Unreadable)?;
    let is = |name: &str, value: &str| bundle.get(name).and_then(Value::as_str) == Some(value);
    if !is("format", FORMAT) {
        return Err(Unreadable);
    }
    let can_compare = json.len() < text.len() && is("version", env!("CARGO_PKG_VERSION"));
    Ok(Checked {
        sha256: seal(bundle),
        said: said.to_owned(),
        page: can_compare.then(|| page(bundle) == text),
    })
}
