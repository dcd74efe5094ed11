//! `[policy.lobby]`, and `[room.lobby]` for some rooms.

use std::time::Duration;

use super::section::{Item, Read, Section};
use super::values::{classes, duration, list, whole, word};
use crate::policy::lobby::{Admission, Lobby};
use crate::policy::succession::Rescue;

const SECOND: Duration = Duration::from_secs(1);

/// Puts what the table says into the rules.
pub(super) fn read(mut section: Section<'_>, rules: &mut Lobby) {
    section.set("admission", &mut rules.admission, word(&Admission::ALL, Admission::name));
    section.set("bypass", &mut rules.bypass, classes);
    section.set("max_waiting", &mut rules.max_waiting, whole(0..=10_000));
    section.set("wait", &mut rules.wait, duration(SECOND));
    section.set("knocks", &mut rules.knocks, whole(1..=10_000));
    section.set("knock_window", &mut rules.knock_window, duration(SECOND));
    section.set("rescue", &mut rules.rescue, ways);
    section.set("rescue_after", &mut rules.rescue_after, duration(SECOND));
    section.finish();
}

/// Ways to help; the order counts, so none stands there twice.
fn ways(item: &Item<'_>) -> Read<Vec<Rescue>> {
    let ways = list(word(&Rescue::ALL, Rescue::name))(item)?;
    for (at, way) in ways.iter().enumerate() {
        if ways.iter().take(at).any(|before| before == way) {
            return item.wrong(format!("`{}` stands there twice", way.name()), None);
        }
    }
    Ok(ways)
}
