//! Repairs of single settings, for `vestibule doctor --fix`: each is one change of one file, or of its mode, which can be taken
//! back.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::changes::{Change, Content, diff};
use super::journal::{Journal, owner, read, write};
use super::lua::{Source, edited};
use super::opened;
use super::survey::{Form, Overlay, Survey};
use super::{InitError, Places, TakenBack, taken_back};

/// Names of the journal's folder and of the file of modes, in the folder of the policy file.
const JOURNAL: &str = ".doctor";
const MODES: &str = ".doctor-modes.json";

/// A setting that is to be another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Repair {
    /// A file or folder loses these permission bits.
    Mode(PathBuf, u32),
    /// A host of Prosody has this option with this value, both as Lua.
    Prosody {
        /// Domain of the host.
        host: String,
        /// Name of the option.
        option: &'static str,
        /// Value as Lua, which is JSON too.
        value: &'static str,
    },
    /// A location in a file of nginx has a directive more.
    Nginx {
        /// The file.
        site: PathBuf,
        /// Path of the location.
        location: String,
        /// The directive.
        directive: &'static str,
    },
}

/// A mode that was changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Mode {
    path: PathBuf,
    before: u32,
    after: u32,
}

/// What is going to be repaired.
#[derive(Debug)]
pub struct Repairs {
    journal: Journal,
    record: PathBuf,
    changes: Vec<Change>,
    modes: Vec<Mode>,
    refused: Vec<(Repair, String)>,
}

impl Repairs {
    /// Plans the repairs. Those that cannot be made safely are refused, with the reason.
    ///
    /// # Errors
    /// Fails if a file cannot be read, or an earlier run was interrupted and cannot be taken back.
    pub fn plan(places: &Places, repairs: &[Repair]) -> Result<Self, InitError> {
        let mut plan = Self {
            journal: journal(places)?,
            record: places.policy_folder().join(MODES),
            changes: Vec::new(),
            modes: Vec::new(),
            refused: Vec::new(),
        };
        let mut files = Files::default();
        let mut prosody = None;
        for repair in repairs {
            let done = match repair {
                Repair::Mode(path, clear) => plan.mode(path, *clear),
                Repair::Nginx { site, location, directive } => {
                    files.edit(site, |text| in_location(text, location, directive))
                }
                Repair::Prosody { host, option, value } => {
                    let found = prosody.get_or_insert_with(|| Prosody::load(places));
                    match found {
                        Ok(found) => found.set(&mut files, host, option, value),
                        Err(reason) => Err(reason.clone()),
                    }
                }
            };
            if let Err(reason) = done {
                plan.refused.push((repair.clone(), reason));
            }
        }
        plan.changes = files.changes();
        Ok(plan)
    }

    fn mode(&mut self, path: &Path, clear: u32) -> Result<(), String> {
        let found = fs::symlink_metadata(path).map_err(|error| error.to_string())?;
        changeable(&found)?;
        let before = found.permissions().mode() & 0o7777;
        let after = before & !clear;
        let known = self.modes.iter_mut().find(|mode| mode.path == path);
        match known {
            Some(mode) => mode.after &= after,
            None if before == after => return Err("its mode is right already".to_owned()),
            None => self.modes.push(Mode { path: path.to_owned(), before, after }),
        }
        Ok(())
    }

    /// Returns whether nothing can be repaired.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.modes.is_empty()
    }

    /// Returns the repairs that are not made, with the reasons.
    pub fn refused(&self) -> &[(Repair, String)] {
        &self.refused
    }

    /// Returns the unified diff of every change, and the changes of modes.
    pub fn diff(&self) -> String {
        let text = |content: &Option<Content>| content.as_ref().map(Content::text);
        let files = self.changes.iter().map(|change| {
            diff(&change.path, text(&change.before).as_deref(), text(&change.after).as_deref())
        });
        let modes = self.modes.iter().map(|Mode { path, before, after }| {
            format!("mode of {}: {before:04o} -> {after:04o}\n", path.display())
        });
        files.chain(modes).collect()
    }

    /// Makes the changes of files, all or none, and then those of modes.
    ///
    /// # Errors
    /// Fails if a file or a mode cannot be written.
    pub fn write(mut self) -> Result<(), InitError> {
        if !self.changes.is_empty() {
            self.journal.apply(&self.changes, &[])?;
        }
        if !self.modes.is_empty() {
            let mut known = modes(&self.record)?;
            for mode in &self.modes {
                // The mode before the first repair is the one to go back to.
                match known.iter_mut().find(|it| it.path == mode.path) {
                    Some(earlier) => earlier.after = mode.after,
                    None => known.push(mode.clone()),
                }
            }
            keep(&self.record, &known)?;
            for Mode { path, before, after } in &self.modes {
                set_mode(path, *before, *after)?;
            }
        }
        Ok(())
    }
}

