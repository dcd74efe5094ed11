//! `[policy.lobby]`, and `[room.lobby]` for some rooms.

use std::time::Duration;

use super::section::Section;
use super::values::{classes, duration, whole, word};
use crate::policy::lobby::{Admission, Lobby};

const SECOND: Duration = Duration::from_secs(1);

/// Puts what the table says into the rules.
pub(super) fn read(mut section: Section<'_>, rules: &mut Lobby) {
    section.set("admission", &mut rules.admission, word(&Admission::ALL, Admission::name));
    section.set("bypass", &mut rules.bypass, classes);
    section.set("max_waiting", &mut rules.max_waiting, whole(0..=10_000));
    section.set("wait", &mut rules.wait, duration(SECOND));
    section.set("knocks", &mut rules.knocks, whole(1..=10_000));
    section.set("knock_window", &mut rules.knock_window, duration(SECOND));
    section.finish();
}
