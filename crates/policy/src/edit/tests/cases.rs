//! Case files: a text, an edit, and the text that must come out, byte for byte.

use std::path::Path;

use serde::Deserialize;

use crate::edit::{Edit, apply};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    /// Lines, joined by line feeds.
    text: Vec<String>,
    edit: Edit,
    #[serde(default)]
    expect: Option<Vec<String>>,
    #[serde(default)]
    error: Option<String>,
}

#[test]
fn every_case_comes_out_as_written() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/edit");
    let mut count = 0;
    let mut failures = Vec::new();
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|f| f.unwrap().path()).collect();
    files.sort();
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let cases: Vec<Case> =
            serde_json::from_str(&text).unwrap_or_else(|e| panic!("{file:?}: {e}"));
        for case in cases {
            count += 1;
            let got = apply(&case.text.join("\n"), &case.edit);
            let (text, error) = match &got {
                Ok(edited) => (Some(edited.text.clone()), None),
                Err(error) => (None, Some(error.to_string())),
            };
            let expected = case.expect.as_ref().map(|lines| lines.join("\n"));
            if text != expected || error != case.error {
                let lines = text.as_deref().unwrap_or_default().split('\n').collect::<Vec<_>>();
                let lines = serde_json::to_string_pretty(&lines).unwrap();
                failures.push(format!("{}: {got:?}\n{lines}", case.name));
            }
        }
    }
    assert!(count >= 20, "{count} cases");
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}