/// Takes back every repair. A file that was changed since is in what is returned, and then no file was put back.
///
/// # Errors
/// Fails if a file cannot be read or written, or nothing was repaired.
pub fn take_back_repairs(places: &Places) -> Result<Vec<TakenBack>, InitError> {
    let mut journal = journal(places)?;
    let record = places.policy_folder().join(MODES);
    let known = modes(&record)?;
    if journal.is_empty() && known.is_empty() {
        return Err(InitError::Refused(
            "`vestibule doctor --fix` has repaired nothing here".to_owned(),
        ));
    }
    let mut taken = Vec::new();
    if !journal.is_empty() {
        taken = taken_back(places, &mut journal, false)?;
        if taken.iter().any(|file| file.is_refused) {
            return Ok(taken);
        }
    }
    for Mode { path, before, after } in known {
        let now = fs::symlink_metadata(&path).map(|it| it.permissions().mode() & 0o7777).ok();
        let what = if now == Some(after) {
            set_mode(&path, after, before)?;
            "has its mode back"
        } else {
            "stays: its mode was changed since, or it is gone"
        };
        taken.push(TakenBack { path, what, diff: String::new(), is_refused: false });
    }
    match fs::remove_file(&record) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(&record, &error)),
        Ok(()) | Err(_) => Ok(taken),
    }
}

fn journal(places: &Places) -> Result<Journal, InitError> {
    let mut journal = Journal::open(&places.policy_folder().join(JOURNAL), &places.root)?;
    journal.recover()?;
    Ok(journal)
}

fn failed(path: &Path, error: &io::Error) -> InitError {
    InitError::System(format!("cannot change {}: {error}", path.display()))
}

/// Returns why a mode is not changed: the component may put anything under a name in its own folder.
fn changeable(found: &fs::Metadata) -> Result<(), String> {
    if found.is_symlink() {
        return Err("it is a link".to_owned());
    }
    if !found.is_file() && !found.is_dir() {
        return Err("it is no file or folder".to_owned());
    }
    if found.is_file() && found.nlink() > 1 {
        return Err("it has another name, too".to_owned());
    }
    Ok(())
}

/// Changes the mode of a file or folder that has the mode `before`, and not of what was put in its place since.
fn set_mode(path: &Path, before: u32, after: u32) -> Result<(), InitError> {
    let wrong = |error: io::Error| failed(path, &error);
    let refused = |reason| InitError::System(format!("cannot change {}: {reason}", path.display()));
    changeable(&fs::symlink_metadata(path).map_err(wrong)?).map_err(refused)?;
    // None of its folders may lead elsewhere by now, either.
    let file = opened::any(path).map_err(wrong)?;
    let found = file.metadata().map_err(wrong)?;
    let is_before = || match found.permissions().mode() & 0o7777 {
        mode if mode == before => Ok(()),
        mode => Err(format!("its mode has become {mode:04o}")),
    };
    changeable(&found).and_then(|()| is_before()).map_err(refused)?;
    file.set_permissions(Permissions::from_mode(after)).map_err(wrong)
}

fn modes(record: &Path) -> Result<Vec<Mode>, InitError> {
    match opened::own(record) {
        Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| failed(record, &error.into())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(failed(record, &error)),
    }
}

fn keep(record: &Path, modes: &[Mode]) -> Result<(), InitError> {
    let bytes = serde_json::to_vec_pretty(modes).map_err(|error| failed(record, &error.into()))?;
    let content = Content { bytes, mode: 0o600, owner: owner() };
    write(record, Some(&content)).map_err(|error| failed(record, &error))
}

/// Files that are edited, each as it was and as it will be.
#[derive(Debug, Default)]
struct Files(BTreeMap<PathBuf, (Content, String)>);

impl Files {
    fn edit(
        &mut self,
        path: &Path,
        edit: impl FnOnce(&str) -> Result<String, String>,
    ) -> Result<(), String> {
        // A site of nginx is a link into another folder.
        let path = fs::canonicalize(path).map_err(|error| error.to_string())?;
        let now = match self.0.remove(&path) {
            Some(now) => now,
            None => {
                let content = read(&path).map_err(|error| error.to_string())?;
                let content = content.ok_or("it is not there")?;
                let text = String::from_utf8(content.bytes.clone());
                (content, text.map_err(|_| "it is no text".to_owned())?)
            }
        };
        let done = edit(&now.1);
        let text = done.clone().unwrap_or_else(|_| now.1.clone());
        self.0.insert(path, (now.0, text));
        done.map(drop)
    }

