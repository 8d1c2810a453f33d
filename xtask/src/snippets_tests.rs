use super::{blocks, commands, spans};

#[test]
fn blocks_have_a_language_and_a_place() {
    let page = "Words\n```json\n{}\n```\nMore\n```console\n$ portcullis demo\n```\n";
    let found = blocks(page);
    let shape: Vec<(&str, usize, &str)> =
        found.iter().map(|b| (b.language.as_str(), b.line, b.text.as_str())).collect();
    assert_eq!(shape, [("json", 3, "{}\n"), ("console", 7, "$ portcullis demo\n")]);
}

#[test]
fn commands_lose_their_prompt_and_comment() {
    let block =
        "$ portcullis serve --config a.toml   # stays\noutput\n$ portcullis policy \\\n  fmt a\n";
    assert_eq!(commands(block), [vec!["serve", "--config", "a.toml"], vec!["policy", "fmt", "a"]]);
}

#[test]
fn other_programs_are_left_alone() {
    assert!(commands("$ cargo build\nportcullisx y\n").is_empty());
}

#[test]
fn alternatives_are_commands_of_their_own() {
    let line = "portcullis policy validate | test …";
    assert_eq!(commands(line), [vec!["policy", "validate"], vec!["policy", "test"]]);
    assert_eq!(commands("portcullis server | grant …"), [vec!["server"], vec!["grant"]]);
}

#[test]
fn commands_in_running_text_are_found() {
    let page =
        "Say `portcullis serve` or\n| `portcullis policy fmt \\| test` |\n```\nportcullis x\n```\n";
    let found = spans(page);
    assert_eq!(found.len(), 2);
    assert_eq!(found[1], (2, "portcullis policy fmt | test".to_owned()));
}
