//! Operator commands as the interfaces use them: name, required role, arguments and reply. All of it is made from
//! the command's declaration (`src/app/commands`).

use indexmap::IndexMap;
use schemars::generate::SchemaSettings;
use schemars::transform::transform_subschemas;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::{Map, Value};
use strum::IntoStaticStr;

use super::request::{Failure, FailureKind, Request};
use crate::config::Role;
use crate::schema::KIND;

/// An operator command: its names, what it takes and what it replies.
#[derive(Debug)]
pub struct Command {
    /// Name of the command: the request's `do`, the path in the API, the node of the ad-hoc command.
    pub name: &'static str,
    /// Short title for a button or a list.
    pub title: &'static str,
    /// One-sentence description, without the full stop.
    pub about: &'static str,
    /// Lowest role that may give it.
    pub role: Role,
    /// Whether it changes anything, and whether that can be undone.
    pub impact: Impact,
    /// Whether it is for the control socket only; no other interface shows it.
    pub is_local: bool,
    /// Arguments that it takes, in the order of their declaration.
    pub fields: &'static [Field],
    /// JSON Schema of the arguments.
    pub arguments: Schema,
    /// Makes the JSON Schema of the reply.
    pub reply: fn(&mut SchemaGenerator) -> Schema,
    /// Formats a reply for the command line.
    pub show: fn(Value) -> Result<Shown, serde_json::Error>,
    read: fn(Map<String, Value>) -> Result<Value, serde_json::Error>,
}

/// A reply as the command line shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// Text to print.
    pub text: String,
    /// Whether everything that was asked for was done; otherwise the exit status is 1.
    pub is_complete: bool,
}

/// The type of a command's reply.
pub trait Answer: Serialize + DeserializeOwned + JsonSchema {
    /// Returns the text that the command line shows.
    fn words(&self) -> String;

    /// Returns whether everything that was asked for was done; otherwise the exit status is 1.
    fn is_complete(&self) -> bool {
        true
    }
}

names! {
    /// Effect of a command, and whether it can be undone.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Impact {
        /// It changes nothing.
        ReadOnly = "looks",
        /// It changes something that another command undoes.
        Reversible = "changes",
        /// It does something that no command undoes: an interface asks for confirmation first.
        Irreversible = "final",
    }
}

/// An argument of a command.
#[derive(Debug)]
pub struct Field {
    /// Key of the argument in the request.
    pub name: &'static str,
    /// Short label for a form.
    pub label: &'static str,
    /// Type of the value.
    pub kind: FieldKind,
    /// Whether the argument must be given.
    pub required: bool,
}

/// The type of an argument's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr)]
#[strum(serialize_all = "lowercase")]
pub enum FieldKind {
    /// A single line of text.
    Text,
    /// Text of several lines.
    Lines,
    /// The bare JID of a room.
    Room,
    /// The bare JID of a person.
    Person,
    /// A length of time such as `2 hours`.
    Duration,
    /// A point in time (RFC 3339).
    Time,
    /// Yes or no; an absent one is no.
    Flag,
    /// A whole number.
    Number,
    /// A password or similar: no interface shows it.
    Secret,
    /// One of the listed words.
    Choice(&'static [&'static str]),
    /// A list of texts, one in each line of a form.
    List,
}

impl FieldKind {
    /// Returns the name that the API uses for the type.
    pub fn name(self) -> &'static str {
        self.into()
    }

    fn of(schema: &Value) -> Self {
        let text = |key: &str| schema.get(key).and_then(Value::as_str);
        if let Some(words) = schema.get("enum").and_then(Value::as_array) {
            let words = words.iter().filter_map(Value::as_str).map(forever);
            return Self::Choice(Vec::leak(words.collect()));
        }
        match (text("type"), text(KIND).or(text("format"))) {
            (Some("boolean"), _) => Self::Flag,
            (Some("integer"), _) => Self::Number,
            (Some("array"), _) => Self::List,
            (_, Some("room")) => Self::Room,
            (_, Some("person")) => Self::Person,
            (_, Some("lines")) => Self::Lines,
            (_, Some("duration")) => Self::Duration,
            (_, Some("date-time")) => Self::Time,
            (_, Some("password")) => Self::Secret,
            _ => Self::Text,
        }
    }
}