    /// Returns the texts as they will be, for the loader.
    fn overlay(&self) -> Overlay {
        self.0.iter().map(|(path, (_, text))| (path.clone(), Some(text.clone()))).collect()
    }

    fn changes(self) -> Vec<Change> {
        let change = |(path, (before, text)): (PathBuf, (Content, String))| {
            let after = Content { bytes: text.into_bytes(), ..before.clone() };
            Change { path, before: Some(before), after: Some(after), is_theirs: false }
        };
        self.0.into_iter().map(change).filter(Change::is_change).collect()
    }
}

/// Adds a directive to the only location of that path, if it is written in the usual form.
fn in_location(text: &str, location: &str, directive: &str) -> Result<String, String> {
    let is_head = |line: &str| {
        let mut words = line.split_whitespace();
        words.next() == Some("location")
            && words.next_back() == Some("{")
            && words.next_back() == Some(location)
    };
    let mut heads = text.lines().enumerate().filter(|(_, line)| is_head(line)).map(|(at, _)| at);
    let (Some(head), None) = (heads.next(), heads.next()) else {
        return Err(format!("it has not exactly one line `location = {location} {{`"));
    };
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let next = lines.get(head.saturating_add(1)).copied().unwrap_or_default();
    let indentation: String = next.chars().take_while(|c| *c == ' ' || *c == '\t').collect();
    let mut result = String::new();
    for (at, line) in lines.iter().enumerate() {
        result.push_str(line);
        if at == head {
            result.push_str(&format!("{indentation}{directive}\n"));
        }
    }
    Ok(result)
}

/// Prosody's configuration, as its own loader reads it.
struct Prosody {
    main: PathBuf,
    places: Places,
    survey: Survey,
}

impl Prosody {
    fn load(places: &Places) -> Result<Self, String> {
        let main = places.full(places.main());
        let found = places.loader(&main).load(&Overlay::new());
        let survey = found.map_err(|error| error.to_string())?;
        Ok(Self { main, places: places.clone(), survey })
    }

    /// Gives a host an option, and makes sure that the loader then reads that value.
    fn set(
        &mut self,
        files: &mut Files,
        host: &str,
        option: &str,
        value: &str,
    ) -> Result<(), String> {
        let (file, place) = match self.survey.place(host, option) {
            Some(place) => (place.file.clone(), Some((place.line, place.form))),
            None => {
                let header =
                    self.survey.header(host).ok_or("the configuration has no such host")?;
                (header.file.clone(), None)
            }
        };
        let line = self.survey.header(host).map_or(1, |header| header.line);
        let mut overlay = files.overlay();
        files.edit(&file, |text| {
            let after = match place {
                Some((line, Form::Assignment)) => replaced(text, line, option, value)?,
                Some((_, Form::Table)) => return Err("it is set in a table".to_owned()),
                None => {
                    let wish = format!("{option} = {value}");
                    let found = Source::new(text).with_option(line, host, &wish);
                    edited(text, &found.ok_or("the host's header is not in the usual form")?)
                }
            };
            let path = fs::canonicalize(&file).map_err(|error| error.to_string())?;
            overlay.insert(path, Some(after.clone()));
            let loader = self.places.loader(&self.main);
            let survey = loader.load(&overlay).map_err(|error| error.to_string())?;
            let expected = serde_json::from_str(value).ok();
            if survey.get(host, option) != expected.as_ref() {
                return Err("Prosody would not read it from there".to_owned());
            }
            self.survey = survey;
            Ok(after)
        })
    }
}

