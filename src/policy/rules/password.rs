//! Rules on passwords: every room has one, it is good enough, and it stays.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use super::family::family;
use super::kinds::{Who, classes};
use crate::policy::attempt::{Strength, UNLIMITED};
use crate::policy::class::{Class, ClassSet};
use crate::policy::denial::Denial;
use crate::policy::notice::Notice;
use crate::policy::record::{Record, Source};
use crate::policy::verdict::{Audience, Effects, NewPassword, Rule};
use crate::secret::Secret;
use crate::setting::Kind;
use crate::setting::kind::{
    MILLISECOND, MINUTE, SECOND, duration, duration_or_never, external, flag, list, some_text,
    whole, word,
};

names! {
    /// Who has to type a room's password again after it was changed, of those who came in by the one before.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub enum AskAgain {
        /// Everybody who comes in, also a person who was inside at that time and comes back.
        Everybody = "everybody",
        /// Nobody: a person who has once come in by a password needs none later.
        Nobody = "nobody",
    }
}

family! {
    /// The rules on passwords.
    "password": Password {
        /// Every room has a password.
        required: bool = true, flag(),
            rule r#"A password is asked for at the door, and cannot be removed. After it was changed (`vestibule rotate`, `set-password`, or a moderator) everybody who comes in types the new one, also who was inside with the one before; with `ask_again = "nobody"` those need not. Moderators by the rules, and who was let in from the lobby, need none in any case."#
            [off false, exempt |password| {
                password.required.value = false;
                password.bypass.value = ClassSet::ALL;
            }; Compared];
        /// Where the password comes from: "generated" when the room opens, "creator" types it, "derived" from a secret
        /// and the room's name, "preset" in this file.
        source: Source = Source::Generated, word(),
            rule "The person who opens the room has to choose its password; or a password could not be made."
            [off Source::Generated];
        /// Words in a generated or derived password, 3 to 12.
        words: u32 = 4, whole(3..=12);
        /// Least length of a password that a person chose, in characters.
        min_length: u32 = 8, whole(1..=128),
            rule "The chosen password is too short."
            [off 0; Undescribed];
        /// Least strength of a password that a person chose: 0 (guessed at once) to 4 (very hard to guess).
        min_score: u32 = 3, whole(0..=4),
            rule "The chosen password is too easy to guess."
            [off 0; Undescribed];
        /// Passwords that are never good enough.
        deny_list: Arc<HashSet<String>> = Arc::default(), denied(),
            rule "The chosen password is on the list of bad ones."
            [switch |password| password.denies = false; Undescribed];
        /// A file with more of these passwords, one a line.
        deny_list_file: InFile = InFile, external();
        /// The password of every room, for source = "preset".
        preset: Option<Secret> = None, external();
        /// A file that holds the preset password.
        preset_file: InFile = InFile, external();
        /// The secret that passwords are computed from, for source = "derived": at least 32 characters.
        secret: Option<Secret> = None, external();
        /// A file that holds the secret.
        secret_file: InFile = InFile, external();
        /// How long a derived password stays the same; "never": for ever.
        period: Option<Duration> = None, duration_or_never(MINUTE);
        /// Who may choose another password: "moderator", "operator" or "nobody". Nobody may remove it.
        change: Who = Who::Moderator, word(),
            rule "Who may choose another password."
            [off Who::Anybody; Undescribed];
        /// Moderators are told the password when they come in, and when they write !password.
        show_to_moderators: bool = true, flag(),
            rule "Whether moderators are told the password, also by `!password`."
            [switch |password| {
                (password.show_to_moderators.value, password.hides) = (false, false);
            }; Compared Undescribed];
        /// Who has to type the new password after it was changed, of people who came in by the one before: "everybody" (also
        /// who is inside at that time and comes back) or "nobody". Moderators, and who was let in from the lobby, need none.
        ask_again: AskAgain = AskAgain::Everybody, word();
        /// Who needs no password.
        bypass: ClassSet = ClassSet::of(&[Class::Service, Class::Operator]), classes();
    }
    tables {
        /// Limits on guessing passwords.
        guesses: Guesses,
    }
    also {
        /// Passwords of the deny list are refused: `false` is what remains of `password.deny_list` when it is off.
        denies: bool = true,
        /// Where moderators are not told the password, the room's form does not show it: `false` is what remains of
        /// `password.show_to_moderators` when it is off.
        hides: bool = true,
    }
}

