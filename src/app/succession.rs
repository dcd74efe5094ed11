//! Seeing to rooms that have lost their last moderator, and to people whom nobody lets in.

use std::sync::{Mutex, PoisonError};

use jiff::SignedDuration;
use serde_json::{Map, Value};

use super::clock::now;
use super::trials::{LONGEST, Outcome, see_to_rooms};
use super::{Shared, rooms};
use crate::component::headless::{effects, plan_again, plans};
use crate::component::registry::Watch;
use crate::jid::BareJid;
use crate::policy::attempt::RoomView;
use crate::policy::succession::{Plan, Remedy};
use crate::wire::answer::{Only, only};
use crate::wire::room::LiveRoom;
use crate::xmpp::Element;

/// What was done shows in the gate's reports before that.
const SETTLED: SignedDuration = SignedDuration::from_secs(5);

/// Watches until aborted.
pub(super) async fn watch(shared: Shared) {
    let is_hopeless = |plan: &Plan| plan.remedy == Remedy::Nobody;
    let see_to = |shared: Shared, room, plan| async move { carry_out(&shared, &room, &plan).await };
    let what = "seeing to a room without a moderator";
    see_to_rooms(shared, Watch::Succession, what, plans, is_hopeless, see_to).await;
}

/// Does what the plan says, if that is still what the room needs when its gate is asked.
async fn carry_out(shared: &Shared, room: &BareJid, plan: &Plan) -> Outcome {
    let person = match &plan.remedy {
        Remedy::Promote(jid) | Remedy::Admit(jid) => Some(jid),
        Remedy::Refuse(_) => None,
        Remedy::Nobody => {
            write_down(shared, room, plan);
            return Outcome::Nobody;
        }
    };
    let done = Mutex::new(None);
    let make = |live: &LiveRoom| {
        let again = plan_again(&mut shared.desk(), live, person, now());
        // Of another person it is not known what the room remembers.
        let again = again.filter(|again| again.is_about(person));
        let effects = again.as_ref().map(|plan| effects(&plan.remedy, live.person.as_ref()));
        let conditions = again.as_ref().map(|plan| conditions(&plan.remedy, &live.view));
        *done.lock().unwrap_or_else(PoisonError::into_inner) = again;
        (effects.unwrap_or_default(), conditions.unwrap_or_default())
    };
    let result = rooms::apply(shared, room, person, make).await;
    let done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    match (result, done) {
        (Ok(()), Some(plan)) => {
            write_down(shared, room, &plan);
            match plan.remedy {
                Remedy::Nobody => Outcome::Nobody,
                // They are invited, and have to come.
                Remedy::Admit(_) => Outcome::Done(patience(shared, room)),
                Remedy::Promote(_) | Remedy::Refuse(_) => Outcome::Done(SETTLED),
            }
        }
        (Ok(()), None) => Outcome::Failed,
        (Err(error), _) => {
            tracing::warn!(room = room.as_str(), %error, "a room without a moderator could not be helped");
            Outcome::Failed
        }
    }
}

/// The preconditions of a remedy when it reaches the room.
fn conditions(remedy: &Remedy, view: &RoomView) -> Vec<Element> {
    // Moderators who may let nobody in are no help.
    let unmoderated = (view.moderators == 0).then_some(Only::Unmoderated);
    let there = match remedy {
        Remedy::Promote(jid) => Some(Only::Inside(jid)),
        Remedy::Admit(jid) => Some(Only::Waiting(jid)),
        Remedy::Refuse(_) => None,
        Remedy::Nobody => return Vec::new(),
    };
    unmoderated.into_iter().chain(there).map(only).collect()
}

fn patience(shared: &Shared, room: &BareJid) -> SignedDuration {
    let desk = shared.desk();
    let rules = desk.live().rules(desk.policy(), Some(room));
    SignedDuration::try_from(rules.lobby.unattended_after.value).unwrap_or(LONGEST)
}

fn write_down(shared: &Shared, room: &BareJid, plan: &Plan) {
    let (done, people) = match &plan.remedy {
        Remedy::Promote(jid) => ("promoted", std::slice::from_ref(jid)),
        Remedy::Admit(jid) => ("admitted", std::slice::from_ref(jid)),
        Remedy::Refuse(all) => ("refused", all.as_slice()),
        Remedy::Nobody => ("nothing", [].as_slice()),
    };
    let people: Vec<&str> = people.iter().map(|jid| jid.as_str()).collect();
    let (rule, line) = (plan.rule.name, plan.rule.line);
    tracing::warn!(
        room = room.as_str(),
        done,
        people = people.join(", "),
        rule,
        line,
        "no moderator is in the room"
    );
    let mut details = Map::new();
    details.insert("done".to_owned(), Value::from(done));
    details.insert("people".to_owned(), Value::from(people));
    details.insert("rule".to_owned(), Value::from(rule));
    details.insert("line".to_owned(), Value::from(line));
    shared.desk().audit().event("no-moderator", room.as_str(), details, now());
}
