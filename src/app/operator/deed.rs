//! What is written down of a command.

use serde_json::{Map, Value, json};

use super::Operator;
use crate::app::clock::now;
use crate::control::{Caller, Command, Failure, FailureKind, FieldKind, Request, Stakes};

/// A command that somebody gives: what of it may be written down.
#[derive(Debug)]
pub(super) struct Deed {
    command: &'static Command,
    by: Value,
    given: Map<String, Value>,
}

impl Deed {
    /// What `caller` asks with this request.
    pub(super) fn new(command: &'static Command, caller: &Caller, request: &Request) -> Self {
        let Caller { face, name, role } = caller;
        let by = json!({ "face": face.name(), "name": name, "role": role.name() });
        let request = serde_json::to_value(request).unwrap_or_default();
        let given = command.within.map_or(Some(&request), |key| request.get(key));
        // A file that is tried may hold passwords.
        let tells = |kind| !matches!(kind, FieldKind::Secret | FieldKind::Lines);
        let fields = command.fields.iter().filter(|field| tells(field.kind));
        let value = |name| given?.get(name).filter(|value| !value.is_null() && **value != false);
        let given = fields.filter_map(|it| Some((it.name.to_owned(), value(it.name)?.clone())));
        Self { command, by, given: given.collect() }
    }

    /// The first field of that kind.
    fn field(&self, kind: FieldKind) -> Option<&str> {
        let mut fields = self.command.fields.iter().filter(|field| field.kind == kind);
        fields.find_map(|field| self.given.get(field.name)?.as_str())
    }
}

impl Operator {
    /// Writes down what came of a command, unless it only looks and its caller may.
    pub(super) fn write_down(&self, deed: Deed, outcome: Result<&Value, &Failure>) {
        let command = deed.command.name;
        let Err(failure) = outcome else {
            if deed.command.stakes != Stakes::Looks {
                tracing::info!(command, by = %deed.by, "an operator's command");
                let room = deed.field(FieldKind::Room).unwrap_or_default().to_owned();
                let mut details = deed.given;
                details.insert("by".to_owned(), deed.by);
                self.shared.desk().operator_action(command, &room, details, now());
            }
            return;
        };
        let (by, kind, reason) = (&deed.by, failure.kind, &*failure.reason);
        if kind == FailureKind::Forbidden || deed.command.stakes != Stakes::Looks {
            tracing::warn!(command, %by, ?kind, reason, "an operator's command was not carried out");
        }
    }
}
