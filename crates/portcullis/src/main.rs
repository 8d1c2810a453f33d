//! The command line, configuration, wiring, signals and telemetry of Portcullis.

fn main() {}
