//! What of the settings is read at the start alone.

use super::admin::Admin;
use super::settings::{Component, Log, Settings, Store};
use crate::jid::BareJid;

impl Settings {
    /// The settings in force once this file is loaded by a program that runs with `running`: what is read at the start
    /// alone stays as it is.
    #[must_use]
    pub fn reloaded(self, running: &Self) -> Self {
        let Self { component, log, services, store, .. } = running.clone();
        let mut admin = self.admin;
        admin.http = running.admin.http.clone();
        admin.socket_mode = running.admin.socket_mode;
        let focus_and_trusted = self.services;
        let services = services.into_iter().map(|service| {
            let same = focus_and_trusted.iter().find(|other| other.domain == service.domain);
            same.cloned().unwrap_or(service)
        });
        let services = services.collect();
        Self { component, log, services, store, admin, ..self }
    }

    /// The keys that say something else in `file` than this program runs with, and take a restart to be in force.
    pub fn needs_restart(&self, file: &Self) -> Vec<String> {
        // Each key is named, so that a new one is not forgotten.
        let Component {
            domain,
            server,
            secret,
            allow_plaintext_network,
            state_dir,
            socket,
            ready_within,
        } = &self.component;
        let other = &file.component;
        let component = [
            ("domain", *domain != other.domain),
            ("server", *server != other.server),
            ("secret", *secret != other.secret),
            ("allow_plaintext_network", *allow_plaintext_network != other.allow_plaintext_network),
            ("state_dir", *state_dir != other.state_dir),
            ("socket", *socket != other.socket),
            ("ready_within", *ready_within != other.ready_within),
        ];
        let Log { level, format, decisions } = &self.log;
        let other = &file.log;
        let log = [
            ("level", *level != other.level),
            ("format", *format != other.format),
            ("decisions", *decisions != other.decisions),
        ];
        let Store { file: database, retention, max_size, addresses, postgres, server } =
            &self.store;
        let other = &file.store;
        let store = [
            ("file", *database != other.file),
            ("retention", *retention != other.retention),
            ("max_size", *max_size != other.max_size),
            ("addresses", *addresses != other.addresses),
            ("postgres", *postgres != other.postgres),
            ("server", *server != other.server),
        ];
        let Admin { http, socket_mode, .. } = &self.admin;
        let admin = [
            ("http", *http != file.admin.http),
            ("socket_mode", *socket_mode != file.admin.socket_mode),
        ];
        let tables =
            [("component", &component[..]), ("log", &log), ("store", &store), ("admin", &admin)];
        let keys = tables.into_iter().flat_map(|(table, keys)| {
            let changed = keys.iter().filter(|(_, is_other)| *is_other);
            changed.map(move |(key, _)| format!("{table}.{key}"))
        });
        let services = |of: &Self, not_in: &Self, word: &str| -> Vec<String> {
            let named = |it: &BareJid| not_in.services.iter().any(|other| other.domain == *it);
            let domains = of.services.iter().map(|service| &service.domain);
            let domains = domains.filter(|domain| !named(domain));
            domains.map(|domain| format!("[[service]] {domain} ({word})")).collect()
        };
        let added = services(file, self, "added");
        keys.chain(added).chain(services(self, file, "taken out")).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;
    use crate::config::{Environment, Outside, parse};

    fn settings(text: &str) -> Settings {
        let environment = Environment::default();
        let read = |_: &std::path::Path| Err(io::ErrorKind::NotFound.into());
        let outside =
            Outside { environment: &environment, read: &read, exposed: false, lenient: true };
        parse("component.toml", &format!("version = 2\n{text}"), &outside).unwrap().settings
    }

    const PLAIN: &str = "[[service]]\ndomain = \"rooms.example.org\"\n";

    #[test]
    fn each_key_that_is_read_at_the_start_alone_is_named() {
        let running = settings(PLAIN);
        for (text, named) in [
            ("[component]\nserver = \"127.0.0.1:5348\"", &["component.server"][..]),
            ("[component]\nsecret = \"canary\"", &["component.secret"]),
            ("[component]\nsocket = \"/run/x.sock\"", &["component.socket"]),
            ("[log]\nlevel = \"debug\"", &["log.level"]),
            ("[store]\nretention = \"3 days\"", &["store.retention"]),
            ("[admin]\nhttp = \"off\"", &["admin.http"]),
            (
                "[[service]]\ndomain = \"other.example.org\"",
                &["[[service]] other.example.org (added)"],
            ),
            ("[audit]\nevery = \"1 day\"\n[admin]\nhosts = [\"x.example.org\"]", &[]),
            ("[doctor]\nevery = \"2 days\"\n[reload]\nmax_removed = 3", &[]),
        ] {
            let file = settings(&format!("{PLAIN}{text}\n"));
            assert_eq!(running.needs_restart(&file), named, "{text}");
            let now = file.clone().reloaded(&running);
            assert_eq!(running.needs_restart(&now), [""; 0], "{text}: is what runs");
            assert_eq!(now.needs_restart(&file), named, "{text}: stays to be said");
        }
        let fewer = settings("[[service]]\ndomain = \"other.example.org\"\n");
        assert_eq!(
            running.needs_restart(&fewer),
            ["[[service]] other.example.org (added)", "[[service]] rooms.example.org (taken out)"]
        );
    }

    #[test]
    fn what_a_reload_changes_is_in_force_after_it() {
        let running = settings(PLAIN);
        let text =
            format!("{PLAIN}focus = \"focus@auth.example.org\"\n[audit]\nevery = \"1 day\"\n");
        let file = settings(&text);
        assert_eq!(file.clone().reloaded(&running), file);
    }
}
