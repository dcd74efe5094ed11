//! Every room has a password, good enough, and it stays.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use super::class::{Class, ClassSet};
use super::denial::Denial;
use super::record::Source;
use super::set::Set;
use super::strength::Strength;
use super::verdict::Rule;
use super::who::Who;
use crate::secret::Secret;

/// Who has to type a room's password again after it was changed, of those who came in by the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AskAgain {
    /// Everybody who comes in, also who was inside at that time and comes back.
    Everybody,
    /// Nobody: who has once come in by a password needs none later.
    Nobody,
}

impl AskAgain {
    /// Every value.
    pub const ALL: [Self; 2] = [Self::Everybody, Self::Nobody];

    /// The name in the file.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Everybody => "everybody",
            Self::Nobody => "nobody",
        }
    }
}

/// The rules on passwords.
#[derive(Clone, Debug)]
pub struct Password {
    /// Every room must have one.
    pub required: Set<bool>,
    /// Where it comes from.
    pub source: Set<Source>,
    /// Words in a generated or derived password, 3 to 12; each adds 12.9 bits.
    pub words: Set<u32>,
    /// Least length of a password that a person chose, in characters.
    pub min_length: Set<u32>,
    /// Least zxcvbn score of a password that a person chose, 0 to 4.
    pub min_score: Set<u32>,
    /// Passwords that are never good enough, in lower case.
    pub deny_list: Set<Arc<HashSet<String>>>,
    /// They are refused. No key of the file: `false` is what remains of `password.deny_list` when it is off.
    pub denies: bool,
    /// The password, for [`Source::Preset`].
    pub preset: Set<Option<Secret>>,
    /// The server's secret, for [`Source::Derived`].
    pub secret: Set<Option<Secret>>,
    /// How long a derived password stays the same; `None`: for ever.
    pub period: Set<Option<Duration>>,
    /// Who may set another one (as good as the policy asks); nobody may remove it.
    pub change: Set<Who>,
    /// Who has to type it again after it was changed.
    pub ask_again: Set<AskAgain>,
    /// Whether moderators are told the password when they come in, when it changes, and when they ask.
    pub tell: Set<bool>,
    /// Where moderators are not told it, the room's form does not show it. No key of the file: `false` is what remains of
    /// `password.tell` when it is off.
    pub hides: bool,
    /// Who needs none.
    pub bypass: Set<ClassSet>,
    /// Limits on guessing.
    pub guesses: Guesses,
}

/// How wrong passwords slow the guesser down.
#[derive(Clone, Debug)]
pub struct Guesses {
    /// Wrong passwords that one address or account may type before it has to wait.
    pub free: Set<u32>,
    /// Wrong passwords, from all strangers together, after which a room takes no password from them
    /// for a while: they are sent to the lobby, or have to wait.
    pub room_free: Set<u32>,
    /// The first wait; each further wrong password doubles it.
    pub delay: Set<Duration>,
    /// The longest wait.
    pub max_delay: Set<Duration>,
    /// How long after the last wrong one all is forgotten.
    pub forget: Set<Duration>,
}

impl Default for Password {
    fn default() -> Self {
        Self {
            required: Set::default_of(true),
            source: Set::default_of(Source::Generated),
            words: Set::default_of(4),
            min_length: Set::default_of(8),
            min_score: Set::default_of(3),
            deny_list: Set::default(),
            denies: true,
            preset: Set::default(),
            secret: Set::default(),
            period: Set::default(),
            change: Set::default_of(Who::Moderator),
            ask_again: Set::default_of(AskAgain::Everybody),
            tell: Set::default_of(true),
            hides: true,
            bypass: Set::default_of(ClassSet::of(&[Class::Service, Class::Operator])),
            guesses: Guesses::default(),
        }
    }
}

impl Default for Guesses {
    fn default() -> Self {
        Self {
            free: Set::default_of(5),
            room_free: Set::default_of(50),
            delay: Set::default_of(Duration::from_secs(2)),
            max_delay: Set::default_of(Duration::from_secs(300)),
            forget: Set::default_of(Duration::from_secs(900)),
        }
    }
}

impl Password {
    /// What is wrong with a password of that strength: the rule it fails, and why. `None`: it is good enough.
    pub fn weakness(&self, strength: Strength) -> Option<(Rule, Denial)> {
        let weak = Denial::PasswordWeak { min_length: self.min_length.value };
        if strength.length < self.min_length.value {
            Some((Rule::new("password.min_length", self.min_length.line), weak))
        } else if strength.denied && self.denies {
            Some((Rule::new("password.deny_list", self.deny_list.line), weak))
        } else if u32::from(strength.score) < self.min_score.value {
            Some((Rule::new("password.min_score", self.min_score.line), weak))
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(strength: Strength) -> Option<&'static str> {
        Password::default().weakness(strength).map(|(rule, _)| rule.name)
    }

    #[test]
    fn a_password_has_to_be_long_unlisted_and_hard_to_guess() {
        let good = Strength { length: 8, score: 3, denied: false };
        assert_eq!(failed(good), None);
        assert_eq!(failed(Strength { length: 7, ..good }), Some("password.min_length"));
        assert_eq!(failed(Strength { score: 2, ..good }), Some("password.min_score"));
        assert_eq!(failed(Strength { denied: true, ..good }), Some("password.deny_list"));
    }
}
