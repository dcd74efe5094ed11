//! Every seed of the fuzz targets, and small mutations of it, goes through the same functions as in the fuzzer.
//! So these are exercised without a fuzzer, and no target outlives what it tests.

#![cfg(test)]

#[path = "../fuzz/bodies/mod.rs"]
mod bodies;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::{fs, panic};

/// A mutation of each kind at no more than so many places of a seed.
const PLACES: usize = 16;

fn run(target: &str, directories: &[&str], check: fn(&[u8])) {
    let seeds: Vec<PathBuf> = directories.iter().flat_map(|directory| files(directory)).collect();
    assert!(seeds.len() >= 3, "{target}: only {} seeds", seeds.len());
    for path in seeds {
        let seed = fs::read(&path).unwrap();
        for input in std::iter::once(seed.clone()).chain(mutations(&seed)) {
            if panic::catch_unwind(|| check(&input)).is_err() {
                panic!("{target}, from {}: {:?}", path.display(), String::from_utf8_lossy(&input));
            }
        }
    }
}

fn files(directory: &str) -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join(directory);
    let entries = fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = entries.filter(|path| is_seed(path)).collect();
    files.sort();
    files
}

/// What lies beside a bad file is its error messages.
fn is_seed(path: &Path) -> bool {
    path.is_file() && path.extension() != Some(OsStr::new("stderr"))
}

/// The same for the same seed: cut off, a byte changed, a byte left out, a part doubled.
fn mutations(seed: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    let step = seed.len().div_ceil(PLACES).max(1);
    (0..seed.len()).step_by(step).flat_map(move |place| {
        let (head, rest) = seed.split_at(place);
        let changed = |byte: u8| [head, &[byte], &rest[1..]].concat();
        let others = [rest[0] ^ 0x01, rest[0] ^ 0x80, b'<', b'"', b'\n', b'0'];
        let more = [head.to_vec(), [head, &rest[1..]].concat(), [head, head, rest].concat()];
        others.map(changed).into_iter().chain(more)
    })
}

#[test]
fn config() {
    run("config", &["fuzz/seeds/config", "tests/config/bad"], bodies::config::check);
}

#[test]
fn element() {
    run("element", &["fuzz/seeds/element", "fuzz/seeds/question"], bodies::element::check);
}

#[test]
fn framer() {
    run("framer", &["fuzz/seeds/framer"], bodies::framer::check);
}

#[test]
fn question() {
    run("question", &["fuzz/seeds/question"], bodies::question::check);
}

#[test]
fn every_target_is_here_and_in_the_fuzzer_s_list() {
    let manifest = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/Cargo.toml"));
    let manifest: toml::Table = manifest.unwrap().parse().unwrap();
    let listed: Vec<_> =
        manifest["bin"].as_array().unwrap().iter().map(|bin| &bin["path"]).collect();
    let there: Vec<_> = files("fuzz/fuzz_targets")
        .iter()
        .map(|path| format!("fuzz_targets/{}", path.file_name().unwrap().to_string_lossy()))
        .collect();
    assert_eq!(listed.iter().map(|path| path.as_str().unwrap()).collect::<Vec<_>>(), there);
    assert_eq!(there.len(), 4, "a target that no test of this file runs");
}
