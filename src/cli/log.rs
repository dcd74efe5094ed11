//! `log`: searches, follows and exports the audit.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::ValueEnum;
use jiff::civil::Date;
use jiff::fmt::friendly::SpanParser;
use jiff::tz::TimeZone;
use jiff::{SpanRelativeTo, Timestamp};
use serde_json::Value;

use super::out::{Ended, say};
use super::running::block_on;
use crate::app;
use crate::app::commands::{Entries, Log, line, request};
use crate::cli::out::{note, working};
use crate::config;
use crate::config::Environment;
use crate::control::{ClientError, Failure, Reply, ask};
use crate::policy::rules::is_rule;
use crate::store::sqlite::Sqlite;
use crate::store::{Connection, Database as _, Entry, Kind, Query, StoreError};

/// Interval at which `--follow` looks for new entries.
const PAUSE: Duration = Duration::from_millis(300);
/// Number of entries shown before `--follow` without `--limit`.
const BEFORE: usize = 10;

/// Arguments of `log`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// In this room: its address, or what stands before the @
    #[arg(long, allow_hyphen_values = true)]
    room: Option<String>,
    /// About this person: the address, the part before the @, the nick or the display name
    #[arg(long, allow_hyphen_values = true)]
    person: Option<String>,
    /// By this rule (lobby.admission), or one of this family (lobby)
    #[arg(long)]
    rule: Option<String>,
    /// With this verdict
    #[arg(long, value_parser = ["allow", "hold", "prompt", "deny"])]
    verdict: Option<String>,
    /// Of this kind: decision, action, revision, joined, left, waiting, gone, opened, ended, gate, timer, drift, doctor
    #[arg(long, value_parser = kind)]
    kind: Option<Kind>,
    /// The decision or action of this id
    #[arg(long)]
    id: Option<String>,
    /// From this time on: "2 hours" ago, 2026-11-24, or 2026-11-24T18:00:00Z
    #[arg(long, value_parser = moment, value_name = "TIME")]
    since: Option<Timestamp>,
    /// Before this time
    #[arg(long, value_parser = moment, value_name = "TIME")]
    until: Option<Timestamp>,
    /// With these words in it
    #[arg(long, allow_hyphen_values = true)]
    text: Option<String>,
    /// Only the newest N; by default 100 as text, 10 before --follow, else all
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// Keep printing new entries, also over restarts of the component
    #[arg(long, short)]
    follow: bool,
    /// How each entry is shown
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Read this database file instead of asking the component
    #[arg(long, value_name = "FILE", conflicts_with = "follow")]
    database: Option<PathBuf>,
}

/// How entries are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A line each, for people
    Text,
    /// A JSON object each
    Jsonl,
    /// For a spreadsheet
    Csv,
}

/// Searches the audit, and prints the entries found.
pub(super) fn by_arguments(
    file: &Path,
    socket: Result<PathBuf, String>,
    environment: &Environment,
    arguments: &Arguments,
    json: bool,
) -> Ended {
    let format = if json { Format::Jsonl } else { arguments.format };
    block_on(async {
        let database = arguments.database.as_deref();
        let mut source = Source::open(file, socket, environment, database).await?;
        search(&mut source, arguments, format).await
    })??;
    Ok(ExitCode::SUCCESS)
}

async fn search(
    source: &mut Source,
    arguments: &Arguments,
    format: Format,
) -> Result<(), SourceError> {
    if format == Format::Csv {
        say(&HEAD.join(","));
    }
    let limit = arguments.limit.or(match (arguments.follow, format) {
        (true, _) => Some(BEFORE),
        (false, Format::Text) => usize::try_from(Query::USUAL).ok(),
        (false, Format::Jsonl | Format::Csv) => None,
    });
    let mut after = match limit {
        Some(limit) => {
            let newest = newest(source, &arguments.query(), limit).await?;
            newest.iter().for_each(|entry| show_one(entry, format));
            newest.last().map_or(0, |entry| entry.seq)
        }
        None => onwards(source, &arguments.query(), 0, format).await?,
    };
    if after == 0 {
        note(&nothing_found(arguments.rule.as_deref()));
    }
    if arguments.follow {
        if after == 0 {
            // Nothing was found: follow from the newest entry of all.
            let last = Query { limit: Some(1), ..Query::default() };
            after = source.find(last).await?.last().map_or(0, |entry| entry.seq);
        }
        source.is_patient = true;
        loop {
            after = onwards(source, &arguments.query(), after, format).await?;
            tokio::time::sleep(PAUSE).await;
        }
    }
    Ok(())
}

/// Returns what to say if no entry matches.
fn nothing_found(rule: Option<&str>) -> String {
    match rule.filter(|rule| !is_rule(rule)) {
        None => "no entry matches".to_owned(),
        Some(rule) => {
            format!("no entry matches: no rule, and no family of rules, is called `{rule}`")
        }
    }
}

