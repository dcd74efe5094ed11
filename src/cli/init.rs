//! `vestibule init`: its options, its questions, and what it prints.

use std::fmt::Write as _;
use std::io::{self, IsTerminal as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use clap::Args;
use clap::builder::PossibleValuesParser;
use serde_json::json;

use super::out::{self, Ended, note, say, visible};
use crate::config::is_link;
use crate::init::{
    Answers, Containers, InitError, MucService, PRESETS, Places, Plan, Preset, Site,
    docker_folders, take_back,
};
use crate::jid::BareJid;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The policy to begin with: company, school, public, board, webinar or guests-only
    #[arg(long, value_name = "NAME", value_parser = PossibleValuesParser::new(PRESETS.iter().map(|preset| preset.name)))]
    preset: Option<String>,
    /// An account that may do everything, in every room; may be given several times
    #[arg(long = "operator", value_name = "JID")]
    operators: Vec<String>,
    /// A MUC service to guard, if not all in which people meet; may be given several times. Where there is none yet, this
    /// one is made
    #[arg(long = "service", value_name = "DOMAIN")]
    services: Vec<String>,
    /// The address of meetings for invitations, with {room} in it, if not the one that Jitsi has
    #[arg(long, value_name = "URL", value_parser = link)]
    link: Option<String>,
    /// The domain of the component, if not `vestibule` below the domain of the people
    #[arg(long, value_name = "DOMAIN", value_parser = domain)]
    component: Option<String>,
    /// Only show what would change, as a diff
    #[arg(long, conflicts_with = "print")]
    dry_run: bool,
    /// Only print the files and lines, to write them by hand
    #[arg(long)]
    print: bool,
    /// Take back what earlier runs have written
    #[arg(long, conflicts_with_all = ["preset", "operators", "services", "link", "component", "print", "force_with_backup", "restart"])]
    undo: bool,
    /// Do not ask whether to go on
    #[arg(long, short)]
    yes: bool,
    /// Replace a policy file that an operator has changed, and keep a copy of it in its folder
    #[arg(long, requires = "preset")]
    force_with_backup: bool,
    /// Restart Prosody, which ends the meetings that are on, and start the component, where systemd does that
    #[arg(long)]
    restart: bool,
    /// Set up the containers of this folder of docker-jitsi-meet, instead of a Prosody on this machine
    #[arg(long, value_name = "DIR", conflicts_with_all = ["services", "component", "root", "prosody_config", "restart"])]
    docker: Option<PathBuf>,
    /// The folder of the gate for --docker, if the gate is not installed on this machine
    #[arg(long, value_name = "DIR", requires = "docker")]
    gate: Option<PathBuf>,
    /// Work below this folder instead of /
    #[arg(long, value_name = "DIR", default_value = "/")]
    root: PathBuf,
    /// Prosody's main configuration file
    #[arg(long, value_name = "FILE")]
    prosody_config: Option<PathBuf>,
    /// Prosody's command
    #[arg(long, value_name = "FILE", default_value = "prosodyctl")]
    prosodyctl: PathBuf,
}

fn link(text: &str) -> Result<String, String> {
    let is_encrypted = text.starts_with("https://");
    (is_encrypted && is_link(text))
        .then(|| text.to_owned())
        .ok_or_else(|| "like https://meet.example.org/{room}".to_owned())
}

fn domain(text: &str) -> Result<String, String> {
    let domain = BareJid::prepared(text).ok().filter(|jid| jid.node().is_none());
    domain.map(|jid| jid.to_string()).ok_or_else(|| "like vestibule.example.org".to_owned())
}

/// Finds the socket of the component, if it is known; what is wrong with the policy file is printed.
type Socket<'a> = &'a dyn Fn() -> Option<PathBuf>;

/// Runs the command.
pub(super) fn run(policy: &Path, socket: Socket<'_>, arguments: Arguments, json: bool) -> Ended {
    let done = if arguments.undo {
        undo(policy, &arguments, json)
    } else {
        set_up(policy, socket, arguments, json)
    };
    match done {
        Err(InitError::Refused(text)) => {
            out::note_error(&text);
            Ok(out::status(false))
        }
        Err(error @ InitError::System(_)) => Err(error.into()),
        Ok(status) => Ok(status),
    }
}

/// What is to be set up.
enum Target {
    Prosody(Box<Site>),
    Docker(Box<Containers>),
}

