//! The facts of this machine, for the doctor.

use std::fs::{self, Metadata};
use std::io::Read as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::config::{Environment, Settings, held};
use crate::doctor::{File, Jicofo, Kind, Machine, Named, dotenv};

/// Most files of the state directory that are looked at.
const MOST: usize = 100;
/// Most of a file that is read, in bytes.
const SIZE: u64 = 1024 * 1024;
/// The user who may read everything.
const ROOT: u32 = 0;
/// `TCP_LISTEN` of the kernel.
const LISTENS: &str = "0A";

/// Looks at this machine, for the component in this process, or (`account` is `None`) for one whose account is not
/// known. Reads files: call it where that blocks nobody.
pub(super) fn look(
    file: &Path,
    settings: &Settings,
    environment: &Environment,
    account: Option<&Account>,
) -> Machine {
    let directory = file.parent().unwrap_or(Path::new(""));
    Machine {
        files: files(file, settings, environment, account),
        listening: listening(),
        package: package(Path::new("/var/lib/dpkg/status")),
        jicofo: named(directory, settings.doctor.jicofo_config.as_deref(), Jicofo::read),
        docker: named(directory, settings.doctor.docker_env.as_deref(), dotenv),
    }
}

/// The account that the component runs as.
#[derive(Debug)]
pub(super) struct Account {
    user: u32,
    groups: Vec<u32>,
}

impl Account {
    /// The account of this process; `None`: the system does not report it.
    pub(super) fn of_process() -> Option<Self> {
        let status = fs::read_to_string("/proc/self/status").ok()?;
        let numbers = |field: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(field))?;
            line.split_whitespace().map(|number| number.parse().ok()).collect::<Option<Vec<u32>>>()
        };
        // Real, effective, saved, of the file system: files are opened as the last.
        let last = |field| numbers(field)?.last().copied();
        let mut groups = numbers("Groups:")?;
        groups.push(last("Gid:")?);
        Some(Self { user: last("Uid:")?, groups })
    }

    /// Returns whether the account can read the file without the bits for all accounts.
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
        // The socket may be elsewhere.
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
        // A component by another account than root's can have been given a file of its own.
        None => found.uid() == ROOT,
    });
    let mode = found.map(|found| found.mode() & 0o777).map_err(|error| error.to_string());
    File { mode, path, kind, needs_others }
}

fn named<T>(directory: &Path, path: Option<&Path>, read: impl Fn(&str) -> T) -> Named<T> {
    let path = directory.join(path?);
    let mut text = String::new();
    let opened = fs::File::open(&path).and_then(|file| file.take(SIZE).read_to_string(&mut text));
    match opened {
        Ok(_) => Some(Ok(read(&text))),
        Err(error) => Some(Err(format!("{}: {error}", path.display()))),
    }
}

fn listening() -> Option<Vec<SocketAddr>> {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(fs::read_to_string);
    if tables.iter().all(Result::is_err) {
        return None;
    }
    Some(tables.iter().flatten().flat_map(|table| table.lines().filter_map(socket)).collect())
}

/// The address of a listening socket, in a line of the kernel's table.
fn socket(line: &str) -> Option<SocketAddr> {
    let mut fields = line.split_whitespace().skip(1);
    let (address, port) = fields.next()?.split_once(':')?;
    if fields.nth(1)? != LISTENS {
        return None;
    }
    let port = u16::from_str_radix(port, 16).ok()?;
    // Words of 32 bits, each in the machine's own order.
    let word = |at: usize| {
        let digits = address.get(at.checked_mul(8)?..at.checked_add(1)?.checked_mul(8)?)?;
        Some(u32::from_str_radix(digits, 16).ok()?.to_ne_bytes())
    };
    let ip = if address.len() == 8 {
        IpAddr::V4(Ipv4Addr::from(word(0)?))
    } else {
        let words = [word(0)?, word(1)?, word(2)?, word(3)?].concat();
        IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(words).ok()?))
    };
    Some(SocketAddr::new(ip, port))
}

/// The version of Debian's package `prosody`, if it is installed.
fn package(status: &Path) -> Option<String> {
    let text = fs::read_to_string(status).ok()?;
    let own = text.split("\n\n").find(|entry| entry.starts_with("Package: prosody\n"))?;
    let field = |name: &str| own.lines().find_map(|line| line.strip_prefix(name));
    field("Status: ")?.ends_with(" installed").then_some(field("Version: ")?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_listens_is_read_from_the_kernel_s_table() {
        let word = |bytes: [u8; 4]| format!("{:08X}", u32::from_ne_bytes(bytes));
        let four = word([127, 0, 0, 1]);
        let six = format!("{}{}{}{}", word([0; 4]), word([0; 4]), word([0; 4]), word([0, 0, 0, 1]));
        let line = |address: &str, state: &str| {
            format!("   0: {address}:14E3 00000000:0000 {state} 00000000:00000000")
        };
        assert_eq!(socket(&line(&four, "0A")).unwrap().to_string(), "127.0.0.1:5347");
        assert_eq!(socket(&line(&six, "0A")).unwrap().to_string(), "[::1]:5347");
        assert_eq!(socket(&line(&four, "01")), None);
        assert_eq!(socket("  sl  local_address rem_address   st"), None);
        assert_eq!(socket(&line("ÄÄÄÄ", "0A")), None);
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
        // A file of root's, as one is that was installed, and nobody is known to run the component.
        if this.user == ROOT {
            let found = |account| super::file(file.path().to_owned(), Kind::Secret, account);
            assert!(found(None).needs_others && !found(Some(&this)).needs_others);
            chown(file.path(), Some(65_534), None).unwrap();
            assert!(!found(None).needs_others);
        }
    }

    #[test]
    fn this_very_test_is_seen_to_listen() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        assert!(listening().unwrap().contains(&listener.local_addr().unwrap()));
    }
}
