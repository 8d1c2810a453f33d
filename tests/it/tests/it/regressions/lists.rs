//! What is listed: exactly what may be called, as the server wrote it, whatever form the server's
//! answer has.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use it::gateway::Config;
use it::recorder::Options;
use it::scene::{Plan, SERVER, Scene, decision};
use it::wire;
use serde_json::{Value, json};

use super::scripted::{Step, answer, json_answer, tool, usual};
use super::{LIST, Scripted, inspect, names, open};

const SHOWN: &str = r#"{"name":"shown_tool","inputSchema":{"type":"object"}}"#;
const FORBIDDEN: &str = r#"{"name":"forbidden_tool","inputSchema":{"type":"object"}}"#;

/// Whether an agent must get the filtered list, or may as well get an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Proper,
    Odd,
}

fn listed(members: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":"agent-list","result":{{{members}}}}}"#)
}

fn event(body: &str, line_end: &str) -> String {
    format!("event: message{line_end}data: {body}{line_end}{line_end}")
}

fn chunked(head: &str, pieces: &[&str]) -> Vec<Step> {
    let head = format!("HTTP/1.1 {head}\r\nTransfer-Encoding: chunked\r\n\r\n");
    let mut steps = vec![Step::Send(head.into_bytes())];
    for piece in pieces {
        steps.push(Step::Send(format!("{:x}\r\n{piece}\r\n", piece.len()).into_bytes()));
    }
    steps.push(Step::Send(b"0\r\n\r\n".to_vec()));
    steps
}

