//! Addresses are prepared as by Prosody: compared with the preparation of Prosody 0.12 and 13 themselves.

#![cfg(test)]
#![expect(clippy::arithmetic_side_effects, reason = "a test that overflows fails")]

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use vestibule::jid::{BareJid, JidError, Part, prepare};

const PARTS: [Part; 3] = [Part::Node, Part::Domain, Part::Resource];

/// A Prosody: how its Lua is started, and where its files are.
struct Prosody {
    name: &'static str,
    program: PathBuf,
    arguments: Vec<PathBuf>,
    folder: PathBuf,
}

impl Prosody {
    fn all() -> [Self; 2] {
        let tree = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/prosody13/usr");
        let loader = std::fs::read_dir(tree.join("lib"))
            .expect("no Prosody 13 in target/prosody13: run `make prosody13`")
            .flat_map(|folder| std::fs::read_dir(folder.unwrap().path()).into_iter().flatten())
            .map(|file| file.unwrap().path())
            .find(|file| file.file_name().unwrap().to_string_lossy().starts_with("ld-linux"))
            .unwrap();
        let libraries = loader.parent().unwrap().to_owned();
        [
            Self {
                name: "0.12",
                program: "lua5.4".into(),
                arguments: Vec::new(),
                folder: "/usr/lib/prosody".into(),
            },
            Self {
                name: "13",
                arguments: vec!["--library-path".into(), libraries, tree.join("bin/lua5.4")],
                program: loader,
                folder: tree.join("lib/prosody"),
            },
        ]
    }

    /// What it prints.
    fn run(&self, what: &str, input: &str) -> Vec<u8> {
        let mut lua = Command::new(&self.program)
            .args(&self.arguments)
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/prep.lua"))
            .arg(&self.folder)
            .arg(what)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = lua.stdin.take().unwrap();
        let input = input.to_owned();
        let writer = thread::spawn(move || stdin.write_all(input.as_bytes()).unwrap());
        let output = lua.wait_with_output().unwrap();
        writer.join().unwrap();
        assert!(output.status.success(), "Prosody {}", self.name);
        output.stdout
    }
}

/// One byte for each, and more where it becomes another: see `prep.lua`.
fn put(all: &mut Vec<u8>, part: Part, text: &str) {
    match prepare(part, text) {
        Err(JidError::Empty(_)) => all.extend([2, 0]),
        Err(_) => all.push(0),
        Ok(prepared) if prepared == text => all.push(1),
        Ok(prepared) => {
            all.extend([2, u8::try_from(prepared.len()).unwrap()]);
            all.extend(prepared.as_bytes());
        }
    }
}

/// Every code point that there is, in each part, alone and between letters.
fn points(from: u32, to: u32) -> Vec<u8> {
    let mut all = Vec::new();
    for point in (from..to).filter_map(char::from_u32) {
        for part in PARTS {
            put(&mut all, part, point.encode_utf8(&mut [0; 4]));
            put(&mut all, part, &format!("a{point}b"));
        }
    }
    all
}

#[test]
fn every_code_point_is_prepared_as_both_prosodys_do() {
    // Where letters are, and where nothing is: two halves of the work.
    let ours = thread::spawn(|| points(0, 0xFFFF));
    let theirs = Prosody::all().map(|prosody| thread::spawn(move || prosody.run("points", "")));
    let rest = points(0xFFFF, 0x11_0000);
    let ours = [ours.join().unwrap(), rest].concat();
    for (theirs, version) in theirs.into_iter().zip(["0.12", "13"]) {
        let theirs = theirs.join().unwrap();
        let same = theirs.iter().zip(&ours).take_while(|(one, other)| one == other).count();
        assert!(
            theirs == ours,
            "Prosody {version} differs behind {same} of {} bytes: {}",
            ours.len(),
            what_is_at(&ours, same)
        );
    }
}

