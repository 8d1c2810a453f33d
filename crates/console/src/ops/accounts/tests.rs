//! People over a real store: signing in, being throttled, joining, and who stays.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use policy::UnixMillis;
use store::{
    AccountError, ApiRole, AuditMode, Email, Entropy, Role, SESSION_IDLE_MS_MAX, SESSION_MS_MAX,
    STEP_UP_MS_MAX, Secret, Standing, Store, StoreConfig, Token, Visit,
};
use tempfile::TempDir;

use super::{
    Browser, Hashing, NewAccount, SignIn, change_password, change_role, invite, join,
    new_password_link, offer_set_up, people, remove, renew_password, set_standing, set_up, sign_in,
    sign_out, step_up, visit,
};
use crate::ops::actor::role_may;
use crate::ops::chain::Walks;
use crate::ops::{Actor, Forbidden, LongWork, OpError, Permission, Proof};
use crate::{Console, Inspection};

/// 2026-01-01T00:00:00Z.
const NOW: UnixMillis = UnixMillis(1_767_225_600_000);
const PASSWORD: &str = "correct horse battery";

struct World {
    console: Console,
    now: Arc<AtomicI64>,
    dir: TempDir,
}

fn open(dir: &TempDir) -> Store {
    let config = StoreConfig {
        data_dir: PathBuf::from(dir.path()).join("data"),
        audit_mode: AuditMode::Durable,
        role: Role::Serve,
    };
    Store::open(&config, NOW).unwrap()
}

impl World {
    fn new() -> World {
        let dir = tempfile::tempdir().unwrap();
        let now = Arc::new(AtomicI64::new(NOW.0));
        let console = console(open(&dir), &now);
        World { console, now, dir }
    }

    /// The same installation after a restart.
    async fn restarted(self) -> World {
        self.console.store.close().await;
        let World { console: old, now, dir } = self;
        drop(old);
        let console = console(open(&dir), &now);
        World { console, now, dir }
    }

    fn pass(&self, milliseconds: i64) {
        self.now.fetch_add(milliseconds, Ordering::SeqCst);
    }

    async fn with_ada() -> (World, Token) {
        let world = World::new();
        let link = offer_set_up(&world.console, &cli()).await.unwrap().unwrap();
        let made = (account("Ada"), "Ada@Example.com", "Analytical Engines");
        let opened = set_up(&world.console, link.expose(), made, &browser(1)).await.unwrap();
        (world, opened.secret)
    }

    async fn visit(&self, secret: &Token) -> Option<Visit> {
        visit(&self.console, secret.expose()).await.unwrap()
    }

    async fn actor(&self, secret: &Token) -> Actor {
        let person = self.visit(secret).await.unwrap().person;
        let name = person.email.actor().unwrap();
        Actor { name, role: person.role, from: "10.0.0.1".to_owned(), proof: Proof::Fresh }
    }

    async fn joined(&self, email: &str, role: ApiRole) -> Token {
        let token = invite(&self.console, &cli(), (address(email), role)).await.unwrap();
        join(&self.console, token.expose(), account("Eve"), &browser(2)).await.unwrap().secret
    }

    async fn try_in(&self, email: &str, password: &str, from: u8) -> Result<Token, OpError> {
        let asked =
            SignIn { email: email.into(), password: secret(password), instead: None, known: None };
        sign_in(&self.console, asked, &browser(from)).await.map(|opened| opened.secret)
    }
}

fn console(store: Store, now: &Arc<AtomicI64>) -> Console {
    let reading = Arc::clone(now);
    Console {
        store,
        clock: Arc::new(move || UnixMillis(reading.load(Ordering::SeqCst))),
        entropy: Entropy::system(),
        inspect: Arc::new(|_slug| Box::pin(async { Inspection::default() })),
        plane: crate::plane::Plane::default(),
        check_server: Arc::new(|_record| Ok(())),
        long_work: LongWork::default(),
        hashing: Hashing::default(),
        tally: crate::ops::overview::Tally::default(),
        lints: crate::ops::builder::Lints::default(),
        views: crate::ui::Views::default(),
        pinned: crate::ops::Pinned::default(),
        walks: Walks::default(),
        checks: Arc::new(Vec::new),
        site: Arc::default(),
    }
}

