//! Accounts: making them, and what may change about them. Whoever may administer is never the last
//! one to go: each change that could take the last administrator looks, in its own transaction,
//! whether one is left.
//!
//! What never lives here: how a password is verified.

use policy::UnixMillis;
use rusqlite::{Connection, OptionalExtension as _, Row};

use super::name::{Email, PasswordHash, PersonId, Subject};
use super::{AccountError, link};
use crate::api_token::Role;
use crate::deed::Deed;
use crate::error::{ReadError, damaged};
use crate::name::{Label, NameError};
use crate::seal::Keys;
use crate::store::Store;
use crate::writer::Tx;

/// People of an installation, at most.
pub const PEOPLE_MAX: usize = 10_000;

/// A person's account, without what proves who they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PersonRecord {
    /// Never changes.
    pub id: PersonId,
    /// What they sign in with; unique.
    pub email: Email,
    /// What people call them.
    pub display: Label,
    /// What they may do.
    pub role: Role,
    /// Whether they may sign in.
    pub standing: Standing,
    /// Whether they have a password.
    pub has_password: bool,
    /// Who they are at the issuer of sign-on, if they came from there.
    pub subject: Option<Subject>,
    /// When the account was made.
    pub created_at: UnixMillis,
    /// When they signed in last.
    pub signed_in_at: Option<UnixMillis>,
}

/// Whether somebody may sign in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// They may.
    Active,
    /// Disabled then; may not.
    Disabled(UnixMillis),
}

/// An account that is made.
#[derive(Debug, Clone)]
pub struct NewPerson {
    /// A fresh id.
    pub id: PersonId,
    /// What people call them.
    pub display: Label,
    /// Their password's hash; none for those who come by sign-on.
    pub password: Option<PasswordHash>,
    /// Who they are at the issuer of sign-on.
    pub subject: Option<Subject>,
}

/// What a sign-in is held against.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// Whose.
    pub person: PersonRecord,
    /// The hash; `None` for those who have no password.
    pub password: Option<PasswordHash>,
    /// The state of the account that the hash belongs to: a session of an older one is not started.
    pub version: i64,
}

pub(super) const COLUMNS: &str = "people.id, people.email, people.display, people.role,
    people.password IS NOT NULL, people.issuer, people.subject, people.created_at,
    people.signed_in_at, people.disabled_at";
/// How many columns there are in [`COLUMNS`].
pub(super) const COLUMNS_NUMBER: usize = 10;

const INSERT: &str = "INSERT INTO people (id, email, display, role, password, issuer, subject,
    version, created_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 1, ?8)";
const ADMINS_LEFT: &str = "SELECT count(*) FROM people WHERE role = 'admin'
    AND disabled_at IS NULL AND (password IS NOT NULL OR subject IS NOT NULL)";

impl Store {
    /// Everybody, by e-mail address.
    pub async fn people(&self) -> Result<Vec<PersonRecord>, AccountError> {
        self.read(|connection| {
            let sql = format!("SELECT {COLUMNS} FROM people ORDER BY email");
            let mut statement = connection.prepare_cached(&sql)?;
            let rows = statement.query_map([], read)?;
            rows.map(|row| Ok(row??)).collect()
        })
        .await
    }

    /// One person.
    pub async fn person(&self, id: &PersonId) -> Result<Option<PersonRecord>, AccountError> {
        let id = id.clone();
        self.read(move |connection| {
            let sql = format!("SELECT {COLUMNS} FROM people WHERE id = ?1");
            let mut statement = connection.prepare_cached(&sql)?;
            let found = statement.query_row([id.as_str()], read).optional()?;
            Ok(found.transpose()?)
        })
        .await
    }

    /// What a sign-in with this address is held against.
    pub async fn credentials(&self, email: &Email) -> Result<Option<Credentials>, AccountError> {
        self.credentials_where("email = ?1", vec![email.as_str().to_owned()]).await
    }

    /// What another password of the same person is held against.
    pub async fn credentials_of(&self, id: &PersonId) -> Result<Option<Credentials>, AccountError> {
        self.credentials_where("id = ?1", vec![id.as_str().to_owned()]).await
    }

