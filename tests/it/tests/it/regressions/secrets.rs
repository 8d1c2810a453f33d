//! What must stop a start rather than be guessed: secrets that are not there, policies with mistakes,
//! and settings that would quietly open a door.

use std::process::Output;

use it::places;
use tokio::process::Command;

/// A configuration that is good but for what a test changes.
fn sound(listen: &str, header: &str, token: &str) -> String {
    format!(
        "data_dir = \"data\"\npublic_url = \"http://127.0.0.1:8420\"\n\
         [listen]\ngateway = \"{listen}:0\"\nconsole = \"127.0.0.1:0\"\n\
         [[server]]\nslug = \"pay\"\nurl = \"http://127.0.0.1:9/mcp\"\nallow_private_address = true\n\
         headers = {{ Authorization = \"{header}\" }}\n\
         [[policy]]\nname = \"pay\"\nserver = \"pay\"\nfile = \"pay.policy.json\"\n\
         [[grant]]\nlabel = \"agent\"\nserver = \"pay\"\npolicy = \"pay\"\ntoken = \"{token}\"\n"
    )
}

const POLICY: &str = r#"{"version":"1","default":"deny","tools":{}}"#;
const VALUE: &str = "value-that-must-not-be-shown";

/// Starts the gateway with that configuration, and waits for it to give up.
async fn refused(configuration: &str, policy: &str) -> Output {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("portcullis.toml"), configuration).expect("a file");
    std::fs::write(folder.path().join("pay.policy.json"), policy).expect("a file");
    let run = Command::new(places::binary("portcullis"))
        .args(["serve", "--config"])
        .arg(folder.path().join("portcullis.toml"))
        .current_dir(folder.path())
        .env_clear()
        .env("PAY_KEY", VALUE)
        .env("AGENT_TOKEN", "token-of-the-grant-agent")
        .kill_on_drop(true)
        .output();
    it::wait::bounded("a refused start", run).await.expect("it runs")
}

fn words(output: &Output) -> String {
    let both = [output.stdout.clone(), output.stderr.clone()].concat();
    String::from_utf8_lossy(&both).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_name_of_a_secret_is_a_name_and_no_pattern() {
    for name in
        ["*", "**", "PAY_*", "PAY_KE?", "pay_key", "PAY_KEY ", "", "${PAY_KEY}", "PAY_KEY,HOME"]
    {
        let configuration = sound("127.0.0.1", &format!("env:{name}"), "env:AGENT_TOKEN");
        let output = refused(&configuration, POLICY).await;
        assert_eq!(output.status.code(), Some(2), "{name}: {}", words(&output));
        assert!(!words(&output).contains(VALUE), "{name}: {}", words(&output));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_whose_token_is_not_set_stops_the_start() {
    for token in ["env:NOT_SET", "file:not-there", "short", "", "with a space in between it"] {
        let output = refused(&sound("127.0.0.1", "env:PAY_KEY", token), POLICY).await;
        assert_eq!(output.status.code(), Some(2), "{token}: {}", words(&output));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_in_the_file_is_refused_where_others_can_connect() {
    let literal = "literal-token-of-the-agent";
    let output = refused(&sound("0.0.0.0", "env:PAY_KEY", literal), POLICY).await;
    assert_eq!(output.status.code(), Some(2), "{}", words(&output));
    assert!(!words(&output).contains(literal), "{}", words(&output));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_with_a_mistake_stops_the_start_rather_than_being_left_out() {
    let mistakes = [
        "",
        "{}",
        "null",
        r#"{"version":"1","default":"deny","tools":{"pay":{"deny_iff":[]}}}"#,
        r#"{"version":"1","default":"deny","tools":{"pay":{},"pay":{"action":"deny"}}}"#,
        r#"{"version":"1","default":"deny","tools":{"pay":{"require":[{"conditions":[{"path":"tool.nmae","op":"eq","value":1}]}]}}}"#,
        r#"{"version":"1","default":"deny","tools":{},"resources":{"a":{"deny_if":[{"conditions":[{"path":"tool.name","op":"eq","value":"x"}]}]}}}"#,
    ];
    for policy in mistakes {
        let output = refused(&sound("127.0.0.1", "env:PAY_KEY", "env:AGENT_TOKEN"), policy).await;
        let code = output.status.code();
        assert!(code == Some(2) || code == Some(3), "{policy}: {code:?} {}", words(&output));
    }
}
