//! What a Prosody configuration says, read by the server's own loader: each option with file and line.

use std::collections::BTreeMap;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::Value;

use super::lua::quoted;

/// Options by name.
pub(super) type Options = BTreeMap<String, Value>;
/// Texts to read instead of files, by real path; `None` is a file that is not to be there.
pub(super) type Overlay = BTreeMap<PathBuf, Option<String>>;

/// The host of options that hold for all hosts.
pub(super) const GLOBAL: &str = "*";

/// A Prosody configuration as loaded.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Survey {
    /// Real path of the main file.
    pub(super) main: PathBuf,
    /// Version of the Lua that runs the server, like `Lua 5.4`.
    #[serde(default)]
    pub(super) lua: String,
    pub(super) plugin_dir: String,
    pub(super) data_dir: String,
    pub(super) files: Vec<PathBuf>,
    pub(super) includes: Vec<Include>,
    pub(super) headers: Vec<Header>,
    /// In the order in which they are set: the last of a name counts.
    pub(super) options: Vec<Setting>,
    #[serde(default)]
    pub(super) config: BTreeMap<String, Options>,
    error: Option<Failure>,
}

/// An `Include` line.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Include {
    pub(super) file: PathBuf,
    pub(super) pattern: String,
}

/// The line that begins a `VirtualHost` or `Component`.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Header {
    pub(super) host: String,
    pub(super) file: PathBuf,
    pub(super) line: usize,
}

/// A place that sets an option.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Setting {
    pub(super) host: String,
    pub(super) file: PathBuf,
    pub(super) name: String,
    pub(super) line: usize,
    pub(super) form: Form,
}

/// How an option is set.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(super) enum Form {
    /// `name = value`; `line` is where the value ends.
    Assignment,
    /// In a table behind a header; `line` is that of the header.
    Table,
}

#[derive(Clone, Debug, Deserialize)]
struct Failure {
    what: String,
    message: String,
}

impl Survey {
    /// Returns an option of the host, or the one for all hosts.
    pub(super) fn get(&self, host: &str, option: &str) -> Option<&Value> {
        self.own(host, option).or_else(|| self.own(GLOBAL, option))
    }

    /// Returns an option that the host itself has.
    pub(super) fn own(&self, host: &str, option: &str) -> Option<&Value> {
        self.config.get(host)?.get(option)
    }

    pub(super) fn text(&self, host: &str, option: &str) -> Option<&str> {
        self.get(host, option)?.as_str()
    }

    /// Returns the module of a component; `None` for a virtual host.
    pub(super) fn module(&self, host: &str) -> Option<&str> {
        self.own(host, "component_module")?.as_str()
    }

    /// Returns the domains of the hosts that exist.
    pub(super) fn hosts(&self) -> impl Iterator<Item = &str> {
        self.config.keys().map(String::as_str).filter(|host| *host != GLOBAL)
    }

    /// Returns whether the server loads the module for the host.
    pub(super) fn loads(&self, host: &str, module: &str) -> bool {
        let names = |of: &str| {
            let listed = self.own(of, "modules_enabled").and_then(Value::as_array);
            listed.is_some_and(|names| names.iter().any(|name| name.as_str() == Some(module)))
        };
        names(host) || (self.module(host).is_none() && names(GLOBAL))
    }

    /// Returns the place that counts for an option that the host itself has.
    pub(super) fn place(&self, host: &str, option: &str) -> Option<&Setting> {
        self.options.iter().rev().find(|it| it.host == host && it.name == option)
    }

    pub(super) fn header(&self, host: &str) -> Option<&Header> {
        self.headers.iter().find(|header| header.host == host)
    }
}

/// The program by which the configuration is loaded.
#[derive(Debug)]
pub(super) struct Loader<'a> {
    pub(super) prosodyctl: &'a Path,
    /// The folder that stands for `/`, without a `/` at its end.
    pub(super) root: &'a Path,
    /// The main file.
    pub(super) main: &'a Path,
}

