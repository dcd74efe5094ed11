//! Readers of other programs' files: HOCON and properties (Jicofo, the bridge), `config.js` of Jitsi's web app, nginx, the `.env` of
//! Docker Compose, and the kernel's table of sockets. Each reads as much as is looked at: values that are written out. A variable,
//! an expression or a file that is included is no value.

use std::collections::BTreeMap;
use std::iter::Peekable;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::Range;
use std::str::Chars;

/// Values by the path of their keys, like `jicofo.rest.enabled`.
pub(super) type Values = BTreeMap<String, String>;

/// Depth at which nested blocks are no longer read.
const DEEPEST: usize = 32;
/// Most bytes of the path of a value.
const LONGEST: usize = 256;
/// Most values of a file.
const MOST: usize = 10_000;

/// Why a file is not read: part of it would be, and what it says as a whole would not be known.
type TooMuch = String;

fn enter(depth: usize) -> Result<usize, TooMuch> {
    let inner = depth.saturating_add(1);
    if inner > DEEPEST {
        return Err(format!("blocks are nested more than {DEEPEST} deep"));
    }
    Ok(inner)
}

/// Returns the path of a value. It is measured before it is made: a file may repeat a long key many times.
fn joined<'a>(parts: impl Iterator<Item = &'a str> + Clone) -> Result<String, TooMuch> {
    let parts = parts.filter(|part| !part.is_empty());
    let length = parts.clone().fold(0_usize, |sum, part| sum.saturating_add(part.len()));
    if length > LONGEST {
        return Err(format!("the path of a value is longer than {LONGEST} bytes"));
    }
    Ok(parts.collect::<Vec<_>>().join("."))
}

fn insert(values: &mut Values, path: String, value: String) -> Result<(), TooMuch> {
    values.insert(path, value);
    if values.len() > MOST {
        return Err(format!("it has more than {MOST} values"));
    }
    Ok(())
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    /// A word or a quoted text.
    Text(String),
    /// A bracket, a separator or an operator.
    Sign(char),
}

/// Splits a text into tokens. `signs` are those of the language; a word ends before each. Comments begin with one of `remarks`.
fn tokens(text: &str, signs: &str, remarks: &[&str], quotes: &str) -> Vec<Token> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let after = |bytes: usize| rest.get(bytes..).unwrap_or_default();
        if rest.starts_with("/*") && remarks.contains(&"//") {
            rest = rest.split_once("*/").map_or("", |(_, after)| after);
        } else if remarks.iter().any(|remark| rest.starts_with(remark)) {
            rest = rest.find('\n').map_or("", after);
        } else if quotes.contains(first) {
            let (inside, length) = quoted(rest);
            found.push(Token::Text(inside));
            rest = after(length);
        } else if signs.contains(first) {
            found.push(Token::Sign(first));
            rest = after(first.len_utf8());
        } else if first.is_whitespace() {
            rest = after(first.len_utf8());
        } else {
            let end = word(rest, signs);
            found.push(Token::Text(rest.get(..end).unwrap_or_default().to_owned()));
            rest = after(end);
        }
    }
    found
}

/// Returns a quoted text without its quotes, and the length in bytes of all of it.
fn quoted(text: &str) -> (String, usize) {
    let mut chars = text.char_indices();
    let quote = chars.next().map(|(_, quote)| quote);
    let mut inside = String::new();
    while let Some((at, char)) = chars.next() {
        if Some(char) == quote {
            return (inside, at.saturating_add(char.len_utf8()));
        }
        inside.push(match char {
            '\\' => chars.next().map_or('\\', |(_, next)| next),
            other => other,
        });
    }
    (inside, text.len())
}

/// Returns the length in bytes of the word at the beginning; `${…}` is a part of a word.
fn word(text: &str, signs: &str) -> usize {
    let mut is_variable = false;
    let mut before = ' ';
    for (at, char) in text.char_indices() {
        let begins = before == '$' && char == '{';
        let ends = char.is_whitespace()
            || signs.contains(char)
            || "\"'".contains(char) && signs.contains('=');
        if at > 0 && ends && !begins && !is_variable {
            return at;
        }
        is_variable = begins || is_variable && char != '}';
        before = char;
    }
    text.len()
}

