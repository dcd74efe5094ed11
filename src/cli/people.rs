//! Who is meant by a command about the people of a room.

use clap::Args;

use crate::control::{ForPeople, Length};
use crate::policy::class::Class;

/// Who of those who wait or are inside.
#[derive(Debug, Args)]
pub(super) struct Whom {
    /// The room's address
    #[arg(allow_hyphen_values = true)]
    room: String,
    /// Who: an address, the nick of one person, or the id of a decision on them; left out, everybody of whom all that is
    /// given is true
    #[arg(allow_hyphen_values = true)]
    jid: Option<String>,
    /// Everybody
    #[arg(long)]
    all: bool,
    /// Those who came or knocked within this time, like "5 minutes"
    #[arg(long, value_name = "LENGTH")]
    since: Option<Length>,
    /// Those whose nick, name or address is like this: `*` any text, `?` any character
    #[arg(long = "match", value_name = "PATTERN", allow_hyphen_values = true)]
    pattern: Option<String>,
    /// Those of this class of the policy, like guest
    #[arg(long, value_name = "CLASS", value_parser = class)]
    class: Option<String>,
    /// Those from this network, like 192.0.2.0/24
    #[arg(long, value_name = "NETWORK")]
    network: Option<String>,
    /// Only say who, and do nothing
    #[arg(long)]
    dry_run: bool,
}

/// Who goes, and what they are told.
#[derive(Debug, Args)]
pub(super) struct Going {
    #[command(flatten)]
    whom: Whom,
    /// Moderators and operators, too, if more than one person is meant
    #[arg(long)]
    moderators: bool,
    /// What they are told
    #[arg(long)]
    reason: Option<String>,
}

impl From<Whom> for ForPeople {
    fn from(whom: Whom) -> Self {
        let Whom { room, jid, all, since, pattern, class, network, dry_run } = whom;
        Self { room, jid, all, since, pattern, class, network, dry_run, ..Self::default() }
    }
}

impl From<Going> for ForPeople {
    fn from(going: Going) -> Self {
        let Going { whom, moderators, reason } = going;
        Self { moderators, reason, ..whom.into() }
    }
}

fn class(word: &str) -> Result<String, String> {
    let people = || Class::ALL.into_iter().filter(|class| *class != Class::Service);
    people().find(|class| class.name() == word).map(|class| class.name().to_owned()).ok_or_else(
        || {
            let names: Vec<_> = people().map(Class::name).collect();
            format!("one of {}", names.join(", "))
        },
    )
}
