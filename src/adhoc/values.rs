//! Parsing of submitted forms into the arguments of a request.

use std::fmt;

use serde_json::{Map, Value};

use crate::control::{Field, FieldKind};
use crate::xmpp::Element;
use crate::xmpp::ns;

/// The values of a command's fields so far. A secret may be among them, so it is not shown.
#[derive(Clone, Default)]
pub(super) struct Values(Map<String, Value>);

impl fmt::Debug for Values {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Values {
    /// Takes these fields from a submitted form; one that is not in it has no value any more. What else is in the
    /// form is ignored (XEP-0004 section 3.2).
    pub(super) fn take<'a>(&mut self, fields: impl Iterator<Item = &'a Field>, form: &Element) {
        for field in fields {
            match read(field.kind, &texts(form, field.name)) {
                Some(value) => self.0.insert(field.name.to_owned(), value),
                None => self.0.remove(field.name),
            };
        }
    }

    /// Returns the number of fields that have a value.
    pub(super) fn count(&self) -> usize {
        self.0.len()
    }

    /// The values for a request.
    pub(super) fn to_map(&self) -> Map<String, Value> {
        self.0.clone()
    }

    /// A value as the lines of a field.
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

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

/// The values of a field of a form.
pub(super) fn texts(form: &Element, var: &str) -> Vec<String> {
    let is_it =
        |field: &&Element| field.is(ns::DATA_FORMS, "field") && field.attr("var") == Some(var);
    let values = form.children().find(is_it).into_iter().flat_map(Element::children);
    values.filter(|value| value.is(ns::DATA_FORMS, "value")).map(Element::text).collect()
}

/// Returns a value as JSON. One that is not of its kind stays a text: the request then reports what is wrong with it.
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
