//! The command line, configuration, wiring, signals and telemetry of Portcullis.
//!
//! Never here: a decision about a call, SQL, HTML.

mod bridge;
mod causes;
mod cli;
mod client_files;
mod clock;
mod config;
mod demo;
mod discover;
mod doctor;
mod drawing;
mod exit;
mod failure;
mod first_start;
mod input;
mod manage;
mod notify;
mod outgoing;
mod output;
mod policies;
mod runtime;
mod scratch;
mod serve;
mod telemetry;
mod text_file;
mod tool_file;
mod traces;
mod wrap;

use std::process::ExitCode;

use clap::Parser;

use crate::cli::{Cli, Command};
use crate::exit::Exit;
use crate::failure::Failure;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    match telemetry::start(&cli.log, cli.command.log_default()).and_then(|()| dispatch(cli)) {
        Ok(exit) => exit.into(),
        Err(failure) => failure.report().into(),
    }
}

fn dispatch(cli: Cli) -> Result<Exit, Failure> {
    let environment = config::Environment::of_process();
    match cli.command {
        Command::Serve(args) => {
            let path = match config::find(args.config.as_deref(), &environment) {
                Err(config::ConfigError::NotFound { looked }) => begin(looked, &environment)?,
                found => found?,
            };
            let stop = tokio_util::sync::CancellationToken::new();
            let options = serve::ServeOptions {
                config: path,
                environment,
                first_link: serve::FirstLink::Print,
                ready: None,
                stop,
            };
            runtime::block_on(serve::run(options))?
        }
        Command::Policy(command) => policies::run(*command),
        Command::Server(command) => runtime::block_on(manage::servers::run(command))?,
        Command::Grant(command) => runtime::block_on(manage::grants::run(command))?,
        Command::Approvals(command) => runtime::block_on(manage::approvals::run(command))?,
        Command::People(command) => runtime::block_on(manage::people::run(command))?,
        Command::Audit(command) => runtime::block_on(manage::audit::run(command))?,
        Command::Run(args) => runtime::block_on(bridge::run::run(args, environment))?,
        Command::Connect(args) => runtime::block_on(bridge::connect::run(args, environment))?,
        Command::Demo(args) => runtime::block_on(demo::command::run(args, environment))?,
        Command::Discover(args) => discover::run(&args, &environment),
        Command::Wrap(args) => wrap::run(&args, &environment),
        Command::Unwrap(args) => wrap::undo(&args, &environment),
        Command::Doctor(args) => runtime::block_on(doctor::run(args, environment))?,
    }
}

/// The configuration of somebody who starts without one.
fn begin(
    looked: Vec<std::path::PathBuf>,
    environment: &config::Environment,
) -> Result<std::path::PathBuf, Failure> {
    let made = first_start::make(environment)?.ok_or(config::ConfigError::NotFound { looked })?;
    output::line(format!("There was no configuration: {} is made.", made.display()));
    Ok(made)
}
