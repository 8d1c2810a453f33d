//! What the parts of a call cost, each alone: reading a message, judging it, filtering a list, charging
//! limits, writing the audit. `cargo bench -p bench` runs them; nothing here asserts a figure.

#![expect(clippy::expect_used, reason = "a benchmark that cannot be set up has nothing to measure")]

mod audit;
mod charge;
mod cpu_time;
mod decide;
mod decode;
mod list;

use criterion::Criterion;

use crate::cpu_time::CpuTime;

fn main() {
    let mut pure = Criterion::default().with_measurement(CpuTime).configure_from_args();
    decode::all(&mut pure);
    decide::all(&mut pure);
    list::all(&mut pure);
    charge::all(&mut pure);
    let mut lasting = Criterion::default().configure_from_args();
    audit::all(&mut lasting);
    lasting.final_summary();
}
