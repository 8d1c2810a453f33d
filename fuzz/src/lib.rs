//! What each fuzz target does with an input: it checks a part of the product against a second
//! reading of the same rules, and panics where they differ.
//!
//! Never here: a way to start libFuzzer (`bin/`), or anything that the product uses.

pub mod json_mutator;
pub mod policy_decide;
pub mod policy_edit;
pub mod policy_parse;
pub mod policy_words;
pub mod server_message;
pub mod sse;
pub mod strict_pass;
pub mod tree;
pub mod values;

/// Half of the time, changes the JSON text at the front of `data` by [`json_mutator::mutate`] and
/// says how long it is now; `None` leaves the change to libFuzzer.
pub fn mutated(data: &mut [u8], size: usize, max_size: usize, seed: u32) -> Option<usize> {
    if seed & 1 == 0 {
        return None;
    }
    let mut state = seed;
    let mut pick = |below: usize| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        usize::try_from(state >> 8).unwrap_or(0) % below.max(1)
    };
    let mut text = data.get(..size)?.to_vec();
    for _ in 0..=pick(3) {
        text = json_mutator::mutate(&text, &mut pick)?;
    }
    if text.len() > max_size {
        return None;
    }
    data.get_mut(..text.len())?.copy_from_slice(&text);
    Some(text.len())
}