/// Returns the newest `limit` entries, the oldest of them first.
async fn newest(
    source: &mut Source,
    query: &Query,
    limit: usize,
) -> Result<Vec<Entry>, SourceError> {
    let mut found: Vec<Entry> = Vec::new();
    while found.len() < limit {
        let wanted = u32::try_from(limit.saturating_sub(found.len())).unwrap_or(u32::MAX);
        let before = found.first().map(|entry| entry.seq);
        let page = Query { before, limit: Some(wanted.min(Query::MOST)), ..query.clone() };
        let page = source.find(page).await?;
        if page.is_empty() {
            break;
        }
        found.splice(0..0, page);
    }
    Ok(found)
}

/// Prints all entries after a sequence number, and returns the number of the last.
async fn onwards(
    source: &mut Source,
    query: &Query,
    mut after: i64,
    format: Format,
) -> Result<i64, SourceError> {
    loop {
        let page = Query { after: Some(after), limit: Some(Query::MOST), ..query.clone() };
        let page = source.find(page).await?;
        page.iter().for_each(|entry| show_one(entry, format));
        match page.last() {
            Some(last) => after = last.seq,
            None => return Ok(after),
        }
    }
}

fn show_one(entry: &Entry, format: Format) {
    match format {
        Format::Text => say(&line(entry)),
        Format::Csv => say(&csv_line(entry)),
        Format::Jsonl => say(&serde_json::to_string(entry).unwrap_or_default()),
    }
}

impl Arguments {
    fn query(&self) -> Query {
        Query {
            room: self.room.clone(),
            person: self.person.clone(),
            rule: self.rule.clone(),
            verdict: self.verdict.clone(),
            kind: self.kind,
            id: self.id.clone(),
            since: self.since,
            until: self.until,
            text: self.text.clone(),
            ..Query::default()
        }
    }
}

fn kind(name: &str) -> Result<Kind, String> {
    Kind::from_name(name).ok_or_else(|| format!("one of {}", Kind::NAMES.join(", ")))
}

fn moment(text: &str) -> Result<Timestamp, String> {
    moment_before(text, app::now())
}

/// Parses a time: RFC 3339, the start of a date (UTC), or a duration before now.
fn moment_before(text: &str, now: Timestamp) -> Result<Timestamp, String> {
    if let Ok(moment) = text.parse() {
        return Ok(moment);
    }
    if let Ok(day) = text.parse::<Date>()
        && let Ok(start) = TimeZone::UTC.to_timestamp(day.at(0, 0, 0, 0))
    {
        return Ok(start);
    }
    let span = SpanParser::new().parse_span(text.trim());
    let length = span.and_then(|span| span.to_duration(SpanRelativeTo::days_are_24_hours()));
    length
        .ok()
        .and_then(|length| now.checked_sub(length.abs()).ok())
        .ok_or_else(|| "write it like \"2 hours\", 2026-11-24 or 2026-11-24T18:00:00Z".to_owned())
}

/// Columns of the CSV output.
pub(super) const HEAD: [&str; 23] = [
    "seq",
    "at",
    "server",
    "kind",
    "id",
    "room",
    "person",
    "nick",
    "name",
    "attempt_kind",
    "class",
    "verdict",
    "rule",
    "line",
    "denial",
    "observed",
    "revision",
    "command",
    "by",
    "outcome",
    "reason",
    "event",
    "body",
];

/// Returns an entry as a line of CSV, without the line end.
fn csv_line(entry: &Entry) -> String {
    let entry = serde_json::to_value(entry).unwrap_or_default();
    let cells = HEAD.map(|column| match (column, entry.get(column)) {
        (_, Some(Value::String(text))) => cell(text),
        ("by", Some(by)) => {
            let part = |name| by.get(name).and_then(Value::as_str).unwrap_or_default();
            cell(&format!("{} ({}, {})", part("name"), part("role"), part("interface")))
        }
        ("event", _) => {
            let event = entry.get("body").and_then(|body| body.get("event")?.as_str());
            cell(event.unwrap_or_default())
        }
        (_, Some(value)) => cell(&value.to_string()),
        (_, None) => String::new(),
    });
    cells.join(",")
}

