//! Data forms (XEP-0004) made from the arguments of a command.

use std::borrow::Cow;
use std::fmt;

use serde_json::{Map, Value};

use crate::control::{Command, Field, FieldKind, Impact};
use crate::xmpp::{Element, ElementRef, ns};

/// Name of the field that confirms an irreversible command.
pub(super) const CONFIRM: &str = "confirm";

pub(super) fn blank(kind: &'static str, title: &str) -> Element {
    element("x").with_attr("type", kind).with_child(element("title").with_text(title))
}

/// Makes a form to fill in with these fields, which start with the values given so far.
pub(super) fn ask<'a>(
    command: &Command,
    fields: impl Iterator<Item = &'a Field>,
    given: &Values,
    choices: &Choices,
) -> Element {
    blank("form", command.title)
        .with_child(element("instructions").with_text(command.about))
        .with_children(fields.map(|field| entry(field, given, choices)))
}

/// Makes the form that asks for confirmation; it shows what was given, except secrets.
pub(super) fn confirm(command: &Command, given: &Values) -> Element {
    let told = command.fields.iter().filter(|field| field.kind != FieldKind::Secret);
    let told = told.filter_map(|field| {
        let lines = given.lines(field.name);
        let text = format!("{}: {}", field.label, lines.join(", "));
        (!lines.is_empty()).then(|| of_kind("fixed").with_child(value(&text)))
    });
    let yes = of_kind("boolean")
        .with_attr("var", CONFIRM)
        .with_attr("label", format!("Yes: {}", command.about))
        .with_child(element("required"))
        .with_child(value("false"));
    blank("form", command.title)
        .with_child(element("instructions").with_text("Nothing takes this back. Is it meant?"))
        .with_children(told)
        .with_child(yes)
}

fn entry(field: &Field, given: &Values, choices: &Choices) -> Element {
    let offered = choices.of(field);
    let (kind, words): (_, &[&str]) = match field.kind {
        FieldKind::Room | FieldKind::Person if offered.is_empty() => ("jid-single", &[]),
        FieldKind::Room | FieldKind::Person => ("list-single", &[]),
        FieldKind::Choice(words) => ("list-single", words),
        FieldKind::Text | FieldKind::Duration | FieldKind::Time | FieldKind::Number => {
            ("text-single", &[])
        }
        FieldKind::Lines | FieldKind::List => ("text-multi", &[]),
        FieldKind::Flag => ("boolean", &[]),
        FieldKind::Secret => ("text-private", &[]),
    };
    // A secret that was typed is not sent back.
    let is_secret = field.kind == FieldKind::Secret;
    let given = if is_secret { Vec::new() } else { given.lines(field.name) };
    of_kind(kind)
        .with_attr("var", field.name)
        .with_attr("label", field.label)
        .with_child_opt(hint(field.kind).map(|hint| element("desc").with_text(hint)))
        .with_child_opt(field.required.then(|| element("required")))
        .with_child_opt(validation(field.kind, kind))
        .with_children(given.iter().map(|line| value(line)))
        .with_children(offered.iter().map(|choice| option(&choice.label, &choice.value)))
        .with_children(words.iter().map(|word| option(word, word)))
}

/// Returns the hint for a person who types a value of this type, if it needs one.
fn hint(kind: FieldKind) -> Option<&'static str> {
    let hints = [
        (FieldKind::Duration, "such as \"30 minutes\" or \"2 hours\""),
        (FieldKind::Time, "such as \"2026-11-24T09:30:00Z\""),
        (FieldKind::List, "one in each line"),
    ];
    hints.into_iter().find_map(|(of, hint)| (of == kind).then_some(hint))
}

/// Returns the validation that a client may do before it sends the form (XEP-0122), if any.
fn validation(kind: FieldKind, written: &str) -> Option<Element> {
    let of = |datatype| Element::new(ns::VALIDATE, "validate").with_attr("datatype", datatype);
    let with = |name| Some(of("xs:string").with_child(Element::new(ns::VALIDATE, name)));
    match (kind, written) {
        (FieldKind::Time, _) => Some(of("xs:dateTime")),
        (FieldKind::Number, _) => Some(of("xs:integer")),
        // A room or person that is not in the list may be meant.
        (FieldKind::Room | FieldKind::Person, "list-single") => with("open"),
        _ => None,
    }
}

