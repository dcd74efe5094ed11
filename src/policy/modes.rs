//! Rules that are off, or only looked on.
//!
//! A rule that is off is made *neutral*: the others are left as if the file had no such rule, so whatever
//! looks at the rules need not know of modes.

use std::sync::Arc;
use std::time::Duration;

use super::class::ClassSet;
use super::close::Conditions;
use super::lobby::Admission;
use super::record::Source;
use super::rules::Rules;
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
        Arc::make_mut(&mut rules.password).deny_list.value = Arc::default();
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

/// The switch of a rule, by its place among [`SWITCHES`].
pub fn index_of(name: &str) -> Option<usize> {
    SWITCHES.iter().position(|switch| switch.name == name)
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
        let room_free = index_of("password.guesses.room_free").unwrap();
        assert_eq!(SWITCHES[room_free].family(), "password");
    }
}
