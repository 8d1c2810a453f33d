//! The disk: full, failing, read-only, and a database that is locked, moved away or deleted. While it lasts no call
//! leaves, because none can be written down.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use it::scene::{Plan, Scene, ran};
use it::{places, wait};
use rusqlite::Connection;
use serde_json::json;
use tokio::process::Command;

use super::{End, HEALTHY_WITHIN, figure, healthy, limited, nothing_lost};

/// Calls that are tried while a fault lasts.
const CALLS: usize = 20;
/// Calls after which a disk without room must have been noticed: more than the log of the database has pages.
const CALLS_UNTIL_FULL_MAX: usize = 5000;
/// What the tool `pay` may be called a day: more often than any test here does.
const PAID_MAX: usize = 1_000_000;
/// The size of the file system that is filled, in MiB.
const SMALL_DISK_MIB: usize = 16;

async fn scene() -> Scene {
    let scene = Plan::plain().await.granting("agent", &limited(PAID_MAX)).start().await;
    assert!(ran(&scene.call("agent", "read_item", json!({ "id": "before" })).await));
    scene
}

fn data(scene: &Scene) -> PathBuf {
    scene.gateway.folder().join("data")
}

/// Calls while the store takes nothing: each is denied, none runs.
async fn denied_meanwhile(scene: &Scene, fault: &str) {
    let before = scene.log.executed_count();
    for number in 0..CALLS {
        let tool = if number % 2 == 0 { "read_item" } else { "pay" };
        let answer = scene.call("agent", tool, json!({ "id": format!("{fault} {number}") })).await;
        assert_eq!(End::of(tool, &answer), End::Denied, "{fault}: {}", answer.text());
    }
    assert_eq!(scene.log.executed_count(), before, "{fault}: a call ran unrecorded");
    figure(fault, format!("{CALLS} calls, all denied, none ran"));
}

/// After the fault: calls run, nothing that ran is missing, and a restart finds the same.
async fn healthy_and_whole(mut scene: Scene, fault: &str) {
    healthy(fault, &scene.gateway, "read_item").await;
    assert!(ran(&scene.call("agent", "pay", json!({ "id": "after" })).await));
    nothing_lost(&scene).await;
    scene.gateway.signal(rustix::process::Signal::TERM);
    assert!(scene.gateway.ended().await.success());
    scene.gateway.restart().await;
    assert!(ran(&scene.call("agent", "read_item", json!({ "id": "restarted" })).await));
    nothing_lost(&scene).await;
}

