//! A disk that breaks under files that are open: writes and syncs of the database, of its log and of the audit's anchor
//! fail, or the whole disk can only be read from now on. A small library between the process and the system
//! (`broken_disk.c`) does it, because neither the mode of a file nor a mount reaches a descriptor that is open already.

use std::collections::HashSet;
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use it::scene::{Plan, Scene, ran};
use it::wait;
use it::wire::{self, Ask};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;
use tokio::time::{Instant, sleep};

use super::{
    End, HEALTHY_WITHIN, all_recorded, call, figure, healthy, limited, nothing_lost, seconds,
};

const SOURCE: &str = include_str!("broken_disk.c");

/// What the tool `pay` may be called a day.
const PAID_MAX: usize = 60;
/// The same under load.
const PAID_UNDER_LOAD_MAX: usize = 1_000;
/// Calls at one time.
const CALLERS: usize = 16;
/// More calls than the log of the database has pages before they are carried over (1,000), for each caller.
const CALLS_OF_A_CALLER: usize = 70;

/// What breaks, and how: a line for the library.
#[derive(Debug, Clone, Copy)]
struct Fault {
    what: &'static str,
    rule: &'static str,
}

const LOG_EIO: Fault = Fault { what: "write to the log: EIO", rule: "EIO w portcullis.db-wal" };
const LOG_ENOSPC: Fault =
    Fault { what: "write to the log: ENOSPC", rule: "ENOSPC w portcullis.db-wal" };
const LOG_TORN: Fault =
    Fault { what: "half a write to the log, then EIO", rule: "EIO t portcullis.db-wal" };
const LOG_SYNC: Fault = Fault { what: "sync of the log: EIO", rule: "EIO s portcullis.db-wal" };
const READ_ONLY: Fault = Fault {
    what: "disk turns read-only: EROFS",
    rule: "EROFS wo portcullis.db portcullis.db-wal portcullis.db-shm audit.anchor",
};
const ALL_EIO: Fault = Fault {
    what: "whole disk: EIO",
    rule: "EIO wso portcullis.db portcullis.db-wal portcullis.db-shm audit.anchor",
};
const DATABASE_EIO: Fault =
    Fault { what: "write to the database: EIO", rule: "EIO ws portcullis.db" };
const ANCHOR_EIO: Fault = Fault { what: "write to the anchor: EIO", rule: "EIO ws audit.anchor" };
/// Those under which no call can be written down.
const NOTHING_WRITTEN: [Fault; 6] = [LOG_EIO, LOG_ENOSPC, LOG_TORN, LOG_SYNC, READ_ONLY, ALL_EIO];

/// The library, built, and the rule that it reads.
struct Disk {
    folder: TempDir,
}

impl Disk {
    async fn build() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let source = folder.path().join("broken_disk.c");
        fs::write(&source, SOURCE).expect("a file");
        let library = folder.path().join("broken_disk.so");
        let mut compiler = Command::new("cc");
        compiler.args(["-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror", "-o"]);
        let built = compiler.arg(&library).arg(&source).output().await;
        let built = built.unwrap_or_else(|problem| {
            panic!("`cc` cannot be run, with which Rust links, too (Debian: `apt-get install build-essential`): {problem}")
        });
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        Self { folder }
    }

    fn rule(&self) -> PathBuf {
        self.folder.path().join("rule")
    }

    fn variables(&self) -> [(String, String); 2] {
        let library = self.folder.path().join("broken_disk.so");
        let text = |path: PathBuf| path.into_os_string().into_string().expect("a path of letters");
        [("LD_PRELOAD".to_owned(), text(library)), ("BROKEN_DISK".to_owned(), text(self.rule()))]
    }

    fn breaks(&self, fault: Fault) {
        // It is read at every write: never half of it.
        let beside = self.folder.path().join("rule.new");
        fs::write(&beside, fault.rule).expect("a file");
        fs::rename(beside, self.rule()).expect("a file");
    }

    fn works(&self) {
        fs::remove_file(self.rule()).expect("it was broken");
    }

    /// How many operations failed so far.
    fn failures(&self) -> u64 {
        fs::metadata(self.folder.path().join("rule.hits")).map_or(0, |file| file.len())
    }
}

async fn scene(disk: &Disk, most: usize) -> Scene {
    let mut plan = Plan::plain().await.granting("agent", &limited(most));
    plan.config.variables.extend(disk.variables());
    let scene = plan.start().await;
    for tool in ["read_item", "pay"] {
        assert!(ran(&scene.call("agent", tool, json!({ "id": "before" })).await));
    }
    scene
}

fn tool_of(number: usize) -> &'static str {
    if number.is_multiple_of(2) { "read_item" } else { "pay" }
}

