//! What an operator asks over the socket.

use std::iter;
use std::sync::Arc;

use jid::BareJid;
use serde_json::{Map, Value, json};

use super::Shared;
use super::clock::now;
use super::plan::plan;
use super::reload::reload;
use super::rooms::{RoomError, address, change, room};
use crate::component::desk::Mode;
use crate::config::Described;
use crate::control::{
    Caller, Failure, FailureKind, Handler, Reply, Request, ServiceStatus, Stakes, Status,
};
use crate::policy::attempt::{Requester, RoomView};
use crate::policy::close::closing;
use crate::policy::explain::Explanation;
use crate::policy::facts::Facts;
use crate::policy::record::{Person, Record};
use crate::policy::removal::{keep_out, lift};
use crate::policy::rules::Rules;
use crate::policy::texts::Texts;
use crate::policy::verdict::Effects;
use crate::wire::answer::{end, remove};
use crate::wire::room::LiveRoom;

/// Carries out what operators ask.
#[derive(Debug)]
pub(super) struct Operator {
    shared: Shared,
}

impl Operator {
    pub(super) const fn new(shared: Shared) -> Self {
        Self { shared }
    }

    fn status(&self) -> Status {
        let linked = self.shared.link.is_up();
        let trouble = self.shared.trouble().clone();
        let mut desk = self.shared.desk();
        let drift = *desk.drift();
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            ready: linked && desk.is_ready(),
            linked,
            trouble,
            revision: desk.policy().revision.clone(),
            observe: desk.mode() == Mode::Observe,
            services: desk
                .services()
                .map(|(domain, hello)| ServiceStatus {
                    domain: domain.to_owned(),
                    gate: hello.map(|hello| hello.gate.clone()),
                    server: hello.map(|hello| hello.server.clone()),
                    failure: hello.map(|hello| hello.failure.clone()),
                    neighbours: desk
                        .neighbours(domain)
                        .iter()
                        .map(|found| format!("{}: {}", found.module, found.advice))
                        .collect(),
                })
                .collect(),
            rooms: desk.live().rooms().count(),
            decisions: desk.tally(),
            drift,
            log_lines_lost: desk.audit().lost(),
            uptime: self.shared.started.elapsed().as_secs(),
        }
    }

    fn rooms(&self) -> Value {
        let desk = self.shared.desk();
        let services = &desk.policy().services;
        let is_person =
            |who: &Requester| who.jid.as_ref().is_none_or(|jid| !services.contains_key(jid));
        let mut rooms: Vec<_> = desk.live().rooms().collect();
        rooms.sort_by_key(|(jid, _)| *jid);
        rooms
            .into_iter()
            .map(|(jid, room)| {
                let record = room.view.record.as_ref();
                json!({
                    "room": jid.as_str(),
                    "occupants": room.occupants.values().filter(|known| is_person(&known.who)).count(),
                    "closed": record.and_then(|r| r.closed).map(|closed| closed.name()),
                    "opened": record.map(|r| format!("{:.0}", r.opened)),
                    "opener": record.map(|r| r.opener.as_str()),
                })
            })
            .collect()
    }

    async fn explain(&self, described: &Described) -> Result<Value, Failure> {
        let mut attempt = described.attempt().map_err(invalid)?;
        let jid = described.room().map_err(invalid)?;
        let view = match room(&self.shared, &jid, attempt.requester.jid.as_ref()).await {
            Ok(live) => {
                attempt.requester.person = attempt.requester.person.or(live.person);
                live.view
            }
            Err(RoomError::None(_)) => RoomView::default(),
            Err(error) => return Err(error.into()),
        };
        let desk = self.shared.desk();
        let (explanation, facts) = desk.explain(&attempt, &view, now());
        Ok(explanation_to_json(&explanation, &facts, &desk.policy().texts))
    }

    async fn carry_out(&self, request: Request) -> Result<Value, Failure> {
        match request {
            Request::Status {} => serde_json::to_value(self.status()).map_err(unavailable),
            Request::Rooms {} if !self.shared.link.is_up() => Err(unavailable(
                "the rooms are not known without a link to the server: see `vestibule status`",
            )),
            Request::Rooms {} => Ok(self.rooms()),
            Request::Room { room: name } => {
                let jid = address(&name)?;
                Ok(room_to_json(&room(&self.shared, &jid, None).await?))
            }
            Request::Close { room } => {
                self.change(&room, "close", None, |live| {
                    (closing(&live.view, true, now()), Vec::new())
                })
                .await
            }
            Request::Reopen { room } => {
                self.change(&room, "reopen", None, |live| {
                    (closing(&live.view, false, now()), Vec::new())
                })
                .await
            }
            Request::End { room, reason } => {
                self.change(&room, "end", None, |_| (Effects::default(), vec![end(&reason)])).await
            }
            Request::Admit { room, jid } => {
                let jid = person(jid)?;
                let rules = self.rules(&room);
                let admit = |live: &LiveRoom| {
                    let person = Person::admitted(live.person);
                    let who = Requester { jid: Some(jid.clone()), ..Requester::default() };
                    let record = changed(live, |record| lift(record, &rules.removal, &who));
                    let effects = Effects {
                        record,
                        people: vec![(jid.clone(), Some(person))],
                        admit: vec![jid.clone()],
                        ..Effects::default()
                    };
                    (effects, Vec::new())
                };
                self.change(&room, "admit", Some(&jid), admit).await
            }
            Request::Reject { room, jid } => {
                let jid = person(jid)?;
                let reject = |_: &LiveRoom| {
                    (
                        Effects { reject: vec![(jid.clone(), None)], ..Effects::default() },
                        Vec::new(),
                    )
                };
                self.change(&room, "reject", None, reject).await
            }
            Request::Remove { room, jid, reason } => {
                let jid = person(jid)?;
                let rules = self.rules(&room);
                let remove = |live: &LiveRoom| {
                    let away = Requester { jid: Some(jid.clone()), ..Requester::default() };
                    let inside = live.occupants.iter().filter(|who| who.jid == away.jid);
                    let record = changed(live, |record| {
                        for who in iter::once(&away).chain(inside) {
                            keep_out(record, &rules.removal, who, now());
                        }
                    });
                    let people = vec![(jid.clone(), None)];
                    let effects = Effects { record, people, ..Effects::default() };
                    (effects, vec![remove(&jid, &reason)])
                };
                self.change(&room, "remove", None, remove).await
            }
            Request::Explain { attempt } => self.explain(&attempt).await,
            Request::Plan { candidate } => {
                let plan = plan(&self.shared, candidate.map(|candidate| *candidate)).await;
                serde_json::to_value(plan.map_err(invalid)?).map_err(unavailable)
            }
            Request::Reload { force } => {
                let reloaded = reload(&self.shared, force).await;
                let reloaded =
                    reloaded.map_err(|reason| Failure::new(FailureKind::Conflict, reason))?;
                Ok(json!({ "revision": reloaded.revision, "removed": reloaded.removed }))
            }
        }
    }

    fn rules(&self, room: &str) -> Arc<Rules> {
        let desk = self.shared.desk();
        desk.live().rules(desk.policy(), room.parse().ok().as_ref())
    }

    async fn change(
        &self,
        room: &str,
        action: &str,
        person: Option<&BareJid>,
        effects: impl Fn(&LiveRoom) -> (Effects, Vec<crate::xmpp::Element>),
    ) -> Result<Value, Failure> {
        let jid = address(room)?;
        change(&self.shared, &jid, action, person, effects).await?;
        Ok(json!({ "room": jid.as_str() }))
    }
}

