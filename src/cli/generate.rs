//! `man`, `completions` and `schema`: made from the same declarations that the command line and the file are read by.

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use clap::CommandFactory as _;
use clap_complete::Shell;

use super::Arguments;
use super::out::{fail, say};
use crate::config::json_schema;

/// The name of the program.
const NAME: &str = "vestibule";

/// Prints the completion script of a shell.
pub(super) fn completions(shell: Shell) -> ExitCode {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), NAME, &mut script);
    say(String::from_utf8_lossy(&script).trim_end());
    ExitCode::SUCCESS
}

/// Writes a man page for the program, and one for each command.
pub(super) fn man_pages(directory: &Path) -> ExitCode {
    let written = fs::create_dir_all(directory)
        .and_then(|()| clap_mangen::generate_to(Arguments::command(), directory));
    match written {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&format!("cannot write man pages to {}: {error}", directory.display())),
    }
}

/// Prints the JSON Schema of the operator's file.
pub(super) fn schema() -> ExitCode {
    say(&format!("{:#}", json_schema()));
    ExitCode::SUCCESS
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

    /// Commands whose words on the command line are others.
    const OTHER_WORDS: [&str; 2] = ["password", "reopen-log"];

    #[test]
    fn each_command_has_a_man_page_and_is_completed() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(man_pages(directory.path()), ExitCode::SUCCESS);
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
