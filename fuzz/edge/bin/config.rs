//! libFuzzer's way to the target config.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| fuzz_edge::config(data));
