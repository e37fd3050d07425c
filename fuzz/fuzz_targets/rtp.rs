//! Fuzz target: see `bodies::rtp`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| callbridge_fuzz::bodies::rtp(data));
