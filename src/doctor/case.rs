//! The input of the doctor's checks.

use jiff::Timestamp;

use super::{Looked, Machine};
use crate::config::{Problem, Settings};
use crate::policy::Policy;
use crate::wire::handshake::{Hello, HelloError};
use crate::wire::room::LiveRoom;
use crate::wire::server_inventory::{Host, Hosts, ServerInventory};

const OLDER: &str = "the gate is older and does not tell of hosts and options";

/// Everything that is looked at.
#[derive(Clone, Copy, Debug)]
pub struct Case<'a> {
    /// The services of the file; `Err`: the server could not be asked, and why.
    pub servers: Result<&'a [Server], &'a str>,
    /// The settings in force.
    pub settings: &'a Settings,
    /// The settings in the file: some take a restart.
    pub in_file: &'a Settings,
    /// The policy in force.
    pub policy: &'a Policy,
    /// The warnings of the file.
    pub warnings: &'a [Problem],
    /// The errors of the file as it is on the disk; `None`: it is valid.
    pub broken: Option<&'a str>,
    /// The number of keys of the file on the disk that differ from those in force; `None`: it is not valid.
    pub on_disk: Option<usize>,
    /// The component's machine.
    pub machine: &'a Machine,
    /// The number of times since the start that the focus was refused to make an owner.
    pub elections: u64,
    /// The component's clock.
    pub now: Timestamp,
}

/// One service of the file, and the server that it is on.
#[derive(Clone, Debug)]
pub struct Server {
    /// Its domain.
    pub service: String,
    /// The greeting of its gate; `None`: no gate has greeted.
    pub hello: Option<Hello>,
    /// Why its gate is refused, if it is.
    pub refused: Option<HelloError>,
    /// The inventory of the server by its gate; `Err`: why there is none.
    pub posture: Result<ServerInventory, String>,
    /// The time of that, by the component's clock.
    pub asked: Timestamp,
    /// The rooms that the server has stored; `Err`: why they are not known.
    pub stored: Result<Vec<LiveRoom>, String>,
}

impl Case<'_> {
    /// Looks at every server.
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

    /// Looks at every server that told what it is made of.
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

    /// Looks at the hosts of every server.
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

    /// Looks at each guarded service's own host.
    pub(super) fn each_service(
        &self,
        looked: &mut Looked,
        mut look: impl FnMut(&Server, &Hosts, &Host, &mut Looked),
    ) {
        self.each_with_hosts(looked, |server, _, hosts, looked| {
            if let Some(host) = hosts.named(&server.service) {
                look(server, hosts, host, looked);
            } else if hosts.all.len() < 64 {
                looked.not_told(server, "of its own host");
            }
        });
    }

    /// Reports each guarded service's own host of which this is so.
    pub(super) fn services_that(
        &self,
        looked: &mut Looked,
        is_so: impl Fn(&Hosts, &Host) -> bool,
        found: &str,
        change: (&str, &str),
    ) {
        self.each_service(looked, |_, hosts, host, looked| {
            if is_so(hosts, host) {
                looked.find(&host.name, found, change);
            }
        });
    }

    /// Reports each host where people log in of which this is so.
    pub(super) fn doors_that(
        &self,
        looked: &mut Looked,
        is_so: impl Fn(&ServerInventory, &Hosts, &Host) -> bool,
        found: &str,
        change: (&str, &str),
    ) {
        self.each_door(looked, |posture, hosts, host, looked| {
            if is_so(posture, hosts, host) {
                looked.find(&host.name, found, change);
            }
        });
    }

    /// Looks at each host where people log in.
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

/// The hosts where people log in.
pub(super) fn doors(hosts: &Hosts) -> impl Iterator<Item = &Host> {
    hosts.all.iter().filter(|host| !host.is_component)
}

/// The hosts that are MUC services.
pub(super) fn services(hosts: &Hosts) -> impl Iterator<Item = &Host> {
    hosts.all.iter().filter(|host| host.modules.contains("muc"))
}

/// Other servers can reach this one.
pub(super) fn has_s2s(hosts: &Hosts) -> bool {
    hosts.all.iter().any(|host| hosts.has(host, "s2s"))
}

/// The module is loaded somewhere.
pub(super) fn has_anywhere(hosts: &Hosts, module: &str) -> bool {
    hosts.all.iter().any(|host| hosts.has(host, module))
}
