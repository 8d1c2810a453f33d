//! libFuzzer's way into [`fuzz::sse`].
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| fuzz::sse::run(data));
