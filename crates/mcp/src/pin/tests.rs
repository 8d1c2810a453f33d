use super::*;

const TOOL: &str = r#"{"name":"pay","description":"Pays","inputSchema":{"type":"object","properties":{"amount":{"type":"number","maximum":10.0}}},"annotations":{"readOnlyHint":false},"_meta":{"seen":1},"vendor":1}"#;

#[test]
fn pins_a_definition() {
    let pin = definition_pin(TOOL.as_bytes()).unwrap();
    assert_eq!(
        (pin.name.as_str(), pin.title, pin.description.as_deref()),
        ("pay", None, Some("Pays"))
    );
    assert_eq!(
        pin.canonical,
        r#"{"annotations":{"readOnlyHint":false},"description":"Pays","inputSchema":{"properties":{"amount":{"maximum":10,"type":"number"}},"type":"object"},"name":"pay"}"#
    );
    assert!(pin.digest.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')));
    assert_eq!(pin.digest.len(), 64);
    assert_eq!(
        pin.input_schema_raw.as_deref(),
        Some(r#"{"type":"object","properties":{"amount":{"type":"number","maximum":10.0}}}"#)
    );
}

#[test]
fn spelling_does_not_change_the_digest() {
    let digest = |text: &str| definition_pin(text.as_bytes()).unwrap().digest;
    let same = [
        TOOL.replace("10.0", "1e1"),
        TOOL.replace("Pays", "P\\u0061ys"),
        TOOL.replace(":{", ": {\n"),
        TOOL.replace("\"seen\":1", "\"seen\":2"),
        TOOL.replace("\"vendor\":1", "\"vendor\":2"),
    ];
    for text in same {
        assert_eq!(digest(&text), digest(TOOL), "{text}");
    }
    let other = [
        TOOL.replace("10.0", "11"),
        TOOL.replace("Pays", "pays"),
        TOOL.replace("\"name\":\"pay\"", "\"name\":\"pay2\""),
        TOOL.replace("false", "true"),
        TOOL.replace("\"name\"", "\"title\":\"t\",\"name\""),
        TOOL.replace("\"name\"", "\"outputSchema\":{},\"name\""),
        TOOL.replace("\"name\"", "\"icons\":[],\"name\""),
        TOOL.replace("\"name\"", "\"execution\":{},\"name\""),
    ];
    for text in other {
        assert_ne!(digest(&text), digest(TOOL), "{text}");
    }
}

#[test]
fn refuses_ambiguous_and_nameless_definitions() {
    for text in [
        r#"{"name":"a","description":"x","description":"y"}"#,
        r#"{"name":"a","inputSchema":{"type":"object","\u0074ype":"x"}}"#,
    ] {
        assert!(matches!(definition_pin(text.as_bytes()), Err(PinError::Canonical(_))), "{text}");
    }
    for text in [r#"{"description":"x"}"#, r#"{"name":1}"#, "[]", "\"name\""] {
        assert_eq!(definition_pin(text.as_bytes()), Err(PinError::Unnamed), "{text}");
    }
}
