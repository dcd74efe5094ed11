//! Commands on all people at a room who match a description.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::json;

use super::audited::of_many;
use super::outcome::{
    Done, Out, PeopleDone, PersonDone, Removing, after, classes_of, is_banned, is_kept, reason,
    told, with_time,
};
use super::people::{ForPeople, Plan, changed};
use super::targets::{Found, Person, Wanted};
use super::{Call, not_found};
use crate::app::clock::now;
use crate::app::rooms::{RoomError, address, apply, room};
use crate::control::Failure;
use crate::jid::{BareJid, folded};
use crate::policy::attempt::{Affiliation, Requester, Role};
use crate::policy::class::Class;
use crate::policy::overrides::Pattern;
use crate::policy::record::Record;
use crate::policy::removal::{Removal, admission, certain_marks, lift, taken};
use crate::policy::{Policy, Rules};
use crate::wire::answer::remove;
use crate::wire::room::LiveRoom;

/// The largest number of people in one command to a gate, which is carried out in one go.
const AT_ONCE: usize = 50;
/// The largest number of times that a room is read again for matching people who have come meanwhile.
const LOOKS: usize = 60;

/// What to do with the matching people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    Admit,
    Reject,
    Remove(Out),
}

impl Act {
    const fn name(self) -> &'static str {
        match self {
            Self::Admit => "admit",
            Self::Reject => "reject",
            Self::Remove(Out::Kept) => "remove",
            Self::Remove(Out::Held) => "hold",
        }
    }

    /// Returns whether the action applies to a person who was found there.
    const fn is_about(self, found: Found) -> bool {
        match self {
            Self::Admit | Self::Reject => matches!(found, Found::Waits),
            Self::Remove(Out::Kept) => matches!(found, Found::Waits | Found::Inside),
            Self::Remove(Out::Held) => matches!(found, Found::Inside),
        }
    }
}

/// A person at a room: all sessions of one address.
#[derive(Clone, Debug)]
struct Present {
    person: Person,
    sessions: Vec<Requester>,
    /// When their first session joined, or when they knocked; `None`: not known.
    came: Option<Timestamp>,
}

/// Returns everyone who is inside or waits, sorted by place and address.
fn present(live: &LiveRoom) -> Vec<Present> {
    let mut all: BTreeMap<(Found, &BareJid), Present> = BTreeMap::new();
    let arrivals = live.arrivals.iter().copied().chain(std::iter::repeat(None));
    let inside = live.occupants.iter().zip(arrivals).map(|(who, at)| (Found::Inside, who, at));
    let waiting = live.waiting.iter().map(|(who, since)| (Found::Waits, who, *since));
    for (found, who, came) in inside.chain(waiting) {
        let Some(jid) = &who.jid else { continue };
        let person = Person { jid: jid.clone(), found, who: who.clone() };
        let known = all.entry((found, jid));
        let known = known.or_insert_with(|| Present { person, sessions: Vec::new(), came });
        known.sessions.push(who.clone());
        known.came = known.came.min(came);
    }
    all.into_values().collect()
}

/// What decides whether a person matches.
#[derive(Clone, Copy)]
struct Judge<'a> {
    wanted: &'a Wanted,
    policy: &'a Policy,
    rules: &'a Rules,
    live: &'a LiveRoom,
}

impl Judge<'_> {
    /// Returns whether a person matches the whole description.
    fn is_meant(&self, one: &Present) -> bool {
        let Self { wanted, policy, rules, live } = *self;
        let since = wanted.since.map(|time| {
            let clock = live.time.unwrap_or_else(now);
            clock.checked_sub(time).unwrap_or(Timestamp::MIN)
        });
        let is_like = |pattern: &Pattern, who: &Requester| {
            let jid = who.jid.as_ref().map(|jid| jid.as_str()).unwrap_or_default();
            [&*who.nick, &*who.name, jid].iter().any(|name| pattern.is_match(&folded(name)))
        };
        let is_session = |who: &Requester| {
            let address = who.address.map(|address| address.to_canonical());
            wanted.pattern.as_ref().is_none_or(|pattern| is_like(pattern, who))
                && wanted.network.is_none_or(|net| address.is_some_and(|it| net.contains(&it)))
        };
        let classes = classes_of(policy, rules, live, &one.person);
        wanted.class.is_none_or(|class| classes.has(class))
            && since.is_none_or(|since| one.came.is_some_and(|came| came >= since))
            && one.sessions.iter().any(is_session)
    }

    /// Returns whether a person is spared: moderators and operators are only removed if that was requested.
    fn is_spared(&self, act: Act, one: &Present) -> bool {
        let Self { wanted, policy, rules, live } = *self;
        let moderates =
            |who: &Requester| who.role == Role::Moderator || who.affiliation >= Affiliation::Admin;
        let is_operator = classes_of(policy, rules, live, &one.person).has(Class::Operator);
        matches!(act, Act::Remove(_))
            && !wanted.moderators
            && !(is_operator && wanted.class == Some(Class::Operator))
            && (is_operator || one.sessions.iter().any(moderates))
    }
}

