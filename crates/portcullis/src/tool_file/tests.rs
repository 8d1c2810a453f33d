use super::{ToolFileError, parse};

#[test]
fn the_three_forms_are_read() {
    let list = r#"[{"name": "a", "inputSchema": {"type": "object"}, "class": "read"}]"#;
    let answers = [
        list.to_owned(),
        format!(r#"{{"tools": {list}, "nextCursor": "x"}}"#),
        format!(r#"{{"jsonrpc": "2.0", "id": 1, "result": {{"tools": {list}}}}}"#),
    ];
    for text in answers {
        let tools = parse(&text).unwrap();
        assert_eq!(tools.len(), 1, "{text}");
        assert_eq!(tools[0].name, "a");
        assert_eq!(tools[0].input_schema.as_deref(), Some(r#"{"type": "object"}"#));
        assert_eq!(tools[0].class, Some(policy::Class::Read));
    }
}

#[test]
fn what_is_no_list_is_refused() {
    assert!(matches!(parse("{}"), Err(ToolFileError::Form(_))));
    assert!(matches!(parse("nonsense"), Err(ToolFileError::Form(_))));
    let unknown = r#"[{"name": "a", "risk": "huge"}]"#;
    assert!(matches!(parse(unknown), Err(ToolFileError::Word { what: "risk", .. })));
}
