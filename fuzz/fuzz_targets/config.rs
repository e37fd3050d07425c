//! Fuzz target: see `bodies::config`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| callbridge_fuzz::bodies::config(data));
