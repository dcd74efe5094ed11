//! Tables of the events.

use serde_json::Value;

use super::text::{escaped, get, list, moment, whole};

/// Most rows of a table; more are in the JSON.
const MOST: usize = 2000;

/// The cell of a room, where there may be several.
fn room(bundle: &Value, entry: &Value) -> String {
    if is_of_one_room(bundle) {
        return String::new();
    }
    format!("<td><bdi>{}</bdi></td>", escaped(get(entry, "room").unwrap_or_default()))
}

fn is_of_one_room(bundle: &Value) -> bool {
    bundle.get("about").is_some_and(|about| get(about, "room").is_some())
}

/// Returns what was decided, and why.
pub(super) fn decisions(bundle: &Value) -> String {
    let row = |entry: &Value| {
        let verdict = get(entry, "verdict").unwrap_or("?");
        let why = get(entry, "in_words").unwrap_or_default();
        let rule = get(entry, "rule").unwrap_or("?");
        let line = match whole(entry, "line") {
            None | Some(0) => "default".to_owned(),
            Some(line) => format!("line {line}"),
        };
        format!(
            "<td><span class=\"verdict {0}\">{0}</span></td><td><bdi>{1}</bdi></td><td><code>{2}</code> {line}</td>\
             <td><code>{3}</code></td>",
            escaped(verdict),
            escaped(why),
            escaped(rule),
            escaped(get(entry, "revision").unwrap_or("?")),
        )
    };
    let columns = ["When", "Verdict", "Who wanted what, and why", "Rule", "Policy"];
    table(bundle, "decisions", "What was decided", &columns, &["decision"], row)
}

/// Returns what operators did.
pub(super) fn actions(bundle: &Value) -> String {
    let row = |entry: &Value| {
        let outcome = get(entry, "outcome").unwrap_or("?");
        format!(
            "<td><span class=\"verdict {0}\">{0}</span></td><td><bdi>{1}</bdi></td>{2}",
            escaped(outcome),
            escaped(get(entry, "in_words").unwrap_or_default()),
            room(bundle, entry),
        )
    };
    let columns = ["When", "Outcome", "Who did what", "Room"];
    table(bundle, "actions", "What operators did", &columns, &["action"], row)
}

/// Everything, in the order in which it happened.
pub(super) fn everything(bundle: &Value) -> String {
    let row = |entry: &Value| {
        format!(
            "<td><span class=\"what\">{}</span></td><td><bdi>{}</bdi></td>{}",
            escaped(get(entry, "kind").unwrap_or("?")),
            escaped(get(entry, "in_words").unwrap_or_default()),
            room(bundle, entry),
        )
    };
    let columns = ["When", "What", "In words", "Room"];
    table(bundle, "everything", "Everything that happened", &columns, &[], row)
}

/// Each policy that was in force.
pub(super) fn policies(bundle: &Value) -> String {
    let mut out =
        "<section aria-labelledby=\"policy\">\n<h2 id=\"policy\">The policy at that time</h2>\n"
            .to_owned();
    let policies = list(bundle, "policies");
    if policies.is_empty() {
        out.push_str("<p>It is not written down.</p>\n");
    }
    for entry in policies {
        let body = entry.get("body").unwrap_or(&Value::Null);
        let text = get(body, "text").unwrap_or_default();
        let revision = escaped(get(entry, "revision").unwrap_or("?"));
        let since = moment(get(entry, "at"));
        out.push_str(&format!("<h3>Policy <code>{revision}</code>, in force since {since}</h3>\n"));
        out.push_str(&changes(body));
        let lines: String =
            text.lines().map(|line| format!("<li>{}</li>", escaped(line))).collect();
        out.push_str(&format!(
            "<details><summary>The file, {} lines, without its secrets</summary>\n<ol class=\"file\">{lines}</ol></details>\n",
            text.lines().count()
        ));
    }
    out.push_str("</section>\n");
    out
}

/// Returns how a policy differs from the one before.
fn changes(body: &Value) -> String {
    let changes = list(body, "changes");
    if changes.is_empty() {
        return String::new();
    }
    let side = |change: &Value, name: &str| {
        let value = change.get(name).and_then(|said| get(said, "value"));
        value.map_or_else(
            || "<i>default</i>".to_owned(),
            |it| format!("<code>{}</code>", escaped(it)),
        )
    };
    let rows: String = changes
        .iter()
        .map(|change| {
            format!(
                "<tr><td><code>{}</code></td><td>{}</td><td>{}</td></tr>\n",
                escaped(get(change, "key").unwrap_or("?")),
                side(change, "before"),
                side(change, "after"),
            )
        })
        .collect();
    format!(
        "<div class=\"scroll\"><table>\n<thead><tr><th scope=\"col\">What it changed</th><th scope=\"col\">Before</th>\
         <th scope=\"col\">After</th></tr></thead>\n<tbody>\n{rows}</tbody></table></div>\n"
    )
}

/// The entries of these kinds (all, if none is named) as a table.
fn table(
    bundle: &Value,
    id: &str,
    title: &str,
    columns: &[&str],
    kinds: &[&str],
    row: impl Fn(&Value) -> String,
) -> String {
    let is_one = |entry: &&Value| {
        kinds.is_empty() || get(entry, "kind").is_some_and(|kind| kinds.contains(&kind))
    };
    let entries: Vec<&Value> = list(bundle, "entries").iter().filter(is_one).collect();
    let mut out = format!("<section aria-labelledby=\"{id}\">\n<h2 id=\"{id}\">{title}</h2>\n");
    if entries.is_empty() {
        return out + "<p>Nothing.</p>\n</section>\n";
    }
    let is_shown = |column: &&&str| **column != "Room" || !is_of_one_room(bundle);
    let columns = columns.iter().filter(is_shown);
    let heads: String = columns.map(|it| format!("<th scope=\"col\">{it}</th>")).collect();
    out.push_str(&format!(
        "<div class=\"scroll\"><table>\n<thead><tr>{heads}</tr></thead>\n<tbody>\n"
    ));
    for entry in entries.iter().take(MOST) {
        out.push_str(&format!("<tr><td>{}</td>{}</tr>\n", moment(get(entry, "at")), row(entry)));
    }
    out.push_str("</tbody></table></div>\n");
    if let Some(more) = entries.len().checked_sub(MOST).filter(|more| *more > 0) {
        out.push_str(&format!("<p>{more} more rows are in the JSON.</p>\n"));
    }
    out + "</section>\n"
}