fn cli() -> Actor {
    Actor {
        name: store::Actor::parse("cli").unwrap(),
        role: ApiRole::Admin,
        from: "terminal".to_owned(),
        proof: Proof::Standing,
    }
}

fn browser(last: u8) -> Browser {
    Browser { address: Some([10, 0, 0, last].into()), name: "Test/1".to_owned() }
}

fn secret(text: &str) -> Secret<String> {
    Secret::new(text.to_owned())
}

fn account(display: &str) -> NewAccount {
    NewAccount { display: display.to_owned(), password: secret(PASSWORD) }
}

fn address(text: &str) -> Email {
    Email::parse(text).unwrap()
}

fn blocked(result: &Result<Token, OpError>) -> Option<i64> {
    match result {
        Err(OpError::Account(AccountError::Blocked { for_ms })) => Some(*for_ms),
        _ => None,
    }
}

#[tokio::test]
async fn the_set_up_link_makes_one_administrator_and_is_gone() {
    let world = World::new();
    let first = offer_set_up(&world.console, &cli()).await.unwrap().unwrap();
    let second = offer_set_up(&world.console, &cli()).await.unwrap().unwrap();
    let made = || (account("Ada"), "ada@example.com", "Engines");
    let use_it = async |token: &str| set_up(&world.console, token, made(), &browser(1)).await;
    for wrong in [first.expose(), "pcl_nothing", ""] {
        let refused = use_it(wrong).await;
        assert!(matches!(refused, Err(OpError::Account(AccountError::LinkOver))), "{wrong}");
    }
    let (one, two) = tokio::join!(use_it(second.expose()), use_it(second.expose()));
    assert_eq!(usize::from(one.is_ok()) + usize::from(two.is_ok()), 1, "used once");
    let opened = one.or(two).unwrap();
    let visit = world.visit(&opened.secret).await.unwrap();
    assert_eq!((visit.person.role, visit.organisation.as_str()), (ApiRole::Admin, "Engines"));
    assert!(offer_set_up(&world.console, &cli()).await.unwrap().is_none(), "not needed");
    assert!(use_it(second.expose()).await.is_err());
}

#[tokio::test]
async fn a_set_up_link_ends_after_three_days() {
    let world = World::new();
    let link = offer_set_up(&world.console, &cli()).await.unwrap().unwrap();
    world.pass(store::LINK_MS_MAX);
    let made = (account("Ada"), "ada@example.com", "Engines");
    let late = set_up(&world.console, link.expose(), made, &browser(1)).await;
    assert!(matches!(late, Err(OpError::Account(AccountError::LinkOver))));
}

#[tokio::test]
async fn signing_in_takes_the_password_and_folds_the_address() {
    let (world, first) = World::with_ada().await;
    let second = world.try_in(" ADA@example.COM ", PASSWORD, 1).await.unwrap();
    assert_ne!(first.expose(), second.expose());
    for (email, password) in [
        ("ada@example.com", "correct horse batterie"),
        ("ada@example.com", ""),
        ("eve@example.com", PASSWORD),
        ("no address", PASSWORD),
        ("", ""),
    ] {
        let refused = world.try_in(email, password, 9).await;
        assert!(matches!(refused, Err(OpError::WrongPassword)), "{email}");
    }
}

#[tokio::test]
async fn the_session_of_before_ends_with_a_new_sign_in() {
    let (world, first) = World::with_ada().await;
    let asked = SignIn {
        email: "ada@example.com".to_owned(),
        password: secret(PASSWORD),
        instead: Some(first.hash()),
        known: None,
    };
    let second = sign_in(&world.console, asked, &browser(1)).await.unwrap().secret;
    assert!(world.visit(&first).await.is_none());
    assert!(world.visit(&second).await.is_some());
}

