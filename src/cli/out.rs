//! The only place that prints.

use std::fmt::Display;
use std::process::ExitCode;

/// Exit status: it could not be found out.
const TROUBLE: u8 = 2;

/// Prints a line for people or programs.
#[expect(clippy::print_stdout, reason = "this is the command line's output")]
pub(super) fn say(text: &(impl Display + ?Sized)) {
    println!("{text}");
}

/// Prints a remark that is no output.
#[expect(clippy::print_stderr, reason = "this is the command line's output")]
pub(super) fn note(text: &(impl Display + ?Sized)) {
    eprintln!("{text}");
}

/// Prints an error; the exit status for it.
pub(super) fn fail(error: &(impl Display + ?Sized)) -> ExitCode {
    let text = error.to_string();
    if text.starts_with("error:") {
        note(&text)
    } else {
        note(&format!("error: {text}"))
    }
    ExitCode::from(TROUBLE)
}
