use proptest::prelude::*;

use crate::clients::wrap::{Front, Target, WrapError, unwrap, wrap};
use crate::clients::{Format, quote};

fn front() -> Vec<String> {
    ["run", "--policy", "/p/it's \"x\".json", "--server-name", "a"].map(str::to_owned).to_vec()
}

fn target<'a>(format: Format, containers: &'a [&'a [&'a str]]) -> Target<'a> {
    Target { format, containers, server: "x", project: None }
}

const JSON: &[&[&str]] = &[&["mcpServers"]];
const TOML: &[&[&str]] = &[&["mcp_servers"]];
const YAML: &[&[&str]] = &[&["extensions"]];

fn containers(format: Format) -> &'static [&'static [&'static str]] {
    match format {
        Format::Json => JSON,
        Format::Toml => TOML,
        Format::Yaml => YAML,
    }
}

fn round(format: Format, text: &str) -> Result<String, WrapError> {
    let arguments = front();
    let front = Front { program: "portcullis", arguments: &arguments };
    let wrapped = wrap(text, target(format, containers(format)), front)?;
    assert_ne!(wrapped, text);
    assert_eq!(unwrap(&wrapped, target(format, containers(format))).unwrap(), text, "{wrapped}");
    let again = wrap(&wrapped, target(format, containers(format)), front);
    assert_eq!(again, Err(WrapError::AlreadyWrapped("x".to_owned())));
    Ok(wrapped)
}

#[test]
fn a_wrapped_entry_reads_as_expected() {
    let text = "{\n  // mine\n  \"mcpServers\": { \"x\": { \"command\": \"npx\", \"args\": [\"-y\", \"s\"] } }\n}\n";
    let front_words: Vec<String> =
        vec!["run".to_owned(), "--server-name".to_owned(), "x".to_owned()];
    let front = Front { program: "portcullis", arguments: &front_words };
    let wrapped = wrap(text, target(Format::Json, JSON), front).unwrap();
    assert_eq!(
        wrapped,
        "{\n  // mine\n  \"mcpServers\": { \"x\": { \"command\": \"portcullis\", \"args\": [\"run\", \
         \"--server-name\", \"x\", \"--\", \"npx\", \"-y\", \"s\"] } }\n}\n"
    );
}

#[test]
fn every_way_to_write_an_entry_goes_there_and_back() {
    let json = [
        r#"{"mcpServers":{"x":{"command":"npx"}}}"#,
        r#"{"mcpServers":{"x":{"command":"npx","args":[]}}}"#,
        r#"{"mcpServers":{"x":{"args":[],"command":"npx"}}}"#,
        r#"{"mcpServers":{"x":{"command":"npx","args":[ ]}}}"#,
        r#"{"mcpServers":{"x":{"command":"n\u0070x","args":["a"]}}}"#,
        "{\"mcpServers\":{\"x\":{\"command\":\"npx\",\"args\":[// c\n\"a\" /* d */, \"b\",\n]}}}",
        "{\"mcpServers\":{\"x\":{\"command\":\"npx\" // c\n,\"args\":[\n\t\"a\"\n]}}}",
        r#"{"mcpServers":{"x":{"command":"npx",}}}"#,
        r#"{"mcpServers":{"x":{"command":["npx","-y"]}}}"#,
        r#"{"mcpServers":{"x":{"command":{"path":"npx","args":["a"]}}}}"#,
        "{\"mcpServers\":{\"x\":{\"command\":\"npx\",\"args\":[\"--\",\"a\"]}}}\r\n",
    ];
    for text in json {
        round(Format::Json, text).unwrap_or_else(|error| panic!("{text}: {error}"));
    }
    let toml = [
        "[mcp_servers.x]\ncommand = \"npx\"\n",
        "[mcp_servers.x]\ncommand = 'npx' # c",
        "[mcp_servers.x]\ncommand = \"npx\"\nargs = [\n  \"a\", # c\n  'b',\n]\nenv = {}\n",
        "[mcp_servers]\nx = { command = \"npx\" }\n",
        "[mcp_servers]\nx = { command = \"npx\", args = [] }\n",
        "[[mcp_servers]]\nname = \"x\"\ncommand = \"npx\"\n[[mcp_servers]]\nname = \"y\"\n",
    ];
    for text in toml {
        round(Format::Toml, text).unwrap_or_else(|error| panic!("{text}: {error}"));
    }
    let yaml = [
        "extensions:\n  x:\n    cmd: npx\n",
        "extensions:\n  x:\n    cmd: npx # c\n    envs: {}\n",
        "extensions:\n  x:\n    cmd: \"npx\"\n    args:\n      - a # c\n      - 'b'\n",
        "extensions:\n  x:\n    args:\n    - a\n    cmd: npx\n",
        "extensions:\n  x:\n    cmd: npx\n    args: []\n",
        "extensions:\n  x:\n    cmd: npx\n    args: [a, b]\n",
        "extensions:\n  x:\n    cmd: 'n''px'  # 'c'\n    args: [\"a\\\"\" , b] # \"\n",
        "extensions: {x: {cmd: npx, args: [a]}}\n",
        "extensions: {x: {cmd: npx}}\n",
        "extensions:\n  - name: x\n    command: npx\n",
        "# \u{e9}\u{1f512}\nextensions:\n  - command: npx\n    name: x\n    args:\n      - \u{e9}\n",
    ];
    for text in yaml {
        round(Format::Yaml, text).unwrap_or_else(|error| panic!("{text}: {error}"));
    }
}

