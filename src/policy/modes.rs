//! Rules that are off, or only looked on.
//!
//! A rule that is off is made *neutral*: the others are left as if the file had no such rule, so whatever
//! looks at the rules need not know of modes.

use std::sync::Arc;
use std::time::Duration;

use super::class::ClassSet;
use super::close::Conditions;
use super::hours::AtEnd;
use super::lobby::Admission;
use super::permissions::{E2ee, Permitted};
use super::record::Source;
use super::rules::{Policy, Rules};
use super::set::Set;
use super::who::Who;

/// What becomes of a rule's verdict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Mode {
    /// There is no such rule.
    Off,
    /// It is written down what it would have done.
    Observe,
    /// It is carried out.
    #[default]
    Enforce,
}

impl Mode {
    /// Every mode.
    pub const ALL: [Self; 3] = [Self::Off, Self::Observe, Self::Enforce];

    /// The name in the file.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Observe => "observe",
            Self::Enforce => "enforce",
        }
    }
}

/// A rule that can be switched.
#[derive(Clone, Copy, Debug)]
pub struct Switch {
    /// Its name, the family before the first dot.
    pub name: &'static str,
    /// Makes it neutral for a room: it permits everything, and nothing is preset by it.
    pub off: fn(&mut Rules),
    /// Makes it neutral for one person in a room where it holds for others.
    pub lift: fn(&mut Rules),
}

impl Switch {
    /// The family that it belongs to.
    pub fn family(&self) -> &'static str {
        self.name.split_once('.').map_or(self.name, |(family, _)| family)
    }
}

const fn switch(name: &'static str, off: fn(&mut Rules)) -> Switch {
    Switch { name, off, lift: off }
}

const fn switch_for(name: &'static str, off: fn(&mut Rules), lift: fn(&mut Rules)) -> Switch {
    Switch { name, off, lift }
}

