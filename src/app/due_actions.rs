//! Actions that are due in rooms, by timers or because a moderator is missing. Failed ones are retried with back-off.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::clock::now;
use super::tasks::guarded;
use super::{Shared, rooms};
use crate::component::engine::PolicyEngine;
use crate::component::registry::Watch;
use crate::component::timetable::{confirm_due, confirm_plan, plans, timetable};
use crate::jid::BareJid;
use crate::policy::attempt::RoomView;
use crate::policy::rules::kinds::Who;
use crate::policy::succession::{Plan, Remedy};
use crate::policy::timers::{Deed, Due, effects};
use crate::policy::verdict::Effects;
use crate::wire::answer::{Only, end, only};
use crate::wire::room::LiveRoom;
use crate::xmpp::Element;

/// The interval at which rooms are checked at the latest, since they change meanwhile.
const LOOK: Duration = Duration::from_secs(1);
/// Rooms that are handled at the same time, or checked in one go; the others follow a moment later.
const AT_ONCE: usize = 50;

/// The longest time between two attempts in the same room.
pub(super) const LONGEST: SignedDuration = SignedDuration::from_mins(5);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The action was taken; this is how long it may need to take effect.
    Done(SignedDuration),
    /// Nothing can be done.
    Nobody,
    /// The action failed.
    Failed,
}

/// The attempts at an action that is due in a room.
#[derive(Clone, Copy, Debug)]
struct Trial {
    /// When the next attempt may start; `None`: one is running.
    again: Option<Timestamp>,
    /// Number of attempts since the action became due.
    attempts: u32,
    /// Whether nothing can be done, which was logged.
    is_told: bool,
}

/// The rooms in which an action is due. Others are not kept, so there are never more than live rooms.
#[derive(Debug, Default)]
struct Trials(HashMap<BareJid, Trial>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    /// The action is due; an attempt starts now.
    Now,
    /// The next attempt may start at this time.
    At(Timestamp),
    /// An attempt is running, or nothing can be done, which was logged.
    Never,
}

/// Checks the rooms that are due or have changed, and handles those in which an action is due, until aborted. `look`
/// takes out at most the given number of rooms. Nothing can be done if `is_hopeless`, which is reported once.
pub(super) async fn see_to_rooms<D, F>(
    shared: Shared,
    watch: Watch,
    what: &'static str,
    mut look: impl FnMut(&mut PolicyEngine, usize, Timestamp) -> Vec<(BareJid, Option<D>)>,
    is_hopeless: fn(&D) -> bool,
    apply_repairs: impl Fn(Shared, BareJid, D) -> F,
) where
    F: Future<Output = Outcome> + Send + 'static,
{
    let mut trials = Trials::default();
    let mut running = JoinSet::new();
    let mut pause = LOOK;
    loop {
        tokio::select! {
            () = sleep(pause) => {}
            Some(ended) = running.join_next() => {
                if let Ok((room, outcome)) = ended {
                    let again = trials.ended(&room, outcome, now());
                    if !shared.engine().look_by(watch, &room, again) {
                        trials.forget(&room);
                    }
                }
            }
        }
        pause = LOOK;
        let free = AT_ONCE.saturating_sub(running.len());
        if free == 0 || !shared.link.is_up() {
            continue;
        }
        let (looked, next) = {
            let mut engine = shared.engine();
            (look(&mut engine, free, now()), engine.next_look(watch))
        };
        if let Some(next) = next {
            let left = Duration::try_from(next.duration_since(now())).unwrap_or_default();
            pause = pause.min(left);
        }
        for (room, due) in looked {
            let Some(due) = due else {
                trials.forget(&room);
                continue;
            };
            match trials.start(&room, is_hopeless(&due), now()) {
                Turn::Now => {
                    let step = apply_repairs(shared.clone(), room.clone(), due);
                    running.spawn(async move {
                        (room, guarded(what, step).await.unwrap_or(Outcome::Failed))
                    });
                }
                Turn::At(again) => {
                    shared.engine().look_by(watch, &room, again);
                }
                Turn::Never => {}
            }
        }
    }
}

impl Trials {
    /// Ends the attempts in a room: no action is due any more.
    fn forget(&mut self, room: &BareJid) {
        if self.0.get(room).is_some_and(|trial| trial.again.is_some()) {
            self.0.remove(room);
        }
    }

    /// Returns whether an attempt starts now. `is_hopeless`: nothing can be done, which is reported once.
    fn start(&mut self, room: &BareJid, is_hopeless: bool, now: Timestamp) -> Turn {
        let new = Trial { again: Some(now), attempts: 0, is_told: false };
        let trial = self.0.entry(room.clone()).or_insert(new);
        match trial.again {
            Some(_) if trial.is_told && is_hopeless => Turn::Never,
            Some(again) if again > now => Turn::At(again),
            Some(_) => {
                trial.again = None;
                Turn::Now
            }
            None => Turn::Never,
        }
    }

