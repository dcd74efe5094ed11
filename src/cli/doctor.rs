//! `doctor`: what undoes the policy.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use serde_json::Value;

use super::out::{fail, say, working};
use super::with_file;
use crate::app;
use crate::app::commands::{Doctor, request};
use crate::config::Environment;
use crate::control::{ClientError, Reply, ask};
use crate::doctor::{Report, in_words};

/// How to look.
#[derive(Args, Clone, Copy, Debug)]
pub(super) struct Arguments {
    /// Say what the component found last, instead of having it look now
    #[arg(long)]
    last: bool,
    /// Say what is fine, too
    #[arg(long)]
    all: bool,
}

/// Has the running component look. Without one, looks at the file and at this machine.
pub(super) fn look(
    file: &Path,
    socket: Result<PathBuf, String>,
    environment: &Environment,
    arguments: Arguments,
    json: bool,
) -> ExitCode {
    let reply = match socket {
        Err(reason) => Err(reason),
        Ok(socket) => match asked(&socket, !arguments.last) {
            Ok(Ok(reply)) => Ok(reply),
            Ok(Err(error @ ClientError::Forbidden { .. })) => return fail(&error),
            Ok(Err(error)) => Err(error.to_string()),
            Err(error) => return fail(&error),
        },
    };
    match reply {
        Ok(Reply::Done(value)) => show(&value, arguments.all, json),
        Ok(Reply::Failed(failure)) => fail(&failure),
        Err(reason) => with_file(file, environment, |loaded| {
            let reason = format!("{reason}. What the server is made of needs `vestibule run`");
            print(&app::alone(file, environment, loaded, &reason), arguments.all, json)
        }),
    }
}

fn asked(socket: &Path, fresh: bool) -> Result<Result<Reply, ClientError>, String> {
    let request = request(&Doctor { fresh }).map_err(|failure| failure.to_string())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    Ok(runtime.block_on(ask(socket, &request, working())))
}

/// Shows a report as it came.
fn show(value: &Value, all: bool, json: bool) -> ExitCode {
    match serde_json::from_value::<Report>(value.clone()) {
        Ok(report) => print(&report, all, json),
        Err(error) => fail(&error),
    }
}

fn print(report: &Report, all: bool, json: bool) -> ExitCode {
    if json {
        match serde_json::to_string(report) {
            Ok(text) => say(&text),
            Err(error) => return fail(&error),
        }
    } else {
        say(&in_words(report, all));
    }
    ExitCode::from(report.exit())
}