/// Every rule that can be switched. What is not here, and why, is in `docs/modes.md`.
pub static SWITCHES: &[Switch] = &[
    switch_for(
        "password.required",
        |rules| {
            Arc::make_mut(&mut rules.password).required.value = false;
            // Nobody is to wait for a password that nothing requires.
            Arc::make_mut(&mut rules.close).hold_until.value.password = false;
        },
        |rules| {
            let password = Arc::make_mut(&mut rules.password);
            password.required.value = false;
            password.bypass.value = ClassSet::ALL;
        },
    ),
    switch("password.source", |rules| {
        Arc::make_mut(&mut rules.password).source.value = Source::Generated;
    }),
    switch("password.min_length", |rules| {
        Arc::make_mut(&mut rules.password).min_length.value = 0;
    }),
    switch("password.min_score", |rules| {
        Arc::make_mut(&mut rules.password).min_score.value = 0;
    }),
    switch("password.deny_list", |rules| {
        Arc::make_mut(&mut rules.password).denies = false;
    }),
    switch("password.change", |rules| {
        Arc::make_mut(&mut rules.password).change.value = Who::Anybody;
    }),
    switch("password.tell", |rules| Arc::make_mut(&mut rules.password).tell.value = false),
    switch("password.guesses", |rules| {
        Arc::make_mut(&mut rules.password).guesses.free.value = u32::MAX;
    }),
    switch("password.guesses.room_free", |rules| {
        Arc::make_mut(&mut rules.password).guesses.room_free.value = u32::MAX;
    }),
    switch_for(
        "lobby.admission",
        |rules| {
            let lobby = Arc::make_mut(&mut rules.lobby);
            lobby.by_room = true;
            lobby.admission.value = match lobby.admission.value {
                Admission::PasswordOrLobby | Admission::PasswordAndLobby | Admission::Password => {
                    Admission::Password
                }
                Admission::Lobby | Admission::Open => Admission::Open,
            };
        },
        |rules| Arc::make_mut(&mut rules.lobby).bypass.value = ClassSet::ALL,
    ),
    switch("lobby.max_waiting", |rules| {
        Arc::make_mut(&mut rules.lobby).max_waiting.value = u32::MAX;
    }),
    switch("lobby.knocks", |rules| Arc::make_mut(&mut rules.lobby).knocks.value = u32::MAX),
    switch("lobby.rescue", |rules| {
        let lobby = Arc::make_mut(&mut rules.lobby);
        lobby.rescue.value = Vec::new();
        lobby.rescue_after.value = Duration::MAX;
    }),
    switch_for(
        "moderators.become",
        |rules| {
            let moderators = Arc::make_mut(&mut rules.moderators);
            moderators.by_room = true;
            moderators.become_by.value = Vec::new();
        },
        |_| {},
    ),
    switch("moderators.grant", |rules| {
        Arc::make_mut(&mut rules.moderators).grant.value = Who::Anybody;
    }),
    switch("moderators.revoke", |rules| {
        Arc::make_mut(&mut rules.moderators).revoke.value = Who::Anybody;
    }),
    switch("moderators.remove", |rules| {
        Arc::make_mut(&mut rules.moderators).remove.value = Who::Anybody;
    }),
    switch("moderators.admit", |rules| {
        Arc::make_mut(&mut rules.moderators).admit.value = Who::Anybody;
    }),
    switch("moderators.successors", |rules| {
        Arc::make_mut(&mut rules.moderators).succession_after.value = None;
    }),
    switch("moderators.end", |rules| {
        Arc::make_mut(&mut rules.moderators).end.value = Who::Anybody;
    }),
    switch("close.hold_until", |rules| {
        Arc::make_mut(&mut rules.close).hold_until.value = Conditions::default();
    }),
    // A word that does something only by this policy: without its rule, it does nothing.
    switch_for(
        "close.by",
        |rules| Arc::make_mut(&mut rules.close).by.value = Who::Nobody,
        |rules| Arc::make_mut(&mut rules.close).by.value = Who::Anybody,
    ),
    switch_for(
        "close.reopen",
        |rules| Arc::make_mut(&mut rules.close).reopen.value = Who::Nobody,
        |rules| Arc::make_mut(&mut rules.close).reopen.value = Who::Anybody,
    ),
    switch("close.at_occupants", |rules| Arc::make_mut(&mut rules.close).at_occupants.value = 0),
    switch("close.after", |rules| Arc::make_mut(&mut rules.close).after.value = None),
    switch("access.encrypted", |rules| {
        Arc::make_mut(&mut rules.access).encrypted.value = false;
    }),
    switch("access.enter", |rules| {
        Arc::make_mut(&mut rules.access).enter.value = ClassSet::ALL;
    }),
    switch("access.open", |rules| Arc::make_mut(&mut rules.access).open.value = ClassSet::ALL),
    switch("access.rooms", |rules| Arc::make_mut(&mut rules.access).rooms.value = None),
    switch("access.refused_rooms", |rules| {
        Arc::make_mut(&mut rules.access).refused_rooms.value = None;
    }),
    switch("access.hidden", |rules| Arc::make_mut(&mut rules.access).hidden.value = None),
    switch("access.persistent", |rules| {
        Arc::make_mut(&mut rules.access).persistent.value = None;
    }),
    switch("removal.keep_out", |rules| {
        Arc::make_mut(&mut rules.removal).keep_out.value = None;
    }),
    switch("permissions.chat", |rules| {
        Arc::make_mut(&mut rules.permissions).chat.value = Permitted::EVERYONE;
    }),
    switch("permissions.private", |rules| {
        Arc::make_mut(&mut rules.permissions).private.value = Permitted::EVERYONE;
    }),
    switch("permissions.rename", |rules| {
        Arc::make_mut(&mut rules.permissions).rename.value = Permitted::EVERYONE;
    }),
    switch("permissions.audio", |rules| {
        Arc::make_mut(&mut rules.permissions).audio.value = Permitted::EVERYONE;
    }),
    switch("permissions.video", |rules| {
        Arc::make_mut(&mut rules.permissions).video.value = Permitted::EVERYONE;
    }),
    switch("permissions.desktop", |rules| {
        Arc::make_mut(&mut rules.permissions).desktop.value = Permitted::EVERYONE;
    }),
    switch("permissions.record", |rules| {
        Arc::make_mut(&mut rules.permissions).record.value = Permitted::EVERYONE;
    }),
    switch("permissions.dial", |rules| {
        Arc::make_mut(&mut rules.permissions).dial.value = Permitted::EVERYONE;
    }),
    switch("permissions.e2ee", |rules| {
        Arc::make_mut(&mut rules.permissions).e2ee.value = E2ee::Off;
    }),
    switch("close.when_unmoderated", |rules| {
        Arc::make_mut(&mut rules.close).when_unmoderated.value = None;
    }),
    switch("hours.open", |rules| Arc::make_mut(&mut rules.hours).open.value = Vec::new()),
    switch("hours.closed_on", |rules| {
        Arc::make_mut(&mut rules.hours).closed_on.value = Vec::new();
    }),
    switch("hours.at_end", |rules| Arc::make_mut(&mut rules.hours).at_end.value = AtEnd::Stay),
    switch("limits.occupants", |rules| Arc::make_mut(&mut rules.limits).occupants.value = 0),
    switch("limits.duration", |rules| Arc::make_mut(&mut rules.limits).duration.value = None),
    switch("limits.without_moderator", |rules| {
        Arc::make_mut(&mut rules.limits).without_moderator.value = None;
    }),
    switch("limits.rooms_per_opener", |rules| {
        Arc::make_mut(&mut rules.limits).rooms_per_opener.value = 0;
    }),
    switch("limits.rooms", |rules| Arc::make_mut(&mut rules.limits).rooms.value = 0),
    switch("limits.wave", |rules| Arc::make_mut(&mut rules.limits).wave_strangers.value = 0),
];

