//! `status`, `doctor`, `page` and `reopen-log`: commands on the running component.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Call, Operator, conflict, unavailable};
use crate::app::clock::processor_time;
use crate::app::reload::look_at_file;
use crate::app::tasks::threads_down;
use crate::app::{PAGE, doctor};
use crate::component::engine::Mode;
use crate::config::Role;
use crate::config::counted;
use crate::control;
use crate::control::{Answer, Failure, LogIn, ServiceStatus};
use crate::doctor::{Report, in_words};
use crate::policy::Policy;
use crate::policy::access::Opening;
use crate::policy::class::Class;
use crate::policy::logins::Hosts;
use crate::store::SharedState;
use crate::wire::handshake::Hello;

verb! {
    /// Report the state of the running component
    Status("status", "Status", Viewer, ReadOnly) -> control::Status {}
    |_, call| {
        look_at_file(&call.shared).await;
        Ok(call.status())
    }
}

impl Answer for control::Status {
    fn is_complete(&self) -> bool {
        self.ready
    }

    fn words(&self) -> String {
        let mut lines = vec![format!(
            "vestibule {}, policy {}, up {} s: {}",
            self.version,
            self.revision,
            self.uptime,
            match (self.ready, self.observe) {
                (true, false) => "ready",
                (true, true) => "ready, only observing: nothing is enforced",
                (false, _) if self.is_starting() => {
                    "starting, NOT READY yet (`vestibule status --wait 30` waits until it is)"
                }
                (false, _) => "NOT READY",
            }
        )];
        if !self.linked {
            let trouble = self.trouble.as_deref().unwrap_or("not connected yet");
            lines.push(format!("no link to the server: {trouble}"));
        } else if let Some(trouble) = &self.trouble {
            lines.push(trouble.clone());
        }
        let down = self
            .down
            .iter()
            .map(|down| format!("{} is DOWN since {:.0}: {}", down.task, down.since, down.reason));
        lines.extend(down);
        lines.extend(self.file.clone());
        lines.extend(self.unlisted.iter().chain(&self.strangers).cloned());
        for service in &self.services {
            let how = match (&service.gate, &service.server, &service.refused) {
                (Some(gate), Some(server), _) => format!(
                    "gate {gate} on {server}; joins while this component is away: {}{}",
                    service.failure.as_deref().unwrap_or("?"),
                    if service.unread { "; its rooms are NOT READ yet" } else { "" }
                ),
                _ if !self.linked => "not known without a link".to_owned(),
                (_, _, Some(why)) => format!("the gate is REFUSED, and lets nobody in: {why}"),
                _ => "NO GATE is connected: its rooms are under no policy; or a gate there does not reach this component \
                      and refuses everybody, as Prosody's log says then"
                    .to_owned(),
            };
            lines.push(format!("{}: {how}", service.domain));
        }
        for service in &self.services {
            let opening = service.opening.iter().map(|who| format!("rooms are opened by {who}"));
            let told = opening.chain(log_ins_in_words(service));
            let told = told.chain(service.neighbours.iter().map(|it| format!("warning: {it}")));
            lines.extend(told.map(|told| format!("{}: {told}", service.domain)));
        }
        let decided = self.decisions;
        lines.push(format!(
            "{} open; decided: {} allowed, {} held, {} asked for a password, {} denied; {} settled by a gate alone",
            counted(self.rooms, "room", "rooms"),
            decided.allow,
            decided.hold,
            decided.prompt,
            decided.deny,
            decided.by_gate
        ));
        let would = decided.would;
        if would.any() {
            lines.push(format!(
                "of these, if what is observed were enforced: {} would have been allowed, {} held, {} asked for a \
                 password, {} denied",
                would.allow, would.hold, would.prompt, would.deny
            ));
        }
        let drift = self.drift;
        lines.push(format!(
            "rooms compared with the policy {}, {} the last time: {} found, {} repaired, {} there now",
            counted(drift.audits, "time", "times"),
            drift.rooms,
            counted(drift.found, "difference", "differences"),
            drift.repaired,
            drift.present
        ));
        if let Some(counts) = self.doctor.filter(|counts| counts.critical > 0 || counts.warning > 0)
        {
            lines.push(format!(
                "the doctor found {} critical and {}: `vestibule doctor` says which",
                counts.critical,
                counted(counts.warning, "other defect", "other defects")
            ));
        }
        if self.log_lines_lost > 0 {
            lines.push(format!("{} LINES of the decision log are LOST", self.log_lines_lost));
        }
        if let Some(store) = &self.store {
            if let Some(trouble) = &store.trouble {
                lines.push(format!(
                    "the AUDIT DATABASE takes no entries, {} wait: {trouble}",
                    store.waiting
                ));
            }
            if store.lost > 0 {
                lines.push(format!("{} ENTRIES of the audit database are LOST", store.lost));
            }
            lines.extend(store.shared.as_ref().map(servers));
        }
        lines.join("\n")
    }
}

