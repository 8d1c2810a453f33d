//! The schema and its migrations, embedded; a newer database is refused.
//!
//! What never lives here: the SQL of operations.

use refinery::{Migration, Runner};
use rusqlite::{Connection, OptionalExtension as _};

use crate::failpoint::{Place, reached};
use crate::store::OpenError;

/// Every migration, oldest first. One that was ever released is never changed.
const MIGRATIONS: &[(&str, &str)] = &[
    ("V1__initial", include_str!("../migrations/V1__initial.sql")),
    ("V2__whole_rows", include_str!("../migrations/V2__whole_rows.sql")),
    ("V3__accounts", include_str!("../migrations/V3__accounts.sql")),
    ("V4__policy_modes", include_str!("../migrations/V4__policy_modes.sql")),
    ("V5__deliveries", include_str!("../migrations/V5__deliveries.sql")),
    ("V6__approval_lists", include_str!("../migrations/V6__approval_lists.sql")),
    ("V7__servers_and_grants", include_str!("../migrations/V7__servers_and_grants.sql")),
    ("V8__deeds", include_str!("../migrations/V8__deeds.sql")),
    ("V9__ended_tasks", include_str!("../migrations/V9__ended_tasks.sql")),
];

/// Brings the database up to date: all missing migrations in one transaction or none.
pub(crate) fn migrate(connection: &mut Connection) -> Result<(), OpenError> {
    let migration_error = |error: refinery::Error| OpenError::Migration { why: error.to_string() };
    let mut migrations = Vec::with_capacity(MIGRATIONS.len());
    for (name, sql) in MIGRATIONS {
        migrations.push(Migration::unapplied(name, sql).map_err(migration_error)?);
    }
    let known = migrations.iter().map(Migration::version).max().unwrap_or_default();
    let found = version(connection)?;
    let known = u32::try_from(known).unwrap_or_default();
    if found > known {
        return Err(OpenError::Newer { found, known });
    }
    if found < known {
        reached(Place::BeforeMigration);
        // The runner's own messages go through the `log` facade, which nobody listens to.
        Runner::new(&migrations).set_grouped(true).run(connection).map_err(migration_error)?;
        reached(Place::AfterMigration);
    }
    Ok(())
}

/// The newest migration that the database has seen; 0 for an empty file.
pub(crate) fn version(connection: &Connection) -> Result<u32, OpenError> {
    let history =
        "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'refinery_schema_history'";
    let exists: Option<i64> = connection.query_row(history, [], |row| row.get(0)).optional()?;
    if exists.is_none() {
        return Ok(0);
    }
    let newest = "SELECT max(version) FROM refinery_schema_history";
    Ok(connection.query_row(newest, [], |row| row.get::<_, Option<u32>>(0))?.unwrap_or_default())
}
