use super::{Page, Source, exists, names};

const PAGE: Page = Page { name: "docs/page.md", mark: 'R', rows: &[1..=2] };

fn faults(page: &str) -> Vec<String> {
    let files = [
        Source { name: "docs/page.md", text: page },
        Source { name: "tests/it/tests/it/a/b.rs", text: "async fn it_holds() {}" },
        Source { name: "crates/x/src/y.rs", text: "fn unit() {}\nfn law<T>() {}" },
        Source { name: "tests/it/browser/c.test.mjs", text: "scenario(\"it is seen\", async" },
        Source { name: "tests/it/cases/z.jsonl", text: "{\"id\":\"OWN-A-001\"}" },
    ];
    PAGE.faults(&files)
}

#[test]
fn a_page_whose_tests_exist_is_without_fault() {
    let page = "| | what |\n|---|---|\n\
        | R1 | a | `it/a/b.rs::it_holds`, `OWN-A-001`, `browser/c.test.mjs::it is seen` |\n\
        | R2 | b | `crates/x/src/y.rs::unit`, `crates/x/src/y.rs::law`, `decide` |\n";
    assert_eq!(faults(page), Vec::<String>::new());
}

#[test]
fn a_test_that_does_not_exist_is_a_fault() {
    for gone in [
        "it/a/b.rs::it_held",
        "it/a/c.rs::it_holds",
        "crates/x/src/y.rs::uni",
        "OWN-A-002",
        "browser/c.test.mjs::it is",
    ] {
        let page = format!("| R1 | a | `{gone}` |\n| R2 | b | `OWN-A-001` |\n");
        assert_eq!(faults(&page), [format!("docs/page.md:1: there is no `{gone}`")]);
        let page =
            format!("| R1 | a | `OWN-A-001` |\n| R2 | b | `OWN-A-001` |\n\nAlso `{gone}`.\n");
        assert_eq!(faults(&page), [format!("docs/page.md:4: there is no `{gone}`")]);
    }
}

#[test]
fn a_row_that_is_missing_doubled_or_empty_is_a_fault() {
    assert_eq!(faults("| R1 | a | `OWN-A-001` |\n"), ["docs/page.md: no row R2"]);
    let twice = "| R1 | a | `OWN-A-001` |\n| R1 | a | `OWN-A-001` |\n| R2 | b | `OWN-A-001` |\n";
    assert_eq!(faults(twice), ["docs/page.md:2: R1 has two rows"]);
    let empty = "| R1 | a | `OWN-A-001` |\n| R2 | b | of course |\n";
    assert_eq!(faults(empty), ["docs/page.md:2: R2 names neither a test nor why not"]);
    assert!(
        faults("| R1 | a | `OWN-A-001` |\n| R2 | b | Not proven: no such thing |\n").is_empty()
    );
}

#[test]
fn a_page_that_is_not_there_is_a_fault() {
    assert_eq!(PAGE.faults(&[]), ["docs/page.md: the page is missing"]);
    assert!(!exists("a.rs::b", &[]));
    assert!(names("`a` b `c.rs::d` `OWN-`").len() == 2);
}