    /// Records the outcome of an attempt; returns when to check the room again.
    fn ended(&mut self, room: &BareJid, outcome: Outcome, now: Timestamp) -> Timestamp {
        let Some(trial) = self.0.get_mut(room) else { return now };
        trial.is_told = outcome == Outcome::Nobody;
        trial.attempts = trial.attempts.saturating_add(1);
        // An action that does not help is repeated with back-off, even if it succeeded.
        let longer = SignedDuration::from_secs(1).checked_mul(2_i32.saturating_pow(trial.attempts));
        let longer = longer.map_or(LONGEST, |wait| wait.min(LONGEST));
        let wait = match outcome {
            Outcome::Done(wait) => wait.max(longer),
            Outcome::Nobody => SignedDuration::ZERO,
            Outcome::Failed => longer,
        };
        let again = now.checked_add(wait).unwrap_or(Timestamp::MAX);
        trial.again = Some(again);
        again
    }
}

/// How long it may take until the gate's reports show what was done.
const SETTLED: SignedDuration = SignedDuration::from_secs(5);

pub(super) async fn watch(shared: Shared) {
    let is_hopeless = |plan: &Plan| plan.remedy == Remedy::Nobody;
    let apply_repairs =
        |shared: Shared, room, plan| async move { carry_out(&shared, &room, &plan).await };
    let what = "seeing to a room without a moderator";
    see_to_rooms(shared, Watch::Succession, what, plans, is_hopeless, apply_repairs).await;
}

/// Carries out a plan, if the room still needs it when its gate is asked.
async fn carry_out(shared: &Shared, room: &BareJid, plan: &Plan) -> Outcome {
    let person = match &plan.remedy {
        Remedy::Promote(jid) | Remedy::Admit(jid) => Some(jid),
        Remedy::Refuse(_) | Remedy::Nobody => None,
    };
    let make = |live: &LiveRoom| {
        let again = confirm_plan(&mut shared.engine(), live, person, now());
        // What the room remembers was only read for this person.
        let again = again.filter(|again| again.is_about(person));
        let says_nothing =
            |plan: &Plan| plan.remedy == Remedy::Nobody && !is_locked(shared, &live.view, room);
        let effects = again
            .as_ref()
            .filter(|plan| !says_nothing(plan))
            .map(|plan| plan.remedy.effects(live.person.as_ref()));
        let conditions = again.as_ref().map(|plan| conditions(&plan.remedy, &live.view));
        (effects.unwrap_or_default(), conditions.unwrap_or_default(), again)
    };
    match rooms::apply(shared, room, person, make).await {
        Ok(Some(plan)) => {
            write_down(shared, room, &plan);
            match plan.remedy {
                Remedy::Nobody => Outcome::Nobody,
                // The person is invited, and still has to join.
                Remedy::Admit(_) => Outcome::Done(patience(shared, room)),
                Remedy::Promote(_) | Remedy::Refuse(_) => Outcome::Done(SETTLED),
            }
        }
        Ok(None) => Outcome::Failed,
        Err(error) => {
            tracing::warn!(room = room.as_str(), %error, "a room without a moderator could not be helped");
            Outcome::Failed
        }
    }
}

/// Returns the preconditions that the gate checks before it applies a remedy.
fn conditions(remedy: &Remedy, view: &RoomView) -> Vec<Element> {
    // Moderators who may let nobody in do not make the remedy unnecessary.
    let unmoderated = (view.moderators == 0).then_some(Only::Unmoderated);
    let there = match remedy {
        Remedy::Promote(jid) => Some(Only::Inside(jid)),
        Remedy::Admit(jid) => Some(Only::Waiting(jid)),
        Remedy::Refuse(_) | Remedy::Nobody => None,
    };
    unmoderated.into_iter().chain(there).map(only).collect()
}

/// Returns whether people have to be let into the room, and nobody inside can do that.
fn is_locked(shared: &Shared, view: &RoomView, room: &BareJid) -> bool {
    let engine = shared.engine();
    let rules = engine.live().rules(engine.policy(), Some(room));
    let knocks = rules.lobby.admission.value.has_lobby() || view.lobby && view.members_only;
    knocks && view.moderators == 0 && rules.moderators.admit.value != Who::Anybody
}

