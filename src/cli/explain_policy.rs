//! `explain-policy`: the policy in plain words, for participants and moderators.

use std::path::Path;
use std::process::ExitCode;

use clap::Args;
use clap::builder::PossibleValuesParser;
use clap::builder::TypedValueParser as _;
use serde_json::{Value, json};

use super::broken;
use super::out::{Ended, say};
use super::running::room_of;
use super::show::service_status;
use crate::app::now;
use crate::config::{Environment, claim, load_to_look};
use crate::jid::BareJid;
use crate::policy::class::Class;
use crate::policy::providers::Proves;
use crate::summary::{Facts, Format, Language, Summary, summary};

/// Arguments of `explain-policy`.
#[derive(Args, Debug)]
pub(super) struct Arguments {
    /// The address of a room that may have rules of its own
    #[arg(long, value_name = "ROOM@SERVICE")]
    room: Option<String>,
    /// A claim of the token of the person who opens the room
    #[arg(long = "claim", value_name = "NAME=VALUE", requires = "room")]
    claims: Vec<String>,
    /// The language
    #[arg(long, default_value = "en", value_parser = language())]
    lang: Language,
    /// The format
    #[arg(long, default_value = "text", value_parser = format())]
    format: Format,
}

fn language() -> impl clap::builder::TypedValueParser<Value = Language> {
    PossibleValuesParser::new(Language::ALL.map(Language::name)).map(|name| {
        Language::ALL.into_iter().find(|one| one.name() == name).unwrap_or(Language::English)
    })
}

fn format() -> impl clap::builder::TypedValueParser<Value = Format> {
    PossibleValuesParser::new(Format::ALL.map(Format::name))
        .map(|name| Format::ALL.into_iter().find(|one| one.name() == name).unwrap_or(Format::Text))
}

/// Prints the page. `socket` is that of the running component, if it is known.
pub(super) fn by_file(
    file: &Path,
    environment: &Environment,
    socket: Option<&Path>,
    arguments: &Arguments,
    json: bool,
) -> Ended {
    let claims = arguments.claims.iter().map(|text| claim(text)).collect::<Result<Vec<_>, _>>()?;
    let loaded = load_to_look(file, environment).map_err(broken)?;
    let room = arguments.room.as_ref().map(|room| room_of(&loaded, room)).transpose()?;
    let room = room.as_ref();
    let rules = room.map(|room| loaded.policy.rules_for(room, &claims));
    let rules = rules.as_ref().unwrap_or(&loaded.policy.base);
    let excepted = room.map(|room| loaded.policy.exceptions.in_room(rules, room, now()));
    let service = loaded.settings.services.first().map(|service| service.domain.as_str());
    let service = room.map(BareJid::domain).or(service);
    let status = service.and_then(|service| service_status(socket, service));
    let opening = status.as_ref().and_then(|status| status.default_opening.as_deref());
    let log_ins = status.as_ref().filter(|status| status.gate.is_some()).map(|it| &it.log_ins);
    let facts = Facts {
        policy: &loaded.policy,
        rules: excepted.as_deref().unwrap_or(rules),
        settings: &loaded.settings,
        room,
        guests_open: opening
            .map(|opening| opening.split([',', ' ']).any(|word| word == Class::Guest.name())),
        tokens: log_ins
            .map(|all| all.iter().any(|it| it.proves.as_deref() == Some(Proves::Token.name()))),
    };
    let found = summary(&facts, arguments.lang);
    if json {
        say(&to_json(&found));
    } else {
        say(found.page(arguments.format).trim_end());
    }
    Ok(ExitCode::SUCCESS)
}

fn to_json(found: &Summary) -> Value {
    let sections = found.sections.iter().map(|(heading, told)| {
        let told = told.iter().map(|told| json!({ "text": told.text, "keys": told.keys }));
        json!({ "heading": heading, "sentences": told.collect::<Vec<_>>() })
    });
    json!({
        "language": found.language.name(),
        "title": found.title,
        "introduction": found.introduction,
        "sections": sections.collect::<Vec<_>>(),
    })
}
