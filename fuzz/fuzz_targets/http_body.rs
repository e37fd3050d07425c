//! Fuzz target: see `bodies::http_body`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| callbridge_fuzz::bodies::http_body(data));