impl Handler for Operator {
    async fn handle(&self, caller: &Caller, request: Request) -> Reply {
        let Some(command) = request.command() else {
            return Reply::Failed(invalid("no such command"));
        };
        let outcome = match command.authorise(caller) {
            Ok(()) => self.carry_out(request).await,
            Err(forbidden) => Err(forbidden),
        };
        if command.stakes != Stakes::Looks {
            let (face, name, error) = (caller.face.name(), &caller.name, outcome.as_ref().err());
            tracing::info!(
                command = command.name,
                face,
                name,
                error = error.map(|it| &*it.reason),
                "an operator's command"
            );
        }
        match outcome {
            Ok(value) => Reply::Done(value),
            Err(failure) => Reply::Failed(failure),
        }
    }
}

impl From<RoomError> for Failure {
    fn from(error: RoomError) -> Self {
        let kind = match &error {
            RoomError::Address(_) | RoomError::Person(_) | RoomError::Service(_) => {
                FailureKind::Invalid
            }
            RoomError::None(_) => FailureKind::NotFound,
            RoomError::Busy => FailureKind::Conflict,
            RoomError::Nonsense | RoomError::Password(_) | RoomError::Gate(_) => {
                FailureKind::Unavailable
            }
        };
        Self::new(kind, error)
    }
}