impl Target {
    /// Returns the domain for a first MUC service, where there is none.
    fn first_service(&self) -> Option<&str> {
        match self {
            Self::Prosody(site) => site.server.first_service.as_deref(),
            Self::Docker(_) => None,
        }
    }

    fn services(&self) -> &[MucService] {
        match self {
            Self::Prosody(site) => &site.server.services,
            Self::Docker(containers) => std::slice::from_ref(containers.service()),
        }
    }

    fn admins(&self) -> &[String] {
        match self {
            Self::Prosody(site) => &site.server.admins,
            Self::Docker(_) => &[],
        }
    }

    /// Returns the operators that the policy file names already.
    fn operators(&self) -> Vec<String> {
        match self {
            Self::Prosody(site) => site.operators(),
            Self::Docker(containers) => containers.operators(),
        }
    }

    fn has_policy(&self) -> bool {
        match self {
            Self::Prosody(site) => site.has_policy(),
            Self::Docker(containers) => containers.has_policy(),
        }
    }

    fn was_interrupted(&self) -> bool {
        match self {
            Self::Prosody(site) => site.was_interrupted,
            Self::Docker(containers) => containers.was_interrupted,
        }
    }

    fn plan(self, answers: &Answers) -> Result<Plan, InitError> {
        match self {
            Self::Prosody(site) => site.plan(answers),
            Self::Docker(containers) => containers.plan(answers),
        }
    }

    /// Says what was found, and where.
    fn found(&self) -> String {
        let mut text = match self {
            Self::Prosody(site) => {
                let kind = if site.server.is_jitsi { "Jitsi Meet on Prosody" } else { "Prosody" };
                format!("Found {kind}: {}", site.main().display())
            }
            Self::Docker(containers) => {
                let (folder, config) = containers.folders();
                format!(
                    "Found docker-jitsi-meet: {}, CONFIG {}",
                    folder.display(),
                    config.display()
                )
            }
        };
        let names: Vec<_> = self.services().iter().map(|service| service.domain.as_str()).collect();
        let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        _ = write!(text, "\nMUC services in which people meet: {names}");
        for service in self.services() {
            if let Some(focus) = &service.focus {
                _ = write!(text, "\n{}: the focus is {focus}", service.domain);
            }
        }
        text
    }
}

fn home() -> PathBuf {
    // `~` in the files of the person who called sudo is their home.
    let user = std::env::var_os("SUDO_USER").and_then(|user| user.into_string().ok());
    let user = user.filter(|user| user != "root");
    let homes = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let of = |user: String| {
        let line = homes.lines().find(|line| line.split(':').next() == Some(user.as_str()))?;
        line.split(':').nth(5).map(PathBuf::from)
    };
    let own = std::env::var_os("HOME").map_or_else(|| PathBuf::from("/root"), PathBuf::from);
    user.and_then(of).unwrap_or(own)
}

fn places(policy: &Path, arguments: &Arguments) -> Result<Places, InitError> {
    if let Some(folder) = &arguments.docker {
        return Containers::places(folder, &home());
    }
    Ok(Places {
        root: arguments.root.canonicalize().unwrap_or_else(|_| arguments.root.clone()),
        policy: policy.to_owned(),
        prosody: arguments.prosody_config.clone(),
        prosodyctl: arguments.prosodyctl.clone(),
        journal: None,
    })
}

/// Returns the folder of docker-jitsi-meet that is to be set up, by the option, or asked for if one is found.
fn docker(
    places: &Places,
    arguments: &Arguments,
    asks: bool,
) -> Result<Option<PathBuf>, InitError> {
    if arguments.docker.is_some() {
        return Ok(arguments.docker.clone());
    }
    if places.root != Path::new("/") || arguments.prosody_config.is_some() {
        return Ok(None);
    }
    let folders = docker_folders(&home());
    let Some(first) = folders.first() else { return Ok(None) };
    if !asks {
        return Err(InitError::Refused(format!(
            "there is a folder of docker-jitsi-meet, {}: say --docker {0}, or --prosody-config {} for the Prosody of this machine",
            first.display(),
            places.main().display()
        )));
    }
    let mut question = String::from("\nWhich server?\n");
    for (number, folder) in (1_usize..).zip(&folders) {
        _ = writeln!(question, "  {number}  docker-jitsi-meet in {}", folder.display());
    }
    let last = folders.len().saturating_add(1);
    _ = write!(question, "  {last}  the Prosody of this machine\nNumber:");
    ask(&question, |answer| {
        let number = answer.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
        match number {
            Some(number) if number == folders.len() => Ok(None),
            _ => number
                .and_then(|number| folders.get(number).cloned())
                .map(Some)
                .ok_or_else(|| format!("`{answer}` is none of them")),
        }
    })
}

