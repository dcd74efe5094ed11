//! What operators ask: who may, carrying it out, and writing it down.

mod bans;
mod bulk;
mod crowd;
mod deed;
mod explain;
mod failure;
mod going;
mod incident;
mod looks;
mod outcome;
mod password;
mod people;
mod rooms;
mod suspend;
mod wanted;
mod whom;
mod why;

use serde_json::{Value, json};

use self::bulk::Filter;
use self::deed::Deed;
use self::failure::{conflict, invalid, unavailable};
use self::going::Out;
pub use self::looks::explanation_to_json;
use super::doctor;
use super::page::page;
use super::plan::plan;
use super::reload::{Reloaded, look_at_file, reload};
use super::{Shared, addresses};
use crate::control::{Caller, Failure, Handler, Reply, Request};

/// Carries out what operators ask.
#[derive(Debug)]
pub(super) struct Operator {
    shared: Shared,
}

impl Operator {
    pub(super) const fn new(shared: Shared) -> Self {
        Self { shared }
    }

    pub(super) const fn shared(&self) -> &Shared {
        &self.shared
    }

    /// Has the server prepare the addresses that somebody has typed.
    async fn confirm(&self, request: &Request) -> Result<(), Failure> {
        for address in request.addresses() {
            addresses::confirm(&self.shared, address).await?;
        }
        Ok(())
    }

    async fn carry_out(
        &self,
        caller: &Caller,
        request: Request,
        deed: &Deed,
    ) -> Result<Value, Failure> {
        match request {
            Request::Page { role } => page(&self.shared, caller, role),
            Request::ReopenLog {} => self.reopen_log(caller),
            Request::Status {} => {
                look_at_file(&self.shared).await;
                serde_json::to_value(self.status()).map_err(unavailable)
            }
            Request::Doctor { fresh } => {
                let report = doctor::report(&self.shared, fresh).await.map_err(unavailable)?;
                serde_json::to_value(&*report).map_err(unavailable)
            }
            Request::Rooms {} => self.rooms(),
            Request::Room { room } => self.room(&room).await,
            Request::Close { room } => self.close(&room, true).await,
            Request::Reopen { room } => self.close(&room, false).await,
            Request::Suspend { room, reason } => self.suspend(&room, reason.as_deref()).await,
            Request::Resume { room } => self.resume(&room).await,
            Request::End { room, reason } => self.end(&room, &reason).await,
            Request::Admit(asked) => self.admit(&asked, deed).await,
            Request::Reject(asked) => self.reject(&asked, deed).await,
            Request::Remove(asked) => self.remove(Out::Kept, &asked, deed).await,
            Request::Hold(asked) => self.remove(Out::Held, &asked, deed).await,
            Request::Ban { who, room, time, reason } => {
                self.ban(caller, &who, room.as_deref(), time.as_ref(), reason).await
            }
            Request::Unban { who, room } => self.unban(&who, room.as_deref()).await,
            Request::Bans {} => Ok(self.bans().await),
            Request::Why { decision } => self.why(decision).await,
            Request::Password { room, password } => {
                self.password(&room, password.map(|typed| typed.0)).await
            }
            Request::Say { room, text } => self.say(&room, &text).await,
            Request::EndMany { pattern, service, older, unmoderated, all, reason, dry_run } => {
                let filter = Filter { names: pattern, service, older, unmoderated, all };
                self.end_many(filter, &reason, dry_run, deed).await
            }
            Request::Log(query) => self.log(*query).await,
            Request::Incident { room, person, since, until, note } => {
                self.incident(caller, incident::Asked { room, person, since, until, note }).await
            }
            Request::Explain { attempt } => self.explain(&attempt).await,
            Request::Plan { candidate } => {
                let plan = plan(&self.shared, candidate.map(|candidate| *candidate)).await;
                serde_json::to_value(plan.map_err(invalid)?).map_err(unavailable)
            }
            Request::Reload { force } => {
                let reloaded = reload(&self.shared, force).await.map_err(conflict)?;
                let Reloaded { revision, removed, restart } = reloaded;
                Ok(json!({ "revision": revision, "removed": removed, "restart": restart }))
            }
        }
    }
}

impl Handler for Operator {
    async fn handle(&self, caller: &Caller, request: Request) -> Reply {
        let Some(command) = request.command() else {
            return Reply::Failed(invalid("no such command"));
        };
        let deed = Deed::new(command, caller, &request);
        let outcome = match command.authorise(caller) {
            Ok(()) => match self.confirm(&request).await {
                Ok(()) => self.carry_out(caller, request, &deed).await,
                Err(other) => Err(other),
            },
            Err(forbidden) => Err(forbidden),
        };
        self.shared.metrics.command(caller.face, outcome.is_ok());
        self.write_down(deed, outcome.as_ref());
        match outcome {
            Ok(value) => Reply::Done(value),
            Err(failure) => Reply::Failed(failure),
        }
    }
}