/// Calls while nothing can be written: each is denied with its reason, none runs, and `/readyz` says no.
async fn denied_meanwhile(scene: &Scene, what: &str) {
    let before = scene.log.executed_count();
    let until = Instant::now() + seconds(1);
    let (mut denied, mut longest) = (0, Duration::ZERO);
    while denied < 2 * CALLERS || Instant::now() < until {
        let begun = Instant::now();
        let calls = (0..CALLERS).map(|number| async move {
            let tool = tool_of(number);
            let answer = call(&scene.gateway, "agent", tool, &format!("{what}, {number}")).await;
            assert_eq!(End::of(tool, &answer), End::Denied, "{what}: {}", answer.text());
        });
        denied += join_all(calls).await.len();
        longest = longest.max(begun.elapsed());
    }
    assert_eq!(scene.log.executed_count(), before, "{what}: a call ran unrecorded");
    // Who asks whether this process can serve is told.
    let ready = wire::ask(scene.gateway.console, &Ask::bare("GET", "/readyz")).await;
    assert_eq!(ready.expect("an answer").status, 503, "{what}");
    figure(
        what,
        format!("{denied} calls, all denied, none ran; the longest {} ms", longest.as_millis()),
    );
}

/// Uses what is left of the limit: exactly as many ran as it has room for, but for those that were charged, and of which
/// the log says, too, that nobody knows their end.
async fn none_was_counted_wrong(scene: &Scene, what: &str, most: usize) {
    at_most_counted_for_nothing(scene, what, most, 0).await;
}

/// The same, and at most `kept` calls more were charged that were denied.
async fn at_most_counted_for_nothing(scene: &Scene, what: &str, most: usize, kept: usize) {
    let numbers = AtomicUsize::new(0);
    let caller = || async {
        loop {
            let mark = format!("rest {}", numbers.fetch_add(1, Ordering::Relaxed));
            let answer = call(&scene.gateway, "agent", "pay", &mark).await;
            match End::of("pay", &answer) {
                End::Ran => {}
                End::LimitReached => return,
                End::Denied => panic!("{what}: {}", answer.text()),
            }
        }
    };
    join_all((0..CALLERS).map(|_n| caller())).await;
    let ran = executed(scene);
    let doubtful = doubtful(scene).await;
    let doubtful = doubtful.iter().filter(|(tool, mark)| tool == "pay" && !ran.contains(mark));
    let paid = scene.log.executed().iter().filter(|call| call.tool == "pay").count();
    let may = most.saturating_sub(doubtful.count() + kept)..=most;
    assert!(may.contains(&paid), "{what}: {paid} ran of {may:?}");
    figure(what, format!("{paid} calls ran of the {most} that the limit has room for"));
}

fn executed(scene: &Scene) -> HashSet<String> {
    let executed = scene.log.executed();
    executed.iter().map(|call| call.arguments["id"].as_str().expect("a mark").to_owned()).collect()
}

/// Tool and mark of the calls of whose end the log says that nobody knows it.
async fn doubtful(scene: &Scene) -> Vec<(String, String)> {
    let rows = scene.gateway.audit().await;
    let doubtful = rows.iter().filter(|row| row["outcome"] == "unknown");
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    doubtful.map(|row| (text(&row["tool"]), text(&row["arguments"]["id"]))).collect()
}