fn set_up(
    policy: &Path,
    socket: Socket<'_>,
    arguments: Arguments,
    json: bool,
) -> Result<ExitCode, InitError> {
    let is_dry = arguments.dry_run || arguments.print;
    let asks = io::stdin().is_terminal() && io::stderr().is_terminal();
    let places = places(policy, &arguments)?;
    let target = match docker(&places, &arguments, asks)? {
        Some(folder) => Target::Docker(Box::new(Containers::look(
            &folder,
            &home(),
            arguments.gate.as_deref(),
            is_dry,
        )?)),
        None => Target::Prosody(Box::new(Site::look(places, is_dry)?)),
    };
    if target.was_interrupted() {
        note("An earlier run was interrupted: what it had done is taken back.");
    }
    if !json {
        note(&target.found());
    }
    let is_docker = matches!(target, Target::Docker(_));
    let answers = answers(&target, &arguments, asks)?;
    let plan = target.plan(&answers)?;
    if json {
        return as_json(plan, is_dry);
    }
    for text in plan.notes.iter().chain(&plan.unmet) {
        note(&format!("note: {text}"));
    }
    if is_dry || plan.is_empty() {
        if plan.is_empty() {
            note(if plan.unmet.is_empty() { NOTHING } else { NOTHING_ELSE });
        } else {
            let text = if arguments.print { plan.text() } else { plan.diff() };
            say(text.trim_end());
        }
        return Ok(by_hand(&plan));
    }
    if asks && !arguments.yes {
        say(plan.diff().trim_end());
        let is_meant = out::confirms(|| "This is going to be written.".to_owned());
        if !is_meant.map_err(InitError::Refused)? {
            return Err(InitError::Refused("nothing was written".to_owned()));
        }
    }
    let files = listed(&plan);
    let status = by_hand(&plan);
    // A component that does not run has not been started since an earlier run, and perhaps Prosody has not either.
    let is_running = || socket().is_some_and(|socket| UnixStream::connect(socket).is_ok());
    let reloads = plan.is_policy_alone() && (is_docker || is_running());
    plan.write()?;
    say(&visible(&files));
    if status != ExitCode::SUCCESS {
        return Ok(status);
    }
    if arguments.restart {
        return restart();
    }
    say(match (is_docker, reloads) {
        (false, false) => LEFT_TO_DO,
        (false, true) => LEFT_TO_RELOAD,
        (true, false) => LEFT_TO_DO_IN_DOCKER,
        (true, true) => LEFT_TO_RELOAD_IN_DOCKER,
    });
    Ok(status)
}

const NOTHING: &str = "Everything is as it has to be: nothing to write.";

const NOTHING_ELSE: &str = "There is nothing to write, but the server is not as it has to be: the notes say what is left to you.";

const LEFT_TO_DO: &str = "
Left to do:
  1. sudo prosodyctl check config
  2. sudo systemctl enable vestibule && sudo systemctl restart prosody vestibule
     (the restart ends the meetings that are on)
  3. sudo vestibule status --wait 30
     (says `ready` a few seconds after the restart; `vestibule doctor` looks for what else bypasses the policy)
`vestibule init --undo` takes all of it back.";

const LEFT_TO_RELOAD: &str = "
Left to do, for the policy alone has changed:
  1. sudo vestibule reload
     (meetings go on; `vestibule plan FILE` shows before what changes in them)
  2. sudo vestibule status
`vestibule init --undo` takes all of it back.";

const LEFT_TO_DO_IN_DOCKER: &str = "
Left to do, in that folder, where the image `vestibule` has been built or pulled:
  1. docker compose up -d
     (this restarts Prosody, which ends the meetings that are on)
  2. docker compose exec vestibule /vestibule status --wait 30
     (and `doctor` instead of `status` for what else bypasses the policy)
`vestibule init --docker DIR --undo` takes all of it back.";

const LEFT_TO_RELOAD_IN_DOCKER: &str = "
Left to do, in that folder, for the policy alone has changed:
  1. docker compose up -d
     (this changes nothing where the containers run already)
  2. docker compose exec vestibule /vestibule reload
  3. docker compose exec vestibule /vestibule status
