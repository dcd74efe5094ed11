//! `bench`: loads the operator's own server with joins, in rooms of its own, and reports what that took.

mod client;
mod load;
mod scram;

use std::error::Error;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::client::{Account, ClientError, Entered, Login, Session};
use self::load::{Counted, Crowd, Step, Target, next_rate};
use super::out::{Ended, confirms, note, say, status, visible};
use super::running::{block_on, password};
use crate::app::commands::{End, Explain, Explained, Password, Rooms, Status, Verb, request};
use crate::app::now;
use crate::config::{Described, Loaded, counted};
use crate::control::{self, Reply, Typed, ask};
use crate::jid::BareJid;
use crate::policy::Rules;
use crate::policy::rules::SWITCHES;
use crate::secret::Secret;

/// Beginning of the names of all rooms that a bench opens.
const PREFIX: &str = "vestibule-bench-";
/// Log-ins at a time.
const LOG_INS: usize = 8;
/// Most steps from the first rate to the highest, and between two of them.
const STEPS: u32 = 10;
/// Longest wait for the rooms to be gone.
const GONE: Duration = Duration::from_secs(5);

/// Arguments of `bench`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The server's port for clients
    #[arg(long, default_value = "127.0.0.1:5222", value_name = "HOST:PORT")]
    server: String,
    /// The MUC service, if the file names several
    #[arg(long, value_name = "DOMAIN")]
    service: Option<String>,
    /// The host at which guests log in, if not the one that the component knows
    #[arg(long, value_name = "DOMAIN", conflicts_with = "account")]
    host: Option<String>,
    /// Log in by this account instead of as guests
    ///
    /// Its password is the first line of --password-file, or of the standard input.
    #[arg(long, value_name = "JID", value_parser = account_jid)]
    account: Option<BareJid>,
    /// The file with the account's password
    #[arg(long, value_name = "FILE", requires = "account")]
    password_file: Option<PathBuf>,
    /// The address at which clients ask Jitsi's focus for a room, if not `focus` below the host
    #[arg(long, value_name = "JID")]
    focus: Option<String>,
    /// Highest rate, in joins a second, at most 500
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=500))]
    rate: u32,
    /// Length of the step at each rate, in seconds, at most 30
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=30))]
    seconds: u32,
    /// Sessions that join and leave, at most 200
    #[arg(long, default_value_t = 40, value_parser = clap::value_parser!(u32).range(1..=200))]
    sessions: u32,
    /// Rooms, each opened by a session that stays inside, at most 50
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=50))]
    rooms: u32,
    /// The server keeps up while nine of ten joins take at most so many milliseconds
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(10..=5000))]
    bound: u32,
    /// Do not ask whether to go on
    #[arg(long, short)]
    yes: bool,
}

fn account_jid(text: &str) -> Result<BareJid, String> {
    let jid = text.parse::<BareJid>().map_err(|error| error.to_string())?;
    match jid.node() {
        Some(_) => Ok(jid),
        None => Err(format!("an account is like load@{jid}")),
    }
}

/// The running component, over its control socket.
struct Component(PathBuf);

impl Component {
    async fn give<V: Verb>(&self, verb: &V) -> Result<V::Reply, Box<dyn Error>> {
        match ask(&self.0, &request(verb)?, |_| {}).await? {
            Reply::Done(value) => Ok(serde_json::from_value(value)?),
            Reply::Failed(failure) => Err(failure.into()),
        }
    }

    /// Returns what would become of a join of a room by that person, with this password.
    async fn explain(
        &self,
        room: &str,
        jid: &str,
        nick: &str,
        password: &str,
    ) -> Result<Explained, Box<dyn Error>> {
        let attempt = Described {
            room: room.to_owned(),
            jid: jid.to_owned(),
            nick: Some(nick.to_owned()),
            password: password.to_owned(),
            ..Described::default()
        };
        self.give(&Explain { attempt }).await
    }

    /// Returns the open rooms whose names begin like that.
    async fn rooms(&self, prefix: &str) -> Result<Vec<String>, Box<dyn Error>> {
        let all = self.give(&Rooms {}).await?.0.into_iter();
        Ok(all.map(|it| it.room).filter(|room| room.starts_with(prefix)).collect())
    }
}

