//! Opinions on a meeting that an operator has suspended: nobody else comes in, only moderators speak, nothing is
//! recorded, and nobody inside takes any of that back.

use jiff::Timestamp;

use super::lobby;
use crate::policy::attempt::{
    Action, Affiliation, AffiliationChange, Attempt, FieldChange, Pressure, Requester, Role,
    RoleChange, RoomView, Word,
};
use crate::policy::class::Class;
use crate::policy::context::{Case, Drift, Scene, case, excepted};
use crate::policy::denial::Denial;
use crate::policy::notice::Notice;
use crate::policy::record::{JoinFlood, Record, Suspended};
use crate::policy::rules::fixed;
use crate::policy::verdict::{Ability, Audience, Effects, Opinion, Rule};

/// The rule of a suspension. It has no line: an operator's command stands behind it, not the file.
pub const RULE: Rule = fixed::SUSPENDED.at(0);

/// Denies a join to a suspended room.
pub(in crate::policy) fn join(case: &Case<'_>) -> Option<Opinion> {
    case.room.suspended().map(|_| Opinion::deny(RULE, Denial::Suspended))
}

/// Denies to people inside, operators excepted, what would undo the suspension or record the meeting.
pub(in crate::policy) fn keep(case: &Case<'_>) -> Option<Opinion> {
    let undoes = match &case.attempt.action {
        Action::Configure { fields } => fields.contains(&FieldChange::MembersOnly(false)),
        Action::Affiliation { items, .. } => items.iter().any(raises),
        Action::Role { items } => items.iter().any(gives_voice),
        Action::Knock { admit, .. } | Action::AnswerAll { admit, .. } => *admit,
        Action::Feature(feature) => !feature.stops(),
        Action::Destroy | Action::Invite { .. } => true,
        Action::Command(word) => *word == Word::Reopen,
        Action::Request
        | Action::Open { .. }
        | Action::Join { .. }
        | Action::Rename
        | Action::Unknown => false,
    };
    let binds = case.room.suspended().is_some() && !case.classes.has(Class::Operator);
    (undoes && binds).then(|| Opinion::deny(RULE, Denial::SuspendedInside))
}

/// Returns whether the change makes a person a member, who could come in, or gives them more than that.
fn raises(item: &AffiliationChange) -> bool {
    item.to > Some(item.from) && item.to >= Some(Affiliation::Member)
}

/// Returns whether the change gives voice, also by making a participant one again (XEP-0045 §8.3).
fn gives_voice(item: &RoleChange) -> bool {
    item.from < Role::Moderator && item.to >= Some(Role::Participant)
}

/// Tells a person who comes in that the meeting is suspended.
pub(in crate::policy) fn entered(case: &Case<'_>, effects: &mut Effects) {
    if case.room.suspended().is_some() {
        effects.notices.push((Audience::RequesterJoined, Notice::SuspendedHere));
    }
}

/// Returns the drift of a suspended room that the gate, or another module of the server, has laxer than its record.
pub(in crate::policy) fn drift(scene: &Scene<'_>) -> Option<Drift> {
    let view = scene.view;
    view.suspended()?;
    let is = match (scene.settings.suspended, view.members_only) {
        (Some(false), _) => "not suspended",
        (_, false) => "open to strangers",
        (_, true) => return None,
    };
    let effects = Effects {
        suspended: Some(true),
        members_only: Some(true),
        lobby: view.lobby.then_some(true),
        ..Effects::default()
    };
    Some(Drift { rule: RULE, who: None, is, should: "suspended", effects })
}

/// What people are told when a meeting is suspended: those inside, and those who wait.
const NEWS: [(Audience, Notice); 2] =
    [(Audience::Room, Notice::Suspended), (Audience::Waiting, Notice::SuspendedWaiting)];

