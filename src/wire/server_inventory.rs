//! The inventory of a gate's server: its hosts, modules, options, ports and handlers.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use jiff::Timestamp;

use super::{NS, children};
use crate::xmpp::element::{Element, ElementRef};

/// Options that count above all hosts only.
const SERVER_WIDE: [&str; 5] =
    ["component_interfaces", "gc", "http_interfaces", "s2s_secure_auth", "trusted_proxies"];
/// Folders in which docker-jitsi-meet's image keeps the configuration.
const DOCKER: [&str; 2] = ["/run/prosody/config/", "/config/"];
/// Files there that the image writes at each start.
const MADE: [&str; 4] = [
    "prosody.cfg.lua",
    "conf.d/jitsi-meet.cfg.lua",
    "conf.d/brewery.cfg.lua",
    "conf.d/visitors.cfg.lua",
];

/// Pseudo-host for server-wide settings.
pub const EVERYWHERE: &str = "*";

/// Returns the request for a gate's inventory.
pub fn posture() -> Element {
    Element::new(NS, "inventory")
}

/// The inventory of a server, as its gate reports it. `None` is what an older gate does not report.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ServerInventory {
    /// Name and version of the server, like `Prosody 0.12.3`.
    pub server: String,
    /// Version of Lua, like `5.4`.
    pub lua: Option<String>,
    /// Version of the gate.
    pub gate: Option<String>,
    /// Path of the server's configuration file.
    pub config: Option<String>,
    /// Time of the server's clock.
    pub time: Option<Timestamp>,
    /// Memory that Lua's values take, in KiB.
    pub memory: Option<u64>,
    /// Modules of the gate's own service.
    pub modules: BTreeSet<String>,
    /// Hosts of the server.
    pub hosts: Option<Hosts>,
    /// Ports that the server listens on.
    pub ports: Vec<Port>,
    /// Handlers of the service's events.
    pub hooks: Vec<Hook>,
    /// Sessions over HTTP.
    pub web: Option<Web>,
    /// Room services of visitors' servers (Jitsi) that the focus has connected, and whether each has the gate's module.
    pub visitors: Vec<(String, bool)>,
    /// Whether the inventory was cut off because it was too long.
    pub is_cut: bool,
}

/// The hosts of a server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hosts {
    everywhere: Host,
    /// All hosts, in the order in which the gate reports them.
    pub all: Vec<Host>,
}

/// A host: `VirtualHost` or `Component`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Host {
    /// Name of the host.
    pub name: String,
    /// Whether it is a `Component`.
    pub is_component: bool,
    /// Modules that the host has loaded.
    pub modules: BTreeSet<String>,
    options: BTreeMap<String, Setting>,
    /// Where the configuration has the host, like `FILE:LINE`, and where its options and modules.
    place: Option<String>,
    option_places: BTreeMap<String, String>,
    module_places: BTreeMap<String, String>,
}

/// Value of an option in Prosody's configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Setting {
    /// A text, a number or a truth value.
    One(String),
    /// A list; the items of a table with keys are `key=value`.
    Many(Vec<String>),
}

/// A port that the server listens on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// Network service, like `c2s`.
    pub service: String,
    /// Address that is listened on; `*` or `::` for all.
    pub interface: String,
    /// Number of the port.
    pub port: u16,
}

/// A handler of an event of the service.
#[derive(Clone, Debug, PartialEq)]
pub struct Hook {
    /// Name of the event.
    pub event: String,
    /// Handlers of higher priority run first; those of the same priority in any order.
    pub priority: f64,
    /// Module of the handler; `None` if the server cannot tell.
    pub module: Option<String>,
}

/// Sessions over BOSH and WebSocket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Web {
    /// Number of sessions.
    pub sessions: u64,
    /// Number of distinct client addresses.
    pub addresses: u64,
    /// Number of sessions from a loopback address.
    pub loopback: u64,
}

impl ServerInventory {
    /// Reads the inventory that a gate sent. Every part of it may be missing.
    pub fn read(element: ElementRef<'_>) -> Self {
        let text = |name| element.attr(name).map(str::to_owned);
        let number = |name| element.attr(name).and_then(|value| value.parse().ok());
        let (everywhere, all): (Vec<_>, Vec<_>) =
            children(element, "host").map(Host::read).partition(|host| host.name == EVERYWHERE);
        let everywhere = everywhere.into_iter().next();
        Self {
            server: text("server").unwrap_or_default(),
            lua: text("lua"),
            gate: text("gate"),
            config: text("config"),
            time: element.attr("time").and_then(|time| time.parse().ok()).and_then(at),
            memory: number("memory"),
            modules: names(element),
            hosts: everywhere.map(|everywhere| Hosts { everywhere, all }),
            ports: children(element, "port").filter_map(Port::read).collect(),
            hooks: children(element, "hook").filter_map(Hook::read).collect(),
            web: children(element, "web").next().map(Web::read),
            visitors: children(element, "visitors")
                .filter_map(|node| {
                    Some((node.attr("service")?.to_owned(), node.attr("guarded") == Some("true")))
                })
                .collect(),
            is_cut: element.attr("more") == Some("true"),
        }
    }

