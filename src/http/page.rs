//! The page: files that are part of the program.

use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use sha2::{Digest as _, Sha256};

use super::router::Refused;

/// Serves the file at that path, if it is one of the page's.
pub(super) async fn serve(method: Method, uri: Uri, headers: HeaderMap) -> Response {
    let path = uri.path().trim_start_matches('/');
    let path = if path.is_empty() { "index.html" } else { path };
    let Some((_, text)) = FILES.iter().find(|(name, _)| *name == path) else {
        return Refused::with(StatusCode::NOT_FOUND, "there is nothing here").into_response();
    };
    if !matches!(method, Method::GET | Method::HEAD) {
        return Refused::with(StatusCode::METHOD_NOT_ALLOWED, "it can only be read")
            .into_response();
    }
    let tag = format!("\"{}\"", hex::encode(Sha256::digest(text)));
    let known =
        headers.get(IF_NONE_MATCH).and_then(|value| value.to_str().ok()).unwrap_or_default();
    // Files are revalidated: a new version of the program is seen at once, and nothing is sent twice.
    let fixed = [(CACHE_CONTROL, "no-cache".to_owned()), (ETAG, tag.clone())];
    if known.split(',').any(|one| one.trim().trim_start_matches("W/") == tag) {
        return (StatusCode::NOT_MODIFIED, fixed).into_response();
    }
    (fixed, [(CONTENT_TYPE, kind(path))], *text).into_response()
}

fn kind(path: &str) -> &'static str {
    match path.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("json" | "webmanifest") => "application/json",
        _ => "text/plain; charset=utf-8",
    }
}

macro_rules! files {
    ($($name:literal)*) => {
        &[
            $(($name, include_str!(concat!("www/", $name))),)*
            // The page takes the words for rules and reasons from the documentation.
            ("rules.md", include_str!("../../docs/rules.md")),
        ]
    };
}

/// Path and text of each file; `/` serves `index.html`.
pub(super) const FILES: &[(&str, &str)] = files! {
    "actions.js"
    "api.js"
    "badges.js"
    "base.css"
    "charts.js"
    "condition.js"
    "dialogs.js"
    "dom.js"
    "entry.js"
    "format.js"
    "forms.js"
    "icon.svg"
    "icons.js"
    "index.html"
    "keys.js"
    "live.js"
    "login.js"
    "main.js"
    "names.js"
    "parts.css"
    "reasons.js"
    "router.js"
    "shell.css"
    "shell.js"
    "state.js"
    "summary.js"
    "toast.js"
    "tree.js"
    "view_bans.js"
    "view_charts.js"
    "view_commands.js"
    "view_doctor.js"
    "view_explain.js"
    "view_log.js"
    "view_more.js"
    "view_policy.js"
    "view_room.js"
    "view_rooms.js"
    "view_server.js"
    "view_stream.js"
    "views.css"
    "views.js"
    "virtual.js"
};

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    use super::*;

    #[test]
    fn every_file_beside_is_served_and_is_short_enough_to_read() {
        let www = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/http/www");
        let present = fs::read_dir(www).unwrap().map(|entry| entry.unwrap().file_name());
        let present: BTreeSet<_> = present.map(|name| name.into_string().unwrap()).collect();
        let served = FILES.iter().map(|(name, _)| (*name).to_owned());
        let served: BTreeSet<_> = served.filter(|name| name != "rules.md").collect();
        assert_eq!(present, served);
        for (name, text) in FILES.iter().filter(|(name, _)| *name != "rules.md") {
            assert!(text.lines().count() <= 350, "{name} is too long");
        }
    }

    #[test]
    fn what_a_file_needs_is_served_from_here() {
        for (name, text) in FILES.iter().filter(|(name, _)| *name != "rules.md") {
            let imported =
                text.split(" from './").skip(1).filter_map(|rest| rest.split('\'').next());
            let linked =
                ["src=\"/", "href=\"/"].into_iter().flat_map(|before| text.split(before).skip(1));
            let linked = linked.filter_map(|rest| rest.split('"').next());
            for needed in imported.chain(linked) {
                assert!(FILES.iter().any(|(file, _)| *file == needed), "{name} needs {needed}");
            }
            let elsewhere = text.replace("http://www.w3.org/2000/svg", "");
            assert!(!elsewhere.contains("://"), "{name} asks elsewhere");
        }
    }

    #[test]
    fn nothing_on_the_page_reads_markup_or_runs_text() {
        for (name, text) in FILES.iter().filter(|(name, _)| name.ends_with(".js")) {
            for word in [
                "innerHTML",
                "outerHTML",
                "insertAdjacentHTML",
                "document.write",
                "eval(",
                "new Function",
                "DOMParser",
            ] {
                assert!(!text.contains(word), "{name}: {word}");
            }
        }
    }
}
