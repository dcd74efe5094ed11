//! Custom notices: what people are told in addition, in the operator's words; nothing, unless the file has them.

use super::context::Case;
use super::notice::Notice;
use super::verdict::{Audience, Effects, Verdict};

/// A notice of the operator's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Told {
    /// To everybody who enters.
    Enter,
    /// To moderators when they enter.
    Moderate,
    /// To a person who has to wait, in addition to the reason.
    Wait,
    /// To a person who is asked for a password, in addition to the reason.
    Password,
    /// To a person who may not enter, in addition to the reason.
    Refused,
}

impl Told {
    /// Every one.
    pub const ALL: [Self; 5] =
        [Self::Enter, Self::Moderate, Self::Wait, Self::Password, Self::Refused];

    /// The name in the operator's file.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Enter => "notice-enter",
            Self::Moderate => "notice-moderate",
            Self::Wait => "notice-wait",
            Self::Password => "notice-password",
            Self::Refused => "notice-refused",
        }
    }

    /// The placeholders that it may have. The gate fills those of the first two.
    pub const fn template(self) -> &'static str {
        match self {
            Self::Enter => "{room} {nick}",
            Self::Moderate => "{room} {nick} {password}",
            Self::Wait | Self::Password | Self::Refused => "{room} {rule}",
        }
    }

    /// Returns the notice that goes with the answer to a join.
    pub const fn for_verdict(verdict: Verdict) -> Option<Self> {
        match verdict {
            Verdict::Allow => None,
            Verdict::Hold => Some(Self::Wait),
            Verdict::Prompt => Some(Self::Password),
            Verdict::Deny => Some(Self::Refused),
        }
    }
}

/// Adds the notices for a person who enters.
pub(super) fn entered(case: &Case<'_>, moderates: bool, effects: &mut Effects) {
    let texts = &case.policy.texts;
    let mut tell = |told: Told| {
        // Where moderators are not told the password, not in this way either.
        let tells = case.rules.password.show_to_moderators.value;
        if texts.has(told, |text| tells || !text.contains("{password}")) {
            effects.notices.push((Audience::RequesterJoined, Notice::Told(told)));
        }
    };
    tell(Told::Enter);
    if moderates {
        tell(Told::Moderate);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_answer_has_its_own() {
        let verdicts = [Verdict::Allow, Verdict::Hold, Verdict::Prompt, Verdict::Deny];
        let notices = verdicts.map(Told::for_verdict);
        assert_eq!(notices, [None, Some(Told::Wait), Some(Told::Password), Some(Told::Refused)]);
    }
}