    /// The person who is this one at the issuer of sign-on; without the password.
    pub async fn credentials_by_subject(
        &self,
        subject: &Subject,
    ) -> Result<Option<Credentials>, AccountError> {
        let of = vec![subject.issuer().to_owned(), subject.subject().to_owned()];
        self.credentials_where("issuer = ?1 AND subject = ?2", of).await
    }

    async fn credentials_where(
        &self,
        condition: &'static str,
        of: Vec<String>,
    ) -> Result<Option<Credentials>, AccountError> {
        let core = std::sync::Arc::clone(self.core());
        self.read(move |connection| {
            let sql =
                format!("SELECT {COLUMNS}, people.password, version FROM people WHERE {condition}");
            let mut statement = connection.prepare_cached(&sql)?;
            let found = statement
                .query_row(rusqlite::params_from_iter(of), |row| {
                    let sealed: Option<Vec<u8>> = row.get(COLUMNS_NUMBER)?;
                    Ok((read(row)?, sealed, row.get::<_, i64>(COLUMNS_NUMBER + 1)?))
                })
                .optional()?;
            let Some((person, sealed, version)) = found else { return Ok(None) };
            let person = person?;
            let password =
                sealed.map(|sealed| unseal(&core.keys, &person.id, &sealed)).transpose()?;
            Ok(Some(Credentials { person, password, version }))
        })
        .await
    }

    /// Gives somebody another role; their sessions end, and what they offered is withdrawn.
    pub async fn set_role(&self, id: &PersonId, role: Role) -> Result<(), AccountError> {
        let id = id.clone();
        self.act(move |tx| {
            let (email, before) = named(tx, &id)?;
            let sql = "UPDATE people SET role = ?2, version = version + 1 WHERE id = ?1";
            one(tx.execute(sql, (id.as_str(), role.as_str()))?)?;
            end_what_hangs_on(tx, &id)?;
            keep_an_admin(tx)?;
            let detail = format!("{before} → {}", role.as_str());
            Ok(((), tx.did(Deed::ChangeRole, &email, detail)?))
        })
        .await
    }

    /// Lets somebody sign in or not; disabling ends their sessions and withdraws what they offered.
    pub async fn set_standing(
        &self,
        id: &PersonId,
        standing: Standing,
    ) -> Result<(), AccountError> {
        let id = id.clone();
        self.act(move |tx| {
            let (disabled_at, deed) = match standing {
                Standing::Active => (None, Deed::Enable),
                Standing::Disabled(at) => (Some(at.0), Deed::Disable),
            };
            let (email, _role) = named(tx, &id)?;
            let sql = "UPDATE people SET disabled_at = ?2, version = version + 1 WHERE id = ?1";
            one(tx.execute(sql, (id.as_str(), disabled_at))?)?;
            end_what_hangs_on(tx, &id)?;
            keep_an_admin(tx)?;
            Ok(((), tx.did(deed, &email, "")?))
        })
        .await
    }

    /// Removes an account with its sessions. What the person did stays in the records.
    pub async fn remove_person(&self, id: &PersonId) -> Result<(), AccountError> {
        let id = id.clone();
        self.act(move |tx| {
            let (email, role) = named(tx, &id)?;
            end_what_hangs_on(tx, &id)?;
            one(tx.execute("DELETE FROM people WHERE id = ?1", [id.as_str()])?)?;
            keep_an_admin(tx)?;
            Ok(((), tx.did(Deed::RemovePerson, &email, role)?))
        })
        .await
    }

    /// Gives somebody another password, if the account is still in the state `version`; all their
    /// sessions end.
    pub async fn set_password(
        &self,
        id: &PersonId,
        version: i64,
        password: PasswordHash,
    ) -> Result<(), AccountError> {
        let id = id.clone();
        let core = std::sync::Arc::clone(self.core());
        self.act(move |tx| {
            check_version(tx, &id, version)?;
            replace_password(tx, &core.keys, (&id, &password))?;
            Ok(((), tx.did(Deed::ChangePassword, &named(tx, &id)?.0, "")?))
        })
        .await
    }

    /// What people call somebody.
    pub async fn set_display(&self, id: &PersonId, display: Label) -> Result<(), AccountError> {
        let id = id.clone();
        self.act(move |tx| {
            let sql = "UPDATE people SET display = ?2 WHERE id = ?1";
            one(tx.execute(sql, (id.as_str(), display.as_str()))?)?;
            Ok(((), tx.did(Deed::RenamePerson, &named(tx, &id)?.0, display)?))
        })
        .await
    }

