//! A value as TOML again.

use std::fmt::Write as _;

use toml::de::DeValue;

use super::problem::is_shown;

/// A value as it was written, where that is one line that any terminal can show; else the same in another way.
pub(super) fn written(value: &DeValue<'_>, source: &str) -> String {
    if source.chars().all(is_shown) {
        return source.to_owned();
    }
    let mut text = String::new();
    write(value, &mut text);
    text
}

fn write(value: &DeValue<'_>, into: &mut String) {
    match value {
        DeValue::String(text) => quote(text, into),
        DeValue::Integer(number) => _ = write!(into, "{number}"),
        DeValue::Float(number) => _ = write!(into, "{number}"),
        DeValue::Boolean(value) => _ = write!(into, "{value}"),
        DeValue::Datetime(moment) => _ = write!(into, "{moment}"),
        DeValue::Array(items) => {
            into.push('[');
            for (at, item) in items.iter().enumerate() {
                into.push_str(if at == 0 { "" } else { ", " });
                write(item.get_ref(), into);
            }
            into.push(']');
        }
        DeValue::Table(table) => {
            into.push('{');
            for (at, (key, value)) in table.iter().enumerate() {
                into.push_str(if at == 0 { " " } else { ", " });
                quote(key.get_ref(), into);
                into.push_str(" = ");
                write(value.get_ref(), into);
            }
            into.push_str(" }");
        }
    }
}

fn quote(text: &str, into: &mut String) {
    into.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => {
                into.push('\\');
                into.push(c);
            }
            c if is_shown(c) => into.push(c),
            c => _ = write!(into, "\\U{:08X}", u32::from(c)),
        }
    }
    into.push('"');
}

#[cfg(test)]
mod tests {
    use toml::de::DeTable;

    use super::*;

    #[test]
    fn what_is_written_again_means_the_same() {
        let text =
            "x = [ # two\n 'a\"\\', \"\\u202e\\n\", 0x1f, 1.5, true, 1979-05-27,\n {y = 1}, []]";
        let table = DeTable::parse(text).unwrap();
        let value = table.get_ref().get("x").unwrap();
        let again = format!("x = {}", written(value.get_ref(), text.get(value.span()).unwrap()));
        assert!(again.chars().all(is_shown), "{again}");
        let read = |text: &str| text.parse::<toml::Table>().unwrap();
        assert_eq!(read(&again), read(text));
    }
}
