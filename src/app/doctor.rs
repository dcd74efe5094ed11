//! When the doctor examines the server: periodically, after each greeting of a gate, and on request.

use std::collections::BTreeMap;
use std::fs::Metadata;
use std::io::Read as _;
use std::net::SocketAddr;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use std::{fs, io};

use parking_lot::Mutex;
use serde_json::json;
use tokio::sync::{Mutex as AsyncMutex, Notify};
use tokio::task::JoinError;
use tokio::time::sleep;

use super::clock::now;
use super::rooms::stored;
use super::{Shared, reload};
use crate::config::{Environment, Loaded, Problem, Settings, held};
use crate::doctor::{
    Advisories, Bridge, Case, Counts, Each, File, Jicofo, Kind, Machine, Named, OLDER, Report,
    Server, State, dotenv, examine, image, listening as sockets, locations, web_config,
};
use crate::store::{self, Entry};
use crate::wire::server_inventory::{ServerInventory, posture};

/// The pause before an examination: the gates of several services greet one after another.
const PAUSE: Duration = Duration::from_secs(1);

/// The last report, the wish for another one, and the examination in progress.
#[derive(Debug, Default)]
pub(super) struct Practice {
    last: Mutex<Option<Arc<Report>>>,
    soon: Notify,
    busy: AsyncMutex<()>,
}

impl Practice {
    pub(super) fn look_soon(&self) {
        self.soon.notify_one();
    }

    pub(super) fn last(&self) -> Option<Arc<Report>> {
        self.last.lock().clone()
    }

    pub(super) fn counts(&self) -> Option<Counts> {
        self.last().map(|report| report.counts)
    }

    /// Keeps a report. Returns whether it differs in essence from the last one.
    fn keep(&self, report: &Arc<Report>) -> bool {
        let mut last = self.last.lock();
        let before = last.replace(Arc::clone(report));
        before.is_none_or(|before| before.essence() != report.essence())
    }
}

pub(super) async fn watch(shared: Shared) {
    loop {
        let every = shared.upkeep.lock().settings.doctor.every;
        due(every, &shared.doctor.soon).await;
        if let Err(error) = review(&shared).await {
            tracing::error!(%error, "the server could not be looked at");
        }
    }
}

/// Waits until an examination is due: after `every`, or [`PAUSE`] after it is asked for.
async fn due(every: Option<Duration>, soon: &Notify) {
    tokio::select! {
        () = sleep(every.unwrap_or_default()), if every.is_some() => {}
        () = soon.notified() => sleep(PAUSE).await,
    }
}

pub(super) async fn report(shared: &Shared, fresh: bool) -> Result<Arc<Report>, JoinError> {
    match shared.doctor.last().filter(|_| !fresh) {
        Some(last) => Ok(last),
        None => review(shared).await,
    }
}

