//! `/api/v1`: commands by POST, and read-only commands by GET.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::{Body, to_bytes};
use axum::extract::{Path, Query, State as Of};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};
use tokio::sync::broadcast;
use tokio::time::timeout;

use super::access::SignedIn;
use super::history::{Minute, Totals};
use super::router::{Refused, State, respond};
use crate::control::{
    Caller, Command, FailureKind, Field, FieldKind, Handler, Impact, Request, Role, RoomLine,
    Status,
};
use crate::metrics::Registry;
use crate::store::Entry;

/// Most bytes of a request, which may contain a policy file.
const LONGEST: usize = 2 * 1024 * 1024;
/// The time limit for a request to arrive.
const ARRIVAL: Duration = Duration::from_secs(10);
/// Time after which a caller learns that the command is still running. Longer than one command to a room may take:
/// a look, five tries of a look and a change, and a look, each with the link's own limit of 15 s.
const PATIENCE: Duration = Duration::from_secs(240);

/// The caller, and the commands that they may give.
#[derive(JsonSchema, Serialize)]
pub(super) struct Commands {
    caller: Known,
    commands: Vec<Listed>,
}

/// Name and role of the caller.
#[derive(JsonSchema, Serialize)]
pub(super) struct Known {
    name: String,
    role: Role,
}

impl From<Caller> for Known {
    fn from(Caller { name, role, .. }: Caller) -> Self {
        Self { name, role }
    }
}

/// A command that the caller may give.
#[derive(JsonSchema, Serialize)]
struct Listed {
    name: &'static str,
    title: &'static str,
    about: &'static str,
    role: Role,
    stakes: &'static str,
    fields: Vec<ListedField>,
}

/// A field of a command.
#[derive(JsonSchema, Serialize)]
struct ListedField {
    name: &'static str,
    label: &'static str,
    kind: &'static str,
    required: bool,
    choices: &'static [&'static str],
}

/// Returns the commands that the caller may give.
pub(super) async fn table<S: ApiBackend>(
    Of(state): Of<State<S>>,
    SignedIn { caller, .. }: SignedIn,
) -> Json<Commands> {
    let commands = state.site.commands().iter();
    let commands = commands.filter(|command| command.authorise(&caller).is_ok());
    let listed = commands.map(|command| Listed {
        name: command.name,
        title: command.title,
        about: command.about,
        role: command.role,
        stakes: command.impact.name(),
        fields: command.fields.iter().map(field).collect(),
    });
    let listed = listed.collect();
    Json(Commands { caller: caller.into(), commands: listed })
}

fn field(field: &Field) -> ListedField {
    let choices = if let FieldKind::Choice(choices) = field.kind { choices } else { &[] };
    let Field { name, label, kind, required } = *field;
    ListedField { name, label, kind: kind.name(), required, choices }
}