#[tokio::test]
async fn a_session_ends_by_itself() {
    let (world, session) = World::with_ada().await;
    for _ in 0..5 {
        world.pass(SESSION_IDLE_MS_MAX - 1);
        assert!(world.visit(&session).await.is_some());
    }
    world.pass(SESSION_IDLE_MS_MAX);
    assert!(world.visit(&session).await.is_none(), "idle");
    let session = world.try_in("ada@example.com", PASSWORD, 1).await.unwrap();
    for _ in 0..(SESSION_MS_MAX / 3_600_000 - 1) {
        world.pass(3_600_000);
        assert!(world.visit(&session).await.is_some());
    }
    world.pass(3_600_000);
    assert!(world.visit(&session).await.is_none(), "12 hours");
}

#[tokio::test]
async fn a_step_up_counts_for_five_minutes_under_another_secret() {
    let (world, session) = World::with_ada().await;
    world.pass(STEP_UP_MS_MAX);
    let before = world.visit(&session).await.unwrap();
    assert!(before.session.stepped_up_until.unwrap() <= UnixMillis(NOW.0 + STEP_UP_MS_MAX));
    let of = |secret: &Token| (address("ada@example.com"), secret.hash());
    let (email, hash) = of(&session);
    let wrong = step_up(&world.console, (&email, hash), secret("wrong"), &browser(1)).await;
    assert!(matches!(wrong, Err(OpError::WrongPassword)));
    let again = step_up(&world.console, (&email, hash), secret(PASSWORD), &browser(1)).await;
    let again = again.unwrap().secret;
    assert!(world.visit(&session).await.is_none(), "the secret of before opens nothing");
    let after = world.visit(&again).await.unwrap();
    assert_eq!(after.session.stepped_up_until, Some(UnixMillis(NOW.0 + 2 * STEP_UP_MS_MAX)));
    assert_eq!(after.session.expires_at, before.session.expires_at, "it lasts no longer");
}

#[tokio::test]
async fn guessing_waits_longer_and_longer_and_nobody_else_does() {
    let (world, _) = World::with_ada().await;
    world.joined("eve@example.com", ApiRole::Viewer).await;
    for _ in 0..5 {
        let wrong = world.try_in("ada@example.com", "a wrong password", 7).await;
        assert!(matches!(wrong, Err(OpError::WrongPassword)));
    }
    for wait in [1_000, 2_000, 4_000, 8_000] {
        let right = world.try_in("ada@example.com", PASSWORD, 7).await;
        assert_eq!(blocked(&right), Some(wait), "not even the right one");
        world.pass(wait);
        world.try_in("ada@example.com", "a wrong password", 7).await.unwrap_err();
    }
    assert!(blocked(&world.try_in("ada@example.com", PASSWORD, 7).await).is_some());
    world.try_in("ada@example.com", PASSWORD, 8).await.unwrap();
    world.try_in("eve@example.com", PASSWORD, 7).await.unwrap();
    let world = world.restarted().await;
    assert!(blocked(&world.try_in("ada@example.com", PASSWORD, 7).await).is_some(), "a restart");
    world.pass(16_000);
    world.try_in("ada@example.com", PASSWORD, 7).await.unwrap();
    world.try_in("ada@example.com", "a wrong password", 7).await.unwrap_err();
    world.try_in("ada@example.com", PASSWORD, 7).await.unwrap();
}

#[tokio::test]
async fn attempts_at_the_same_time_are_counted_as_those_one_after_the_other() {
    let (world, _) = World::with_ada().await;
    let guesses = (0..20).map(|_| world.try_in("ada@example.com", "a wrong password", 7));
    let results = futures_util::future::join_all(guesses).await;
    let judged = results.iter().filter(|r| matches!(r, Err(OpError::WrongPassword))).count();
    assert_eq!(judged, 5);
}