/// Returns the effects that suspend a room or, if it is suspended, restore what it may have lost of that.
pub fn suspending(view: &RoomView, now: Timestamp) -> Effects {
    let before = view.record.clone().unwrap_or_else(|| Record::new(now, "", None));
    let is_news = before.suspended.is_none();
    let new = Suspended { since: now, raised: !view.members_only };
    let suspended = before.suspended.or(Some(new));
    Effects {
        record: Some(Record { suspended, ..before }),
        suspended: Some(true),
        members_only: Some(true),
        lobby: view.lobby.then_some(true),
        moderated: Some(Ability::MEDIA.to_vec()),
        notices: if is_news { NEWS.to_vec() } else { Vec::new() },
        ..Effects::default()
    }
}

/// Returns the effects that end a suspension, and nothing else. `None`: the room is not suspended.
pub fn resuming(scene: &Scene<'_>) -> Option<Effects> {
    let view = scene.view;
    // Where the record was lost meanwhile, the gate still knows.
    let is_lost = scene.settings.suspended == Some(true);
    let raised = view.suspended().map(|it| it.raised).or(is_lost.then_some(false))?;
    let (attempt, nobody, calm) = <(Attempt, Requester, Pressure)>::default();
    let case = case(scene, &attempt, &nobody, scene.room, &calm);
    let excepted = excepted(&case);
    let case = Case { rules: excepted.as_ref().map_or(scene.rules, |other| &other.room), ..case };
    // By now a join flood, or the file, may ask for what was put up for the suspension.
    let keeps = |wave: JoinFlood| JoinFlood { lobby: wave.lobby || (raised && view.lobby), ..wave };
    let resumed = |record: &Record| Record {
        suspended: None,
        wave: record.wave.map(keeps),
        ..record.clone()
    };
    let record = view.record.as_ref().map(resumed);
    let is_for_a_wave = record.as_ref().and_then(|it| it.wave).is_some_and(|wave| wave.lobby);
    let goes = raised && !is_for_a_wave && !lobby::is_members_only(&case);
    Some(Effects {
        record,
        suspended: Some(false),
        members_only: goes.then_some(false),
        lobby: (goes && view.lobby).then_some(false),
        moderated: Some(case.rules.permissions.moderated()),
        notices: vec![(Audience::Room, Notice::Resumed), (Audience::Waiting, Notice::Resumed)],
        ..Effects::default()
    })
}

#[cfg(test)]
mod tests {
    use crate::jid::BareJid;

    use super::*;
    use crate::policy::context::Settings;
    use crate::policy::drift::compare;
    use crate::policy::exceptions::{Exception, Whom};
    use crate::policy::lobby::Admission;
    use crate::policy::opinions::close::closing;
    use crate::policy::permissions::Permitted;
    use crate::policy::record::{Closed, Source};
    use crate::policy::rules::named;
    use crate::policy::{Policy, Rules};

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    /// A room in which everything is as the rules ask for, on a service with a lobby of its own or without.
    struct Room {
        policy: Policy,
        rules: Rules,
        view: RoomView,
        settings: Settings,
    }

    impl Room {
        fn new(lobby: bool) -> Self {
            let mut rules = Rules::default();
            std::sync::Arc::make_mut(&mut rules.lobby).admission.value = Admission::Password;
            let opener = "ann@example.org".to_owned();
            let record = Some(Record::new(NOW, opener, Some(Source::Generated)));
            let view =
                RoomView { exists: true, has_password: true, lobby, record, ..RoomView::default() };
            let settings = Settings { suspended: Some(false), ..Settings::default() };
            Self { policy: Policy::default(), rules, view, settings }
        }

        fn record(&mut self) -> &mut Record {
            self.view.record.as_mut().unwrap()
        }

