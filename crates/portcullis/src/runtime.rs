//! The runtime that commands run on.

use std::future::Future;

use crate::exit::Exit;
use crate::failure::Failure;

/// Runs `future` to its end. With `TOKIO_WORKER_THREADS=1` everything runs on this one thread, so
/// that nothing is handed between cores; otherwise there is a worker for each core, or as many as
/// the variable says.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> Result<T, Failure> {
    let environment = crate::config::Environment::of_process();
    let one = environment.get("TOKIO_WORKER_THREADS").is_some_and(|count| count.trim() == "1");
    let mut builder = if one {
        tokio::runtime::Builder::new_current_thread()
    } else {
        tokio::runtime::Builder::new_multi_thread()
    };
    let runtime = builder
        .enable_all()
        .build()
        .map_err(|error| Failure::because(Exit::Failed, "cannot start the runtime", &error))?;
    let value = runtime.block_on(future);
    // A blocked read of stdin must not keep the process alive.
    runtime.shutdown_background();
    Ok(value)
}
