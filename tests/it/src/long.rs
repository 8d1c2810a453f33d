//! How far the tests go that could go on for hours: a short way in the usual run, a long one where
//! `cargo xtask soak` asks for it. And their randomness: drawn from a seed that is printed, so that a
//! run can be had again.

/// Rounds of the test that counts exactly.
pub const ROUNDS: &str = "PORTCULLIS_SOAK_ROUNDS";
/// Kills of the test that kills.
pub const KILLS: &str = "PORTCULLIS_SOAK_KILLS";
/// How long each fault lasts that may last long, in seconds.
pub const SECONDS: &str = "PORTCULLIS_SOAK_SECONDS";
/// Where the draws begin.
pub const SEED: &str = "PORTCULLIS_SOAK_SEED";

/// The number that the environment holds under that name.
///
/// # Panics
/// When what it holds is no number.
pub fn asked(variable: &str) -> Option<u64> {
    let text = std::env::var_os(variable)?.into_string().ok();
    Some(text.and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("{variable}: no number")))
}

/// Draws of Steele, Lea and Flood's SplitMix64: the same seed gives the same draws.
#[derive(Debug, Clone)]
pub struct Draws(u64);

impl Draws {
    /// Draws that begin there.
    pub fn from(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`, which is not 0.
    pub fn below(&mut self, bound: usize) -> usize {
        let bound = u64::try_from(bound).expect("a usize is at most 64 bits");
        usize::try_from(self.next() % bound).expect("it is below a usize")
    }
}
