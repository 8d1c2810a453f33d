//! libFuzzer's way to the target token_header.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| fuzz_edge::token_header(data));
