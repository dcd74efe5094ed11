//! Having the server looked at: every day, after each greeting of a gate, and when a person asks.

use std::future::pending;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::json;
use tokio::sync::{Mutex as AsyncMutex, Notify};
use tokio::task::JoinError;
use tokio::time::sleep;

use super::clock::now;
use super::reading::stored;
use super::{Shared, machine, reload};
use crate::config::{Environment, Loaded, Problem};
use crate::doctor::{Case, Counts, Report, Server, State, examine};
use crate::store::{Entry, Kind};
use crate::wire::posture::{Posture, posture};

/// Gates of several services greet one after another.
const PAUSE: Duration = Duration::from_secs(1);

/// The last report, and the examination in progress.
#[derive(Debug, Default)]
pub(super) struct Practice {
    last: Mutex<Option<Arc<Report>>>,
    soon: Notify,
    busy: AsyncMutex<()>,
}

impl Practice {
    /// Whether anything may have changed since.
    pub(super) fn look_soon(&self) {
        self.soon.notify_one();
    }

    /// Returns the last report.
    pub(super) fn last(&self) -> Option<Arc<Report>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns the number of checks by state.
    pub(super) fn counts(&self) -> Option<Counts> {
        self.last().map(|report| report.counts)
    }

    /// Keeps a report. True: it says something else than the last one.
    fn keep(&self, report: &Arc<Report>) -> bool {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let before = last.replace(Arc::clone(report));
        before.is_none_or(|before| before.essence() != report.essence())
    }
}

/// Looks until aborted.
pub(super) async fn watch(shared: Shared) {
    loop {
        let every = shared.upkeep().settings.doctor.every;
        due(every, &shared.doctor.soon).await;
        if let Err(error) = review(&shared).await {
            tracing::error!(%error, "the server could not be looked at");
        }
    }
}

/// Waits until it is time to look: so long, or until soon after it is asked for.
async fn due(every: Option<Duration>, soon: &Notify) {
    let due = async {
        match every {
            Some(every) => sleep(every).await,
            None => pending().await,
        }
    };
    tokio::select! {
        () = due => {}
        () = soon.notified() => sleep(PAUSE).await,
    }
}

/// Returns the last report, or a fresh one.
pub(super) async fn report(shared: &Shared, fresh: bool) -> Result<Arc<Report>, JoinError> {
    match shared.doctor.last().filter(|_| !fresh) {
        Some(last) => Ok(last),
        None => review(shared).await,
    }
}

/// Looks at everything now.
async fn review(shared: &Shared) -> Result<Arc<Report>, JoinError> {
    let _alone = shared.doctor.busy.lock().await;
    let servers = ask(shared).await;
    reload::look_at_file(shared).await;
    let on_disk = reload::read(shared).await;
    let pending = on_disk.as_ref().ok().map(|loaded| reload::pending(shared, loaded));
    let (settings, in_file, warnings) = {
        let upkeep = shared.upkeep();
        (Arc::clone(&upkeep.settings), Arc::clone(&upkeep.in_file), Arc::clone(&upkeep.warnings))
    };
    let (policy, elections) = {
        let desk = shared.desk();
        (Arc::clone(desk.policy()), desk.tally().elections)
    };
    let (file, environment) = (Arc::clone(&shared.file), Arc::clone(&shared.environment));
    let looked = tokio::task::spawn_blocking(move || {
        let machine =
            machine::look(&file, &settings, &environment, machine::Account::of_process().as_ref());
        let case = Case {
            servers: servers.as_deref().map_err(String::as_str),
            settings: &settings,
            in_file: &in_file,
            policy: &policy,
            warnings: &warnings,
            broken: on_disk.as_ref().err().map(String::as_str),
            on_disk: pending,
            machine: &machine,
            elections,
            now: now(),
        };
        Arc::new(examine(&case))
    });
    let report = looked.await?;
    if shared.doctor.keep(&report) {
        tell(shared, &report);
    }
    Ok(report)
}

