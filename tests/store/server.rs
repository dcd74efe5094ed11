//! A real PostgreSQL, of Debian's package.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, Weak, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio_postgres::{Client, NoTls};
use vestibule::config::PostgresAddress;
use vestibule::secret::Secret;

use crate::suite::block_on;

pub(crate) const PASSWORD: &str = "laboratory password of the database";

/// The server, which is ended when this is dropped.
pub(crate) struct Server {
    home: TempDir,
    port: u16,
    running: Option<Running>,
    databases: AtomicU32,
}

/// The kernel ends it with the thread that started it, so it has one of its own.
struct Running {
    pid: u32,
    stop: mpsc::Sender<()>,
    keeper: JoinHandle<()>,
}

impl Server {
    /// The one that every test may use that does not stop it.
    pub(crate) fn shared() -> Arc<Self> {
        static SHARED: Mutex<Weak<Server>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap();
        shared.upgrade().unwrap_or_else(|| {
            let server = Arc::new(Self::start());
            *shared = Arc::downgrade(&server);
            server
        })
    }

    pub(crate) fn start() -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let home = tempfile::tempdir().unwrap();
        let mut server = Self { home, port, running: None, databases: AtomicU32::new(0) };
        server.again();
        server
    }

    /// Starts it again, on the same data.
    pub(crate) fn again(&mut self) {
        self.running = Some(Running::start(self.home.path(), self.port));
        let (address, started) = (self.database("postgres"), Instant::now());
        while block_on(address.config().connect(NoTls)).is_err() {
            assert!(started.elapsed() < Duration::from_secs(120), "PostgreSQL does not answer");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Ends it and its sessions at once.
    pub(crate) fn stop(&mut self) {
        drop(self.running.take());
    }

    /// Stops, or continues, it and its sessions: they are there, and silent.
    pub(crate) fn signal(&self, signal: &str) {
        let pid = self.running.as_ref().unwrap().pid;
        let children = format!("/proc/{pid}/task/{pid}/children");
        assert!(send(signal, &pid.to_string()));
        for child in std::fs::read_to_string(children).unwrap().split_whitespace() {
            let is_there = send(signal, child) || !Path::new("/proc").join(child).exists();
            assert!(is_there, "{child} did not get the signal");
        }
    }

    /// The address of the database of that name.
    pub(crate) fn database(&self, name: &str) -> PostgresAddress {
        self.address(name, "vestibule", PASSWORD)
    }

    pub(crate) fn address(&self, name: &str, user: &str, password: &str) -> PostgresAddress {
        let address = format!("postgresql://{user}@127.0.0.1:{}/{name}", self.port);
        PostgresAddress::parse(&address, Some(&Secret::new(password))).unwrap()
    }

    /// The certificate of the authority that has signed the server's.
    pub(crate) fn authority(&self) -> PathBuf {
        self.home.path().join("authority.pem")
    }

    /// A database with nothing in it.
    pub(crate) fn fresh(&self) -> PostgresAddress {
        let name = format!("fresh{}", self.databases.fetch_add(1, Ordering::Relaxed));
        sql(&self.database("postgres"), &format!("create database {name}"));
        self.database(&name)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Running {
    fn start(home: &Path, port: u16) -> Self {
        let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/support/postgres.sh");
        let mut command = Command::new(script);
        command.arg(home).args([&port.to_string(), PASSWORD]).stderr(Stdio::null());
        let (stop, stopped) = mpsc::channel();
        let (started, pid) = mpsc::channel();
        let keeper = std::thread::spawn(move || {
            let mut child = command.spawn().unwrap();
            started.send(child.id()).unwrap();
            let _ = stopped.recv();
            assert!(send("QUIT", &child.id().to_string()));
            child.wait().unwrap();
        });
        Self { pid: pid.recv().unwrap(), stop, keeper }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.send(()).unwrap();
        while !self.keeper.is_finished() {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Returns whether the process was there to get it.
fn send(signal: &str, pid: &str) -> bool {
    Command::new("kill").args(["-s", signal, pid]).status().unwrap().success()
}

/// Runs SQL.
pub(crate) fn sql(database: &PostgresAddress, text: &str) {
    with(database, async |client| client.batch_execute(text).await.unwrap());
}

/// Asks the database.
pub(crate) fn with<T>(database: &PostgresAddress, what: impl AsyncFnOnce(Client) -> T) -> T {
    block_on(async {
        let (client, connection) = database.config().connect(NoTls).await.unwrap();
        tokio::spawn(connection);
        what(client).await
    })
}
