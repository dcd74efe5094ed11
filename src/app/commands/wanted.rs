//! Who is meant by a command about everybody.

use ipnet::IpNet;
use jiff::SignedDuration;

use super::failure::invalid;
use super::people::ForPeople;
use crate::control::Failure;
use crate::policy::bans::Banned;
use crate::policy::class::Class;
use crate::policy::pattern::Pattern;

/// A request for one person has no description of others.
///
/// # Errors
/// It has.
pub(super) fn only_one(asked: &ForPeople) -> Result<(), Failure> {
    if asked.all || asked.moderators || is_described(asked) {
        return Err(invalid(
            "give either one person, or what is true of everybody who is meant (`all`, `since`, `match`, `class`, `network`)",
        ));
    }
    Ok(())
}

const fn is_described(asked: &ForPeople) -> bool {
    asked.since.is_some()
        || asked.pattern.is_some()
        || asked.class.is_some()
        || asked.network.is_some()
}

/// Who is meant.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) since: Option<SignedDuration>,
    pub(super) pattern: Option<Pattern>,
    pub(super) class: Option<Class>,
    pub(super) network: Option<IpNet>,
    pub(super) moderators: bool,
}

impl Wanted {
    pub(super) fn new(asked: &ForPeople) -> Result<Self, Failure> {
        if !asked.all && !is_described(asked) {
            return Err(invalid(
                "nobody is named: give a person, or what is true of everybody who is meant (`since`, `match`, `class`, \
                 `network`), or `all` if everybody is meant",
            ));
        }
        let network = asked.network.as_deref().map(|text| match Banned::read(text) {
            Ok(Banned::Network(network)) => Ok(network),
            Ok(Banned::Jid(_) | Banned::Domain(_) | Banned::Mark(_)) => Err(invalid(format!(
                "`{text}` is no network: write it like `192.0.2.0/24`, `2001:db8::/32` or `192.0.2.7`"
            ))),
            Err(reason) => Err(invalid(reason)),
        });
        let class = asked.class.as_deref().map(|name| {
            let class = Class::from_name(name).filter(|class| *class != Class::Service);
            class.ok_or_else(|| invalid(format!("`{name}` is no class of people")))
        });
        Ok(Self {
            since: asked
                .since
                .as_ref()
                .map(|time| SignedDuration::try_from(time.time()).unwrap_or(SignedDuration::MAX)),
            pattern: asked.pattern.as_deref().map(Pattern::new).transpose().map_err(invalid)?,
            class: class.transpose()?,
            network: network.transpose()?,
            moderators: asked.moderators,
        })
    }
}
