//! What is done with people in one room.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};

use super::Operator;
use super::crowd::{Act, only_one};
use super::deed::Deed;
use super::failure::{conflict, not_found, unavailable};
use super::outcome::{Done, after, told};
use super::whom::{Found, People, Person, away, is_known};
use crate::app::clock::now;
use crate::app::rooms::{RoomError, address, apply, room};
use crate::component::desk::Desk;
use crate::control::{Failure, ForPeople, HELD, REMOVED};
use crate::jid::BareJid;
use crate::policy::attempt::Requester;
use crate::policy::record::Record;
use crate::policy::removal::{Removal, admission, hold, keep_out, lift, taken};
use crate::policy::rules::Policy;
use crate::policy::verdict::Effects;
use crate::store::Query;
use crate::wire::answer::remove;
use crate::wire::room::LiveRoom;
use crate::xmpp::Element;

/// What a command does with one person: to each of their addresses, and to the room.
#[derive(Debug, Default)]
struct Plan {
    people: Vec<(Person, Done)>,
    effects: Effects,
    more: Vec<Element>,
    /// A removal is taken back.
    lifts: bool,
}

/// How somebody goes who is removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Out {
    /// They stay out for the removal's time.
    Kept,
    /// They come in again once somebody inside lets them in.
    Held,
}

/// By what somebody is removed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Removing<'a> {
    pub(super) policy: &'a Policy,
    pub(super) rules: &'a Removal,
    pub(super) out: Out,
    /// What they are told.
    pub(super) reason: &'a str,
}

impl Removing<'_> {
    /// Notes in a room's record that this person goes.
    pub(super) fn note(&self, record: &mut Record, who: &Requester) {
        let note = match self.out {
            Out::Kept => keep_out,
            Out::Held => hold,
        };
        note(record, self.rules, who, self.policy.proof(who), now());
    }

    /// What becomes of somebody who was found so.
    pub(super) fn done(&self, found: Found) -> Option<Done> {
        match (self.out, found) {
            (Out::Kept, Found::Inside) => Some(Done::Removed),
            (Out::Kept, Found::Waits) => Some(Done::Rejected),
            (Out::Kept, Found::Refused | Found::Left | Found::Known) => {
                self.rules.keep_out.value.map(|_| Done::KeptOut)
            }
            (Out::Held, Found::Inside) => Some(Done::Held),
            (Out::Held, Found::Waits | Found::Refused | Found::Left | Found::Known) => {
                Some(Done::MustKnock)
            }
        }
    }
}

impl Operator {
    /// Lets people in who wait or were removed.
    pub(super) async fn admit(&self, asked: &ForPeople, deed: &Deed) -> Result<Value, Failure> {
        if asked.jid.is_none() {
            return self.everybody(Act::Admit, asked, deed).await;
        }
        let rules = self.rules(&asked.room);
        self.touch(asked, |jid, people, live| Ok(admits(&rules.removal, jid, people, live))).await
    }

    /// Turns people away who wait.
    pub(super) async fn reject(&self, asked: &ForPeople, deed: &Deed) -> Result<Value, Failure> {
        if asked.jid.is_none() {
            return self.everybody(Act::Reject, asked, deed).await;
        }
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
        self.touch(asked, reject).await
    }

    /// Removes people, who stay out or have to be let in again, for as long as the request or the room's rules say.
    pub(super) async fn remove(
        &self,
        out: Out,
        asked: &ForPeople,
        deed: &Deed,
    ) -> Result<Value, Failure> {
        let rules = self.rules(&asked.room);
        let is_never = rules.removal.keep_out.value.is_none();
        if is_never && (asked.keep_out.is_some() || out == Out::Held) {
            let instead = if out == Out::Held { "remove" } else { "ban" };
            return Err(conflict(format!(
                "`removal.keep_out` is \"never\" for this room, so nobody is kept out of it: {instead} them from it instead"
            )));
        }
        if asked.jid.is_none() {
            return self.everybody(Act::Remove(out), asked, deed).await;
        }
        let removal = with_time(&rules.removal, asked);
        let policy = Arc::clone(self.shared.desk().policy());
        let reason = reason(out, asked);
        let removing = Removing { policy: &policy, rules: &removal, out, reason };
        self.touch(asked, |jid, people, live| removes(&removing, jid, people, live)).await
    }

