//! Which characters XML 1.0 and XML Namespaces 1.0 allow, and what references stand for.

use std::borrow::Cow;

use smol_str::SmolStr;

use super::ElementError;

/// Returns whether XML 1.0 section 2.2 (`Char`) allows the character.
pub(super) const fn is_legal(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{FFFD}' | '\u{10000}'..='\u{10FFFF}')
}

/// Returns whether every character is legal.
///
/// Looks at bytes: in UTF-8 the only illegal ones are the C0 controls and `EF BF BE`, `EF BF BF`
/// (U+FFFE and U+FFFF); surrogates cannot occur.
pub(super) fn all_legal(text: &str) -> bool {
    let bytes = text.as_bytes();
    if bytes.iter().any(|&b| b < 0x20 && !matches!(b, b'\t' | b'\n' | b'\r')) {
        return false;
    }
    memchr::memchr_iter(0xEF, bytes).all(|at| {
        !matches!(bytes.get(at..).and_then(|rest| rest.get(..3)), Some([_, 0xBF, 0xBE | 0xBF]))
    })
}

/// The text with every illegal character replaced by U+FFFD.
pub(super) fn clean(text: &str) -> Cow<'_, str> {
    if all_legal(text) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().map(|c| if is_legal(c) { c } else { '\u{FFFD}' }).collect())
}

/// Returns whether the name is an `NCName` (XML Namespaces 1.0 section 3): a name without a colon.
pub(super) fn is_ncname(name: &str) -> bool {
    if !name.is_ascii() {
        return is_long_way_ncname(name);
    }
    // Nearly every name of nearly every stanza comes this way.
    name.as_bytes().split_first().is_some_and(|(first, rest)| {
        (first.is_ascii_alphabetic() || *first == b'_')
            && rest.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_'))
    })
}

fn is_long_way_ncname(name: &str) -> bool {
    let mut chars = name.chars();
    chars.next().is_some_and(is_name_start) && chars.all(is_name_char)
}

const fn is_name_start(c: char) -> bool {
    matches!(c,
        'a'..='z' | 'A'..='Z' | '_'
        | '\u{C0}'..='\u{D6}' | '\u{D8}'..='\u{F6}' | '\u{F8}'..='\u{2FF}'
        | '\u{370}'..='\u{37D}' | '\u{37F}'..='\u{1FFF}' | '\u{200C}'..='\u{200D}'
        | '\u{2070}'..='\u{218F}' | '\u{2C00}'..='\u{2FEF}' | '\u{3001}'..='\u{D7FF}'
        | '\u{F900}'..='\u{FDCF}' | '\u{FDF0}'..='\u{FFFD}' | '\u{10000}'..='\u{EFFFF}')
}

const fn is_name_char(c: char) -> bool {
    is_name_start(c)
        || matches!(c,
            '-' | '.' | '0'..='9' | '\u{B7}' | '\u{300}'..='\u{36F}' | '\u{203F}'..='\u{2040}')
}

/// Returns what `&name;` stands for: the five names of XML 1.0 section 4.6, or a character reference.
pub(super) fn resolve_reference(name: &str) -> Result<char, ElementError> {
    let number = match name {
        "amp" => return Ok('&'),
        "lt" => return Ok('<'),
        "gt" => return Ok('>'),
        "quot" => return Ok('"'),
        "apos" => return Ok('\''),
        _ => name.strip_prefix('#').ok_or(ElementError::UnknownEntity)?,
    };
    let (digits, radix) = match number.strip_prefix('x') {
        Some(hex) => (hex, 16),
        None => (number, 10),
    };
    // `from_str_radix` also takes a sign, XML does not.
    if !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(ElementError::IllegalCharacter);
    }
    u32::from_str_radix(digits, radix)
        .ok()
        .and_then(char::from_u32)
        .filter(|&c| is_legal(c))
        .ok_or(ElementError::IllegalCharacter)
}

