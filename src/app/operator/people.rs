//! What is done with people in one room.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use serde_json::{Value, json};

use super::Operator;
use super::failure::{conflict, not_found, unavailable};
use super::whom::{Found, People, Person, away, is_known};
use crate::app::clock::now;
use crate::app::rooms::{RoomError, address, apply, room};
use crate::component::desk::Desk;
use crate::control::{Failure, Length};
use crate::jid::BareJid;
use crate::policy::attempt::Requester;
use crate::policy::record::Record;
use crate::policy::removal::{Removal, admission, keep_out, lift, taken};
use crate::policy::verdict::Effects;
use crate::store::Query;
use crate::wire::answer::remove;
use crate::wire::room::LiveRoom;
use crate::xmpp::Element;

/// What is done with one person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Done {
    /// Waited, and is let in.
    Admitted,
    /// Is not there, and may enter.
    MayEnter,
    /// Waited, and is turned away.
    Rejected,
    /// Was inside, and is out.
    Removed,
    /// Is not there, and may not enter for as long as the rules say.
    KeptOut,
    /// Is not there; what they are in the room is taken from them.
    Demoted,
    /// Is inside already.
    Nothing,
}

impl Done {
    /// The name in replies.
    const fn name(self) -> &'static str {
        match self {
            Self::Admitted => "admitted",
            Self::MayEnter => "may-enter",
            Self::Rejected => "rejected",
            Self::Removed => "removed",
            Self::KeptOut => "kept-out",
            Self::Demoted => "demoted",
            Self::Nothing => "nothing",
        }
    }
}

/// What a command does with one person: to each of their addresses, and to the room.
#[derive(Debug, Default)]
struct Plan {
    people: Vec<(Person, Done)>,
    effects: Effects,
    more: Vec<Element>,
    /// A removal is taken back.
    lifts: bool,
}

impl Operator {
    /// Lets somebody in who waits or was removed.
    pub(super) async fn admit(&self, name: &str, text: &str) -> Result<Value, Failure> {
        let rules = self.rules(name);
        self.touch(name, text, |jid, people, live| Ok(admits(&rules.removal, jid, people, live)))
            .await
    }

    /// Turns somebody away who waits.
    pub(super) async fn reject(&self, name: &str, text: &str) -> Result<Value, Failure> {
        let reject = |jid: &BareJid, people: &[Person], _: &LiveRoom| {
            let is_inside = people.iter().any(|person| person.found == Found::Inside);
            let waits = people.iter().filter(|person| person.found == Found::Waits);
            let people: Vec<_> = waits.map(|person| (person.clone(), Done::Rejected)).collect();
            match people.is_empty() {
                true if is_inside => Err(conflict(format!(
                    "`{jid}` is inside and does not wait: `vestibule remove` removes them"
                ))),
                true => Err(not_found(format!(
                    "`{jid}` neither waits nor is inside: nobody is rejected"
                ))),
                false => {
                    let reject = people.iter().map(|(person, _)| (person.jid.clone(), None));
                    let effects = Effects { reject: reject.collect(), ..Effects::default() };
                    Ok(Plan { people, effects, ..Plan::default() })
                }
            }
        };
        self.touch(name, text, reject).await
    }

    /// Removes somebody, who stays out for so long, or as long as the room's rules say.
    pub(super) async fn remove(
        &self,
        name: &str,
        text: &str,
        reason: &str,
        stays_out: Option<&Length>,
    ) -> Result<Value, Failure> {
        let rules = self.rules(name);
        let mut removal = Removal::clone(&rules.removal);
        if let Some(time) = stays_out {
            if removal.keep_out.value.is_none() {
                return Err(conflict(
                    "`removal.keep_out` is \"never\" for this room, so nobody is kept out of it: ban them from it instead",
                ));
            }
            removal.keep_out.value = Some(time.time());
        }
        self.touch(name, text, |jid, people, live| removes(&removal, jid, people, live, reason))
            .await
    }

