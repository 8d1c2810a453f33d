//! The commands, from their recorded help. What every command takes stands once, with the program's own help.

use super::put;

/// The page.
pub(super) fn page(help: &str) -> String {
    let about = "What each command prints for `--help`. Every command also takes the options for the log, which stand \
                 once, at the top.";
    let mut page = super::headed("Commands", super::HELP, about);
    for (at, (name, text)) in sections(help).into_iter().enumerate() {
        let shown = if at == 0 { text } else { without_what_all_take(&text) };
        put(&mut page, format_args!("## {name}\n\n```text\n{}\n```\n\n", shown.trim_end()));
    }
    page
}

/// The commands and what they print.
fn sections(help: &str) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    for line in help.lines() {
        let command = line
            .strip_prefix("$ ")
            .and_then(|asked| asked.strip_suffix(" --help"))
            .map(str::to_owned);
        match (command, found.last_mut()) {
            (Some(command), _) => found.push((command, String::new())),
            (None, Some((_name, text))) => {
                text.push_str(line);
                text.push('\n');
            }
            (None, None) => {}
        }
    }
    found
}

/// Leaves out the block `Log:` and the entry of `--help`, and a heading that then heads nothing.
fn without_what_all_take(text: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut inside = false;
    for paragraph in text.trim_end().split("\n\n") {
        let begins = paragraph.starts_with("Log:\n");
        inside = begins || (inside && paragraph.starts_with("  "));
        if inside {
            continue;
        }
        let entry = paragraph.trim_start_matches("Options:\n").trim_start();
        if !entry.starts_with("-h, --help") {
            kept.push(paragraph);
        }
    }
    kept.join("\n\n")
}