    /// Returns whether the server runs in docker-jitsi-meet, whose image keeps the configuration in a folder of its own.
    pub fn is_docker_jitsi_meet(&self) -> bool {
        self.config.as_ref().is_some_and(|path| DOCKER.iter().any(|it| path.starts_with(it)))
    }
}

impl Hosts {
    /// Returns the host of that name, if there is one.
    pub fn named(&self, name: &str) -> Option<&Host> {
        self.all.iter().find(|host| host.name == name)
    }

    /// Returns an option of a host, or else the server-wide one; `None` if it is not set, and has the server's default.
    pub fn option<'a>(&'a self, host: &'a Host, name: &str) -> Option<&'a Setting> {
        host.options.get(name).or_else(|| self.everywhere.options.get(name))
    }

    /// Returns whether an option of a host is set to this truth value.
    pub fn is(&self, host: &Host, name: &str, value: bool) -> bool {
        self.option(host, name).is_some_and(|it| it.is(value))
    }

    /// Returns a server-wide option, if it is set.
    pub fn global(&self, name: &str) -> Option<&Setting> {
        self.everywhere.options.get(name)
    }

    /// Returns where the configuration sets an option that counts for a host, or else where it belongs: below the host's
    /// header, or above all hosts. `None` if the gate does not tell.
    pub fn option_at(&self, host: &Host, name: &str) -> Option<String> {
        let everywhere =
            || self.everywhere.option_places.get(name).filter(|_| self.global(name).is_some());
        let place = if SERVER_WIDE.contains(&name) {
            self.everywhere.option_places.get(name)
        } else {
            host.option_places.get(name).or_else(everywhere).or(host.place.as_ref())
        };
        place.or(self.everywhere.place.as_ref()).map(|place| shown(place))
    }

    /// Returns where the configuration sets an option above all hosts, or else where it belongs.
    pub fn global_at(&self, name: &str) -> Option<String> {
        self.option_at(&self.everywhere, name)
    }

    /// Returns where the configuration has a module of a host loaded.
    pub fn module_at(&self, host: &Host, module: &str) -> Option<String> {
        let everywhere = self.everywhere.module_places.get(module);
        let place = host.module_places.get(module).or(everywhere.filter(|_| !host.is_component));
        place.map(|place| shown(place)).or_else(|| self.option_at(host, "modules_enabled"))
    }

    /// Iterates over the whole server, as [`EVERYWHERE`], and all hosts.
    pub fn with_everywhere(&self) -> impl Iterator<Item = &Host> {
        std::iter::once(&self.everywhere).chain(&self.all)
    }

    /// Returns whether a module is loaded on a host, or on the whole server.
    pub fn has(&self, host: &Host, module: &str) -> bool {
        host.modules.contains(module) || self.everywhere.modules.contains(module)
    }
}

/// Returns a place as an operator needs it: what is made from other settings is not to be changed by hand.
fn shown(place: &str) -> String {
    let inside = DOCKER.iter().find_map(|folder| place.strip_prefix(folder));
    let file = inside.and_then(|inside| inside.split(':').next());
    match file {
        Some(file) if MADE.contains(&file) => {
            format!("{place} (made from .env when the container starts)")
        }
        _ => place.to_owned(),
    }
}

/// Returns the place that an element tells, like `FILE:LINE`, or the file where it has no line.
fn place(element: ElementRef<'_>) -> Option<String> {
    let file = element.attr("file")?;
    Some(element.attr("line").map_or_else(|| file.to_owned(), |line| format!("{file}:{line}")))
}

impl Setting {
    /// Returns whether the option is that truth value.
    pub fn is(&self, value: bool) -> bool {
        matches!(self, Self::One(text) if *text == value.to_string())
    }

    /// Returns the text of a single value, or `None` for a list.
    pub fn text(&self) -> Option<&str> {
        if let Self::One(text) = self { Some(text) } else { None }
    }

    /// Returns the items of a list; a single value counts as one item.
    pub fn items(&self) -> &[String] {
        match self {
            Self::One(text) => std::slice::from_ref(text),
            Self::Many(items) => items,
        }
    }
}

