//! Changes of stored objects as jobs of the writer.
//!
//! What never lives here: the changes themselves.

use std::sync::Arc;

use rusqlite::Connection;
use tokio::sync::oneshot;

use crate::deed::{By, Deed, Did, Recorder};
use crate::error::Unavailable;
use crate::name::Revision;
use crate::store::Core;

/// The transaction that a change runs in.
pub(crate) struct Tx<'c> {
    connection: &'c Connection,
    recorder: Recorder<'c>,
}

impl std::ops::Deref for Tx<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        self.connection
    }
}

impl Tx<'_> {
    /// Writes down who did what to which object, in the transaction of the change itself.
    pub(crate) fn did(
        &self,
        deed: Deed,
        object: &str,
        detail: impl std::fmt::Display,
    ) -> Result<Did, Unavailable> {
        self.recorder.record(self.connection, deed, (object, &detail.to_string()))
    }

    /// Counts a change of servers, pins, policies, grants or API tokens.
    pub(crate) fn bump_config(&self) -> Result<Revision, rusqlite::Error> {
        let sql = "UPDATE revisions SET config = config + 1 WHERE id = 1 RETURNING config";
        let config: i64 = self.connection.query_row(sql, [], |row| row.get(0))?;
        Ok(Revision(u64::try_from(config).unwrap_or_default()))
    }

    /// The revision in force.
    pub(crate) fn revision(&self) -> Result<Revision, rusqlite::Error> {
        let sql = "SELECT config FROM revisions WHERE id = 1";
        let config: i64 = self.connection.query_row(sql, [], |row| row.get(0))?;
        Ok(Revision(u64::try_from(config).unwrap_or_default()))
    }

    /// Counts a change of approvals.
    pub(crate) fn bump_approvals(&self) -> Result<(), rusqlite::Error> {
        let sql = "UPDATE revisions SET approvals = approvals + 1 WHERE id = 1";
        self.connection.execute(sql, [])?;
        Ok(())
    }
}

/// A change that the writer runs within its transaction.
pub(crate) trait Change: Send {
    /// Runs it. An error of the database itself means that the whole transaction is lost.
    fn run(&mut self, connection: &Connection) -> Result<(), rusqlite::Error>;
    /// Tells the caller how it ended.
    fn finish(self: Box<Self>, committed: Result<(), Unavailable>);
}

/// A change made of a closure; its error undoes it alone, not what else is in the transaction.
pub(crate) struct ClosureChange<T, E, F> {
    closure: Option<F>,
    core: Arc<Core>,
    by: Arc<By>,
    result: Option<Result<T, E>>,
    reply: oneshot::Sender<Result<T, E>>,
}

impl<T, E, F> ClosureChange<T, E, F>
where
    F: FnOnce(&Tx<'_>) -> Result<T, E>,
{
    /// The change that `by` asks for, and where its result arrives.
    pub(crate) fn new(
        closure: F,
        (core, by): (Arc<Core>, Arc<By>),
    ) -> (Self, oneshot::Receiver<Result<T, E>>) {
        let (reply, receiver) = oneshot::channel();
        (ClosureChange { closure: Some(closure), core, by, result: None, reply }, receiver)
    }
}

impl<T, E, F> Change for ClosureChange<T, E, F>
where
    T: Send,
    E: From<Unavailable> + Send,
    F: FnOnce(&Tx<'_>) -> Result<T, E> + Send,
{
    fn run(&mut self, connection: &Connection) -> Result<(), rusqlite::Error> {
        let Some(closure) = self.closure.take() else { return Ok(()) };
        connection.execute_batch("SAVEPOINT change")?;
        let recorder = Recorder { keys: &self.core.keys, by: &self.by };
        let result = closure(&Tx { connection, recorder });
        if result.is_err() {
            // Fails if the database gave the whole transaction up: then everything in it is lost.
            connection.execute_batch("ROLLBACK TO change")?;
        }
        connection.execute_batch("RELEASE change")?;
        self.result = Some(result);
        Ok(())
    }

    fn finish(self: Box<Self>, committed: Result<(), Unavailable>) {
        let result = match (self.result, committed) {
            (Some(Err(error)), _) => Err(error),
            (_, Err(unavailable)) => Err(unavailable.into()),
            (Some(done), Ok(())) => done,
            (None, Ok(())) => Err(Unavailable { why: "the change was not run".into() }.into()),
        };
        // A caller that no longer waits does not miss it.
        drop(self.reply.send(result));
    }
}
