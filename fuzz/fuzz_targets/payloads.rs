//! Fuzz target: see `bodies::payloads`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| callbridge_fuzz::bodies::payloads(data));
