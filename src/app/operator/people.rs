//! What is done with people in one room.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};

use super::Operator;
use super::crowd::Act;
use super::deed::Deed;
use super::failure::{conflict, not_found, unavailable};
use super::going::{Out, Removing, reason, removes, with_time};
use super::outcome::{Done, after, is_banned, tell_kept_out, told, why_never};
use super::wanted::only_one;
use super::whom::{Found, People, Person, away, is_known, known};
use crate::app::rooms::{RoomError, address, apply, room};
use crate::component::desk::Desk;
use crate::control::{Failure, ForPeople};
use crate::jid::BareJid;
use crate::policy::Policy;
use crate::policy::attempt::Requester;
use crate::policy::record::Record;
use crate::policy::removal::{Removal, admission, lift};
use crate::policy::verdict::Effects;
use crate::store::Query;
use crate::wire::room::LiveRoom;
use crate::xmpp::Element;

/// What a command does with one person: to each of their addresses, and to the room.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) people: Vec<(Person, Done)>,
    pub(super) effects: Effects,
    pub(super) more: Vec<Element>,
    /// A removal is taken back.
    pub(super) lifts: bool,
}

impl Operator {
    /// Lets people in who wait or were removed.
    pub(super) async fn admit(&self, asked: &ForPeople, deed: &Deed) -> Result<Value, Failure> {
        if asked.jid.is_none() {
            return self.everybody(Act::Admit, asked, deed).await;
        }
        let rules = self.rules(&asked.room);
        let policy = Arc::clone(self.shared.desk().policy());
        let admit = |jid: &BareJid, people: &[Person], live: &LiveRoom| {
            Ok(admits((&policy, &rules.removal), jid, people, live))
        };
        self.touch(asked, None, admit).await
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
        self.touch(asked, None, reject).await
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
                "{}, so nobody is kept out of it: {instead} them from it instead",
                why_never(&rules)
            )));
        }
        if asked.jid.is_none() {
            return self.everybody(Act::Remove(out), asked, deed).await;
        }
        let removal = with_time(&rules.removal, asked);
        let policy = Arc::clone(self.shared.desk().policy());
        let reason = reason(out, asked);
        let removing = Removing { policy: &policy, rules: &removal, out, reason };
        let remove = |jid: &BareJid, people: &[Person], live: &LiveRoom| {
            let plan = removes(&removing, jid, people, live);
            if !plan.people.is_empty() {
                return Ok(plan);
            }
            Err(conflict(match removal.keep_out.value {
                Some(_) => format!(
                    "`{jid}` is not inside and does not wait, and no removal keeps out operators and services of the file: \
                     take them out of it to keep them out"
                ),
                None => format!(
                    "`{jid}` is not inside and does not wait, and {}: nothing is done",
                    why_never(&rules)
                ),
            }))
        };
        self.touch(asked, Some(&removal), remove).await
    }

    /// Changes a room by what `plan` makes of the person who is meant, as the room is now; and looks at the room again
    /// whether it is so. `removal`: by what people are removed.
    async fn touch(
        &self,
        asked: &ForPeople,
        removal: Option<&Removal>,
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
        let after = match asked.dry_run {
            true => None,
            false => self.confirm_done(&jid, &people, &rules.removal).await?,
        };
        let policy = Arc::clone(self.shared.desk().policy());
        let told = people.iter().map(|(person, done)| {
            let mut told = told((&policy, &rules), &live, (person, *done), asked.dry_run);
            if let Some(removal) = removal {
                tell_kept_out(&mut told, person, (&policy, removal), after.as_ref());
            }
            told
        });
        let told: Vec<_> = told.collect();
        let is_dry = asked.dry_run;
        Ok(json!({
            "room": jid, "dry_run": is_dry, "people": told, "removal_lifted": lifts && !is_dry,
            "room_ended": !is_dry && after.is_none(),
        }))
    }

    /// Looks at a room again: those who were to be out are out, and those who waited do not. `None`: the room has gone
    /// with the last person.
    async fn confirm_done(
        &self,
        jid: &BareJid,
        people: &[(Person, Done)],
        rules: &Removal,
    ) -> Result<Option<LiveRoom>, Failure> {
        let seen = after(room(&self.shared, jid, None).await).map_err(|error| {
            unavailable(format!(
                "the gate did it, and nobody could look at the room again: {error}"
            ))
        })?;
        let Some(live) = seen else { return Ok(None) };
        match people.iter().find(|(person, done)| !done.is_so(person, &live, rules)) {
            None => Ok(Some(live)),
            Some((person, Done::Removed | Done::Held)) => {
                Err(conflict(format!("`{}` is inside still, or again", person.jid)))
            }
            Some((person, _)) => Err(conflict(format!("`{}` waits still, or again", person.jid))),
        }
    }

    /// Returns the person who is meant: by an address, prepared or as the server has stamped it on somebody who is there
    /// (an occupant from before the gate may have such an address); by a nick that one person bears; or by the id of a
    /// decision on them.
    pub(super) async fn whom(&self, jid: &BareJid, text: &str) -> Result<BareJid, Failure> {
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
fn admits(
    (policy, rules): (&Policy, &Removal),
    jid: &BareJid,
    people: &[Person],
    live: &LiveRoom,
) -> Plan {
    let unless_banned = |person: &Person, done: Done| {
        if is_banned(policy, live, &person.jid, &person.who) { Done::Banned } else { done }
    };
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
        // A removal is taken back of somebody who is banned, too; nobody who waits is let in to be refused.
        let is_refused = done == Done::Banned && person.found == Found::Waits;
        if done != Done::Nothing && !is_refused {
            plan.effects.merge(admission(&person.jid, before(&person.jid, &person.who).as_ref()));
        }
        plan.people.push((person, done));
    };
    if let_in.is_empty() {
        let found = people.first().cloned().unwrap_or_else(|| known(jid, live));
        let person =
            Person { jid: if is_inside { found.jid.clone() } else { jid.clone() }, ..found };
        let is_in = is_inside.then_some(Done::Nothing);
        let done = is_in.unwrap_or_else(|| unless_banned(&person, Done::MayEnter));
        add(person, done);
    }
    for person in let_in.into_values() {
        let waits = person.found == Found::Waits;
        let done = if waits { Done::Admitted } else { Done::MayEnter };
        add(person.clone(), unless_banned(person, done));
    }
    plan
}

/// The room's record, with this change. `None`: there is none, or it stays as it is.
pub(super) fn changed(live: &LiveRoom, change: impl FnOnce(&mut Record)) -> Option<Record> {
    let before = live.view.record.as_ref()?;
    let mut after = before.clone();
    change(&mut after);
    (after != *before).then_some(after)
}
