//! What the audit records of an operator command.

use serde_json::{Map, Value};

use super::{Call, Operator, PersonExport, Verb};
use crate::app::clock::now;
use crate::component::audit::Action;
use crate::control::{Caller, Command, Failure, FailureKind, FieldKind, Impact, Request};
use crate::jid::BareJid;
use crate::store::By;

impl From<&Caller> for By {
    fn from(Caller { face, name, role }: &Caller) -> Self {
        Self { face: face.name().into(), name: name.clone(), role: role.name().into() }
    }
}

/// The parts of an operator command that may be recorded.
#[derive(Debug)]
pub(super) struct Deed {
    command: &'static Command,
    by: By,
    given: Map<String, Value>,
}

impl Deed {
    /// Takes the arguments of a request that may be recorded.
    pub(super) fn new(caller: &Caller, request: &Request) -> Self {
        let command = request.command();
        let given = request.arguments();
        // The text of a policy file may contain passwords.
        let tells = |kind| !matches!(kind, FieldKind::Secret | FieldKind::Lines);
        let fields = command.fields.iter().filter(|field| tells(field.kind));
        let value = |name| given.get(name).filter(|value| !value.is_null() && **value != false);
        let given = fields.filter_map(|it| Some((it.name.to_owned(), value(it.name)?.clone())));
        Self { command, by: caller.into(), given: given.collect() }
    }

    /// Returns the value of the first argument of that type.
    fn field(&self, kind: FieldKind) -> Option<&str> {
        let mut fields = self.command.fields.iter().filter(|field| field.kind == kind);
        fields.find_map(|field| self.given.get(field.name)?.as_str())
    }

    /// Replaces what was typed with the address of the person who was found.
    fn found(&mut self, reply: &Value) {
        if let (Some(called), Some(who)) = (reply.get("called"), reply.get("who")) {
            self.given.insert("called".to_owned(), called.clone());
            self.given.insert("who".to_owned(), who.clone());
        }
        let people = reply.get("people").and_then(Value::as_array).map(Vec::as_slice);
        let jids = people.unwrap_or_default().iter().filter_map(|person| person.get("jid"));
        let jids: Vec<_> = jids.collect();
        let person = self.command.fields.iter().find(|field| field.kind == FieldKind::Person);
        let (Some(person), Some(first)) = (person, jids.first()) else { return };
        // Each of several people is recorded separately.
        let Some(given) = self.given.get_mut(person.name) else { return };
        if !jids.contains(&&*given) {
            *given = Value::clone(first);
        }
    }
}

/// Returns the initial details for one of several rooms or people that a command affects.
pub(super) fn of_many() -> Map<String, Value> {
    Map::from_iter([("of_many".to_owned(), true.into())])
}

impl Call<'_> {
    /// Records the outcome of a command for one of several rooms or people, as if it had been given for that one alone.
    pub(super) fn write_down_part(
        &self,
        command: &'static str,
        (room, person): (&BareJid, Option<&str>),
        details: Map<String, Value>,
        outcome: Result<(), &str>,
    ) {
        let mut engine = self.shared.engine();
        let (id, by, room, now) = (engine.next_id(), self.deed.by.clone(), room.as_str(), now());
        let mut told = with(details.clone(), &by);
        if let Some(person) = person {
            told.insert("jid".to_owned(), person.into());
        }
        if outcome.is_ok() {
            engine.write_event(command, room, told, now);
        }
        let room = Some(room);
        engine.write_action(Action { id, command, by, room, person, outcome, details }, now);
    }
}

fn with(mut details: Map<String, Value>, by: &By) -> Map<String, Value> {
    details.insert("by".to_owned(), serde_json::to_value(by).unwrap_or_default());
    details
}

impl Operator {
    /// Records the outcome of a command, except of a permitted one that only reads. That what is kept on a person was
    /// handed out is recorded, once for all its pages.
    pub(super) fn write_down(&self, mut deed: Deed, outcome: Result<&Value, &Failure>) {
        let failure = outcome.err().map(|failure| failure.kind);
        let hands_out =
            deed.command.name == PersonExport::NAME && !deed.given.contains_key("after");
        if deed.command.impact == Impact::ReadOnly
            && failure != Some(FailureKind::Forbidden)
            && !hands_out
        {
            return;
        }
        if let Ok(done) = outcome {
            deed.found(done);
        }
        let command = deed.command.name;
        let (face, name) = (&*deed.by.face, &*deed.by.name);
        let outcome = outcome.map(drop).map_err(|failure| &*failure.reason);
        // The reason of a failure goes to the caller and the audit, not to the log.
        match failure {
            None => tracing::info!(command, interface = face, name, "an operator's command"),
            Some(kind) => {
                tracing::warn!(
                    command,
                    interface = face,
                    name,
                    ?kind,
                    "an operator's command was not carried out"
                );
            }
        }
        let (room, person) = (deed.field(FieldKind::Room), deed.field(FieldKind::Person));
        let mut engine = self.shared.engine();
        let id = engine.next_id();
        if outcome.is_ok() {
            let details = with(deed.given.clone(), &deed.by);
            engine.write_event(command, room.unwrap_or_default(), details, now());
        }
        let (by, details) = (deed.by.clone(), deed.given.clone());
        engine.write_action(Action { id, command, by, room, person, outcome, details }, now());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::commands::commands;
    use crate::control::{Interface, Role};

    const CANARY: &str = "canary";

    #[test]
    fn no_secret_of_a_request_is_written_down() {
        let mut secrets = 0;
        for command in commands().iter().filter(|command| !command.is_local) {
            let hidden = |kind| matches!(kind, FieldKind::Secret | FieldKind::Lines);
            let fields = command.fields.iter().filter(|field| field.required || hidden(field.kind));
            let values = fields.map(|field| {
                secrets += u32::from(hidden(field.kind));
                let is_hidden = hidden(field.kind);
                let text = if is_hidden { CANARY } else { "tea@rooms.example.org" };
                (field.name.to_owned(), Value::from(text))
            });
            let request = command.request(values.collect()).unwrap();
            let caller =
                Caller { face: Interface::Http, name: "ann".to_owned(), role: Role::Operator };
            let deed = Deed::new(&caller, &request);
            assert!(!format!("{deed:?}").contains(CANARY), "{}", command.name);
            let has_room =
                command.fields.iter().any(|it| it.kind == FieldKind::Room && it.required);
            let room = deed.field(FieldKind::Room);
            assert_eq!(room, has_room.then_some("tea@rooms.example.org"), "{}", command.name);
        }
        assert!(secrets > 1, "only {secrets} secrets were tried");
    }
}