/// Appends literal text with line ends made `\n` (XML 1.0 section 2.11).
pub(super) fn push_text(out: &mut String, text: &str) {
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\r') {
        out.push_str(before);
        out.push('\n');
        rest = after.strip_prefix('\n').unwrap_or(after);
    }
    out.push_str(rest);
}

/// The value of an attribute: references resolved, literal white space made spaces
/// (XML 1.0 section 3.3.3).
pub(super) fn attribute_value(raw: &str) -> Result<SmolStr, ElementError> {
    if !raw.bytes().any(|b| matches!(b, b'&' | b'<' | b'\t' | b'\n' | b'\r')) {
        return Ok(SmolStr::new(raw));
    }
    let mut out = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(c) = rest.chars().next() {
        rest = rest.get(c.len_utf8()..).unwrap_or_default();
        match c {
            '<' => return Err(ElementError::Syntax("a `<` in an attribute value")),
            '&' => {
                let (name, after) = rest.split_once(';').ok_or(ElementError::UnknownEntity)?;
                out.push(resolve_reference(name)?);
                rest = after;
            }
            '\r' => {
                rest = rest.strip_prefix('\n').unwrap_or(rest);
                out.push(' ');
            }
            '\t' | '\n' => out.push(' '),
            other => out.push(other),
        }
    }
    Ok(SmolStr::from(out))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_byte_test_and_the_character_test_agree_on_every_character() {
        for c in (0..=0x0010_FFFF).filter_map(char::from_u32) {
            let mut buffer = [0; 4];
            assert_eq!(all_legal(c.encode_utf8(&mut buffer)), is_legal(c), "{:#x}", c as u32);
        }
    }

    #[test]
    fn illegal_characters_become_the_replacement_character() {
        assert_eq!(clean("a\u{1}b\u{FFFE}c\u{FFFF}\td"), "a\u{FFFD}b\u{FFFD}c\u{FFFD}\td");
        assert!(matches!(clean("plain \u{FFFD} ok"), Cow::Borrowed(_)));
    }

    #[test]
    fn only_the_five_names_and_legal_character_references_resolve() {
        for (name, c) in
            [("amp", '&'), ("apos", '\''), ("#65", 'A'), ("#x1F600", '😀'), ("#9", '\t')]
        {
            assert_eq!(resolve_reference(name), Ok(c));
        }
        for name in [
            "", "nbsp", "AMP", "#", "#x", "#0", "#1", "#xFFFE", "#xD800", "#x110000", "#+65",
            "#X41", "#-1",
        ] {
            assert!(resolve_reference(name).is_err(), "{name}");
        }
    }

    #[test]
    fn attribute_white_space_is_normalised_only_where_it_is_literal() {
        assert_eq!(attribute_value("a\r\nb\tc&#10;d&#9;e").unwrap(), "a b c\nd\te");
        assert_eq!(attribute_value("a&lt;&#60;").unwrap(), "a<<");
        assert!(attribute_value("a<b").is_err());
        assert!(attribute_value("a&amp").is_err());
    }

    #[test]
    fn line_ends_become_line_feeds() {
        let mut out = String::new();
        push_text(&mut out, "a\r\nb\rc\n\rd");
        assert_eq!(out, "a\nb\nc\n\nd");
    }

    #[test]
    fn the_short_way_to_a_name_agrees_with_the_long_one() {
        for first in 0..0x80_u8 {
            for second in 0..0x80_u8 {
                let name = String::from_utf8(vec![first, second]).unwrap();
                assert_eq!(is_ncname(&name), is_long_way_ncname(&name), "{name:?}");
            }
        }
    }

    #[test]
    fn names_follow_the_namespace_rules() {
        for good in ["a", "_a", "a-b.c9", "é", "x\u{B7}"] {
            assert!(is_ncname(good), "{good}");
        }
        for bad in ["", "1a", ".=", "-a", "a:b", "a b", "\u{D7}", "a\u{2190}"] {
            assert!(!is_ncname(bad), "{bad}");
        }
    }
}
