//! The walk over the audit's chain, which takes as long as the log is: one at a time, beside all pages,
//! its end kept for whoever looks.
//!
//! What never lives here: what makes a chain whole (`store`).

use std::sync::{Arc, Mutex, PoisonError};

use policy::UnixMillis;
use store::{VerifyError, VerifyProgress, VerifyReport};
use tokio_util::task::TaskTracker;

use super::{Actor, OpError, Permission};
use crate::Console;

/// What is known of the chain.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Chain {
    /// Nobody walked it since the start.
    #[default]
    NotWalked,
    /// It is being walked.
    Walking {
        /// Rows so far.
        rows: u64,
        /// Rows that there are.
        rows_total: u64,
    },
    /// It was whole.
    Whole {
        /// When the walk ended.
        at: UnixMillis,
        /// What was walked.
        report: VerifyReport,
    },
    /// It is not as it was written, or could not be read.
    Broken {
        /// When the walk ended.
        at: UnixMillis,
        /// What is wrong.
        why: String,
    },
}

/// The last walk; a clone knows the same one.
#[derive(Debug, Clone, Default)]
pub struct Walks {
    last: Arc<Mutex<Chain>>,
    running: TaskTracker,
}

impl Walks {
    fn set(&self, chain: Chain) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = chain;
    }

    fn get(&self) -> Chain {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// What is known of the chain.
pub fn last(console: &Console, actor: &Actor) -> Result<Chain, OpError> {
    actor.may(Permission::Read)?;
    Ok(console.walks.get())
}

/// Begins to walk the chain; a walk that runs already is enough.
pub fn walk(console: &Console, actor: &Actor) -> Result<(), OpError> {
    actor.may(Permission::Administer)?;
    let walks = console.walks.clone();
    {
        let mut last = walks.last.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(*last, Chain::Walking { .. }) {
            return Ok(());
        }
        *last = Chain::Walking { rows: 0, rows_total: 0 };
    }
    let (store, clock) = (console.store.clone(), Arc::clone(&console.clock));
    let running = walks.running.clone();
    running.spawn(async move {
        let telling = walks.clone();
        let progress = move |VerifyProgress { rows, rows_total }| {
            telling.set(Chain::Walking { rows, rows_total });
        };
        let ended = store.verify_audit(progress).await;
        let at = clock();
        walks.set(match ended {
            Ok(report) => Chain::Whole { at, report },
            Err(error) => Chain::Broken { at, why: said(&error) },
        });
    });
    Ok(())
}

fn said(error: &VerifyError) -> String {
    match error {
        VerifyError::Broken(row) => row.to_string(),
        VerifyError::Read(error) => format!("the log could not be read: {error}"),
    }
}
