//! `/api/v1`: the commands, and addresses for those that only look.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::{Body, to_bytes};
use axum::extract::{Path, Query, State as Of};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};
use tokio::time::timeout;

use super::bearer::Bearer;
use super::failure::{Refused, respond};
use super::router::State;
use super::site::Site;
use crate::control::{COMMANDS, Caller, Command, FailureKind, Field, FieldKind, Request, Stakes};

/// The longest request, in bytes: a policy file may be in it.
const LONGEST: usize = 2 * 1024 * 1024;
/// The time limit for a request to arrive.
const ARRIVAL: Duration = Duration::from_secs(10);
/// The time after which a caller is told that the command is still running. Longer than one command to a room may take:
/// a look, five tries of a look and a change, and a look, each with the link's own limit of 15 s.
const PATIENCE: Duration = Duration::from_secs(240);

/// The commands that the caller may give.
pub(super) async fn table(Bearer { caller, .. }: Bearer) -> Json<Value> {
    let commands: Vec<_> = COMMANDS
        .iter()
        .filter(|command| command.role <= caller.role)
        .map(|command| {
            json!({
                "name": command.name,
                "title": command.title,
                "about": command.about,
                "role": command.role,
                "stakes": command.stakes.name(),
                "fields": command.fields.iter().map(field).collect::<Vec<_>>(),
            })
        })
        .collect();
    Json(json!({
        "caller": { "name": caller.name, "role": caller.role },
        "commands": commands,
    }))
}

fn field(field: &Field) -> Value {
    let choices = if let FieldKind::Choice(choices) = field.kind { choices } else { &[] };
    json!({
        "name": field.name,
        "label": field.label,
        "kind": kind(field.kind),
        "required": field.required,
        "choices": choices,
    })
}

/// The name of a kind of field.
pub(super) const fn kind(kind: FieldKind) -> &'static str {
    match kind {
        FieldKind::Text => "text",
        FieldKind::Lines => "lines",
        FieldKind::Room => "room",
        FieldKind::Person => "person",
        FieldKind::Duration => "duration",
        FieldKind::Time => "time",
        FieldKind::Flag => "flag",
        FieldKind::Number => "number",
        FieldKind::Secret => "secret",
        FieldKind::Choice(_) => "choice",
        FieldKind::List => "list",
    }
}

/// Gives a command.
pub(super) async fn command<S: Site>(
    Of(state): Of<State<S>>,
    Bearer { caller, .. }: Bearer,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refused> {
    let command = named(&name, &caller)?;
    let values = object(&headers, body).await?;
    Ok(give(state.site, caller, command.request(values)?).await)
}

/// A command that only looks, by an address of its own.
pub(super) async fn view<S: Site>(
    Of(state): Of<State<S>>,
    Bearer { caller, .. }: Bearer,
    Path(name): Path<String>,
    Query(query): Query<Vec<(String, String)>>,
) -> Result<Response, Refused> {
    let command = named(&name, &caller)?;
    if command.stakes != Stakes::Looks {
        let reason = "this is a command: POST it to /api/v1/commands";
        return Err(Refused::with(StatusCode::METHOD_NOT_ALLOWED, reason));
    }
    let values = query.into_iter().map(|(name, text)| {
        let value = command.fields.iter().find(|field| field.name == name);
        let value = value.map_or(Value::Null, |field| read(field.kind, &text));
        (name, if value.is_null() { Value::from(text) } else { value })
    });
    let request = command.request(values.collect())?;
    Ok(give(state.site, caller, request).await)
}

/// One room.
pub(super) async fn room<S: Site>(
    Of(state): Of<State<S>>,
    Bearer { caller, .. }: Bearer,
    Path(room): Path<String>,
) -> Result<Response, Refused> {
    let command = named("room", &caller)?;
    let request = command.request(Map::from_iter([("room".to_owned(), Value::from(room))]))?;
    Ok(give(state.site, caller, request).await)
}

/// The last hour, a minute at a time.
pub(super) async fn summary<S: Site>(Of(state): Of<State<S>>, _: Bearer) -> Json<Value> {
    Json(json!({ "minutes": state.minutes.so_far(&*state.site) }))
}

/// A text of the address as what the field takes. Null: it is the text.
fn read(kind: FieldKind, text: &str) -> Value {
    if kind == FieldKind::Flag {
        text.parse::<bool>().map_or(Value::Null, Value::from)
    } else if kind == FieldKind::Number {
        text.parse::<u64>().map_or(Value::Null, Value::from)
    } else if kind == FieldKind::List {
        text.split(',').map(Value::from).collect()
    } else {
        Value::Null
    }
}

/// The command of that name, if this caller may give it.
fn named(name: &str, caller: &Caller) -> Result<&'static Command, Refused> {
    let command = Command::named(name).ok_or_else(|| {
        Refused::new(FailureKind::NotFound, format!("there is no command `{name}`"))
    })?;
    command.authorise(caller)?;
    Ok(command)
}

/// Carries it out, though its caller may hang up meanwhile: what is half done is finished, and written down.
async fn give<S: Site>(site: Arc<S>, caller: Caller, request: Request) -> Response {
    let task = tokio::spawn(async move { site.handle(&caller, request).await });
    match timeout(PATIENCE, task).await {
        Ok(Ok(reply)) => respond(reply),
        Ok(Err(_)) => Refused::new(FailureKind::Unavailable, "it failed").into_response(),
        Err(_) => {
            Refused::with(StatusCode::GATEWAY_TIMEOUT, "it takes long, and goes on").into_response()
        }
    }
}

/// The object in a request's body; an empty body is an empty object. Only as JSON: a form of another site's page
/// cannot send that.
async fn object(headers: &HeaderMap, body: Body) -> Result<Map<String, Value>, Refused> {
    let is_json =
        headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).is_some_and(|kind| {
            kind.split(';')
                .next()
                .is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
        });
    if !is_json {
        let reason = "send JSON, with `Content-Type: application/json`";
        return Err(Refused::with(StatusCode::UNSUPPORTED_MEDIA_TYPE, reason));
    }
    let bytes = match timeout(ARRIVAL, to_bytes(body, LONGEST)).await {
        Ok(Ok(bytes)) => bytes,
        Ok(Err(_)) => {
            let reason = format!("the request is longer than {LONGEST} bytes, or broke off");
            return Err(Refused::with(StatusCode::PAYLOAD_TOO_LARGE, &reason));
        }
        Err(_) => {
            let reason = "the request did not arrive in time";
            return Err(Refused::with(StatusCode::REQUEST_TIMEOUT, reason));
        }
    };
    if bytes.is_empty() {
        return Ok(Map::new());
    }
    serde_json::from_slice(&bytes)
        .map_err(|error| Refused::new(FailureKind::Invalid, format!("this is no object: {error}")))
}
