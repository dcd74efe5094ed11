//! `admit`, `reject`, `remove` and `hold`: commands on people in one room.

use std::collections::BTreeMap;
use std::sync::Arc;

use clap::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::crowd::Act;
use super::outcome::{
    Done, Out, PeopleDone, PersonDone, Removing, after, is_banned, is_kept, reason, removes, told,
    why_never, with_time,
};
use super::targets::{Found, People, Person, away, is_known, known, only_one};
use super::{Call, conflict, not_found, unavailable};
use crate::app::rooms::{RoomError, address, apply, room};
use crate::component::engine::PolicyEngine;
use crate::control::{Failure, Length};
use crate::jid::BareJid;
use crate::policy::Policy;
use crate::policy::attempt::Requester;
use crate::policy::record::Record;
use crate::policy::removal::{Removal, admission, lift};
use crate::policy::verdict::Effects;
use crate::schema;
use crate::store::Query;
use crate::wire::room::LiveRoom;
use crate::xmpp::Element;

/// What one command to a gate does: the outcome for each person, and the changes to the room.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) people: Vec<(Person, Done)>,
    /// Moderators and operators whom a description of several people does not include.
    pub(super) spared: Vec<Person>,
    pub(super) effects: Effects,
    pub(super) more: Vec<Element>,
    /// Whether an earlier removal is undone.
    pub(super) lifts: bool,
}

/// The people of a room whom a command is about: one by name, or everyone who matches all given criteria.
#[derive(Clone, Debug, Default, Serialize, Deserialize, Args, JsonSchema)]
pub struct Whom {
    /// The room's address
    ///
    /// Its name alone is enough where the file names one service.
    #[arg(allow_hyphen_values = true)]
    #[schemars(with = "schema::Room")]
    pub room: String,
    /// Person: address, nick, or id of a decision on them; left out, everyone of whom all that is given is true
    #[arg(allow_hyphen_values = true)]
    #[schemars(with = "Option<schema::Person>")]
    pub jid: Option<String>,
    /// Everyone at the room
    #[arg(long)]
    #[serde(default)]
    pub all: bool,
    /// Those who came or knocked within this time, like "5 minutes"
    #[arg(long, value_name = "LENGTH")]
    #[schemars(with = "Option<schema::Length>")]
    pub since: Option<Length>,
    /// Those whose nick, name or address matches this: `*` any text, `?` any character
    #[arg(long, value_name = "PATTERN", allow_hyphen_values = true)]
    pub r#match: Option<String>,
    /// Those of this class, like guest
    #[arg(long, value_name = "CLASS", value_parser = CLASSES)]
    #[schemars(extend("enum" = CLASSES))]
    pub class: Option<String>,
    /// Those whose network address is in this network, like 192.0.2.0/24
    #[arg(long, value_name = "NETWORK")]
    pub network: Option<String>,
    /// Only report who is meant, and do nothing
    #[arg(long)]
    #[serde(default)]
    pub dry_run: bool,
}

/// The classes of people, which do not include services.
const CLASSES: [&str; 7] =
    ["operator", "listed", "token", "account", "returning", "federated", "guest"];

impl Whom {
    fn addresses(&self) -> Vec<&str> {
        let jid = self.jid.iter().filter(|jid| jid.contains('@'));
        [&self.room].into_iter().chain(jid).map(String::as_str).collect()
    }
}

verb! {
    /// Let people in who wait, or one person who was removed
    ///
    /// One person, or everyone who waits and of whom all that is given is true. Exit status 1: nobody was meant, or a person
    /// waits still.
    Admit("admit", "Admit", Duty, Reversible) -> PeopleDone { whom }
    |it, call| call.admit(it.whom).await
}

verb! {
    /// Turn people away who wait
    ///
    /// One person, or everyone who waits and of whom all that is given is true. Exit status 1: nobody was meant, or a person
    /// waits still.
    Reject("reject", "Reject", Duty, Reversible) -> PeopleDone { whom }
    |it, call| call.reject(it.whom).await
}

verb! {
    /// Remove people from a room, or one person who has just left
    ///
    /// One person, or everyone who is inside or waits and of whom all that is given is true; services never, moderators and
    /// operators only with --moderators (operators also with --class operator). Exit status 1: nobody was meant, or a person is
    /// there still.
    Remove("remove", "Remove", Duty, Reversible) -> PeopleDone {
        whom,
        /// Moderators and operators, too, if more than one person is meant
        #[arg(long)]
        #[serde(default)]
        pub moderators: bool,
        /// What they are told
        #[arg(long)]
        pub reason: Option<String>,
        /// How long they stay out of this room, like "30 minutes", instead of what the file says
        #[arg(long, value_name = "LENGTH")]
        #[schemars(with = "Option<schema::Length>")]
        pub keep_out_for: Option<Length>,
    }
    |it, call| {
        let Self { whom, moderators, reason, keep_out_for } = it;
        call.remove(Out::Kept, &ForPeople { whom, moderators, reason, keep_out_for }).await
    }
}

