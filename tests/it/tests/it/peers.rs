//! The recorders themselves: a twin that is not lenient would let every bypass case pass, and a
//! strict server that is not strict would blame the gateway.

use it::fixture::ConformanceServer;
use it::recorder::{Fault, Log, Options, Personality, Recorder};
use it::sdk::{Sdk, Visit};
use it::wire::{self, Ask};
use serde_json::json;

const CALL: &str = r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"delete_all","arguments":{}}}"#;

async fn send(recorder: &Recorder, body: &[u8]) -> wire::Answer {
    let token = recorder.options().credential.replace("Bearer ", "");
    let address = recorder.url().replace("http://", "").replace("/mcp", "");
    let ask = Ask::mcp("/mcp", &token, body);
    wire::ask(address.parse().expect("an address"), &ask).await.expect("an answer")
}

async fn lenient() -> (Recorder, Log) {
    let log = Log::default();
    let options = Options::strict("alpha").reading(Personality::Lenient);
    (Recorder::start(options, log.clone()).await, log)
}

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

#[tokio::test]
async fn the_twin_runs_what_no_careful_server_would() {
    let (recorder, log) = lenient().await;
    let duplicate = CALL.replace(r#""name":"#, r#""name":"delete_all","name":"#);
    let twice = format!("[{CALL},{CALL}]");
    let bodies: Vec<(&str, Vec<u8>, usize)> = vec![
        ("plain", CALL.into(), 1),
        ("marked", [b"\xef\xbb\xbf".as_slice(), CALL.as_bytes()].concat(), 1),
        ("utf-16", utf16(CALL), 1),
        ("duplicate", duplicate.into_bytes(), 1),
        ("batch", twice.into_bytes(), 2),
        ("two documents", format!("{CALL}\n{CALL}").into_bytes(), 2),
        ("keys in capitals", CALL.replace("method", "METHOD").into_bytes(), 1),
        ("no id", CALL.replace(r#""id":7,"#, "").into_bytes(), 1),
        ("name in capitals", CALL.replace("delete_all", " DELETE_ALL\\u200b").into_bytes(), 1),
        ("name with a prefix", CALL.replace("delete_all", "alpha__delete_all").into_bytes(), 1),
        ("method in capitals", CALL.replace("tools/call", "Tools/Call").into_bytes(), 1),
        ("alias", CALL.replace("tools/call", "tools/execute").into_bytes(), 1),
        ("comment", CALL.replace("{}", "{/* x */}").into_bytes(), 1),
        ("trailing comma", CALL.replace("{}", "{},").into_bytes(), 1),
        ("single quotes", CALL.replace('"', "'").into_bytes(), 1),
    ];
    for (what, body, runs) in bodies {
        let before = log.executed_count();
        send(&recorder, &body).await;
        let ran = log.tools_after(before);
        assert_eq!(ran, vec!["delete_all"; runs], "{what}");
    }
}

#[tokio::test]
async fn the_strict_server_refuses_all_of_that() {
    let log = Log::default();
    let recorder = Recorder::start(Options::strict("alpha"), log.clone()).await;
    let duplicate = CALL.replace(r#""name":"#, r#""name":"delete_all","name":"#);
    for body in [utf16(CALL), duplicate.into(), format!("[{CALL}]").into(), CALL[1..].into()] {
        assert_eq!(send(&recorder, &body).await.status, 400);
    }
    assert_eq!(log.executed_count(), 0);
    assert_eq!(send(&recorder, CALL.as_bytes()).await.status, 200);
    assert_eq!(log.tools_after(0), ["delete_all"]);
}

#[tokio::test]
async fn a_fault_happens_after_the_call_ran() {
    let log = Log::default();
    let recorder = Recorder::start(Options::strict("alpha"), log.clone()).await;
    recorder.set_fault(Fault::parse("rpcerr:-32603"));
    let reply = send(&recorder, CALL.as_bytes()).await.reply();
    assert_eq!(reply["error"]["code"], json!(-32603));
    recorder.set_fault(Some(Fault::Status(503)));
    assert_eq!(send(&recorder, CALL.as_bytes()).await.status, 503);
    recorder.set_fault(None);
    recorder.change_tool("pay");
    assert_eq!(log.executed_count(), 2);
}

#[tokio::test]
async fn nobody_gets_in_without_the_credential() {
    let log = Log::default();
    let recorder = Recorder::start(Options::strict("alpha"), log.clone()).await;
    let address = recorder.url().replace("http://", "").replace("/mcp", "");
    let ask = Ask::mcp("/mcp", "somebody-elses", CALL);
    let answer = wire::ask(address.parse().expect("an address"), &ask).await.expect("an answer");
    assert_eq!(answer.status, 401);
    assert!(!log.requests()[0].credential);
    assert_eq!(log.executed_count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_sdk_finds_its_way_to_every_server() {
    let log = Log::default();
    let recorder = Recorder::start(Options::strict("alpha").stateful(), log.clone()).await;
    let fixture = ConformanceServer::start().await;
    let token = recorder.options().credential.replace("Bearer ", "");
    let call = |name: &str| json!({ "name": name, "arguments": {} });
    let to_recorder = Visit {
        url: recorder.url(),
        token,
        first: call("read_item"),
        second: call("no_such_tool"),
    };
    let to_fixture = Visit {
        url: format!("http://127.0.0.1:{}/mcp", fixture.port()),
        first: call("test_simple_text"),
        ..to_recorder.clone()
    };
    for sdk in Sdk::ALL {
        for (visit, tool) in [(&to_recorder, "read_item"), (&to_fixture, "test_simple_text")] {
            let found = sdk.make(visit).await;
            assert!(found["tools"].to_string().contains(tool), "{sdk:?}: {found}");
            assert!(found["first"].get("result").is_some(), "{sdk:?}: {found}");
            assert!(found["second"].get("error").is_some(), "{sdk:?}: {found}");
        }
    }
    assert_eq!(log.executed_count(), 3);
}