/// What a HOCON text says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Hocon {
    /// Its values, without lists and variables.
    pub(super) values: Values,
    /// The files that it includes, as it names them. They are not read.
    pub(super) includes: Vec<String>,
}

/// Reads a HOCON text.
///
/// # Errors
/// Fails for a text with more than the checks need to read.
pub(super) fn hocon(text: &str) -> Result<Hocon, TooMuch> {
    let lines = tokens(text, "{}[]=:,\n", &["//", "#"], "\"");
    let mut found = Hocon::default();
    block(&mut lines.into_iter().peekable(), "", &mut found, 0)?;
    Ok(found)
}

/// Returns the values of a properties file of Java, by their names.
///
/// # Errors
/// Fails for a text with more than the checks need to read.
pub(super) fn properties(text: &str) -> Result<Values, TooMuch> {
    let mut values = Values::new();
    let lines = text.lines().map(str::trim_start);
    for line in lines.filter(|line| !line.starts_with(['#', '!'])) {
        if let Some((name, value)) = line.split_once(['=', ':', ' ']) {
            let name = joined(std::iter::once(name.trim()))?;
            insert(&mut values, name, value.trim_start_matches(['=', ':', ' ']).trim().to_owned())?;
        }
    }
    Ok(values)
}

fn block(
    tokens: &mut Peekable<impl Iterator<Item = Token>>,
    path: &str,
    found: &mut Hocon,
    depth: usize,
) -> Result<(), TooMuch> {
    let mut key = String::new();
    while let Some(token) = tokens.next() {
        match token {
            Token::Sign('}') => break,
            Token::Sign('{') => {
                let inner = joined([path, &std::mem::take(&mut key)].into_iter())?;
                block(tokens, &inner, found, enter(depth)?)?;
            }
            Token::Sign('=' | ':') => {
                while tokens.next_if_eq(&Token::Sign('\n')).is_some() {}
                // A block after `=` is one without it.
                if tokens.peek() != Some(&Token::Sign('{')) {
                    let whole = joined([path, &std::mem::take(&mut key)].into_iter())?;
                    if let Some(value) = value(tokens) {
                        insert(&mut found.values, whole, value)?;
                    }
                }
            }
            // A block may begin on the next line.
            Token::Sign('\n') if matches!(tokens.peek(), Some(Token::Sign('\n' | '{'))) => {}
            Token::Sign('\n' | ',') => key.clear(),
            Token::Sign(_) => {}
            Token::Text(text)
                if text == "include" && matches!(tokens.peek(), Some(Token::Text(_))) =>
            {
                found.includes.push(included(tokens));
            }
            Token::Text(text) => key = text,
        }
    }
    Ok(())
}

/// Takes what stands behind `include`, like `"a.conf"` or `required(file("a.conf"))`, and returns the name of the file.
fn included(tokens: &mut Peekable<impl Iterator<Item = Token>>) -> String {
    let mut name = String::new();
    while let Some(Token::Text(text)) = tokens.next_if(|token| matches!(token, Token::Text(_))) {
        if !text.ends_with('(') && !text.starts_with(')') {
            name = text;
        }
    }
    name
}

/// Takes a value up to the end of its line; `None` for a list, a variable and nothing.
fn value(tokens: &mut Peekable<impl Iterator<Item = Token>>) -> Option<String> {
    let (mut words, mut lists, mut is_plain) = (Vec::new(), 0_usize, true);
    while let Some(token) =
        tokens.next_if(|token| lists > 0 || !matches!(token, Token::Sign('\n' | ',' | '}')))
    {
        match token {
            Token::Sign('[') => (lists, is_plain) = (lists.saturating_add(1), false),
            Token::Sign(']') => lists = lists.saturating_sub(1),
            Token::Sign(sign) => words.push(sign.to_string()),
            Token::Text(text) => {
                is_plain &= !text.starts_with("${");
                words.push(text);
            }
        }
    }
    (is_plain && !words.is_empty()).then(|| words.concat())
}

