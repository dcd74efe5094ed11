//! The JSON Schema of the operator's file, for editors.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Map, Value, json};
use toml::de::{DeTable, DeValue};

use super::effective::DEFAULTS;
use super::load::schema;
use super::table_reader::join;
use crate::policy::rules::fixed::FIXED;
use crate::policy::rules::{Families, Family, Key, Mode, Rules, SWITCHES, Visit, families};
use crate::setting::{Kind, Setting};

/// Table that may have any language as a key, with the texts of that language.
const TEXTS: &str = "text";
/// Placeholder for the names of profiles in the [`schema`].
const ANY_NAME: &str = "NAME";

/// Returns the JSON Schema (draft 7) of the operator's file. Keys of the policy are described by their declarations,
/// those of the other tables by the shipped file.
pub fn json_schema() -> Value {
    let mut families = Definitions::default();
    Rules::default().visit(&mut families);
    families.0.insert("modes".to_owned(), modes());
    let shown = Shown::read();
    let mut root = Table::default();
    for key in schema() {
        let path: Vec<_> = key.split('.').collect();
        let is_of_rules = |path: &[&str]| matches!(path, ["policy" | "room", rest, ..] | ["profile", _, rest, ..] if families.0.contains_key(*rest));
        if !is_of_rules(&path) {
            root.add(&path, shown.of(&key));
        }
    }
    for table in [&["policy"][..], &["room"], &["profile", ANY_NAME]] {
        for name in families.0.keys() {
            let path: Vec<_> = table.iter().copied().chain([name.as_str()]).collect();
            root.add(&path, json!({ "$ref": format!("#/definitions/{name}") }));
        }
    }
    let mut whole = root.into_schema(&shown, "");
    if let Some(whole) = whole.as_object_mut() {
        whole.insert("$schema".to_owned(), json!("http://json-schema.org/draft-07/schema#"));
        whole.insert("title".to_owned(), json!("Vestibule's component.toml"));
        whole.insert("definitions".to_owned(), Value::Object(families.0));
    }
    whole
}

/// Schemas of the families of rules, by the names of their tables.
#[derive(Default)]
struct Definitions(Map<String, Value>);

impl Families for Definitions {
    fn family<F: Family + Clone>(&mut self, family: &mut Arc<F>) {
        self.0.insert(F::NAME.to_owned(), table_of(Arc::make_mut(family)));
    }
}

fn table_of<F: Family>(family: &mut F) -> Value {
    let mut keys = Keys::default();
    family.visit(&mut keys);
    let mut table = object(keys.0);
    if let Some(table) = table.as_object_mut()
        && !F::INTRO.is_empty()
    {
        table.insert("description".to_owned(), json!(F::INTRO.join(" ")));
    }
    table
}

/// Schemas of the keys of one family.
#[derive(Default)]
struct Keys(Map<String, Value>);

impl Visit for Keys {
    fn setting<T: 'static>(&mut self, key: &Key, setting: &mut Setting<T>, kind: Kind<T>) {
        let doc: Vec<_> = key.doc.iter().map(|line| line.trim()).collect();
        let mut schema = kind.schema().clone();
        if let Some(schema) = schema.as_object_mut() {
            schema.insert("description".to_owned(), json!(doc.join(" ")));
            if let Some(default) = value_of(&kind.write(&setting.value)) {
                schema.insert("default".to_owned(), default);
            }
        }
        self.0.insert(key.name.to_owned(), schema);
    }

    fn table<F: Family>(&mut self, key: &'static str, family: &mut F) {
        self.0.insert(key.to_owned(), table_of(family));
    }
}

fn modes() -> Value {
    let mode = json!({ "enum": Mode::ALL.map(Mode::name), "default": Mode::default().name() });
    let fixed = |name: &str| FIXED.iter().any(|rule| rule.name == name);
    let names = families().chain(SWITCHES.iter().map(|rule| rule.name));
    let names = names.filter(|name| !fixed(name)).map(|name| (name.to_owned(), mode.clone()));
    let mut names: Map<_, _> = names.collect();
    // A rule's name without quotes is a table in a table.
    for family in families() {
        names.insert(family.to_owned(), json!({ "anyOf": [mode, { "type": "object" }] }));
    }
    json!({ "type": "object", "properties": names })
}

fn object(properties: Map<String, Value>) -> Value {
    json!({ "type": "object", "properties": properties, "additionalProperties": false })
}

/// Parses a TOML value.
fn value_of(text: &str) -> Option<Value> {
    let table: toml::Table = format!("value = {text}").parse().ok()?;
    serde_json::to_value(table.get("value")?).ok()
}

