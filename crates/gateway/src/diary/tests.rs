use policy::UnixMillis;

use super::{Blots, Cut, DIARY_BYTES_MAX, DIARY_LINES_MAX, DIARY_STATES_MAX, Diary, DiaryKind};

fn env(pairs: &[(&str, &str)]) -> Blots {
    let pairs: Vec<_> = pairs.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
    Blots::of(&pairs)
}

#[test]
fn a_diary_keeps_the_newest_within_its_bounds() {
    let diary = Diary::new(UnixMillis(1_000));
    for number in 0..DIARY_LINES_MAX + 20 {
        diary.line(format!("line {number}"), u64::from(number == 3));
    }
    let page = diary.page();
    assert_eq!((page.lines.len(), page.dropped), (DIARY_LINES_MAX, 21));
    assert_eq!(page.lines[0].text, "line 20");
    assert!(page.lines[0].at >= UnixMillis(1_000));
    diary.line("x".repeat(DIARY_BYTES_MAX), 0);
    assert_eq!(diary.page().lines.len(), 1);
    for number in 0..DIARY_STATES_MAX + 5 {
        diary.up(number);
    }
    assert_eq!(diary.page().states.len(), DIARY_STATES_MAX);
}

#[test]
fn a_state_goes_on_until_another_one_is_seen() {
    let diary = Diary::new(UnixMillis(0));
    assert_eq!(diary.page().failing(), None);
    diary.failing("refused");
    diary.failing("refused");
    diary.ended("exit status: 1".to_owned());
    assert_eq!(diary.page().failing().map(|(_, why)| why.to_owned()).as_deref(), Some("refused"));
    diary.up(3);
    let page = diary.page();
    assert_eq!(page.states.len(), 3);
    assert_eq!(page.states[2].kind, DiaryKind::Up { tools: 3 });
    assert_eq!(page.failing(), None);
}

#[test]
fn secrets_of_the_environment_are_put_out() {
    let blots = env(&[
        ("API_KEY", "sk-abcdef-long"),
        ("SHORT", "abc"),
        ("PATH", "/usr/bin:/bin"),
        ("PEM", "-----BEGIN-----\nMIIEvQ-secret\n-----END-----"),
        ("PREFIX", "sk-abcdef"),
    ]);
    let shown = |text: &str| blots.put_out(text, Cut::No);
    assert_eq!(shown("key=sk-abcdef-long!"), "key=[API_KEY]!");
    assert_eq!(shown("twice sk-abcdef sk-abcdef-long"), "twice [PREFIX] [API_KEY]");
    assert_eq!(shown("pem MIIEvQ-secret"), "pem [PEM]");
    assert_eq!(shown("abc in /usr/bin:/bin"), "abc in /usr/bin:/bin");
    // A line that was cut in the middle of a secret shows no part of it.
    assert_eq!(blots.put_out("cut at sk-abcdef-lo", Cut::Yes), "cut at [API_KEY]");
    assert_eq!(env(&[("A", "0123456789")]).put_out("at 012345678", Cut::Yes), "at [A]");
    assert!(!format!("{blots:?}").contains("sk-"));
}