impl Plan {
    fn admit(&mut self, one: &Present, live: &LiveRoom, removal: &Removal, policy: &Policy) {
        if one.sessions.iter().any(|who| is_banned(policy, live, &one.person.jid, who)) {
            self.people.push((one.person.clone(), Done::Banned));
            return;
        }
        let lifted = self.effects.record.take();
        let record = change(live, lifted, |record| {
            one.sessions.iter().for_each(|who| lift(record, removal, who));
        });
        self.effects.merge(admission(&one.person.jid, one.person.who.person.as_ref()));
        self.effects.record = record;
        self.people.push((one.person.clone(), Done::Admitted));
    }

    fn reject(&mut self, one: &Present) {
        self.effects.reject.push((one.person.jid.clone(), None));
        self.people.push((one.person.clone(), Done::Rejected));
    }

    fn remove(&mut self, one: &Present, live: &LiveRoom, removing: &Removing<'_>) {
        let Some(done) = removing.done(&one.person, live) else { return };
        let Person { jid, who, .. } = &one.person;
        let record = self.effects.record.take();
        self.effects.record = change(live, record, |record| {
            for who in &one.sessions {
                let person = Person { who: who.clone(), ..one.person.clone() };
                removing.note(record, live, &person);
            }
        });
        self.effects.people.push((jid.clone(), taken(who.person.as_ref(), who.affiliation)));
        if done == Done::Rejected {
            self.effects.reject.push((jid.clone(), None));
        }
        self.more.push(remove(jid, removing.reason));
        self.people.push((one.person.clone(), done));
    }
}

/// Applies a change to the record as it was changed so far, or else to the room's record.
fn change(
    live: &LiveRoom,
    so_far: Option<Record>,
    change: impl FnOnce(&mut Record),
) -> Option<Record> {
    match so_far {
        Some(mut record) => {
            change(&mut record);
            Some(record)
        }
        None => changed(live, change),
    }
}

