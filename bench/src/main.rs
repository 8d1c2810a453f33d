//! Measures the gateway: `bench run` starts a mock MCP server, a body-blind proxy and the gateway
//! itself, calls each in turn, and prints ratios of one run. The other subcommands are the processes
//! that it starts. Nothing of this is a part of the product, and nothing here decides about a call.

mod clock;
mod http1;
mod launch;
mod load;
mod message;
mod procfs;
mod proxy;
mod run;
mod upstream;
mod workload;

use std::io::Write;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The allocator of the product, so that the proxy that it is compared with has no other one.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measures the gateway
#[derive(Debug, Parser)]
#[command(name = "bench", max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    part: Part,
}

#[derive(Debug, Subcommand)]
enum Part {
    /// Run workloads against targets, interleaved, and print what each costs
    #[command(override_usage = "cargo xtask bench [OPTIONS] [TARGET]…", after_help = run::EXAMPLES)]
    Run(run::RunArgs),
    /// Call one target and print one line of JSON
    #[command(hide = true)]
    Load(load::LoadArgs),
    /// The mock MCP server; prints the address that it listens on
    #[command(hide = true)]
    Upstream(upstream::UpstreamArgs),
    /// The body-blind proxy; prints the address that it listens on
    #[command(hide = true)]
    Proxy(proxy::ProxyArgs),
    /// Pin a program to cores, and let it end with whoever started it
    #[command(hide = true)]
    Launch(launch::LaunchArgs),
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().part {
        Part::Run(args) => on_one_thread(run::run(args)),
        Part::Load(args) => on_one_thread(load::run(args)),
        Part::Upstream(args) => on_one_thread(upstream::run(args)),
        Part::Proxy(args) => on_one_thread(proxy::run(args)),
        Part::Launch(args) => launch::run(&args),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            note(&format!("bench: {problem}"));
            ExitCode::FAILURE
        }
    }
}

/// Every process of a run has one thread, so that its cost is that of its work and not of hand-overs.
fn on_one_thread(work: impl Future<Output = Result<(), String>>) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("cannot start the runtime: {error}"))?;
    let tasks = tokio::task::LocalSet::new();
    tasks.block_on(&runtime, work)
}

/// Writes to standard output, and does not care when nobody reads any more.
fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    drop(out.write_all(text.as_bytes()).and_then(|()| out.flush()));
}

/// Writes a line to standard error.
fn note(text: &str) {
    drop(writeln!(std::io::stderr().lock(), "{text}"));
}
