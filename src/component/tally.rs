//! How decisions went.

use crate::policy::verdict::Verdict;

/// What was decided since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Tally {
    /// Allowed.
    pub allow: u64,
    /// Sent to the lobby.
    pub hold: u64,
    /// Asked for a password.
    pub prompt: u64,
    /// Denied.
    pub deny: u64,
    /// Refused or let through by a gate by itself, because nobody answered it.
    pub by_gate: u64,
}

impl Tally {
    /// Counts a decision.
    pub const fn count(&mut self, verdict: Verdict) {
        let count = match verdict {
            Verdict::Allow => &mut self.allow,
            Verdict::Hold => &mut self.hold,
            Verdict::Prompt => &mut self.prompt,
            Verdict::Deny => &mut self.deny,
        };
        *count = count.saturating_add(1);
    }
}