/// What is going to be done.
struct Plan {
    login: Login,
    /// Addresses of the rooms.
    rooms: Vec<String>,
    /// Beginning of their names, with its random part.
    prefix: String,
    /// Address at which the focus is asked for a room before it is opened, on Jitsi.
    focus: Option<String>,
    rate: u32,
    seconds: u32,
    sessions: u32,
    bound: Duration,
}

/// A rule that stands against it.
struct Obstacle {
    rule: String,
    /// Its line; 0: the built-in default.
    line: u32,
    why: String,
}

impl Obstacle {
    /// Returns the rule that decides otherwise than to let the person in, if one does.
    fn of(explained: &Explained, what: &str) -> Option<Self> {
        let told = explained.told.as_ref().map(|told| format!(" ({told})")).unwrap_or_default();
        (explained.verdict != "allow").then(|| Self {
            rule: explained.rule.clone(),
            line: explained.line,
            why: format!("{what}: {}{told}", explained.verdict),
        })
    }
}

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
enum BenchError {
    #[error("{0}")]
    Client(#[from] ClientError),
    #[error("{0}")]
    Component(String),
    #[error("{0}")]
    Refused(String),
    #[error("interrupted")]
    Interrupted,
}

impl From<Box<dyn Error>> for BenchError {
    fn from(error: Box<dyn Error>) -> Self {
        Self::Component(error.to_string())
    }
}

/// Shows the plan, has it confirmed, loads the server, and prints what was measured.
pub(super) fn run(
    file: &Path,
    loaded: &Loaded,
    socket: Result<PathBuf, String>,
    arguments: Arguments,
    json: bool,
) -> Ended {
    let component = Component(socket?);
    let password =
        arguments.account.is_some().then(|| password(arguments.password_file.as_deref()));
    let password = password.transpose()?.map(|Typed(password)| password);
    let is_meant = arguments.yes;
    block_on(async {
        let state = component.give(&Status {}).await?;
        if !state.ready {
            return Err("the component is not ready: `vestibule status` says why".into());
        }
        let plan = Plan::new(loaded, &state, arguments, password)?;
        let there = component.rooms(PREFIX).await?;
        if let Some(room) = there.first() {
            note(&format!(
                "{room} is open: another bench runs, one was killed (`vestibule end-many --match '{PREFIX}*'` ends its rooms), \
                 or a room is named like one; nothing was done"
            ));
            return Ok(status(false));
        }
        note(&plan.in_words(&state));
        let obstacles = plan.obstacles(loaded, &state, &component).await?;
        if !obstacles.is_empty() {
            note(&against(&obstacles, file));
            return Ok(status(false));
        }
        if !is_meant && !confirms(|| "This loads the server.".to_owned())? {
            note("nothing was done");
            return Ok(status(false));
        }
        carry_out(&plan, &component, file, json).await
    })?
}

impl Plan {
    fn new(
        loaded: &Loaded,
        state: &control::Status,
        arguments: Arguments,
        password: Option<Secret>,
    ) -> Result<Self, Box<dyn Error>> {
        let Arguments { service, host, account, rate, seconds, sessions, .. } = arguments;
        let mut services = state.services.iter();
        let all = services.clone().map(|it| it.domain.as_str()).collect::<Vec<_>>().join(", ");
        let service = match service {
            Some(domain) => services
                .find(|it| it.domain == domain)
                .ok_or_else(|| format!("the component has no service `{domain}`: it has {all}"))?,
            None => match state.services.as_slice() {
                [only] => only,
                _ => return Err(format!("say by --service which of {all}").into()),
            },
        };
        let proves = |what: &str| {
            let hosts = service.log_ins.iter();
            hosts.filter(|it| it.proves.as_deref() == Some(what)).map(|it| it.host.clone()).next()
        };
        let host = match &account {
            Some(account) => account.domain().to_owned(),
            None => host.or_else(|| proves("guest")).or_else(|| proves("token")).ok_or(
                "guests log in to no host of this server: say which by --host, or give --account",
            )?,
        };
        let mut random = [0; 4];
        getrandom::fill(&mut random).map_err(|it| format!("no random numbers: {it}"))?;
        let prefix = format!("{PREFIX}{}", hex::encode(random));
        let rooms = (1..=arguments.rooms).map(|it| format!("{prefix}-{it}@{}", service.domain));
        let rooms: Vec<_> = rooms.collect();
        let asks_focus = rooms.first().and_then(|room| {
            let room = room.parse::<BareJid>().ok()?;
            Some(loaded.policy.asks_focus(&room, &host.parse().ok()?))
        });
        let focus = arguments.focus.unwrap_or_else(|| format!("focus.{host}"));
        let account = account.zip(password).map(|(jid, password)| Account::new(jid, password));
        Ok(Self {
            login: Login { server: arguments.server, host, account },
            rooms,
            prefix,
            focus: asks_focus.unwrap_or_default().then_some(focus),
            rate,
            seconds,
            sessions,
            bound: Duration::from_millis(arguments.bound.into()),
        })
    }

