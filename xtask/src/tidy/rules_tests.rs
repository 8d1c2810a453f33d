use super::{check, size};

fn faults(name: &str, text: &str) -> usize {
    check(name, text).len()
}

#[test]
fn a_module_says_what_it_is() {
    assert_eq!(faults("crates/a/src/b.rs", "//! One job.\nfn f() {}\n"), 0);
    assert_eq!(faults("crates/a/src/b.rs", "fn f() {}\n"), 1);
    assert_eq!(faults("crates/a/src/b/tests.rs", "fn f() {}\n"), 0);
}

#[test]
fn a_file_has_an_end() {
    let long = format!("//! Long.\n{}", "fn f() {}\n".repeat(600));
    assert_eq!(faults("crates/a/src/b.rs", &long), 1);
    assert_eq!(faults("crates/a/src/b/tests.rs", &long), 0);
    assert!(size("picture.png", 500 * 1024).is_some());
    assert!(size("Cargo.lock", 500 * 1024).is_none());
}

#[test]
fn names_say_something() {
    for name in ["crates/a/src/util.rs", "crates/a/src/helpers/x.rs"] {
        assert_eq!(faults(name, "//! Doc.\n"), 1, "{name}");
    }
    assert_eq!(faults("crates/a/src/utility_bill.rs", "//! Doc.\n"), 0);
}

#[test]
fn unfinished_work_is_found() {
    for word in ["FIX", "TO"].iter().zip(["ME", "DO:"]).map(|(a, b)| format!("{a}{b}")) {
        assert_eq!(faults("crates/a/src/b.rs", &format!("//! Doc.\n// {word} later\n")), 1);
    }
}

#[test]
fn places_of_one_machine_are_found() {
    let folder = ["/ro", "ot/x"].concat();
    assert_eq!(faults("README.md", &format!("see {folder}\n")), 1);
    assert_eq!(faults("README.md", &format!("see target{folder}\n")), 0);
    assert_eq!(faults("docs/a.md", &["from pypi", ".org"].concat()), 1);
}