    /// Ties an account to who the person is at the issuer of sign-on; `Exists` if somebody else is,
    /// `Changed` if the account is tied to another subject there or elsewhere.
    pub async fn tie_subject(&self, id: &PersonId, subject: Subject) -> Result<(), AccountError> {
        let id = id.clone();
        self.act(move |tx| {
            let sql = "UPDATE people SET issuer = ?2, subject = ?3 WHERE id = ?1
                AND (subject IS NULL OR (issuer = ?2 AND subject = ?3))";
            let tied = tx.execute(sql, (id.as_str(), subject.issuer(), subject.subject()));
            if unique(tied, "sign-on")? == 0 {
                return Err(AccountError::Changed);
            }
            let email = named(tx, &id)?.0;
            Ok(((), tx.did(Deed::TieSignOn, &email, subject.issuer())?))
        })
        .await
    }

    /// Makes an account for somebody whom the issuer of sign-on vouches for.
    pub async fn create_person(
        &self,
        person: NewPerson,
        (email, role): (Email, Role),
        now: UnixMillis,
    ) -> Result<(), AccountError> {
        let core = std::sync::Arc::clone(self.core());
        self.act(move |tx| {
            insert(tx, &core.keys, (&person, &email, role), now)?;
            Ok(((), tx.did(Deed::CreatePerson, email.as_str(), role.as_str())?))
        })
        .await
    }

    /// What the people of this installation call themselves; empty before the set-up.
    pub async fn organisation(&self) -> Result<String, AccountError> {
        self.read(|connection| {
            let sql = "SELECT name FROM organisation WHERE id = 1";
            Ok(connection.query_row(sql, [], |row| row.get(0))?)
        })
        .await
    }

    /// Renames the organisation.
    pub async fn rename_organisation(&self, name: Label) -> Result<(), AccountError> {
        self.act(move |tx| {
            name_organisation(tx, &name)?;
            Ok(((), tx.did(Deed::RenameOrganisation, name.as_str(), "")?))
        })
        .await
    }
}