impl Call<'_> {
    /// Carries out an action on everyone at a room who matches the description, as the gate reports them at each step.
    /// Repeats that until no one is left, and then checks the result.
    pub(super) async fn everybody(
        &self,
        act: Act,
        asked: &ForPeople,
    ) -> Result<PeopleDone, Failure> {
        let (name, is_dry) = (&asked.whom.room, asked.whom.dry_run);
        let wanted = Wanted::new(&asked.whom, asked.moderators)?;
        let (jid, rules) = (address(name)?, self.rules(name));
        let policy = Arc::clone(self.shared.engine().policy());
        let removal = with_time(&rules.removal, asked);
        let out = if let Act::Remove(out) = act { out } else { Out::Kept };
        let reason = reason(out, asked);
        let removing = Removing { policy: &policy, rules: &removal, out, reason };
        let part = |live: &LiveRoom, most: usize, before: &BTreeSet<BareJid>| {
            let judge = Judge { wanted: &wanted, policy: &policy, rules: &rules, live };
            let mut part = Plan::default();
            let can_be = |one: &Present| {
                act.is_about(one.person.found) && !policy.services.contains_key(&one.person.jid)
            };
            let all = present(live);
            let marks_of = |one: &Present| {
                let marks = one.sessions.iter().flat_map(|who| certain_marks(&removal, who));
                marks.collect::<Vec<_>>()
            };
            let goes = |one: &&Present| {
                let is_going = matches!(act, Act::Remove(_)) && can_be(one);
                is_going && judge.is_meant(one) && !judge.is_spared(act, one)
            };
            // A person is removed with every session that is certainly theirs.
            let marks: HashSet<_> = all.iter().filter(goes).flat_map(marks_of).collect();
            for one in all {
                let is_theirs = || marks_of(&one).iter().any(|mark| marks.contains(mark));
                let is_known = before.contains(&one.person.jid);
                if !can_be(&one) || is_known || !judge.is_meant(&one) && !is_theirs() {
                    continue;
                }
                if judge.is_spared(act, &one) {
                    part.spared.push(one.person);
                    continue;
                }
                if part.people.len() >= most {
                    continue;
                }
                match act {
                    Act::Admit => part.admit(&one, live, &removal, &policy),
                    Act::Reject => part.reject(&one),
                    Act::Remove(_) => part.remove(&one, live, &removing),
                }
            }
            part
        };
        let mut last = None;
        let mut done: Vec<(Person, Done)> = Vec::new();
        let mut spared = Vec::new();
        let mut stopped = None;
        if is_dry {
            let live = room(&self.shared, &jid, None).await?;
            let planned = part(&live, usize::MAX, &BTreeSet::new());
            (done, spared, last) = (planned.people, planned.spared, Some(live));
        }
        let looks = if is_dry { 0 } else { LOOKS };
        for look in 0..looks {
            let before: BTreeSet<_> = done.iter().map(|(person, _)| person.jid.clone()).collect();
            let planned = apply(&self.shared, &jid, None, |live| {
                let Plan { people, spared, effects, more, .. } = part(live, AT_ONCE, &before);
                (effects, more, (people, spared, live.clone()))
            });
            let (more, moderate, live) = match planned.await {
                Ok(planned) => planned,
                // The room may have ended with its last occupant.
                Err(RoomError::None(_)) if look > 0 => break,
                Err(error) if look > 0 => {
                    stopped = Some(error.to_string());
                    break;
                }
                Err(error) => return Err(error.into()),
            };
            (spared, last) = (moderate, Some(live));
            if more.is_empty() {
                break;
            }
            done.extend(more);
            if look.saturating_add(1) == looks {
                stopped = Some("so many are meant that others are left: give it again".to_owned());
            }
        }
        let Some(live) = last.filter(|_| !done.is_empty()) else {
            return Err(nobody(act, &spared));
        };
        let mut is_known = false;
        let mut now_there = None;
        if !is_dry {
            match after(room(&self.shared, &jid, None).await) {
                Ok(live) => (is_known, now_there) = (true, live),
                // What was done is still reported and recorded.
                Err(error) => {
                    stopped = Some(format!("nobody could look at the room again: {error}"))
                }
            }
        }
        let people = done.iter().map(|(person, done)| {
            let is_so = now_there.as_ref().is_none_or(|live| done.is_so(person, live, &removal));
            let done = if is_so { *done } else { Done::Remains };
            let told = told((&policy, &rules), &live, (person, done), is_dry);
            let is_removal = matches!(act, Act::Remove(_));
            let kept = || is_kept(person, (&policy, &removal), now_there.as_ref());
            PersonDone { kept_out: is_removal.then(kept).flatten(), ..told }
        });
        let mut people: Vec<_> = people.collect();
        if !is_dry {
            self.write_down_people(&jid, act, &people);
        }
        let spare = |person| told((&policy, &rules), &live, (person, Done::Spared), is_dry);
        people.extend(spared.iter().map(spare));
        Ok(PeopleDone {
            room: jid.to_string(),
            dry_run: is_dry,
            people,
            removal_lifted: false,
            room_ended: is_known && now_there.is_none(),
            stopped,
        })
    }

    /// Records what was done with each person, as if each had been requested alone.
    fn write_down_people(&self, room: &BareJid, act: Act, people: &[PersonDone]) {
        for person in people {
            let mut details = of_many();
            details.insert("found".to_owned(), json!(person.found));
            details.insert("done".to_owned(), json!(person.done));
            let jid = Some(person.jid.as_str());
            let failures = [(Done::Remains, "still there, or again"), (Done::Banned, "banned")];
            let failure = failures.into_iter().find(|(done, _)| *done == person.done);
            let outcome = failure.map_or(Ok(()), |(_, reason)| Err(reason));
            self.write_down_part(act.name(), (room, jid), details, outcome);
        }
    }
}

