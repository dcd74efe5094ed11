//! See `bodies/framer.rs`.

#![no_main]

#[path = "../bodies/framer.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| body::check(bytes));