        fn scene<T>(&self, act: impl FnOnce(&Scene<'_>) -> T) -> T {
            let room: BareJid = "tea@conference.example.org".parse().unwrap();
            act(&Scene {
                policy: &self.policy,
                rules: &self.rules,
                room: &room,
                view: &self.view,
                settings: self.settings,
                occupants: &[],
                may: &[],
                standing: &[],
                forgets: false,
                now: NOW,
            })
        }

        /// Carries effects out as a gate does.
        fn apply(&mut self, effects: &Effects) {
            self.view.record = effects.record.clone().or(self.view.record.take());
            self.view.members_only = effects.members_only.unwrap_or(self.view.members_only);
            self.settings.suspended = effects.suspended.or(self.settings.suspended);
        }

        fn suspend(&mut self) -> Effects {
            let effects = suspending(&self.view, NOW);
            self.apply(&effects);
            effects
        }

        fn resume(&mut self) -> Effects {
            let effects = self.scene(resuming).unwrap();
            self.apply(&effects);
            effects
        }

        fn drifts(&self) -> Vec<(&'static str, &'static str)> {
            self.scene(compare).iter().map(|drift| (drift.rule.name, drift.is)).collect()
        }
    }

    #[test]
    fn resuming_leaves_the_room_as_it_was() {
        for (lobby, members_only, closed) in [
            (false, false, None),
            (true, false, Some(Closed::Command)),
            (true, true, None),
            (false, true, Some(Closed::Time)),
        ] {
            let mut room = Room::new(lobby);
            room.view.members_only = members_only;
            room.record().closed = closed;
            let before = room.view.clone();
            let done = room.suspend();
            assert_eq!((done.suspended, done.members_only), (Some(true), Some(true)));
            assert_eq!(done.lobby, lobby.then_some(true));
            assert_eq!(done.moderated.as_deref(), Some(&Ability::MEDIA[..]));
            assert_eq!(done.notices, NEWS);
            assert_eq!(
                room.view.suspended(),
                Some(Suspended { since: NOW, raised: !members_only })
            );
            let back = room.resume();
            assert_eq!((back.suspended, &back.moderated), (Some(false), &Some(Vec::new())));
            assert_eq!(back.members_only, (!members_only).then_some(false));
            assert_eq!(back.lobby, (lobby && !members_only).then_some(false));
            let told = [Audience::Room, Audience::Waiting].map(|whom| (whom, Notice::Resumed));
            assert_eq!(back.notices, told);
            assert_eq!(room.view, before);
        }
    }

    #[test]
    fn suspending_twice_is_suspending_once() {
        let mut room = Room::new(true);
        let _ = room.suspend();
        let again = suspending(&room.view, Timestamp::MAX);
        assert_eq!(again.record, room.view.record, "since the first time");
        assert_eq!((again.suspended, again.notices), (Some(true), Vec::new()));
    }

    #[test]
    fn a_room_without_a_record_is_suspended() {
        let effects = suspending(&RoomView::default(), NOW);
        let record = effects.record.unwrap();
        assert_eq!((record.opened, record.opener.as_str()), (NOW, ""));
        assert!(record.suspended.is_some());
    }

    #[test]
    fn what_is_not_suspended_is_not_resumed() {
        let mut room = Room::new(true);
        assert_eq!(room.scene(resuming), None);
        room.settings.suspended = None;
        assert_eq!(room.scene(resuming), None, "a gate that does not tell");
        // The record was lost, and the gate keeps the room suspended.
        room.settings.suspended = Some(true);
        room.view.members_only = true;
        let effects = room.scene(resuming).unwrap();
        assert_eq!((effects.suspended, effects.members_only), (Some(false), None));
    }

    #[test]
    fn media_are_moderated_again_as_the_file_says() {
        let mut room = Room::new(true);
        let permissions = std::sync::Arc::make_mut(&mut room.rules.permissions);
        permissions.screen_share.value = Permitted::MODERATORS;
        let _ = room.suspend();
        assert_eq!(room.resume().moderated, Some(vec![Ability::Desktop]));
    }

