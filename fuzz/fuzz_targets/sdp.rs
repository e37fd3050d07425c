//! Fuzz target: see `bodies::sdp`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| callbridge_fuzz::bodies::sdp(data));
