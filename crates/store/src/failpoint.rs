//! Where tests stop the process to kill it: before and after each step that must survive a kill. A
//! build without debug assertions, as every release is, holds nothing of it: [`reached`] is empty there.
//!
//! What never lives here: anything that changes what a step does.

/// A place beside a step that must survive.
#[derive(Clone, Copy)]
pub(crate) enum Place {
    /// The key file is written and does not have its name yet.
    BeforeKey,
    /// The key file has its name.
    AfterKey,
    /// The schema is old.
    BeforeMigration,
    /// The schema is new.
    AfterMigration,
    /// The first state of a database is written, and not committed.
    BeforeFirstState,
    /// It is committed.
    AfterFirstState,
    /// The first anchor is written and does not have its name yet.
    BeforeFirstAnchor,
    /// The first anchor has its name.
    AfterFirstAnchor,
    /// A call is charged, in memory only.
    Charged,
    /// A call's job waits for the writer.
    Queued,
    /// The writer is about to write a batch.
    BeforeBegin,
    /// Its rows are written; its counters are not.
    RowsWritten,
    /// All of it is written, and not committed.
    BeforeCommit,
    /// It is committed.
    AfterCommit,
    /// The anchor does not know of what is committed.
    BeforeAnchor,
    /// The anchor knows.
    AfterAnchor,
    /// Nobody knows yet that the batch is committed.
    BeforeAnswers,
    /// Everybody who waited knows.
    AfterAnswers,
}

#[cfg(debug_assertions)]
pub(crate) use stopping::reached;

/// Does nothing, at no cost.
#[cfg(not(debug_assertions))]
#[inline(always)]
pub(crate) const fn reached(_place: Place) {}

/// Stops a thread for good, once, where a file asks for it.
#[cfg(debug_assertions)]
mod stopping {
    use std::path::PathBuf;
    use std::sync::OnceLock;

    use super::Place;

    /// Names the folder of the files that ask.
    const VARIABLE: &str = "PORTCULLIS_FAILPOINTS";

    static FOLDER: OnceLock<Option<PathBuf>> = OnceLock::new();

    /// Looks whether this is where the process is to stop: a file of the place's name in the folder says
    /// so. It is renamed to say that the place is reached, and the thread stays here until the process is
    /// killed; all others go on.
    pub(crate) fn reached(place: Place) {
        let folder = FOLDER.get_or_init(|| std::env::var_os(VARIABLE).map(PathBuf::from));
        let Some(folder) = folder else { return };
        let asked = folder.join(name(place));
        if std::fs::rename(&asked, asked.with_extension("reached")).is_ok() {
            loop {
                std::thread::park();
            }
        }
    }

    fn name(place: Place) -> &'static str {
        match place {
            Place::BeforeKey => "before_key",
            Place::AfterKey => "after_key",
            Place::BeforeMigration => "before_migration",
            Place::AfterMigration => "after_migration",
            Place::BeforeFirstState => "before_first_state",
            Place::AfterFirstState => "after_first_state",
            Place::BeforeFirstAnchor => "before_first_anchor",
            Place::AfterFirstAnchor => "after_first_anchor",
            Place::Charged => "charged",
            Place::Queued => "queued",
            Place::BeforeBegin => "before_begin",
            Place::RowsWritten => "rows_written",
            Place::BeforeCommit => "before_commit",
            Place::AfterCommit => "after_commit",
            Place::BeforeAnchor => "before_anchor",
            Place::AfterAnchor => "after_anchor",
            Place::BeforeAnswers => "before_answers",
            Place::AfterAnswers => "after_answers",
        }
    }
}