    /// Changes a room by what `plan` makes of the person who is meant, as the room is now; and looks at the room again
    /// whether it is so.
    async fn touch(
        &self,
        name: &str,
        text: &str,
        plan: impl Fn(&BareJid, &[Person], &LiveRoom) -> Result<Plan, Failure>,
    ) -> Result<Value, Failure> {
        let (jid, rules) = (address(name)?, self.rules(name));
        let whom = self.whom(&jid, text).await?;
        let planned = Mutex::new(None);
        let set = |plan| *planned.lock().unwrap_or_else(PoisonError::into_inner) = Some(plan);
        apply(&self.shared, &jid, Some(&whom), |live| {
            let people = self.people(live).same(&whom, live, &rules.removal);
            let people: Vec<_> = people
                .into_iter()
                .filter(|it| it.jid == whom || !self.is_service(&it.jid))
                .collect();
            match plan(&whom, &people, live) {
                Err(failure) => {
                    set(Err(failure));
                    (Effects::default(), Vec::new())
                }
                Ok(Plan { people, effects, more, lifts }) => {
                    set(Ok((people, lifts)));
                    (effects, more)
                }
            }
        })
        .await?;
        let planned = planned.into_inner().unwrap_or_else(PoisonError::into_inner);
        let (people, lifts) = planned.unwrap_or_else(|| Err(conflict("nothing was planned")))?;
        self.confirm_done(&jid, &people).await?;
        let people: Vec<_> = people
            .iter()
            .map(|(person, done)| {
                let Person { jid, found, who } = person;
                json!({ "jid": jid, "nick": who.nick, "found": found.name(), "done": done.name() })
            })
            .collect();
        Ok(json!({ "room": jid, "people": people, "removal_lifted": lifts }))
    }

