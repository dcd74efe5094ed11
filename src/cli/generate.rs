//! `man` and `completions`, made from the declarations of the command line; `token` and `password`.

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use clap::CommandFactory as _;
use clap_complete::Shell;
use jiff::{SignedDuration, Timestamp};
use sha2::{Digest as _, Sha256};

use super::Arguments;
use super::out::{Ended, note, say};
use crate::config::Loaded;
use crate::control::Role;
use crate::jid::BareJid;
use crate::password::{Context, derive, period_at};
use crate::policy::moderators::HostCode;
use crate::policy::record::Source;
use crate::secret::Secret;

/// The name of the program.
const NAME: &str = "vestibule";

/// Prints the completion script of a shell.
pub(super) fn completions(shell: Shell) {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), NAME, &mut script);
    say(String::from_utf8_lossy(&script).trim_end());
}

/// Writes a man page for the program, and one for each command.
pub(super) fn man_pages(directory: &Path) -> Ended {
    fs::create_dir_all(directory)
        .and_then(|()| clap_mangen::generate_to(Arguments::command(), directory))
        .map_err(|error| format!("cannot write man pages to {}: {error}", directory.display()))?;
    Ok(ExitCode::SUCCESS)
}

/// Prints a new token, which is not stored, and the table for the file that admits it.
pub(super) fn print(name: &str, role: Role, json: bool) -> Ended {
    let token =
        Secret::random().map_err(|error| format!("the system gives no random numbers: {error}"))?;
    let sha256 = hex::encode(Sha256::digest(token.expose()));
    if json {
        let table = serde_json::json!({ "name": name, "role": role, "sha256": sha256 });
        say(&serde_json::json!({ "token": token.expose(), "table": table }));
        return Ok(ExitCode::SUCCESS);
    }
    say(token.expose());
    let name = toml::Value::from(name);
    note(&format!(
        "This is shown once. Put this into the file, and reload it:\n\n\
         [[admin.token]]\nname = {name}\nrole = \"{}\"\nsha256 = \"{sha256}\"",
        role.name()
    ));
    Ok(ExitCode::SUCCESS)
}

/// Prints the derived password, or host code, of a room that opens at that time.
pub(super) fn by_file(loaded: &Loaded, room: &BareJid, context: Context, at: Timestamp) -> Ended {
    let rules = loaded.policy.rules_for(room, &[]);
    let settings = &rules.password;
    let code = rules.moderators.code.value;
    let (what, key, source, is_derived) = match context {
        Context::Password => {
            let source = settings.source.value;
            ("password", "password.source", source.name(), source == Source::Derived)
        }
        Context::Code => ("host code", "moderators.code", code.name(), code == HostCode::Derived),
    };
    if !is_derived {
        return Err(
            format!("the {what} of `{room}` is not derived: `{key}` is \"{source}\"").into()
        );
    }
    let secret = settings.secret.value.as_ref();
    let secret = secret.ok_or("the file has no `password.secret` to derive it from")?;
    let period = period_at(settings.period.value, at);
    let password = derive(context, secret, room, period, settings.words.value)?;
    say(password.expose());
    if let Some(length) = settings.period.value {
        let start = |period: u64| {
            let seconds = period.saturating_mul(length.as_secs());
            let since_epoch = SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX));
            Timestamp::UNIX_EPOCH.checked_add(since_epoch).unwrap_or(Timestamp::MAX)
        };
        let (from, until) = (start(period), start(period.saturating_add(1)));
        note(&format!("for a room that opens from {from} until {until}"));
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use clap::Subcommand as _;

    use super::*;
    use crate::app::commands::{Given, commands};

    #[test]
    fn the_command_line_is_sound() {
        Arguments::command().debug_assert();
    }

    /// Commands that have another name on the command line.
    const OTHER_WORDS: [&str; 4] = ["password", "reopen-log", "person-export", "person-erase"];

    #[test]
    fn each_command_has_a_man_page_and_is_completed() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(man_pages(directory.path()).unwrap(), ExitCode::SUCCESS);
        let mut script = Vec::new();
        clap_complete::generate(Shell::Bash, &mut Arguments::command(), NAME, &mut script);
        let script = String::from_utf8(script).unwrap();
        for command in commands().iter().filter(|command| !OTHER_WORDS.contains(&command.name)) {
            let page = directory.path().join(format!("{NAME}-{}.1", command.name));
            let page =
                fs::read_to_string(&page).unwrap_or_else(|error| panic!("{page:?}: {error}"));
            assert!(page.contains(".SH SYNOPSIS"), "{page}");
            assert!(script.split_whitespace().any(|word| word == command.name), "{}", command.name);
        }
    }

    #[test]
    fn the_help_of_a_command_is_its_declaration() {
        let mut line = Arguments::command();
        for command in commands().iter().filter(|command| Given::has_subcommand(command.name)) {
            let form = line.find_subcommand_mut(command.name).unwrap();
            let about = form.get_about().unwrap().to_string();
            assert_eq!(about, command.about, "{}", command.name);
        }
    }
}
