//! The text of a short policy file: the link to the server, the services, and a preset.

use std::fmt::Write as _;
use std::path::Path;

use toml::Value;

use super::prosody::MucService;
use crate::config::{Environment, Outside, parse};

/// A policy for a kind of server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Preset {
    /// Its name on the command line.
    pub name: &'static str,
    /// The part of a policy file behind the services.
    pub text: &'static str,
}

macro_rules! presets {
    ($($name:literal),*) => {
        /// All presets.
        pub const PRESETS: &[Preset] = &[$(Preset {
            name: $name,
            text: include_str!(concat!("../../presets/", $name, ".toml")),
        }),*];
    };
}

presets!["company", "school", "public", "board", "webinar", "guests-only"];

impl Preset {
    /// Returns the preset of that name.
    pub fn named(name: &str) -> Option<&'static Self> {
        PRESETS.iter().find(|preset| preset.name == name)
    }

    /// Returns whether only people who log in start meetings by it.
    pub(super) fn needs_accounts(&self) -> bool {
        let table = self.text.parse::<toml::Table>().unwrap_or_default();
        let create = table.get("policy").and_then(|policy| policy.get("access")?.get("create"));
        let classes = create.and_then(Value::as_array);
        classes.is_some_and(|classes| !classes.iter().any(|class| class.as_str() == Some("guest")))
    }

    /// Returns what it is for: the comment at its beginning, without its name.
    pub fn about(&self) -> String {
        let comment = self.text.lines().map_while(|line| line.strip_prefix("# "));
        let comment = comment.collect::<Vec<_>>().join(" ");
        comment.split_once(": ").map_or(comment.clone(), |(_, about)| about.to_owned())
    }
}

/// What a policy file says before its preset.
#[derive(Clone, Debug)]
pub(super) struct Head<'a> {
    pub(super) component: &'a str,
    /// Address of Prosody's component port.
    pub(super) server: &'a str,
    /// The file of the secret; `None` if the environment has it, as in a container.
    pub(super) secret_file: Option<&'a str>,
    pub(super) services: &'a [MucService],
    /// Address of meetings on the web, with `{room}`.
    pub(super) link: Option<&'a str>,
    /// What an earlier run wrote as that, for each service.
    pub(super) links: &'a [(String, String)],
    pub(super) operators: &'a [String],
}

const COMMENT: &str = "\
# Written by `vestibule init`. What is not here has its default: docs/rules.md lists every key. After a change,
# `vestibule check` says what is wrong with this file, and `vestibule reload` puts it into force.
";
/// Behind that where the component is a container.
const IN_DOCKER: &str = "\
# In the folder of docker-jitsi-meet: `docker compose exec vestibule /vestibule check`.
";

/// Returns the text of a policy file.
pub(super) fn text(head: &Head<'_>, preset: &Preset) -> String {
    let in_docker = if head.secret_file.is_none() { IN_DOCKER } else { "" };
    let mut text = format!("{COMMENT}{in_docker}version = 2\n\n[component]\n");
    line(&mut text, "domain", head.component, "");
    line(&mut text, "server", head.server, "");
    if let Some(file) = head.secret_file {
        line(&mut text, "secret_file", file, "");
    }
    for service in head.services {
        text.push_str("\n[[service]]\n");
        line(&mut text, "domain", service.domain.as_str(), "");
        if let Some(focus) = &service.focus {
            line(&mut text, "focus", focus.as_str(), "Jitsi's focus opens every meeting.");
        }
        if !service.trusted.is_empty() {
            let comment = "Recorders and transcribers pass every door.";
            line(&mut text, "trusted", service.trusted.clone(), comment);
        }
        if !service.gateways.is_empty() {
            let comment = "Telephones join by this account, for many callers: each is a guest.";
            line(&mut text, "gateways", service.gateways.clone(), comment);
        }
        let told = head.links.iter().find(|(domain, _)| *domain == service.domain);
        let told = told.map(|(_, link)| link.clone());
        let usual = service.host.as_ref().map(|host| format!("https://{host}/{{room}}"));
        if let Some(link) = head.link.map(str::to_owned).or(told).or(usual) {
            line(&mut text, "link", link, "The link in invitations.");
        }
    }
    if !head.operators.is_empty() {
        text.push_str("\n[policy]\n");
        let comment = "Accounts that may do everything an operator may, in every room.";
        line(&mut text, "operators", head.operators.to_vec(), comment);
    }
    text.push('\n');
    text.push_str(preset.text);
    text
}

