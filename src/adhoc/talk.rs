//! One step of a conversation: what is asked for at each stage, and how it is written.

use super::choices::{Choices, offers_people, room_of};
use super::form::{self, CONFIRM};
use super::outcome::outcome;
use super::session::{Session, Stage};
use super::values::texts;
use crate::control::{Command, Field, Impact};
use crate::xmpp::Element;
use crate::xmpp::ns;

/// What a caller asks for (XEP-0050 section 2.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// Whatever is meant to come next.
    Execute,
    Next,
    Prev,
    Complete,
    Cancel,
}

impl Action {
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "execute" => Self::Execute,
            "next" => Self::Next,
            "prev" => Self::Prev,
            "complete" => Self::Complete,
            "cancel" => Self::Cancel,
            _ => return None,
        })
    }
}

/// A remark with a form.
#[derive(Clone, Debug)]
pub(super) struct Note {
    kind: &'static str,
    text: String,
}

impl Note {
    pub(super) fn info(text: impl ToString) -> Self {
        Self { kind: "info", text: text.to_string() }
    }

    pub(super) fn warn(text: impl ToString) -> Self {
        Self { kind: "warn", text: text.to_string() }
    }

    pub(super) fn error(text: impl ToString) -> Self {
        Self { kind: "error", text: text.to_string() }
    }

    fn element(&self) -> Element {
        element("note").with_attr("type", self.kind).with_text(&self.text)
    }
}

/// The first stage of a command. `None`: it takes nothing.
pub(super) fn first_stage(command: &Command) -> Option<Stage> {
    match command.fields {
        [] if command.impact == Impact::Irreversible => Some(Stage::Confirm),
        [] => None,
        _ if offers_people(command) => Some(Stage::Room),
        _ => Some(Stage::Fields),
    }
}

/// The stage before this one.
pub(super) fn before(command: &Command, stage: Stage) -> Option<Stage> {
    match stage {
        Stage::Room => None,
        Stage::Fields => offers_people(command).then_some(Stage::Room),
        Stage::Confirm => (!command.fields.is_empty()).then_some(Stage::Fields),
    }
}

/// Returns whether the command is carried out after this stage.
pub(super) fn is_last(command: &Command, stage: Stage) -> bool {
    match stage {
        Stage::Room => false,
        Stage::Fields => command.impact != Impact::Irreversible,
        Stage::Confirm => true,
    }
}

/// Returns what is asked for at a stage.
pub(super) fn fields(
    command: &'static Command,
    stage: Stage,
) -> impl Iterator<Item = &'static Field> {
    let room = room_of(command).map(|room| room.name);
    let divided = offers_people(command);
    command.fields.iter().filter(move |field| match stage {
        Stage::Room => Some(field.name) == room,
        Stage::Fields => !divided || Some(field.name) != room,
        Stage::Confirm => false,
    })
}

/// Returns whether the form confirms an irreversible command.
pub(super) fn is_confirmed(form: &Element) -> bool {
    texts(form, CONFIRM).first().is_some_and(|value| matches!(value.trim(), "1" | "true"))
}

/// A stage that waits for its form.
pub(super) fn stage(
    id: &str,
    session: &Session,
    choices: &Choices,
    note: Option<&Note>,
) -> Element {
    let (command, at) = (session.command, session.stage);
    let next = if is_last(command, at) { "complete" } else { "next" };
    let prev = before(command, at).map(|_| element("prev"));
    let form = match at {
        Stage::Confirm => form::confirm(command, &session.values),
        Stage::Room | Stage::Fields => {
            form::ask(command, fields(command, at), &session.values, choices)
        }
    };
    let actions = element("actions").with_attr("execute", next).with_child_opt(prev);
    reply(command, id, "executing")
        .with_child(actions.with_child(element(next)))
        .with_children(note.map(Note::element))
        .with_child(form)
}

/// The end: it is done.
pub(super) fn done(id: &str, command: &Command, result: &serde_json::Value) -> Element {
    let outcome = outcome(command, result);
    let said = match result.as_array() {
        Some(list) => format!("{}: {}", command.title, list.len()),
        None => format!("{}: done.", command.title),
    };
    let cut = (outcome.left_out > 0)
        .then(|| Note::warn(format!("{} more entries do not fit here.", outcome.left_out)));
    reply(command, id, "completed")
        .with_child(Note::info(said).element())
        .with_children(cut.iter().map(Note::element))
        .with_child_opt(outcome.form)
}

/// The end: it could not be done.
pub(super) fn failed(id: &str, command: &Command, reason: &str) -> Element {
    reply(command, id, "completed").with_child(Note::error(reason).element())
}

/// The end: the caller does not want it any more.
pub(super) fn canceled(id: &str, command: &Command) -> Element {
    reply(command, id, "canceled")
}

fn reply(command: &Command, id: &str, status: &'static str) -> Element {
    element("command")
        .with_attr("node", command.name)
        .with_attr("sessionid", id)
        .with_attr("status", status)
}

fn element(name: &'static str) -> Element {
    Element::new(ns::COMMANDS, name)
}
