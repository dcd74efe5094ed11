//! The password that a decision asks for.

use jiff::Timestamp;

use crate::jid::BareJid;
use crate::password::{DeriveError, RandomnessFailed, derive, generate, judge, period_at};
use crate::policy::Rules;
use crate::policy::record::Source;
use crate::policy::strength::Strength;
use crate::policy::verdict::NewPassword;
use crate::secret::Secret;
use crate::wire::question::Question;

/// No password could be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MakingError {
    /// None can be generated.
    #[error(transparent)]
    Random(#[from] RandomnessFailed),
    /// None can be derived.
    #[error(transparent)]
    Derive(#[from] DeriveError),
    /// The file gives none. `check` refuses such a file, so this is a safeguard.
    #[error("the file names no password or secret for this source")]
    Missing,
}

/// The password that a decision asks for in a room; `typed`: what the requester typed for it.
///
/// # Errors
/// No password could be made.
pub fn password(
    new: NewPassword,
    room: Option<&BareJid>,
    typed: Option<&Secret>,
    rules: &Rules,
    now: Timestamp,
) -> Result<Secret, MakingError> {
    let settings = &rules.password;
    match new {
        NewPassword::Typed | NewPassword::Made(Source::Creator) => {
            typed.cloned().ok_or(MakingError::Missing)
        }
        NewPassword::Made(Source::Generated) => Ok(generate(settings.words.value)?),
        NewPassword::Made(Source::Preset) => {
            settings.preset.value.clone().ok_or(MakingError::Missing)
        }
        NewPassword::Made(Source::Derived) => {
            let secret = settings.secret.value.as_ref().ok_or(MakingError::Missing)?;
            let room = room.ok_or(MakingError::Missing)?;
            let period = period_at(settings.period.value, now);
            Ok(derive(secret, room, period, settings.words.value)?)
        }
    }
}

/// Returns the strength of the password typed in this question, if it matters.
///
/// Takes up to some 12 ms.
pub fn strength(question: &Question, rules: &Rules) -> Option<Strength> {
    let typed = question.typed.as_ref()?;
    let room = question.attempt.room.as_ref()?;
    Some(judge(typed, room, &rules.password.deny_list.value))
}
