//! `/openapi.json`: the API in OpenAPI 3.1, generated from the commands and the types of its replies.

use axum::Json;
use axum::extract::State as Of;
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::api::{ApiBackend, Commands, Summary};
use super::router::{Ready, State};
use super::sign_in::Ways;
use crate::control::{Command, Failure, Impact, strict};

/// Returns the OpenAPI description of the API.
pub(super) async fn serve<S: ApiBackend>(Of(state): Of<State<S>>) -> Json<Value> {
    Json(document(state.site.commands()))
}

/// A reply to a command that failed.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "only its schema is used")]
struct Failed {
    /// Why the command failed.
    failed: Failure,
}

/// Returns the whole description, for these commands.
pub fn document(commands: &[Command]) -> Value {
    let settings = SchemaSettings::draft2020_12().for_serialize().with(|it| {
        it.definitions_path = "/components/schemas".into();
        it.meta_schema = None;
    });
    let mut types = settings.into_generator();
    let mut paths = Map::new();
    for command in commands.iter().filter(|command| !command.is_local) {
        let mut done = (command.reply)(&mut types);
        strict(&mut done);
        let path = format!("/api/v1/commands/{}", command.name);
        paths.insert(path, json!({ "post": by_command(command, &done) }));
        if command.impact == Impact::ReadOnly {
            let path = format!("/api/v1/{}", command.name);
            paths.insert(path, json!({ "get": by_query(command, &done) }));
        }
        if command.name == "room" {
            let mut get = by_query(command, &done);
            if let Some(room) = get.pointer_mut("/parameters/0") {
                put(room, "in", "path".into());
            }
            paths.insert("/api/v1/rooms/{room}".to_owned(), json!({ "get": get }));
        }
    }
    paths.extend(views(&mut types));
    let failure = types.subschema_for::<Failed>();
    let schemas = types.take_definitions(true).into_iter().map(|(name, schema)| {
        let mut schema = Schema::try_from(schema).unwrap_or_default();
        strict(&mut schema);
        (name, Value::from(schema))
    });
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
            "schemas": schemas.collect::<Map<_, _>>(),
            "securitySchemes": { "token": { "type": "http", "scheme": "bearer" } },
        },
    })
}

/// Returns the paths that are not commands.
fn views(types: &mut SchemaGenerator) -> Map<String, Value> {
    let own = |about: &str, schema: Schema| json!({ "summary": about, "responses": responses(&schema, &["401"]) });
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
    let about_ready = "Whether every service is under the policy.";
    let mut ready = open(own(about_ready, types.subschema_for::<Ready>()));
    if let Some(responses) = ready.get_mut("responses").and_then(Value::as_object_mut) {
        responses.remove("401");
        if let Some(reply) = responses.get("200").cloned() {
            responses.insert("503".to_owned(), reply);
        }
    }
    let commands = own("The commands that the caller may give.", types.subschema_for::<Commands>());
    let summary = own("The last hour, a minute at a time.", types.subschema_for::<Summary>());
    let mut ways = open(own(
        "Who the browser is signed in as without a token.",
        types.subschema_for::<Ways>(),
    ));
    if let Some(responses) = ways.get_mut("responses").and_then(Value::as_object_mut) {
        responses.remove("401");
    }
    let stream = "Events as they happen: `status`, `rooms`, `entries`, and `over` at the end.";
    [
        ("/api/v1/commands", commands),
        ("/api/v1/metrics-summary", summary),
        ("/api/v1/stream", text(stream, "text/event-stream")),
        ("/metrics", text("Metrics in OpenMetrics text.", "application/openmetrics-text")),
        ("/healthz", open(text("The process answers.", "text/plain"))),
        ("/readyz", ready),
        ("/sign-in", ways),
        ("/openapi.json", open(text("This description.", "application/json"))),
    ]
    .map(|(path, get)| (path.to_owned(), json!({ "get": get })))
    .into_iter()
    .chain(at_provider())
    .collect()
}

/// Returns the paths by which browsers sign in at the provider, and out.
fn at_provider() -> [(String, Value); 3] {
    let step = |method: &str, about: &str, status: &str, done: &str| {
        let response = json!({ "description": done });
        json!({ method: { "summary": about, "security": [], "responses": { status: response } } })
    };
    let to_provider = step("get", "Begins a sign-in at the provider.", "303", "Go there.");
    let back = "Ends a sign-in at the provider, which sends the browser here.";
    let back = step("get", back, "303", "Go to the page, with a session or with the reason.");
    let out = step("post", "Ends the session of the browser.", "204", "It is over.");
    [
        ("/sign-in/oidc".to_owned(), to_provider),
        ("/sign-in/callback".to_owned(), back),
        ("/sign-in/out".to_owned(), out),
    ]
}

fn by_command(command: &Command, done: &Schema) -> Value {
    let mut operation = operation(command, done);
    put(&mut operation, "operationId", command.name.into());
    let content = json!({ "application/json": { "schema": command.arguments } });
    put(&mut operation, "requestBody", json!({ "required": true, "content": content }));
    operation
}

fn by_query(command: &Command, done: &Schema) -> Value {
    let parameter = |name: &str, required: bool| {
        let schema = command.arguments.pointer(&format!("/properties/{name}"));
        json!({ "name": name, "in": "query", "required": required, "schema": schema })
    };
    let fields = command.fields.iter();
    let parameters: Vec<_> = fields.map(|field| parameter(field.name, field.required)).collect();
    let mut operation = operation(command, done);
    put(&mut operation, "parameters", parameters.into());
    operation
}

fn operation(command: &Command, done: &Schema) -> Value {
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
        "x-stakes": command.impact.name(),
        "responses": responses(&reply, &["400", "401", "403", "404", "409", "503"]),
    })
}

fn responses(done: &impl serde::Serialize, failures: &[&str]) -> Value {
    let failure = json!({ "$ref": "#/components/responses/Failure" });
    let failures = failures.iter().map(|status| ((*status).to_owned(), failure.clone()));
    let done = ("200".to_owned(), response("It is done.", done));
    failures.chain([done]).collect::<Map<_, _>>().into()
}

fn response(about: &str, schema: &impl serde::Serialize) -> Value {
    json!({ "description": about, "content": { "application/json": { "schema": schema } } })
}

fn put(object: &mut Value, key: &str, value: Value) {
    if let Some(object) = object.as_object_mut() {
        object.insert(key.to_owned(), value);
    }
}
