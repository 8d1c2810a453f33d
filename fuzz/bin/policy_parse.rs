//! libFuzzer's way into [`fuzz::policy_parse`].
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| fuzz::policy_parse::run(data));
