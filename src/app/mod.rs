//! The wiring of all other modules: clock, signals, tasks, reload and shutdown.

mod addresses;
mod adhoc;
mod api_backend;
mod audit;
mod bans;
mod clock;
pub mod commands;
mod doctor;
mod due_actions;
mod readiness;
mod reload;
mod rooms;
mod store;
mod tasks;
mod traffic;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use parking_lot::{Mutex, MutexGuard};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Mutex as AsyncMutex, Notify};
use tokio_util::sync::CancellationToken;

use crate::component::audit::{Audit, AuditError};
use crate::component::engine::{Mode, PolicyEngine};
use crate::config::{
    self, Environment, LoadError, Loaded, NO_SECRET, NO_SECRET_HINT, Problem, Settings,
};
use crate::control::{ControlSocket, SocketError};
use crate::http::{Access, Server, router};
use crate::secret::Secret;
use crate::store::StoreError;
use crate::xmpp::link::{Link, LinkHandle, LinkSettings, RequestError};
use crate::xmpp::stanza::Condition;
use crate::xmpp::{Document, Element};

use self::api_backend::AppMetrics;
use self::tasks::Tasks;

pub use self::api_backend::names_of_samples;
pub use self::clock::now;
pub use self::commands::incident::write_new;
pub use self::doctor::alone;

/// How long the link is silent before the server is pinged.
const PING_EVERY: Duration = Duration::from_secs(30);
/// How long the link is silent before it counts as half-open.
const SILENCE: Duration = Duration::from_secs(45);
/// The time limit of a command to a gate; the gate's own limit is at most 10 s.
const COMMAND_LIMIT: Duration = Duration::from_secs(15);
/// The time limit for closing the link at shutdown.
const FAREWELL: Duration = Duration::from_secs(5);

/// Name of the task of the link, which also handles requests for decisions and reports.
const LINK: &str = "link";
/// Name of the task that serves the page, the API and the metrics.
const PAGE: &str = "page";