fn element(name: &'static str) -> Element {
    Element::new(ns::DATA_FORMS, name)
}

fn of_kind(kind: &'static str) -> Element {
    element("field").with_attr("type", kind)
}

pub(super) fn value(text: &str) -> Element {
    element("value").with_text(text)
}

fn option(label: &str, text: &str) -> Element {
    element("option").with_attr("label", label).with_child(value(text))
}

/// The number of rooms or people above which no list is offered, or its rest is left out.
const MOST: usize = 50;

#[derive(Debug)]
pub(super) struct Choice {
    pub(super) value: String,
    pub(super) label: String,
}

/// The choices for one field of a form: that of the room, or that of the person.
#[derive(Debug, Default)]
pub(super) struct Choices {
    is_for_person: bool,
    all: Vec<Choice>,
}

impl Choices {
    /// Makes the choices of a room from the reply to `rooms`; none if there are more than [`MOST`].
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
        Self { is_for_person: false, all: rooms.collect() }
    }

    /// Makes the choices of a person from the reply to `room`, with people who wait before people who are inside.
    pub(super) fn people(reply: &Value) -> Self {
        let mut people: Vec<Choice> = Vec::new();
        for (list, state) in [("waiting", "waits"), ("occupants", "inside")] {
            let list = reply.get(list).and_then(Value::as_array).map(Vec::as_slice);
            for who in list.unwrap_or_default() {
                let Some(jid) = text(who, "jid") else { continue };
                if people.len() < MOST && !people.iter().any(|other| other.value == jid) {
                    let names = [text(who, "name"), text(who, "nick"), Some(jid)];
                    let names: Vec<_> =
                        names.into_iter().flatten().filter(|it| !it.is_empty()).collect();
                    let label = format!("{} ({state})", names.join(", "));
                    people.push(Choice { value: jid.to_owned(), label });
                }
            }
        }
        Self { is_for_person: true, all: people }
    }

    pub(super) fn of(&self, field: &Field) -> &[Choice] {
        let is_it = match self.is_for_person {
            true => field.kind == FieldKind::Person,
            false => field.kind == FieldKind::Room && field.required,
        };
        if is_it { &self.all } else { &[] }
    }
}

fn text<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    value.get(name).and_then(Value::as_str)
}

/// Returns the field for the room that the command is about. `None` for a command like `explain`, which requires a room
/// and a person: it may be about a room that is not open.
pub(super) fn room_of(command: &Command) -> Option<&'static Field> {
    let required = |kind| command.fields.iter().find(move |it| it.required && it.kind == kind);
    required(FieldKind::Room).filter(|_| required(FieldKind::Person).is_none())
}

/// Returns whether the form offers the people of a room, so that the room has to be known first.
pub(super) fn offers_people(command: &Command) -> bool {
    command.impact != Impact::ReadOnly
        && room_of(command).is_some()
        && command.fields.iter().any(|field| field.kind == FieldKind::Person)
}

/// The values of a command's fields so far. `Debug` shows the names only: a secret may be among the values.
#[derive(Clone, Default)]
pub(super) struct Values(Map<String, Value>);

impl fmt::Debug for Values {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Values {
    /// Takes these fields from a submitted form; a field that is not in the form loses its value. Other fields of the
    /// form are ignored (XEP-0004 section 3.2).
    pub(super) fn take<'a>(
        &mut self,
        fields: impl Iterator<Item = &'a Field>,
        form: ElementRef<'_>,
    ) {
        for field in fields {
            match read(field.kind, &texts(form, field.name)) {
                Some(value) => self.0.insert(field.name.to_owned(), value),
                None => self.0.remove(field.name),
            };
        }
    }

    pub(super) fn count(&self) -> usize {
        self.0.len()
    }