/// Replaces the value of an option that stands alone on its line.
fn replaced(text: &str, line: usize, option: &str, value: &str) -> Result<String, String> {
    let mut lines: Vec<String> = text.split_inclusive('\n').map(str::to_owned).collect();
    let own =
        line.checked_sub(1).and_then(|at| lines.get_mut(at)).ok_or("the line is not there")?;
    let (before, old) = own.split_once('=').ok_or("the line is not in the usual form")?;
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '"' | '.');
    let end = old.trim_start().find(|c| !is_plain(c)).unwrap_or(old.trim_start().len());
    let (word, rest) =
        old.trim_start().split_at_checked(end).ok_or("the line is not in the usual form")?;
    let is_alone = rest.trim_start_matches([';', ' ', '\t', '\r', '\n']).is_empty()
        || rest.trim_start_matches([';', ' ', '\t']).starts_with("--");
    if before.trim() != option || word.is_empty() || !is_alone {
        return Err("the line is not in the usual form".to_owned());
    }
    *own = format!("{before}= {value}{rest}");
    Ok(lines.concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_gains_a_directive_with_the_indentation_of_the_others() {
        let text = "server {\n    location = /x {\n        proxy_pass http://p;\n    }\n}\n";
        let after = in_location(text, "/x", "proxy_set_header A b;").unwrap();
        assert_eq!(after, text.replace("/x {\n", "/x {\n        proxy_set_header A b;\n"));
        for other in ["location = /x { proxy_pass http://p; }\n", &text.repeat(2), ""] {
            assert!(in_location(other, "/x", "d;").is_err(), "{other}");
        }
    }

    #[test]
    fn a_value_is_replaced_where_it_stands_alone() {
        for (before, after) in [
            ("  a = true\n", Some("  a = false\n")),
            ("a=5; -- why\n", Some("a= false; -- why\n")),
            ("a = { 1 }\n", None),
            ("a = f(1)\n", None),
            ("a = 1 b = 2\n", None),
            ("b = 1\n", None),
        ] {
            assert_eq!(replaced(before, 1, "a", "false").ok().as_deref(), after, "{before}");
        }
    }

    #[test]
    fn modes_are_taken_away_and_given_back() {
        let root = tempfile::tempdir().unwrap();
        let (policy, secret) = (root.path().join("v/component.toml"), root.path().join("v/secret"));
        fs::create_dir(root.path().join("v")).unwrap();
        fs::write(&secret, "x").unwrap();
        fs::set_permissions(&secret, Permissions::from_mode(0o644)).unwrap();
        let places = Places {
            root: PathBuf::from("/"),
            policy,
            prosody: None,
            prosodyctl: "false".into(),
            journal: None,
        };
        let mode = || fs::metadata(&secret).unwrap().permissions().mode() & 0o7777;
        let repair = Repair::Mode(secret.clone(), 0o007);
        let plan = Repairs::plan(&places, std::slice::from_ref(&repair)).unwrap();
        assert_eq!(plan.diff(), format!("mode of {}: 0644 -> 0640\n", secret.display()));
        plan.write().unwrap();
        assert_eq!(mode(), 0o640);
        let again = Repairs::plan(&places, &[repair]).unwrap();
        assert!(again.is_empty() && again.refused().len() == 1);
        assert_eq!(take_back_repairs(&places).unwrap().len(), 1);
        assert_eq!(mode(), 0o644);
        assert!(take_back_repairs(&places).is_err());
    }

    #[test]
    fn a_mode_is_changed_of_files_and_folders_only() {
        let root = tempfile::tempdir().unwrap();
        let path = |name: &str| root.path().join(name);
        fs::write(path("file"), "x").unwrap();
        fs::create_dir(path("folder")).unwrap();
        for name in ["file", "folder"] {
            fs::set_permissions(path(name), Permissions::from_mode(0o707)).unwrap();
            assert!(set_mode(&path(name), 0o700, 0o600).is_err(), "its mode is another");
            set_mode(&path(name), 0o707, 0o700).unwrap();
        }
        std::os::unix::fs::symlink(path("file"), path("link")).unwrap();
        fs::write(path("twin"), "x").unwrap();
        fs::hard_link(path("twin"), path("other-twin")).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(path("socket")).unwrap();
        let made = std::process::Command::new("mkfifo").arg(path("pipe")).status().unwrap();
        assert!(made.success());
        for name in ["link", "twin", "socket", "pipe", "none"] {
            let mode = fs::symlink_metadata(path(name)).map_or(0, |it| it.permissions().mode());
            assert!(set_mode(&path(name), mode & 0o7777, 0o600).is_err(), "{name}");
        }
        // What its folder leads to is another file, though its name and mode are the same.
        fs::create_dir(path("theirs")).unwrap();
        fs::set_permissions(path("theirs"), Permissions::from_mode(0o777)).unwrap();
        std::os::unix::fs::symlink(path("folder"), path("theirs/state")).unwrap();
        fs::set_permissions(path("folder"), Permissions::from_mode(0o755)).unwrap();
        fs::write(path("folder/inner"), "x").unwrap();
        fs::set_permissions(path("folder/inner"), Permissions::from_mode(0o640)).unwrap();
        let error = set_mode(&path("theirs/state/inner"), 0o640, 0o646).unwrap_err().to_string();
        assert!(error.contains("`state` is a link in a folder"), "{error}");
        let refused = |name: &str| changeable(&fs::symlink_metadata(path(name)).unwrap()).is_err();
        assert!(["link", "twin", "socket", "pipe"].into_iter().all(refused));
    }
}
