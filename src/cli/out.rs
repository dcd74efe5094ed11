//! Output of the command line; no other module prints.

use std::error::Error;
use std::fmt::Display;
use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use crate::config::Visible;

/// Exit status if the answer is no.
const NO: u8 = 1;
/// Exit status if the answer could not be found out.
const TROUBLE: u8 = 2;

/// The exit status of a command; `Err`: why the answer could not be found out.
pub(super) type Ended = Result<ExitCode, Box<dyn Error>>;

/// Returns the exit status of an answer.
pub(super) fn status(is_yes: bool) -> ExitCode {
    ExitCode::from(if is_yes { 0 } else { NO })
}

/// Prints a line of output, for people or programs, to stdout.
pub(super) fn say(text: &(impl Display + ?Sized)) {
    // A reader that has read enough (`| head`) is no error.
    if let Err(error) = writeln!(io::stdout(), "{text}")
        && error.kind() != io::ErrorKind::BrokenPipe
    {
        note(&format!("error: the output could not be written: {error}"));
    }
}

/// Returns a text for a terminal: names in it are chosen by others.
pub(super) fn visible(text: &str) -> String {
    text.lines().map(|line| Visible(line).to_string()).collect::<Vec<_>>().join("\n")
}

/// Prints a remark, which is no output, to stderr.
#[expect(clippy::print_stderr, reason = "this is the command line's output")]
pub(super) fn note(text: &(impl Display + ?Sized)) {
    eprintln!("{}", visible(&text.to_string()));
}

/// Prints an error, and returns the exit status 2.
pub(super) fn fail(error: &(impl Display + ?Sized)) -> ExitCode {
    note_error(error);
    ExitCode::from(TROUBLE)
}

/// Prints an error, with the prefix `error:` unless it has one.
pub(super) fn note_error(error: &(impl Display + ?Sized)) {
    let text = error.to_string();
    if text.starts_with("error:") { note(&text) } else { note(&format!("error: {text}")) }
}

/// Returns a callback that prints how many seconds the component has worked on a reply, at growing intervals.
pub(super) fn working() -> impl FnMut(u64) {
    let mut next = 0;
    move |seconds| {
        if seconds >= next {
            note(&format!("still working, for {seconds} s by now"));
            next = seconds.saturating_mul(2);
        }
    }
}

/// Asks on the terminal whether to go on.
///
/// # Errors
/// There is no terminal to ask on: the caller has to decide beforehand.
pub(super) fn confirms(what: impl FnOnce() -> String) -> Result<bool, String> {
    let what = visible(&what());
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Err(format!(
            "{what} There is no terminal to ask on whether that is meant, so nothing was done: add --yes if it is"
        ));
    }
    let _ = write!(io::stderr(), "{what} Go on? [y/N] ");
    let mut answer = String::new();
    let read = io::stdin().read_line(&mut answer);
    Ok(read.is_ok() && matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}

/// Progress of a long operation, shown on a terminal.
#[derive(Debug)]
pub(super) struct Progress {
    whole: u64,
    last: Instant,
    is_shown: bool,
}

impl Progress {
    /// Starts with the total in bytes, or 0 if that is not known.
    pub(super) fn new(whole: u64) -> Self {
        Self { whole, last: Instant::now(), is_shown: false }
    }

    /// Shows the number of bytes done, at most every 500 ms.
    pub(super) fn at(&mut self, done: u64) {
        const PAUSE: Duration = Duration::from_millis(500);
        if self.last.elapsed() < PAUSE || !io::stderr().is_terminal() {
            return;
        }
        self.last = Instant::now();
        self.is_shown = true;
        let mebibytes = |bytes: u64| bytes >> 20;
        let of = match self.whole {
            0 => String::new(),
            whole => format!(" of {}", mebibytes(whole)),
        };
        let _ = write!(io::stderr(), "\r{}{of} MiB", mebibytes(done));
    }

    /// Removes the progress from the terminal.
    pub(super) fn end(&self) {
        if self.is_shown {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}