/// The rules that are never switched off, and why.
pub const ALWAYS: &[(&str, &str)] = &[
    ("service", "who serves a meeting is named under `[[service]]`: take the account out of it"),
    ("service.focus", "a service without the key `focus` has none"),
    ("policy.operators", "take the account out of the list"),
    ("policy.reserved_nicks", "take the nick out of the list"),
    ("ban", "a ban is lifted by deleting it, or by an exception for one person"),
    ("room.outcast", "it is the room's own: its owners lift it"),
    ("room.password", "it is the room's own: its owners remove it"),
    ("room.lobby", "it is the room's own: its owners switch it off"),
    ("close.record", "what cannot be read might say that the room is closed"),
    ("command", "an unknown word has no meaning that could be let through"),
    ("no-objection", "it refuses nothing"),
    ("unreadable", "what cannot be judged is refused"),
];

/// The families that have rules to switch, each once.
pub fn families() -> impl Iterator<Item = &'static str> {
    let mut last = "";
    SWITCHES.iter().map(Switch::family).filter(move |family| {
        let is_new = *family != last;
        last = family;
        is_new
    })
}

/// The rules that a name stands for, by their places among [`SWITCHES`]: one rule, or all of a family; none if
/// there is no such name.
pub fn named(name: &str) -> impl Iterator<Item = usize> {
    let is_one = move |switch: &Switch| switch.name == name || switch.family() == name;
    (0..).zip(SWITCHES).filter(move |(_, switch)| is_one(switch)).map(|(at, _)| at)
}

/// The mode of each rule. The default enforces all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Modes(Vec<Set<Mode>>);

impl Modes {
    /// The mode of the rule in that place among [`SWITCHES`].
    pub fn of(&self, place: usize) -> Set<Mode> {
        self.0.get(place).copied().unwrap_or_default()
    }

    /// Sets that of some.
    pub fn put(&mut self, places: impl IntoIterator<Item = usize>, mode: Set<Mode>) {
        if self.0.is_empty() && mode.value == Mode::Enforce {
            return;
        }
        self.0.resize(SWITCHES.len(), Set::default());
        for place in places {
            if let Some(of) = self.0.get_mut(place) {
                *of = mode;
            }
        }
    }

    /// Every rule that is not enforced, with its mode.
    pub fn switched(&self) -> impl Iterator<Item = (&'static Switch, Set<Mode>)> {
        let all = SWITCHES.iter().zip(self.0.iter().copied());
        all.filter(|(_, mode)| mode.value != Mode::Enforce)
    }
}

impl Policy {
    /// Lets the rules be as their modes say. What is wrong with a file is looked for before.
    pub fn put_in_force(&mut self) {
        for rules in self.rooms.iter_mut().map(|room| &mut room.rules).chain([&mut self.base]) {
            if rules.modes.switched().next().is_some() {
                *rules = Arc::new(rules.in_force());
            }
        }
    }
}

impl Rules {
    /// The rules if those that are observed were enforced.
    pub fn strict(&self) -> &Self {
        self.observed.as_deref().unwrap_or(self)
    }

    /// These rules as their modes say: what is off or observed is neutral; and, where something is observed, the
    /// rules as if that were enforced.
    #[must_use]
    pub fn in_force(&self) -> Self {
        let modes = Arc::clone(&self.modes);
        let (mut enforced, mut strict) = (self.clone(), self.clone());
        let mut is_observing = false;
        for (switch, mode) in modes.switched() {
            (switch.off)(&mut enforced);
            if mode.value == Mode::Off {
                (switch.off)(&mut strict);
            } else {
                is_observing = true;
            }
        }
        enforced.observed = is_observing.then(|| Arc::new(strict));
        enforced
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn making_rules_neutral_twice_or_in_another_order_makes_no_difference() {
        let shown = |switches: &mut dyn Iterator<Item = &Switch>| {
            let mut rules = Rules::default();
            switches.for_each(|switch| (switch.off)(&mut rules));
            format!("{rules:?}")
        };
        let once = shown(&mut SWITCHES.iter());
        assert_eq!(once, shown(&mut SWITCHES.iter().rev()));
        assert_eq!(once, shown(&mut SWITCHES.iter().chain(SWITCHES)));
    }

    #[test]
    fn a_switch_belongs_to_the_family_before_the_first_dot() {
        let room_free = named("password.guesses.room_free").next().unwrap();
        assert_eq!(SWITCHES[room_free].family(), "password");
        assert_eq!(named("removal").count(), 1);
        assert_eq!(named("remov").count(), 0);
    }
}
