use super::{Named, Source, check, quoted};

/// The faults of a page with all advisories and these lines, which begin at line 27.
fn faults(lines: &str) -> Vec<String> {
    let rows: Vec<String> = (1..=26).map(|n| format!("| G{n} | a | OWN-A |\n")).collect();
    let page = rows.concat() + lines;
    check(&[
        Source { name: "docs/regressions.md", text: &page },
        Source { name: "tests/it/tests/it/regressions/lists.rs", text: "fn it_holds_as_ever() {}" },
        Source { name: "tests/it/tests/it/crash.rs", text: "fn nothing_that_was_said() {}" },
        Source { name: "tests/it/cases/z.jsonl", text: "{\"id\":\"OWN-A-001\"}" },
    ])
}

#[test]
fn what_exists_may_be_named_in_every_way() {
    let lines = "| what broke | what keeps it out |\n|---|---|\n\
        | `false` hints of a `/mcp/{id}` | `lists::it_holds_as_ever`, `nothing_that_was_said` |\n\
        | more | `crash`; `tests/it/tests/it/crash.rs` |\n\
        | a case | OWN-A-001 to 007 |\n\
        | nothing | Cannot apply: there is no such thing |\n";
    assert_eq!(faults(lines), Vec::<String>::new());
}

#[test]
fn what_does_not_exist_is_a_fault() {
    for gone in
        ["crash::it_held_as_ever", "it_held_as_ever_and_ever", "crash.rs", "clash", "OWN-A-002"]
    {
        let name = gone.split("::").last().unwrap_or_default();
        let lines = format!("| a | `{gone}` {gone} |\n");
        let told = faults(&lines);
        assert!(
            told.contains(&format!("docs/regressions.md:27: there is no `{name}`")),
            "{told:?}"
        );
    }
    assert_eq!(faults("| a | of course |\n").len(), 1);
}

#[test]
fn a_missing_row_or_page_is_a_fault() {
    assert_eq!(check(&[]), ["docs/regressions.md: the page is missing"]);
    let few = [Source { name: "docs/regressions.md", text: "| G1 | a | Cannot apply: no |\n" }];
    assert_eq!(check(&few).len(), 25);
    assert_eq!(quoted("`a_b` and `x y`").collect::<Vec<_>>(), [Named::Module("a_b")]);
}