#[tokio::test]
async fn one_address_that_tries_many_accounts_waits() {
    let (world, _) = World::with_ada().await;
    for number in 0..20 {
        let email = format!("user{number}@example.com");
        world.try_in(&email, "a wrong password", 7).await.unwrap_err();
    }
    assert!(blocked(&world.try_in("ada@example.com", PASSWORD, 7).await).is_some());
    world.try_in("ada@example.com", PASSWORD, 8).await.unwrap();
}

#[tokio::test]
async fn another_password_ends_all_sessions_and_gives_this_browser_a_new_one() {
    let (world, first) = World::with_ada().await;
    let other = world.try_in("ada@example.com", PASSWORD, 2).await.unwrap();
    let email = address("ada@example.com");
    let change = async |old: &str, new: &str| {
        change_password(
            &world.console,
            (&email, first.hash()),
            (secret(old), secret(new)),
            &browser(1),
        )
        .await
    };
    assert!(matches!(change("wrong", "another long password").await, Err(OpError::WrongPassword)));
    assert!(matches!(change(PASSWORD, "short").await, Err(OpError::Invalid(_))));
    assert!(world.visit(&other).await.is_some());
    let now = change(PASSWORD, "another long password").await.unwrap().secret;
    assert!(world.visit(&first).await.is_none() && world.visit(&other).await.is_none());
    assert!(world.visit(&now).await.is_some());
    world.try_in("ada@example.com", PASSWORD, 1).await.unwrap_err();
    world.try_in("ada@example.com", "another long password", 1).await.unwrap();
}

#[tokio::test]
async fn a_link_to_choose_another_password_works_once() {
    let (world, _) = World::with_ada().await;
    let eve = world.joined("eve@example.com", ApiRole::Viewer).await;
    let id = world.visit(&eve).await.unwrap().person.id;
    let link = new_password_link(&world.console, &cli(), &id).await.unwrap();
    let from = browser(1);
    let new = || secret("another long password");
    let renew = || renew_password(&world.console, link.expose(), new(), &from);
    renew().await.unwrap();
    assert!(renew().await.is_err());
    assert!(world.visit(&eve).await.is_none());
    world.try_in("eve@example.com", "another long password", 1).await.unwrap();
}

#[tokio::test]
async fn signing_out_ends_the_session_for_whoever_has_its_secret() {
    let (world, session) = World::with_ada().await;
    sign_out(&world.console, &cli(), session.hash()).await.unwrap();
    assert!(world.visit(&session).await.is_none());
}

#[tokio::test]
async fn another_role_and_disabling_end_sessions_and_what_was_offered() {
    let (world, ada) = World::with_ada().await;
    let eve = world.joined("eve@example.com", ApiRole::Admin).await;
    let id = world.visit(&eve).await.unwrap().person.id;
    let offered = address("mallory@example.com");
    let acting = world.actor(&eve).await;
    let link = invite(&world.console, &acting, (offered, ApiRole::Admin)).await.unwrap();
    let by = world.actor(&ada).await;
    change_role(&world.console, &by, (&id, ApiRole::Viewer)).await.unwrap();
    assert!(world.visit(&eve).await.is_none());
    let late = join(&world.console, link.expose(), account("Mallory"), &browser(3)).await;
    assert!(matches!(late, Err(OpError::Account(AccountError::LinkOver))));
    let eve = world.try_in("eve@example.com", PASSWORD, 2).await.unwrap();
    assert_eq!(world.actor(&eve).await.role, ApiRole::Viewer);
    set_standing(&world.console, &by, (&id, Standing::Disabled(NOW))).await.unwrap();
    assert!(world.visit(&eve).await.is_none());
    let disabled = world.try_in("eve@example.com", PASSWORD, 2).await;
    assert!(matches!(disabled, Err(OpError::WrongPassword)));
    set_standing(&world.console, &by, (&id, Standing::Active)).await.unwrap();
    world.try_in("eve@example.com", PASSWORD, 2).await.unwrap();
}