#[test]
fn what_is_not_understood_stays_as_it_is() {
    let refused = |text: &str| round(Format::Json, text).unwrap_err();
    let name = || "x".to_owned();
    assert_eq!(refused(r#"{"mcpServers":{}}"#), WrapError::NotFound(name()));
    assert_eq!(refused(r#"{"mcpServers":{"x":{"url":"u"}}}"#), WrapError::NotAProgram(name()));
    let twice = r#"{"mcpServers":{"x":{"command":"a"},"x":{"command":"b"}}}"#;
    assert_eq!(refused(twice), WrapError::Ambiguous(name()));
    let strange = [
        r#"{"mcpServers":{"x":{"command":"a","command":"b"}}}"#,
        r#"{"mcpServers":{"x":{"command":"a","args":["b",1]}}}"#,
        r#"{"mcpServers":{"x":{"command":"a","args":"b"}}}"#,
        r#"{"mcpServers":{"x":{"command":7}}}"#,
    ];
    for text in strange {
        assert_eq!(refused(text), WrapError::NotUnderstood(name()), "{text}");
    }
    assert!(matches!(refused("{"), WrapError::Syntax(_)));
    let by_hand = r#"{"mcpServers":{"x":{"command":"portcullis","args":["connect","u"]}}}"#;
    let unwrapped = unwrap(by_hand, target(Format::Json, JSON));
    assert_eq!(unwrapped, Err(WrapError::NotWrapped(name())));
    let dotted = "mcp_servers.x.command = \"npx\"\n[mcp_servers.y]\ncommand = \"a\"\n";
    assert_eq!(round(Format::Toml, dotted).unwrap_err(), WrapError::NotUnderstood(name()));
}

#[test]
fn one_of_several_projects_is_named() {
    let text = r#"{"projects":{"/a":{"mcpServers":{"x":{"command":"a"}}},"/b":{"mcpServers":{"x":{"command":"b"}}}}}"#;
    let containers: &[&[&str]] = &[&["projects", "*", "mcpServers"]];
    let words = front();
    let front = Front { program: "portcullis", arguments: &words };
    let target = Target { format: Format::Json, containers, server: "x", project: None };
    assert_eq!(wrap(text, target, front), Err(WrapError::Ambiguous("x".to_owned())));
    let wrapped = wrap(text, Target { project: Some("/b"), ..target }, front).unwrap();
    assert!(wrapped.starts_with(r#"{"projects":{"/a":{"mcpServers":{"x":{"command":"a"}}}"#));
}

/// White space and comments between the parts of JSON.
fn gap() -> impl Strategy<Value = String> {
    let pieces = prop::sample::select(vec![
        "",
        " ",
        "\n",
        "\t",
        "\r\n",
        "  \n\t",
        "/* [\"c\"] */",
        "// {x\n",
        " /**/ ",
    ]);
    prop::collection::vec(pieces, 0..3).prop_map(|pieces| pieces.concat())
}

fn any_json() -> impl Strategy<Value = String> {
    let words = prop::collection::vec("[ -~\u{e9}\u{1f512}]{0,6}", 0..4);
    let gaps = prop::collection::vec(gap(), 24);
    let shape = (any::<bool>(), any::<bool>(), any::<bool>(), "[!-~]{1,8}");
    (words, gaps, shape).prop_map(|(words, gaps, (args_first, has_args, trailing, program))| {
        let mut gaps = gaps.into_iter().cycle();
        let mut gap = || gaps.next().unwrap();
        let literal = |word: &str| quote::string(Format::Json, word);
        let mut list = format!("[{}", gap());
        for (at, word) in words.iter().enumerate() {
            let comma = if at + 1 < words.len() || trailing { "," } else { "" };
            list.extend([literal(word), gap(), comma.to_owned(), gap()]);
        }
        list.push(']');
        let command = format!("\"command\"{}:{}{}", gap(), gap(), literal(&program));
        let args = format!("\"args\"{}:{}{list}", gap(), gap());
        let members = match (has_args, args_first) {
            (false, _) => vec![command],
            (true, true) => vec![args, command],
            (true, false) => vec![command, args],
        };
        let entry = members.join(&format!("{},{}", gap(), gap()));
        let rest = format!("\"env\":{{\"K\":\"v\"}}{}", gap());
        format!(
            "{}{{\"mcpServers\":{{{}\"x\":{{{}{entry}{},{rest}}}}}}}{}",
            gap(),
            gap(),
            gap(),
            gap(),
            gap()
        )
    })
}

proptest! {
    #[test]
    fn random_json_goes_there_and_back(text in any_json()) {
        let done = round(Format::Json, &text);
        prop_assert!(
            done.is_ok() || matches!(done, Err(WrapError::AlreadyWrapped(_))),
            "{text}: {done:?}"
        );
    }

    #[test]
    fn random_text_is_never_damaged(text in "[ -~\n]{0,80}", toml in any::<bool>()) {
        let format = if toml { Format::Toml } else { Format::Yaml };
        // Nothing but an error or the very text: `round` asserts it.
        drop(round(format, &text));
        drop(round(Format::Json, &text));
    }

    #[test]
    fn random_toml_and_yaml_go_there_and_back(
        program in "[ -~]{1,8}",
        words in prop::collection::vec("[ -~\u{e9}]{0,6}", 0..4),
        flow in any::<bool>(),
        comment in "[ -~]{0,10}",
    ) {
        let list = |format| {
            let items: Vec<String> = words.iter().map(|w| quote::string(format, w)).collect();
            items.join(", ")
        };
        let toml = format!(
            "# {comment}\n[mcp_servers.x]\ncommand = {} # {comment}\nargs = [{}]\n",
            quote::string(Format::Toml, &program), list(Format::Toml)
        );
        let done = round(Format::Toml, &toml);
        prop_assert!(done.is_ok(), "{toml}: {done:?}");
        let args = if flow || words.is_empty() {
            format!("    args: [{}]\n", list(Format::Yaml))
        } else {
            let lines = words.iter().map(|w| format!("      - {} # {comment}\n", quote::string(Format::Yaml, w)));
            format!("    args:\n{}", lines.collect::<String>())
        };
        let yaml = format!(
            "extensions:\n  x:\n    cmd: {} # {comment}\n{args}  y: 1\n",
            quote::string(Format::Yaml, &program)
        );
        let done = round(Format::Yaml, &yaml);
        prop_assert!(done.is_ok(), "{yaml}: {done:?}");
    }
}
