//! Fuzz target: see `bodies::jwe`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| callbridge_fuzz::bodies::jwe(data));
