//! Texts in HTML.

use serde_json::Value;

/// A text as HTML. What turns the direction of writing, and what cannot be seen, is shown as U+FFFD: a name must not
/// rearrange the text next to it.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\n' | '\t' => out.push(letter),
            '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{2069}'
            | '\u{061c}'
            | '\u{feff}' => out.push('\u{fffd}'),
            other if other.is_control() => out.push('\u{fffd}'),
            other => out.push(other),
        }
    }
    out
}

/// A text of an object.
pub(super) fn get<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    value.get(name).and_then(Value::as_str)
}

/// A number of an object.
pub(super) fn whole(value: &Value, name: &str) -> Option<u64> {
    value.get(name).and_then(Value::as_u64)
}

/// The list of that name.
pub(super) fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// A moment as HTML, to the second.
pub(super) fn moment(text: Option<&str>) -> String {
    let Some(text) = text else { return "?".to_owned() };
    let shown = text
        .parse::<jiff::Timestamp>()
        .map_or_else(|_| escaped(text), |moment| moment.strftime("%Y-%m-%d %H:%M:%S").to_string());
    format!("<time datetime=\"{}\">{shown}</time>", escaped(text))
}

/// Bytes in base 64 (RFC 4648, section 4).
pub(super) fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for three in bytes.chunks(3) {
        let byte = |at: usize| u32::from(three.get(at).copied().unwrap_or_default());
        let all = (byte(0) << 16) | (byte(1) << 8) | byte(2);
        for (at, shift) in [18, 12, 6, 0].into_iter().enumerate() {
            let letter = usize::try_from((all >> shift) & 63).ok();
            let letter = letter.and_then(|letter| LETTERS.get(letter)).unwrap_or(&b'=');
            out.push(if at > three.len() { '=' } else { char::from(*letter) });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_64_is_that_of_the_rfc() {
        let known =
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")];
        for (text, written) in known {
            assert_eq!(base64(text.as_bytes()), written);
        }
    }

    #[test]
    fn no_name_is_markup_or_turns_the_line() {
        assert_eq!(
            escaped("<b a='\"'>&\u{202e}x\u{0}"),
            "&lt;b a=&#39;&quot;&#39;&gt;&amp;\u{fffd}x\u{fffd}"
        );
    }
}
