//! Asking the running component, and showing what it replies.

use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::Value;

use super::out::{NO, fail, note_error, say, working};
use crate::app::commands::{Verb, request};
use crate::control::{Failure, Reply, Request, Shown, ask as ask_component};

/// Asks, shows the reply, and returns the exit status for it.
pub(super) fn ask<V: Verb>(socket: Result<PathBuf, String>, verb: &V, json: bool) -> ExitCode {
    give(socket, request(verb), json)
}

/// The same, of a request.
pub(super) fn give(
    socket: Result<PathBuf, String>,
    request: Result<Request, Failure>,
    json: bool,
) -> ExitCode {
    let request = match request {
        Ok(request) => request,
        Err(failure) => return not_done(&failure),
    };
    let value = match reply(socket, &request) {
        Ok(value) => value,
        Err(status) => return status,
    };
    if json {
        say(&value);
    }
    match (request.command().show)(value) {
        Ok(Shown { text, is_complete }) => {
            if !json && !text.is_empty() {
                say(&text);
            }
            ExitCode::from(if is_complete { 0 } else { NO })
        }
        Err(error) => fail(&error),
    }
}

/// Asks; the reply, or the exit status after it was said what went wrong.
pub(super) fn reply(socket: Result<PathBuf, String>, request: &Request) -> Result<Value, ExitCode> {
    let socket = socket.map_err(|reason| fail(&reason))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| fail(&error))?;
    match runtime.block_on(ask_component(&socket, request, working())) {
        Err(error) => Err(fail(&error)),
        Ok(Reply::Failed(failure)) => Err(not_done(&failure)),
        Ok(Reply::Done(value)) => Ok(value),
    }
}

fn not_done(failure: &Failure) -> ExitCode {
    note_error(failure);
    ExitCode::from(NO)
}
