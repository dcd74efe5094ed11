//! Ad-hoc commands: identifies the caller, and carries out requests without blocking the link.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Semaphore;

use super::Shared;
use super::clock::now;
use super::commands::Operator;
use crate::adhoc::{AdHoc, Refusal, Step};
use crate::control::{Caller, Handler, Interface, Role};
use crate::jid::BareJid;
use crate::xmpp::stanza::{Iq, IqKind};
use crate::xmpp::{ElementRef, ns};

/// Most commands that are carried out at once.
const MOST: usize = 16;

#[derive(Debug)]
pub(super) struct AdHocFace {
    shared: Shared,
    domain: String,
    operator: Arc<Operator>,
    machine: Arc<Mutex<AdHoc>>,
    slots: Arc<Semaphore>,
}

#[derive(Debug)]
pub(super) enum Answered {
    /// This is the reply.
    Now(Box<Iq>),
    /// The reply is sent when the command is done.
    Later,
    /// The stanza is no ad-hoc command.
    NotAsked,
}

impl AdHocFace {
    pub(super) fn new(shared: Shared, domain: String, operator: Arc<Operator>) -> Self {
        let slots = Arc::new(Semaphore::new(MOST));
        let machine = Arc::new(Mutex::new(AdHoc::new(operator.commands())));
        Self { shared, domain, operator, machine, slots }
    }

    /// Handles a stanza without blocking.
    pub(super) fn answer(&self, iq: &Iq<ElementRef<'_>>) -> Answered {
        let Some(question) = iq.question() else { return Answered::NotAsked };
        if ![ns::COMMANDS, ns::DISCO_ITEMS, ns::DISCO_INFO].contains(&question.ns()) {
            return Answered::NotAsked;
        }
        let Some(fresh) = fresh_id() else { return Answered::NotAsked };
        let slot = match Arc::clone(&self.slots).try_acquire_owned() {
            Ok(slot) => slot,
            Err(_) if matches!(iq.kind, IqKind::Set(_)) => {
                return Answered::Now(Box::new(Iq::error_to(iq, Refusal::Busy.into())));
            }
            Err(_) => return Answered::NotAsked,
        };
        let step = self.machine.lock().handle(iq, &self.domain, self.caller(iq), fresh, now());
        let pending = match step {
            None => return Answered::NotAsked,
            Some(Step::Answer(answer)) => return Answered::Now(Box::new(answer)),
            Some(Step::Ask(pending)) => pending,
        };
        let (link, conversations) = (self.shared.link.clone(), Arc::clone(&self.machine));
        let operator = Arc::clone(&self.operator);
        tokio::spawn(async move {
            let mut pending = pending;
            let answer = loop {
                let (caller, request) = pending.asks();
                let reply = operator.handle(caller, request.clone()).await;
                match conversations.lock().resume(*pending, reply, now()) {
                    Step::Answer(answer) => break answer,
                    Step::Ask(next) => pending = next,
                }
            };
            if let Err(error) = link.send(answer) {
                tracing::warn!(%error, "an answer to an ad-hoc command could not be sent");
            }
            drop(slot);
        });
        Answered::Later
    }

    /// Returns the sender, if they may give commands. The server stamps the address (RFC 6120 section 8.1.2.1), and
    /// only an exact match of the bare JID counts.
    fn caller(&self, iq: &Iq<ElementRef<'_>>) -> Option<Caller> {
        let jid = BareJid::stamped(iq.from.as_deref()?)?;
        let is_operator = self.shared.engine().policy().operators.contains_key(&jid);
        let operator = is_operator.then_some(Role::Operator);
        let role = operator.or_else(|| self.shared.access.role_of(&jid))?;
        Some(Caller { face: Interface::AdHoc, name: jid.to_string(), role })
    }
}

/// Makes the unguessable id of a conversation, or `None` if the system gives no random numbers.
fn fresh_id() -> Option<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).ok()?;
    Some(hex::encode(bytes))
}
