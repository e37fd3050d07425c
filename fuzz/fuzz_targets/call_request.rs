//! Fuzz target: see `bodies::call_request`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| callbridge_fuzz::bodies::call_request(data));