    /// Changes a room by what `plan` makes of the person who is meant, as the room is now; and looks at the room again
    /// whether it is so.
    async fn touch(
        &self,
        asked: &ForPeople,
        plan: impl Fn(&BareJid, &[Person], &LiveRoom) -> Result<Plan, Failure>,
    ) -> Result<Value, Failure> {
        only_one(asked)?;
        let (jid, rules) = (address(&asked.room)?, self.rules(&asked.room));
        let whom = self.whom(&jid, asked.jid.as_deref().unwrap_or_default()).await?;
        let plan = |live: &LiveRoom| {
            let people = self.people(live).same(&whom, live, &rules.removal);
            let people: Vec<_> = people
                .into_iter()
                .filter(|it| it.jid == whom || !self.is_service(&it.jid))
                .collect();
            plan(&whom, &people, live)
        };
        let planned = Mutex::new(None);
        let set = |plan| *planned.lock().unwrap_or_else(PoisonError::into_inner) = Some(plan);
        if asked.dry_run {
            let live = room(&self.shared, &jid, Some(&whom)).await?;
            set(plan(&live).map(|plan| (plan.people, plan.lifts, live)));
        } else {
            apply(&self.shared, &jid, Some(&whom), |live| match plan(live) {
                Err(failure) => {
                    set(Err(failure));
                    (Effects::default(), Vec::new())
                }
                Ok(Plan { people, effects, more, lifts }) => {
                    set(Ok((people, lifts, live.clone())));
                    (effects, more)
                }
            })
            .await?;
        }
        let planned = planned.into_inner().unwrap_or_else(PoisonError::into_inner);
        let (people, lifts, live) =
            planned.unwrap_or_else(|| Err(conflict("nothing was planned")))?;
        if !asked.dry_run {
            self.confirm_done(&jid, &people).await?;
        }
        let policy = Arc::clone(self.shared.desk().policy());
        let told = people
            .iter()
            .map(|(person, done)| told((&policy, &rules), &live, (person, *done), asked.dry_run));
        let told: Vec<_> = told.collect();
        let is_dry = asked.dry_run;
        Ok(
            json!({ "room": jid, "dry_run": is_dry, "people": told, "removal_lifted": lifts && !is_dry }),
        )
    }

    /// Looks at a room again: those who were to be out are out, and those who waited do not.
    async fn confirm_done(&self, jid: &BareJid, people: &[(Person, Done)]) -> Result<(), Failure> {
        // With the last person the room may have gone.
        let Some(live) = after(room(&self.shared, jid, None).await)? else { return Ok(()) };
        match people.iter().find(|(person, done)| !done.is_so(person, &live)) {
            None => Ok(()),
            Some((person, Done::Removed | Done::Held)) => {
                Err(conflict(format!("`{}` is inside still, or again", person.jid)))
            }
            Some((person, _)) => Err(conflict(format!("`{}` waits still, or again", person.jid))),
        }
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

    pub(super) fn people(&self, live: &LiveRoom) -> People {
        let desk = self.shared.desk();
        People::of(live, desk.lately().of(&live.jid))
    }

    pub(super) fn is_service(&self, jid: &BareJid) -> bool {
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
    removing: &Removing<'_>,
    jid: &BareJid,
    people: &[Person],
    live: &LiveRoom,
) -> Result<Plan, Failure> {
    let away = away(jid, live);
    let record = changed(live, |record| {
        let people = people.iter().map(|person| &person.who);
        std::iter::once(&away).chain(people).for_each(|who| removing.note(record, who));
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
        let Some(done) = removing.done(person.found).or(taken.as_ref().map(|_| Done::Demoted))
        else {
            continue;
        };
        plan.effects.people.push((address.clone(), taken));
        if done == Done::Rejected {
            plan.effects.reject.push((address.clone(), None));
        }
        plan.more.push(remove(address, removing.reason));
        plan.people.push((person.clone(), done));
    }
    if plan.people.is_empty() {
        return Err(conflict(format!(
            "`{jid}` is not inside and does not wait, and `removal.keep_out` is \"never\" for this room: nothing is done"
        )));
    }
    Ok(plan)
}

/// The rules on removals of a room, with the time that a request names.
pub(super) fn with_time(rules: &Removal, asked: &ForPeople) -> Removal {
    let mut removal = rules.clone();
    if let Some(time) = &asked.keep_out {
        removal.keep_out.value = Some(time.time());
    }
    removal
}

/// What somebody who goes is told.
pub(super) fn reason(out: Out, asked: &ForPeople) -> &str {
    let default = if out == Out::Held { HELD } else { REMOVED };
    asked.reason.as_deref().unwrap_or(default)
}

fn known(jid: &BareJid, live: &LiveRoom) -> Person {
    Person { jid: jid.clone(), found: Found::Known, who: away(jid, live) }
}

/// The room's record, with this change. `None`: there is none, or it stays as it is.
pub(super) fn changed(live: &LiveRoom, change: impl FnOnce(&mut Record)) -> Option<Record> {
    let before = live.view.record.as_ref()?;
    let mut after = before.clone();
    change(&mut after);
    (after != *before).then_some(after)
}
