//! The only place that prints.

use std::error::Error;
use std::fmt::Display;
use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Exit status: the answer is no.
const NO: u8 = 1;
/// Exit status: it could not be found out.
const TROUBLE: u8 = 2;

/// The exit status of a command; `Err`: it could not be found out, and why.
pub(super) type Ended = Result<ExitCode, Box<dyn Error>>;

/// The exit status of an answer.
pub(super) fn status(is_yes: bool) -> ExitCode {
    ExitCode::from(if is_yes { 0 } else { NO })
}

/// Prints a line for people or programs.
pub(super) fn say(text: &(impl Display + ?Sized)) {
    // A reader that has read enough (`| head`) is no error.
    if let Err(error) = writeln!(io::stdout(), "{text}")
        && error.kind() != io::ErrorKind::BrokenPipe
    {
        note(&format!("error: the output could not be written: {error}"));
    }
}

/// Prints a remark that is no output.
#[expect(clippy::print_stderr, reason = "this is the command line's output")]
pub(super) fn note(text: &(impl Display + ?Sized)) {
    eprintln!("{text}");
}

/// Prints an error; the exit status for it.
pub(super) fn fail(error: &(impl Display + ?Sized)) -> ExitCode {
    note_error(error);
    ExitCode::from(TROUBLE)
}

/// Prints an error, which may say itself that it is one.
pub(super) fn note_error(error: &(impl Display + ?Sized)) {
    let text = error.to_string();
    if text.starts_with("error:") { note(&text) } else { note(&format!("error: {text}")) }
}

/// Prints how long the component has worked on a reply, at ever longer intervals.
pub(super) fn working() -> impl FnMut(u64) {
    let mut next = 0;
    move |seconds| {
        if seconds >= next {
            note(&format!("still working, for {seconds} s by now"));
            next = seconds.saturating_mul(2);
        }
    }
}

/// Asks whether that is meant. Where nobody can be asked, it is.
pub(super) fn confirms(what: impl FnOnce() -> String) -> bool {
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return true;
    }
    let _ = write!(io::stderr(), "{} Go on? [y/N] ", what());
    let mut answer = String::new();
    let read = io::stdin().read_line(&mut answer);
    read.is_ok() && matches!(answer.trim().to_lowercase().as_str(), "y" | "yes")
}

/// How far a long work is, on a terminal.
#[derive(Debug)]
pub(super) struct Progress {
    whole: u64,
    last: Instant,
    is_shown: bool,
}

impl Progress {
    /// Of so many bytes; 0: not known.
    pub(super) fn new(whole: u64) -> Self {
        Self { whole, last: Instant::now(), is_shown: false }
    }

    /// The number that is done.
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

    /// All is done.
    pub(super) fn end(&self) {
        if self.is_shown {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}