/// Files may not grow: a write fails with EFBIG, which is an I/O error to the database and no lack of room.
#[tokio::test(flavor = "multi_thread")]
async fn io_errors_deny_calls_until_they_stop() {
    let scene = scene().await;
    scene.gateway.limit_files(Some(4096));
    denied_meanwhile(&scene, "I/O errors").await;
    scene.gateway.limit_files(None);
    healthy_and_whole(scene, "I/O errors").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_locked_database_denies_calls_until_it_is_free() {
    let scene = scene().await;
    let other = Connection::open(data(&scene).join("portcullis.db")).expect("the database");
    other.execute_batch("BEGIN EXCLUSIVE").expect("a lock");
    denied_meanwhile(&scene, "locked database").await;
    other.execute_batch("ROLLBACK").expect("no lock");
    drop(other);
    healthy_and_whole(scene, "locked database").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_database_denies_calls_until_it_is_back() {
    let scene = scene().await;
    let data = data(&scene);
    let kept = scene.gateway.folder().join("kept");
    fs::create_dir(&kept).expect("a folder");
    let files = ["portcullis.db", "portcullis.db-wal", "portcullis.db-shm"];
    for file in files {
        // A second name for the same file: deleting the first one takes nothing that was written.
        fs::hard_link(data.join(file), kept.join(file)).expect("a second name");
        fs::remove_file(data.join(file)).expect("it can be deleted");
    }
    denied_meanwhile(&scene, "deleted database").await;
    assert!(!data.join("portcullis.db").exists(), "no empty database is made in its place");
    for file in files {
        // What the process made of its own meanwhile gives way to what was there.
        fs::rename(kept.join(file), data.join(file)).expect("it can be put back");
    }
    healthy_and_whole(scene, "deleted database").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_data_folder_that_is_gone_denies_calls_until_it_is_back() {
    let scene = scene().await;
    let (data, away) = (data(&scene), scene.gateway.folder().join("away"));
    fs::rename(&data, &away).expect("it can be moved");
    denied_meanwhile(&scene, "data folder gone").await;
    assert!(!data.exists(), "none is made in its place");
    fs::rename(&away, &data).expect("it can be moved back");
    healthy_and_whole(scene, "data folder gone").await;
}

/// A script of a test's own, in `folder`, that can be run in the gateway's place.
fn script(folder: &Path, name: &str, text: &str) -> PathBuf {
    let script = folder.join(name);
    let head = "#!/bin/sh\nPATH=/usr/sbin:/usr/bin:/sbin:/bin\nexport PATH\n";
    fs::write(&script, format!("{head}{text}\n")).expect("a script");
    fs::set_permissions(&script, fs::Permissions::from_mode(0o700)).expect("a script can be run");
    script
}

/// A line that sets up its own view of the disk, with `mounts`, and becomes a program in it.
fn mounted(mounts: &str, program: &str) -> String {
    // Only somebody who may not mount needs to become root of a namespace of its own first.
    format!(
        "[ \"$(id -u)\" = 0 ] || user=--map-root-user\n\
         exec unshare $user --mount --propagation private sh -c '{mounts} && exec {program} \"$@\"' sh \"$@\""
    )
}

/// A program that sets up its own view of the disk, with `mounts`, and becomes the gateway. A machine where nobody may do so
/// fails the test here, and is told what is missing.
async fn within_mounts(folder: &Path, mounts: &str) -> PathBuf {
    let trial =
        mounted("mkdir trial && mount -t tmpfs tmpfs trial && umount trial && rmdir trial", "true");
    let trial = Command::new(script(folder, "trial.sh", &trial)).current_dir(folder).output().await;
    let trial = trial.expect("a shell runs");
    assert!(
        trial.status.success(),
        "this test mounts file systems in a namespace of its own, as root or with user namespaces for everybody (with AppArmor: \
         `sysctl kernel.apparmor_restrict_unprivileged_userns=0`): {}",
        String::from_utf8_lossy(&trial.stderr)
    );
    let program = places::binary("portcullis").display().to_string();
    script(folder, "mounted", &mounted(mounts, &program))
}

/// A gateway whose data lies on a file system of its own.
async fn on_a_small_disk(folder: &Path) -> Scene {
    let mounts =
        format!("mkdir -p data && mount -t tmpfs -o size={SMALL_DISK_MIB}m,mode=0700 tmpfs data");
    let mut plan = Plan::plain().await.granting("agent", &limited(PAID_MAX));
    plan.config.program = within_mounts(folder, &mounts).await;
    let scene = plan.start().await;
    assert!(ran(&scene.call("agent", "read_item", json!({ "id": "before" })).await));
    scene
}

/// The data folder as the process sees it.
fn data_within(scene: &Scene) -> PathBuf {
    let root = PathBuf::from(format!("/proc/{}/root", scene.gateway.pid().as_raw_nonzero()));
    let folder = data(scene);
    root.join(folder.strip_prefix("/").expect("an absolute path"))
}

/// Takes the room that is left.
fn fill(path: &Path) {
    let mut file = File::create(path).expect("a file");
    let mut block = vec![0; 64 * 1024];
    loop {
        match file.write(&block) {
            Ok(_written) => {}
            Err(error) if error.kind() == ErrorKind::StorageFull && block.len() > 512 => {
                block.truncate(block.len() / 2);
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::StorageFull, "{error}");
                return;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_denies_calls_until_there_is_room() {
    let folder = tempfile::tempdir().expect("a folder");
    let scene = on_a_small_disk(folder.path()).await;
    let filler = data_within(&scene).join("filler");
    fill(&filler);
    let mut room = 0;
    // What the database already holds of its log can still be written over.
    while ran(&scene.call("agent", "read_item", json!({ "id": format!("room {room}") })).await) {
        room += 1;
        assert!(room < CALLS_UNTIL_FULL_MAX, "the disk is full and calls go on");
    }
    figure("full disk", format!("{room} calls found room in what was there"));
    denied_meanwhile(&scene, "full disk").await;
    fs::remove_file(&filler).expect("it can be deleted");
    healthy("full disk", &scene.gateway, "read_item").await;
    assert!(ran(&scene.call("agent", "pay", json!({ "id": "after" })).await));
    // The file system goes with the process: what follows looks at it while it is there.
    let rows = scene.gateway.audit().await;
    for call in scene.log.executed() {
        let mark = call.arguments["id"].to_string();
        let row = rows.iter().find(|row| row["arguments"].to_string().contains(&mark));
        assert!(row.is_some_and(|row| row["verdict"] == "allow"), "{mark} ran without a row");
    }
}

/// Runs a command in the process's own view of the disk.
async fn within(scene: &Scene, words: &[&str]) {
    let target = format!("--target={}", scene.gateway.pid().as_raw_nonzero());
    let mut command = Command::new("nsenter");
    command.args([target.as_str(), "--mount"]);
    if !rustix::process::geteuid().is_root() {
        command.args(["--user", "--preserve-credentials"]);
    }
    let output = command.arg("--").args(words).output().await.expect("nsenter runs");
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// What the process opened before it may go on writing to, whatever became of the folder: calls run as long as they are
/// written down.
async fn written_or_denied(scene: &Scene, fault: &str) {
    let before = scene.log.executed_count();
    let mut denied = 0;
    for number in 0..CALLS {
        let mark = format!("{fault}, descriptors {number}");
        let answer = scene.call("agent", "read_item", json!({ "id": mark })).await;
        denied += usize::from(End::of("read_item", &answer) == End::Denied);
    }
    assert_eq!(scene.log.executed_count() - before, CALLS - denied);
    figure(
        fault,
        format!("{denied} of {CALLS} calls denied, the others written to what was open before"),
    );
}

/// One error of writing, after which the process trusts nothing that it has open.
async fn descriptors_given_up(scene: &Scene) {
    scene.gateway.limit_files(Some(4096));
    wait::until("a write that fails", || async {
        let answer = scene.call("agent", "read_item", json!({ "id": "an error" })).await;
        (End::of("read_item", &answer) == End::Denied).then_some(())
    })
    .await;
    scene.gateway.limit_files(None);
}

/// A disk that is mounted for reading while the process runs, as after an error of the file system: here another,
/// read-only view of the same folder is put over it.
#[tokio::test(flavor = "multi_thread")]
async fn a_read_only_disk_denies_calls_until_it_can_be_written() {
    let what = "disk mounted read-only";
    let folder = tempfile::tempdir().expect("a folder");
    let mut plan = Plan::plain().await.granting("agent", &limited(PAID_MAX));
    plan.config.program = within_mounts(folder.path(), "mkdir -p -m 0700 data").await;
    let scene = plan.start().await;
    assert!(ran(&scene.call("agent", "read_item", json!({ "id": "before" })).await));
    let data = data(&scene).to_str().expect("a path of letters").to_owned();
    within(&scene, &["mount", "--bind", &data, &data]).await;
    within(&scene, &["mount", "-o", "remount,bind,ro", &data]).await;
    written_or_denied(&scene, what).await;
    descriptors_given_up(&scene).await;
    denied_meanwhile(&scene, what).await;
    within(&scene, &["umount", &data]).await;
    healthy_and_whole(scene, what).await;
}

/// A folder that its owner may not write any more, and files in it. Root may all the same, unless the right to is taken away.
#[tokio::test(flavor = "multi_thread")]
async fn a_folder_without_leave_to_write_denies_calls_until_there_is_leave() {
    let what = "data folder without leave to write";
    let folder = tempfile::tempdir().expect("a folder");
    let rights = "-dac_override,-dac_read_search";
    let program = places::binary("portcullis").display().to_string();
    let text = format!(
        "[ \"$(id -u)\" = 0 ] || exec {program} \"$@\"\nexec setpriv --bounding-set={rights} --inh-caps={rights} {program} \"$@\""
    );
    let mut plan = Plan::plain().await.granting("agent", &limited(PAID_MAX));
    plan.config.program = script(folder.path(), "without-rights", &text);
    let scene = plan.start().await;
    assert!(ran(&scene.call("agent", "read_item", json!({ "id": "before" })).await));
    let data = data(&scene);
    let set = |path: &Path, mode: u32| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("a mode can be set");
    };
    let files = ["portcullis.db", "portcullis.db-wal", "portcullis.db-shm", "audit.anchor"];
    for file in files {
        set(&data.join(file), 0o400);
    }
    set(&data, 0o500);
    written_or_denied(&scene, what).await;
    descriptors_given_up(&scene).await;
    denied_meanwhile(&scene, what).await;
    set(&data, 0o700);
    // Some of them are gone: the process takes away what it does not need when it gives up what it has open.
    for file in files.iter().map(|file| data.join(file)).filter(|file| file.exists()) {
        set(&file, 0o600);
    }
    healthy_and_whole(scene, what).await;
}

/// A process that finds its data on a read-only disk does not start, and says why.
#[tokio::test(flavor = "multi_thread")]
async fn a_read_only_disk_stops_the_start_and_nothing_is_harmed() {
    let mut scene = scene().await;
    scene.gateway.signal(rustix::process::Signal::TERM);
    assert!(scene.gateway.ended().await.success());
    let folder = tempfile::tempdir().expect("a folder");
    let mounts = "mount --bind data data && mount -o remount,bind,ro data";
    let program = within_mounts(folder.path(), mounts).await;
    let mut command = scene.gateway.command_of(&program, &["serve"]);
    let refused = wait::bounded("the refusal", command.output()).await.expect("it runs");
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success(), "{said}");
    let words = ["read-only", "readonly", "Read-only"];
    assert!(words.iter().any(|words| said.contains(words)), "it does not say why: {said}");
    let begun = tokio::time::Instant::now();
    scene.gateway.restart().await;
    let took: Duration = begun.elapsed();
    assert!(took < HEALTHY_WITHIN, "{took:?}");
    figure(
        "read-only start",
        format!("refused; ready {} ms after it could be written", took.as_millis()),
    );
    assert!(ran(&scene.call("agent", "read_item", json!({ "id": "after" })).await));
    nothing_lost(&scene).await;
}
