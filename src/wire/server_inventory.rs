//! `inventory`: what a gate's server is made of.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use jiff::Timestamp;

use super::{NS, children};
use crate::xmpp::element::Element;

/// The name under which what holds for every host is told.
const EVERYWHERE: &str = "*";

/// Asks a gate for it.
pub fn posture() -> Element {
    Element::new(NS, "inventory")
}

/// The inventory of a server by its gate. What an older gate does not report is `None`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ServerInventory {
    /// The server's name and version, like `Prosody 0.12.3`.
    pub server: String,
    /// The version of Lua, like `5.4`.
    pub lua: Option<String>,
    /// The gate's version.
    pub gate: Option<String>,
    /// The server's clock.
    pub time: Option<Timestamp>,
    /// The memory of Lua's values, in KiB.
    pub memory: Option<u64>,
    /// The modules of the gate's own service.
    pub modules: BTreeSet<String>,
    /// The server's hosts.
    pub hosts: Option<Hosts>,
    /// The listening ports.
    pub ports: Vec<Port>,
    /// The handlers of the service's events.
    pub hooks: Vec<Hook>,
    /// The sessions over HTTP.
    pub web: Option<Web>,
    /// Whether the list was cut.
    pub is_cut: bool,
}

/// The hosts of a server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hosts {
    everywhere: Host,
    /// Each of them, in the order of their names.
    pub all: Vec<Host>,
}

/// A host: `VirtualHost` or `Component`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Host {
    /// Its name.
    pub name: String,
    /// Whether it is a `Component`.
    pub is_component: bool,
    /// The modules that it has loaded.
    pub modules: BTreeSet<String>,
    options: BTreeMap<String, Setting>,
}

/// The value of an option.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Setting {
    /// A text, number or truth value.
    One(String),
    /// A list, the items of a table with names as `name=value`.
    Many(Vec<String>),
}

/// A port that the server listens on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// The service, like `c2s`.
    pub service: String,
    /// An address, `*` or `::`.
    pub interface: String,
    /// Its number.
    pub port: u16,
}

/// A handler of an event of the service.
#[derive(Clone, Debug, PartialEq)]
pub struct Hook {
    /// The event.
    pub event: String,
    /// Higher ones come first; those with the same come in any order.
    pub priority: f64,
    /// Whose it is; `None`: the server cannot tell.
    pub module: Option<String>,
}

/// Sessions by BOSH and WebSocket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Web {
    /// The number of sessions.
    pub sessions: u64,
    /// The number of distinct addresses.
    pub addresses: u64,
    /// The number of sessions from the server's own machine.
    pub loopback: u64,
}

impl ServerInventory {
    /// Reads what a gate told. Nothing of it has to be there.
    pub fn read(element: &Element) -> Self {
        let text = |name| element.attr(name).map(str::to_owned);
        let number = |name| element.attr(name).and_then(|value| value.parse().ok());
        let (everywhere, all): (Vec<_>, Vec<_>) =
            children(element, "host").map(Host::read).partition(|host| host.name == EVERYWHERE);
        let everywhere = everywhere.into_iter().next();
        Self {
            server: text("server").unwrap_or_default(),
            lua: text("lua"),
            gate: text("gate"),
            time: element.attr("time").and_then(|time| time.parse().ok()).and_then(at),
            memory: number("memory"),
            modules: names(element),
            hosts: everywhere.map(|everywhere| Hosts { everywhere, all }),
            ports: children(element, "port").filter_map(Port::read).collect(),
            hooks: children(element, "hook").filter_map(Hook::read).collect(),
            web: children(element, "web").next().map(Web::read),
            is_cut: element.attr("more") == Some("true"),
        }
    }
}

impl Hosts {
    /// The host of that name.
    pub fn named(&self, name: &str) -> Option<&Host> {
        self.all.iter().find(|host| host.name == name)
    }

    /// An option of a host, which may stand above all hosts. `None`: it is not set, and has the server's default.
    pub fn option<'a>(&'a self, host: &'a Host, name: &str) -> Option<&'a Setting> {
        host.options.get(name).or_else(|| self.everywhere.options.get(name))
    }

    /// Returns whether an option of a host is set to this.
    pub fn is(&self, host: &Host, name: &str, value: bool) -> bool {
        self.option(host, name).is_some_and(|it| it.is(value))
    }

    /// An option that stands above all hosts.
    pub fn global(&self, name: &str) -> Option<&Setting> {
        self.everywhere.options.get(name)
    }

    /// A module is loaded there, or for the whole server.
    pub fn has(&self, host: &Host, module: &str) -> bool {
        host.modules.contains(module) || self.everywhere.modules.contains(module)
    }
}

impl Setting {
    /// Returns whether it is that truth value.
    pub fn is(&self, value: bool) -> bool {
        matches!(self, Self::One(text) if *text == value.to_string())
    }

