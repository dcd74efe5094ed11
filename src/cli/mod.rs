//! The command line: the arguments of every command, and what it runs.

mod bench;
mod explain_policy;
mod fix;
mod generate;
mod incident;
mod init;
mod log;
mod out;
mod page;
mod person;
mod policy_tests;
mod replay;
mod running;
mod show;

use std::error::Error;
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use clap_complete::Shell;
use jiff::Timestamp;
use serde_json::{Value, json};

use self::out::{Ended, fail, say};
use crate::app::{self, commands as declared};
use crate::component::engine::Mode;
use crate::config::{
    self, Described, Environment, Format, LoadError, Loaded, Log, NOT_ALLOWED, Problem, Severity,
    Socket,
};
use crate::control::{Role, Typed};
use crate::password::Context;
use crate::proof::unused_entries::{Seen, see};

/// Decides who may open, enter and change the rooms of a Prosody or Jitsi Meet server, by one file.
///
/// Exit status: 0 all is well, 1 the answer is no (a wrong file, a component that is not ready, a request that was
/// refused), 2 it could not be found out.
///
/// A document that a command names, such as docs/jitsi.md, is below /usr/share/doc/vestibule; after `make install`, below
/// /usr/local/share/doc/vestibule.
#[derive(Debug, Parser)]
#[command(name = "vestibule", version, max_term_width = 100)]
struct Arguments {
    /// The policy file
    #[arg(
        long,
        short,
        global = true,
        default_value = "/etc/vestibule/component.toml",
        value_name = "FILE"
    )]
    config: PathBuf,
    /// The socket of the running component, if not the one that the file names
    #[arg(long, global = true, value_name = "PATH")]
    socket: Option<PathBuf>,
    /// Print JSON
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Run the component
    Run {
        /// Enforce nothing: write down what would have been decided
        #[arg(long)]
        observe: bool,
    },
    /// Set a server up: write a short policy file, the secret, and the lines for Prosody, or take that back
    ///
    /// It asks what no option says, shows what it is going to change, and writes all of it or nothing. Without a
    /// terminal, --preset is needed; everything else has a default.
    ///
    /// Exit status: 0 all is as it has to be, 1 something is left to do by hand or stands against it, 2 it could not be
    /// found out.
    Init(init::Arguments),
    /// Say whether the file is valid, and everything that is wrong with it
    Check {
        /// The file, if not the one of --config
        file: Option<PathBuf>,
        /// Also show which overrides, bans and exceptions nothing in this decision log or audit database has matched
        #[arg(long, value_name = "LOG")]
        log: Option<PathBuf>,
    },
    /// Report the state of the running component
    ///
    /// Exit status: 0 ready, 1 not ready, 2 component unreachable.
    Status {
        /// Wait up to this long until it is ready, also for the component to start
        #[arg(long, value_name = "SECONDS")]
        wait: Option<u64>,
    },
    /// Say what on the server, in the file and on this machine bypasses the policy, and which line to change
    ///
    /// Exit status: 0 nothing found, 1 a warning or worse, 2 a server could not be asked.
    Doctor(running::Arguments),
    /// Say what would be decided on an attempt, by which rule and line, and what would change it
    Explain {
        /// Ask the running component, about the room as it is, instead of the file
        #[arg(long)]
        live: bool,
        #[command(flatten)]
        attempt: Box<Described>,
    },
    /// Print the policy of a room by the file, where each value comes from, and why
    Show(show::Arguments),
    /// Print in plain words, for participants and moderators, how meetings are protected by the file
    ExplainPolicy(explain_policy::Arguments),
    /// Decide recorded attempts again, by this policy or another, and print which would be decided differently
    Replay(replay::Arguments),
    /// Run policy tests, and print those that fail
    Test(policy_tests::Arguments),
    /// Print the derived password of a room, or its derived host code
    Password {
        /// The room's address
        ///
        /// Its name alone is enough where the file names one service.
        room: String,
        /// The host code (`moderators.code`) instead of the password
        #[arg(long)]
        code: bool,
        /// For this time instead of now
        #[arg(long, value_name = "RFC3339")]
        at: Option<Timestamp>,
    },
    /// Search the audit: what was decided, what operators did, who came and went
    Log(log::Arguments),
    /// Print the address that opens the page, logged in for 12 hours
    Page {
        /// What the session may do: viewer, duty or operator
        #[arg(long, default_value = "operator", value_parser = role)]
        role: Role,
    },
    /// Print the completion script of a shell
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Write a man page for the program and one for each command
    Man {
        /// The directory to write them to
        directory: PathBuf,
    },
    /// Print the JSON Schema of component.toml, for editors
    Schema,
    /// Print a new token for the API, this once, and the table that admits it
    Token {
        /// The name of its owner, for the audit
        #[arg(long)]
        name: String,
        /// What it may be used for: viewer, duty or operator
        #[arg(long, value_parser = role)]
        role: Role,
    },
    #[command(flatten)]
    Given(declared::Given),
    #[command(flatten)]
    Other(running::Other),
    /// Load the server with joins, in rooms of its own, and report how many it answers, and how fast
    ///
    /// For a quiet hour: people who are there notice. It shows its plan and asks, and ends its rooms in any case (docs/scale.md).
    ///
    /// Exit status: 0 measured, 1 refused or interrupted, 2 it could not be measured.
    Bench(bench::Arguments),
    /// Put everything about an incident into one file, after a ban, or after closing or ending the room, if asked to
    Incident(incident::Arguments),
    /// Hand out, or erase, what is kept on one person
    #[command(subcommand)]
    Person(person::Asked),
    /// Say what another file would do to the rooms and people that are there, and change nothing
    Plan {
        /// The file
        file: PathBuf,
    },
    /// Make the running component read its file again; one that would remove too many people is refused
    Reload {
        /// Reload whatever that does to the people who are there
        #[arg(long, conflicts_with = "plan")]
        force: bool,
        /// Only show what it would do
        #[arg(long)]
        plan: bool,
    },
}