/// Leaks a text of the command table, which is made once per process.
fn forever(text: &str) -> &'static str {
    String::leak(text.to_owned())
}

/// Returns the first paragraph of a docstring on one line, without the full stop.
fn first_paragraph(text: &str) -> String {
    let first = text.split("\n\n").next().unwrap_or_default();
    first.replace('\n', " ").trim_end_matches('.').to_owned()
}

impl Command {
    /// Makes the command that takes `A` and replies `R`. Its description is the first paragraph of the docs of `A`,
    /// the label of each field that of the field's docstring, unless a title is set.
    pub fn new<A, R>(
        (name, title): (&'static str, &'static str),
        role: Role,
        impact: Impact,
        is_local: bool,
    ) -> Self
    where
        A: Serialize + DeserializeOwned + JsonSchema + Default,
        R: Answer,
    {
        let settings = SchemaSettings::draft2020_12().with(|it| {
            it.inline_subschemas = true;
            it.meta_schema = None;
        });
        let mut arguments = settings.into_generator().into_root_schema_for::<A>();
        strict(&mut arguments);
        arguments.insert("additionalProperties".to_owned(), false.into());
        let about = arguments.get("description").and_then(Value::as_str).map(first_paragraph);
        let fields: Vec<_> = fields(&mut arguments, &keys_in_order(&A::default()));
        Self {
            name,
            title,
            about: about.map_or("", |about| String::leak(about)),
            role,
            impact,
            is_local,
            fields: Vec::leak(fields),
            arguments,
            reply: |generator| generator.subschema_for::<R>(),
            show: |value| {
                let reply: R = serde_json::from_value(value)?;
                Ok(Shown { text: reply.words(), is_complete: reply.is_complete() })
            },
            read: |values| serde_json::to_value(serde_json::from_value::<A>(values.into())?),
        }
    }

    /// Returns the command of that name, or `None` if there is none or it is for the control socket only.
    pub fn named(commands: &'static [Self], name: &str) -> Option<&'static Self> {
        commands.iter().find(|command| command.name == name && !command.is_local)
    }

    /// Makes a request of these arguments. An argument that is absent or null gets its default.
    ///
    /// # Errors
    /// [`FailureKind::Invalid`] when an argument is missing or unknown, or its value is of the wrong type.
    pub fn request(&'static self, mut values: Map<String, Value>) -> Result<Request, Failure> {
        let invalid = |reason: String| Failure::new(FailureKind::Invalid, reason);
        values.retain(|_, value| !value.is_null());
        for given in values.keys() {
            if !self.fields.iter().any(|field| field.name == given) {
                let known: Vec<_> = self.fields.iter().map(|field| field.name).collect();
                let known = if known.is_empty() { "nothing".into() } else { known.join(", ") };
                return Err(invalid(format!(
                    "`{}` takes no `{given}`; it takes {known}",
                    self.name
                )));
            }
        }
        let missing = |field: &&Field| field.required && !values.contains_key(field.name);
        if let Some(field) = self.fields.iter().find(missing) {
            return Err(invalid(format!("`{}` needs `{}`", self.name, field.name)));
        }
        let read = (self.read)(values).map_err(|error| invalid(error.to_string()))?;
        let Value::Object(arguments) = read else {
            return Err(invalid("these are no arguments".to_owned()));
        };
        Ok(Request { command: self, arguments })
    }

    /// Checks that this caller may give the command.
    ///
    /// # Errors
    /// [`FailureKind::Forbidden`] when the role is too low, or the command is for the control socket only.
    pub fn authorise(&self, caller: &Caller) -> Result<(), Failure> {
        let name = self.name;
        let reason = if self.is_local && caller.face != Interface::CommandLine {
            format!("`{name}` is for the command line")
        } else if caller.role < self.role {
            let (needs, has) = (self.role.name(), caller.role.name());
            format!("`{name}` is for the role \"{needs}\"; yours is \"{has}\"")
        } else {
            return Ok(());
        };
        Err(Failure::new(FailureKind::Forbidden, reason))
    }
}

/// Returns the arguments that a schema describes, in this order, and adds the type of each to its property.
fn fields(schema: &mut Schema, order: &[String]) -> Vec<Field> {
    let required = schema.get("required").cloned().unwrap_or_default();
    let is_required =
        |name: &str| required.as_array().is_some_and(|all| all.iter().any(|it| it == name));
    let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) else {
        return Vec::new();
    };
    let field = |name: &String| {
        let schema = properties.get_mut(name)?;
        let kind = FieldKind::of(schema);
        let text = |key: &str| schema.get(key).and_then(Value::as_str);
        let label = text("title").or(text("description")).map(first_paragraph);
        if let Some(schema) = schema.as_object_mut() {
            schema.insert(KIND.to_owned(), kind.name().into());
        }
        let (label, required) =
            (label.map_or("", |label| String::leak(label)), is_required(name.as_str()));
        Some(Field { name: forever(name), label, kind, required })
    };
    order.iter().filter_map(field).collect()
}

