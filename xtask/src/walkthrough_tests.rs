use super::{Line, Walk, fits, lines};

fn line(command: &str, wanted: &[&str]) -> Line {
    Line {
        command: command.to_owned(),
        wanted: wanted.iter().map(|text| (*text).to_owned()).collect(),
    }
}

#[test]
fn a_block_is_commands_with_what_they_say() {
    let block = "$ one \\\n  more\nsaid\n\n  again\n$ two &\n";
    assert_eq!(lines(block), [line("one    more", &["said", "again"]), line("two &", &[])]);
}

#[test]
fn dots_stand_for_anything() {
    assert!(fits("deny … pay", "12:00 deny  of pay  "));
    assert!(!fits("deny … pay", "pay, and deny"));
    assert!(!fits("deny", "allow"));
}

#[test]
fn commands_of_a_page_run_in_one_folder_and_say_what_it_shows() {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("bin/gate");
    let mut walk = Walk::begin(folder.path().join("walk"), &program).unwrap();
    let good = walk
        .block("$ echo one > file\n$ cat file\none\n$ sh -c 'echo ready; sleep 600' &\nready\n");
    assert_eq!(good, [Ok(()), Ok(()), Ok(())]);
    let bad = walk.block("$ cat file\ntwo\n$ false\n");
    assert!(bad[0].as_ref().unwrap_err().contains("did not say `two`, but:\n    one"), "{bad:?}");
    assert!(bad[1].is_err(), "{bad:?}");
}
