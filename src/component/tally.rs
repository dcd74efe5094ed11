//! How decisions went.

use crate::policy::verdict::{Decision, Verdict};

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
    /// Denied, where the focus wanted to make a moderator of somebody (jicofo's `enable-auto-owner`).
    #[serde(default)]
    pub elections: u64,
    /// What would have been decided otherwise by the rules that are only observed.
    #[serde(default)]
    pub would: Would,
}

/// How decisions would have gone that went otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Would {
    /// Allowed.
    pub allow: u64,
    /// Sent to the lobby.
    pub hold: u64,
    /// Asked for a password.
    pub prompt: u64,
    /// Denied.
    pub deny: u64,
}

impl Would {
    /// Anything would have gone otherwise.
    pub fn any(self) -> bool {
        self != Self::default()
    }
}

impl Tally {
    /// Counts an election by the focus that was denied.
    pub fn count_election(&mut self) {
        self.elections = self.elections.saturating_add(1);
    }

    /// Counts a decision.
    pub fn count(&mut self, decision: &Decision) {
        let count = match decision.verdict {
            Verdict::Allow => &mut self.allow,
            Verdict::Hold => &mut self.hold,
            Verdict::Prompt => &mut self.prompt,
            Verdict::Deny => &mut self.deny,
        };
        *count = count.saturating_add(1);
        let would = decision.would.as_ref().map(|would| would.verdict);
        let other = match would.filter(|would| *would != decision.verdict) {
            None => return,
            Some(Verdict::Allow) => &mut self.would.allow,
            Some(Verdict::Hold) => &mut self.would.hold,
            Some(Verdict::Prompt) => &mut self.would.prompt,
            Some(Verdict::Deny) => &mut self.would.deny,
        };
        *other = other.saturating_add(1);
    }
}
