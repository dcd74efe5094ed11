//! What only looks.

use std::sync::PoisonError;

use serde_json::{Map, Value, json};

use super::Operator;
use super::failure::{conflict, unavailable};
use crate::app::listed::{listed, shown};
use crate::app::rooms::{address, room};
use crate::app::tasks::threads_down;
use crate::component::desk::Mode;
use crate::control::{Caller, Face, Failure, FailureKind, LogIn, ServiceStatus, Status};
use crate::policy::Policy;
use crate::policy::access::Opening;
use crate::policy::class::Class;
use crate::policy::explain::Explanation;
use crate::policy::facts::Facts;
use crate::policy::logins::Hosts;
use crate::policy::rules::fixed;
use crate::policy::texts::Texts;
use crate::policy::verdict::Rule;
use crate::store::Query;

impl Operator {
    pub(in crate::app) fn status(&self) -> Status {
        let linked = self.shared.link.lives();
        let problems = self.shared.addresses.problems();
        let trouble = self.shared.trouble().clone().or_else(|| problems.first().cloned());
        let desk = self.shared.desk();
        let down = self.shared.down.all().into_iter();
        let down = down.chain(threads_down(desk.audit())).collect();
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            ready: linked && desk.is_ready() && problems.is_empty(),
            linked,
            trouble,
            revision: desk.policy().revision.clone(),
            file: self.shared.on_disk.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            observe: desk.mode() == Mode::Observe,
            services: desk
                .services()
                .map(|(domain, hello)| ServiceStatus {
                    domain: domain.to_owned(),
                    gate: hello.map(|hello| hello.gate.clone()),
                    refused: desk.refusal(domain).map(ToString::to_string),
                    unread: desk.unread().any(|unread| unread == domain),
                    server: hello.map(|hello| hello.server.clone()),
                    failure: hello.map(|hello| hello.failure.clone()),
                    opening: hello.map(|hello| {
                        opening(
                            desk.policy(),
                            desk.policy().base.access.open.value,
                            domain,
                            &hello.hosts,
                        )
                    }),
                    default_opening: hello.map(|hello| {
                        opening(desk.policy(), Opening::Default, domain, &hello.hosts)
                    }),
                    log_ins: hello
                        .map(|hello| log_ins(desk.policy(), domain, &hello.hosts))
                        .unwrap_or_default(),
                    neighbours: desk
                        .neighbours(domain)
                        .iter()
                        .map(|found| format!("{}: {}", found.module, found.advice))
                        .collect(),
                })
                .collect(),
            unlisted: desk.unlisted(),
            rooms: desk.live().count_rooms(),
            decisions: desk.tally(),
            drift: desk.drift().tally(),
            log_lines_lost: desk.audit().lost(),
            store: desk.audit().store().map(|store| store.state()),
            doctor: self.shared.doctor.counts(),
            down,
            uptime: self.shared.started.elapsed().as_secs(),
        }
    }

    /// Entries of the audit.
    pub(super) async fn log(&self, query: Query) -> Result<Value, Failure> {
        let store = self.shared.desk().audit().store().cloned();
        let store = store.ok_or_else(|| {
            unavailable("there is no audit database: the file says so (`store.file`)")
        })?;
        let found = store.search_all(query).await.map_err(unavailable)?;
        Ok(json!({ "entries": found.entries, "note": found.note }))
    }

    /// Has the decision log go on in a new file; its path.
    pub(super) fn reopen_log(&self, caller: &Caller) -> Result<Value, Failure> {
        if caller.face != Face::CommandLine {
            let reason = "files of this machine are for the command line";
            return Err(Failure::new(FailureKind::Forbidden, reason));
        }
        let path = self.shared.desk().audit().reopen();
        let path = path.map_err(conflict)?;
        Ok(json!({ "log": path.display().to_string() }))
    }

    /// The rooms that are open.
    pub(super) fn rooms(&self) -> Result<Value, Failure> {
        if !self.shared.link.is_up() {
            return Err(unavailable(
                "the rooms are not known without a link to the server: see `vestibule status`",
            ));
        }
        serde_json::to_value(listed(&self.shared)).map_err(unavailable)
    }

    /// One room as it is now.
    pub(super) async fn room(&self, name: &str) -> Result<Value, Failure> {
        let jid = address(name)?;
        let live = room(&self.shared, &jid, None).await?;
        Ok(shown(&self.shared.desk(), &live))
    }
}

/// The hosts of the server of a service, and what a log-in to each proves.
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

/// Who opens rooms on a service, and by what of the server where that is left to the default.
fn opening(policy: &Policy, open: Opening, service: &str, hosts: &Hosts) -> String {
    let nobody = policy.nobody_logs_in(service, hosts);
    let classes: Vec<_> = open.classes(nobody).iter().map(Class::name).collect();
    let why = match open {
        Opening::Classes(_) => "access.open".to_owned(),
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

/// The rule of a decision that rests on a ban made at run time.
const MADE: Rule = fixed::BAN.at(0);

/// An explanation, for whoever asked. What the requester is told stands there as for somebody whose language is
/// not known.
pub fn explanation_to_json(explanation: &Explanation, facts: &Facts<'_>, texts: &Texts) -> Value {
    let decision = &explanation.decision;
    json!({
        "verdict": decision.verdict.name(),
        "rule": decision.rule.name,
        "line": decision.rule.line,
        "ban": facts.ban().filter(|_| decision.rule == MADE),
        "class": decision.class.name(),
        "denial": decision.denial.map(|denial| denial.code()),
        "told": decision.denial.map(|denial| texts.denial(denial, None).text),
        "exceptions": decision.exceptions,
        "would_have_been": decision.would.as_ref().map(|would| json!({
            "verdict": would.verdict.name(),
            "rule": would.rule.name,
            "line": would.rule.line,
            "denial": would.denial.map(|denial| denial.code()),
        })),
        "may": decision.effects.may.iter().flat_map(|(_, may)| may.iter()).map(|(ability, degree)| {
            (ability.name().to_owned(), Value::from(degree.name()))
        }).collect::<Map<_, _>>(),
        "facts": facts,
        "would_change_it": explanation.changes.iter().map(|change| json!({
            "with": change.what,
            "verdict": change.decision.verdict.name(),
            "rule": change.decision.rule.name,
            "line": change.decision.rule.line,
        })).collect::<Vec<_>>(),
    })
}