/// The lines that each Prosody makes of these addresses: `=` and the prepared one, or `-`.
fn theirs(addresses: &[String]) -> Vec<String> {
    let input = addresses.join("\n");
    let [one, other] = Prosody::all().map(|prosody| prosody.run("addresses", &input));
    assert!(one == other, "the two Prosodys differ");
    String::from_utf8(one).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn an_address_is_taken_apart_as_prosody_does() {
    let letters = ["a", "A", "@", "/", ".", "\u{1D52}", "\u{AD}", "[", " "];
    let mut addresses = vec![String::new()];
    let mut at = 0;
    while let Some(short) = addresses.get(at).filter(|text| text.chars().count() < 5).cloned() {
        addresses.extend(letters.iter().map(|letter| format!("{short}{letter}")));
        at += 1;
    }
    addresses.remove(0);
    let mut taken = 0;
    for (address, theirs) in addresses.iter().zip(theirs(&addresses)) {
        let prepared = match BareJid::prepared(address) {
            Ok(jid) => jid,
            Err(JidError::Resource(jid)) => jid,
            Err(JidError::Host(_) | JidError::Empty(_)) => continue,
            Err(error) => {
                // A resource is prepared by nobody here: it is cut off what is stamped, and refused in what is written.
                let bare = address.split('/').next().unwrap();
                assert!(theirs == "-" || bare.is_empty(), "{address}: {error}, but {theirs}");
                continue;
            }
        };
        taken += 1;
        let bare = theirs.strip_prefix('=').map(|theirs| theirs.split('/').next().unwrap());
        assert!(bare == Some(prepared.as_str()) || address.contains('/'), "{address}: {theirs}");
        let stamped = BareJid::stamped(address).expect(address);
        assert_eq!(stamped.as_str(), address.split('/').next().unwrap());
    }
    assert!(taken > 1000, "only {taken} are addresses");
}

/// What is composed, decomposed, reordered, folded, mapped to nothing or written from right to left.
const ODD: &str = "aA\u{DF}\u{130}\u{300}\u{301}\u{327}\u{338}\u{345}\u{390}\u{3A3}\u{3C2}\u{5D0}\u{5B0}\u{627}\u{644}\u{661}\
\u{9C7}\u{9BE}\u{B47}\u{B3E}\u{D4A}\u{1100}\u{1161}\u{11A8}\u{AC00}\u{1E9B}\u{1FB3}\u{2126}\u{212B}\u{3002}\u{304B}\u{3099}\
\u{FB01}\u{FB1D}\u{FDFA}\u{FF0E}\u{FF20}\u{FF21}\u{200B}\u{AD}\u{1D400}\u{2F868}\u{2F874}\u{1D15E}-1";

#[test]
fn what_is_written_of_several_odd_letters_is_prepared_as_prosody_does() {
    let odd: Vec<char> = ODD.chars().collect();
    let mut seed = 0x2545_F491_4F6C_DD1D_u64;
    let mut some = |length: u64| -> String {
        let mut next = || {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            seed
        };
        let length = 1 + next() % length;
        (0..length).map(|_| odd[usize::try_from(next() % odd.len() as u64).unwrap()]).collect()
    };
    let addresses: Vec<String> = (0..60_000)
        .map(|number| match number % 2 {
            0 => format!("{}@example.org", some(4)),
            _ => format!("ann@{}.org", some(4)),
        })
        .collect();
    let mut taken = 0;
    for (address, theirs) in addresses.iter().zip(theirs(&addresses)) {
        match BareJid::prepared(address) {
            Ok(jid) => {
                taken += 1;
                assert_eq!(theirs, format!("={jid}"), "{}", address.escape_unicode());
                assert_eq!(jid.as_str().parse(), Ok(jid), "{}", address.escape_unicode());
            }
            Err(JidError::Host(_) | JidError::Empty(_)) => {}
            Err(error) => assert_eq!(theirs, "-", "{}: {error}", address.escape_unicode()),
        }
    }
    assert!(taken > 5_000, "only {taken} are addresses");
}

/// The code point, the part and the place that the byte stands for.
fn what_is_at(all: &[u8], offset: usize) -> String {
    let (mut at, mut case) = (0, 0_u32);
    while at < offset {
        at += if all[at] == 2 { 2 + usize::from(all[at + 1]) } else { 1 };
        case += u32::from(at <= offset);
    }
    let scalar = case / 6;
    let point = if scalar < 0xD800 { scalar } else { scalar + 0x800 };
    let part = PARTS[case as usize % 6 / 2];
    let place = if case % 2 == 0 { "alone" } else { "between letters" };
    format!("U+{point:04X} in the {part}, {place}")
}
