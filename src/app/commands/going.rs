//! How people go who are removed, or sent back to the lobby.

use std::collections::BTreeMap;

use super::outcome::{Done, is_free};
use super::people::{ForPeople, Plan, changed};
use super::whom::{Found, Person, known};
use crate::app::clock::now;
use crate::control::{HELD, REMOVED};
use crate::jid::BareJid;
use crate::policy::Policy;
use crate::policy::attempt::Affiliation;
use crate::policy::record::Record;
use crate::policy::removal::{Removal, hold, keep_out, taken};
use crate::policy::verdict::Effects;
use crate::wire::answer::remove;
use crate::wire::room::LiveRoom;

/// How a person goes who is removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Out {
    /// They stay out for the removal's time.
    Kept,
    /// They come in again once a person inside lets them in.
    Held,
}

/// By what a person is removed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Removing<'a> {
    pub(super) policy: &'a Policy,
    pub(super) rules: &'a Removal,
    pub(super) out: Out,
    /// What they are told.
    pub(super) reason: &'a str,
}

impl Removing<'_> {
    /// Notes in a room's record that this person goes, unless no removal keeps them out.
    pub(super) fn note(&self, record: &mut Record, live: &LiveRoom, person: &Person) {
        if is_free(self.policy, live, person) {
            return;
        }
        let who = &person.who;
        let note = match self.out {
            Out::Kept => keep_out,
            Out::Held => hold,
        };
        note(record, self.rules, who, self.policy.proof(who), now());
    }

    /// Returns what becomes of a person who was found so.
    pub(super) fn done(&self, person: &Person, live: &LiveRoom) -> Option<Done> {
        let is_free = is_free(self.policy, live, person);
        match (self.out, person.found) {
            (_, Found::Inside) if is_free => Some(Done::Removed),
            (_, Found::Waits) if is_free => Some(Done::Rejected),
            (_, Found::Refused | Found::Left | Found::Known) if is_free => None,
            (Out::Kept, Found::Inside) => Some(Done::Removed),
            (Out::Kept, Found::Waits) => Some(Done::Rejected),
            (Out::Kept, Found::Refused | Found::Left | Found::Known) => {
                self.rules.keep_out_for.value.map(|_| Done::KeptOut)
            }
            (Out::Held, Found::Inside) => Some(Done::Held),
            (Out::Held, Found::Waits | Found::Refused | Found::Left | Found::Known) => {
                Some(Done::MustKnock)
            }
        }
    }
}

/// Removes a person from the room and from those who wait, under every address that is certainly theirs.
pub(super) fn removes(
    removing: &Removing<'_>,
    jid: &BareJid,
    people: &[Person],
    live: &LiveRoom,
) -> Plan {
    let unseen = known(jid, live);
    // Of a person who was found more is known than the address, also how well it was proved.
    let is_found = people.iter().any(|person| person.jid == *jid);
    let record = changed(live, |record| {
        let unseen = (!is_found).then_some(&unseen);
        unseen.into_iter().chain(people).for_each(|person| removing.note(record, live, person));
    });
    let mut plan = Plan { effects: Effects { record, ..Effects::default() }, ..Plan::default() };
    let mut those: BTreeMap<&BareJid, &Person> = BTreeMap::new();
    for person in people {
        those.entry(&person.jid).or_insert(person);
    }
    those.entry(jid).or_insert(&unseen);
    for (address, person) in those {
        let (before, affiliation) = match address == jid {
            true => (&live.person, live.affiliation),
            false => (&person.who.person, person.who.affiliation),
        };
        let taken = taken(before.as_ref(), affiliation);
        let has_more = taken.is_some() && affiliation > Affiliation::None;
        let demoted = has_more.then_some(Done::Demoted);
        let Some(done) = removing.done(person, live).or(demoted) else {
            continue;
        };
        plan.effects.people.push((address.clone(), taken));
        if done == Done::Rejected {
            plan.effects.reject.push((address.clone(), None));
        }
        plan.more.push(remove(address, removing.reason));
        plan.people.push((person.clone(), done));
    }
    plan
}

/// The rules on removals of a room, with the time that a request names.
pub(super) fn with_time(rules: &Removal, asked: &ForPeople) -> Removal {
    let mut removal = rules.clone();
    if let Some(time) = &asked.keep_out_for {
        removal.keep_out_for.value = Some(time.time());
    }
    removal
}

/// Returns what a person who goes is told.
pub(super) fn reason(out: Out, asked: &ForPeople) -> &str {
    let default = if out == Out::Held { HELD } else { REMOVED };
    asked.reason.as_deref().unwrap_or(default)
}