/// A way to answer a list by which some filter was passed by.
type Variant = (&'static str, Form, Vec<Step>);

const JSON: &str = "200 OK\r\nContent-Type: application/json";
const STREAM: &str = "200 OK\r\nContent-Type: text/event-stream";

fn both() -> String {
    listed(&format!(r#""tools":[{SHOWN},{FORBIDDEN}]"#))
}

/// The answer in two pieces, cut within the forbidden name.
fn halves(both: &str) -> [&str; 2] {
    let (first, second) = both.split_at(both.find("forbidden").expect("it is there") + 3);
    [first, second]
}

fn variants() -> Vec<Variant> {
    [of_heads(), of_events(), of_texts()].concat()
}

/// Other statuses and media types.
fn of_heads() -> Vec<Variant> {
    let both = both();
    let proper = ["Application/JSON", "application/json ; charset=UTF-8"];
    let odd = [
        "201 Created\r\nContent-Type: application/json",
        "203 Other\r\nContent-Type: application/json",
        "206 Partial Content\r\nContent-Type: application/json",
        "299 Fine\r\nContent-Type: application/json",
        "400 Bad Request\r\nContent-Type: application/json",
        "404 Not Found\r\nContent-Type: application/json",
        "200 OK",
        "200 OK\r\nContent-Type: text/plain",
        "200 OK\r\nContent-Type: application/vnd.api+json",
        "200 OK\r\nContent-Type: text/plain\r\nContent-Type: application/json",
        "200 OK\r\nContent-Type: application/json\r\nContent-Encoding: gzip",
    ];
    let proper = proper.map(|kind| {
        let head = format!("200 OK\r\nContent-Type: {kind}");
        (kind, Form::Proper, vec![answer(&head, &both)])
    });
    let odd = odd.map(|head| (head, Form::Odd, vec![answer(head, &both)]));
    let pieces = ("a body in chunks", Form::Proper, chunked(JSON, &halves(&both)));
    proper.into_iter().chain(odd).chain([pieces]).collect()
}

/// Events: cut in pieces, with other line ends, after others, and where none belong.
fn of_events() -> Vec<Variant> {
    use Form::{Odd, Proper};
    let both = both();
    let [first, second] = halves(&both);
    let two_lines = both.replacen(",\"result\"", "\ndata: ,\"result\"", 1);
    let note = r#"{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"a"}}"#;
    let capitals = "200 OK\r\nContent-Type: Text/Event-Stream";
    let whole = |head: &str, body: &str| vec![answer(head, body)];
    let in_pieces = ["event: message\ndata: ", first, second, "\n\n"];
    let after_another = [event(note, "\n"), event(&both, "\n")];
    let after_another = [after_another[0].as_str(), after_another[1].as_str()];
    vec![
        ("an event", Proper, whole(STREAM, &event(&both, "\n"))),
        ("an event with other line ends", Proper, whole(STREAM, &event(&both, "\r\n"))),
        ("an event with bare returns", Proper, whole(STREAM, &event(&both, "\r"))),
        ("an event of two lines", Proper, whole(STREAM, &event(&two_lines, "\n"))),
        ("an event under a type in capitals", Proper, whole(capitals, &event(&both, "\n"))),
        ("an event in chunks", Proper, chunked(STREAM, &in_pieces)),
        ("an event after another", Proper, chunked(STREAM, &after_another)),
        ("an event as JSON", Odd, whole(JSON, &event(&both, "\n"))),
        ("JSON as an event stream", Odd, whole(STREAM, &both)),
        ("an event that never ends", Odd, whole(STREAM, &format!("data: {both}"))),
    ]
}

/// JSON texts that one reader takes for this and another for that.
fn of_texts() -> Vec<Variant> {
    use Form::{Odd, Proper};
    let both = both();
    let beside = |member: &str| both.replacen("\"result\"", &format!("{member},\"result\""), 1);
    let two_names = FORBIDDEN.replacen("\"name\"", "\"name\":\"shown_tool\",\"name\"", 1);
    let texts = [
        ("an escaped id", Proper, both.replace("agent-list", "agent\\u002dlist")),
        ("an escaped name", Proper, both.replace("forbidden_tool", "forbidden\\u005ftool")),
        ("an escaped key", Proper, both.replace("\"tools\"", "\"t\\u006fols\"")),
        ("a mark before it", Odd, format!("\u{feff}{both}")),
        ("a list of answers", Odd, format!("[{both}]")),
        ("two answers", Odd, format!("{both}\n{both}")),
        ("another id", Odd, both.replace("agent-list", "agent-lisT")),
        ("an id in a list", Odd, both.replace("\"agent-list\"", "[\"agent-list\"]")),
        ("no id", Odd, both.replace("\"id\":\"agent-list\",", "")),
        ("a result in capitals", Odd, both.replace("\"result\"", "\"Result\"")),
        ("a second result", Odd, beside("\"Result\":{}")),
        ("an error beside it", Odd, beside("\"error\":{\"code\":1,\"message\":\"a\"}")),
        ("the key twice", Odd, listed(&format!(r#""tools":[{SHOWN}],"tools":[{FORBIDDEN}]"#))),
        ("the key in capitals", Odd, listed(&format!(r#""Tools":[{FORBIDDEN}]"#))),
        (
            "the key in capitals too",
            Odd,
            listed(&format!(r#""tools":[{SHOWN}],"TOOLS":[{FORBIDDEN}]"#)),
        ),
        ("a name twice", Odd, listed(&format!(r#""tools":[{two_names}]"#))),
        ("tools in tools", Odd, listed(&format!(r#""tools":[[{FORBIDDEN}]]"#))),
        ("tools that are an object", Odd, listed(&format!(r#""tools":{{"a":{FORBIDDEN}}}"#))),
    ];
    texts.map(|(what, form, text)| (what, form, vec![json_answer(text)])).into()
}

/// The forbidden name however a client may read it.
fn leaks(text: &str) -> bool {
    let plain = text.replace("\\u005f", "_").replace("\\u005F", "_").to_lowercase();
    plain.contains("forbidden_tool")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_is_filtered_whatever_form_the_servers_answer_has() {
    let turn = Arc::new(AtomicUsize::new(0));
    let now = Arc::clone(&turn);
    let answers: Vec<Vec<Step>> =
        variants().into_iter().map(|(_what, _form, steps)| steps).collect();
    let server = Scripted::start(move |seen| {
        if seen.body["id"] == "agent-list" {
            return answers[now.load(Ordering::SeqCst)].clone();
        }
        usual(seen, &[tool("shown_tool"), tool("forbidden_tool")])
            .unwrap_or_else(|| vec![answer("405 No", "")])
    })
    .await;
    let policy =
        json!({ "version": "1", "default": "allow", "hide": ["forbidden_tool"], "tools": {} });
    let gateway = server.behind(&policy, &["new_tools = \"allow\""]).await;
    let token = Config::token_of("agent");
    let mut wrong = Vec::new();
    for (number, (what, form, _steps)) in variants().into_iter().enumerate() {
        turn.store(number, Ordering::SeqCst);
        let asked = gateway.post("alpha", &token, LIST);
        let answer = it::wait::bounded(what, asked).await;
        let shows = answer.text().contains("shown_tool");
        if leaks(&answer.text()) || (form == Form::Proper && !shows) {
            wrong.push(format!("{what}: {} {}", answer.status, answer.text()));
        }
        if form == Form::Odd && answer.status >= 500 {
            wrong.push(format!("{what}: {}", answer.status));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

async fn listed_is_callable(policy: &Value) {
    let scene = Scene::with_policy(policy).await;
    let shown = names(&scene.post("agent", LIST).await);
    for tool in scene.recorder.tools() {
        let name = tool["name"].as_str().expect("a name");
        let answer = scene.call("agent", name, json!({})).await;
        let reason = decision(&answer)["reason"].clone();
        let unknown = answer.reply()["error"]["code"] == json!(-32602);
        let callable = !unknown && reason != "not_listed" && reason != "hidden";
        assert_eq!(callable, shown.iter().any(|held| held == name), "{name}: {}", answer.text());
    }
    for name in scene.log.tools_after(0) {
        assert!(shown.contains(&name), "{name} ran and is not listed");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_listed_can_be_called_and_what_can_be_called_is_listed() {
    let tools = json!({
        "read_item": {}, "p*": {}, "delete_all": { "action": "deny" },
        "set_role": { "action": "hide" }, "run_sql": { "deny_if": [{ "conditions": [] }] },
        "@financial": { "action": "approve" },
    });
    for default in ["deny", "allow"] {
        let policy = json!({ "version": "1", "default": default, "hide": ["push", "read_f*"], "tools": tools });
        listed_is_callable(&policy).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hint_that_is_false_stays_false_and_one_that_is_absent_stays_absent() {
    let own = r#"{"annotations":{"destructiveHint":false,"readOnlyHint":false,"openWorldHint":null},"name":"hinted","inputSchema":{"type":"object","properties":{}},"icons":[{"src":"ui://icon"}]}"#;
    let bare = r#"{"name":"bare","inputSchema":{"type":"object"}}"#;
    let body = format!(r#"{{"tools":[{own},{bare}]}}"#);
    let server = Scripted::start(move |seen| {
        if seen.method() == "tools/list" {
            let id = seen.body["id"].to_string();
            let whole = format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{body}}}"#);
            return vec![json_answer(whole)];
        }
        usual(seen, &[]).unwrap_or_else(|| vec![answer("405 No", "")])
    })
    .await;
    let gateway = server.behind(&open(), &[]).await;
    let listed = gateway.post("alpha", &Config::token_of("agent"), LIST).await.text();
    assert!(listed.contains(own), "{listed}");
    assert!(listed.contains(bare), "{listed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_uri_of_any_scheme_is_matched_and_passed_as_it_is() {
    let policy = json!({
        "version": "1", "default": "deny", "tools": {},
        "resources": { "ui://widget/main": {}, "ui://widget/list*": {} },
    });
    let scene = Scene::with_policy(&policy).await;
    let read = |uri: &str| {
        json!({ "jsonrpc": "2.0", "id": 1, "method": "resources/read", "params": { "uri": uri } })
            .to_string()
    };
    for (uri, passes) in [
        ("ui://widget/main", true),
        ("ui://widget/list?page=1", true),
        ("ui://widget/mai", false),
        ("ui://widget/main/", false),
        ("alpha__ui://widget/main", false),
    ] {
        let before = scene.log.request_count();
        let answer = scene.post("agent", &read(uri)).await;
        let mut bodies = Vec::new();
        scene.log.each_request_after(before, |request| bodies.push(request.body.clone()));
        let arrived = bodies.iter().any(|body| *body == read(uri).into_bytes());
        assert_eq!((arrived, answer.reply().get("result").is_some()), (passes, passes), "{uri}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn resources_with_different_uris_are_never_one_to_the_policy() {
    let policy = json!({
        "version": "1", "default": "deny", "tools": {},
        "resources": { "db://orders/1": {}, "note:a b": {}, "note:a_b": { "action": "deny" } },
    });
    let scene = Scene::with_policy(&policy).await;
    let uris = [
        ("db://orders/1", true),
        ("db://orders_1", false),
        ("db:::orders:1", false),
        ("db://orders/1 ", false),
        ("DB://orders/1", false),
        ("db://orders/%31", false),
        ("note:a b", true),
        ("note:a_b", false),
        ("note:a%20b", false),
    ];
    for (uri, passes) in uris {
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "resources/read", "params": { "uri": uri } });
        let answer = scene.post("agent", &body.to_string()).await;
        assert_eq!(answer.reply().get("result").is_some(), passes, "{uri}: {}", answer.text());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_of_two_hundred_letters_is_neither_cut_nor_prefixed() {
    let plan = Plan::with(Options::strict(SERVER)).await;
    let mut plan = plan.granting("agent", &open());
    plan.config.servers[0].lines.push("new_tools = \"allow\"".to_owned());
    let scene = plan.start().await;
    let long = "a_long_name_".repeat(17);
    let twin = format!("{long}2");
    scene.recorder.add_tool(&long);
    scene.recorder.add_tool(&twin);
    assert_eq!(inspect(&scene).await.status, 200);
    let listed = names(&scene.post("agent", LIST).await);
    assert!(listed.contains(&long) && listed.contains(&twin), "{listed:?}");
    assert!(it::scene::ran(&scene.call("agent", &long, json!({})).await));
    assert_eq!(scene.log.tools_after(0), [long]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_is_never_seen_half_done() {
    let only = |tool: &str| json!({ "version": "1", "default": "deny", "tools": { tool: {} } });
    let pair = |tool: &str| {
        json!({ "version": "1", "default": "deny", "hide": [if tool == "pay" { "push" } else { "pay" }],
                "tools": { tool: {}, "p*": {} } })
    };
    let mut scene = Plan::plain()
        .await
        .granting("agent", &pair("pay"))
        .granting("other", &only("read_item"))
        .start()
        .await;
    let door = scene.gateway.door;
    let ask = scene.ask("agent", LIST);
    let done = std::sync::atomic::AtomicBool::new(false);
    let load = async {
        let mut seen = Vec::new();
        while !done.load(Ordering::SeqCst) {
            seen.push(names(&wire::ask(door, &ask).await.expect("an answer")));
        }
        seen
    };
    let changes = async {
        for round in 0..10 {
            let tool = if round % 2 == 0 { "push" } else { "pay" };
            scene.gateway.set_policy("agent", &pair(tool));
            scene.gateway.reload().await;
        }
        done.store(true, Ordering::SeqCst);
    };
    let (seen, ()) = tokio::join!(load, changes);
    assert!(!seen.is_empty());
    for names in seen {
        assert!(names == ["pay"] || names == ["push"], "neither the old nor the new: {names:?}");
    }
}