/// Carries out a command, with its arguments in the body.
pub(super) async fn command<S: ApiBackend>(
    Of(state): Of<State<S>>,
    SignedIn { caller, .. }: SignedIn,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refused> {
    let command = named(&*state.site, &name, &caller)?;
    let values = object(&headers, body).await?;
    Ok(give(&state.site, caller, command.request(values)?).await)
}

/// Carries out a read-only command, with its arguments in the query.
pub(super) async fn view<S: ApiBackend>(
    Of(state): Of<State<S>>,
    SignedIn { caller, .. }: SignedIn,
    Path(name): Path<String>,
    Query(query): Query<Vec<(String, String)>>,
) -> Result<Response, Refused> {
    let command = named(&*state.site, &name, &caller)?;
    if command.impact != Impact::ReadOnly {
        let reason = "this is a command: POST it to /api/v1/commands";
        return Err(Refused::with(StatusCode::METHOD_NOT_ALLOWED, reason));
    }
    let values = query.into_iter().map(|(name, text)| {
        let value = command.fields.iter().find(|field| field.name == name);
        let value = value.map_or(Value::Null, |field| read(field.kind, &text));
        (name, if value.is_null() { Value::from(text) } else { value })
    });
    let request = command.request(values.collect())?;
    Ok(give(&state.site, caller, request).await)
}

/// Returns one room.
pub(super) async fn room<S: ApiBackend>(
    Of(state): Of<State<S>>,
    SignedIn { caller, .. }: SignedIn,
    Path(room): Path<String>,
) -> Result<Response, Refused> {
    let command = named(&*state.site, "room", &caller)?;
    let request = command.request(Map::from_iter([("room".to_owned(), Value::from(room))]))?;
    Ok(give(&state.site, caller, request).await)
}

/// The last hour, minute by minute; the last minute is not over yet.
#[derive(JsonSchema, Serialize)]
pub(super) struct Summary {
    minutes: Vec<Minute>,
}

/// Returns the last hour, minute by minute.
pub(super) async fn summary<S: ApiBackend>(Of(state): Of<State<S>>, _: SignedIn) -> Json<Summary> {
    Json(Summary { minutes: state.minutes.so_far(&*state.site) })
}

/// Converts a text of the query to the type of its field; null if the field takes the text.
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

/// Returns the command of that name, if it exists and this caller may give it.
fn named(site: &impl ApiBackend, name: &str, caller: &Caller) -> Result<&'static Command, Refused> {
    let command = Command::named(site.commands(), name).ok_or_else(|| {
        Refused::new(FailureKind::NotFound, format!("there is no command `{name}`"))
    })?;
    command.authorise(caller)?;
    Ok(command)
}

/// Carries out a request even if its caller hangs up meanwhile: what has begun is finished, and recorded.
async fn give<S: ApiBackend>(site: &Arc<S>, caller: Caller, request: Request) -> Response {
    let site = Arc::clone(site);
    let task = tokio::spawn(async move { site.handle(&caller, request).await });
    match timeout(PATIENCE, task).await {
        Ok(Ok(reply)) => respond(reply),
        Ok(Err(_)) => Refused::new(FailureKind::Unavailable, "it failed").into_response(),
        Err(_) => {
            let reason = "Timed out waiting; the command is still running.";
            Refused::with(StatusCode::GATEWAY_TIMEOUT, reason).into_response()
        }
    }
}

/// Reads the object in a request's body; an empty body is an empty object. It must be JSON, which a form on
/// another site's page cannot send.
async fn object(headers: &HeaderMap, body: Body) -> Result<Map<String, Value>, Refused> {
    let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = kind.split_once(';').map_or(kind, |(kind, _)| kind);
    if !kind.trim().eq_ignore_ascii_case("application/json") {
        let reason = "send JSON, with `Content-Type: application/json`";
        return Err(Refused::with(StatusCode::UNSUPPORTED_MEDIA_TYPE, reason));
    }
    let late = |_| Refused::with(StatusCode::REQUEST_TIMEOUT, "the request did not arrive in time");
    let broken = |_| {
        let reason = format!("the request is longer than {LONGEST} bytes, or broke off");
        Refused::with(StatusCode::PAYLOAD_TOO_LARGE, &reason)
    };
    let bytes = timeout(ARRIVAL, to_bytes(body, LONGEST)).await.map_err(late)?.map_err(broken)?;
    if bytes.is_empty() {
        return Ok(Map::new());
    }
    serde_json::from_slice(&bytes)
        .map_err(|error| Refused::new(FailureKind::Invalid, format!("this is no object: {error}")))
}

/// The component as the page and the API see it: carries out commands, and returns state.
pub trait ApiBackend: Handler {
    /// Returns why services are not under the policy; empty if every one is.
    fn readiness(&self) -> Vec<String>;
    /// Returns the rooms as they are known, in the order of their addresses.
    fn rooms(&self) -> Vec<RoomLine>;
    /// Returns the status of the component.
    fn status(&self) -> Status;
    /// Registers every metric but those of the API.
    fn register(&self, registry: &mut Registry);
    /// Returns the totals that the charts of the page are made from.
    fn totals(&self) -> Totals;
    /// Returns the present time.
    fn now(&self) -> Timestamp;
    /// Subscribes to the entries of the audit from now on.
    fn entries(&self) -> broadcast::Receiver<Arc<Entry>>;
}