/// How long after its start a component may take until its gates have connected, in seconds.
const STARTING: u64 = 10;

impl control::Status {
    /// Returns whether the gates may still be about to connect: none is refused, and the component has just started.
    fn is_starting(&self) -> bool {
        let is_refused = self.services.iter().any(|service| service.refused.is_some());
        self.uptime < STARTING && !is_refused
    }
}

impl Operator {
    pub(in crate::app) fn status(&self) -> control::Status {
        let linked = self.shared.link.lives();
        let problems = self.shared.addresses.problems();
        let trouble = self.shared.trouble.lock().clone().or_else(|| problems.first().cloned());
        let strangers = self.shared.strangers();
        let engine = self.shared.engine();
        let down = self.shared.down.all().into_iter();
        let down = down.chain(threads_down(engine.audit())).collect();
        let policy = engine.policy();
        let service = |(domain, hello): (&str, Option<&Hello>)| {
            let opened_by = |open| hello.map(|hello| opening(policy, open, domain, &hello.hosts));
            let neighbours = engine.neighbours(domain).iter();
            ServiceStatus {
                domain: domain.to_owned(),
                gate: hello.map(|hello| hello.gate.clone()),
                refused: engine.refusal(domain).map(ToString::to_string),
                unread: engine.unread().any(|unread| unread == domain),
                server: hello.map(|hello| hello.server.clone()),
                failure: hello.map(|hello| hello.failure.clone()),
                opening: opened_by(policy.base.access.create.value),
                default_opening: opened_by(Opening::Default),
                log_ins: hello.map_or_else(Vec::new, |it| log_ins(policy, domain, &it.hosts)),
                neighbours: neighbours
                    .map(|found| format!("{}: {}", found.module, found))
                    .collect(),
            }
        };
        control::Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            ready: linked && engine.is_ready() && problems.is_empty() && strangers.is_empty(),
            linked,
            trouble,
            revision: policy.revision.clone(),
            file: self.shared.on_disk.lock().clone(),
            observe: engine.mode() == Mode::Observe,
            services: engine.services().map(service).collect(),
            unlisted: engine.unlisted(),
            strangers,
            rooms: engine.live().count_rooms(),
            decisions: engine.tally(),
            drift: engine.drift.tally(),
            log_lines_lost: engine.audit().lost(),
            store: engine.audit().store().map(|store| store.state()),
            doctor: self.shared.doctor.counts(),
            down,
            uptime: self.shared.started.elapsed().as_secs(),
            processor_ms: u64::try_from(processor_time().as_millis()).unwrap_or(u64::MAX),
        }
    }
}

/// Returns the hosts that people could log in to on a service's server, and what a log-in to each proves.
fn log_ins(policy: &Policy, service: &str, hosts: &Hosts) -> Vec<LogIn> {
    let people = policy.login_hosts(service, hosts);
    let mut all: Vec<_> = hosts
        .hosts
        .iter()
        .map(|host| LogIn {
            host: host.name.clone(),
            provider: host.provider.clone(),
            proves: policy.proves(&host.provider).map(|proves| proves.name().to_owned()),
            line: policy.providers.get(&host.provider).map_or(0, |provider| provider.line),
            people: people.iter().any(|one| one.name == host.name),
        })
        .collect();
    all.sort_by(|a, b| a.host.cmp(&b.host));
    all
}

/// Describes who may open rooms on a service, and which hosts decide that if it is left to the default.
fn opening(policy: &Policy, open: Opening, service: &str, hosts: &Hosts) -> String {
    let nobody = policy.nobody_logs_in(service, hosts);
    let classes: Vec<_> = open.classes(nobody).iter().map(Class::name).collect();
    let why = match open {
        Opening::Classes(classes) if nobody && !classes.has(Class::Guest) => {
            "access.create; nobody logs in to this server".to_owned()
        }
        Opening::Classes(_) => "access.create".to_owned(),
        Opening::Default if nobody => "nobody logs in to this server".to_owned(),
        Opening::Default => {
            let hosts = policy.login_hosts(service, hosts);
            let names: Vec<_> = hosts.iter().take(3).map(|host| host.name.as_str()).collect();
            match names.as_slice() {
                [] => "the gate does not tell of all hosts".to_owned(),
                names => format!("people log in to {}", names.join(", ")),
            }
        }
    };
    format!("{} ({why})", classes.join(", "))
}