`vestibule init --docker DIR --undo` takes all of it back.";

/// Returns the operator's answers: by the options, else asked for.
fn answers(target: &Target, arguments: &Arguments, asks: bool) -> Result<Answers, InitError> {
    let is_new = !target.has_policy() || arguments.preset.is_some();
    let mut preset = arguments.preset.as_deref().and_then(Preset::named);
    if preset.is_none() && is_new {
        if !asks {
            let names: Vec<_> = PRESETS.iter().map(|preset| preset.name).collect();
            let names = names.join(", ");
            return Err(InitError::Refused(format!("which policy: --preset NAME, one of {names}")));
        }
        preset = Some(ask_preset()?);
    }
    let mut operators = arguments.operators.clone();
    let mut services = arguments.services.clone();
    if operators.is_empty() {
        operators = target.operators();
    }
    if asks && is_new && !arguments.yes {
        if arguments.operators.is_empty() {
            operators =
                ask_operators(if operators.is_empty() { target.admins() } else { &operators })?;
        }
        if services.is_empty() && target.services().len() > 1 {
            services = ask_services(target.services())?;
        }
        if let Some(first) = target.first_service().filter(|_| services.is_empty()) {
            services = vec![ask_first_service(first)?];
        }
    }
    for operator in &operators {
        check_operator(operator)?;
    }
    let (link, component) = (arguments.link.clone(), arguments.component.clone());
    let replaces = arguments.force_with_backup;
    Ok(Answers { preset, operators, services, link, component, replaces })
}

fn check_operator(operator: &str) -> Result<(), InitError> {
    let is_account = BareJid::prepared(operator).is_ok_and(|jid| jid.node().is_some());
    is_account.then_some(()).ok_or_else(|| {
        InitError::Refused(format!("`{operator}` is no account, like ann@example.org"))
    })
}

/// Asks until the answer is good; the end of the input is no answer.
fn ask<T>(question: &str, read: impl Fn(&str) -> Result<T, String>) -> Result<T, InitError> {
    loop {
        _ = write!(io::stderr(), "{} ", visible(question));
        let mut answer = String::new();
        match io::stdin().read_line(&mut answer) {
            Ok(0) | Err(_) => {
                return Err(InitError::Refused("no answer, so nothing was written".to_owned()));
            }
            Ok(_) => {}
        }
        match read(answer.trim()) {
            Ok(value) => return Ok(value),
            Err(problem) => note(&problem),
        }
    }
}

fn ask_preset() -> Result<&'static Preset, InitError> {
    let mut question = String::from("\nWhich policy?\n");
    for (number, preset) in (1_usize..).zip(PRESETS) {
        _ = writeln!(question, "  {number}  {:<12} {}", preset.name, preset.about());
    }
    question.push_str("Number or name:");
    ask(&question, |answer| {
        let number = answer.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
        let by_number = number.and_then(|number| PRESETS.get(number));
        by_number
            .or_else(|| Preset::named(answer))
            .ok_or_else(|| format!("`{answer}` is none of them"))
    })
}

fn ask_operators(known: &[String]) -> Result<Vec<String>, InitError> {
    let default = if known.is_empty() { "nobody".to_owned() } else { known.join(" ") };
    let question =
        format!("\nWhich accounts may do everything, in every room? (JIDs; Enter: {default})");
    ask(&question, |answer| {
        let given: Vec<_> =
            answer.split([' ', ',']).filter(|word| !word.is_empty()).map(str::to_owned).collect();
        for operator in &given {
            check_operator(operator).map_err(|error| error.to_string())?;
        }
        Ok(if given.is_empty() { known.to_vec() } else { given })
    })
}

fn ask_first_service(first: &str) -> Result<String, InitError> {
    let question = format!("\nThere is no MUC service yet. The domain for rooms (Enter: {first}):");
    ask(&question, |answer| {
        let domain = if answer.is_empty() { first } else { answer };
        let is_domain = BareJid::prepared(domain).is_ok_and(|jid| jid.node().is_none());
        is_domain.then(|| domain.to_owned()).ok_or_else(|| format!("`{domain}` is no domain"))
    })
}

