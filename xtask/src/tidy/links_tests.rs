use super::super::proofs::Source;
use super::check;

fn faults(page: &str) -> Vec<String> {
    let other =
        Source { name: "docs/deep/other.md", text: "# `One` two\n```\n# no heading\n```\n" };
    let pages = [Source { name: "docs/page.md", text: page }, other];
    let names = ["docs/page.md", "docs/deep/other.md", "README.md", "crates/policy/Cargo.toml"];
    check(&pages, &names.map(str::to_owned))
}

#[test]
fn links_that_lead_somewhere_are_left_alone() {
    let page = "# Here\n[a](deep/other.md#one-two) [b](../README.md) [c](../crates/policy) [d](#here)\n\
                [e](https://example.com/x) `[f](` and [g](not a link)\n```\n[h](nowhere.md)\n```\n";
    assert_eq!(faults(page), [""; 0]);
}

#[test]
fn links_that_lead_nowhere_are_named_with_their_line() {
    let page = "[a](other.md)\n[b](deep/other.md#no-heading)\n[c](#there)\n[d](../../README.md)\n";
    let found = faults(page);
    assert_eq!(found.len(), 3, "{found:?}");
    assert_eq!(found[0], "docs/page.md:1: `other.md` leads nowhere");
    assert_eq!(found[1], "docs/page.md:2: docs/deep/other.md has no heading `#no-heading`");
    assert_eq!(found[2], "docs/page.md:3: docs/page.md has no heading `#there`");
}