#[tokio::test]
async fn the_last_administrator_stays() {
    let (world, ada) = World::with_ada().await;
    let id = world.visit(&ada).await.unwrap().person.id;
    let console = &world.console;
    let last = |r: Result<(), OpError>| matches!(r, Err(OpError::Account(AccountError::LastAdmin)));
    assert!(last(change_role(console, &cli(), (&id, ApiRole::Viewer)).await));
    assert!(last(set_standing(console, &cli(), (&id, Standing::Disabled(NOW))).await));
    assert!(last(remove(console, &cli(), &id).await));
    assert!(world.visit(&ada).await.is_some(), "nothing was changed");
    let eve = world.joined("eve@example.com", ApiRole::Admin).await;
    let other = world.visit(&eve).await.unwrap().person.id;
    // Each of the two goes at the same time.
    let by = cli();
    let (one, two) = tokio::join!(
        change_role(console, &by, (&id, ApiRole::Viewer)),
        change_role(console, &by, (&other, ApiRole::Viewer)),
    );
    assert!(one.is_ok() != two.is_ok(), "one of them is the last: {one:?} {two:?}");
    let admins = people(console, &cli()).await.unwrap();
    assert_eq!(admins.iter().filter(|person| person.role == ApiRole::Admin).count(), 1);
}

#[tokio::test]
async fn nobody_joins_twice_or_in_somebodys_place() {
    let (world, _) = World::with_ada().await;
    let taken = invite(&world.console, &cli(), (address("ada@example.com"), ApiRole::Viewer)).await;
    assert!(matches!(taken, Err(OpError::Account(AccountError::Exists(_)))));
    let eve = address("eve@example.com");
    let first = invite(&world.console, &cli(), (eve.clone(), ApiRole::Admin)).await.unwrap();
    let second = invite(&world.console, &cli(), (eve, ApiRole::Viewer)).await.unwrap();
    let join = async |token: &Token| {
        join(&world.console, token.expose(), account("Eve"), &browser(2)).await
    };
    assert!(join(&first).await.is_err(), "a later invitation takes its place");
    let eve = join(&second).await.unwrap().secret;
    assert!(join(&second).await.is_err());
    assert_eq!(world.actor(&eve).await.role, ApiRole::Viewer);
}

#[tokio::test]
async fn only_administrators_with_a_fresh_proof_change_people() {
    let (world, ada) = World::with_ada().await;
    let fresh = world.actor(&ada).await;
    let old = Actor { proof: Proof::Session, ..fresh.clone() };
    let asked = || (address("x@example.com"), ApiRole::Viewer);
    let refused = invite(&world.console, &old, asked()).await;
    assert!(matches!(refused, Err(OpError::Forbidden(Forbidden::StepUp))));
    assert!(role_may(old.role, Permission::ManagePeople) && old.may(Permission::SeePeople).is_ok());
    for role in [ApiRole::Viewer, ApiRole::PolicyManager, ApiRole::Approver] {
        let lesser = Actor { role, ..fresh.clone() };
        let refused = invite(&world.console, &lesser, asked()).await;
        assert!(matches!(refused, Err(OpError::Forbidden(Forbidden::Role { .. }))));
        assert!(people(&world.console, &lesser).await.is_err());
    }
    invite(&world.console, &fresh, asked()).await.unwrap();
}

#[tokio::test]
async fn no_secret_is_in_the_database() {
    let (world, session) = World::with_ada().await;
    let eve = (address("eve@example.com"), ApiRole::Viewer);
    let link = invite(&world.console, &cli(), eve).await.unwrap();
    let World { console, dir, .. } = world;
    console.store.close().await;
    let mut all = Vec::new();
    for file in std::fs::read_dir(dir.path().join("data")).unwrap() {
        all.extend(std::fs::read(file.unwrap().path()).unwrap());
    }
    let holds = |text: &str| all.windows(text.len()).any(|bytes| bytes == text.as_bytes());
    assert!(holds("ada@example.com"), "the search finds what is there");
    for secret in [session.expose(), link.expose(), PASSWORD, "$argon2id$"] {
        assert!(!holds(secret), "{secret}");
    }
}