fn ask_services(services: &[MucService]) -> Result<Vec<String>, InitError> {
    let mut question = String::from("\nWhich services are to be guarded?\n");
    for (number, service) in (1_usize..).zip(services) {
        _ = writeln!(question, "  {number}  {}", service.domain);
    }
    question.push_str("Numbers or domains (Enter: all):");
    ask(&question, |answer| {
        let words = answer.split([' ', ',']).filter(|word| !word.is_empty());
        let domain = |word: &str| {
            let number = word.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
            let by_number = number.and_then(|number| services.get(number));
            let found = by_number.or_else(|| services.iter().find(|it| it.domain == word));
            found.map(|it| it.domain.clone()).ok_or_else(|| format!("`{word}` is none of them"))
        };
        words.map(domain).collect()
    })
}

/// Says which lines the operator has to write, and returns the exit status.
fn by_hand(plan: &Plan) -> ExitCode {
    if plan.manual.is_empty() {
        return out::status(plan.unmet.is_empty());
    }
    note("\nLeft to do by hand, then run `vestibule init` again:");
    for manual in &plan.manual {
        note(&format!(
            "  {}: put {} into the {} of {}\n    ({})",
            manual.at, manual.entry, manual.option, manual.place, manual.reason
        ));
    }
    out::status(false)
}

fn listed(plan: &Plan) -> String {
    let mut text = String::from("Written:\n");
    for (path, is_new) in plan.files() {
        _ = writeln!(text, "  {}{}", path.display(), if is_new { " (new)" } else { "" });
    }
    text
}

fn as_json(plan: Plan, is_dry: bool) -> Result<ExitCode, InitError> {
    let files = plan.files().into_iter();
    let files: Vec<_> =
        files.map(|(path, is_new)| json!({ "path": path, "new": is_new })).collect();
    let manual = plan.manual.iter().map(|manual| {
        json!({
            "at": manual.at,
            "place": manual.place,
            "option": manual.option,
            "entry": manual.entry,
            "reason": manual.reason,
        })
    });
    let said = json!({
        "written": !is_dry && !plan.is_empty(),
        "files": files,
        "manual": manual.collect::<Vec<_>>(),
        "notes": plan.notes.iter().chain(&plan.unmet).collect::<Vec<_>>(),
        "diff": plan.diff(),
    });
    let is_whole = plan.manual.is_empty() && plan.unmet.is_empty();
    if !is_dry {
        plan.write()?;
    }
    say(&said);
    Ok(out::status(is_whole))
}

/// Restarts Prosody and starts the component.
fn restart() -> Result<ExitCode, InitError> {
    if !Path::new("/run/systemd/system").exists() {
        return Err(InitError::Refused(
            "systemd does not run here: restart Prosody by hand".to_owned(),
        ));
    }
    for words in [&["enable", "vestibule"][..], &["restart", "prosody", "vestibule"]] {
        let done = Command::new("systemctl").args(words).status();
        if !done.is_ok_and(|status| status.success()) {
            let words = words.join(" ");
            return Err(InitError::System(format!("`systemctl {words}` failed")));
        }
    }
    say("Prosody and the component were started again: sudo vestibule status --wait 30");
    Ok(ExitCode::SUCCESS)
}

fn undo(policy: &Path, arguments: &Arguments, json: bool) -> Result<ExitCode, InitError> {
    let taken = take_back(&places(policy, arguments)?, arguments.dry_run)?;
    let refused = taken.iter().any(|file| file.is_refused);
    if json {
        let files = taken.iter().map(|file| {
            json!({ "path": file.path, "what": file.what, "diff": file.diff, "refused": file.is_refused })
        });
        say(&json!({ "done": !refused && !arguments.dry_run, "files": files.collect::<Vec<_>>() }));
        return Ok(out::status(!refused));
    }
    for file in taken.iter().filter(|file| !refused || file.is_refused) {
        say(&visible(&format!("{}: {}", file.path.display(), file.what)));
        if file.is_refused || arguments.dry_run {
            say(file.diff.trim_end());
        }
    }
    if refused {
        let text =
            "nothing was taken back: undo those changes first, or take our lines out by hand";
        return Err(InitError::Refused(text.to_owned()));
    }
    if !arguments.dry_run {
        say(if arguments.docker.is_some() {
            "\nLeft to do: docker compose up -d --remove-orphans"
        } else {
            "\nLeft to do: sudo prosodyctl shell module unload vestibule_gate; \
             sudo systemctl disable --now vestibule; sudo systemctl restart prosody"
        });
    }
    Ok(ExitCode::SUCCESS)
}