verb! {
    /// Send people back to the lobby: out, and in again once a moderator lets them in
    ///
    /// One person, or everyone inside of whom all that is given is true, with the same exceptions as `remove`. It is no ban:
    /// they may knock, for as long as a removal lasts they have to, and `admit` undoes it.
    Hold("hold", "Back to the lobby", Duty, Reversible) -> PeopleDone {
        whom,
        /// Moderators and operators, too, if more than one person is meant
        #[arg(long)]
        #[serde(default)]
        pub moderators: bool,
        /// What they are told
        #[arg(long)]
        pub reason: Option<String>,
    }
    |it, call| {
        let Self { whom, moderators, reason } = it;
        call.remove(Out::Held, &ForPeople { whom, moderators, reason, keep_out_for: None }).await
    }
}

/// The arguments of these commands.
#[derive(Clone, Debug, Default)]
pub(super) struct ForPeople {
    pub(super) whom: Whom,
    /// Whether moderators and operators are included.
    pub(super) moderators: bool,
    /// Message to the people; `None`: the command's default.
    pub(super) reason: Option<String>,
    /// How long the people are kept out; `None`: as the room's rules say.
    pub(super) keep_out_for: Option<Length>,
}

impl Call<'_> {
    /// Lets people in who wait, or undoes a removal.
    async fn admit(&self, whom: Whom) -> Result<PeopleDone, Failure> {
        let asked = ForPeople { whom, ..ForPeople::default() };
        if asked.whom.jid.is_none() {
            return self.everybody(Act::Admit, &asked).await;
        }
        let rules = self.rules(&asked.whom.room);
        let policy = Arc::clone(self.shared.engine().policy());
        let admit = |jid: &BareJid, people: &[Person], live: &LiveRoom| {
            Ok(admits((&policy, &rules.removal), jid, people, live))
        };
        self.touch(&asked, None, admit).await
    }

    /// Turns away people who wait.
    async fn reject(&self, whom: Whom) -> Result<PeopleDone, Failure> {
        let asked = ForPeople { whom, ..ForPeople::default() };
        if asked.whom.jid.is_none() {
            return self.everybody(Act::Reject, &asked).await;
        }
        let reject = |jid: &BareJid, people: &[Person], _: &LiveRoom| {
            let inside = people.iter().find(|person| person.found == Found::Inside);
            let is_inside = inside.is_some();
            let waits = people.iter().filter(|person| person.found == Found::Waits);
            let people: Vec<_> = waits.map(|person| (person.clone(), Done::Rejected)).collect();
            match people.is_empty() {
                true if is_inside => Err(conflict(format!(
                    "{} is inside and does not wait: `vestibule remove` removes them",
                    inside.map_or_else(|| format!("`{jid}`"), Person::to_string)
                ))),
                true => Err(not_found(format!(
                    "`{jid}` neither waits nor is inside: nobody is rejected"
                ))),
                false => {
                    let jids = people.iter().map(|(person, _)| person.jid.clone());
                    let effects = Effects::rejecting(jids, None);
                    Ok(Plan { people, effects, ..Plan::default() })
                }
            }
        };
        self.touch(&asked, None, reject).await
    }

    /// Removes people. They stay out, or have to be let in again, for as long as the request or the room's rules say.
    async fn remove(&self, out: Out, asked: &ForPeople) -> Result<PeopleDone, Failure> {
        let rules = self.rules(&asked.whom.room);
        let is_never = rules.removal.keep_out_for.value.is_none();
        if is_never && (asked.keep_out_for.is_some() || out == Out::Held) {
            let instead = if out == Out::Held { "remove" } else { "ban" };
            return Err(conflict(format!(
                "{}, so nobody is kept out of it: {instead} them from it instead",
                why_never(&rules)
            )));
        }
        if asked.whom.jid.is_none() {
            return self.everybody(Act::Remove(out), asked).await;
        }
        let removal = with_time(&rules.removal, asked);
        let policy = Arc::clone(self.shared.engine().policy());
        let reason = reason(out, asked);
        let removing = Removing { policy: &policy, rules: &removal, out, reason };
        let remove = |jid: &BareJid, people: &[Person], live: &LiveRoom| {
            let plan = removes(&removing, jid, people, live);
            if !plan.people.is_empty() {
                return Ok(plan);
            }
            Err(conflict(match removal.keep_out_for.value {
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

    /// Carries out the `plan` for one person on the room as it is now, and then checks the result. `removal` has the
    /// rules by which people are removed.
    async fn touch(
        &self,
        asked: &ForPeople,
        removal: Option<&Removal>,
        plan: impl Fn(&BareJid, &[Person], &LiveRoom) -> Result<Plan, Failure>,
    ) -> Result<PeopleDone, Failure> {
        only_one(asked)?;
        let Whom { room: name, jid: text, dry_run, .. } = &asked.whom;
        let is_dry = *dry_run;
        let (jid, rules) = (address(name)?, self.rules(name));
        let whom = self.whom(&jid, text.as_deref().unwrap_or_default()).await?;
        let plan = |live: &LiveRoom| {
            let people = self.people(live).same(&whom, live, &rules.removal);
            let people: Vec<_> = people
                .into_iter()
                .filter(|it| it.jid == whom || !self.is_service(&it.jid))
                .collect();
            plan(&whom, &people, live)
        };
        let (people, lifts, live) = if is_dry {
            let live = room(&self.shared, &jid, Some(&whom)).await?;
            plan(&live).map(|plan| (plan.people, plan.lifts, live))
        } else {
            let make = |live: &LiveRoom| match plan(live) {
                Err(failure) => (Effects::default(), Vec::new(), Err(failure)),
                Ok(Plan { people, effects, more, lifts, .. }) => {
                    (effects, more, Ok((people, lifts, live.clone())))
                }
            };
            apply(&self.shared, &jid, Some(&whom), make).await?
        }?;
        let after = match is_dry {
            true => None,
            false => self.confirm_done(&jid, &people, &rules.removal).await?,
        };
        let policy = Arc::clone(self.shared.engine().policy());
        let told = people.iter().map(|(person, done)| {
            let told = told((&policy, &rules), &live, (person, *done), is_dry);
            let kept = removal.map(|removal| is_kept(person, (&policy, removal), after.as_ref()));
            PersonDone { kept_out: kept.flatten(), ..told }
        });
        Ok(PeopleDone {
            room: jid.to_string(),
            dry_run: is_dry,
            people: told.collect(),
            removal_lifted: lifts && !is_dry,
            room_ended: !is_dry && after.is_none(),
            stopped: None,
        })
    }

    /// Reads the room again, and checks that removed people are out and answered ones no longer wait. Returns `None` if
    /// the room has ended with its last occupant.
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
                Err(conflict(format!("{person} is inside still, or again")))
            }
            Some((person, _)) => Err(conflict(format!("{person} waits still, or again"))),
        }
    }

    /// Returns the person who is meant: by an address, either prepared or exactly as the server has stamped it (an
    /// occupant from before the gate may have one that cannot be prepared); by a nick that one person has; or by the id
    /// of a decision about them.
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
        // A nick may be chosen to read like the address of another person.
        let called = if text.contains('@') { None } else { people.called(text)?.cloned() };
        let about = self.of_decision(jid, text).await?.filter(|meant| people.have(meant));
        match (called, about) {
            // A decision id can be predicted, so a nick may be chosen to be one.
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

    /// Returns the person whom a decision is about, or `None` without such an entry or an audit database.
    async fn of_decision(&self, room: &BareJid, id: &str) -> Result<Option<BareJid>, Failure> {
        let Some(store) = self.store().filter(|_| PolicyEngine::may_be_id(id)) else {
            return Ok(None);
        };
        let room = Some(room.to_string());
        let query = Query { room, id: Some(id.to_owned()), limit: Some(1), ..Query::default() };
        let found = store.search_all(query).await.map_err(unavailable)?;
        let entry = found.entries.first();
        Ok(entry.and_then(|entry| BareJid::stamped(entry.person.as_deref()?)))
    }

    pub(super) fn people(&self, live: &LiveRoom) -> People {
        let engine = self.shared.engine();
        People::of(live, engine.lately.of(&live.jid))
    }

    pub(super) fn is_service(&self, jid: &BareJid) -> bool {
        self.shared.engine().policy().services.contains_key(jid)
    }
}

/// Plans to let a person in under their current addresses, or under the given one if they are not there.
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
    // If an address has several sessions, the first one counts.
    let let_in = people.iter().rev().filter(comes).map(|person| (&person.jid, person));
    let let_in: BTreeMap<_, _> = let_in.collect();
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
        // A removal is undone even for a banned person, but a banned person who waits is not let in only to be refused.
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

/// Returns the room's record after this change, or `None` if there is no record or no change.
pub(super) fn changed(live: &LiveRoom, change: impl FnOnce(&mut Record)) -> Option<Record> {
    let before = live.view.record.as_ref()?;
    let mut after = before.clone();
    change(&mut after);
    (after != *before).then_some(after)
}