    /// Most people in a room at a time, the one who opened it among them.
    fn people(&self) -> u32 {
        let rooms = u32::try_from(self.rooms.len()).unwrap_or(u32::MAX);
        self.sessions.div_ceil(rooms.max(1)).saturating_add(1)
    }

    /// Returns the nick of a session in every room.
    fn nick(&self, jid: &str, number: usize) -> String {
        // Jitsi may require of guests what its clients do: the beginning of their address.
        let node = jid.split('@').next().filter(|_| self.focus.is_some());
        let guest = node.filter(|_| self.login.account.is_none());
        match guest {
            Some(node) => node.chars().take(8).collect(),
            None => format!("bench_{number}"),
        }
    }

    /// Longest time that the steps take.
    fn length(&self) -> Duration {
        Duration::from_secs(self.seconds.saturating_mul(STEPS).into())
    }

    fn in_words(&self, state: &control::Status) -> String {
        let Self { login, rooms, prefix, rate, seconds, sessions, .. } = self;
        let who = match &login.account {
            Some(account) => format!("by the account {}", account.jid()),
            None => format!("as guests of {}", login.host),
        };
        let service = rooms.first().and_then(|room| room.split_once('@')).map_or("?", |it| it.1);
        let mut words = format!(
            "Plan: {} to {}, {who}.\n  {} named {prefix}-… on {service}, each opened by a session that stays; {} that join one \
             of them and leave, again and again.\n  Up to {rate} joins a second, in at most {STEPS} steps of {seconds} s; it \
             ends when nine of ten joins take more than {} ms, or many are refused.\n  The rooms are ended afterwards, also \
             after Ctrl-C. What is done stands in the audit.",
            counted(
                sessions.saturating_add(self.rooms.len().try_into().unwrap_or(u32::MAX)) as usize,
                "session",
                "sessions"
            ),
            login.server,
            counted(rooms.len(), "room", "rooms"),
            counted(*sessions as usize, "session", "sessions"),
            self.bound.as_millis(),
        );
        if let Some(focus) = &self.focus {
            let _ = write!(
                words,
                "\n  Jitsi's focus at {focus} is asked for each room, and counts people as in any meeting."
            );
        }
        if state.rooms > 0 {
            let there = counted(state.rooms, "room is", "rooms are");
            let _ = write!(words, "\n  {there} open now: the people in them will notice.");
        }
        words
    }

    /// Returns the rules that would refuse it: by the running component as far as it can say before there is a room, and by
    /// the numbers of the file.
    async fn obstacles(
        &self,
        loaded: &Loaded,
        state: &control::Status,
        component: &Component,
    ) -> Result<Vec<Obstacle>, Box<dyn Error>> {
        let Some(room) = self.rooms.first() else { return Ok(Vec::new()) };
        let person = match &self.login.account {
            Some(account) => account.jid().to_string(),
            None => format!("{PREFIX}guest@{}", self.login.host),
        };
        let opening = component.explain(room, &person, &self.nick(&person, 0), "right").await?;
        let mut obstacles: Vec<_> = Obstacle::of(&opening, "opening a room").into_iter().collect();
        if loaded.policy.revision != state.revision {
            note("the file is not the one in force, so its limits were not looked at");
            return Ok(obstacles);
        }
        let room = room.parse::<BareJid>()?;
        let rules = loaded.policy.rules_for(&room, &[]);
        let rules = loaded.policy.exceptions.in_room(&rules, &room, now());
        let limits = self.limits(&rules).into_iter();
        obstacles.extend(limits.filter(|limit| limit.rule != opening.rule));
        Ok(obstacles)
    }