/// Returns the values of Jitsi's `config.js`: of `var config = { … }` and of `config.a.b = …`. Of an expression that is no
/// single text, number or truth value, the value is the empty text.
///
/// # Errors
/// Fails for a text with more than the checks need to read.
pub(super) fn config_js(text: &str) -> Result<Values, TooMuch> {
    let mut values = Values::new();
    let mut path: Vec<&str> = Vec::new();
    let all = tokens(text, "{}[]()=:,;+?\n", &["//"], "'\"`");
    let mut words = all.iter().filter(|token| **token != Token::Sign('\n')).peekable();
    let mut key = "";
    while let Some(token) = words.next() {
        match token {
            Token::Text(text) => key = text,
            Token::Sign('{') => {
                enter(path.len())?;
                path.push(std::mem::take(&mut key));
            }
            Token::Sign('}') => {
                path.pop();
            }
            Token::Sign(':' | '=') if !key.is_empty() => {
                if words.peek() == Some(&&Token::Sign('{')) {
                    continue;
                }
                let whole = joined(path.iter().copied().chain([key]))?;
                let whole = whole.strip_prefix("config.").unwrap_or(&whole).to_owned();
                let value = match words.peek() {
                    Some(Token::Text(value)) => value.clone(),
                    _ => String::new(),
                };
                if !value.is_empty() {
                    words.next();
                }
                let is_whole = matches!(
                    words.peek(),
                    None | Some(Token::Sign(',' | ';' | '}')) | Some(Token::Text(_))
                );
                insert(&mut values, whole, if is_whole { value } else { String::new() })?;
                key = "";
            }
            Token::Sign(_) => key = "",
        }
    }
    Ok(values)
}

/// A directive of nginx, with the directives of its block.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Directive {
    /// Its name and arguments.
    pub(super) words: Vec<String>,
    /// The directives inside.
    pub(super) block: Vec<Self>,
}

impl Directive {
    fn is(&self, name: &str) -> bool {
        self.words.first().is_some_and(|word| word == name)
    }

    /// Returns whether the block has this directive with this first argument, compared without case.
    pub(super) fn has(&self, name: &str, argument: &str) -> bool {
        let first =
            |it: &Self| it.words.get(1).is_some_and(|own| own.eq_ignore_ascii_case(argument));
        self.block.iter().any(|it| it.is(name) && (argument.is_empty() || first(it)))
    }
}

/// Returns the directives of an nginx file. Files that it includes are not read.
fn nginx(text: &str) -> Result<Vec<Directive>, TooMuch> {
    directives(&mut text.chars().peekable(), 0)
}

fn directives(chars: &mut Peekable<Chars<'_>>, depth: usize) -> Result<Vec<Directive>, TooMuch> {
    let mut found = Vec::new();
    let mut words: Vec<String> = Vec::new();
    while let Some(first) = chars.next() {
        match first {
            '#' => while chars.next_if(|it| *it != '\n').is_some() {},
            ';' => found.push(Directive { words: std::mem::take(&mut words), block: Vec::new() }),
            '{' => {
                let block = directives(chars, enter(depth)?)?;
                found.push(Directive { words: std::mem::take(&mut words), block });
            }
            '}' => break,
            '"' | '\'' => {
                let mut text = String::new();
                while let Some(char) = chars.next_if(|it| *it != first) {
                    text.push(if char == '\\' { chars.next().unwrap_or(char) } else { char });
                }
                chars.next();
                words.push(text);
            }
            space if space.is_whitespace() => {}
            first => {
                let mut text = String::from(first);
                let mut has_variable = false;
                // Quotes and braces of variables are a part of a word that does not begin with them.
                while let Some(char) = chars.next_if(|it| {
                    !it.is_whitespace()
                        && *it != ';'
                        && (*it != '{' || text.ends_with('$'))
                        && (*it != '}' || has_variable)
                }) {
                    has_variable |= char == '{';
                    text.push(char);
                }
                words.push(text);
            }
        }
    }
    Ok(found)
}

/// A location of nginx that hands requests to another program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// The pattern of its paths.
    pub path: String,
    /// Whether the other program is told the address of the person; `None`: a file that is included may say it.
    pub forwards_address: Option<bool>,
}