/// Every service, and what its gate tells.
async fn ask(shared: &Shared) -> Result<Vec<Server>, String> {
    if !shared.link.is_up() {
        let trouble = shared.trouble().clone();
        return Err(format!(
            "no link to the server: {}",
            trouble.as_deref().unwrap_or("not connected yet")
        ));
    }
    let services: Vec<_> = {
        let desk = shared.desk();
        let refused = |domain| desk.refusal(domain).cloned();
        desk.services()
            .map(|(domain, hello)| (domain.to_owned(), hello.cloned(), refused(domain)))
            .collect()
    };
    let mut servers = Vec::new();
    for (service, hello, refused) in services {
        let posture = match &hello {
            None => Err("no gate has greeted".to_owned()),
            Some(_) => match shared.link.request(&*service, posture()).await {
                Ok(element) => Ok(Posture::read(&element)),
                Err(error) => Err(format!("the gate did not tell: {error}")),
            },
        };
        let asked = now();
        let stored = match &posture {
            Err(reason) => Err(reason.clone()),
            Ok(_) => stored(shared, &service).await.map_err(|error| error.to_string()),
        };
        servers.push(Server { service, hello, refused, posture, asked, stored });
    }
    servers.sort_by(|one, other| one.service.cmp(&other.service));
    Ok(servers)
}

/// Says what is new, and writes it down.
fn tell(shared: &Shared, report: &Report) {
    let Counts { critical, warning, note, unknown, .. } = report.counts;
    if critical > 0 || warning > 0 {
        tracing::warn!(
            critical,
            warning,
            note,
            unknown,
            "the doctor found something: `vestibule doctor` says what, and which line to change"
        );
    } else {
        tracing::info!(note, unknown, "the doctor found nothing that undoes the policy");
    }
    let found = report.checks.iter().filter(|row| row.state == State::Found);
    let found = found.map(|row| {
        json!({ "id": row.id, "severity": row.severity, "ignored": row.ignored, "findings": row.findings })
    });
    let body = json!({ "counts": report.counts, "complete": report.complete, "found": found.collect::<Vec<_>>() });
    let entry = Entry { body: body.to_string(), ..Entry::new(Kind::Doctor, report.at) };
    shared.desk().audit().record(entry);
}

/// Returns the report that is possible without a running component.
pub fn alone(file: &Path, environment: &Environment, loaded: &Loaded, reason: &str) -> Report {
    let Loaded { settings, policy, .. } = loaded;
    let warnings: Vec<Problem> = loaded.warnings_at(now()).cloned().collect();
    let machine = machine::look(file, settings, environment, None);
    examine(&Case {
        servers: Err(reason),
        settings,
        in_file: settings,
        policy,
        warnings: &warnings,
        broken: None,
        on_disk: Some(0),
        machine: &machine,
        elections: 0,
        now: now(),
    })
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    /// Returns the number of times that it is due within a time.
    async fn times(every: Option<Duration>, soon: &Notify, within: Duration) -> u32 {
        let mut count: u32 = 0;
        let looks = async {
            loop {
                due(every, soon).await;
                count = count.saturating_add(1);
            }
        };
        let _: Result<(), _> = timeout(within, looks).await;
        count
    }

    #[tokio::test(start_paused = true)]
    async fn it_looks_every_day_and_soon_after_it_is_asked() {
        let soon = Notify::new();
        assert_eq!(times(Some(DAY), &soon, DAY * 3 + DAY / 2).await, 3);
        soon.notify_one();
        soon.notify_one();
        assert_eq!(times(Some(DAY), &soon, DAY / 2).await, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn never_is_only_when_it_is_asked() {
        let soon = Notify::new();
        assert_eq!(times(None, &soon, DAY * 30).await, 0);
        soon.notify_one();
        assert_eq!(times(None, &soon, DAY).await, 1);
    }
}