/// Placeholder of a key that names a file: the content of the file is in the setting of another key.
#[derive(Clone, Copy, Debug)]
pub struct InFile;

/// Reads passwords, in lower case.
fn denied() -> Kind<Arc<HashSet<String>>> {
    list(some_text()).map(
        |words| Arc::new(words.iter().map(|word| word.to_lowercase()).collect()),
        |words: &Arc<HashSet<String>>| words.iter().cloned().collect(),
    )
}

family! {
    /// How wrong passwords slow the guesser down.
    "password.guesses": Guesses {
        /// Wrong passwords that one person may type before having to wait.
        burst: u32 = 5, whole(0..=10_000),
            rule "This address or account typed too many wrong passwords and has to wait; the right one does not help meanwhile."
            [off UNLIMITED; Undescribed];
        /// Wrong passwords, from all strangers together, after which a room takes no more from them for a while.
        room_burst: u32 = 50, whole(0..=1_000_000),
            rule "Strangers together typed too many wrong passwords at this room; it takes none from strangers meanwhile."
            [off UNLIMITED; Undescribed];
        /// The first wait; each further wrong password doubles it.
        delay: Duration = Duration::from_secs(2), duration(MILLISECOND);
        /// The longest wait before the next password.
        max_delay: Duration = Duration::from_secs(300), duration(MILLISECOND);
        /// How long after the last one wrong passwords are forgotten.
        reset_after: Duration = Duration::from_secs(900), duration(SECOND);
    }
}

impl Guesses {
    /// Returns how long to wait after that many wrong passwords, of which fewer than `free` cost nothing: twice as long
    /// after each further one, up to `max_delay`. `None`: not at all.
    pub fn delay_after(&self, wrong: u32, free: u32) -> Option<Duration> {
        let over = wrong.checked_sub(free)?;
        let delay = self.delay.value.saturating_mul(2_u32.saturating_pow(over.min(30)));
        Some(delay.min(self.max_delay.value))
    }
}

impl Password {
    /// Returns the effects that give a room another password, from `source`, and tell moderators where they may know it.
    pub fn changed(&self, record: Option<Record>, new: NewPassword, source: Source) -> Effects {
        // Where the file requires none, only a password of the room's own is asked for.
        let kept = if self.required.value { source } else { Source::Creator };
        let tells = self.show_to_moderators.value;
        Effects {
            record: record.map(|record| record.with_password(kept)),
            password: Some(new),
            notices: tells
                .then_some((Audience::Moderators, Notice::PasswordChanged))
                .into_iter()
                .collect(),
            ..Effects::default()
        }
    }

    /// Returns the rule that a password of that strength fails, and the denial. `None`: it is good enough.
    pub fn weakness(&self, strength: Strength) -> Option<(Rule, Denial)> {
        let weak = Denial::PasswordWeak { min_length: self.min_length.value };
        if strength.length < self.min_length.value {
            Some((self.min_length.rule(), weak))
        } else if strength.denied && self.denies {
            Some((self.deny_list.rule(), weak))
        } else if u32::from(strength.score) < self.min_score.value {
            Some((self.min_score.rule(), weak))
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
        let good = Strength { length: 8, score: 3, denied: false, code: false };
        assert_eq!(failed(good), None);
        assert_eq!(failed(Strength { length: 7, ..good }), Some("password.min_length"));
        assert_eq!(failed(Strength { score: 2, ..good }), Some("password.min_score"));
        assert_eq!(failed(Strength { denied: true, ..good }), Some("password.deny_list"));
    }
}