async fn denies_until_cured(fault: Fault) {
    let what = fault.what;
    let disk = Disk::build().await;
    let mut scene = scene(&disk, PAID_MAX).await;
    disk.breaks(fault);
    denied_meanwhile(&scene, what).await;
    assert!(disk.failures() > 0, "{what}: nothing failed");
    disk.works();
    healthy(what, &scene.gateway, "read_item").await;
    assert!(ran(&scene.call("agent", "pay", json!({ "id": "after" })).await));
    nothing_lost(&scene).await;
    // Nothing that the fault left behind comes up after a kill.
    scene.gateway.kill().await;
    scene.gateway.restart().await;
    none_was_counted_wrong(&scene, what, PAID_MAX).await;
    nothing_lost(&scene).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_of_writing_the_log_deny_calls_until_they_stop() {
    denies_until_cured(LOG_EIO).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_without_room_denies_calls_until_there_is_some() {
    denies_until_cured(LOG_ENOSPC).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn torn_writes_of_the_log_deny_calls_until_they_stop() {
    denies_until_cured(LOG_TORN).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_of_syncing_the_log_deny_calls_until_they_stop() {
    let what = LOG_SYNC.what;
    let disk = Disk::build().await;
    let mut scene = scene(&disk, PAID_MAX).await;
    disk.breaks(LOG_SYNC);
    denied_meanwhile(&scene, what).await;
    disk.works();
    healthy(what, &scene.gateway, "read_item").await;
    assert!(ran(&scene.call("agent", "pay", json!({ "id": "after" })).await));
    // The rows of a commit whose sync failed are in the file, and nobody can tell whether they outlive a loss of power. They
    // stay, as calls whose end nobody knows: what they say too much is a call that was denied.
    let all_denied =
        |doubtful: &[(String, String)]| doubtful.iter().all(|(_tool, mark)| mark.starts_with(what));
    wait::until("the end of every other call", || async {
        all_denied(&doubtful(&scene).await).then_some(())
    })
    .await;
    let count = doubtful(&scene).await.len();
    figure(what, format!("{count} of the denied calls have a row that says `unknown`"));
    all_recorded(&scene).await;
    scene.gateway.kill().await;
    scene.gateway.restart().await;
    // They were not charged.
    none_was_counted_wrong(&scene, what, PAID_MAX).await;
    let paid = scene.log.executed().iter().filter(|call| call.tool == "pay").count();
    assert_eq!(paid, PAID_MAX);
    all_recorded(&scene).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_turns_read_only_denies_calls_until_it_can_be_written() {
    denies_until_cured(READ_ONLY).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_fails_whole_denies_calls_until_it_works() {
    denies_until_cured(ALL_EIO).await;
}

/// Calls of `read_item`, many at one time, each with a mark of its own; how each ended.
async fn many(scene: &Scene, what: &str) -> Vec<End> {
    let caller = |caller: usize| async move {
        let mut ends = Vec::new();
        for number in 0..CALLS_OF_A_CALLER {
            let mark = format!("{what}, {caller}, {number}.");
            let answer = call(&scene.gateway, "agent", "read_item", &mark).await;
            ends.push(End::of("read_item", &answer));
        }
        ends
    };
    join_all((0..CALLERS).map(caller)).await.into_iter().flatten().collect()
}

/// What is committed lies in the log, from which it is carried over into the database from time to time. A database that
/// takes nothing costs no call: the log keeps what it holds, and grows, until the database takes it.
#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_takes_nothing_loses_nothing_of_its_log() {
    let what = DATABASE_EIO.what;
    let disk = Disk::build().await;
    let mut scene = scene(&disk, PAID_MAX).await;
    disk.breaks(DATABASE_EIO);
    let before = scene.log.executed_count();
    let ends = many(&scene, what).await;
    let passed = ends.iter().filter(|end| **end == End::Ran).count();
    assert_eq!(scene.log.executed_count() - before, passed, "a call ran that was denied");
    assert!(disk.failures() > 0, "nothing was carried over");
    let failures = disk.failures();
    figure(
        what,
        format!("{passed} of {} calls ran, all recorded; {failures} writes failed", ends.len()),
    );
    nothing_lost(&scene).await;
    // Only the log knows them now.
    scene.gateway.kill().await;
    disk.works();
    scene.gateway.restart().await;
    healthy(what, &scene.gateway, "read_item").await;
    all_recorded(&scene).await;
    assert_eq!(many(&scene, "after").await.iter().filter(|end| **end != End::Ran).count(), 0);
    none_was_counted_wrong(&scene, what, PAID_MAX).await;
    nothing_lost(&scene).await;
}

/// The anchor speaks of rows that are on disk already, and is written after them: without it calls are recorded as before,
/// and all that is missing for a while is the proof that nobody cut the log back to where the anchor stayed.
#[tokio::test(flavor = "multi_thread")]
async fn an_anchor_that_cannot_be_written_costs_no_row_and_moves_on_when_it_can() {
    let what = ANCHOR_EIO.what;
    let disk = Disk::build().await;
    let mut scene = scene(&disk, PAID_MAX).await;
    let anchor = scene.gateway.folder().join("data/audit.anchor");
    let stood = fs::read(&anchor).expect("an anchor");
    disk.breaks(ANCHOR_EIO);
    let before = scene.log.executed_count();
    let ends = many(&scene, what).await;
    let passed = ends.iter().filter(|end| **end == End::Ran).count();
    assert_eq!(scene.log.executed_count() - before, passed, "a call ran that was denied");
    assert!(disk.failures() > 0, "nothing failed");
    assert_eq!(fs::read(&anchor).expect("an anchor"), stood);
    figure(what, format!("{passed} of {} calls ran, all recorded", ends.len()));
    nothing_lost(&scene).await;
    disk.works();
    healthy(what, &scene.gateway, "read_item").await;
    wait::until("an anchor that moved on", || async {
        (fs::read(&anchor).expect("an anchor") != stood).then_some(())
    })
    .await;
    scene.gateway.kill().await;
    scene.gateway.restart().await;
    none_was_counted_wrong(&scene, what, PAID_MAX).await;
    all_recorded(&scene).await;
}

/// What outsiders were told while the disk broke again and again.
#[derive(Debug, Default)]
struct Told {
    ran: HashSet<String>,
    denied: HashSet<String>,
    unanswered: usize,
}

/// Calls without end until `over`, from many at one time.
async fn told_until(scene: &Scene, what: &str, over: impl Future<Output = ()>) -> Told {
    let numbers = AtomicUsize::new(0);
    let is_over = AtomicUsize::new(0);
    let caller = || async {
        let mut told = Told::default();
        while is_over.load(Ordering::Relaxed) == 0 {
            let number = numbers.fetch_add(1, Ordering::Relaxed);
            let (tool, mark) = (tool_of(number), format!("{what}, {number}."));
            let answer = call(&scene.gateway, "agent", tool, &mark).await;
            if answer.status == 0 {
                told.unanswered += 1;
                continue;
            }
            match End::of(tool, &answer) {
                End::Ran => told.ran.insert(mark),
                End::Denied | End::LimitReached => told.denied.insert(mark),
            };
        }
        told
    };
    let over = async {
        over.await;
        is_over.store(1, Ordering::Relaxed);
    };
    let (all, ()) = tokio::join!(join_all((0..CALLERS).map(|_n| caller())), over);
    all.into_iter().fold(Told::default(), |mut told, one| {
        told.ran.extend(one.ran);
        told.denied.extend(one.denied);
        told.unanswered += one.unanswered;
        told
    })
}

/// The disk breaks in every way by turns, and works in between, while calls come.
async fn breaking_again_and_again(disk: &Disk, lasts: Duration) {
    let until = Instant::now() + lasts;
    for fault in NOTHING_WRITTEN.into_iter().cycle() {
        disk.breaks(fault);
        sleep(Duration::from_millis(200)).await;
        disk.works();
        if Instant::now() >= until {
            return;
        }
        sleep(Duration::from_millis(300)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_breaks_again_and_again_under_load_loses_and_miscounts_nothing() {
    let what = "disk breaks again and again";
    let disk = Disk::build().await;
    let mut scene = scene(&disk, PAID_UNDER_LOAD_MAX).await;
    let over = breaking_again_and_again(&disk, seconds(5));
    let told = told_until(&scene, what, over).await;
    healthy(what, &scene.gateway, "read_item").await;
    let ran = executed(&scene);
    assert_eq!(told.unanswered, 0);
    assert!(told.ran.is_subset(&ran), "a call is said to have run that did not");
    assert!(told.denied.is_disjoint(&ran), "a call that was denied ran");
    let failures = disk.failures();
    figure(
        what,
        format!(
            "{} calls ran, {} denied; {failures} operations failed",
            told.ran.len(),
            told.denied.len()
        ),
    );
    assert!(failures > 0 && !told.denied.is_empty() && !told.ran.is_empty());
    all_recorded(&scene).await;
    none_was_counted_wrong(&scene, what, PAID_UNDER_LOAD_MAX).await;
    scene.gateway.kill().await;
    scene.gateway.restart().await;
    none_was_counted_wrong(&scene, what, PAID_UNDER_LOAD_MAX).await;
    all_recorded(&scene).await;
}

/// A kill while the disk is broken, and a start on it: refused, until it works.
#[tokio::test(flavor = "multi_thread")]
async fn a_kill_on_a_broken_disk_loses_nothing_and_a_start_on_it_is_refused() {
    for fault in [LOG_ENOSPC, LOG_SYNC, READ_ONLY] {
        let what = format!("kill, {}", fault.what);
        let disk = Disk::build().await;
        let mut scene = scene(&disk, PAID_MAX).await;
        let over = async {
            wait::until("calls", || async { (scene.log.executed_count() > 20).then_some(()) })
                .await;
            disk.breaks(fault);
            let failing = || async { (disk.failures() > 0).then_some(()) };
            wait::until("a failure", failing).await;
        };
        let told = told_until(&scene, &what, over).await;
        scene.gateway.kill().await;
        let before = scene.log.executed_count();
        scene.gateway.spawn();
        assert!(!scene.gateway.ended().await.success(), "{what}: {}", scene.gateway.log());
        disk.works();
        let begun = Instant::now();
        scene.gateway.restart().await;
        let took = begun.elapsed();
        figure(&what, format!("ready {} ms after the disk works", took.as_millis()));
        assert!(took < HEALTHY_WITHIN, "{what}: {took:?}");
        assert_eq!(scene.log.executed_count(), before);
        let ran = executed(&scene);
        assert!(told.ran.is_subset(&ran) && told.denied.is_disjoint(&ran), "{what}");
        // The last commit that the disk took may hold the charges of calls whose rows the next one had. They were denied;
        // what gives their charges back was killed.
        at_most_counted_for_nothing(&scene, &what, PAID_MAX, CALLERS.min(told.denied.len())).await;
        all_recorded(&scene).await;
    }
}