fn log_ins_in_words(service: &ServiceStatus) -> Option<String> {
    let hosts = service.log_ins.iter().map(|LogIn { host, provider, proves, line, .. }| {
        let proves = proves.as_deref().map_or("NOT KNOWN", |proves| proves);
        let line = if *line > 0 { format!(", line {line}") } else { String::new() };
        format!("{host} {proves} (by {provider}{line})")
    });
    let hosts: Vec<_> = hosts.collect();
    (!hosts.is_empty()).then(|| format!("a log-in proves, at {}", hosts.join(", ")))
}

/// Describes the state of the database that several servers share.
fn servers(shared: &SharedState) -> String {
    let SharedState { server, away_since, trouble, waiting, refused } = shared;
    let refused = match refused {
        0 => String::new(),
        refused => format!("; it has REFUSED {refused}"),
    };
    match (away_since, trouble) {
        (Some(since), Some(trouble)) => format!(
            "the servers' database is AWAY since {since:.0}, {waiting} entries wait in the file: {trouble}{refused}"
        ),
        (Some(_), None) => "the servers' database is being reached".to_owned(),
        (None, _) => format!("the servers' database is there, this server is `{server}`{refused}"),
    }
}

verb! {
    /// Report what bypasses the policy on the server, in the file and on the machine
    Doctor("doctor", "Doctor", Viewer, ReadOnly) -> Report {
        /// Examine the server now, instead of repeating the last report
        #[arg(skip)]
        #[serde(default)]
        pub fresh: bool,
    }
    |it, call| {
        let report = doctor::report(&call.shared, it.fresh).await.map_err(unavailable)?;
        Ok(Report::clone(&report))
    }
}

impl Answer for Report {
    fn is_complete(&self) -> bool {
        self.exit() == 0
    }

    fn words(&self) -> String {
        in_words(self, false)
    }
}

verb! {
    /// Print the address that opens the page, logged in for 12 hours
    Page("page", "Page", Operator, Reversible, local) -> Session {
        /// What the session may do: viewer, duty or operator
        #[arg(skip)]
        #[schemars(with = "String", extend("enum" = ["viewer", "duty", "operator"]))]
        pub role: Role,
    }
    |it, call| it.carry_out(call).await
}

impl Page {
    async fn carry_out(self, call: &Call<'_>) -> Result<Session, Failure> {
        if let Some(down) = call.shared.down.all().into_iter().find(|down| down.task == PAGE) {
            return Err(unavailable(format!("the page is not there: {}", down.reason)));
        }
        let access = &call.shared.access;
        let url = access.url().ok_or_else(|| {
            unavailable(
                "the page listens on no address of this machine: see `admin.http` in the file",
            )
        })?;
        let token = access
            .log_in(call.caller.name.clone(), self.role)
            .map_err(|error| unavailable(format!("the system gives no random numbers: {error}")))?;
        // The part behind `#` is never sent, so no proxy can log it.
        let url = format!("{url}#login={}", token.expose());
        Ok(Session { url, role: self.role })
    }
}

/// A new session on the page.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Session {
    /// URL that logs in.
    pub url: String,
    /// Role of the session.
    #[schemars(with = "String", extend("enum" = ["viewer", "duty", "operator"]))]
    pub role: Role,
}

impl Answer for Session {
    fn words(&self) -> String {
        self.url.clone()
    }
}

verb! {
    /// Go on in a new file of the same name, after the decision log was moved away
    ReopenLog("reopen-log", "Reopen the log", Operator, ReadOnly, local) -> LogReopened {}
    |_, call| {
        let path = call.shared.engine().audit().reopen().map_err(conflict)?;
        Ok(LogReopened { log: path.display().to_string() })
    }
}

/// The decision log after it was opened again.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct LogReopened {
    /// Path of the decision log.
    pub log: String,
}

impl Answer for LogReopened {
    fn words(&self) -> String {
        format!("{} is begun again", self.log)
    }
}