/// Returns the locations of an nginx file that hand requests on.
///
/// # Errors
/// Fails for a text with more than the checks need to read.
pub fn locations(text: &str) -> Result<Vec<Location>, String> {
    let mut found = Vec::new();
    below(&Directive { words: Vec::new(), block: nginx(text)? }, Some(false), &mut found);
    Ok(found)
}

/// Collects the locations below a directive; `outer` is whether the directives around it forward addresses.
fn below(directive: &Directive, outer: Option<bool>, found: &mut Vec<Location>) {
    const SETS: &str = "proxy_set_header";
    // A block with headers of its own inherits none.
    let forwards = if directive.has(SETS, "X-Forwarded-For") {
        Some(true)
    } else if directive.has("include", "") {
        None
    } else if directive.has(SETS, "") {
        Some(false)
    } else {
        outer
    };
    if directive.is("location") && directive.has("proxy_pass", "") {
        let path = directive.words.last().cloned().unwrap_or_default();
        found.push(Location { path, forwards_address: forwards });
    }
    directive.block.iter().for_each(|inner| below(inner, forwards, found));
}

/// A variable of an `.env`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variable<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its value, without quotes and without a comment behind it.
    pub value: &'a str,
    /// Place of the value in the text, in bytes.
    pub at: Range<usize>,
    /// The quotes around it; `None` also for a value whose quotes do not end.
    pub quote: Option<char>,
}

/// Returns the variables of an `.env`, in the order of the file: the last of a name counts.
pub fn variables(text: &str) -> Vec<Variable<'_>> {
    let mut found = Vec::new();
    let mut start = 0_usize;
    while let Some(line) = text.get(start..).and_then(|rest| rest.split_inclusive('\n').next()) {
        let mut end = start.saturating_add(line.len());
        if let Some(variable) = variable(text, start, line) {
            // A value in quotes may have more lines.
            let behind = text.get(variable.at.end..).unwrap_or_default();
            let length = behind.split_inclusive('\n').next().map_or(0, str::len);
            end = end.max(variable.at.end.saturating_add(length));
            found.push(variable);
        }
        start = end;
    }
    found
}

/// Returns the variable of a line, which begins at `start`.
fn variable<'a>(text: &'a str, start: usize, line: &'a str) -> Option<Variable<'a>> {
    let (name, rest) = line.split_once('=')?;
    let name = name.trim();
    let name = name.strip_prefix("export ").unwrap_or(name).trim();
    if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        return None;
    }
    let rest = rest.trim_start_matches([' ', '\t']);
    let from = start.saturating_add(line.len().saturating_sub(rest.len()));
    if let Some(quote) = rest.chars().next().filter(|c| matches!(c, '"' | '\'')) {
        let from = from.saturating_add(1);
        let inside = text.get(from..)?;
        let mut before = quote;
        let end = inside.find(|c| {
            let ends = c == quote && before != '\\';
            before = c;
            ends
        });
        if let Some(value) = end.and_then(|length| inside.get(..length)) {
            let at = from..from.saturating_add(value.len());
            return Some(Variable { name, value, at, quote: Some(quote) });
        }
    }
    let value = without_comment(rest);
    let at = from..from.saturating_add(value.len());
    Some(Variable { name, value, at, quote: None })
}

/// Returns a value that has no quotes: to the end of the line, or to a comment.
fn without_comment(rest: &str) -> &str {
    let line = rest.lines().next().unwrap_or_default();
    let end = if line.starts_with('#') { 0 } else { line.find(" #").unwrap_or(line.len()) };
    line.get(..end).unwrap_or_default().trim_end()
}

/// Returns the addresses of listening sockets in the text of `/proc/net/tcp` or `tcp6`.
pub fn listening(table: &str) -> impl Iterator<Item = SocketAddr> {
    table.lines().filter_map(socket)
}