/// Runs the command line.
pub fn main() -> ExitCode {
    carry_out(Arguments::parse()).unwrap_or_else(|error| fail(&error))
}

fn carry_out(arguments: Arguments) -> Ended {
    let environment = Environment::of_process();
    let Arguments { config: file, socket, json, verb } = arguments;
    let found = || match socket.clone() {
        Some(socket) => Ok(socket),
        None => match config::socket(&file, &environment) {
            Ok(Socket { path, problem }) => {
                if let Some(problem) = problem {
                    out::note(&problem);
                    out::note(&format!("so the component is asked by `{}`", path.display()));
                }
                Ok(path)
            }
            Err(error) => Err(unknown_socket(&file, &error)),
        },
    };
    let loaded = |file: &Path| config::load_to_look(file, &environment).map_err(broken);
    match verb {
        Verb::Person(asked) => person::run(asked, found(), json),
        Verb::Incident(arguments) => incident::run(&arguments, found(), json),
        Verb::Bench(arguments) => bench::run(&file, &loaded(&file)?, found(), arguments, json),
        Verb::Init(arguments) => init::run(&file, &|| found().ok(), arguments, json),
        Verb::Run { observe } => run(file, environment, observe),
        Verb::Check { file: other, log } => {
            check(&other.unwrap_or(file), log.as_deref(), &environment, json)
        }
        Verb::Explain { live: true, attempt } => {
            running::ask(found(), &declared::Explain { attempt: *attempt }, json)
        }
        Verb::Explain { live: false, attempt } => {
            running::by_file(&file, &loaded(&file)?, &attempt, json)
        }
        Verb::Show(arguments) => {
            let room = running::room_of(&loaded(&file)?, &arguments.room)?;
            show::by_file(&file, &environment, found().ok().as_deref(), (&room, &arguments), json)
        }
        Verb::ExplainPolicy(arguments) => {
            let socket = found().ok();
            explain_policy::by_file(&file, &environment, socket.as_deref(), &arguments, json)
        }
        Verb::Replay(arguments) => {
            let database = || config::database(&file, &environment);
            let policy = arguments.policy.as_ref().unwrap_or(&file);
            replay::by_file(&loaded(policy)?, &arguments, database, json)
        }
        Verb::Test(arguments) => policy_tests::by_file(&file, &loaded(&file)?, &arguments, json),
        Verb::Password { room, code, at } => {
            let loaded = to_run(&file, &environment)?;
            let room = running::room_of(&loaded, &room)?;
            let context = if code { Context::Code } else { Context::Password };
            generate::by_file(&loaded, &room, context, at.unwrap_or_else(app::now))
        }
        Verb::Status { wait } => running::report_status(found(), wait, json),
        Verb::Doctor(arguments) => running::look(&file, found(), &environment, arguments, json),
        Verb::Log(arguments) => log::by_arguments(&file, found(), &environment, &arguments, json),
        Verb::Page { role } => page::page(found(), role, json),
        Verb::Completions { shell } => {
            generate::completions(shell);
            Ok(ExitCode::SUCCESS)
        }
        Verb::Man { directory } => generate::man_pages(&directory),
        Verb::Schema => {
            say(&format!("{:#}", config::json_schema()));
            Ok(ExitCode::SUCCESS)
        }
        Verb::Token { name, role } => generate::print(&name, role, json),
        Verb::Given(given) => running::give_command(given, found(), json),
        Verb::Other(other) => running::give_other(other, found(), json),
        Verb::Plan { file: other } => match config::load(&other, &environment) {
            Ok(loaded) => {
                let (path, text) = (absolute(&other), Some(Typed(loaded.text)));
                running::ask(found(), &declared::Plan { path, text }, json)
            }
            Err(error) => {
                let (text, kind) = config::report(&Err(error), app::now());
                out::note(text.trim_end());
                Ok(ExitCode::from(kind.code()))
            }
        },
        Verb::Reload { plan: true, .. } => running::ask(found(), &declared::Plan::default(), json),
        Verb::Reload { force, plan: false } => {
            running::ask(found(), &declared::Reload { force }, json)
        }
    }
}