fn patience(shared: &Shared, room: &BareJid) -> SignedDuration {
    let engine = shared.engine();
    let rules = engine.live().rules(engine.policy(), Some(room));
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
    if let [one] = people.as_slice() {
        details.insert("jid".to_owned(), Value::from(*one));
    }
    details.insert("people".to_owned(), Value::from(people));
    details.insert("rule".to_owned(), Value::from(rule));
    details.insert("line".to_owned(), Value::from(line));
    shared.engine().write_event("no-moderator", room.as_str(), details, now());
}

pub(super) async fn run_timers(shared: Shared) {
    let mut said = Said::default();
    let look = move |engine: &mut PolicyEngine, most, now| {
        let looked = timetable(engine, most, now).into_iter().map(|(room, look)| {
            said.tell(engine, &room, look.would, now);
            (room, look.due)
        });
        looked.collect()
    };
    let apply_repairs =
        |shared: Shared, room, due| async move { apply_timers(&shared, &room, &due).await };
    see_to_rooms(shared, Watch::Timers, "what is due in a room", look, |_| false, apply_repairs)
        .await;
}

/// The actions due by observed rules that were already recorded, by room: each is recorded once.
#[derive(Debug, Default)]
struct Said(HashMap<BareJid, &'static str>);

impl Said {
    fn tell(&mut self, engine: &PolicyEngine, room: &BareJid, would: Option<Due>, now: Timestamp) {
        let Some(Due { rule, deed }) = would else {
            self.0.remove(room);
            return;
        };
        if self.0.insert(room.clone(), rule.name) != Some(rule.name) {
            engine.timed(deed.name(), room, rule, true, now);
        }
    }
}

/// Carries out what is due, if it still is when the gate is asked.
async fn apply_timers(shared: &Shared, room: &BareJid, due: &Due) -> Outcome {
    let make = |live: &LiveRoom| {
        let again = confirm_due(&mut shared.engine(), live, now());
        let Some(Due { deed, .. }) = again else { return (Effects::default(), Vec::new(), None) };
        let more = match deed {
            Deed::End(notice) => {
                let policy = Arc::clone(shared.engine().policy());
                vec![end(&policy.texts.notice(notice, None).text)]
            }
            Deed::Close(_) | Deed::Calm | Deed::Warn { .. } => Vec::new(),
        };
        let more = more
            .into_iter()
            .chain(deed.is_for_want_of_a_moderator().then(|| only(Only::Unmoderated)));
        (effects(deed, &live.view, now()), more.collect(), again)
    };
    match rooms::apply(shared, room, None, make).await {
        Ok(Some(Due { deed, rule })) => {
            let mut engine = shared.engine();
            if deed == Deed::Calm {
                engine.calmed(room);
            }
            engine.timed(deed.name(), room, rule, false, now());
            Outcome::Done(SignedDuration::ZERO)
        }
        // The gate's view of the room shows that it is no longer due.
        Ok(None) => Outcome::Done(SignedDuration::ZERO),
        Err(error) => {
            let (room, rule) = (room.as_str(), due.rule.name);
            tracing::warn!(room, rule, %error, "what was due in a room could not be done");
            Outcome::Failed
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn tea() -> BareJid {
        "tea@conference.example.org".parse().unwrap()
    }

    #[test]
    fn what_fails_is_tried_again_later_and_later() {
        let mut trials = Trials::default();
        let mut times = Vec::new();
        for second in 0..1000 {
            if trials.start(&tea(), false, at(second)) == Turn::Now {
                let again = trials.start(&tea(), false, at(second));
                assert_eq!(again, Turn::Never, "it is being seen to");
                let again = trials.ended(&tea(), Outcome::Failed, at(second));
                assert_eq!(trials.start(&tea(), false, at(second)), Turn::At(again));
                times.push(second);
            }
        }
        assert_eq!(times, [0, 2, 6, 14, 30, 62, 126, 254, 510, 810]);
    }

    #[test]
    fn that_nothing_can_be_done_is_said_once() {
        let mut trials = Trials::default();
        assert_eq!(trials.start(&tea(), true, at(0)), Turn::Now);
        trials.ended(&tea(), Outcome::Nobody, at(0));
        assert_eq!(trials.start(&tea(), true, at(1000)), Turn::Never);
        assert_eq!(trials.start(&tea(), false, at(1000)), Turn::Now, "a person came");
    }

    #[test]
    fn a_room_in_which_nothing_is_due_is_forgotten() {
        let mut trials = Trials::default();
        trials.start(&tea(), true, at(0));
        trials.forget(&tea());
        assert_eq!(trials.0.len(), 1, "it is being seen to");
        trials.ended(&tea(), Outcome::Nobody, at(0));
        trials.forget(&tea());
        assert!(trials.0.is_empty());
    }
}
