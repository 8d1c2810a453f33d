use super::*;

fn strip_text(body: &str, site: CapabilitySite, forbid: &[Capability]) -> String {
    String::from_utf8(
        strip_capabilities(&Bytes::from(body.to_owned()), site, forbid).unwrap().to_vec(),
    )
    .unwrap()
}

const OPEN: &str = r#"{"id":1, "params":{"capabilities":{ "roots":{"listChanged":true} , "sampling":{}, "elicitation":{"form":{},"url":{}},"x":1.0}},"jsonrpc":"2.0"}"#;

#[test]
fn takes_capabilities_out() {
    let forbid =
        |paths: &[&[&str]]| paths.iter().map(|path| Capability::new(path)).collect::<Vec<_>>();
    let client = |paths| strip_text(OPEN, CapabilitySite::Client, &forbid(paths));
    assert_eq!(client(&[&["roots"]]), OPEN.replace(r#""roots":{"listChanged":true} , "#, ""));
    assert_eq!(client(&[&["sampling"]]), OPEN.replace(r#" , "sampling":{}"#, ""));
    assert_eq!(
        client(&[&["sampling"], &["roots"]]),
        OPEN.replace(r#""roots":{"listChanged":true} , "sampling":{}, "#, "")
    );
    assert_eq!(client(&[&["elicitation", "url"]]), OPEN.replace(r#","url":{}"#, ""));
    assert_eq!(
        client(&[&["elicitation"], &["elicitation", "url"]]),
        OPEN.replace(r#", "elicitation":{"form":{},"url":{}}"#, "")
    );
    assert_eq!(client(&[&["tasks"], &["roots", "x", "y"], &[]]), OPEN);
    assert_eq!(strip_text(OPEN, CapabilitySite::Server, &forbid(&[&["roots"]])), OPEN);
}

#[test]
fn takes_extensions_out_of_both_sides() {
    let discover = r#"{"jsonrpc":"2.0","id":1,"result":{"capabilities":{"extensions":{"io.modelcontextprotocol/tasks":{},"a/b":{}}}}}"#;
    let tasks = [Capability::extension("io.modelcontextprotocol/tasks")];
    assert_eq!(
        strip_text(discover, CapabilitySite::Server, &tasks),
        discover.replace(r#""io.modelcontextprotocol/tasks":{},"#, "")
    );
    let call = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":{"io.modelcontextprotocol/clientCapabilities":{"extensions":{"io.modelcontextprotocol/t\u0061sks":{}}}}}}"#;
    assert_eq!(
        strip_text(call, CapabilitySite::ClientMeta, &tasks),
        call.replace(r#""io.modelcontextprotocol/t\u0061sks":{}"#, "")
    );
}

#[test]
fn puts_capabilities_in() {
    let set = |body: &str, path: &[&str], value: &str| {
        let changed = set_capability(
            &Bytes::from(body.to_owned()),
            CapabilitySite::Server,
            &Capability::new(path),
            value,
        )
        .unwrap();
        String::from_utf8(changed.to_vec()).unwrap()
    };
    let body = |capabilities: &str| {
        format!(r#"{{"id":1,"result":{{"capabilities":{capabilities},"x":1.0}}}}"#)
    };
    assert_eq!(
        set(&body("{}"), &["tools", "listChanged"], "true"),
        body(r#"{"tools":{"listChanged":true}}"#)
    );
    assert_eq!(
        set(&body(r#"{"tools":{}}"#), &["tools", "listChanged"], "true"),
        body(r#"{"tools":{"listChanged":true}}"#)
    );
    assert_eq!(
        set(&body(r#"{"tools":{"listChanged": false}}"#), &["tools", "listChanged"], "true"),
        body(r#"{"tools":{"listChanged": true}}"#)
    );
    assert_eq!(
        set(&body(r#"{"tools":1,"a":2}"#), &["tools", "listChanged"], "true"),
        body(r#"{"tools":{"listChanged":true},"a":2}"#)
    );
    assert_eq!(
        set(&body(r#"{"a":2}"#), &["extensions", "x/y"], "{}"),
        body(r#"{"extensions":{"x/y":{}},"a":2}"#)
    );
    assert_eq!(set(&body("7"), &["tools"], "{}"), body("7"));
}
