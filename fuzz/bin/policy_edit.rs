//! libFuzzer's way into [`fuzz::policy_edit`].
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| fuzz::policy_edit::run(data));
