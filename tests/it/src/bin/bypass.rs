//! Runs bypass case files against this build, for files that live elsewhere.

fn main() {}