fn invalid(reason: impl ToString) -> Failure {
    Failure::new(FailureKind::Invalid, reason)
}

fn unavailable(reason: impl ToString) -> Failure {
    Failure::new(FailureKind::Unavailable, reason)
}

fn person(jid: String) -> Result<BareJid, RoomError> {
    jid.parse().map_err(|_| RoomError::Person(jid))
}

/// The room's record, with this change. `None`: there is none, or it stays as it is.
fn changed(live: &LiveRoom, change: impl FnOnce(&mut Record)) -> Option<Record> {
    let before = live.view.record.as_ref()?;
    let mut after = before.clone();
    change(&mut after);
    (after != *before).then_some(after)
}

fn room_to_json(live: &LiveRoom) -> Value {
    let record = live.view.record.as_ref();
    let mut occupants: Vec<_> = live.occupants.iter().collect();
    occupants.sort_by(|one, other| one.nick.cmp(&other.nick));
    json!({
        "room": live.jid.as_str(),
        "opened": record.map(|record| format!("{:.0}", record.opened)),
        "opener": record.map(|record| record.opener.as_str()),
        "closed": record.and_then(|record| record.closed).map(|closed| closed.name()),
        "password": live.view.has_password,
        "members_only": live.view.members_only,
        "occupants": occupants.iter().map(|who| json!({
            "nick": who.nick,
            "jid": who.jid.as_ref().map(|jid| jid.as_str()),
            "role": who.role.name(),
            "affiliation": who.affiliation.name(),
        })).collect::<Vec<_>>(),
        "waiting": live.waiting.iter().map(|(who, _)| json!({
            "nick": who.nick,
            "jid": who.jid.as_ref().map(|jid| jid.as_str()),
        })).collect::<Vec<_>>(),
    })
}

/// An explanation, for whoever asked. What the requester is told stands there as for somebody whose language is
/// not known.
pub fn explanation_to_json(explanation: &Explanation, facts: &Facts<'_>, texts: &Texts) -> Value {
    let decision = &explanation.decision;
    json!({
        "verdict": decision.verdict.name(),
        "rule": decision.rule.name,
        "line": decision.rule.line,
        "class": decision.class.name(),
        "denial": decision.denial.map(|denial| denial.code()),
        "told": decision.denial.map(|denial| texts.denial(denial, None).text),
        "exceptions": decision.exceptions,
        "would_have_been": decision.would.as_ref().map(|would| json!({
            "verdict": would.verdict.name(),
            "rule": would.rule.name,
            "line": would.rule.line,
            "denial": would.denial.map(|denial| denial.code()),
        })),
        "may": decision.effects.may.iter().flat_map(|(_, may)| may.iter()).map(|(ability, degree)| {
            (ability.name().to_owned(), Value::from(degree.name()))
        }).collect::<Map<_, _>>(),
        "facts": facts,
        "would_change_it": explanation.changes.iter().map(|change| json!({
            "with": change.what,
            "verdict": change.decision.verdict.name(),
            "rule": change.decision.rule.name,
            "line": change.decision.rule.line,
        })).collect::<Vec<_>>(),
    })
}
