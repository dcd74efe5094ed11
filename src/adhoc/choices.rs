//! Choices for a room or a person: those that are there.

use serde_json::Value;

use crate::control::{Command, Field, FieldKind, Impact};

/// With more rooms than this, the address is typed.
const MOST: usize = 50;

/// A choice.
#[derive(Debug)]
pub(super) struct Choice {
    pub(super) value: String,
    pub(super) label: String,
}

/// The choices of a field.
#[derive(Debug, Default)]
pub(super) struct Choices {
    rooms: Vec<Choice>,
    people: Vec<Choice>,
}

impl Choices {
    /// The rooms in the reply to `rooms`.
    pub(super) fn rooms(reply: &Value) -> Self {
        let rooms = reply.as_array().map(Vec::as_slice).unwrap_or_default();
        if rooms.len() > MOST {
            return Self::default();
        }
        let rooms = rooms.iter().filter_map(|room| {
            let value = text(room, "room")?.to_owned();
            let inside = room.get("occupants").and_then(Value::as_u64).unwrap_or_default();
            Some(Choice { label: format!("{value} ({inside} inside)"), value })
        });
        Self { rooms: rooms.collect(), people: Vec::new() }
    }

    /// The people in the reply to `room`: those who wait first, for it is them that one comes for.
    pub(super) fn people(reply: &Value) -> Self {
        let mut people: Vec<Choice> = Vec::new();
        for (list, state) in [("waiting", "waits"), ("occupants", "inside")] {
            let list = reply.get(list).and_then(Value::as_array).map(Vec::as_slice);
            for who in list.unwrap_or_default() {
                let Some(jid) = text(who, "jid") else { continue };
                if people.len() < MOST && !people.iter().any(|other| other.value == jid) {
                    let nick = text(who, "nick").unwrap_or("?");
                    let label = format!("{nick}, {jid} ({state})");
                    people.push(Choice { value: jid.to_owned(), label });
                }
            }
        }
        Self { rooms: Vec::new(), people }
    }

    /// Returns what is offered for this field.
    pub(super) fn of(&self, field: &Field) -> &[Choice] {
        if field.kind == FieldKind::Room && field.required {
            &self.rooms
        } else if field.kind == FieldKind::Person {
            &self.people
        } else {
            &[]
        }
    }
}

fn text<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    value.get(name).and_then(Value::as_str)
}

/// The field for the room that the command is about. What describes a room and a person (`explain`) may be about any
/// room.
pub(super) fn room_of(command: &Command) -> Option<&'static Field> {
    let required = |kind| command.fields.iter().find(move |it| it.required && it.kind == kind);
    required(FieldKind::Room).filter(|_| required(FieldKind::Person).is_none())
}

/// Returns whether the people of a room are offered, so that the room has to be known first.
pub(super) fn offers_people(command: &Command) -> bool {
    command.impact != Impact::ReadOnly
        && room_of(command).is_some()
        && command.fields.iter().any(|field| field.kind == FieldKind::Person)
}