fn nobody(act: Act, spared: &[Person]) -> Failure {
    let place = match act {
        Act::Admit | Act::Reject => "waits",
        Act::Remove(Out::Kept) => "is inside or waits",
        Act::Remove(Out::Held) => "is inside",
    };
    let spared: Vec<_> = spared.iter().map(Person::to_string).collect();
    let but = match spared.len() {
        0 => String::new(),
        count => format!(
            " but {count} who moderate or are operators ({}): give `moderators` if they are meant, too",
            spared.join(", ")
        ),
    };
    not_found(format!("nobody {place} of whom all of this is true{but}: nothing is done"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::commands::people::Whom;
    use crate::control::Length;
    use crate::policy::attempt::{Auth, RoomView};
    use crate::xmpp::Document;

    fn who(jid: &str, nick: &str) -> Requester {
        Requester {
            jid: jid.parse().ok(),
            nick: nick.into(),
            auth: if jid.contains("guest") { Auth::Anonymous } else { Auth::Account },
            address: if nick.len() > 3 { "192.0.2.7".parse().ok() } else { None },
            role: Role::Participant,
            ..Requester::default()
        }
    }

    fn at(second: i64) -> Option<Timestamp> {
        Timestamp::from_second(second).ok()
    }

    /// Ann since 0, Mallory with a guest's address since 900 and a second one since 990, Eve who waits since 950, and
    /// Old whose join time is not known; read at 1000.
    fn live() -> LiveRoom {
        let room = "<room xmlns='urn:vestibule:gate:2' jid='tea@rooms.example.org' generation='g' revision='1' time='1000'/>";
        let element = Document::parse(room.as_bytes(), "").unwrap();
        LiveRoom {
            occupants: vec![
                Requester { role: Role::Moderator, ..who("ann@example.org", "Ann") },
                who("x1@guest.example.org", "Mallory"),
                who("x1@guest.example.org", "Mal"),
                who("old@example.org", "Old"),
            ],
            arrivals: vec![at(0), at(900), at(990), None],
            waiting: vec![(who("x2@guest.example.org", "Évé"), at(950))],
            view: RoomView::default(),
            ..LiveRoom::read(element.root()).unwrap()
        }
    }

    fn meant(whom: Whom) -> Vec<String> {
        let (live, policy, rules) = (live(), Policy::default(), Rules::default());
        let wanted = Wanted::new(&whom, false).unwrap();
        let judge = Judge { wanted: &wanted, policy: &policy, rules: &rules, live: &live };
        let meant = present(&live).into_iter().filter(|one| judge.is_meant(one));
        meant.map(|one| one.person.jid.to_string()).collect()
    }

    #[test]
    fn everything_that_is_given_has_to_be_true() {
        let [ann, old] = ["ann@example.org", "old@example.org"];
        let [mallory, eve] = ["x1@guest.example.org", "x2@guest.example.org"];
        let none = Whom::default;
        let since = |text: &str| text.parse::<Length>().ok();
        let some = |text: &str| Some(text.to_owned());
        let network = some("192.0.2.0/24");
        for (whom, expected) in [
            (Whom { all: true, ..none() }, vec![ann, old, mallory, eve]),
            (Whom { since: since("60 seconds"), ..none() }, vec![eve]),
            (Whom { since: since("2 minutes"), ..none() }, vec![mallory, eve]),
            (Whom { class: some("guest"), ..none() }, vec![mallory, eve]),
            (Whom { class: some("account"), ..none() }, vec![ann, old]),
            (Whom { r#match: some("MAL*"), ..none() }, vec![mallory]),
            (Whom { r#match: some("éVÉ"), ..none() }, vec![eve]),
            (Whom { r#match: some("*@guest.example.org"), ..none() }, vec![mallory, eve]),
            (Whom { network: network.clone(), ..none() }, vec![mallory, eve]),
            // Both are true, but of different sessions.
            (Whom { r#match: some("mal"), network, ..none() }, vec![]),
            (
                Whom { all: true, class: some("guest"), since: since("60 seconds"), ..none() },
                vec![eve],
            ),
        ] {
            assert_eq!(meant(whom.clone()), expected, "{whom:?}");
        }
    }

    #[test]
    fn moderators_go_only_where_that_is_said() {
        let (live, policy, rules) = (live(), Policy::default(), Rules::default());
        let spared = |moderators, act| {
            let whom = Whom { all: true, ..Whom::default() };
            let wanted = Wanted::new(&whom, moderators).unwrap();
            let judge = Judge { wanted: &wanted, policy: &policy, rules: &rules, live: &live };
            present(&live).iter().filter(|one| judge.is_spared(act, one)).count()
        };
        assert_eq!(spared(false, Act::Remove(Out::Kept)), 1);
        assert_eq!(spared(false, Act::Remove(Out::Held)), 1);
        assert_eq!(spared(false, Act::Admit), 0);
        assert_eq!(spared(true, Act::Remove(Out::Kept)), 0);
    }

    #[test]
    fn a_description_that_says_nothing_or_makes_no_sense_is_none() {
        let (none, some) = (Whom::default, |text: &str| Some(text.to_owned()));
        for (whom, moderators) in [
            (none(), false),
            (none(), true),
            (Whom { class: some("service"), ..none() }, false),
            (Whom { class: some("friend"), ..none() }, false),
            (Whom { network: some("example.org"), ..none() }, false),
            (Whom { network: some("192.0.2.0/33"), ..none() }, false),
            (Whom { r#match: some("[a"), ..none() }, false),
        ] {
            assert!(Wanted::new(&whom, moderators).is_err(), "{whom:?}");
        }
    }
}