    pub(super) fn to_map(&self) -> Map<String, Value> {
        self.0.clone()
    }

    /// Returns a value as the lines of a form field.
    pub(super) fn lines(&self, name: &str) -> Vec<String> {
        match self.0.get(name) {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::String(text)) => text.split('\n').map(str::to_owned).collect(),
            Some(Value::Array(all)) => {
                all.iter().filter_map(Value::as_str).map(str::to_owned).collect()
            }
            Some(other) => vec![other.to_string()],
        }
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

pub(super) fn texts(form: ElementRef<'_>, var: &str) -> Vec<String> {
    let is_it = |field: &ElementRef<'_>| {
        field.is(ns::DATA_FORMS, "field") && field.attr("var") == Some(var)
    };
    let values = form.children().find(is_it).into_iter().flat_map(ElementRef::children);
    values
        .filter(|value| value.is(ns::DATA_FORMS, "value"))
        .map(|value| value.text().into_owned())
        .collect()
}

/// Returns a value as JSON. A value of the wrong type stays a text: the request then reports what is wrong with it.
fn read(kind: FieldKind, texts: &[String]) -> Option<Value> {
    let first = texts.first().map(String::as_str).unwrap_or_default();
    match kind {
        FieldKind::Lines => {
            let text = texts.join("\n");
            Some(text).filter(|text| !text.trim().is_empty()).map(Value::from)
        }
        FieldKind::List => {
            let lines: Vec<_> =
                texts.iter().map(|line| line.trim()).filter(|line| !line.is_empty()).collect();
            (!lines.is_empty()).then(|| lines.into())
        }
        FieldKind::Secret => Some(first).filter(|text| !text.is_empty()).map(Value::from),
        FieldKind::Flag => match first.trim() {
            "" => None,
            "1" | "true" => Some(true.into()),
            "0" | "false" => Some(false.into()),
            other => Some(other.into()),
        },
        FieldKind::Number => match first.trim() {
            "" => None,
            text => Some(text.parse::<i64>().map_or_else(|_| text.into(), Value::from)),
        },
        FieldKind::Text
        | FieldKind::Room
        | FieldKind::Person
        | FieldKind::Duration
        | FieldKind::Time
        | FieldKind::Choice(_) => {
            Some(first.trim()).filter(|text| !text.is_empty()).map(Value::from)
        }
    }
}

/// The largest size of a result, in bytes: a part of the 512 KiB that a stanza may have.
const ROOM: usize = 160 * 1024;
/// The columns that come first, in this order.
const FIRST: [&str; 9] = ["seq", "at", "kind", "room", "name", "nick", "jid", "person", "role"];
/// The single values that come first, in this order.
const FIRST_VALUES: [&str; 8] =
    ["room", "ready", "linked", "trouble", "file", "observe", "revision", "rooms"];
/// The column with the name of the list that a row is from, if there are several lists.
const LIST: &str = "list";

/// A result as a form, and how much of it did not fit.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// The result form; `None` if the reply is empty.
    pub(super) form: Option<Element>,
    /// Number of rows and fields that were left out.
    pub(super) left_out: usize,
}

pub(super) fn outcome(command: &Command, result: &Value) -> Outcome {
    let mut told = Told::default();
    match result {
        Value::Null => return Outcome::default(),
        Value::Array(_) => told.add(String::new(), result),
        Value::Object(all) if all.is_empty() => return Outcome::default(),
        Value::Object(all) => {
            all.iter().for_each(|(name, value)| told.add(name.clone(), value));
            told.fields.sort_by_key(|(name, _)| {
                let place = FIRST_VALUES.iter().position(|first| first == name);
                place.unwrap_or(FIRST_VALUES.len())
            });
        }
        Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            told.add("result".to_owned(), result);
        }
    }
    told.form(command)
}

/// A reply split into single values and rows.
#[derive(Debug, Default)]
struct Told<'a> {
    /// Single values with the path of each, such as `decisions.allow`.
    fields: Vec<(String, Vec<String>)>,
    /// The rows of all lists, each with the name of its list.
    rows: Vec<(String, &'a Map<String, Value>)>,
}

