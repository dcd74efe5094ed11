//! Each rule, and how it is made neutral.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::access::{Opening, Persistence};
use super::class::ClassSet;
use super::close::Conditions;
use super::hours::AtEnd;
use super::lobby::Admission;
use super::names::Unique;
use super::permissions::{E2ee, Permitted};
use super::pressure::UNLIMITED;
use super::record::Source;
use super::rules::Rules;
use super::settings::{PersistentBy, SubjectBy};
use super::who::Who;

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

/// The row of a setting.
macro_rules! setting {
    ($key:ident = $value:expr) => {
        switch(concat!("settings.", stringify!($key)), |rules| {
            Arc::make_mut(&mut rules.settings).$key.value = $value;
        })
    };
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
    switch("password.tell", |rules| {
        Arc::make_mut(&mut rules.password).tell.value = false;
        Arc::make_mut(&mut rules.password).hides = false;
    }),
    switch("password.guesses", |rules| {
        Arc::make_mut(&mut rules.password).guesses.free.value = UNLIMITED;
    }),
    switch("password.guesses.room_free", |rules| {
        Arc::make_mut(&mut rules.password).guesses.room_free.value = UNLIMITED;
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
        Arc::make_mut(&mut rules.lobby).max_waiting.value = UNLIMITED;
    }),
    switch("lobby.knocks", |rules| Arc::make_mut(&mut rules.lobby).knocks.value = UNLIMITED),
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
    switch("moderators.protect", |rules| {
        Arc::make_mut(&mut rules.moderators).protect.value = Vec::new();
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
    switch("access.open", |rules| {
        Arc::make_mut(&mut rules.access).open.value = Opening::Classes(ClassSet::ALL)
    }),
    switch("access.rooms", |rules| Arc::make_mut(&mut rules.access).rooms.value = None),
    switch("access.refused_rooms", |rules| {
        Arc::make_mut(&mut rules.access).refused_rooms.value = None;
    }),
    switch("access.hidden", |rules| Arc::make_mut(&mut rules.access).hidden.value = None),
    switch("access.persistent", |rules| {
        Arc::make_mut(&mut rules.access).persistent.value = Persistence::ByRoom;
    }),
    switch("removal.keep_out", |rules| {
        Arc::make_mut(&mut rules.removal).keep_out.value = None;
    }),
    switch("names.reserved", |rules| {
        Arc::make_mut(&mut rules.names).reserved.value = Vec::new();
    }),
    switch("names.protected", |rules| {
        Arc::make_mut(&mut rules.names).protected.value = Vec::new();
    }),
    switch("names.scripts", |rules| {
        Arc::make_mut(&mut rules.names).scripts.value = Vec::new();
    }),
    switch("names.unique", |rules| {
        Arc::make_mut(&mut rules.names).unique.value = Unique::Nobody;
    }),
    setting!(name = Who::Anybody),
    setting!(description = Who::Anybody),
    setting!(language = Who::Anybody),
    setting!(subject_change = Who::Anybody),
    setting!(moderated = Who::Anybody),
    setting!(whois = Who::Anybody),
    setting!(history = Who::Anybody),
    setting!(member_invites = Who::Anybody),
    setting!(private_messages = Who::Anybody),
    setting!(presence = Who::Anybody),
    setting!(archive = Who::Anybody),
    setting!(max_occupants = Who::Anybody),
    setting!(other = Who::Anybody),
    setting!(subject = SubjectBy::Room),
    setting!(persistent = PersistentBy::Anybody),
    setting!(name_length = 0),
    setting!(description_length = 0),
    setting!(subject_length = 0),
    setting!(history_max = 0),
    setting!(max_occupants_least = 0),
    setting!(max_occupants_most = 0),
    setting!(languages = BTreeSet::new()),
    setting!(whois_choices = BTreeSet::new()),
    setting!(private_message_choices = BTreeSet::new()),
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
    ("ban", "a ban is lifted by deleting it, or by an exception for one person"),
    ("suspended", "an operator resumes it (`vestibule resume`)"),
    ("presence", "it is what an affiliation is worth outside: nothing"),
    ("reading", "the configuration form and the ban list are for those who moderate"),
    ("room.outcast", "it is the room's own: its owners lift it"),
    ("room.password", "it is the room's own: its owners remove it"),
    ("room.lobby", "it is the room's own: its owners switch it off"),
    ("room.members", "it is the room's own: its owners switch it off"),
    ("close.record", "what cannot be read might say that the room is closed"),
    ("command", "an unknown word has no meaning that could be let through"),
    ("no-objection", "it refuses nothing"),
    ("unreadable", "what cannot be judged is refused"),
];
