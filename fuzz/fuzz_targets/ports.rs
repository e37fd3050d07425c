//! Fuzz target: see `bodies::ports`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| callbridge_fuzz::bodies::ports(data));
