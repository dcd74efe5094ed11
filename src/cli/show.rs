//! `show`: the policy that the file gives to one room.

use std::path::Path;
use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};

use super::broken;
use super::out::{Ended, say, working};
use super::running::block_on;
use crate::app::commands::{self as declared, request};
use crate::config::{Effective, Environment, Layer, claim, effective};
use crate::control::{Reply, ServiceStatus, Status, ask};
use crate::jid::BareJid;
use crate::policy::overrides::Override;

/// Arguments of `show`.
#[derive(Args, Debug)]
pub(super) struct Arguments {
    /// The room's address
    ///
    /// Its name alone is enough where the file names one service.
    pub(super) room: String,
    /// A claim of the opener's token
    #[arg(long = "claim", value_name = "NAME=VALUE")]
    claims: Vec<String>,
}

/// Prints the policy of a room. `socket` is that of the running component, if it is known.
pub(super) fn by_file(
    file: &Path,
    environment: &Environment,
    socket: Option<&Path>,
    (room, arguments): (&BareJid, &Arguments),
    json: bool,
) -> Ended {
    let claims = arguments.claims.iter().map(|text| claim(text)).collect::<Result<Vec<_>, _>>()?;
    let found = effective(file, environment, room, &claims).map_err(broken)?;
    if json {
        say(&to_json(&found));
        return Ok(ExitCode::SUCCESS);
    }
    say(found.to_string().trim_end());
    if found.has_default_opening()
        && let Some(opening) = default_opening(socket, found.room.domain())
    {
        say(&format!("\n# on the running server, by default rooms are opened by {opening}"));
    }
    Ok(ExitCode::SUCCESS)
}

/// Returns who opens rooms of a service by default, as the running component reports it.
fn default_opening(socket: Option<&Path>, service: &str) -> Option<String> {
    service_status(socket, service)?.default_opening
}

/// Returns the state of a service, as the running component reports it.
pub(super) fn service_status(socket: Option<&Path>, service: &str) -> Option<ServiceStatus> {
    let status = request(&declared::Status {}).ok()?;
    let Ok(Reply::Done(value)) = block_on(ask(socket?, &status, working())).ok()? else {
        return None;
    };
    let status: Status = serde_json::from_value(value).ok()?;
    status.services.into_iter().find(|one| one.domain == service)
}

fn to_json(found: &Effective) -> Value {
    let values = found.values.iter().map(|value| {
        let (layer, profile) = match &value.layer {
            Layer::Default => ("default", None),
            Layer::Policy => ("policy", None),
            Layer::Profile(name) => ("profile", Some(name)),
            Layer::Room => ("room", None),
        };
        json!({
            "key": value.path.join("."),
            "value": value.text,
            "line": value.line,
            "layer": layer,
            "profile": profile,
        })
    });
    let lost = found.lost.iter().map(|(one, why)| {
        let mut value = override_to_json(one);
        if let Some(fields) = value.as_object_mut() {
            fields.insert("why".to_owned(), Value::from(why.as_str()));
        }
        value
    });
    json!({
        "room": found.room.as_str(),
        "file": found.file,
        "by": found.chosen.as_ref().map(override_to_json),
        "less_specific": lost.collect::<Vec<_>>(),
        "values": values.collect::<Vec<_>>(),
    })
}

fn override_to_json(one: &Override) -> Value {
    json!({
        "line": one.line,
        "for": one.selector.to_string(),
        "priority": one.priority,
        "profile": one.profile,
    })
}
