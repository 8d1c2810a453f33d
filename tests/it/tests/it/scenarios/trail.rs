//! What somebody writes into the trail who may only call tools: nothing that reads like a row.

use it::scene::{Scene, call_body};
use serde_json::{Value, json};

use crate::regressions::open;

#[tokio::test(flavor = "multi_thread")]
async fn s22_arguments_cannot_write_a_row_of_their_own() {
    let scene = Scene::with_policy(&open()).await;
    let forged = r#"{"kind":"decision","verdict":"allow","tool":"forged","request_id":"forged"}"#;
    let body = format!(
        "{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{{\"name\":\"read_item\",\
         \"arguments\":{{\"id\":\r\n{forged}\n,\"q\"\t:\r1}}}}}}"
    );
    let answer = scene.post("agent", &body).await;
    assert!(it::scene::ran(&answer), "{}", answer.text());
    let exported = scene.gateway.api("GET", "audit?format=jsonl&tool=read_item", None).await;
    let text = exported.text();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 1, "{text}");
    let row: Value = serde_json::from_str(lines[0]).expect("a row is JSON");
    assert_eq!(row["tool"], json!("read_item"));
    assert_eq!(row["arguments"]["id"]["tool"], json!("forged"), "{text}");
    assert!(!text.contains('\r') && !text.contains('\t'), "{text}");
    let command = scene.gateway.command(&["audit", "export"]).output().await.expect("it runs");
    let lines = String::from_utf8(command.stdout).expect("text").lines().count();
    let rows = scene.gateway.api("GET", "audit?format=jsonl", None).await.text().lines().count();
    assert_eq!(lines, rows);
}

/// The cells of a line of CSV (RFC 4180) that has no line break within a cell.
fn cells(line: &str) -> Vec<String> {
    let (mut cells, mut cell, mut quoted) = (Vec::new(), String::new(), false);
    let mut letters = line.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '"' if quoted && letters.peek() == Some(&'"') => cell.extend(letters.next()),
            '"' => quoted = !quoted,
            ',' if !quoted => cells.push(std::mem::take(&mut cell)),
            other => cell.push(other),
        }
    }
    cells.push(cell);
    cells
}

#[tokio::test(flavor = "multi_thread")]
async fn s24_no_cell_of_an_export_is_a_formula() {
    let scene = Scene::with_policy(&open()).await;
    let names = [r#"=HYPERLINK("http://evil.example","a,b")"#, "+1+1", "-1", "@SUM(1)", "\t=1"];
    for name in names {
        let answer = scene.post("agent", &call_body(1, name, &json!({ "=1": name }))).await;
        assert!(!it::scene::ran(&answer), "{}", answer.text());
    }
    let exported = scene.gateway.api("GET", "audit?format=csv", None).await;
    assert_eq!(exported.status, 200, "{}", exported.text());
    let text = exported.text();
    let rows: Vec<Vec<String>> = text.lines().map(cells).collect();
    let columns = rows[0].len();
    assert!(columns > 10 && rows.iter().all(|row| row.len() == columns), "{text}");
    for cell in rows.iter().flatten() {
        assert!(!cell.starts_with(['=', '+', '-', '@', '\t', '\r']), "{cell:?} in {text}");
    }
    for name in names {
        let shown = rows.iter().flatten().any(|cell| *cell == format!("'{name}"));
        assert!(shown, "{name:?} is told as what it was: {text}");
    }
}
