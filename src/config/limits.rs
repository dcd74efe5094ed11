//! `[policy.limits]`, and `[room.limits]` for some rooms.

use std::time::Duration;

use super::section::Section;
use super::values::{duration, duration_or_never, whole};
use crate::policy::limits::Limits;

const SECOND: Duration = Duration::from_secs(1);

/// Puts what the table says into the rules.
pub(super) fn read(mut section: Section<'_>, rules: &mut Limits) {
    section.set("occupants", &mut rules.occupants, whole(0..=1_000_000));
    section.set("duration", &mut rules.duration, duration_or_never(SECOND));
    section.set("warn_before", &mut rules.warn_before, duration_or_never(SECOND));
    section.set("without_moderator", &mut rules.without_moderator, duration_or_never(SECOND));
    section.set("rooms_per_opener", &mut rules.rooms_per_opener, whole(0..=1_000_000));
    section.set("rooms", &mut rules.rooms, whole(0..=1_000_000));
    section.set("wave_strangers", &mut rules.wave_strangers, whole(0..=1000));
    section.set("wave_within", &mut rules.wave_within, duration(SECOND));
    section.set("wave_calm", &mut rules.wave_calm, duration(SECOND));
    section.finish();
}
