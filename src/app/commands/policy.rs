//! `plan` and `reload`: show the effect of another policy file, and put the file in force.

use super::{conflict, invalid};
use crate::app::reload::{Reloaded, plan, reload};
use crate::config::counted;
use crate::config::{KeyChange, Said};
use crate::control::{self, Answer, List, PersonChange, ProviderChange, RoomChange, Typed};
use crate::schema;

/// The largest number of lines that are shown of a list.
const MOST: usize = 50;

verb! {
    /// Report what another file would do to the rooms and people that are there, and change nothing
    ///
    /// Without a file: the component's own, as it is now.
    Plan("plan", "Plan", Operator, ReadOnly) -> control::Plan {
        /// Absolute path of the file; other files that it names are looked up next to it
        #[arg(skip)]
        #[serde(default)]
        pub path: String,
        /// Text of the file
        #[arg(skip)]
        #[schemars(with = "Option<schema::Lines>")]
        pub text: Option<Typed>,
    }
    |it, call| {
        let candidate = match (it.path, it.text) {
            (path, Some(Typed(text))) => Some((path, text)),
            (path, None) if path.is_empty() => None,
            (_, None) => return Err(invalid("`plan` needs `text` where `path` is given")),
        };
        plan(&call.shared, candidate).await.map_err(invalid)
    }
}

verb! {
    /// Read the policy file again; a file that would remove too many people is refused
    Reload("reload", "Reload", Operator, Reversible) -> Reloaded {
        /// Reload even if too many people would be removed
        #[arg(long)]
        #[serde(default)]
        pub force: bool,
    }
    |it, call| reload(&call.shared, it.force).await.map_err(conflict)
}

impl Answer for Reloaded {
    fn is_complete(&self) -> bool {
        self.restart.is_empty()
    }

    fn words(&self) -> String {
        let Self { revision, removed, restart } = self;
        let mut lines = vec![format!("policy {revision} is in force")];
        if *removed > 0 {
            let they = counted(
                removed,
                "person may no longer be inside, and is",
                "people may no longer be inside, and are",
            );
            lines.push(format!("{they} removed"));
        }
        if !restart.is_empty() {
            lines.push(format!("NOT IN FORCE until a restart: {}", restart.join(", ")));
        }
        lines.join("\n")
    }
}

impl Answer for control::Plan {
    fn is_complete(&self) -> bool {
        !self.refused
    }

    fn words(&self) -> String {
        let mut lines: Vec<String> =
            self.warnings.iter().map(|warning| format!("warning: {warning}")).collect();
        if self.running == self.revision {
            lines.push(format!("policy {} is in force already", self.running));
        } else {
            lines.push(format!("policy {} -> {}", self.running, self.revision));
        }
        let keys = ("key that changes", "keys that change");
        section(&mut lines, keys, self.keys.len(), &self.keys, key);
        let Some(rooms) = self.rooms else {
            lines.push("there is no link to the server, so the rooms are not known".to_owned());
            return lines.join("\n");
        };
        let people = counted(self.inside, "person", "people");
        lines.push(format!("{} with {people} inside", counted(rooms, "room", "rooms")));
        if self.stored > 0 {
            let stored = counted(self.stored, "room is stored", "rooms are stored");
            lines.push(match self.kept {
                0 => format!("{stored}, none of them from before the policy"),
                kept => format!(
                    "{stored}; {kept} of them were there before the policy and are kept as they are"
                ),
            });
        }
        lines.extend(self.providers.iter().map(provider));
        let differences = ("difference in rooms", "differences in rooms");
        list(&mut lines, differences, &self.changes, room);
        for (who, people) in [
            ("inside who would be removed", &self.removed),
            ("waiting who would be let in", &self.let_in),
            ("waiting who would be turned away", &self.turned_away),
        ] {
            let [one, many] = ["person", "people"].map(|people| format!("{people} {who}"));
            list(&mut lines, (&one, &many), people, person);
        }
        if self.refused {
            lines.push(format!(
                "a reload would be REFUSED: it may remove {} ([reload] in the running file), unless it is forced",
                counted(self.limit, "person", "people")
            ));
        }
        lines.push("nothing was changed".to_owned());
        lines.join("\n")
    }
}

fn list<T>(lines: &mut Vec<String>, what: (&str, &str), all: &List<T>, shown: fn(&T) -> String) {
    section(lines, what, all.count, &all.first, shown);
}

fn section<T>(
    lines: &mut Vec<String>,
    (one, many): (&str, &str),
    count: usize,
    first: &[T],
    shown: fn(&T) -> String,
) {
    let colon = if count > 0 { ":" } else { "" };
    lines.push(format!("{}{colon}", counted(count, one, many)));
    lines.extend(first.iter().take(MOST).map(|one| format!("  {}", shown(one))));
    if count > MOST {
        lines.push(format!("  … and {} more (--json has up to 1000)", count.saturating_sub(MOST)));
    }
}

fn key(change: &KeyChange) -> String {
    let said = |said: &Option<Said>| match said {
        None => "default".to_owned(),
        Some(Said { value, line }) => format!("{value} (line {line})"),
    };
    format!("{}: {} -> {}", change.key, said(&change.before), said(&change.after))
}

fn place(line: u32) -> String {
    if line == 0 { "built-in default".to_owned() } else { format!("line {line}") }
}

fn room(change: &RoomChange) -> String {
    let RoomChange { room, rule, line, jid, called, is, should, repaired } = change;
    let who = jid.as_ref().map(|jid| format!(" {}:", called.with_jid(jid))).unwrap_or_default();
    let done = if *repaired { "repaired" } else { "only reported" };
    format!("{room}:{who} {is}, should be {should}, by {rule} ({}): {done}", place(*line))
}

fn provider(change: &ProviderChange) -> String {
    let ProviderChange { name, hosts, before, after, inside } = change;
    let known =
        |proves: &Option<String>| proves.clone().unwrap_or_else(|| "nothing known".to_owned());
    let hosts = if hosts.is_empty() { "no host".to_owned() } else { hosts.join(", ") };
    let more = match after {
        None => {
            "; they count as guests, and the component is not ready until a [[provider]] names it"
        }
        Some(_) => "",
    };
    format!(
        "a log-in by {name} ({hosts}) proves: {} -> {}, of {} inside{more}",
        known(before),
        known(after),
        counted(inside, "person", "people")
    )
}

fn person(change: &PersonChange) -> String {
    let PersonChange { room, jid, called, rule, line } = change;
    format!("{} in {room}, by {rule} ({})", called.with_jid(jid), place(*line))
}
