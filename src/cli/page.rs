//! `page`: prints the address that opens the page, and how to reach it from another machine.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::out::{Ended, note, say};
use super::running::{not_done, reply};
use crate::app::commands::{Page, Session, request};
use crate::config::of_session;
use crate::control::{Answer as _, Role};

/// Files that are there in a container of Docker and of Podman.
const CONTAINERS: [&str; 2] = ["/.dockerenv", "/run/.containerenv"];

/// Prints the address of the page, with a session of that role.
pub(super) fn page(socket: Result<PathBuf, String>, role: Role, json: bool) -> Ended {
    let value = match reply(socket, &request(&Page { role })?)? {
        Ok(value) => value,
        Err(failure) => return Ok(not_done(&failure)),
    };
    if json {
        say(&value);
        return Ok(ExitCode::SUCCESS);
    }
    let session: Session = serde_json::from_value(value)?;
    say(&session.words());
    let is_contained = CONTAINERS.into_iter().any(|file| Path::new(file).exists());
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    if let Some(how) = from_elsewhere(&session.url, of_session, host.trim(), is_contained) {
        note(&how);
    }
    Ok(ExitCode::SUCCESS)
}

/// Returns how to open a page that listens on loopback from the reader's own machine, or `None` if they sit at this one.
fn from_elsewhere(
    url: &str,
    variable: impl Fn(&str) -> Option<String>,
    host: &str,
    is_contained: bool,
) -> Option<String> {
    let address = url.strip_prefix("http://")?.split('/').next()?;
    let (ip, port) = address.rsplit_once(':')?;
    let is_loopback =
        ip.trim_matches(['[', ']']).parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback());
    let ssh = variable("SSH_CONNECTION");
    let has_screen = ["DISPLAY", "WAYLAND_DISPLAY"].into_iter().any(|it| variable(it).is_some());
    if !is_loopback || (ssh.is_none() && has_screen) {
        return None;
    }
    if is_contained {
        return Some(format!(
            "Only this container has this address: docs/page.md says how to publish port {port}. Then, on your own \
             machine, with the names of Docker's host and of your account there:\n  \
             ssh -L {port}:127.0.0.1:{port} USER@HOST\nand open the address there."
        ));
    }
    let user = ["SUDO_USER", "USER", "LOGNAME"].into_iter().find_map(&variable);
    // The address under which the client has reached this machine (ssh(1), SSH_CONNECTION).
    let server = ssh.as_deref().and_then(|ssh| ssh.split(' ').nth(2)).unwrap_or(host);
    let user = user.map(|user| user + "@").unwrap_or_default();
    Some(format!(
        "Only this machine has this address. On your own machine, run\n  \
         ssh -L {port}:{address} {user}{server}\nand open the address there."
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "http://127.0.0.1:5480/#login=5e";

    fn told(url: &str, variables: &[(&str, &str)], is_contained: bool) -> Option<String> {
        let variable = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        from_elsewhere(url, variable, "meet", is_contained)
    }

    #[test]
    fn a_person_who_sits_elsewhere_is_told_how_to_get_there() {
        let ssh = ("SSH_CONNECTION", "198.51.100.7 51000 203.0.113.5 22");
        for (variables, line) in [
            (&[("USER", "ann")][..], "\n  ssh -L 5480:127.0.0.1:5480 ann@meet\n"),
            (&[("SUDO_USER", "ann"), ("USER", "root")], "5480 ann@meet\n"),
            (&[ssh, ("DISPLAY", "localhost:10.0")], "5480 203.0.113.5\n"),
            (&[], "5480 meet\n"),
        ] {
            let told = told(URL, variables, false).unwrap();
            assert!(told.contains(line), "{told}");
        }
        let six = told("http://[::1]:8080/#login=5e", &[], false).unwrap();
        assert!(six.contains("ssh -L 8080:[::1]:8080 meet\n"), "{six}");
        assert!(told(URL, &[], true).unwrap().contains("publish port 5480"));
        assert_eq!(told(URL, &[("DISPLAY", ":0")], false), None);
        assert_eq!(told("http://203.0.113.5:5480/#login=5e", &[], false), None);
    }
}
