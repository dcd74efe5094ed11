//! The input of the doctor's checks.

use jiff::Timestamp;

use super::{Looked, Machine, PROSODY};
use crate::config::{Problem, Settings};
use crate::policy::Policy;
use crate::wire::handshake::{Hello, HelloError};
use crate::wire::room::LiveRoom;
use crate::wire::server_inventory::{Host, Hosts, ServerInventory};

const OLDER: &str = "the gate is older and does not tell of hosts and options";

/// Everything that the checks look at.
#[derive(Clone, Copy, Debug)]
pub struct Case<'a> {
    /// The services of the file and their servers; `Err`: why the servers could not be asked.
    pub servers: Result<&'a [Server], &'a str>,
    /// The settings in force.
    pub settings: &'a Settings,
    /// The settings in the file, some of which take effect only after a restart.
    pub in_file: &'a Settings,
    /// The policy in force.
    pub policy: &'a Policy,
    /// The warnings of the file.
    pub warnings: &'a [Problem],
    /// The errors of the file as it is on the disk; `None`: it is valid.
    pub broken: Option<&'a str>,
    /// The number of keys of the file on the disk that differ from those in force; `None`: it is not valid.
    pub on_disk: Option<usize>,
    /// Facts about the component's machine.
    pub machine: &'a Machine,
    /// How often since the start the focus was refused when it wanted to make a person an owner.
    pub elections: u64,
    /// The current time by the component's clock.
    pub now: Timestamp,
}

/// One service of the file, and the server that it is on.
#[derive(Clone, Debug)]
pub struct Server {
    /// Domain of the service.
    pub service: String,
    /// The greeting of its gate; `None`: no gate has connected.
    pub hello: Option<Hello>,
    /// Why its gate is refused, if it is.
    pub refused: Option<HelloError>,
    /// The inventory of the server by its gate; `Err`: why there is none.
    pub posture: Result<ServerInventory, String>,
    /// When the inventory was requested, by the component's clock.
    pub asked: Timestamp,
    /// The rooms that the server has stored; `Err`: why they are not known.
    pub stored: Result<Vec<LiveRoom>, String>,
}

impl Case<'_> {
    /// Returns whether a server runs in docker-jitsi-meet.
    pub(super) fn is_docker(&self, posture: &ServerInventory) -> bool {
        posture.is_docker_jitsi_meet() || self.machine.docker.is_some()
    }

    /// Calls `look` for every server.
    pub(super) fn each_server(
        &self,
        looked: &mut Looked,
        mut look: impl FnMut(&Server, &mut Looked),
    ) {
        match self.servers {
            Ok(servers) => servers.iter().for_each(|server| look(server, looked)),
            Err(reason) => looked.unknown(reason),
        }
    }

    /// Calls `look` for every server whose inventory is known; the others are recorded as unknown.
    pub(super) fn each(
        &self,
        looked: &mut Looked,
        mut look: impl FnMut(&Server, &ServerInventory, &mut Looked),
    ) {
        self.each_server(looked, |server, looked| match &server.posture {
            Ok(posture) => look(server, posture, looked),
            Err(reason) => looked.unknown_at(server, reason),
        });
    }

    /// Calls `look` for every server whose hosts are known; the others are recorded as unknown.
    pub(super) fn each_with_hosts(
        &self,
        looked: &mut Looked,
        mut look: impl FnMut(&Server, &ServerInventory, &Hosts, &mut Looked),
    ) {
        self.each(looked, |server, posture, looked| {
            match &posture.hosts {
                Some(hosts) => look(server, posture, hosts, looked),
                None => looked.unknown_at(server, OLDER),
            }
            if posture.is_cut {
                let reason = "the server has more than the gate tells, so this is a part of it";
                looked.unknown_at(server, reason);
            }
        });
    }

    /// Calls `look` for the host of each guarded service.
    pub(super) fn each_service(
        &self,
        looked: &mut Looked,
        mut look: impl FnMut(&Server, &Hosts, &Host, &mut Looked),
    ) {
        self.each_with_hosts(looked, |server, posture, hosts, looked| {
            if let Some(host) = hosts.named(&server.service) {
                look(server, hosts, host, looked);
            } else if !posture.is_cut {
                looked.not_told(server, "of its own host");
            }
        });
    }

    /// Reports the host of each guarded service for which `is_so` holds.
    pub(super) fn services_that(
        &self,
        looked: &mut Looked,
        is_so: impl Fn(&Hosts, &Host) -> bool,
        found: &str,
        change: Change<'_>,
    ) {
        self.each_service(looked, |_, hosts, host, looked| {
            if is_so(hosts, host) {
                change.find(looked, hosts, host, found);
            }
        });
    }

    /// Reports each host where people log in for which `is_so` holds.
    pub(super) fn doors_that(
        &self,
        looked: &mut Looked,
        is_so: impl Fn(&ServerInventory, &Hosts, &Host) -> bool,
        found: &str,
        change: Change<'_>,
    ) {
        self.each_door(looked, |posture, hosts, host, looked| {
            if is_so(posture, hosts, host) {
                change.find(looked, hosts, host, found);
            }
        });
    }

    /// Returns where an option of a host is set, or belongs, as far as any gate tells; `None`: one above all hosts.
    pub(super) fn option_at(&self, host: Option<&str>, option: &str) -> String {
        let servers = self.servers.unwrap_or_default().iter();
        let mut hosts = servers.filter_map(|it| it.posture.as_ref().ok()?.hosts.as_ref());
        place(hosts.find_map(|hosts| match host {
            None => hosts.global_at(option),
            Some(name) => hosts.option_at(hosts.named(name)?, option),
        }))
    }

    /// Calls `look` for each host where people log in.
    pub(super) fn each_door(
        &self,
        looked: &mut Looked,
        mut look: impl FnMut(&ServerInventory, &Hosts, &Host, &mut Looked),
    ) {
        self.each_with_hosts(looked, |_, posture, hosts, looked| {
            for host in doors(hosts) {
                look(posture, hosts, host, looked);
            }
        });
    }
}

/// What an operator has to change.
#[derive(Clone, Copy, Debug)]
pub(super) enum Change<'a> {
    /// A line of this file.
    File(&'a str, &'a str),
    /// An option of Prosody's: its name, and the line that sets it.
    Option(&'a str, &'a str),
}

impl Change<'_> {
    fn find(self, looked: &mut Looked, hosts: &Hosts, host: &Host, found: &str) {
        match self {
            Self::File(file, line) => looked.find(&host.name, found, (file, line)),
            Self::Option(name, line) => {
                looked.find(&host.name, found, (&place(hosts.option_at(host, name)), line));
            }
        }
    }
}

/// Returns the file and line in Prosody's configuration, as far as they are known.
pub(super) fn place(known: Option<String>) -> String {
    known.unwrap_or_else(|| PROSODY.to_owned())
}

/// Returns the hosts where people log in.
pub(super) fn doors(hosts: &Hosts) -> impl Iterator<Item = &Host> {
    hosts.all.iter().filter(|host| !host.is_component)
}

/// Returns the hosts that are MUC services.
pub(super) fn services(hosts: &Hosts) -> impl Iterator<Item = &Host> {
    hosts.all.iter().filter(|host| host.modules.contains("muc"))
}

/// Returns whether other servers can reach this one.
pub(super) fn has_s2s(hosts: &Hosts) -> bool {
    hosts.all.iter().any(|host| hosts.has(host, "s2s"))
}

/// Returns whether any host has the module.
pub(super) fn has_anywhere(hosts: &Hosts, module: &str) -> bool {
    hosts.all.iter().any(|host| hosts.has(host, module))
}