/// Returns the absolute path of a file, since the component may run in another directory.
fn absolute(file: &Path) -> String {
    std::path::absolute(file).unwrap_or_else(|_| file.to_owned()).display().to_string()
}

fn role(word: &str) -> Result<Role, String> {
    let roles = Role::ALL.into_iter();
    roles.clone().find(|role| role.name() == word).ok_or_else(|| {
        let names: Vec<_> = roles.map(Role::name).collect();
        format!("one of {}", names.join(", "))
    })
}

fn run(file: PathBuf, environment: Environment, observe: bool) -> Ended {
    let loaded = to_run(&file, &environment)?;
    log_to_stderr(&loaded.settings.log);
    for warning in loaded.warnings_at(app::now()) {
        tracing::warn!("{}", warning.to_string().trim_start_matches("warning: "));
    }
    let mode = if observe { Mode::Observe } else { Mode::Enforce };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(app::RunError::System)?;
    runtime.block_on(app::run(file, environment, loaded, mode))?;
    Ok(ExitCode::SUCCESS)
}

fn check(file: &Path, log: Option<&Path>, environment: &Environment, json: bool) -> Ended {
    let result = config::load_to_look(file, environment);
    let (text, kind) = config::report(&result, app::now());
    if !json {
        say(text.trim_end());
    }
    let mut unmet = None;
    if let (Ok(loaded), Some(log)) = (&result, log) {
        let mut seen = Seen::default();
        see(&loaded.policy, BufReader::new(replay::decisions(log)?), &mut seen)?;
        let words = unmet.insert(seen.words(&loaded.file, &loaded.policy));
        if !json {
            say(words.trim_end());
        }
    }
    if json {
        say(&checked(file, &result, unmet.as_deref()));
    }
    Ok(ExitCode::from(kind.code()))
}

/// Returns the result of `check` as JSON.
fn checked(file: &Path, result: &Result<Loaded, LoadError>, unmet: Option<&str>) -> Value {
    let problem = |problem: &Problem| {
        json!({
            "severity": problem.severity.name(),
            "file": problem.file,
            "line": problem.line,
            "column": problem.column,
            "key": problem.path,
            "message": problem.message,
            "suggestion": problem.suggestion,
        })
    };
    let problems: Vec<_> = match result {
        Ok(loaded) => loaded.warnings_at(app::now()).map(problem).collect(),
        Err(LoadError::Invalid(problems)) => problems.iter().map(problem).collect(),
        Err(error @ LoadError::Unreadable(_, source)) => {
            vec![
                json!({ "severity": Severity::Error.name(), "message": format!("{error}: {source}") }),
            ]
        }
    };
    json!({
        "file": file.display().to_string(),
        "valid": result.is_ok(),
        "revision": result.as_ref().ok().map(|loaded| loaded.policy.revision.as_str()),
        "problems": problems,
        "unmet": unmet.map(|words| words.lines().collect::<Vec<_>>()),
    })
}

/// Reads a file to run with it.
fn to_run(file: &Path, environment: &Environment) -> Result<Loaded, Box<dyn Error>> {
    config::load(file, environment).map_err(broken)
}

/// Returns why the control socket of the component is not known.
fn unknown_socket(file: &Path, error: &io::Error) -> String {
    let file = file.display();
    if error.kind() == io::ErrorKind::PermissionDenied {
        return format!("cannot read {file}: {NOT_ALLOWED}");
    }
    if error.kind() == io::ErrorKind::NotFound {
        return format!(
            "there is no {file}: `vestibule init` writes it; or give --config, or --socket"
        );
    }
    format!(
        "the socket is not known, for {file} cannot be read ({error}): give --socket or --config"
    )
}

/// Returns the errors of a file, as `check` reports them.
fn broken(error: LoadError) -> Box<dyn Error> {
    let (text, _) = config::report(&Err(error), app::now());
    text.trim_end().into()
}

fn log_to_stderr(log: &Log) {
    use tracing_subscriber::{EnvFilter, fmt};

    let filter = EnvFilter::try_new(&log.level).unwrap_or_else(|_| EnvFilter::new("info"));
    // A line that cannot be written is dropped: reporting that, on the same stderr, would panic.
    let builder = fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_target(false)
        .log_internal_errors(false);
    match log.format {
        Format::Text => {
            builder.with_ansi(io::IsTerminal::is_terminal(&io::stderr())).init();
        }
        Format::Json => builder.json().init(),
    }
}