    /// Returns the limits of the file that so many joins reach.
    fn limits(&self, rules: &Rules) -> Vec<Obstacle> {
        let (limits, close) = (&rules.limits, &rules.close);
        let (people, length) = (self.people(), self.length());
        let is_guest = self.login.account.is_none();
        let reaches = |limit: u32, count: u32| limit > 0 && count > limit;
        let ends = |limit: Option<Duration>| limit.is_some_and(|limit| limit < length);
        let rooms = u32::try_from(self.rooms.len()).unwrap_or(u32::MAX);
        let all = [
            (
                reaches(limits.occupants.value, people),
                limits.occupants.rule(),
                format!("up to {people} people are in a room"),
            ),
            (
                is_guest && limits.flood_strangers.value > 0,
                limits.flood_strangers.rule(),
                "guests join one after the other".to_owned(),
            ),
            (
                !is_guest && reaches(limits.rooms_per_opener.value, rooms),
                limits.rooms_per_opener.rule(),
                format!("one account opens {rooms} rooms"),
            ),
            (
                ends(limits.duration.value),
                limits.duration.rule(),
                format!("it takes up to {} s", length.as_secs()),
            ),
            (
                reaches(close.at_occupants.value, people),
                close.at_occupants.rule(),
                format!("up to {people} people are in a room"),
            ),
            (
                ends(close.after.value),
                close.after.rule(),
                format!("it takes up to {} s", length.as_secs()),
            ),
        ];
        let reached = all.into_iter().filter(|(is_reached, ..)| *is_reached);
        reached
            .map(|(_, rule, why)| Obstacle { rule: rule.name.to_owned(), line: rule.line, why })
            .collect()
    }
}

/// Describes what stands against it, with the lines that let it happen.
fn against(obstacles: &[Obstacle], file: &Path) -> String {
    let mut words = "The policy would refuse it, so nothing was measured:".to_owned();
    for Obstacle { rule, line, why } in obstacles {
        let place = match line {
            0 => "built-in default".to_owned(),
            line => format!("{}:{line}", file.display()),
        };
        let _ = write!(words, "\n  {rule} ({place}): {why}");
    }
    let lifts = |it: &&Obstacle| SWITCHES.iter().any(|switch| switch.name == it.rule);
    let (lifted, fixed): (Vec<_>, Vec<_>) = obstacles.iter().partition(lifts);
    for Obstacle { rule, .. } in fixed {
        let _ = write!(words, "\n{rule} has no exceptions: what it says has to be mended first.");
    }
    if !lifted.is_empty() {
        let rules: Vec<_> = lifted.iter().map(|it| format!("\"{}\"", it.rule)).collect();
        let until = now().checked_add(SignedDuration::from_hours(24)).unwrap_or(Timestamp::MAX);
        let _ = write!(
            words,
            "\nThese lines in {} let it happen in its rooms alone, until tomorrow (`vestibule reload` after it):\n\n[[exception]]\nroom = \
             \"{PREFIX}*\"\nrules = [{}]\nuntil = \"{}\"\nreason = \"vestibule bench\"\n",
            file.display(),
            rules.join(", "),
            until.strftime("%Y-%m-%d"),
        );
    }
    words
}

/// What a bench has made on the server.
#[derive(Default)]
struct Made {
    /// Rooms that it opened.
    rooms: Vec<String>,
    openers: (TaskTracker, CancellationToken),
    joiners: (TaskTracker, CancellationToken),
}

impl Made {
    /// Ends the rooms and the sessions. Returns the rooms that are open all the same, or why that is not known.
    async fn end(self, component: &Component, prefix: &str) -> Result<Vec<String>, Box<dyn Error>> {
        let finish = async |(tasks, until): (TaskTracker, CancellationToken)| {
            until.cancel();
            tasks.close();
            tasks.wait().await;
        };
        // A join that comes after the end would open the room again.
        finish(self.joiners).await;
        for room in self.rooms {
            let reason = "The measurement is over.".to_owned();
            if let Err(error) = component.give(&End { room: room.clone(), reason }).await {
                note(&format!("{room} could not be ended: {error}"));
            }
        }
        finish(self.openers).await;
        let until = tokio::time::Instant::now().checked_add(GONE);
        loop {
            let left = component.rooms(prefix).await?;
            if left.is_empty() || until.is_none_or(|until| until <= tokio::time::Instant::now()) {
                return Ok(left);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

/// Resolves when a signal asks for the end.
async fn interrupted() -> BenchError {
    let signals = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
    let all = signals.into_iter().filter_map(|kind| signal(kind).ok());
    let waits = all.map(|mut signal| async move {
        signal.recv().await;
    });
    let mut any: stream::FuturesUnordered<_> = waits.collect();
    any.next().await;
    BenchError::Interrupted
}

/// Loads the server, cleans up in any case, and prints what was measured.
async fn carry_out(plan: &Plan, component: &Component, file: &Path, json: bool) -> Ended {
    let (mut made, mut steps) = (Made::default(), Vec::new());
    let ended = tokio::select! {
        biased;
        reason = interrupted() => Err(reason),
        ended = measure(plan, component, file, &mut made, &mut steps) => ended,
    };
    let has_opened = !made.rooms.is_empty();
    let left = made.end(component, &plan.prefix).await;
    let is_clean = matches!(&left, Ok(left) if left.is_empty());
    let cleaned = match &left {
        Ok(left) if left.is_empty() && has_opened => "Its rooms are ended.".to_owned(),
        Ok(left) if left.is_empty() => "No room was opened.".to_owned(),
        Ok(left) => format!(
            "STILL OPEN: {}. `vestibule end-many --match '{PREFIX}*'` ends them",
            left.join(", ")
        ),
        Err(error) => format!("whether its rooms are ended is not known: {error}"),
    };
    let result = Report::new(plan, steps, left.unwrap_or_default());
    if json {
        say(&json!(result));
    } else if !result.steps.is_empty() {
        say(&visible(&result.in_words()));
    }
    note(&cleaned);
    match ended {
        Ok(()) => Ok(status(is_clean)),
        Err(error @ (BenchError::Refused(_) | BenchError::Interrupted)) => {
            note(&error);
            Ok(status(false))
        }
        Err(error) => Err(error.into()),
    }
}

/// Opens the rooms, and has them joined at growing rates.
async fn measure(
    plan: &Plan,
    component: &Component,
    file: &Path,
    made: &mut Made,
    steps: &mut Vec<Step>,
) -> Result<(), BenchError> {
    let secret = Secret::random().map_err(|it| BenchError::Component(it.to_string()))?;
    let mut targets = Vec::new();
    for (number, room) in plan.rooms.iter().enumerate() {
        targets.push(open(plan, made, (number, room), &secret).await?);
    }
    let log_ins = (0..plan.sessions as usize).map(|_| Session::open(&plan.login));
    let mut log_ins = stream::iter(log_ins).buffer_unordered(LOG_INS);
    let mut sessions = Vec::new();
    while let Some(session) = log_ins.next().await {
        let session = session?;
        let nick = plan.nick(&session.jid, plan.rooms.len().saturating_add(sessions.len()));
        sessions.push((session, nick));
    }
    for (session, nick) in sessions.first().into_iter() {
        for target in &mut targets {
            look_before(component, (session, nick), target, file).await?;
        }
    }
    let mut crowd = Crowd::start(sessions, &made.joiners.0, &made.joiners.1);
    let mut rates = Vec::new();
    while let Some(rate) = next_rate(&rates, plan.rate) {
        note(&format!("{rate} joins a second, for {} s", plan.seconds));
        let before = component.give(&Status {}).await?;
        let measured = crowd.step(&targets, rate, plan.seconds, plan.bound).await?;
        let after = component.give(&Status {}).await?;
        let step = Step::new(rate, measured, plan.bound, between(&before, &after));
        rates.push((rate, step.kept_up));
        let is_refused = step.is_refused();
        steps.push(step);
        if is_refused {
            let reason = "too many joins are refused for the others to mean anything: `vestibule log --since 5m` says by which rule";
            return Err(BenchError::Refused(reason.to_owned()));
        }
    }
    Ok(())
}

/// Opens a room by a session that stays inside. Returns how it is joined, for now with a password.
async fn open(
    plan: &Plan,
    made: &mut Made,
    (number, room): (usize, &str),
    secret: &Secret,
) -> Result<Target, BenchError> {
    let mut session = Session::open(&plan.login).await?;
    if let Some(focus) = &plan.focus
        && let Some(reason) = session.ask_focus(focus, room).await?
    {
        return Err(BenchError::Refused(format!("the focus refuses {room}: {reason}")));
    }
    if plan.focus.is_some() {
        made.rooms.push(room.to_owned());
    }
    let nick = plan.nick(&session.jid, number);
    match session.join(room, &nick, Some(secret.expose())).await? {
        Entered::In { created } if created || plan.focus.is_some() => {
            if plan.focus.is_none() {
                made.rooms.push(room.to_owned());
            }
            made.openers.0.spawn(session.stay(made.openers.1.clone()));
        }
        Entered::In { .. } => {
            session.leave(room, &nick).await?;
            session.close().await;
            return Err(BenchError::Refused(format!(
                "{room} was there before, so it is left alone"
            )));
        }
        Entered::Refused(reason) => {
            session.close().await;
            return Err(BenchError::Refused(format!("{room} could not be opened: {reason}")));
        }
    }
    Ok(Target { room: room.to_owned(), password: Some(secret.clone()) })
}

/// Gives a room a password that is known, if one is asked for at its door, and makes sure that it opens it.
async fn look_before(
    component: &Component,
    (session, nick): (&Session, &str),
    target: &mut Target,
    file: &Path,
) -> Result<(), BenchError> {
    let room = &target.room;
    let person = session.jid.split('/').next().unwrap_or_default();
    if component.explain(room, person, nick, "none").await?.verdict == "allow" {
        target.password = None;
        return Ok(());
    }
    let typed = target.password.clone().map(Typed);
    component.give(&Password { room: room.clone(), password: typed }).await?;
    let explained = component.explain(room, person, nick, "right").await?;
    match Obstacle::of(&explained, "a join with the right password") {
        Some(obstacle) => Err(BenchError::Refused(against(&[obstacle], file))),
        None => Ok(()),
    }
}

fn between(before: &control::Status, after: &control::Status) -> Counted {
    let decided = |state: &control::Status| {
        let all = &state.decisions;
        [all.allow, all.hold, all.prompt, all.deny].into_iter().fold(0_u64, u64::saturating_add)
    };
    Counted {
        decisions: decided(after).saturating_sub(decided(before)),
        waiting: after
            .store
            .as_ref()
            .map_or(0, |store| store.waiting.try_into().unwrap_or(u64::MAX)),
        processor_ms: after.processor_ms.saturating_sub(before.processor_ms),
    }
}

/// What was measured.
#[derive(Debug, Serialize)]
struct Report {
    rooms: usize,
    sessions: u32,
    bound_ms: u128,
    /// Highest rate that was allowed.
    limit: u32,
    /// One for each rate, in the order in which they were tried.
    steps: Vec<Step>,
    /// Highest rate at which the server kept up; null: none.
    keeps_up_with: Option<u32>,
    /// Lowest rate at which joins began to queue; null: none up to the limit.
    queues_at: Option<u32>,
    /// Rooms that could not be ended.
    left: Vec<String>,
}

impl Report {
    fn new(plan: &Plan, steps: Vec<Step>, left: Vec<String>) -> Self {
        // A step whose joins were refused says nothing of how fast the server is.
        let rates = |kept_up| {
            let steps = steps.iter().filter(move |it| it.kept_up == kept_up && !it.is_refused());
            steps.map(|it| it.rate)
        };
        Self {
            rooms: plan.rooms.len(),
            sessions: plan.sessions,
            bound_ms: plan.bound.as_millis(),
            limit: plan.rate,
            keeps_up_with: rates(true).max(),
            queues_at: rates(false).min(),
            steps,
            left,
        }
    }

    fn in_words(&self) -> String {
        let ms = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.1}"));
        let mut words = "  due/s  joins/s  median ms   p90 ms   p99 ms  refused | component: decisions  waiting  processor\n".to_owned();
        for it in &self.steps {
            let refused: u32 = it.refused.values().sum();
            let Counted { decisions, waiting, processor_ms } = it.component;
            let _ = writeln!(
                words,
                "{:>7} {:>8.1} {:>10} {:>8} {:>8} {refused:>8} | {decisions:>20} {waiting:>8} {processor_ms:>7} ms",
                it.rate,
                it.joins_per_second,
                ms(it.median_ms),
                ms(it.p90_ms),
                ms(it.p99_ms),
            );
        }
        for (kind, count) in self.steps.iter().flat_map(|it| &it.refused) {
            let _ = writeln!(words, "refused {count} times: {kind}");
        }
        let best = self.steps.iter().find(|it| Some(it.rate) == self.keeps_up_with);
        if let Some(best) = best {
            let _ = writeln!(
                words,
                "Your server answers a join in {} ms (median; nine of ten within {} ms) at {} joins a second.",
                ms(best.median_ms),
                ms(best.p90_ms),
                best.rate,
            );
        }
        let _ = match (best, self.queues_at) {
            (Some(_), Some(rate)) => writeln!(words, "It begins to queue at {rate}."),
            (Some(best), None) => writeln!(words, "It did not begin to queue up to {}.", best.rate),
            (None, Some(rate)) => writeln!(
                words,
                "It queues even at {rate}: nine of ten joins were not within {} ms.",
                self.bound_ms
            ),
            (None, None) => Ok(()),
        };
        words.truncate(words.trim_end().len());
        words
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(rate: u32, joined: usize, refused: u32, kept_up: bool) -> Step {
        let component = Counted { decisions: 0, waiting: 0, processor_ms: 0 };
        Step {
            rate,
            joins_per_second: 1.0,
            joined,
            refused: [("forbidden".to_owned(), refused)].into(),
            median_ms: Some(7.0),
            p90_ms: Some(9.0),
            p99_ms: Some(9.0),
            kept_up,
            component,
        }
    }

    #[test]
    fn joins_that_are_refused_say_nothing_of_how_fast_the_server_is() {
        let plan = Plan {
            login: Login { server: String::new(), host: String::new(), account: None },
            rooms: Vec::new(),
            prefix: String::new(),
            focus: None,
            rate: 100,
            seconds: 1,
            sessions: 1,
            bound: Duration::from_millis(200),
        };
        let told = |steps| {
            let report = Report::new(&plan, steps, Vec::new());
            let words = report.in_words();
            let queues = words.split_once("forbidden\n").map(|(_, end)| end.to_owned());
            (report.keeps_up_with, report.queues_at, queues.unwrap_or_default())
        };
        let kept = step(5, 10, 0, true);
        let answers = "Your server answers a join in 7.0 ms (median; nine of ten within 9.0 ms) at 5 joins a second.\n";
        for kept_up in [true, false] {
            let refused = step(10, 10, 10, kept_up);
            let (keeps, queues, words) = told(vec![kept.clone(), refused.clone()]);
            assert_eq!((keeps, queues), (Some(5), None));
            assert!(words.ends_with(&format!("{answers}It did not begin to queue up to 5.")));
            assert_eq!(told(vec![refused]), (None, None, String::new()));
        }
        let (keeps, queues, words) = told(vec![kept, step(10, 10, 0, false)]);
        assert_eq!((keeps, queues), (Some(5), Some(10)));
        assert!(words.ends_with(&format!("{answers}It begins to queue at 10.")), "{words}");
        let (keeps, queues, words) = told(vec![step(5, 10, 0, false)]);
        assert_eq!((keeps, queues), (None, Some(5)));
        assert!(words.ends_with("It queues even at 5: nine of ten joins were not within 200 ms."));
    }
}