    #[test]
    fn a_lobby_that_is_wanted_by_now_stays() {
        let wave = |lobby| Some(JoinFlood { since: NOW, lobby });
        let mut room = Room::new(true);
        let _ = room.suspend();
        room.record().wave = wave(false);
        let effects = room.resume();
        assert_eq!((effects.lobby, effects.members_only), (None, None));
        assert_eq!(room.record().wave, wave(true), "and is the wave's to take down");

        let mut room = Room::new(false);
        let _ = room.suspend();
        room.record().wave = wave(false);
        assert_eq!(room.resume().members_only, Some(false), "where there is none, it was not");
        assert_eq!(room.record().wave, wave(false));

        let mut room = Room::new(true);
        (room.view.members_only, room.record().wave) = (true, wave(false));
        let _ = room.suspend();
        let _ = room.resume();
        assert_eq!(room.record().wave, wave(false), "a lobby of a moderator's");

        let mut room = Room::new(false);
        let _ = room.suspend();
        std::sync::Arc::make_mut(&mut room.rules.lobby).admission.value = Admission::Lobby;
        assert_eq!(room.resume().members_only, None, "the file has changed");
    }

    #[test]
    fn the_audit_keeps_a_suspended_room_suspended_and_takes_nothing_back() {
        for lobby in [false, true] {
            let mut room = Room::new(lobby);
            room.settings.suspended = Some(true);
            assert_eq!(room.drifts(), [], "nobody resumes it");
            room.settings.suspended = Some(false);
            let _ = room.suspend();
            assert_eq!(room.drifts(), []);
            room.view.members_only = false;
            assert_eq!(room.drifts().last(), Some(&("suspended", "open to strangers")));
            let effects = room.scene(drift).unwrap().effects;
            assert_eq!((effects.suspended, effects.members_only), (Some(true), Some(true)));
            assert_eq!(effects.lobby, lobby.then_some(true));
            room.view.members_only = true;
            room.settings.suspended = Some(false);
            assert_eq!(room.drifts(), [("suspended", "not suspended")]);
            room.settings.suspended = None;
            assert_eq!(room.drifts(), [], "a gate that does not tell");
        }
    }

    #[test]
    fn of_a_suspended_room_nobody_is_told_that_it_is_open() {
        let mut room = Room::new(false);
        let said = |room: &Room, close| closing(&room.view, close, NOW).notices;
        assert_eq!(said(&room, false), [], "it was not closed");
        assert_eq!(said(&room, true), [(Audience::Room, Notice::Closed)]);
        room.view.record = closing(&room.view, true, NOW).record;
        assert_eq!(said(&room, true), [], "it is closed already");
        assert_eq!(said(&room, false), [(Audience::Room, Notice::Reopened)]);
        let _ = room.suspend();
        assert_eq!(said(&room, false), []);
        assert!(closing(&room.view, false, NOW).record.unwrap().suspended.is_some());
    }

    #[test]
    fn a_record_of_before_there_were_suspensions_is_read() {
        let mut record = Record::new(NOW, "ann@example.org".to_owned(), None);
        let old = record.write();
        assert!(!old.contains("suspended"));
        assert_eq!(Record::read(&old), Some(record.clone()));
        record.suspended = Some(Suspended { since: NOW, raised: true });
        assert_eq!(Record::read(&record.write()), Some(record));
    }

    #[test]
    fn what_was_put_up_goes_where_an_exception_holds_for_the_rule_that_would_keep_it() {
        for excepted in [false, true] {
            let mut room = Room::new(false);
            std::sync::Arc::make_mut(&mut room.rules.lobby).admission.value = Admission::Lobby;
            let exception = Exception {
                line: 7,
                until: None,
                rooms: None,
                rules: named("lobby.admission").collect(),
                bans: false,
                reason: String::new(),
            };
            if excepted {
                room.policy.exceptions.add(Whom::All, exception);
            }
            room.suspend();
            assert_eq!(room.resume().members_only, excepted.then_some(false));
        }
    }
}
