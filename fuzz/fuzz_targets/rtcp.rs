//! Fuzz target: see `bodies::rtcp`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| callbridge_fuzz::bodies::rtcp(data));