    /// The text, if it is one.
    pub fn text(&self) -> Option<&str> {
        if let Self::One(text) = self { Some(text) } else { None }
    }

    /// The items; a single value is one.
    pub fn items(&self) -> &[String] {
        match self {
            Self::One(text) => std::slice::from_ref(text),
            Self::Many(items) => items,
        }
    }
}

impl Port {
    fn read(element: &Element) -> Option<Self> {
        Some(Self {
            service: element.attr("service")?.to_owned(),
            interface: element.attr("interface")?.to_owned(),
            port: element.attr("port")?.parse().ok()?,
        })
    }

    /// It can be reached from other machines, as far as the address says.
    pub fn is_open(&self) -> bool {
        self.interface
            .parse::<IpAddr>()
            .map_or(self.interface != "localhost", |address| !address.to_canonical().is_loopback())
    }
}

impl Host {
    fn read(element: &Element) -> Self {
        let options = children(element, "option").filter_map(|option| {
            let value = if option.attr("list") == Some("true") {
                Setting::Many(children(option, "item").map(Element::text).collect())
            } else {
                Setting::One(option.text())
            };
            Some((option.attr("name")?.to_owned(), value))
        });
        Self {
            name: element.attr("name").unwrap_or_default().to_owned(),
            is_component: element.attr("type") == Some("component"),
            modules: names(element),
            options: options.collect(),
        }
    }
}

impl Hook {
    fn read(element: &Element) -> Option<Self> {
        Some(Self {
            event: element.attr("event")?.to_owned(),
            priority: element.attr("priority")?.parse().ok()?,
            module: element.attr("module").map(str::to_owned),
        })
    }
}

impl Web {
    fn read(element: &Element) -> Self {
        let number =
            |name| element.attr(name).and_then(|value| value.parse().ok()).unwrap_or_default();
        Self {
            sessions: number("sessions"),
            addresses: number("addresses"),
            loopback: number("loopback"),
        }
    }
}

fn names(element: &Element) -> BTreeSet<String> {
    children(element, "module").filter_map(|it| it.attr("name")).map(str::to_owned).collect()
}

fn at(seconds: f64) -> Option<Timestamp> {
    let seconds = jiff::SignedDuration::try_from_secs_f64(seconds).ok()?;
    Timestamp::from_duration(seconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(xml: &str) -> ServerInventory {
        let xml = xml.replacen("<inventory", &format!("<inventory xmlns='{NS}'"), 1);
        ServerInventory::read(&Element::parse(xml.as_bytes(), "").unwrap())
    }

    #[test]
    fn a_host_has_what_stands_above_all_hosts_unless_it_says_otherwise() {
        let posture = read(
            "<inventory server='Prosody 13.0.1' time='1.5'><host name='*'><module name='s2s'/><option name='a'>true</option>\
             <option name='l' list='true'><item>x</item><item>y=z</item></option></host>\
             <host name='one' type='component'><module name='muc'/><option name='a'>false</option></host>\
             <host name='two'/></inventory>",
        );
        let hosts = posture.hosts.unwrap();
        let [one, two] = hosts.all.as_slice() else { panic!("{hosts:?}") };
        assert!(one.is_component && !two.is_component);
        assert!(hosts.option(one, "a").unwrap().is(false));
        assert!(hosts.option(two, "a").unwrap().is(true));
        assert_eq!(hosts.option(two, "l").unwrap().items(), ["x", "y=z"]);
        assert_eq!(hosts.option(two, "none"), None);
        assert!(hosts.has(two, "s2s") && hosts.has(one, "muc") && !hosts.has(two, "muc"));
        assert_eq!(posture.time.unwrap().as_millisecond(), 1500);
    }

    #[test]
    fn what_an_older_gate_does_not_tell_is_not_known() {
        let posture =
            read("<inventory server='Prosody 0.12.3' lua='5.4'><module name='muc'/></inventory>");
        assert_eq!((posture.hosts, posture.time, posture.web), (None, None, None));
        assert!(posture.modules.contains("muc"));
    }

    #[test]
    fn whatever_a_gate_writes_is_read() {
        let posture = read(
            "<inventory time='inf' memory='-1'><host/><host name='*'><option>x</option></host><port port='99999'/>\
             <hook event='x' priority='y'/><web sessions='z'/></inventory>",
        );
        assert_eq!((posture.time, posture.memory), (None, None));
        assert!(posture.ports.is_empty() && posture.hooks.is_empty());
        assert_eq!(posture.web, Some(Web::default()));
    }

    #[test]
    fn only_loopback_cannot_be_reached() {
        for (interface, is_open) in [
            ("127.0.0.1", false),
            ("::1", false),
            ("localhost", false),
            ("*", true),
            ("::", true),
            ("10.1.2.3", true),
        ] {
            let port = Port { service: String::new(), interface: interface.to_owned(), port: 1 };
            assert_eq!(port.is_open(), is_open, "{interface}");
        }
    }
}
