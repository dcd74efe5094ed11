//! See `bodies/element.rs`.

#![no_main]

#[path = "../bodies/element.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| body::check(bytes));
