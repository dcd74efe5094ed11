//! The result of a command as a form of type `result` (XEP-0004 section 3.4): lists are tables.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::form::{blank, value};
use crate::control::Command;
use crate::xmpp::Element;
use crate::xmpp::ns;

/// The bytes that a result may take when it is written, of the 512 KiB of a stanza.
const ROOM: usize = 160 * 1024;
/// Columns that come first, in this order.
const FIRST: [&str; 9] = ["seq", "at", "kind", "room", "name", "nick", "jid", "person", "role"];
/// The column that says which list a row is of, where there are several.
const LIST: &str = "list";

/// The lines of a result, and the number that did not fit.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// `None`: it is done, and that is all.
    pub(super) form: Option<Element>,
    /// Rows and fields that are left out.
    pub(super) left_out: usize,
}

/// The result of a command.
pub(super) fn outcome(command: &Command, result: &Value) -> Outcome {
    let mut told = Told::default();
    match result {
        Value::Null => return Outcome::default(),
        Value::Array(_) => told.add(String::new(), result),
        Value::Object(all) if all.is_empty() => return Outcome::default(),
        Value::Object(all) => {
            all.iter().for_each(|(name, value)| told.add(name.clone(), value));
        }
        Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            told.add("result".to_owned(), result);
        }
    }
    told.form(command)
}

/// A result, taken apart.
#[derive(Debug, Default)]
struct Told<'a> {
    /// Single values, by their path.
    fields: Vec<(String, Vec<String>)>,
    /// Rows of all lists, each with the name of its list.
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
        let mut left = Budget(ROOM);
        let mut left_out: usize = 0;
        let mut form = blank("result", command.title);
        for (name, lines) in &self.fields {
            let field = field(name, lines);
            if left.takes(&field) {
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
            is_full = is_full || !left.takes(&item);
            if is_full {
                left_out = left_out.saturating_add(1);
            } else {
                form.push_child(item);
            }
        }
        Outcome { form: Some(form), left_out }
    }

    /// Every key of every row, those that name what it is about first.
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

/// The number of bytes that are left.
#[derive(Debug)]
struct Budget(usize);

impl Budget {
    fn takes(&mut self, element: &Element) -> bool {
        let mut written = Vec::new();
        element.write_in(ns::DATA_FORMS, &mut written);
        match self.0.checked_sub(written.len()) {
            None => false,
            Some(left) => {
                self.0 = left;
                true
            }
        }
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

/// A value with its lines.
fn lines(value: &Value) -> Vec<String> {
    value
        .as_str()
        .map_or_else(|| vec![cell(value)], |text| text.lines().map(str::to_owned).collect())
}

/// A value in one text.
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

/// A key of JSON, for a person.
fn label(name: &str) -> String {
    let words = name.replace(['_', '-'], " ").replace('.', ", ");
    let mut letters = words.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    first + letters.as_str()
}

fn element(name: &'static str) -> Element {
    Element::new(ns::DATA_FORMS, name)
}
