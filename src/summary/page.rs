//! The formats of the page.

use std::fmt;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use sha2::{Digest as _, Sha256};

use super::{Format, Summary, Told};
use crate::config::Visible;

const STYLE: &str = include_str!("page.css");

impl Summary {
    /// Returns the page in a format, with a line break at its end.
    pub fn page(&self, format: Format) -> String {
        match format {
            Format::Text => self.text(),
            Format::Markdown => self.markdown(),
            Format::Html => self.html(),
        }
    }

    fn text(&self) -> String {
        let title = Visible(&self.title).to_string();
        let mut page =
            format!("{title}\n{}\n\n{}\n", "=".repeat(title.chars().count()), self.introduction);
        for (heading, told) in &self.sections {
            page.push_str(&format!("\n{heading}\n{}\n\n", "-".repeat(heading.chars().count())));
            for Told { text, .. } in told {
                page.push_str(&format!("* {}\n", Visible(text)));
            }
        }
        page
    }

    fn markdown(&self) -> String {
        let mut page = format!("# {}\n\n{}\n", Plain(&self.title), Plain(&self.introduction));
        for (heading, told) in &self.sections {
            page.push_str(&format!("\n## {}\n\n", Plain(heading)));
            for Told { text, .. } in told {
                page.push_str(&format!("* {}\n", Plain(text)));
            }
        }
        page
    }

    /// Returns an HTML page that loads nothing and runs no scripts.
    fn html(&self) -> String {
        let style = BASE64_STANDARD.encode(Sha256::digest(STYLE));
        let (language, title) = (self.language.name(), Escaped(&self.title));
        let sections = self.sections.iter().map(|(heading, told)| {
            let items: String =
                told.iter().map(|told| format!("<li>{}</li>\n", Escaped(&told.text))).collect();
            format!("<h2>{}</h2>\n<ul>\n{items}</ul>\n", Escaped(heading))
        });
        let sections: String = sections.collect();
        format!(
            "<!doctype html>\n<html lang=\"{language}\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'sha256-{style}'; \
             base-uri 'none'; form-action 'none'\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"color-scheme\" content=\"light dark\">\n\
             <title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n\
             <h1>{title}</h1>\n<p>{}</p>\n{sections}</main>\n</body>\n</html>\n",
            Escaped(&self.introduction),
        )
    }
}

/// Writes a text so that Markdown shows its characters as they are.
struct Plain<'a>(&'a str);

impl fmt::Display for Plain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for letter in Visible(self.0).to_string().chars() {
            match letter {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '\\' | '`' | '*' | '_' | '[' | ']' | '#' | '|' | '~' => write!(f, "\\{letter}")?,
                other => write!(f, "{other}")?,
            }
        }
        Ok(())
    }
}

/// Writes a text so that HTML shows its characters as they are.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for letter in Visible(self.0).to_string().chars() {
            match letter {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                other => write!(f, "{other}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::summary::Language;

    #[test]
    fn names_stay_text_in_every_format() {
        let text = "<b> & \"[x](y)\" *z*\u{202e}\u{1b}[31m".to_owned();
        let told = Told { text: text.clone(), keys: &[] };
        let summary = Summary {
            language: Language::German,
            title: text.clone(),
            introduction: String::new(),
            sections: vec![("Heading".to_owned(), vec![told])],
        };
        let html = summary.page(Format::Html);
        assert!(html.contains("&lt;b&gt; &amp; &quot;") && html.contains("<html lang=\"de\">"));
        assert!(!html.contains("<b>"), "{html}");
        let markdown = summary.page(Format::Markdown);
        assert!(markdown.contains("&lt;b> &amp; \"\\[x\\](y)\" \\*z\\*"), "{markdown}");
        for format in Format::ALL {
            let page = summary.page(format);
            assert!(!page.contains(['\u{202e}', '\u{1b}']), "{page:?}");
        }
    }
}
