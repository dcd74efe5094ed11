//! Forms (XEP-0004) made of a command's fields.

use super::choices::Choices;
use super::values::Values;
use crate::control::{Command, Field, FieldKind};
use crate::xmpp::Element;
use crate::xmpp::ns;

/// The field that says yes to what nothing takes back.
pub(super) const CONFIRM: &str = "confirm";

/// An empty form of that type.
pub(super) fn blank(kind: &'static str, title: &str) -> Element {
    element("x").with_attr("type", kind).with_child(element("title").with_text(title))
}

/// A form to be filled in: these fields, with what was given so far.
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

/// A form that asks once more.
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
    // What was typed in secret is not sent back.
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

/// Returns the hint for a person who types a value.
const fn hint(kind: FieldKind) -> Option<&'static str> {
    match kind {
        FieldKind::Duration => Some("such as \"30 minutes\" or \"2 hours\""),
        FieldKind::Time => Some("such as \"2026-11-24T09:30:00Z\""),
        FieldKind::List => Some("one in each line"),
        FieldKind::Text
        | FieldKind::Lines
        | FieldKind::Room
        | FieldKind::Person
        | FieldKind::Flag
        | FieldKind::Number
        | FieldKind::Secret
        | FieldKind::Choice(_) => None,
    }
}

/// Returns what a client may check before it sends the form (XEP-0122).
fn validation(kind: FieldKind, written: &str) -> Option<Element> {
    let of = |datatype| Element::new(ns::VALIDATE, "validate").with_attr("datatype", datatype);
    let with = |name| Some(of("xs:string").with_child(Element::new(ns::VALIDATE, name)));
    match (kind, written) {
        (FieldKind::Time, _) => Some(of("xs:dateTime")),
        (FieldKind::Number, _) => Some(of("xs:integer")),
        // A room or a person that is not offered may be meant.
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

/// A value of a field.
pub(super) fn value(text: &str) -> Element {
    element("value").with_text(text)
}

fn option(label: &str, text: &str) -> Element {
    element("option").with_attr("label", label).with_child(value(text))
}
