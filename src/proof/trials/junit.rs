//! The outcomes as JUnit's XML, which most servers for continuous integration read.

use std::io;

use quick_xml::Writer;
use quick_xml::events::BytesText;

use super::Outcome;

/// The outcomes of the tests in that file, by the policy of that name.
///
/// # Errors
/// Never, unless memory runs out.
pub fn junit(file: &str, policy: &str, outcomes: &[Outcome<'_>]) -> io::Result<Vec<u8>> {
    let mut writer = Writer::new_with_indent(Vec::new(), b' ', 1);
    let count = |wanted: bool| {
        outcomes.iter().filter(|outcome| wanted || !outcome.wrong.is_empty()).count().to_string()
    };
    let (tests, failures) = (count(true), count(false));
    let name = visible(&format!("{file}, by {policy}"));
    let counts = [("name", &*name), ("tests", &tests), ("failures", &failures)];
    writer.create_element("testsuites").with_attributes(counts).write_inner_content(|writer| {
        writer.create_element("testsuite").with_attributes(counts).write_inner_content(
            |writer| outcomes.iter().try_for_each(|outcome| case(writer, file, outcome)),
        )?;
        Ok(())
    })?;
    let mut xml = writer.into_inner();
    xml.push(b'\n');
    Ok(xml)
}

fn case(writer: &mut Writer<Vec<u8>>, file: &str, outcome: &Outcome<'_>) -> io::Result<()> {
    let trial = outcome.trial;
    let (name, file, line) = (visible(&trial.name), visible(file), trial.line.to_string());
    let attributes =
        [("name", &*name), ("classname", &trial.attempt.what), ("file", &file), ("line", &line)];
    let element = writer.create_element("testcase").with_attributes(attributes);
    if outcome.wrong.is_empty() {
        element.write_empty()?;
        return Ok(());
    }
    let told: Vec<String> = outcome
        .wrong
        .iter()
        .map(|(what, expected, found)| format!("{what}: expected {expected}, found {found}"))
        .collect();
    let message = visible(&told.join("; "));
    element.write_inner_content(|writer| {
        let failure = writer.create_element("failure").with_attribute(("message", &*message));
        failure.write_text_content(BytesText::new(&visible(&told.join("\n"))))?;
        Ok(())
    })?;
    Ok(())
}

/// Replaces characters that XML cannot contain (XML 1.0, section 2.2).
fn visible(text: &str) -> String {
    let is_char = |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
    text.chars().map(|c| if is_char(c) { c } else { '\u{fffd}' }).collect()
}
