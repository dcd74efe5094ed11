//! See `bodies/question.rs`.

#![no_main]

#[path = "../bodies/question.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| body::check(bytes));
