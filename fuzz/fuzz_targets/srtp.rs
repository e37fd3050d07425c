//! Fuzz target: see `bodies::srtp`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| callbridge_fuzz::bodies::srtp(data));
