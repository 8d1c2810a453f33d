//! libFuzzer's way into [`fuzz::values`].
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| fuzz::values::run(data));