/// Tree of tables and keys, from which the schema of the whole file is made.
#[derive(Default)]
struct Table {
    inner: BTreeMap<String, Self>,
    leaf: Option<Value>,
}

impl Table {
    fn add(&mut self, path: &[&str], leaf: Value) {
        match path {
            [] => self.leaf = Some(leaf),
            [first, rest @ ..] => {
                self.inner.entry((*first).to_owned()).or_default().add(rest, leaf)
            }
        }
    }

    fn into_schema(self, shown: &Shown, path: &str) -> Value {
        if self.inner.is_empty() {
            return self.leaf.unwrap_or_default();
        }
        let mut inner = self.inner;
        if let Some(any) = inner.remove(ANY_NAME) {
            let any = any.into_schema(shown, &join(path, ANY_NAME));
            return json!({ "type": "object", "additionalProperties": any });
        }
        let properties = inner.into_iter().map(|(key, table)| {
            let schema = table.into_schema(shown, &join(path, &key));
            (key, schema)
        });
        let properties: Map<_, _> = properties.collect();
        let table = match path == TEXTS {
            true => json!({ "type": "object", "properties": properties }),
            false => object(properties),
        };
        if shown.lists.contains(path) { json!({ "type": "array", "items": table }) } else { table }
    }
}

/// Keys of the shipped file, each with the comment above it and the type of its value, and its arrays of tables.
#[derive(Default)]
struct Shown {
    keys: BTreeMap<String, Value>,
    lists: BTreeSet<String>,
}

impl Shown {
    fn read() -> Self {
        let mut shown = Self::default();
        let (mut table, mut comment) = (String::new(), Vec::new());
        for line in DEFAULTS.lines() {
            // An example is commented out by a number sign without a space after it.
            let line = line.strip_prefix('#').filter(|it| !it.starts_with(' ')).unwrap_or(line);
            if let Some(name) = line.strip_prefix("[[").and_then(|it| it.strip_suffix("]]")) {
                shown.lists.insert(name.to_owned());
                (table, comment) = (name.to_owned(), Vec::new());
            } else if let Some(name) = line.strip_prefix('[').and_then(|it| it.strip_suffix(']')) {
                (table, comment) = (name.to_owned(), Vec::new());
            } else if let Some(text) = line.strip_prefix("# ") {
                comment.push(text);
            } else if let Some((key, value)) = line.split_once(" = ") {
                let schema = described(value, &comment.join(" "));
                shown.keys.entry(join(&table, key)).or_insert(schema);
                comment = Vec::new();
            } else {
                comment = Vec::new();
            }
        }
        shown
    }

    /// Returns the schema of a key; that of a key that is not shown allows any value.
    fn of(&self, key: &str) -> Value {
        self.keys.get(key).cloned().unwrap_or_else(|| json!({}))
    }
}

fn described(value: &str, comment: &str) -> Value {
    let text = format!("value = {value}");
    let (file, _) = DeTable::parse_recoverable(&text);
    let kind = match file.get_ref().get("value").map(|value| value.get_ref()) {
        Some(DeValue::String(_) | DeValue::Datetime(_)) => "string",
        Some(DeValue::Integer(_)) => "integer",
        Some(DeValue::Float(_)) => "number",
        Some(DeValue::Boolean(_)) => "boolean",
        Some(DeValue::Array(_)) => "array",
        Some(DeValue::Table(_)) | None => "object",
    };
    json!({ "type": kind, "description": comment })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_has_its_place_and_those_of_the_policy_their_bounds() {
        let schema = json_schema();
        let key = |path: &str| schema.pointer(path).unwrap_or_else(|| panic!("{path}")).clone();
        let most = key("/definitions/limits/properties/occupants");
        assert_eq!(
            (&most["type"], &most["minimum"], &most["default"]),
            (&json!("integer"), &json!(0), &json!(0))
        );
        assert_eq!(
            key("/definitions/password/properties/guesses/properties/delay/default"),
            "2 seconds"
        );
        assert_eq!(key("/properties/room/items/properties/lobby/$ref"), "#/definitions/lobby");
        assert_eq!(
            key("/properties/profile/additionalProperties/properties/modes/$ref"),
            "#/definitions/modes"
        );
        assert_eq!(key("/properties/store/properties/file/type"), "string");
        assert_eq!(key("/properties/admin/properties/token/type"), "array");
        assert_eq!(key("/properties/version/type"), "integer");
    }
}