    /// Looks at a room again: those who were to be out are out, and those who waited do not.
    async fn confirm_done(&self, jid: &BareJid, people: &[(Person, Done)]) -> Result<(), Failure> {
        let live = match room(&self.shared, jid, None).await {
            Ok(live) => live,
            // With the last person the room may have gone.
            Err(RoomError::None(_)) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        for (person, done) in people {
            let is = |who: &Requester| who.jid.as_ref() == Some(&person.jid);
            let (inside, waits) =
                (live.occupants.iter().any(is), live.waiting.iter().any(|(who, _)| is(who)));
            let wrong = match done {
                Done::Removed if inside => "is inside still, or again",
                Done::Admitted | Done::Rejected if waits => "waits still, or again",
                Done::Removed
                | Done::Admitted
                | Done::Rejected
                | Done::MayEnter
                | Done::KeptOut
                | Done::Demoted
                | Done::Nothing => continue,
            };
            return Err(conflict(format!("`{}` {wrong}", person.jid)));
        }
        Ok(())
    }

    /// Returns the person who is meant: by an address, prepared or as the server has stamped it on somebody who is there
    /// (an occupant from before the gate may have such an address); by a nick that one person bears; or by the id of a
    /// decision on them.
    async fn whom(&self, jid: &BareJid, text: &str) -> Result<BareJid, Failure> {
        let text = text.trim();
        let parsed = text.parse::<BareJid>();
        let live = room(&self.shared, jid, parsed.as_ref().ok()).await?;
        let people = self.people(&live);
        let rules = self.rules(jid.as_str());
        if let Ok(parsed) = &parsed
            && (people.have(parsed) || is_known(parsed, &live, &rules.removal))
        {
            return Ok(parsed.clone());
        }
        if let Some(stamped) = BareJid::stamped(text).filter(|stamped| people.have(stamped)) {
            return Ok(stamped);
        }
        // Anybody may bear a nick that reads like the address of another person.
        let called = if text.contains('@') { None } else { people.called(text)?.cloned() };
        let about = self.of_decision(jid, text).await?.filter(|meant| people.have(meant));
        match (called, about) {
            // The ids of decisions can be guessed, so a nick may be one.
            (Some(called), Some(about)) if called != about => {
                return Err(conflict(format!(
                    "`{text}` is the nick of `{called}` and a decision about `{about}`; give an address"
                )));
            }
            (Some(meant), _) | (None, Some(meant)) => return Ok(meant),
            (None, None) => {}
        }
        match parsed {
            Err(error) if text.contains('@') => {
                Err(RoomError::Person(text.to_owned(), error).into())
            }
            _ => Err(people.nobody(text)),
        }
    }

    /// The person whom an entry of the audit is about; `None`: there is no such entry, or no audit database.
    async fn of_decision(&self, room: &BareJid, id: &str) -> Result<Option<BareJid>, Failure> {
        let Some(store) = self.store().filter(|_| Desk::may_be_id(id)) else { return Ok(None) };
        let room = Some(room.to_string());
        let query = Query { room, id: Some(id.to_owned()), limit: Some(1), ..Query::default() };
        let found = store.search_all(query).await.map_err(unavailable)?;
        let entry = found.entries.first();
        Ok(entry.and_then(|entry| BareJid::stamped(entry.person.as_deref()?)))
    }

    fn people(&self, live: &LiveRoom) -> People {
        let desk = self.shared.desk();
        People::of(live, desk.lately().of(&live.jid))
    }

    fn is_service(&self, jid: &BareJid) -> bool {
        self.shared.desk().policy().services.contains_key(jid)
    }
}

/// Lets a person in under the address at which they are now; if they are nowhere, under the one that was given.
fn admits(rules: &Removal, jid: &BareJid, people: &[Person], live: &LiveRoom) -> Plan {
    let is_inside = people.iter().any(|person| person.found == Found::Inside);
    let comes = |person: &&Person| matches!(person.found, Found::Waits | Found::Refused);
    let mut let_in: BTreeMap<&BareJid, &Person> = BTreeMap::new();
    for person in people.iter().filter(comes) {
        let_in.entry(&person.jid).or_insert(person);
    }
    let record = changed(live, |record| {
        lift(record, rules, &away(jid, live));
        people.iter().for_each(|person| lift(record, rules, &person.who));
    });
    let before = |it: &BareJid, who: &Requester| {
        if it == jid { live.person.clone() } else { who.person.clone() }
    };
    let lifts = record.is_some();
    let mut plan = Plan { lifts, ..Plan::default() };
    plan.effects.record = record;
    let mut add = |person: Person, done| {
        if done != Done::Nothing {
            plan.effects.merge(admission(&person.jid, before(&person.jid, &person.who).as_ref()));
        }
        plan.people.push((person, done));
    };
    if let_in.is_empty() {
        let done = if is_inside { Done::Nothing } else { Done::MayEnter };
        let found = people.first().cloned().unwrap_or_else(|| known(jid, live));
        add(Person { jid: if is_inside { found.jid.clone() } else { jid.clone() }, ..found }, done);
    }
    for person in let_in.into_values() {
        let done = if person.found == Found::Waits { Done::Admitted } else { Done::MayEnter };
        add(person.clone(), done);
    }
    plan
}

/// Removes a person from the room and from those who wait, under every address that is certainly theirs.
fn removes(
    rules: &Removal,
    jid: &BareJid,
    people: &[Person],
    live: &LiveRoom,
    reason: &str,
) -> Result<Plan, Failure> {
    let away = away(jid, live);
    let record = changed(live, |record| {
        for who in std::iter::once(&away).chain(people.iter().map(|person| &person.who)) {
            keep_out(record, rules, who, now());
        }
    });
    let mut plan = Plan { effects: Effects { record, ..Effects::default() }, ..Plan::default() };
    let mut those: BTreeMap<&BareJid, &Person> = BTreeMap::new();
    for person in people {
        those.entry(&person.jid).or_insert(person);
    }
    let unseen = known(jid, live);
    those.entry(jid).or_insert(&unseen);
    for (address, person) in those {
        let (before, affiliation) = match address == jid {
            true => (&live.person, live.affiliation),
            false => (&person.who.person, person.who.affiliation),
        };
        let taken = taken(before.as_ref(), affiliation);
        let done = match person.found {
            Found::Inside => Done::Removed,
            Found::Waits => Done::Rejected,
            Found::Refused | Found::Left | Found::Known => match rules.keep_out.value {
                Some(_) => Done::KeptOut,
                None if taken.is_some() => Done::Demoted,
                None => continue,
            },
        };
        plan.effects.people.push((address.clone(), taken));
        if done == Done::Rejected {
            plan.effects.reject.push((address.clone(), None));
        }
        plan.more.push(remove(address, reason));
        plan.people.push((person.clone(), done));
    }
    if plan.people.is_empty() {
        return Err(conflict(format!(
            "`{jid}` is not inside and does not wait, and `removal.keep_out` is \"never\" for this room: nothing is done"
        )));
    }
    Ok(plan)
}

fn known(jid: &BareJid, live: &LiveRoom) -> Person {
    Person { jid: jid.clone(), found: Found::Known, who: away(jid, live) }
}

/// The room's record, with this change. `None`: there is none, or it stays as it is.
fn changed(live: &LiveRoom, change: impl FnOnce(&mut Record)) -> Option<Record> {
    let before = live.view.record.as_ref()?;
    let mut after = before.clone();
    change(&mut after);
    (after != *before).then_some(after)
}