/// Why a configuration could not be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum SurveyError {
    #[error("there is no `{}`: is Prosody installed on this machine? With docker-jitsi-meet, name its folder: --docker DIR", .0.display())]
    Missing(PathBuf),
    #[error("`{}` could not read the configuration: {}", .0.display(), .1)]
    Program(PathBuf, String),
    #[error("Prosody does not load its configuration: {0}")]
    Invalid(String),
    #[error("{0}")]
    System(#[from] io::Error),
}

/// Longest time that a configuration may take to load.
const PATIENCE: Duration = Duration::from_secs(30);
const SCRIPT: &str = include_str!("survey.lua");
const MARK: &str = "vestibule-survey ";

impl Loader<'_> {
    /// Loads the configuration with the texts of the overlay in their places.
    pub(super) fn load(&self, overlay: &Overlay) -> Result<Survey, SurveyError> {
        let folder = tempfile::Builder::new().prefix("vestibule-init-").tempdir()?;
        let lua = |path: &Path| quoted(&path.display().to_string());
        let mut entries = String::new();
        for (number, (path, text)) in overlay.iter().enumerate() {
            let instead = match text {
                None => "false".to_owned(),
                Some(text) => {
                    let file = folder.path().join(number.to_string());
                    private_file(&file, text)?;
                    lua(&file)
                }
            };
            entries.push_str(&format!("[{}] = {instead};", lua(path)));
        }
        let root = self.root.display().to_string();
        let (root, main) = (quoted(root.trim_end_matches('/')), lua(self.main));
        let script = folder.path().join("survey.cfg.lua");
        let text = format!("local ROOT, MAIN, OVERLAY = {root}, {main}, {{{entries}}};\n{SCRIPT}");
        private_file(&script, &text)?;
        let output = self.run(&script)?;
        let found = output.lines().rev().find_map(|line| line.strip_prefix(MARK));
        let fault = |text: &str| {
            SurveyError::Program(self.prosodyctl.to_owned(), last_lines(text).to_owned())
        };
        let found = found.ok_or_else(|| fault(&output))?;
        let survey: Survey =
            serde_json::from_str(found).map_err(|error| fault(&error.to_string()))?;
        match &survey.error {
            Some(Failure { what, message }) if what == "file" => {
                Err(SurveyError::System(io::Error::other(format!("cannot read {message}"))))
            }
            Some(Failure { message, .. }) => Err(SurveyError::Invalid(message.clone())),
            None => Ok(survey),
        }
    }

    /// Runs the script instead of a configuration, and returns what it prints.
    fn run(&self, script: &Path) -> Result<String, SurveyError> {
        let mut child = Command::new(self.prosodyctl)
            .arg("--config")
            .arg(script)
            .arg("about")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| {
                let program = self.prosodyctl.to_owned();
                if error.kind() == io::ErrorKind::NotFound {
                    SurveyError::Missing(program)
                } else {
                    SurveyError::Program(program, error.to_string())
                }
            })?;
        // Both are read at the same time as it runs: a full pipe would stop it.
        let readers = [
            child.stdout.take().map(|pipe| reader(Box::new(pipe))),
            child.stderr.take().map(|pipe| reader(Box::new(pipe))),
        ];
        let started = Instant::now();
        while child.try_wait()?.is_none() {
            if started.elapsed() > PATIENCE {
                child.kill()?;
                child.wait()?;
                let seconds = PATIENCE.as_secs();
                return Err(SurveyError::Invalid(format!("it takes more than {seconds} s")));
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        let texts = readers.into_iter().flatten().filter_map(|reader| reader.join().ok());
        Ok(texts.rev().collect::<Vec<_>>().join("\n"))
    }
}

fn reader(mut pipe: Box<dyn io::Read + Send>) -> std::thread::JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        _ = pipe.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// Writes a file that only this account can read: configurations hold secrets.
fn private_file(path: &Path, text: &str) -> io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true).mode(0o600).open(path)?.write_all(text.as_bytes())
}

/// Returns the end of what a program printed, for a message.
fn last_lines(text: &str) -> &str {
    const LONGEST: usize = 600;
    let text = text.trim();
    let from = text.len().saturating_sub(LONGEST);
    let from = (from..=text.len()).find(|at| text.is_char_boundary(*at));
    from.and_then(|from| text.get(from..)).unwrap_or(text)
}
