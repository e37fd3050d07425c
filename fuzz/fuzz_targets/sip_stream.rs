//! Fuzz target: see `bodies::sip_stream`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| callbridge_fuzz::bodies::sip_stream(data));