impl Port {
    fn read(element: ElementRef<'_>) -> Option<Self> {
        Some(Self {
            service: element.attr("service")?.to_owned(),
            interface: element.attr("interface")?.to_owned(),
            port: element.attr("port")?.parse().ok()?,
        })
    }

    /// Returns whether the port can be reached from other machines, judged by its address.
    pub fn is_open(&self) -> bool {
        self.interface
            .parse::<IpAddr>()
            .map_or(self.interface != "localhost", |address| !address.to_canonical().is_loopback())
    }
}

impl Host {
    fn read(element: ElementRef<'_>) -> Self {
        let options = children(element, "option").filter_map(|option| {
            let value = if option.attr("list") == Some("true") {
                Setting::Many(
                    children(option, "item").map(|item| item.text().into_owned()).collect(),
                )
            } else {
                Setting::One(option.text().into_owned())
            };
            Some((option.attr("name")?.to_owned(), value))
        });
        Self {
            name: element.attr("name").unwrap_or_default().to_owned(),
            is_component: element.attr("type") == Some("component"),
            modules: names(element),
            options: options.collect(),
            place: place(element),
            option_places: places(element, "at", "option"),
            module_places: places(element, "module", "name"),
        }
    }
}

impl Hook {
    fn read(element: ElementRef<'_>) -> Option<Self> {
        Some(Self {
            event: element.attr("event")?.to_owned(),
            priority: element.attr("priority")?.parse().ok()?,
            module: element.attr("module").map(str::to_owned),
        })
    }
}

impl Web {
    fn read(element: ElementRef<'_>) -> Self {
        let number =
            |name| element.attr(name).and_then(|value| value.parse().ok()).unwrap_or_default();
        Self {
            sessions: number("sessions"),
            addresses: number("addresses"),
            loopback: number("loopback"),
        }
    }
}

fn names(element: ElementRef<'_>) -> BTreeSet<String> {
    children(element, "module").filter_map(|it| it.attr("name")).map(str::to_owned).collect()
}

/// Returns the places that elements of this kind tell, by what the attribute names.
fn places(element: ElementRef<'_>, kind: &'static str, named: &str) -> BTreeMap<String, String> {
    let entry = |it: ElementRef<'_>| Some((it.attr(named)?.to_owned(), place(it)?));
    children(element, kind).filter_map(entry).collect()
}

fn at(seconds: f64) -> Option<Timestamp> {
    let seconds = jiff::SignedDuration::try_from_secs_f64(seconds).ok()?;
    Timestamp::from_duration(seconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xmpp::element::Document;

    fn read(xml: &str) -> ServerInventory {
        let xml = xml.replacen("<inventory", &format!("<inventory xmlns='{NS}'"), 1);
        ServerInventory::read(Document::parse(xml.as_bytes(), "").unwrap().root())
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
    fn an_option_has_a_place_or_one_where_it_belongs() {
        let posture = read(
            "<inventory><host name='*' file='/p/main'><module name='ping' file='/p/main' line='3'/>\
             <option name='a'>1</option><at option='a' file='/p/main' line='4'/><at option='gone' file='/p/main' line='6'/></host>\
             <host name='one' type='local' file='/p/one' line='1'><module name='ping'/><module name='own' file='/p/one' line='2'/>\
             <at option='b' file='/p/one' line='5'/></host><host name='two' type='component'/></inventory>",
        );
        let hosts = posture.hosts.unwrap();
        let [one, two] = hosts.all.as_slice() else { panic!("{hosts:?}") };
        for (host, option, expected) in [
            (one, "b", "/p/one:5"),
            (one, "a", "/p/main:4"),
            (one, "c", "/p/one:1"),
            (one, "gone", "/p/one:1"),
            (one, "gc", "/p/main"),
            (two, "c", "/p/main"),
        ] {
            assert_eq!(hosts.option_at(host, option).as_deref(), Some(expected), "{option}");
        }
        assert_eq!(hosts.global_at("a").as_deref(), Some("/p/main:4"));
        assert_eq!(hosts.module_at(one, "own").as_deref(), Some("/p/one:2"));
        assert_eq!(hosts.module_at(one, "ping").as_deref(), Some("/p/main:3"));
        assert_eq!(hosts.module_at(two, "ping").as_deref(), Some("/p/main"));
        assert_eq!(Hosts::default().global_at("a"), None);
        let made = "/config/conf.d/jitsi-meet.cfg.lua:7";
        assert_eq!(shown(made), format!("{made} (made from .env when the container starts)"));
        assert_eq!(
            shown("/config/conf.d/vestibule.cfg.lua:7"),
            "/config/conf.d/vestibule.cfg.lua:7"
        );
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
