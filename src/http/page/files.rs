//! The files of the page, by path.

/// Path and text; `index.html` is at `/`.
pub(super) const FILES: &[(&str, &str)] = &[
    ("index.html", include_str!("index.html")),
    ("app.js", include_str!("app.js")),
    ("style.css", include_str!("style.css")),
];
