//! `/openapi.json`: what the API is, in OpenAPI 3.1, made from the table of commands.

use axum::Json;
use serde_json::{Map, Value, json};

use super::api::kind;
use crate::control::{COMMANDS, Command, Field, FieldKind, Stakes};

/// The reply of each command, as JSON Schema (2020-12). Strict: what is not here is not sent.
const REPLIES: &str = include_str!("replies.json");

/// The OpenAPI description.
pub(super) async fn serve() -> Json<Value> {
    Json(document())
}

/// The whole description.
pub fn document() -> Value {
    let described: Value = serde_json::from_str(REPLIES).unwrap_or_default();
    let mut paths = Map::new();
    for command in COMMANDS {
        let done = described.pointer(&format!("/replies/{}", command.name));
        let done = done.cloned().unwrap_or(Value::Bool(false));
        let path = format!("/api/v1/commands/{}", command.name);
        paths.insert(path, json!({ "post": by_command(command, &done) }));
        if command.stakes == Stakes::Looks {
            let path = format!("/api/v1/{}", command.name);
            paths.insert(path, json!({ "get": by_query(command, &done) }));
        }
        if command.name == "room" {
            let room = json!({
                "name": "room", "in": "path", "required": true, "schema": schema(FieldKind::Room),
            });
            let mut get = by_query(command, &done);
            put(&mut get, "parameters", json!([room]));
            paths.insert("/api/v1/rooms/{room}".to_owned(), json!({ "get": get }));
        }
    }
    paths.extend(views());
    let failure = json!({ "$ref": "#/components/schemas/Failure" });
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Vestibule",
            "description": "What operators see and do. See docs/http.md.",
            "version": env!("CARGO_PKG_VERSION"),
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "security": [{ "token": [] }],
        "paths": paths,
        "components": {
            "responses": { "Failure": response("It is not done.", &failure) },
            "schemas": described.get("schemas"),
            "securitySchemes": { "token": { "type": "http", "scheme": "bearer" } },
        },
    })
}

/// The paths that are no commands.
fn views() -> Map<String, Value> {
    let own = |about: &str, name: &str| {
        let schema = json!({ "$ref": format!("#/components/schemas/{name}") });
        json!({ "summary": about, "responses": responses(&schema, &["401"]) })
    };
    let text = |about: &str, kind: &str| {
        let content =
            Map::from_iter([(kind.to_owned(), json!({ "schema": { "type": "string" } }))]);
        let done = json!({ "description": "As text.", "content": content });
        json!({ "summary": about, "responses": { "200": done } })
    };
    let open = |mut view: Value| {
        put(&mut view, "security", json!([]));
        view
    };
    let mut ready = open(own("Whether every service is under the policy.", "Ready"));
    if let Some(responses) = ready.get_mut("responses").and_then(Value::as_object_mut) {
        responses.remove("401");
        if let Some(reply) = responses.get("200").cloned() {
            responses.insert("503".to_owned(), reply);
        }
    }
    let stream = "Events as they happen: `status`, `rooms`, `entries`, and `over` at the end.";
    [
        ("/api/v1/commands", own("The commands that the caller may give.", "Commands")),
        ("/api/v1/metrics-summary", own("The last hour, a minute at a time.", "Summary")),
        ("/api/v1/stream", text(stream, "text/event-stream")),
        ("/metrics", text("Metrics in OpenMetrics text.", "application/openmetrics-text")),
        ("/healthz", open(text("The process answers.", "text/plain"))),
        ("/readyz", ready),
        ("/openapi.json", open(text("This description.", "application/json"))),
    ]
    .map(|(path, get)| (path.to_owned(), json!({ "get": get })))
    .into_iter()
    .collect()
}

fn by_command(command: &Command, done: &Value) -> Value {
    let fields = command.fields.iter();
    let required: Vec<_> = fields.clone().filter(|it| it.required).map(|it| it.name).collect();
    let body = json!({
        "type": "object",
        "properties": fields.map(|it| (it.name.to_owned(), described(it))).collect::<Map<_, _>>(),
        "required": required,
        "additionalProperties": false,
    });
    let mut operation = operation(command, done);
    put(&mut operation, "operationId", command.name.into());
    let content = json!({ "application/json": { "schema": body } });
    put(&mut operation, "requestBody", json!({ "required": true, "content": content }));
    operation
}

fn by_query(command: &Command, done: &Value) -> Value {
    let parameters: Vec<_> = command
        .fields
        .iter()
        .map(|field| {
            json!({ "name": field.name, "in": "query", "required": field.required, "schema": described(field) })
        })
        .collect();
    let mut operation = operation(command, done);
    put(&mut operation, "parameters", parameters.into());
    operation
}

fn operation(command: &Command, done: &Value) -> Value {
    let reply = json!({
        "type": "object",
        "properties": { "done": done },
        "required": ["done"],
        "additionalProperties": false,
    });
    json!({
        "summary": command.title,
        "description": command.about,
        "x-role": command.role,
        "x-stakes": command.stakes.name(),
        "responses": responses(&reply, &["400", "401", "403", "404", "409", "503"]),
    })
}

fn responses(done: &Value, failures: &[&str]) -> Value {
    let failure = json!({ "$ref": "#/components/responses/Failure" });
    let failures = failures.iter().map(|status| ((*status).to_owned(), failure.clone()));
    let done = ("200".to_owned(), response("It is done.", done));
    failures.chain([done]).collect::<Map<_, _>>().into()
}

fn response(about: &str, schema: &Value) -> Value {
    json!({ "description": about, "content": { "application/json": { "schema": schema } } })
}

fn described(field: &Field) -> Value {
    let mut schema = schema(field.kind);
    put(&mut schema, "description", field.label.into());
    put(&mut schema, "x-kind", kind(field.kind).into());
    schema
}

fn schema(kind: FieldKind) -> Value {
    match kind {
        FieldKind::Text | FieldKind::Lines | FieldKind::Duration => json!({ "type": "string" }),
        FieldKind::Room | FieldKind::Person => json!({ "type": "string", "format": "jid" }),
        FieldKind::Time => json!({ "type": "string", "format": "date-time" }),
        FieldKind::Flag => json!({ "type": "boolean", "default": false }),
        FieldKind::Number => json!({ "type": "integer", "minimum": 0 }),
        FieldKind::Secret => json!({ "type": "string", "format": "password", "writeOnly": true }),
        FieldKind::Choice(words) => json!({ "type": "string", "enum": words }),
        FieldKind::List => json!({ "type": "array", "items": { "type": "string" } }),
    }
}

fn put(object: &mut Value, key: &str, value: Value) {
    if let Some(object) = object.as_object_mut() {
        object.insert(key.to_owned(), value);
    }
}