impl<'a> Told<'a> {
    fn add(&mut self, path: String, value: &'a Value) {
        match value {
            Value::Object(all) => {
                for (name, value) in all {
                    self.add(format!("{path}.{name}"), value);
                }
            }
            Value::Array(all) if all.iter().any(Value::is_object) => {
                self.rows
                    .extend(all.iter().filter_map(Value::as_object).map(|row| (path.clone(), row)));
            }
            Value::Array(all) if path.is_empty() => {
                self.fields.push(("result".to_owned(), all.iter().map(cell).collect()));
            }
            Value::Array(all) => self.fields.push((path, all.iter().map(cell).collect())),
            Value::Null => {}
            Value::Bool(_) | Value::Number(_) | Value::String(_) => {
                self.fields.push((path, lines(value)));
            }
        }
    }

    fn form(self, command: &Command) -> Outcome {
        let mut left = ROOM;
        let mut fits = |element: &Element| {
            let mut written = Vec::new();
            element.write_in(ns::DATA_FORMS, &mut written);
            let rest = left.checked_sub(written.len());
            left = rest.unwrap_or(left);
            rest.is_some()
        };
        let mut left_out: usize = 0;
        let mut form = blank("result", command.title);
        for (name, lines) in &self.fields {
            let field = field(name, lines);
            if fits(&field) {
                form.push_child(field);
            } else {
                left_out = left_out.saturating_add(1);
            }
        }
        let columns = self.columns();
        if !columns.is_empty() {
            let reported = columns.iter().map(|name| {
                element("field").with_attr("var", name).with_attr("label", label(name))
            });
            form.push_child(element("reported").with_children(reported));
        }
        let mut is_full = false;
        for (list, row) in &self.rows {
            let item = element("item").with_children(columns.iter().map(|name| {
                let text = match row.get(*name) {
                    None if *name == LIST => Cow::Borrowed(list.as_str()),
                    None => Cow::Borrowed(""),
                    Some(value) => Cow::Owned(cell(value)),
                };
                element("field").with_attr("var", name).with_child(value(&text))
            }));
            is_full = is_full || !fits(&item);
            if is_full {
                left_out = left_out.saturating_add(1);
            } else {
                form.push_child(item);
            }
        }
        Outcome { form: Some(form), left_out }
    }

    /// Returns every key of every row; the ones in [`FIRST`] come first.
    fn columns(&self) -> Vec<&str> {
        let mut columns: Vec<&str> = Vec::new();
        let several =
            self.rows.iter().any(|(list, _)| self.rows.first().is_some_and(|(it, _)| it != list));
        if several {
            columns.push(LIST);
        }
        for key in self.rows.iter().flat_map(|(_, row)| row.keys()) {
            if !columns.contains(&key.as_str()) {
                columns.push(key);
            }
        }
        columns.sort_by_key(|name| {
            let place = FIRST.iter().position(|first| first == name);
            (*name != LIST, place.unwrap_or(FIRST.len()))
        });
        columns
    }
}

fn field(name: &str, lines: &[String]) -> Element {
    let kind = match lines.len() {
        0 | 1 => "text-single",
        _ => "text-multi",
    };
    element("field")
        .with_attr("var", name)
        .with_attr("type", kind)
        .with_attr("label", label(name))
        .with_children(lines.iter().map(|line| value(line)))
}

fn lines(value: &Value) -> Vec<String> {
    value
        .as_str()
        .map_or_else(|| vec![cell(value)], |text| text.lines().map(str::to_owned).collect())
}

/// Formats a value as a single line.
fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(all) if all.iter().all(|it| !it.is_object() && !it.is_array()) => {
            all.iter().map(cell).collect::<Vec<_>>().join(", ")
        }
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}

/// Formats a JSON key as a label for people.
fn label(name: &str) -> String {
    let words = name.replace(['_', '-'], " ").replace('.', ", ");
    let mut letters = words.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    first + letters.as_str()
}
