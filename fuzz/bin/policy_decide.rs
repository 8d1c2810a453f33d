//! libFuzzer's way into [`fuzz::policy_decide`].
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| fuzz::policy_decide::run(data));