/// Makes a schema strict: no other properties, and an optional one is absent rather than null.
pub fn strict(schema: &mut Schema) {
    transform_subschemas(&mut strict, schema);
    let required = schema.get("required").cloned().unwrap_or_default();
    let is_required =
        |name: &str| required.as_array().is_some_and(|all| all.iter().any(|it| it == name));
    if let Some(Value::Object(properties)) = schema.get_mut("properties") {
        for (name, property) in properties.iter_mut() {
            let Value::Object(property) = property else { continue };
            property.retain(|key, value| key != "default" || !value.is_null() && value != "");
            if !is_required(name) {
                not_null(property);
            }
        }
        schema.insert("additionalProperties".to_owned(), false.into());
    }
    // The variants of an enum with docstrings become a plain list of names.
    let variants = schema.get("oneOf").and_then(Value::as_array);
    let words = variants.and_then(|all| all.iter().map(|it| it.get("const").cloned()).collect());
    if let Some(words) = words {
        schema.remove("oneOf");
        schema.insert("type".to_owned(), "string".into());
        schema.insert("enum".to_owned(), Value::Array(words));
    }
    if schema.get("additionalProperties") == Some(&Value::Bool(true)) {
        schema.remove("additionalProperties");
    }
    // The width of the integer in the program is of no use to API users.
    if schema.get("type").is_some_and(is_number) {
        schema.remove("format");
        schema.remove("maximum");
    }
}

fn is_number(kind: &Value) -> bool {
    let is_one = |kind: &Value| matches!(kind.as_str(), Some("integer" | "number"));
    is_one(kind) || kind.as_array().is_some_and(|all| all.iter().any(is_one))
}

fn not_null(property: &mut Map<String, Value>) {
    if let Some(Value::Array(kinds)) = property.get_mut("type") {
        kinds.retain(|kind| kind != "null");
        if let [one] = kinds.as_slice() {
            let one = one.clone();
            property.insert("type".to_owned(), one);
        }
    }
    if let Some(Value::Array(words)) = property.get_mut("enum") {
        words.retain(|word| !word.is_null());
    }
    if let Some(Value::Array(all)) = property.get_mut("anyOf") {
        all.retain(|one| one.get("type").is_none_or(|kind| kind != "null"));
        if let [Value::Object(one)] = all.as_slice() {
            let one = one.clone();
            property.remove("anyOf");
            property.extend(one);
        }
    }
}

/// Returns the keys that a struct serializes to, in the order of its fields, which a [`Map`] does not keep.
fn keys_in_order(value: &impl Serialize) -> Vec<String> {
    let text = serde_json::to_string(value).unwrap_or_default();
    let keys: IndexMap<String, IgnoredAny> = serde_json::from_str(&text).unwrap_or_default();
    keys.into_keys().collect()
}

names! {
    /// The interface by which a request arrived.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub enum Interface {
        /// The command line, over the control socket.
        CommandLine = "command-line",
        /// The JSON API, and the page that uses it.
        Http = "http",
        /// Ad-hoc commands (XEP-0050).
        AdHoc = "ad-hoc",
    }
}

/// The authenticated person or program that gives a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Interface that the command came by.
    pub face: Interface,
    /// Name of the API token, bare JID, or account of the operating system, depending on the interface.
    pub name: String,
    /// Role that decides which commands are allowed.
    pub role: Role,
}