/// Address and role of somebody, as deeds name them.
pub(super) fn named(tx: &Tx<'_>, id: &PersonId) -> Result<(String, String), AccountError> {
    let sql = "SELECT email, role FROM people WHERE id = ?1";
    let found =
        tx.query_row(sql, [id.as_str()], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    found.ok_or(AccountError::NotFound("person"))
}

pub(super) fn name_organisation(tx: &Tx<'_>, name: &Label) -> Result<(), rusqlite::Error> {
    tx.execute("UPDATE organisation SET name = ?1 WHERE id = 1", [name.as_str()])?;
    Ok(())
}

/// Writes an account that is not there yet.
pub(super) fn insert(
    tx: &Tx<'_>,
    keys: &Keys,
    (person, email, role): (&NewPerson, &Email, Role),
    now: UnixMillis,
) -> Result<(), AccountError> {
    let number: i64 = tx.query_row("SELECT count(*) FROM people", [], |row| row.get(0))?;
    refuse_more("people", number, PEOPLE_MAX)?;
    let password = person.password.as_ref();
    let sealed = password.map(|hash| keys.seal(&place(&person.id), hash.expose().as_bytes()));
    let result = tx.prepare_cached(INSERT)?.execute((
        person.id.as_str(),
        email.as_str(),
        person.display.as_str(),
        role.as_str(),
        sealed.transpose()?,
        person.subject.as_ref().map(Subject::issuer),
        person.subject.as_ref().map(Subject::subject),
        now.0,
    ));
    unique(result, "e-mail address or sign-on").map(drop)
}

/// Holds a number of rows against its bound.
pub(super) fn refuse_more(what: &'static str, rows: i64, max: usize) -> Result<(), AccountError> {
    if usize::try_from(rows).is_ok_and(|rows| rows < max) {
        Ok(())
    } else {
        Err(AccountError::Full { what, max })
    }
}

/// Whether somebody may administer who can sign in.
pub(super) fn has_admin(connection: &Connection) -> Result<bool, rusqlite::Error> {
    let left: i64 = connection.query_row(ADMINS_LEFT, [], |row| row.get(0))?;
    Ok(left > 0)
}

fn keep_an_admin(tx: &Tx<'_>) -> Result<(), AccountError> {
    if has_admin(tx)? { Ok(()) } else { Err(AccountError::LastAdmin) }
}

/// Another password: sessions end, and links to choose one are over.
pub(super) fn replace_password(
    tx: &Tx<'_>,
    keys: &Keys,
    (id, password): (&PersonId, &PasswordHash),
) -> Result<(), AccountError> {
    let sealed = keys.seal(&place(id), password.expose().as_bytes())?;
    let sql = "UPDATE people SET password = ?2, version = version + 1 WHERE id = ?1";
    one(tx.execute(sql, (id.as_str(), sealed))?)?;
    tx.execute("DELETE FROM sessions WHERE person = ?1", [id.as_str()])?;
    tx.execute("DELETE FROM account_links WHERE person = ?1", [id.as_str()])?;
    Ok(())
}

/// Ends sessions of a person whose rights change, and withdraws the links that they gave out or
/// were given.
fn end_what_hangs_on(tx: &Tx<'_>, id: &PersonId) -> Result<(), AccountError> {
    tx.execute("DELETE FROM sessions WHERE person = ?1", [id.as_str()])?;
    tx.execute("DELETE FROM account_links WHERE person = ?1", [id.as_str()])?;
    link::withdraw_those_of(tx, id)?;
    Ok(())
}

/// Holds the state that a caller looked at against the one of now.
pub(super) fn check_version(tx: &Tx<'_>, id: &PersonId, version: i64) -> Result<(), AccountError> {
    let sql = "SELECT version FROM people WHERE id = ?1 AND disabled_at IS NULL";
    let found: Option<i64> = tx.query_row(sql, [id.as_str()], |row| row.get(0)).optional()?;
    if found == Some(version) { Ok(()) } else { Err(AccountError::Changed) }
}

fn one(changed: usize) -> Result<(), AccountError> {
    if changed == 1 { Ok(()) } else { Err(AccountError::NotFound("person")) }
}

fn unique(
    result: Result<usize, rusqlite::Error>,
    what: &'static str,
) -> Result<usize, AccountError> {
    result.map_err(|error| {
        let code = error.sqlite_error().map(|error| error.extended_code);
        if code == Some(rusqlite::ffi::SQLITE_CONSTRAINT_UNIQUE) {
            AccountError::Exists(what)
        } else {
            error.into()
        }
    })
}

fn place(id: &PersonId) -> String {
    format!("password {id}")
}

fn unseal(keys: &Keys, id: &PersonId, sealed: &[u8]) -> Result<PasswordHash, ReadError> {
    let of = || id.as_str().to_owned();
    let sealed_error = |_unseal| ReadError::Sealed { what: "person", name: of() };
    let clear = keys.open(&place(id), sealed).map_err(sealed_error)?;
    let text = String::from_utf8(clear.expose().clone());
    let text = text.map_err(|error| damaged("person", id.as_str(), &error))?;
    Ok(PasswordHash::new(text))
}

/// Reads [`COLUMNS`].
pub(super) fn read(row: &Row<'_>) -> Result<Result<PersonRecord, ReadError>, rusqlite::Error> {
    let (id, email): (String, String) = (row.get(0)?, row.get(1)?);
    let (display, role): (String, String) = (row.get(2)?, row.get(3)?);
    let (issuer, subject): (Option<String>, Option<String>) = (row.get(5)?, row.get(6)?);
    let parsed = || -> Result<_, NameError> {
        let subject = issuer.zip(subject).map(|(issuer, name)| Subject::parse(&issuer, &name));
        let names = (PersonId::parse(&id)?, Email::parse(&email)?, Label::parse(&display)?);
        Ok((names, role.parse()?, subject.transpose()?))
    };
    let ((id, email, display), role, subject) = match parsed() {
        Ok(parsed) => parsed,
        Err(error) => return Ok(Err(damaged("person", &id, &error))),
    };
    let disabled_at: Option<i64> = row.get(9)?;
    Ok(Ok(PersonRecord {
        id,
        email,
        display,
        role,
        standing: disabled_at.map_or(Standing::Active, |at| Standing::Disabled(UnixMillis(at))),
        has_password: row.get(4)?,
        subject,
        created_at: UnixMillis(row.get(7)?),
        signed_in_at: row.get::<_, Option<i64>>(8)?.map(UnixMillis),
    }))
}