/// Returns a cell of CSV. What could be taken for a formula gets an apostrophe; control characters become blanks.
fn cell(text: &str) -> String {
    let is_formula = text
        .trim_start()
        .starts_with(['=', '+', '-', '@', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}']);
    let mut cell = String::from(if is_formula { "'" } else { "" });
    cell.extend(text.chars().map(|c| if c.is_control() { ' ' } else { c }));
    if cell.contains([',', '"', ';', '\'']) {
        cell = format!("\"{}\"", cell.replace('"', "\"\""));
    }
    cell
}

/// Pause between two attempts to reach a component that is away.
const AGAIN: Duration = Duration::from_secs(1);

/// Why entries cannot be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum SourceError {
    #[error("no component runs, and the file has no audit database (`store.file`)")]
    None,
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error(transparent)]
    Failed(#[from] Failure),
    #[error("the component's reply makes no sense: are both of the same version?")]
    Nonsense(#[source] serde_json::Error),
    #[error("the audit database `{}` cannot be read: {reason}", path.display())]
    Database { path: PathBuf, reason: StoreError },
}

/// Where entries come from.
pub(super) struct Source {
    from: From,
    /// Whether to wait for a component that is away.
    pub(super) is_patient: bool,
    /// The last remark of the component about what was not searched.
    missing: Option<String>,
}

enum From {
    Component(PathBuf),
    File(PathBuf, Box<dyn Connection>),
}

impl Source {
    /// Opens the named database, else the running component, else the database that the component would use.
    pub(super) async fn open(
        config: &Path,
        socket: Result<PathBuf, String>,
        environment: &Environment,
        database: Option<&Path>,
    ) -> Result<Self, SourceError> {
        if let Some(path) = database {
            return Self::read(path.to_owned());
        }
        if let Ok(socket) = socket {
            let query = Query { limit: Some(1), ..Query::default() };
            match ask(&socket, &request(&Log { query })?, working()).await {
                Ok(_) => return Ok(Self::new(From::Component(socket))),
                Err(ClientError::Unreachable(..)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let path = config::database(config, environment).ok_or(SourceError::None)?;
        let read = Self::read(path.clone())?;
        note(&format!("no component runs: this is from {}", path.display()));
        Ok(read)
    }

    fn read(path: PathBuf) -> Result<Self, SourceError> {
        match Sqlite::read_only(&path).connect() {
            Ok(connection) => Ok(Self::new(From::File(path, connection))),
            Err(reason) => Err(SourceError::Database { path, reason }),
        }
    }

    const fn new(from: From) -> Self {
        Self { from, is_patient: false, missing: None }
    }

    /// Returns the entries that match a query, by sequence number.
    pub(super) async fn find(&mut self, query: Query) -> Result<Vec<Entry>, SourceError> {
        match &mut self.from {
            From::File(path, connection) => connection
                .search(&query)
                .map_err(|reason| SourceError::Database { path: path.clone(), reason }),
            From::Component(socket) => {
                let request = request(&Log { query })?;
                let mut is_away = false;
                let reply = loop {
                    match ask(socket, &request, working()).await {
                        Ok(reply) => break reply,
                        Err(error) if !self.is_patient => return Err(error.into()),
                        Err(error) => {
                            if !is_away {
                                note(&format!("{error}: it is waited for"));
                            }
                            is_away = true;
                            tokio::time::sleep(AGAIN).await;
                        }
                    }
                };
                match reply {
                    Reply::Done(found) => {
                        let found: Entries =
                            serde_json::from_value(found).map_err(SourceError::Nonsense)?;
                        if let Some(missing) = &found.note
                            && self.missing != found.note
                        {
                            note(missing);
                        }
                        self.missing = found.note;
                        Ok(found.entries)
                    }
                    Reply::Failed(failure) => Err(failure.into()),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::store::Kind;

    #[test]
    fn a_moment_is_a_time_a_day_or_so_long_ago() {
        let now: Timestamp = "2026-11-24T12:00:00Z".parse().unwrap();
        for (text, moment) in [
            ("2 hours", "2026-11-24T10:00:00Z"),
            ("2 hours ago", "2026-11-24T10:00:00Z"),
            ("1 day 1m", "2026-11-23T11:59:00Z"),
            ("2026-11-23", "2026-11-23T00:00:00Z"),
            ("2026-11-24T18:00:00+02:00", "2026-11-24T16:00:00Z"),
        ] {
            assert_eq!(moment_before(text, now).unwrap().to_string(), moment, "{text}");
        }
        for text in ["", "two", "2026-13-01", "5", "9999999 years"] {
            assert!(moment_before(text, now).is_err(), "{text}");
        }
    }

    #[test]
    fn nothing_becomes_a_formula_or_another_cell() {
        for (text, written) in [
            ("Bob", "Bob"),
            ("a, \"b\"", r#""a, ""b""""#),
            ("=1+1", r#""'=1+1""#),
            ("+1", r#""'+1""#),
            ("-1", r#""'-1""#),
            ("@x", r#""'@x""#),
            ("\t=1", r#""' =1""#),
            ("a\r\n=1", "a  =1"),
            ("", ""),
        ] {
            assert_eq!(cell(text), written, "{text:?}");
        }
    }

    #[test]
    fn each_line_has_each_column() {
        let entry = Entry {
            seq: 5,
            nick: Some("=cmd()".into()),
            body: r#"{"event":"timer"}"#.into(),
            ..Entry::new(Kind::Timer, Timestamp::UNIX_EPOCH)
        };
        assert_eq!(
            csv_line(&entry),
            "5,1970-01-01T00:00:00Z,,timer,,,,\"'=cmd()\",,,,,,,,,,,,,,timer,\"{\"\"event\"\":\"\"timer\"\"}\""
        );
    }
}
