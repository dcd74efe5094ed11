//! The doctor's checks, each once with something to find and once without.

#![cfg(test)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use vestibule::component::neighbours::{HTTP_COMMANDS, NEIGHBOURS, Neighbour};
use vestibule::config::{Environment, Loaded, Outside, parse};
use vestibule::doctor::{
    Advisories, Bridge, Case, Each, File, Jicofo, Kind, Location, Machine, Report, Server, State,
    checks, dotenv, examine, in_words, locations, web_config,
};
use vestibule::policy::logins::{Host, Hosts};
use vestibule::wire::handshake::Hello;
use vestibule::wire::room::LiveRoom;
use vestibule::wire::server_inventory::ServerInventory;
use vestibule::xmpp::Document;

const NOW: &str = "2026-11-24T00:00:00Z";
const SERVICE: &str = "conference.example.org";
/// Prosody's configuration.
const MAIN: &str = "/etc/prosody/prosody.cfg.lua";
const AVAILABLE: &str = "/etc/prosody/conf.avail/example.org.cfg.lua";
/// Checks whose findings are about a server of which no gate tells the configuration.
const ELSEWHERE: [&str; 2] = ["gate-missing", "visitors-unguarded"];

/// A site of nginx as docs/jitsi.md has it.
const SITE: &str = "server {
    location = /http-bind { proxy_set_header X-Forwarded-For $remote_addr; proxy_pass http://prosody; }
    location = /xmpp-websocket { proxy_set_header X-Forwarded-For $remote_addr; proxy_pass http://prosody; }
    location ~ ^/conference-request/v1(\\/.*)?$ { return 404; }
}";

fn site(text: &str) -> Each<Vec<Location>> {
    vec![("site".to_owned(), locations(text))]
}

fn web_app(text: &str) -> Each<BTreeMap<String, String>> {
    vec![("config.js".to_owned(), web_config(text))]
}

/// One situation. Everything in it is as it should be until it is changed.
struct Situation {
    file: String,
    secret: &'static str,
    /// What stands above all hosts.
    above: String,
    /// Modules and options of the service, of the host where people log in, and of the component's host.
    service: String,
    door: String,
    component: String,
    /// Further elements of the posture.
    more: String,
    attributes: String,
    hello: Option<Hello>,
    machine: Machine,
    stored: Vec<LiveRoom>,
    elections: u64,
    broken: Option<&'static str>,
    on_disk: Option<usize>,
}

impl Situation {
    fn new() -> Self {
        let hooks = [
            "muc-occupant-pre-join",
            "muc-room-pre-create",
            "muc-pre-set-affiliation",
            "muc-config-submitted",
            "muc-invite",
            "muc-occupant-pre-change",
            "presence/full",
            "presence/bare",
            "message/bare",
            "iq-set/bare/http://jabber.org/protocol/muc#owner:query",
            "iq-set/bare/http://jabber.org/protocol/muc#admin:query",
        ]
        .map(|event| format!("<hook event='{event}' priority='2.5' module='vestibule_gate'/>"));
        let version = env!("CARGO_PKG_VERSION");
        Self {
            file: format!(
                "[component]\ndomain = 'vestibule.example.org'\n[[service]]\ndomain = '{SERVICE}'\n\
                 focus = 'focus@auth.example.org'\ntrusted = ['recorder@recorder.example.org']\n\
                 [doctor]\njicofo_config = 'x'\n[policy]\noperators = ['ann@example.org']\n\
                 access.create = ['service', 'operator', 'account']\n\
                 access.enter = ['service', 'operator', 'listed', 'token', 'account', 'returning', 'guest']\n"
            ),
            secret: "f0c6a1d2b7e94835a6d1c0ffee5eed42",
            above: "<option name='consider_bosh_secure'>true</option><option name='trusted_proxies' list='true'>\
                    <item>127.0.0.1</item></option><option name='gc' list='true'><item>mode=generational</item></option>"
                .to_owned(),
            service:                 "<option name='restrict_room_creation'>true</option><option name='muc_room_locking'>false</option>\
                 <option name='muc_tombstones'>false</option><option name='muc_room_cache_size'>10000</option>\
                 <option name='vestibule_trusted' list='true'><item>focus@auth.example.org</item></option>"
                .to_owned(),
            door: "<module name='bosh'/><module name='muc_lobby_rooms'/><option name='authentication'>internal_hashed</option>\
                   <option name='muc_lobby_whitelist' list='true'><item>recorder.example.org</item></option>\
                   <option name='lobby_muc'>lobby.example.org</option>\
                   <option name='main_muc'>conference.example.org</option>"
                .to_owned(),
            component: "<option name='component_conflict_resolve'>kick_old</option>".to_owned(),
            more: "<host name='lobby.example.org' type='component'><module name='muc'/></host>\
                   <host name='recorder.example.org' type='local'/>\
                   <port service='component' interface='127.0.0.1' port='5347'/>\
                   <port service='c2s' interface='*' port='5222'/>\
                   <web sessions='31' addresses='28' loopback='0'/>"
                .to_owned()
                + &hooks.concat(),
            attributes: format!("server='Prosody 13.0.5' lua='5.4' gate='{version}' time='1795478400.5' memory='3000'"),
            hello: Some(Hello {
                hosts: Hosts {
                    hosts: vec![Host {
                        name: "example.org".to_owned(),
                        provider: "internal_hashed".to_owned(),
                        ..Host::default()
                    }],
                    complete: true,
                },
                gate: version.to_owned(),
                server: "Prosody 13.0.5".to_owned(),
                failure: "refuse".to_owned(),
                rooms: 0,
            }),
            machine: Machine {
                files: [
                    ("component.toml", Kind::Settings { has_secret: false }, 0o644),
                    ("secret", Kind::Secret, 0o640),
                    ("state", Kind::State, 0o700),
                    ("state/decisions.jsonl", Kind::Kept, 0o600),
                    ("socket", Kind::Socket, 0o600),
                ]
                .map(|(path, kind, mode)| File {
                    path: PathBuf::from(path),
                    kind,
                    mode: Ok(mode),
                    needs_others: false,
                })
                .into(),
                listening: Some(vec!["127.0.0.1:5347".parse().unwrap()]),
                packages: Some(
                    [("jitsi-meet", "2.0.10741-1"), ("jicofo", "1.0-1164-1"), ("jitsi-videobridge2", "2.3-258-g0-1")]
                        .map(|(name, version)| (name.to_owned(), version.to_owned()))
                        .into(),
                ),
                image: None,
                advisories: None,
                jicofo: Some(Ok(Jicofo { auto_owner: Some(false), conference_request: Some(false), ..Jicofo::default() })),
                docker: None,
                bridge: Some(Bridge::read("videobridge { apis { rest { enabled = true } } }", "")),
                web: vec![("config.js".to_owned(), web_config("var config = { hosts: { anonymousdomain: 'example.org' } };"))],
                nginx: vec![("site".to_owned(), locations(SITE))],
            },
            stored: Vec::new(),
            elections: 0,
            broken: None,
            on_disk: Some(0),
        }
    }

    fn loaded(&self) -> Loaded {
        let secret = ("VESTIBULE_COMPONENT__SECRET".to_owned(), self.secret.to_owned());
        let environment = Environment::of([secret]);
        let read = |_: &Path| Ok(String::new());
        let outside =
            Outside { environment: &environment, read: &read, exposed: false, lenient: false };
        let mut loaded = parse("f", &self.file, &outside).unwrap();
        loaded.policy.revision = "same".to_owned();
        loaded
    }

    fn posture(&self) -> ServerInventory {
        let xml = format!(
            "<inventory xmlns='urn:vestibule:gate:2' {}><module name='muc'/><module name='vestibule_gate'/>\
             <host name='*' file='{MAIN}'>{}</host>\
             <host name='{SERVICE}' type='component' file='{AVAILABLE}' line='9'><module name='muc'/>\
             <module name='vestibule_gate'/>{}</host>\
             <host name='example.org' type='local' file='{AVAILABLE}' line='5'>{}</host>\
             <host name='vestibule.example.org' type='component' file='{AVAILABLE}' line='19'>{}</host>{}</inventory>",
            self.attributes, self.above, self.service, self.door, self.component, self.more
        );
        ServerInventory::read(Document::parse(xml.as_bytes(), "").unwrap().root())
    }

    fn examined(&self, servers: Result<&[Server], &str>) -> Report {
        let loaded = self.loaded();
        examine(&Case {
            servers,
            settings: &loaded.settings,
            in_file: &loaded.settings,
            policy: &loaded.policy,
            warnings: &loaded.warnings,
            broken: self.broken,
            on_disk: self.on_disk,
            machine: &self.machine,
            elections: self.elections,
            now: NOW.parse().unwrap(),
        })
    }

    fn report(&self) -> Report {
        let asked: Timestamp = NOW.parse().unwrap();
        let posture = match &self.hello {
            Some(_) => Ok(self.posture()),
            None => Err("no gate has connected".to_owned()),
        };
        let server = Server {
            service: SERVICE.to_owned(),
            hello: self.hello.clone(),
            refused: None,
            posture,
            asked,
            stored: Ok(self.stored.clone()),
        };
        self.examined(Ok(&[server]))
    }
}

/// A listed room of four people that was there before the policy.
fn stored(name: &str) -> LiveRoom {
    let xml = format!(
        "<room xmlns='urn:vestibule:gate:2' jid='{name}@{SERVICE}' revision='0' persistent='true' hidden='false' \
         affiliations='4'/>"
    );
    LiveRoom::read(Document::parse(xml.as_bytes(), "").unwrap().root()).unwrap()
}

fn option(name: &str, value: &str) -> String {
    format!("<option name='{name}'>{value}</option>")
}

fn list(name: &str, item: &str) -> String {
    format!("<option name='{name}' list='true'><item>{item}</item></option>")
}

fn module(name: &str) -> String {
    format!("<module name='{name}'/>")
}

fn without(text: &mut String, part: &str) {
    assert!(text.contains(part), "{part} is not there");
    *text = text.replace(part, "");
}

fn mode(situation: &mut Situation, path: &str, mode: u32) {
    let file = situation.machine.files.iter_mut().find(|file| file.path == Path::new(path));
    file.unwrap().mode = Ok(mode);
}

fn install(situation: &mut Situation, package: &str, version: &str) {
    let packages = situation.machine.packages.as_mut().unwrap();
    packages.insert(package.to_owned(), version.to_owned());
}

type Change = fn(&mut Situation);

/// What is changed for a check to find something, and what it says then.
const DEFECTS: &[(&str, Change, &str)] = &[
    ("gate-missing", |it| it.hello = None, "no gate has connected"),
    (
        "service-unguarded",
        |it| {
            it.more += "<host name='other.example.org' type='component'><module name='muc'/></host>"
        },
        "without the gate",
    ),
    (
        "service-unguarded",
        |it| {
            it.door = it.door.replace("'main_muc'>conference", "'main_muc'>other");
        },
        "lobby.example.org",
    ),
    (
        "visitors-unguarded",
        |it| it.more += "<visitors service='conference.v1.meet.jitsi' guarded='false'/>",
        "without the gate's module",
    ),
    (
        "internal-service-open",
        |it| {
            it.more += "<host name='internal.auth.example.org' type='component'><module name='muc'/></host>"
        },
        "anybody may open rooms",
    ),
    (
        "gate-version",
        |it| it.attributes = it.attributes.replace(env!("CARGO_PKG_VERSION"), "0.0.1"),
        "the gate is 0.0.1",
    ),
    (
        "gate-order",
        |it| it.more += "<hook event='muc-occupant-pre-join' priority='2.5' module='meddler'/>",
        "meddler handles `muc-occupant-pre-join` at 2.5",
    ),
    (
        "gate-order",
        |it| {
            without(
                &mut it.more,
                "<hook event='muc-invite' priority='2.5' module='vestibule_gate'/>",
            )
        },
        "the gate does not handle `muc-invite`",
    ),
    (
        "gate-after",
        |it| it.more += "<hook event='muc-occupant-pre-join' priority='-7' module='meddler'/>",
        "after the verdict",
    ),
    ("neighbours", |it| it.service += &module("muc_allowners"), "makes everybody a moderator"),
    ("neighbours", |it| it.door += &module("muc_wait_for_host"), "example.org"),
    ("neighbours", |it| it.door += &module("reservations"), "asks another server"),
    ("http-commands", |it| it.door += &module("muc_kick_participant"), "removes people"),
    ("http-commands", |it| it.above += &module("muc_end_meeting"), "above all hosts"),
    (
        "failing-open",
        |it| it.hello.as_mut().unwrap().failure = "allow".to_owned(),
        "everybody gets in",
    ),
    ("grace", |it| it.service += &option("vestibule_grace", "0"), "vestibule_grace = 0"),
    (
        "bootstrap",
        |it| without(&mut it.service, "<item>focus@auth.example.org</item>"),
        "does not name focus@auth.example.org",
    ),
    (
        "bootstrap",
        |it| it.service += &list("vestibule_trusted", "eve@example.org"),
        "eve@example.org, which the file does not",
    ),
    (
        "also",
        |it| {
            it.service += "<module name='http_file_share'/><module name='version'/>";
            it.service += &list("vestibule_also", "jabber:iq:version");
        },
        "refused: http_file_share (urn:xmpp:http:upload:0)",
    ),
    (
        "token-allowlist",
        |it| it.service += &list("token_verification_allowlist", "guest.example.org"),
        "guest.example.org",
    ),
    (
        "access-whitelist",
        |it| it.service += &list("muc_access_whitelist", "guest.example.org"),
        "guest.example.org",
    ),
    (
        "password-whitelist",
        |it| it.service += &list("muc_password_whitelist", "eve@example.org"),
        "eve@example.org",
    ),
    (
        "lobby-whitelist",
        |it| it.door += &list("muc_lobby_whitelist", "guest.example.org"),
        "guest.example.org",
    ),
    (
        "recorder-not-listed",
        |it| without(&mut it.door, "<item>recorder.example.org</item>"),
        "neither recorder@recorder.example.org",
    ),
    ("prefixes", |it| it.service += &list("recorder_prefixes", "recorder@"), "no whole address"),
    ("prefixes", |it| it.above += &module("s2s"), "on any server"),
    (
        "server-admins",
        |it| {
            it.above += &list("admins", "eve@example.org");
            it.above += &option("component_admins_as_room_owners", "true");
        },
        "eve@example.org is an admin",
    ),
    (
        "open-registration",
        |it| {
            it.door += &module("register_ibr");
            it.above += &option("allow_registration", "true");
        },
        "anybody may register",
    ),
    (
        "s2s-token",
        |it| {
            it.service += &module("token_verification");
            it.above += &module("s2s");
        },
        "without a token",
    ),
    (
        "s2s-strangers",
        |it| {
            it.above += &module("s2s");
            it.file = it.file.replace("'guest']", "'guest', 'federated']");
        },
        "people of any server",
    ),
    ("s2s-authentication", |it| it.above += &module("s2s"), "without a certificate"),
    (
        "c2s-unencrypted",
        |it| it.above += &option("c2s_require_encryption", "false"),
        "open to other machines",
    ),
    (
        "plain-passwords",
        |it| {
            it.above += &option("require_encryption", "false");
            it.above += &option("allow_unencrypted_plain_auth", "true");
        },
        "allow_unencrypted_plain_auth",
    ),
    (
        "web-unencrypted",
        |it| it.more += "<port service='http' interface='0.0.0.0' port='5280'/>",
        "consider_bosh_secure",
    ),
    (
        "component-port",
        |it| it.more += "<port service='component' interface='::' port='5347'/>",
        "[::]:5347",
    ),
    (
        "component-port",
        |it| {
            without(&mut it.more, "<port service='component' interface='127.0.0.1' port='5347'/>");
            it.machine.listening = Some(vec!["0.0.0.0:5347".parse().unwrap()]);
        },
        "0.0.0.0:5347",
    ),
    ("component-secret", |it| it.secret = "replace with a long random secret", "the example"),
    ("component-secret", |it| it.secret = "short", "fewer than 16"),
    ("component-secret", |it| it.secret = "passwordpassword", "guessed"),
    (
        "component-secret",
        |it| it.secret = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
        "guessed",
    ),
    ("conflict-resolve", |it| without(&mut it.component, "kick_old"), "component_conflict_resolve"),
    (
        "link-network",
        |it| {
            it.file = it.file.replace(
                "[component]\n",
                "[component]\nserver = 'prosody:5347'\nallow_plaintext_network = true\n",
            );
        },
        "unencrypted",
    ),
    (
        "admin-network",
        |it| it.file += "[admin]\nhttp = '0.0.0.0:5480'\nallow_network = true\n",
        "0.0.0.0:5480",
    ),
    ("admin-metrics", |it| it.file += "[admin]\nopen_metrics = true\n", "needs no token"),
    ("admin-accounts", |it| it.above += &option("allow_registration", "true"), "ann@example.org"),
    ("secret-file", |it| mode(it, "secret", 0o644), "mode 0644"),
    (
        "secret-file",
        |it| {
            let settings = it.machine.files.first_mut().unwrap();
            settings.kind = Kind::Settings { has_secret: true };
        },
        "component.toml",
    ),
    ("settings-file", |it| mode(it, "component.toml", 0o666), "can write it"),
    ("state-files", |it| mode(it, "state/decisions.jsonl", 0o644), "decisions.jsonl"),
    ("state-files", |it| mode(it, "state", 0o711), "state"),
    ("control-socket", |it| mode(it, "socket", 0o777), "can write to it"),
    ("occupant-listing", |it| it.service += &module("muc_size"), "/room-size"),
    ("occupant-listing", |it| it.door += &module("muc_census"), "/room-census"),
    ("trusted-proxies", |it| it.above += &list("trusted_proxies", "0.0.0.0/0"), "large part"),
    (
        "one-address",
        |it| {
            it.more = it.more.replace("addresses='28' loopback='0'", "addresses='1' loopback='31'")
        },
        "that of this machine",
    ),
    (
        "one-address",
        |it| it.more = it.more.replace("addresses='28'", "addresses='1'"),
        "one and the same",
    ),
    (
        "anonymous-opener",
        |it| {
            it.door = it.door.replace("internal_hashed", "jitsi-anonymous");
            it.file = it.file.replace("'account']", "'guest']");
        },
        "example.org",
    ),
    (
        "nobody-opens",
        |it| {
            for host in &mut it.hello.as_mut().unwrap().hosts.hosts {
                host.provider = "jitsi-anonymous".to_owned();
            }
        },
        "nobody starts a meeting",
    ),
    (
        "login-provider",
        |it| {
            let host = Host {
                name: "example.org".to_owned(),
                provider: "our_own".to_owned(),
                ..Host::default()
            };
            it.hello.as_mut().unwrap().hosts.hosts.push(host);
        },
        "mod_auth_our_own",
    ),
    (
        "auto-owner",
        |it| {
            it.machine.jicofo = Some(Ok(Jicofo::default()));
            it.machine.docker = None;
            it.file += "moderators.assign = ['operator']\n";
        },
        "no \"opener\"",
    ),
    (
        "auto-owner",
        |it| {
            it.machine.jicofo = None;
            it.elections = 2;
        },
        "2 times",
    ),
    (
        "conference-request",
        |it| {
            it.machine.jicofo = Some(Ok(Jicofo { conference_request: None, ..Jicofo::default() }));
            it.machine.nginx = Vec::new();
        },
        "/conference-request/v1 on",
    ),
    (
        "conference-request",
        |it| {
            it.machine.jicofo = None;
            it.machine.listening = Some(vec!["0.0.0.0:8888".parse().unwrap()]);
        },
        "reached from other machines",
    ),
    (
        "conference-request",
        |it| {
            it.machine.jicofo = Some(Ok(Jicofo::default()));
            it.machine.nginx =
                site(&SITE.replace("{ return 404; }", "{ proxy_pass http://127.0.0.1:8888/x; }"));
        },
        "return 404",
    ),
    (
        "web-server",
        |it| {
            it.machine.nginx = site(
                "location = /xmpp-websocket { proxy_set_header Host $host; proxy_pass http://prosody; }",
            );
        },
        "/xmpp-websocket",
    ),
    (
        "web-config",
        |it| it.machine.web = web_app("config.conferenceRequestUrl = 'https://' + x;"),
        "over HTTP",
    ),
    (
        "web-config",
        |it| {
            it.machine.web =
                web_app("var config = { hosts: { anonymousdomain: 'guest.example.org' } };")
        },
        "no such host",
    ),
    (
        "web-config",
        |it| {
            it.machine.web = web_app("var config = { securityUi: { disableLobbyPassword: true } };")
        },
        "cannot type the password",
    ),
    (
        "web-config",
        |it| {
            it.machine.web = web_app("var config = { e2ee: { disabled: true } };");
            it.file += "permissions.e2ee = 'require'\n";
        },
        "nobody gets in",
    ),
    (
        "bridge-http",
        |it| {
            let text = "videobridge { apis.rest.enabled = true\nhttp-servers { private { host = 0.0.0.0 } } }";
            it.machine.bridge = Some(Bridge::read(text, ""));
        },
        "/colibri",
    ),
    (
        "default-permissions",
        |it| {
            it.service += "<option name='jitsi_default_permissions' list='true'><item>recording=true</item>\
                           <item>livestreaming=true</item><item>transcription=true</item><item>send-groupchat=true</item>\
                           <item>create-polls=true</item></option>"
        },
        "no button for outbound-call",
    ),
    (
        "docker-env",
        |it| it.machine.docker = Some(Ok(dotenv("COMPOSE_FILE=docker-compose.yml\n"))),
        "leaves Vestibule's container out",
    ),
    (
        "docker-env",
        |it| it.machine.docker = Some(Ok(dotenv("MAX_PARTICIPANTS=30\n"))),
        "muc_max_occupants refuses",
    ),
    (
        "docker-env",
        |it| it.machine.docker = Some(Ok(dotenv("PROSODY_RESERVATION_ENABLED=1\n"))),
        "reservations asks",
    ),
    (
        "docker-env",
        |it| it.machine.docker = Some(Ok(dotenv("XMPP_MUC_MODULES=other\n"))),
        "does not load the gate",
    ),
    (
        "docker-env",
        |it| it.machine.docker = Some(Ok(dotenv("VESTIBULE_COMPONENT_SECRET=short\n"))),
        "shorter than 16",
    ),
    (
        "room-creation",
        |it| without(&mut it.service, "<option name='restrict_room_creation'>true</option>"),
        "without the focus",
    ),
    (
        "room-creation",
        |it| it.file = it.file.replace("focus = 'focus@auth.example.org'\n", ""),
        "only its admins",
    ),
    (
        "room-locking",
        |it| without(&mut it.service, "<option name='muc_room_locking'>false</option>"),
        "locked",
    ),
    (
        "tombstones",
        |it| without(&mut it.service, "<option name='muc_tombstones'>false</option>"),
        "tombstone",
    ),
    (
        "room-defaults",
        |it| it.service += &option("muc_room_default_public", "true"),
        "the policy hides them",
    ),
    (
        "room-storage",
        |it| {
            it.above += &option("default_storage", "memory");
            it.file += "access.persistent = true\n";
        },
        "kept in memory",
    ),
    (
        "rooms-deleted",
        |it| {
            it.stored = vec![stored("staff"), stored("cafe")];
            it.file += "access.persistent = false\n";
        },
        "2 stored rooms, with 8 owners",
    ),
    (
        "rooms-kept",
        |it| {
            it.stored = vec![stored("staff"), stored("cafe")];
            it.file += "[[room]]\nmatch = 'cafe'\naccess.hidden = true\n";
        },
        "2 rooms are stored: 1 is kept as found, 1 is changed by the file",
    ),
    (
        "room-cache",
        |it| without(&mut it.service, "<option name='muc_room_cache_size'>10000</option>"),
        "100 rooms",
    ),
    (
        "self-registration",
        |it| it.service += &option("allow_unaffiliated_register", "true"),
        "register",
    ),
    (
        "prosody-version",
        |it| it.attributes = it.attributes.replace("13.0.5", "0.11.13"),
        "Prosody 0.11.13",
    ),
    (
        "advisories",
        |it| it.attributes = it.attributes.replace("13.0.5", "0.12.3"),
        "your distribution may have repaired it",
    ),
    (
        "advisories",
        |it| {
            it.attributes = it.attributes.replace("13.0.5", "0.12.3");
            install(it, "prosody", "0.12.3-1");
        },
        "0.12.3-1 is not known to have the repair",
    ),
    ("advisories", |it| install(it, "jicofo", "1.0-1132-1"), "JSA-2025-0001 jicofo 1.0-1132-1"),
    ("advisories", |it| install(it, "jitsi-meet", "2.0.9258-1"), "learn the password"),
    (
        "advisories",
        |it| it.machine.image = Some("stable-9258".to_owned()),
        "JITSI_IMAGE_VERSION=stable-9457, or newer",
    ),
    (
        "advisory-list",
        |it| it.machine.advisories = Some(Err("x: line 2: wrong".to_owned())),
        "line 2",
    ),
    (
        "advisory-list",
        |it| {
            let text = "version = 1\ndate = '2020-01-01'\n[[advisory]]\nid = 'X'\nof = 'jicofo'\nwhat = 'w'\n\
                        published = '2020-01-01'\nrepaired = ['1.0-2']\nsource = 'https://example.org'\n";
            it.machine.advisories = Some(Advisories::read(text))
        },
        "older than the program's own",
    ),
    ("lua", |it| it.attributes = it.attributes.replace("5.4", "5.2"), "Lua 5.2"),
    (
        "garbage-collection",
        |it| {
            without(
                &mut it.above,
                "<option name='gc' list='true'><item>mode=generational</item></option>",
            )
        },
        "own setting",
    ),
    (
        "clock",
        |it| it.attributes = it.attributes.replace("1795478400.5", "1795478300.5"),
        "99 s slow",
    ),
    ("policy-file", |it| it.broken = Some("error: f:1:1: wrong\nmore"), "f:1:1: wrong"),
    ("policy-pending", |it| it.on_disk = Some(2), "2 keys"),
    (
        "policy-suspicious",
        |it| it.file += "moderators.jids = ['x@example.org']\nmoderators.assign = ['operator']\n",
        "not in `assign`",
    ),
    (
        "ignore",
        |it| it.file = it.file.replace("[doctor]\n", "[doctor]\nignore = ['nonsense']\n"),
        "no finding",
    ),
];

#[test]
fn each_check_finds_its_defect() {
    for (id, change, says) in DEFECTS {
        let mut situation = Situation::new();
        change(&mut situation);
        let report = situation.report();
        let row = report.checks.iter().find(|row| row.id == *id).unwrap();
        assert_eq!(row.state, State::Found, "{id}: {row:#?}");
        assert!(
            format!("{:?}", row.findings).replace("\\\"", "\"").contains(says),
            "{id}: {row:#?}"
        );
        assert!(
            row.findings.iter().all(|it| !it.line.is_empty() && !it.about.is_empty()),
            "{row:#?}"
        );
        let is_named = row.findings.iter().all(|it| it.file != "Prosody's configuration");
        assert!(is_named != ELSEWHERE.contains(id), "{row:#?}");
    }
    let tried: BTreeSet<_> = DEFECTS.iter().map(|(id, ..)| *id).collect();
    let missing: Vec<_> = checks().map(|it| it.id).filter(|id| !tried.contains(id)).collect();
    assert!(missing.is_empty(), "{missing:?} are not tried");
}

#[test]
fn a_finding_names_the_file_that_says_it_or_has_to() {
    let place = |id: &str, change: Change| {
        let mut situation = Situation::new();
        change(&mut situation);
        let report = situation.report();
        let row = report.checks.iter().find(|row| row.id == id).unwrap();
        row.findings.first().unwrap().file.clone()
    };
    let set = |it: &mut Situation| {
        it.service += &option("vestibule_grace", "0");
        it.service += "<at option='vestibule_grace' file='/x/y.cfg.lua' line='12'/>";
    };
    assert_eq!(place("grace", set), "/x/y.cfg.lua:12");
    let unset = |it: &mut Situation| without(&mut it.component, "kick_old");
    assert_eq!(place("conflict-resolve", unset), format!("{AVAILABLE}:19"));
    let listed = |it: &mut Situation| {
        it.door += "<module name='reservations' file='/x/y.cfg.lua' line='7'/>";
    };
    assert_eq!(place("neighbours", listed), "/x/y.cfg.lua:7");
    let port = |it: &mut Situation| {
        it.more += "<port service='component' interface='::' port='5347'/>";
    };
    assert_eq!(place("component-port", port), MAIN);
    let above = |it: &mut Situation| {
        it.above += &option("c2s_require_encryption", "false");
        it.above +=
            "<at option='c2s_require_encryption' file='/etc/prosody/prosody.cfg.lua' line='3'/>";
    };
    assert_eq!(place("c2s-unencrypted", above), format!("{MAIN}:3"));
}

#[test]
fn where_all_is_as_it_should_be_everything_is_fine() {
    let report = Situation::new().report();
    let other: Vec<_> = report.checks.iter().filter(|row| row.state != State::Fine).collect();
    assert!(other.is_empty(), "{other:#?}");
    assert!(report.complete);
    assert_eq!(report.exit(), 0);
}

#[test]
fn a_debian_package_with_the_repair_is_fine_though_the_version_is_old() {
    let mut situation = Situation::new();
    situation.attributes = situation.attributes.replace("13.0.5", "0.12.3");
    install(&mut situation, "prosody", "0.12.3-1+deb12u1");
    let report = situation.report();
    let row = report.checks.iter().find(|row| row.id == "advisories").unwrap();
    assert_eq!(row.state, State::Fine, "{row:#?}");
}

#[test]
fn a_newer_list_of_the_operator_counts_and_an_older_one_does_not() {
    let list = |date: &str| {
        let text = format!(
            "version = 1\ndate = '{date}'\n[[advisory]]\nid = 'JSA-2027-0001'\nof = 'jicofo'\nwhat = 'w'\n\
             published = '{date}'\nrepaired = ['1.0-2000']\nsource = 'https://example.org'\n"
        );
        Some(Advisories::read(&text))
    };
    let found = |situation: &Situation| {
        let report = situation.report();
        let row = report.checks.iter().find(|row| row.id == "advisories").unwrap().clone();
        row.findings.iter().any(|it| it.about == "JSA-2027-0001 jicofo 1.0-1164-1")
    };
    let mut situation = Situation::new();
    situation.machine.advisories = list("2027-01-01");
    assert!(found(&situation) && situation.report().advisories == "1 advisory of 2027-01-01");
    situation.machine.advisories = list("2020-01-01");
    assert!(!found(&situation));
}

#[test]
fn a_list_of_a_day_far_ahead_does_not_count() {
    let text = "version = 1\ndate = '9999-12-31'\n[[advisory]]\nid = 'X'\nof = 'jicofo'\nwhat = 'w'\npublished = \
                '2027-01-01'\nrepaired = ['1.0-2000']\nsource = 'https://example.org'\n";
    let mut situation = Situation::new();
    situation.machine.advisories = Some(Advisories::read(text));
    let report = situation.report();
    let row = report.checks.iter().find(|row| row.id == "advisory-list").unwrap();
    assert!(row.findings[0].found.contains("which is far ahead"), "{row:?}");
    assert!(!report.advisories.contains("9999"));
}

#[test]
fn a_name_of_a_file_is_no_line_and_no_command_of_the_report() {
    let names = ["a; touch x #", "$(id)", "it's", "b\nFINE\n  c", "\u{1b}[2J", "plain-1.db"];
    let mut situation = Situation::new();
    situation.machine.files = names
        .map(|name| File {
            path: PathBuf::from("/state").join(name),
            kind: Kind::Kept,
            mode: Ok(0o666),
            needs_others: false,
        })
        .into();
    let report = situation.report();
    let row = report.checks.iter().find(|row| row.id == "state-files").unwrap();
    let lines: Vec<_> = row.findings.iter().map(|finding| finding.line.as_str()).collect();
    let expected = [
        "chmod o= '/state/a; touch x #'",
        "chmod o= '/state/$(id)'",
        r"chmod o= '/state/it'\''s'",
        "chmod o= '/state/b\u{fffd}FINE\u{fffd}  c'",
        "chmod o= '/state/\u{fffd}[2J'",
        "chmod o= /state/plain-1.db",
    ];
    assert_eq!(lines, expected);
    let words = in_words(&report, false);
    assert!(words.lines().all(|line| line != "FINE"), "{words}");
}

#[test]
fn of_an_image_or_a_machine_without_packages_it_is_said_what_is_not_known() {
    for (packages, image, says) in [
        (Some(Default::default()), None, "no such package is installed"),
        (None, None, "no list of packages"),
        (None, Some("unstable"), "`unstable`, which names no release"),
        (None, Some("stable-10888"), "the tag of their images does not tell"),
    ] {
        let mut situation = Situation::new();
        situation.machine.packages = packages;
        situation.machine.image = image.map(str::to_owned);
        let report = situation.report();
        let row = report.checks.iter().find(|row| row.id == "advisories").unwrap();
        assert_eq!(row.state, State::Unknown, "{row:?}");
        assert!(row.unknown.iter().any(|reason| reason.contains(says)), "{row:?}");
    }
}

#[test]
fn what_the_images_and_packages_of_jitsi_have_by_nature_is_no_finding() {
    for (change, check) in [
        // The web container reaches Prosody over a network.
        (
            (|it| {
                it.attributes += " config='/run/prosody/config/prosody.cfg.lua'";
                it.more += "<port service='http' interface='*' port='5280'/>";
            }) as Change,
            "web-unencrypted",
        ),
        (
            |it| {
                it.door += &option("c2s_require_encryption", "false");
                it.door = it.door.replace("internal_hashed", "jitsi-anonymous");
            },
            "c2s-unencrypted",
        ),
        (
            |it| it.above += "<module name='s2s'/><module name='s2s_whitelist'/>",
            "s2s-authentication",
        ),
        (
            |it| {
                let text = "videobridge { http-servers { private { host = \"::1\" } } }";
                it.machine.bridge = Some(Bridge::read(text, ""));
            },
            "bridge-http",
        ),
        // The variable has a value that switches it off, and a comment.
        (
            |it| {
                let shipped = include_str!("../prosody-snippets/docker-jitsi-meet/vestibule.env");
                let more =
                    "VESTIBULE_COMPONENT_SECRET=a-long-and-random-secret\nWAIT_FOR_HOST=0 # no\n";
                it.machine.docker = Some(Ok(dotenv(&format!("{shipped}\n{more}"))));
                it.above += &module("persistent_lobby");
            },
            "docker-env",
        ),
        // docker-jitsi-meet makes admins of all services that have an account.
        (
            |it| {
                it.above += &option("component_admins_as_room_owners", "true");
                it.above +=
                    &list("admins", "focus@auth.example.org</item><item>jibri@auth.example.org");
            },
            "server-admins",
        ),
        // Without recording it has neither the recorder's host nor the list.
        (
            |it| {
                without(&mut it.door, "<item>recorder.example.org</item>");
                without(&mut it.more, "<host name='recorder.example.org' type='local'/>");
            },
            "recorder-not-listed",
        ),
    ] {
        let mut situation = Situation::new();
        change(&mut situation);
        let report = situation.report();
        let row = report.checks.iter().find(|row| row.id == check).unwrap();
        assert_eq!(row.findings, [], "{row:?}");
    }
}

#[test]
fn each_reason_not_to_know_is_said_once() {
    let situation = Situation::new();
    let words = in_words(&situation.examined(Err("no link")), false);
    assert_eq!(words.matches("no link").count(), 1, "{words}");
    assert!(words.lines().count() < 8, "{words}");
    let all = in_words(&situation.examined(Err("no link")), true);
    assert!(all.contains("gate-missing, "), "{all}");
}

#[test]
fn no_advice_keeps_the_component_from_its_files() {
    for (kind, needs_others, expected) in [
        (Kind::Secret, false, "chmod o= secret"),
        (Kind::Secret, true, "pass it to the unit by LoadCredential="),
        (Kind::Settings { has_secret: true }, false, "chmod o= secret"),
        (Kind::Settings { has_secret: true }, true, "move the secret into a file of its own"),
    ] {
        let mut situation = Situation::new();
        let path = PathBuf::from("secret");
        situation.machine.files = vec![File { path, kind, mode: Ok(0o644), needs_others }];
        let report = situation.report();
        let row = report.checks.iter().find(|row| row.id == "secret-file").unwrap();
        let advice = row.findings.first().map(|finding| finding.line.clone()).unwrap_or_default();
        assert!(advice.starts_with(expected), "{advice}");
    }
}

#[test]
fn what_cannot_be_looked_at_is_never_fine() {
    let of_the_file = [
        "component-secret",
        "link-network",
        "admin-network",
        "admin-metrics",
        "secret-file",
        "settings-file",
        "state-files",
        "control-socket",
        "auto-owner",
        "conference-request",
        "docker-env",
        "web-server",
        "bridge-http",
        "policy-file",
        "policy-pending",
        "policy-suspicious",
        "ignore",
        "advisory-list",
        // This machine tells, too.
        "component-port",
    ];
    let situation = Situation::new();
    let report = situation.examined(Err("no link"));
    for row in &report.checks {
        let expected =
            if of_the_file.contains(&row.id.as_str()) { State::Fine } else { State::Unknown };
        assert_eq!(row.state, expected, "{row:#?}");
    }
    assert!(!report.complete);
    assert_eq!(report.exit(), 2);

    // A gate that tells as little as the first one did.
    let element = Document::parse(
        b"<inventory xmlns='urn:vestibule:gate:2' server='Prosody 13.0.5' lua='5.4'><module name='muc'/></inventory>",
        "",
    );
    let posture = Ok(ServerInventory::read(element.unwrap().root()));
    let asked: Timestamp = NOW.parse().unwrap();
    let server = Server {
        service: SERVICE.to_owned(),
        hello: situation.hello.clone(),
        refused: None,
        posture,
        asked,
        stored: Err("the gate did not tell".to_owned()),
    };
    let report = situation.examined(Ok(&[server]));
    let fine: BTreeSet<_> = report
        .checks
        .iter()
        .filter(|row| row.state == State::Fine)
        .map(|row| row.id.as_str())
        .collect();
    let known = [
        "gate-missing",
        "gate-version",
        "neighbours",
        "http-commands",
        "failing-open",
        "prosody-version",
        "advisories",
        "lua",
        "login-provider",
        "nobody-opens",
    ];
    assert_eq!(fine, of_the_file.into_iter().chain(known).collect());
}

#[test]
fn what_the_web_server_closes_is_closed_whatever_jicofo_s_file_says() {
    let mut situation = Situation::new();
    // Debian's package lets nobody but Jicofo read its file.
    situation.machine.jicofo = Some(Err("Permission denied".to_owned()));
    let state = |situation: &Situation| {
        let report = situation.report();
        report.checks.iter().find(|row| row.id == "conference-request").unwrap().state
    };
    assert_eq!(state(&situation), State::Fine);
    situation.machine.nginx = Vec::new();
    assert_eq!(state(&situation), State::Unknown);
}

#[test]
fn a_file_that_counts_and_is_not_read_leaves_it_unknown_and_the_older_file_is_named() {
    let mut situation = Situation::new();
    situation.machine.nginx = Vec::new();
    let older = "org.jitsi.jicofo.DISABLE_AUTO_OWNER=true";
    let jicofo = "include \"own.conf\"\njicofo.rest.conference-request.enabled = false";
    situation.machine.jicofo = Some(Jicofo::read(jicofo, older));
    situation.machine.bridge = Some(Bridge::read("include \"own.conf\"", ""));
    let report = situation.report();
    for (id, key) in [
        ("auto-owner", "jicofo_config"),
        ("conference-request", "jicofo_config"),
        ("bridge-http", "bridge_config"),
    ] {
        let row = report.checks.iter().find(|row| row.id == id).unwrap();
        let expected = format!("doctor.{key}: own.conf counts, too, and is not read");
        assert_eq!((row.state, &row.unknown), (State::Unknown, &vec![expected]), "{row:#?}");
    }
    let older = older.replace("true", "false");
    situation.file += "moderators.assign = ['operator']\n";
    situation.machine.jicofo = Some(Jicofo::read("", &older));
    let older = "org.jitsi.videobridge.rest.private.jetty.host=0.0.0.0";
    situation.machine.bridge = Some(Bridge::read("", older));
    let report = situation.report();
    for (id, line) in [
        ("auto-owner", "org.jitsi.jicofo.DISABLE_AUTO_OWNER=true"),
        ("bridge-http", "org.jitsi.videobridge.rest.private.jetty.host=127.0.0.1"),
    ] {
        let row = report.checks.iter().find(|row| row.id == id).unwrap();
        let found = row.findings.first().unwrap();
        assert_eq!((&*found.file, &*found.line), ("sip-communicator.properties", line));
    }
}

#[test]
fn an_ignored_finding_is_listed_and_does_not_count() {
    let mut situation = Situation::new();
    situation.secret = "short";
    assert_eq!(situation.report().exit(), 1);
    situation.file =
        situation.file.replace("[doctor]\n", "[doctor]\nignore = ['component-secret']\n");
    let report = situation.report();
    let row = report.checks.iter().find(|row| row.id == "component-secret").unwrap();
    assert!(row.ignored && row.state == State::Found);
    assert_eq!((report.exit(), report.counts.ignored, report.counts.critical), (0, 1, 0));
}

#[test]
fn the_worst_comes_first_and_what_is_found_stands_before_what_is_not_known() {
    let mut situation = Situation::new();
    situation.secret = "short";
    without(&mut situation.component, "kick_old");
    mode(&mut situation, "state", 0o755);
    situation.machine.jicofo = None;
    situation.machine.nginx = Vec::new();
    let report = situation.report();
    let first: Vec<_> = report.checks.iter().take(4).map(|row| row.id.as_str()).collect();
    assert_eq!(
        first,
        ["component-secret", "state-files", "conflict-resolve", "conference-request"]
    );
}

#[test]
fn the_form_of_the_json_stays() {
    let mut situation = Situation::new();
    without(&mut situation.component, "kick_old");
    let json = serde_json::to_value(situation.report()).unwrap();
    let names = |value: &serde_json::Value| -> Vec<String> {
        value.as_object().unwrap().keys().cloned().collect()
    };
    assert_eq!(json["v"], 1);
    assert_eq!(
        names(&json),
        ["advisories", "at", "checks", "complete", "counts", "probe", "v", "versions"]
    );
    assert_eq!(
        names(&json["counts"]),
        ["critical", "fine", "ignored", "note", "unknown", "warning"]
    );
    let row = &json["checks"][0];
    assert_eq!(
        names(row),
        ["findings", "id", "ignored", "looks_at", "severity", "source", "state", "unknown", "why"]
    );
    assert_eq!(names(&row["findings"][0]), ["about", "file", "found", "line"]);
    assert_eq!((&row["state"], &row["severity"]), (&"found".into(), &"note".into()));
    let again: Report = serde_json::from_value(json).unwrap();
    assert_eq!(again, situation.report());
}

#[test]
fn every_conflicting_module_is_found() {
    for (check, listed) in [("neighbours", NEIGHBOURS), ("http-commands", HTTP_COMMANDS)] {
        for neighbour @ Neighbour { module: name, .. } in listed {
            let mut situation = Situation::new();
            situation.door += &module(name);
            let report = situation.report();
            let row = report.checks.iter().find(|row| row.id == check).unwrap();
            let [found] = &row.findings[..] else { panic!("{name}: {row:?}") };
            assert_eq!(found.found, format!("{name} {neighbour}"));
        }
    }
}

#[test]
fn the_lines_in_place_of_a_module_are_a_policy() {
    for Neighbour { module, lines, .. } in NEIGHBOURS.iter().chain(HTTP_COMMANDS) {
        let mut situation = Situation::new();
        // Each takes the place of the same key of the situation's file.
        for key in lines.iter().filter_map(|line| line.split(" = ").next()) {
            let kept: Vec<_> = situation
                .file
                .lines()
                .filter(|line| !line.starts_with(&format!("{key} = ")))
                .collect();
            situation.file = kept.join("\n") + "\n";
        }
        situation.file += &(lines.join("\n") + "\n");
        assert!(situation.loaded().settings.services.len() == 1, "{module}");
    }
}

#[test]
fn the_script_for_another_machine_names_the_site_and_what_is_closed() {
    let mut situation = Situation::new();
    let script = situation.report().probe.unwrap();
    for part in ["site=example.org\n", "port 5347 ", "/conference-request/v1", "/http-bind"] {
        assert!(script.contains(part), "{script}");
    }
    situation.file =
        situation.file.replace("[doctor]", "link = 'https://meet.example.org/{room}'\n[doctor]");
    assert!(situation.report().probe.unwrap().contains("site=meet.example.org\n"));
    assert_eq!(situation.examined(Err("no link")).probe, None);
}

#[test]
fn every_check_stands_in_the_documentation_as_it_is() {
    let expected: Vec<String> = checks()
        .map(|it| {
            let (id, severity) = (it.id, it.severity.name());
            format!("| `{id}` | {severity} | {} | {} | {} |", it.looks_at, it.why, it.source)
        })
        .collect();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/doctor.md");
    let text = fs::read_to_string(&path).unwrap();
    let rows: Vec<_> = text.lines().filter(|line| line.starts_with("| `")).collect();
    if std::env::var_os("UPDATE").is_some() && rows != expected {
        fs::write(path, text.replace(&rows.join("\n"), &expected.join("\n"))).unwrap();
    } else {
        assert!(rows == expected, "UPDATE=1 cargo test --test doctor writes it");
    }
}

#[test]
fn what_a_check_refers_to_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for source in checks().map(|check| check.source) {
        let (page, part) = source.split_once(", ").unwrap_or((source, ""));
        let page = if page == "README" { "README.md" } else { page };
        if !page.ends_with(".md") {
            continue;
        }
        let text = fs::read_to_string(root.join(page)).expect(page);
        let is_part = |line: &str| {
            let heading = line.trim_start_matches('#').trim();
            let number = part.strip_prefix("section ").map(|number| format!("{number}. "));
            line.starts_with('#')
                && number.map_or(heading == part, |number| heading.starts_with(&number))
        };
        assert!(part.is_empty() || text.lines().any(is_part), "{source}");
    }
}
