//! The OpenAPI description covers every command and route, and is committed as it is generated.

#![cfg(test)]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value;
use vestibule::app::commands::commands;
use vestibule::control::Impact;
use vestibule::http::document as document_of;

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

fn document() -> Value {
    document_of(commands())
}

/// Every object in it.
fn objects<'a>(value: &'a Value, found: &mut Vec<&'a serde_json::Map<String, Value>>) {
    match value {
        Value::Object(object) => {
            found.push(object);
            object.values().for_each(|inner| objects(inner, found));
        }
        Value::Array(list) => list.iter().for_each(|inner| objects(inner, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn every_command_is_described_with_its_fields_and_its_reply() {
    let document = document();
    for command in commands().iter().filter(|command| !command.is_local) {
        let name = command.name;
        let post = &document["paths"][format!("/api/v1/commands/{name}")]["post"];
        assert_eq!(post["x-role"], command.role.name());
        let body = &post["requestBody"]["content"]["application/json"]["schema"];
        let fields = body["properties"].as_object().into_iter().flat_map(|all| all.keys().cloned());
        let fields: BTreeSet<_> = fields.collect();
        assert_eq!(fields, command.fields.iter().map(|it| it.name.to_owned()).collect());
        let required = body["required"].as_array().map_or(0, Vec::len);
        assert_eq!(required, command.fields.iter().filter(|it| it.required).count());
        let reply = &post["responses"]["200"]["content"]["application/json"]["schema"];
        let done = &reply["properties"]["done"];
        assert!(done.get("$ref").or(done.get("type")).is_some(), "what does `{name}` reply?");
        let get = &document["paths"][format!("/api/v1/{name}")]["get"];
        assert_eq!(get.is_object(), command.impact == Impact::ReadOnly, "{name}");
    }
}

#[test]
fn every_route_is_described() {
    let router = read("src/http/router.rs");
    let paths = document()["paths"].as_object().unwrap().clone();
    let routes: Vec<_> = router.split(".route(\"").skip(1).collect();
    assert!(routes.len() > 8);
    for route in routes {
        let path = route.split('"').next().unwrap();
        // These two stand for commands.
        if path != "/commands/{name}" && path != "/{view}" {
            let is_there =
                paths.contains_key(path) || paths.contains_key(&format!("/api/v1{path}"));
            assert!(is_there, "{path} is not described");
        }
    }
}

#[test]
fn the_schemas_are_strict_and_refer_to_what_is_there() {
    let document = document();
    let mut all = Vec::new();
    objects(&document["paths"], &mut all);
    objects(&document["components"]["schemas"], &mut all);
    for object in all {
        if let Some(Value::String(to)) = object.get("$ref") {
            assert!(document.pointer(to.trim_start_matches('#')).is_some(), "{to}");
        }
        if object.get("properties").is_some_and(Value::is_object) {
            assert_eq!(object.get("additionalProperties"), Some(&Value::Bool(false)), "{object:?}");
        }
    }
}

#[test]
fn the_committed_description_is_this_one() {
    let now = format!("{:#}\n", document());
    if std::env::var_os("UPDATE").is_some() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/openapi.json");
        fs::write(path, &now).unwrap();
    }
    let is_same = read("docs/openapi.json") == now;
    assert!(is_same, "docs/openapi.json is old: UPDATE=1 cargo test --test openapi");
}
