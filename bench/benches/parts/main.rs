//! What the parts of a call cost, each alone: reading a message, judging it, filtering a list, charging
//! limits, writing the audit. `cargo bench -p bench` runs them; nothing here asserts a figure.

#![expect(clippy::expect_used, reason = "a benchmark that cannot be set up has nothing to measure")]

mod audit;
mod charge;
mod decide;
mod decode;
mod list;

use criterion::Criterion;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    decode::all(&mut criterion);
    decide::all(&mut criterion);
    list::all(&mut criterion);
    charge::all(&mut criterion);
    audit::all(&mut criterion);
    criterion.final_summary();
}