/// The component cannot run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The file is invalid or cannot be read.
    #[error(transparent)]
    File(#[from] LoadError),
    /// No secret for the link is configured.
    #[error("{NO_SECRET}: {NO_SECRET_HINT}")]
    NoSecret,
    /// The decision log cannot be opened.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// The audit database cannot be opened.
    #[error(transparent)]
    Store(#[from] store::OpenError),
    /// The key for the masked policy revision cannot be read or created.
    #[error("the key `{path}` cannot be used: {1}. Move it aside, and a new one is made", path = .0.display())]
    Key(PathBuf, #[source] std::io::Error),
    /// The bans in the audit database cannot be read.
    #[error("the bans in the audit database cannot be read: {0}")]
    Bans(#[from] StoreError),
    /// The socket for the command line cannot be created.
    #[error(transparent)]
    Socket(#[from] SocketError),
    /// A task that decisions depend on has ended.
    #[error("the task `{0}`, without which nothing is decided, is no more: {1}")]
    Ended(&'static str, String),
    /// The system provides no signal handlers or random numbers.
    #[error("the system refuses what the component needs")]
    System(#[source] std::io::Error),
}

/// The state that the tasks share.
#[derive(Clone, Debug)]
struct Shared {
    engine: Arc<Mutex<PolicyEngine>>,
    /// Taken before the engine, so that tasks get the engine in turn.
    turn: Arc<Mutex<()>>,
    link: LinkHandle,
    trouble: Arc<Mutex<Option<String>>>,
    /// Services whose gates have greeted and are refused, because the policy in force has no such service.
    strangers: Arc<Mutex<BTreeSet<String>>>,
    file: Arc<PathBuf>,
    environment: Arc<Environment>,
    upkeep: Arc<Mutex<RuntimeConfig>>,
    /// Problem with the file on disk when it was last compared; `None`: it is in force.
    on_disk: Arc<Mutex<Option<String>>>,
    /// Asks for a reload.
    reload_now: Arc<Notify>,
    /// The bans that operators have made. A change holds the lock until everyone inside was judged by it.
    bans: Arc<AsyncMutex<bans::Pages>>,
    /// The problems with addresses of the file that the servers prepare differently.
    addresses: Arc<addresses::Addresses>,
    /// Held while the file is read and put in force.
    reloading: Arc<AsyncMutex<()>>,
    /// Held while a ban removes people, who are listed in its reply: repairs by the audit wait meanwhile.
    banning: Arc<AsyncMutex<()>>,
    /// Starts an audit before its time.
    audit_now: Arc<Notify>,
    /// Held while all rooms are read page by page: one reader at a time keeps the load on the server low.
    paging: Arc<AsyncMutex<()>>,
    /// Held while the strength of a password is computed: several at once would take all cores from other requests.
    judging_turn: Arc<AsyncMutex<()>>,
    doctor: Arc<doctor::Practice>,
    /// Key of the masked policy revision that strangers see.
    revision_key: Arc<[u8; 32]>,
    started: Instant,
    /// The same point in time, by the clock.
    started_at: Timestamp,
    metrics: AppMetrics,
    /// The tokens and sessions of the page and the API.
    access: Arc<Access>,
    down: tasks::Down,
}

/// The configuration that a reload replaces.
#[derive(Clone, Debug)]
struct RuntimeConfig {
    text: Secret,
    /// The settings in force.
    settings: Arc<Settings>,
    /// The settings in the file, some of which are in force only after a restart.
    in_file: Arc<Settings>,
    /// The addresses in that file that are not ASCII, as written.
    written: Arc<[config::Written]>,
    warnings: Arc<[Problem]>,
}

impl RuntimeConfig {
    /// Returns the keys of the file that need a restart to be in force.
    fn needs_restart(&self) -> Vec<String> {
        self.settings.needs_restart(&self.in_file)
    }
}

impl Shared {
    fn engine(&self) -> MutexGuard<'_, PolicyEngine> {
        // Taking turns lets other tasks in between two locks by the same task, which the mutex alone does not ensure.
        let _turn = self.turn.lock();
        self.engine.lock()
    }

    /// Sends a request to the gate of a service, and returns the payload of its reply. Where no gate answers any more,
    /// the service has none until one greets.
    async fn ask(&self, service: &str, payload: Element) -> Result<Document, RequestError> {
        let life = self.engine().life(service);
        let reply = self.link.request(service, payload).await;
        // A gate that is there never answers so: it is the server that does, in its place.
        if let Err(RequestError::Refused(error)) = &reply
            && matches!(
                error.condition,
                Condition::ServiceUnavailable | Condition::RemoteServerNotFound
            )
        {
            let mut engine = self.engine();
            // A gate that has connected meanwhile is another one.
            if let Some(service) = engine.service(service)
                && engine.life(&service) == life
            {
                engine.gate_lost(&service, "the server answers in its place");
            }
        }
        reply
    }

    /// Returns what to do about each gate that has connected from a service that the policy in force does not have.
    fn strangers(&self) -> Vec<String> {
        let strangers =
            if self.link.lives() { self.strangers.lock().clone() } else { BTreeSet::new() };
        let strangers = strangers.into_iter().map(|from| {
            format!(
                "a gate on {from} has connected and is REFUSED, so that it refuses everybody: the policy in force has no such \
                 service; write [[service]] domain = \"{from}\" into the file, and restart this component"
            )
        });
        strangers.collect()
    }
}

/// Runs the component until SIGTERM or SIGINT.
///
/// # Errors
/// When it cannot start, or a needed task ends. A server that is unreachable is no error: the component waits for it.
pub async fn run(
    file: PathBuf,
    environment: Environment,
    loaded: Loaded,
    mode: Mode,
) -> Result<(), RunError> {
    let warnings = loaded.warnings_at(now()).cloned().collect();
    let Loaded { settings, mut policy, text, written, .. } = loaded;
    let known = Arc::new(settings.clone());
    let component = settings.component;
    if component.secret.is_empty() {
        return Err(RunError::NoSecret);
    }
    let audit = match &settings.log.decisions {
        None => Audit::none(),
        Some(name) => Audit::open(&component.state_dir.join(name))?,
    };
    let mask = store::mask(&settings.store, &component.state_dir)?;
    let store = store::open(&settings.store, &component.state_dir)?;
    let mut book = bans::Pages::default();
    if let Some(store) = &store {
        let (kept, made) = bans::Pages::read(store).await?;
        (book, policy.made) = (kept, Arc::new(made));
    }
    let name = store::name(&settings.store, &component);
    let audit = audit.with_store(name.clone(), mask, store);
    reload::started(&audit, &policy.revision, &file, &text).await;
    let run = clock::run_id();
    let engine = PolicyEngine::new(
        Arc::new(policy),
        settings.services.iter().map(|service| service.domain.to_string()),
        mode,
        audit,
        run,
    );
    let (link, handle) = Link::new(LinkSettings {
        server: component.server.clone(),
        domain: component.domain.to_string(),
        secret: component.secret.clone(),
        ping_every: PING_EVERY,
        silence: SILENCE,
        request_limit: COMMAND_LIMIT,
        allow_plaintext_network: component.allow_plaintext_network,
    });
    let shared = Shared {
        engine: Arc::new(Mutex::new(engine)),
        turn: Arc::default(),
        link: handle,
        trouble: Arc::default(),
        strangers: Arc::default(),
        file: Arc::new(file),
        environment: Arc::new(environment),
        upkeep: Arc::new(Mutex::new(RuntimeConfig {
            text,
            settings: Arc::clone(&known),
            in_file: known,
            written: written.into(),
            warnings,
        })),
        on_disk: Arc::default(),
        reload_now: Arc::default(),
        bans: Arc::new(AsyncMutex::new(book)),
        addresses: Arc::default(),
        reloading: Arc::default(),
        banning: Arc::default(),
        audit_now: Arc::default(),
        paging: Arc::default(),
        judging_turn: Arc::default(),
        doctor: Arc::default(),
        revision_key: Arc::new(reload::key(&component.state_dir)?),
        started: clock::instant(),
        started_at: now(),
        metrics: AppMetrics::default(),
        access: Arc::new(Access::new(settings.admin.clone())),
        down: tasks::Down::default(),
    };
    let control = ControlSocket::listen(&component.socket).await?;
    let stop = CancellationToken::new();
    let mut terminate = signal(SignalKind::terminate()).map_err(RunError::System)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(RunError::System)?;
    let mut hangup = signal(SignalKind::hangup()).map_err(RunError::System)?;
    let mut moved = signal(SignalKind::user_defined1()).map_err(RunError::System)?;

    if mode == Mode::Observe {
        tracing::warn!("only observing: decisions are written down, and nothing is enforced");
    }
    let operator = Arc::new(commands::Operator::new(shared.clone()));
    let domain = component.domain.to_string();
    let mut traffic = traffic::Traffic::new(shared.clone(), domain, Arc::clone(&operator));
    let fault = shared.environment.fault().and_then(tasks::Fault::read);
    if let Some(fault) = fault.clone() {
        let engine = shared.engine();
        let threads = engine.audit().threads().map(|(name, health)| (name, health.clone()));
        tokio::spawn(fault.have_fail(threads.collect()));
    }
    let mut tasks = Tasks::new(shared.down.clone(), fault);
    tasks.need(LINK, {
        let stop = stop.clone();
        async move { link.run(stop, move |event, outbox| traffic.event(event, outbox)).await }
    });
    tasks.need("readiness", readiness::watch(shared.clone(), component.ready_within));
    tasks.need("watchdog", readiness::feed_watchdog(shared.clone()));
    tasks.need("succession", due_actions::watch(shared.clone()));
    tasks.need("timers", due_actions::run_timers(shared.clone()));
    tasks.need("bans", bans::watch(shared.clone()));
    tasks.keep("audit", again(&shared, audit::watch));
    tasks.keep("reload", again(&shared, reload::watch));
    tasks.keep("doctor", again(&shared, doctor::watch));
    tasks.keep("commands", {
        let operator = Arc::clone(&operator);
        move || {
            let (control, operator) = (control.clone(), Arc::clone(&operator));
            async move { control.serve(operator).await }
        }
    });
    if let Some(postgres) = store::exchange(&settings.store, &name, &shared) {
        tasks.keep("PostgreSQL", postgres);
    }
    if settings.admin.http != config::Listen::Off {
        let (shared, admin) = (shared.clone(), settings.admin.clone());
        tasks.keep(PAGE, move || {
            let router = router(Arc::clone(&operator), Arc::clone(&shared.access));
            let (access, admin) = (Arc::clone(&shared.access), admin.clone());
            async move {
                let server = Server::bind(&admin.http, admin.socket_mode, &access).await;
                match server.map_err(|error| error.to_string())? {
                    Some(server) => match server.serve(router).await {},
                    None => Ok(()),
                }
            }
        });
    }

    let result = loop {
        tokio::select! {
            (task, reason) = tasks.ended() => break Err(RunError::Ended(task, reason)),
            _ = terminate.recv() => break Ok(()),
            _ = interrupt.recv() => break Ok(()),
            _ = hangup.recv() => shared.reload_now.notify_one(),
            _ = moved.recv() => {
                if let Err(error) = shared.engine().audit().reopen() {
                    tracing::warn!(error, "no log is opened again");
                }
            }
        }
    };
    if let Err(error) = &result {
        tracing::error!("{error}");
    }
    readiness::stopping();
    stop.cancel();
    tasks.stop(FAREWELL, LINK).await;
    shared.engine().audit().release();
    result
}

/// Makes a function that starts a watching task each time that it is called.
fn again<F: Future<Output = ()> + Send + 'static>(
    shared: &Shared,
    watch: impl Fn(Shared) -> F + Copy + Send + Sync + 'static,
) -> impl FnMut() -> BoxFuture<'static, tasks::Ended> + Send + 'static {
    let shared = shared.clone();
    move || watch(shared.clone()).map(Ok).boxed()
}
