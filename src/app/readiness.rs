//! Readiness: reported in the log when a gate is missing, and to systemd always.

use std::future::pending;
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::time::{Instant, interval, sleep};

use super::Shared;
use crate::component::engine::Mode;

/// The interval of warnings about a missing gate.
const AGAIN: Duration = Duration::from_secs(60);
/// How long a gate may be away to be loaded again.
const RELOAD: Duration = Duration::from_secs(2);
const LOOK: Duration = Duration::from_millis(500);

/// Reports readiness until aborted. A service without a gate is under no policy and lets everyone in, so that must not
/// go unnoticed.
pub(super) async fn watch(mut shared: Shared, ready_within: Duration) {
    // The component reports to systemd that it is started even if Prosody is unreachable or a gate is missing: a
    // restart would not help, and would forget the counts of wrong passwords.
    notify(&[NotifyState::Ready, NotifyState::Status("not ready: no link to the server yet")]);
    let mut told = false;
    while shared.link.until_up().await {
        let mut patience = ready_within;
        let mut since = Instant::now();
        while shared.link.lives() {
            let (mut missing, mut problems) = (Vec::new(), shared.addresses.problems());
            problems.extend(shared.strangers());
            {
                let engine = shared.engine();
                let without = engine
                    .services()
                    .filter(|(domain, hello)| hello.is_none() && engine.refusal(domain).is_none());
                missing.extend(without.map(|(domain, _)| domain.to_owned()));
                problems.extend(engine.unlisted());
                let unread = engine.unread();
                problems
                    .extend(unread.map(|domain| format!("the rooms of {domain} are not read yet")));
                problems.extend(engine.services().filter_map(|(domain, _)| {
                    Some(format!("the gate of {domain} is refused: {}", engine.refusal(domain)?))
                }));
            }
            if missing.is_empty() && problems.is_empty() {
                if !told {
                    told = true;
                    if shared.engine().mode() == Mode::Observe {
                        tracing::info!(
                            "every gate has connected: decisions are written down, and nothing is enforced"
                        );
                        notify(&[NotifyState::Status("ready, only observing")]);
                    } else {
                        tracing::info!("ready: every service is under the policy");
                        notify(&[NotifyState::Status("ready")]);
                    }
                }
                patience = RELOAD.min(ready_within);
                since = Instant::now();
            } else if since.elapsed() >= patience {
                told = false;
                patience = AGAIN;
                since = Instant::now();
                if missing.is_empty() {
                    tracing::error!("NOT READY: {}", problems.join("\n"));
                    notify(&[NotifyState::Status("not ready: see the log")]);
                    continue;
                }
                tracing::error!(
                    services = missing.join(", "),
                    "NOT READY: no gate is connected from these services, so their rooms are under no policy. \
                     Is the folder mod_vestibule_gate in one of Prosody's plugin_paths, and \"vestibule_gate\" in modules_enabled below the Component? \
                     Prosody's own log says why a module was not loaded"
                );
                notify(&[NotifyState::Status("not ready: a gate is missing")]);
            }
            sleep(LOOK).await;
        }
        told = false;
        notify(&[NotifyState::Status("not ready: no link to the server")]);
        sleep(LOOK).await;
    }
    // The task of the link reports its end.
    pending().await
}

/// Reports to systemd that the component is stopping.
pub(super) fn stopping() {
    notify(&[NotifyState::Stopping]);
}

/// Feeds the systemd watchdog for as long as the link makes progress and the engine is not locked forever.
pub(super) async fn feed_watchdog(shared: Shared) {
    let Some(limit) = sd_notify::watchdog_enabled() else { return pending().await };
    let mut beat = interval(limit.div_f32(2.0));
    loop {
        beat.tick().await;
        if shared.link.has_turns(limit) {
            drop(shared.engine());
            notify(&[NotifyState::Watchdog]);
        }
    }
}

fn notify(states: &[NotifyState<'_>]) {
    // Outside of systemd there is no one to notify.
    let _ = sd_notify::notify(states);
}