async fn review(shared: &Shared) -> Result<Arc<Report>, JoinError> {
    let _alone = shared.doctor.busy.lock().await;
    let servers = ask(shared).await;
    reload::look_at_file(shared).await;
    let on_disk = reload::read(shared).await;
    let pending = on_disk.as_ref().ok().map(|loaded| reload::pending(shared, loaded));
    let (settings, in_file, warnings) = {
        let upkeep = shared.upkeep.lock();
        (Arc::clone(&upkeep.settings), Arc::clone(&upkeep.in_file), Arc::clone(&upkeep.warnings))
    };
    let (policy, elections) = {
        let engine = shared.engine();
        (Arc::clone(engine.policy()), engine.tally().elections)
    };
    let (file, environment) = (Arc::clone(&shared.file), Arc::clone(&shared.environment));
    let looked = tokio::task::spawn_blocking(move || {
        let machine = look(&file, &settings, &environment, Account::of_process().as_ref());
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

/// Asks the gate of every service for its inventory and its stored rooms.
async fn ask(shared: &Shared) -> Result<Vec<Server>, String> {
    if !shared.link.is_up() {
        let trouble = shared.trouble.lock().clone();
        return Err(format!(
            "no link to the server: {}",
            trouble.as_deref().unwrap_or("not connected yet")
        ));
    }
    let services: Vec<_> = {
        let engine = shared.engine();
        let refused = |domain| engine.refusal(domain).cloned();
        engine
            .services()
            .map(|(domain, hello)| (domain.to_owned(), hello.cloned(), refused(domain)))
            .collect()
    };
    let mut servers = Vec::new();
    for (service, hello, refused) in services {
        let posture = match &hello {
            None => Err("no gate has connected".to_owned()),
            Some(_) => match shared.ask(&service, posture()).await {
                Ok(element) => Ok(ServerInventory::read(element.root())),
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

/// Reports new findings in the log, and records them in the audit.
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
        tracing::info!(note, unknown, "the doctor found nothing that bypasses the policy");
    }
    let found = report.checks.iter().filter(|row| row.state == State::Found);
    let found = found.map(|row| {
        json!({ "id": row.id, "severity": row.severity, "ignored": row.ignored, "findings": row.findings })
    });
    let body = json!({ "counts": report.counts, "complete": report.complete, "found": found.collect::<Vec<_>>() });
    let entry = Entry { body: body.to_string(), ..Entry::new(store::Kind::Doctor, report.at) };
    shared.engine().audit().record(entry);
}

/// Returns the report that is possible without a running component; `reason` says why none was reached.
pub fn alone(file: &Path, environment: &Environment, loaded: &Loaded, reason: &str) -> Report {
    let Loaded { settings, policy, .. } = loaded;
    let warnings: Vec<Problem> = loaded.warnings_at(now()).cloned().collect();
    let machine = look(file, settings, environment, None);
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

/// The largest number of files in the state directory that are examined.
const MOST: usize = 100;
/// The largest part of a file that is read, in bytes.
const SIZE: u64 = 1024 * 1024;
/// Where Debian has the sites of nginx.
const NGINX: [&str; 2] = ["/etc/nginx/sites-enabled/*", "/etc/nginx/conf.d/*.conf"];
/// Where Debian has the files of Jicofo and of the bridge. Those of older versions have only the second.
const JICOFO: [&str; 2] =
    ["/etc/jitsi/jicofo/jicofo.conf", "/etc/jitsi/jicofo/sip-communicator.properties"];
const BRIDGE: [&str; 2] =
    ["/etc/jitsi/videobridge/jvb.conf", "/etc/jitsi/videobridge/sip-communicator.properties"];
/// Debian's list of packages.
const DPKG: &str = "/var/lib/dpkg/status";
/// The file of docker-jitsi-meet in the folder of its `.env`.
const COMPOSE: &str = "docker-compose.yml";
/// The user id that may read everything.
const ROOT: u32 = 0;

/// Examines this machine, for the component in this process, or (if `account` is `None`) for a component whose account
/// is not known. Reads files, so it must not run on an async thread.
pub(super) fn look(
    file: &Path,
    settings: &Settings,
    environment: &Environment,
    account: Option<&Account>,
) -> Machine {
    let directory = file.parent().unwrap_or(Path::new(""));
    let named_file = |path: &Option<PathBuf>| path.as_deref().map(|path| directory.join(path));
    let (docker, own) = (&settings.doctor.docker_env, &settings.doctor);
    let env = named(named_file(docker), |text| Ok(dotenv(text)));
    let compose = named_file(docker).and_then(|path| read(&path.with_file_name(COMPOSE)).ok());
    let usual = |path: &Option<PathBuf>, places: &[&str]| match named_file(path) {
        Some(path) => vec![path],
        None => places.iter().flat_map(|place| matching(place)).collect(),
    };
    let env_of = env.as_ref().and_then(|env| env.as_ref().ok());
    Machine {
        files: files(file, settings, environment, account),
        listening: listening(),
        packages: fs::read_to_string(DPKG).ok().as_deref().map(packages),
        image: env_of.and_then(|env| image(env, compose.as_deref().unwrap_or_default())),
        advisories: named(named_file(&own.advisories), Advisories::read),
        jicofo: one(usual(&own.jicofo_config, &JICOFO), Jicofo::read, |it| &mut it.unread),
        bridge: one(usual(&own.bridge_config, &BRIDGE), Bridge::read, |it| &mut it.unread),
        web: all(usual(&own.web_config, &["/etc/jitsi/meet/*-config.js"]), web_config),
        nginx: all(usual(&own.nginx_config, &NGINX), locations),
        docker: env,
    }
}

/// The account that the component runs as.
#[derive(Debug)]
pub(super) struct Account {
    user: u32,
    groups: Vec<u32>,
}

impl Account {
    /// Returns the account of this process, or `None` if the system does not report it.
    pub(super) fn of_process() -> Option<Self> {
        let status = fs::read_to_string("/proc/self/status").ok()?;
        let numbers = |field: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(field))?;
            line.split_whitespace().map(|number| number.parse().ok()).collect::<Option<Vec<u32>>>()
        };
        // In the order real, effective, saved, file system: files are opened with the last.
        let last = |field| numbers(field)?.last().copied();
        let mut groups = numbers("Groups:")?;
        groups.push(last("Gid:")?);
        Some(Self { user: last("Uid:")?, groups })
    }

    /// Returns whether the account can read the file without the permission bits for others.
    fn reads(&self, file: &Metadata) -> bool {
        self.user == ROOT
            || self.user == file.uid()
            || (self.groups.contains(&file.gid()) && file.mode() & 0o040 != 0)
    }
}

fn files(
    path: &Path,
    settings: &Settings,
    environment: &Environment,
    account: Option<&Account>,
) -> Vec<File> {
    let file = |path, kind| file(path, kind, account);
    let component = &settings.component;
    let held = held(path, environment);
    let mut all = vec![file(path.to_owned(), Kind::Settings { has_secret: held.inline })];
    all.extend(held.files.into_iter().map(|path| file(path, Kind::Secret)));
    all.push(file(component.state_dir.clone(), Kind::State));
    if let Ok(entries) = fs::read_dir(&component.state_dir) {
        let inside = entries.flatten().take(MOST).map(|entry| entry.path());
        // The socket need not be in this directory.
        let inside = inside.filter(|path| *path != component.socket && path.is_file());
        all.extend(inside.map(|path| file(path, Kind::Kept)));
    }
    all.push(file(component.socket.clone(), Kind::Socket));
    all
}

fn file(path: PathBuf, kind: Kind, account: Option<&Account>) -> File {
    let found = fs::metadata(&path);
    let needs_others = found.as_ref().is_ok_and(|found| match account {
        Some(account) => !account.reads(found),
        // A component that does not run as root may have been given a file of its own.
        None => found.uid() == ROOT,
    });
    let mode = found.map(|found| found.mode() & 0o777).map_err(|error| error.to_string());
    File { mode, path, kind, needs_others }
}

fn named<T>(path: Option<PathBuf>, parse: impl Fn(&str) -> Result<T, String>) -> Named<T> {
    let path = path?;
    let text = read(&path).map_err(|error| error.to_string());
    let parsed = text.and_then(|text| parse(&text));
    Some(parsed.map_err(|reason| format!("{}: {reason}", path.display())))
}

/// Reads the first of these files, and the older one next to it. If that cannot be read, it is noted in `unread`.
fn one<T>(
    paths: Vec<PathBuf>,
    parse: impl Fn(&str, &str) -> Result<T, String>,
    unread: impl Fn(&mut T) -> &mut Vec<String>,
) -> Named<T> {
    let path = paths.into_iter().next()?;
    if path.extension().is_some_and(|kind| kind == "properties") {
        return named(Some(path), |older| parse("", older));
    }
    let next_to_it = path.with_file_name(OLDER);
    let (older, reason) = match read(&next_to_it) {
        Ok(older) => (older, None),
        Err(error) if error.kind() == io::ErrorKind::NotFound => (String::new(), None),
        Err(error) => (String::new(), Some(format!("{} ({error})", next_to_it.display()))),
    };
    let found = named(Some(path), |text| parse(text, &older))?;
    Some(found.map(|mut found| {
        unread(&mut found).extend(reason);
        found
    }))
}

/// Reads each of these files.
fn all<T>(paths: Vec<PathBuf>, parse: impl Fn(&str) -> Result<T, String>) -> Each<T> {
    let each = |path: PathBuf| Some((path.display().to_string(), named(Some(path), &parse)?));
    paths.into_iter().filter_map(each).collect()
}

/// Returns the files that match a path with at most one `*`, in its last part.
fn matching(place: &str) -> Vec<PathBuf> {
    let Some((before, after)) = place.split_once('*') else {
        let path = PathBuf::from(place);
        // Whatever is in a folder that this account may not look into, reading it says so.
        return if path.try_exists().unwrap_or(true) { vec![path] } else { Vec::new() };
    };
    let Some((folder, start)) = before.rsplit_once('/') else { return Vec::new() };
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().take(MOST);
    let mut found: Vec<_> = entries
        .filter(|entry| {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            name.starts_with(start) && name.ends_with(after) && !name.starts_with('.')
        })
        .map(|entry| entry.path())
        .collect();
    found.sort();
    found
}

/// Reads the beginning of a regular file.
fn read(path: &Path) -> io::Result<String> {
    let no_file = || io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file");
    // Opening a device may act on it, and opening a named pipe waits for its other end.
    if !fs::metadata(path)?.is_file() {
        return Err(no_file());
    }
    let file = fs::OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(no_file());
    }
    let mut text = String::new();
    file.take(SIZE).read_to_string(&mut text)?;
    Ok(text)
}

fn listening() -> Option<Vec<SocketAddr>> {
    // `/proc/net` is hidden from the unit, which sees no more of `/proc` than processes (`ProcSubset=pid`).
    let tables = ["/proc/self/net/tcp", "/proc/self/net/tcp6"].map(fs::read_to_string);
    if tables.iter().all(Result::is_err) {
        return None;
    }
    Some(tables.iter().flatten().flat_map(|table| sockets(table)).collect())
}

/// Debian packages whose versions are shown and compared with advisories.
const PACKAGES: [&str; 9] = [
    "prosody",
    "lua5.4",
    "jitsi-meet",
    "jitsi-meet-web",
    "jitsi-meet-prosody",
    "jicofo",
    "jitsi-videobridge2",
    "jigasi",
    "vestibule",
];

/// Returns the versions of the installed packages of [`PACKAGES`], from Debian's list.
fn packages(status: &str) -> BTreeMap<String, String> {
    let entries = status.split("\n\n").filter_map(|entry| {
        let field = |name: &str| entry.lines().find_map(|line| line.strip_prefix(name));
        let name = field("Package: ").filter(|name| PACKAGES.contains(name))?;
        let is_installed = field("Status: ")?.ends_with(" installed");
        is_installed.then_some((name.to_owned(), field("Version: ")?.to_owned()))
    });
    entries.collect()
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::*;

    #[test]
    fn only_regular_files_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let (file, pipe) = (folder.path().join("file"), folder.path().join("pipe"));
        fs::write(&file, "text").unwrap();
        let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
        assert!(made.success());
        assert_eq!(read(&file).unwrap(), "text");
        for path in [&*pipe, folder.path(), Path::new("/dev/zero")] {
            assert!(read(path).is_err(), "{}", path.display());
        }
    }

    #[test]
    fn the_older_file_of_jicofo_is_read_beside_its_own_or_alone() {
        let folder = tempfile::tempdir().unwrap();
        let (own, older) = (folder.path().join("jicofo.conf"), folder.path().join(OLDER));
        let read = |path: &Path| {
            let found = one(vec![path.to_owned()], Jicofo::read, |it| &mut it.unread);
            found.unwrap().unwrap()
        };
        fs::write(&own, "jicofo.conference.enable-auto-owner = true").unwrap();
        assert_eq!((read(&own).auto_owner, read(&own).unread), (Some(true), Vec::new()));
        fs::write(&older, "org.jitsi.jicofo.DISABLE_AUTO_OWNER=true").unwrap();
        assert_eq!((read(&own).auto_owner, read(&older).auto_owner), (Some(false), Some(false)));
        fs::remove_file(&older).unwrap();
        fs::create_dir(&older).unwrap();
        let found = read(&own);
        assert_eq!(found.auto_owner, Some(true));
        assert!(found.unread.concat().contains("it is no regular file"), "{found:?}");
    }

    const DAY: Duration = Duration::from_secs(86_400);

    /// Returns how often an examination is due within a time.
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
    async fn it_looks_every_day_or_never_and_soon_after_it_is_asked() {
        for (every, asked, within, looks) in [
            (Some(DAY), 0, DAY * 3 + DAY / 2, 3),
            (Some(DAY), 2, DAY / 2, 1),
            (None, 0, DAY * 30, 0),
            (None, 1, DAY, 1),
        ] {
            let soon = Notify::new();
            (0..asked).for_each(|_| soon.notify_one());
            assert_eq!(times(every, &soon, within).await, looks, "{every:?}, asked {asked} times");
        }
    }

    #[test]
    fn who_can_read_a_file_is_known_by_its_owner_group_and_mode() {
        use std::os::unix::fs::{PermissionsExt as _, chown};
        let this = Account::of_process().unwrap();
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(this.reads(&file.as_file().metadata().unwrap()));
        let owned = file.as_file().metadata().unwrap();
        let stranger = |groups: &[u32], mode| {
            fs::set_permissions(file.path(), fs::Permissions::from_mode(mode)).unwrap();
            let account = Account { user: owned.uid() + 1, groups: groups.into() };
            account.reads(&file.as_file().metadata().unwrap())
        };
        let group = owned.gid();
        assert!(stranger(&[group + 1, group], 0o640));
        assert!(!stranger(&[group], 0o604) && !stranger(&[group + 1], 0o644));
        // A file of root, as packages install it, while the account of the component is not known.
        if this.user == ROOT {
            let found = |account| super::file(file.path().to_owned(), Kind::Secret, account);
            assert!(found(None).needs_others && !found(Some(&this)).needs_others);
            chown(file.path(), Some(65_534), None).unwrap();
            assert!(!found(None).needs_others);
        }
    }

    #[test]
    fn a_file_that_may_not_be_seen_is_not_taken_for_missing() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("jicofo.conf");
        assert!(matching(file.to_str().unwrap()).is_empty());
        // As in a folder without the right to enter it, where root may do everything.
        let beyond = format!("{}/{}", folder.path().display(), "x".repeat(300));
        assert_eq!(matching(&beyond), [PathBuf::from(&beyond)]);
    }

    #[test]
    fn this_very_test_is_seen_to_listen() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        assert!(listening().unwrap().contains(&listener.local_addr().unwrap()));
    }
}
