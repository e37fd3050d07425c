//! Fuzz target: see `bodies::tokens`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| callbridge_fuzz::bodies::tokens(data));