/// Returns the address of a listening socket from a line of the kernel's table.
fn socket(line: &str) -> Option<SocketAddr> {
    /// `TCP_LISTEN`.
    const LISTENS: &str = "0A";
    let mut fields = line.split_whitespace().skip(1);
    let (address, port) = fields.next()?.split_once(':')?;
    if fields.nth(1)? != LISTENS {
        return None;
    }
    let port = u16::from_str_radix(port, 16).ok()?;
    // The address is a sequence of 32-bit words in the byte order of the machine.
    let word = |at: usize| {
        let digits = address.get(at.checked_mul(8)?..at.checked_add(1)?.checked_mul(8)?)?;
        Some(u32::from_str_radix(digits, 16).ok()?.to_ne_bytes())
    };
    let ip = if address.len() == 8 {
        IpAddr::V4(Ipv4Addr::from(word(0)?))
    } else {
        let words = [word(0)?, word(1)?, word(2)?, word(3)?].concat();
        IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(words).ok()?))
    };
    Some(SocketAddr::new(ip, port))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn hocon_is_read_in_each_of_its_shapes() {
        for (text, path, value) in [
            ("a { b : { c = true } }", "a.b.c", Some("true")),
            ("a.b.c = \"true\" // no", "a.b.c", Some("true")),
            ("a {\n  b = 1\n  # c = 2\n}\nd = 3", "d", Some("3")),
            ("a = [ 1, { b = 2 } ]\nc = 4", "c", Some("4")),
            ("a = ${?X}\nb = 2", "a", None),
            ("a = ${?X}\nb = 2", "b", Some("2")),
            ("a\n{ b = 10.0.0.1 }", "b", None),
            ("a { host = \"0.0.0.0\", port = 8080 }", "a.port", Some("8080")),
            ("url = \"http://x/#y\"", "url", Some("http://x/#y")),
            ("include \"other.conf\"\na = 1", "a", Some("1")),
        ] {
            let found = hocon(text).unwrap().values;
            assert_eq!(found.get(path).map(String::as_str), value, "{text}");
        }
        let text =
            "include \"a.conf\"\nx { include required(file(\"/b.conf\")), c = 1 }\ninclude = 2";
        let found = hocon(text).unwrap();
        assert_eq!(found.includes, ["a.conf", "/b.conf"]);
        assert_eq!(found.values["x.c"], "1");
        assert_eq!(found.values["include"], "2");
    }

    #[test]
    fn properties_are_read_line_by_line() {
        let text = "# a=1\n! b=1\n  org.x.C = true\norg.x.D: /a=b\norg.x.E f\nempty=\nno\n";
        let expected = [("org.x.C", "true"), ("org.x.D", "/a=b"), ("org.x.E", "f"), ("empty", "")];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(properties(text).unwrap(), expected.into());
    }

    #[test]
    fn config_js_is_read_without_its_comments_and_its_expressions() {
        let text = "var subdomain = \"<!--# echo var='subdomain' -->\";\nvar config = {\n  hosts: {\n    domain: 'm.example.org', \
                    // anonymousdomain: 'no',\n    muc: 'conference.' + subdomain + 'm.example.org'\n  },\n  /* a: 1, */\n  \
                    e2ee: { disabled: true, },\n  list: [ { x: 1 } ],\n  bosh: 'https://m/' + sub\n};\n\
                    config.hosts.anonymousdomain = \"guest.m.example.org\";\nconfig.conferenceRequestUrl = 'https://' + x;\n";
        let values = config_js(text).unwrap();
        let value = |path: &str| values.get(path).map(String::as_str);
        assert_eq!(value("hosts.domain"), Some("m.example.org"));
        assert_eq!(value("hosts.muc"), Some(""));
        assert_eq!(value("hosts.anonymousdomain"), Some("guest.m.example.org"));
        assert_eq!(value("e2ee.disabled"), Some("true"));
        assert_eq!(value("conferenceRequestUrl"), Some(""));
        assert_eq!(value("a"), None);
    }

    #[test]
    fn a_long_word_of_nginx_is_read_once() {
        let half = 1 << 19;
        let text = format!("{}${{{}", "a".repeat(half), "}".repeat(half));
        let begun = std::time::Instant::now();
        assert_eq!(
            nginx(&format!("{text};")).unwrap(),
            [Directive { words: vec![text], block: vec![] }]
        );
        assert!(begun.elapsed() < std::time::Duration::from_secs(5), "{:?}", begun.elapsed());
    }

    #[test]
    fn locations_that_hand_requests_on_are_found_with_what_they_inherit() {
        let text = "server {\n  proxy_set_header X-Forwarded-For $remote_addr;\n  location = /http-bind { proxy_pass http://p; }\n  \
                    location = /xmpp-websocket { proxy_set_header Host $h; proxy_pass http://$prosody_node/x?prefix=$prefix&$args; }\n  \
                    # location /no { proxy_pass http://p; }\n  location /static { root /x; }\n  \
                    location ~ ^/([^/?&:'\"]+)/x(\\/.*)?$ { include snip.conf; proxy_pass \"http://${y}\"; }\n}\n";
        let found: Vec<_> =
            locations(text).unwrap().into_iter().map(|it| (it.path, it.forwards_address)).collect();
        let expected = [
            ("/http-bind", Some(true)),
            ("/xmpp-websocket", Some(false)),
            ("^/([^/?&:'\"]+)/x(\\/.*)?$", None),
        ];
        assert_eq!(found, expected.map(|(path, forwards)| (path.to_owned(), forwards)));
    }

    #[test]
    fn a_file_that_would_cost_much_is_not_read() {
        let long = "k".repeat(200_000);
        let many: String = (0..60_000).map(|n| format!("a{n} = 1\n")).collect();
        let under = format!("{long} {{\n{many}}}\n");
        let one_under =
            |depth: usize| format!("{}b = 1 {}", "a { ".repeat(depth), "}".repeat(depth));
        for text in [&*under, &many, &one_under(DEEPEST + 1), &format!("{long} = 1")] {
            assert!(hocon(text).is_err());
        }
        assert_eq!(hocon(&one_under(DEEPEST)).unwrap().values.len(), 1);
        let many: String = (0..60_000).map(|n| format!("a{n}: 1,")).collect();
        for text in ["a:{b:1,".repeat(60_000), many, format!("{long}: 1"), "{".repeat(DEEPEST + 1)]
        {
            assert!(config_js(&text).is_err());
        }
        assert!(config_js(&"a:{b:1,".repeat(8)).is_ok());
        assert!(locations(&"a {".repeat(DEEPEST + 1)).is_err());
    }

    proptest! {
        #[test]
        fn no_text_stops_them(text in "[a-z{}\\[\\]=:,;'\"\\\\$#/\n .+ä]{0,80}") {
            let _ = (hocon(&text), properties(&text), config_js(&text), locations(&text));
        }
    }

    #[test]
    fn the_value_of_a_variable_has_no_quotes_and_no_comment() {
        let text = "A=1\nexport B='two # words' # it\nC=\n#D=4\nE=5 # last\r\nF=6#7\n";
        let found: Vec<_> = variables(text).iter().map(|it| (it.name, it.value)).collect();
        let expected = [("A", "1"), ("B", "two # words"), ("C", ""), ("E", "5"), ("F", "6#7")];
        assert_eq!(found, expected);
    }

    #[test]
    fn what_listens_is_read_from_the_kernel_s_table() {
        let word = |bytes: [u8; 4]| format!("{:08X}", u32::from_ne_bytes(bytes));
        let four = word([127, 0, 0, 1]);
        let six = format!("{}{}{}{}", word([0; 4]), word([0; 4]), word([0; 4]), word([0, 0, 0, 1]));
        let line = |address: &str, state: &str| {
            format!("   0: {address}:14E3 00000000:0000 {state} 00000000:00000000")
        };
        assert_eq!(socket(&line(&four, "0A")).unwrap().to_string(), "127.0.0.1:5347");
        assert_eq!(socket(&line(&six, "0A")).unwrap().to_string(), "[::1]:5347");
        assert_eq!(socket(&line(&four, "01")), None);
        assert_eq!(socket("  sl  local_address rem_address   st"), None);
        assert_eq!(socket(&line("ÄÄÄÄ", "0A")), None);
    }
}
