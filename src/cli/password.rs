//! The derived password of a room.

use std::process::ExitCode;

use jiff::{SignedDuration, Timestamp};

use super::out::{fail, note, say};
use crate::config::Loaded;
use crate::jid::BareJid;
use crate::password::{derive, period_at};
use crate::policy::record::Source;

/// Prints it, by the file, for a room that opens at that time.
pub(super) fn by_file(loaded: &Loaded, room: &BareJid, at: Timestamp) -> ExitCode {
    let rules = loaded.policy.rules_for(room, &[]);
    let settings = &rules.password;
    if settings.source.value != Source::Derived {
        return fail(&format!(
            "the password of `{room}` is not derived: `password.source` is \"{}\"",
            settings.source.value.name()
        ));
    }
    let Some(secret) = &settings.secret.value else {
        return fail(&"the file has no `password.secret` to derive it from");
    };
    let period = period_at(settings.period.value, at);
    match derive(secret, room, period, settings.words.value) {
        Ok(password) => {
            say(password.expose());
            if let Some(length) = settings.period.value {
                let start = |period: u64| {
                    let seconds = period.saturating_mul(length.as_secs());
                    Timestamp::UNIX_EPOCH
                        .checked_add(SignedDuration::from_secs(
                            i64::try_from(seconds).unwrap_or(i64::MAX),
                        ))
                        .unwrap_or(Timestamp::MAX)
                };
                note(&format!(
                    "for a room that opens from {} until {}",
                    start(period),
                    start(period.saturating_add(1))
                ));
            }
            ExitCode::SUCCESS
        }
        Err(error) => fail(&error),
    }
}