/// Returns what the component would find wrong with the text of a policy file.
pub(super) fn problem(text: &str) -> Option<String> {
    // The true one is in a file that is not there yet, or in the environment of a container.
    let secret = "0123456789abcdef".repeat(4);
    let variable = ("VESTIBULE_COMPONENT__SECRET".to_owned(), secret.clone());
    let environment = Environment::of([variable]);
    let read = |_: &Path| Ok(secret.clone());
    let outside = Outside { environment: &environment, read: &read, exposed: false, lenient: true };
    let problems = parse("component.toml", text, &outside).err()?;
    problems.first().map(ToString::to_string)
}

fn line(text: &mut String, key: &str, value: impl Into<Value>, comment: &str) {
    if !comment.is_empty() {
        _ = writeln!(text, "# {comment}");
    }
    _ = writeln!(text, "{key} = {}", value.into());
}

/// Returns whether the file is the shipped one, which names every key with its default: nobody has written in it yet.
/// An installation changes the places of the schema and of the secret in it.
pub(super) fn is_as_shipped(text: &str) -> bool {
    let shipped = include_str!("../../component.toml");
    let for_docker = include_str!("../../prosody-snippets/docker-jitsi-meet/component.toml");
    let is_place =
        |line: &&str| !line.starts_with("#:schema ") && !line.starts_with("secret_file = ");
    text == for_docker || text.lines().filter(is_place).eq(shipped.lines().filter(is_place))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service() -> MucService {
        MucService {
            domain: "conference.meet.example.org".to_owned(),
            host: Some("meet.example.org".to_owned()),
            focus: Some("focus@auth.meet.example.org".to_owned()),
            trusted: vec!["recorder@recorder.meet.example.org".to_owned()],
            gateways: vec!["jigasi@auth.meet.example.org".to_owned()],
            is_new: false,
        }
    }

    #[test]
    fn every_preset_makes_a_valid_file() {
        let services = [service()];
        let operators = ["ann@meet.example.org".to_owned()];
        let head = Head {
            component: "vestibule.meet.example.org",
            server: "127.0.0.1:5347",
            secret_file: Some("/etc/vestibule/component-secret"),
            services: &services,
            link: None,
            links: &[],
            operators: &operators,
        };
        for preset in PRESETS {
            let text = text(&head, preset);
            assert_eq!(problem(&text), None);
            let wrong = text.replace("vestibule.meet", "vestibule meet");
            assert!(problem(&wrong).unwrap().contains("is no host name"));
            let environment = Environment::of([]);
            let read = |_: &Path| Ok("a long secret of the server".to_owned());
            let outside =
                Outside { environment: &environment, read: &read, exposed: true, lenient: false };
            let loaded = parse(preset.name, &text, &outside).map_err(|problems| {
                problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
            });
            let loaded = loaded.unwrap_or_else(|problems| panic!("{problems}\n{text}"));
            assert_eq!(loaded.settings.services[0].domain.as_str(), services[0].domain);
            assert!(text.contains("link = \"https://meet.example.org/{room}\""));
            let opens = ["public", "guests-only"].contains(&preset.name);
            assert!(!opens || !preset.needs_accounts(), "{}", preset.name);
            assert!(!preset.about().is_empty() && !preset.about().contains("Preset"));
        }
    }

    #[test]
    fn a_host_has_the_time_to_come_back_whether_or_not_people_wait() {
        for preset in PRESETS {
            let table: toml::Table = preset.text.parse().expect("TOML");
            let key = |table: &toml::Table, family: &str, key: &str| {
                table["policy"].get(family)?.get(key)?.as_str().map(str::to_owned)
            };
            let by_succession = key(&table, "moderators", "succession_after");
            assert_eq!(by_succession, key(&table, "lobby", "unattended_after"), "{}", preset.name);
        }
    }

    #[test]
    fn the_shipped_file_is_known_whatever_an_installation_changed_in_it() {
        let shipped = include_str!("../../component.toml");
        assert!(is_as_shipped(shipped));
        assert!(is_as_shipped(
            &shipped.replace("\nsecret_file = \"\"", "\nsecret_file = \"/etc/x\"")
        ));
        assert!(!is_as_shipped(&shipped.replace("version = 2", "version = 2 # mine")));
    }
}
