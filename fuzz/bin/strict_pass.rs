//! libFuzzer's way into [`fuzz::strict_pass`].
#![no_main]

use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};

fuzz_target!(|data: &[u8]| fuzz::strict_pass::run(data));

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    fuzz::mutated(data, size, max_size, seed).unwrap_or_else(|| fuzzer_mutate(data, size, max_size))
});
