//! The builder's questions: forms of texts, edits, marks, arguments and what is recommended.

use std::sync::Arc;

use policy::edit::{Action, Block, Edit, Mode};
use policy::{Class, Risk};
use store::{PinLine, PinState, ServerSlug};

use super::*;

const DEFINITION: &str = r#"{"name": "pay", "description": "What it does.", "inputSchema": {
    "type": "object",
    "required": ["amount"],
    "properties": {
        "amount": {"type": "number", "minimum": 0, "maximum": 500, "description": "How much."},
        "a.b": {"enum": ["x", 1]},
        "to": {"type": "array", "items": {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}}},
        "by": {"type": "object", "required": ["day"], "properties": {"day": {"type": "string", "format": "date"}}}
    }
}}"#;

fn line(tool: &str, class: Option<Class>) -> PinLine {
    PinLine {
        server: ServerSlug::parse("s").unwrap(),
        tool: tool.to_owned(),
        state: PinState::Accepted,
        digest: String::new(),
        is_new: false,
        class,
        risk: class.map(|_| Risk::High),
    }
}

fn known_of(lines: Vec<PinLine>) -> Known {
    let definition = |line: &PinLine| {
        ToolDefinition::new(line.tool.clone(), Some("{}".to_owned()), line.class, line.risk)
    };
    let definitions = lines.iter().map(definition).collect::<Vec<_>>();
    Known {
        lines: Arc::new(lines),
        selected: Some(DEFINITION.to_owned()),
        definitions: Some(Arc::new(definitions)),
    }
}

fn pins() -> Known {
    known_of(vec![
        line("delete", Some(Class::Destructive)),
        line("get", Some(Class::Read)),
        line("odd*", Some(Class::Read)),
        line("pay", Some(Class::Financial)),
        line("put", Some(Class::Write)),
        line("run", Some(Class::Execute)),
        line("what", None),
    ])
}

fn asked(text: &str, change: Change, selected: Vec<Block>) -> Asked {
    let server = Some(ServerSlug::parse("s").unwrap());
    let (text, find) = (text.to_owned(), Find::default());
    Asked { server, text, change, selected, find, warnings: Warnings::Wanted }
}

const EMPTY: &str = "{\n  // é𝄞\n  \"version\": \"1\",\n  \"default\": \"deny\"\n}\n";

#[test]
fn what_is_recommended_is_what_the_classes_get() {
    let looked = looked(&asked(EMPTY, Change::Recommended(Vec::new()), Vec::new()), &pins());
    assert_eq!(looked.refused.map(|refused| refused.message), None);
    expect_test::expect![[r#"
        {
          // é𝄞
          "version": "1",
          "default": "deny",
          "tools": {
            "delete": {
              "action": "hide"
            },
            "get": {},
            "pay": {
              "deny_if": [
                {
                  "conditions": [],
                  "on_deny": "Requires human approval."
                }
              ]
            },
            "put": {
              "limits": [
                {
                  "window": "minute",
                  "max": 30,
                  "scope": "grant",
                  "counter": "put_rate"
                }
              ]
            },
            "run": {
              "limits": [
                {
                  "window": "minute",
                  "max": 10,
                  "scope": "grant",
                  "counter": "run_rate"
                }
              ]
            },
            "what": {
              "action": "approve",
              "reason": "Nobody has said yet what this tool does."
            }
          }
        }
    "#]]
    .assert_eq(looked.text.as_deref().unwrap());
    assert_eq!(
        looked.told.unwrap(),
        "Tools given what is recommended for their class: 6. Left out, since no selector can be their name: 1."
    );
    let effects: Vec<&str> = looked.found.rows.iter().filter_map(|row| row.effect).collect();
    assert_eq!(effects, ["hide", "allow", "unlisted", "approve", "custom", "custom", "approve"]);
}

#[test]
fn what_somebody_wrote_is_left_as_it_is() {
    let text =
        r#"{"version":"1","default":"deny","hide":["run"],"tools":{"get":{"action":"deny"}}}"#;
    let names = vec!["get".to_owned(), "run".to_owned()];
    let looked = looked(&asked(text, Change::Recommended(names), Vec::new()), &pins());
    assert_eq!(looked.text, None);
    assert!(looked.told.unwrap().contains("their own entry: 2."));
}

#[test]
fn an_edit_comes_back_with_its_form() {
    let block = Block::Tools("pay".to_owned());
    let edit = Edit::SetAction { blocks: vec![block.clone()], action: Action::Approve };
    let text = r#"{"version":"1","default":"deny","all_tools":{},"tools":{"p*":{},"@financial":{}},"resources":{"*":{}}}"#;
    let mut ask = asked(text, Change::Edit(Box::new(edit)), vec![block]);
    ask.find.kind = FindKind::Others;
    let looked = looked(&ask, &pins());
    let form = looked.form.unwrap();
    assert_eq!(form.entries[0].verdict, Some(Verdict::Approve));
    let patterns: Vec<String> = looked.found.rows.iter().map(|p| p.block.pointer()).collect();
    assert_eq!(patterns, ["/all_tools", "/tools/p*", "/tools/@financial", "/resources/*"]);
    let tool = form.tool.unwrap();
    let also: Vec<String> = tool.also.iter().map(|p| p.block.pointer()).collect();
    assert_eq!(also, ["/tools/p*", "/tools/@financial", "/all_tools"]);
    let paths: Vec<(&str, &str, bool)> =
        tool.arguments.iter().map(|a| (a.path.as_str(), a.kind, a.required)).collect();
    assert_eq!(
        paths,
        [
            ("args.amount", "number", true),
            (r#"args["a.b"]"#, "any", false),
            ("args.to", "array", false),
            ("args.to[*]", "object", false),
            ("args.to[*].name", "string", false),
            // A member that an optional object must have is not in every call.
            ("args.by", "object", false),
            ("args.by.day", "string", false),
        ]
    );
    assert_eq!(tool.arguments[1].words, [r#""x""#, "1"]);
    assert_eq!(tool.arguments[0].said, "number, 0 to 500");
    assert_eq!(tool.arguments[6].format.as_deref(), Some("date"));
}

/// `null` counts as missing, so an argument that may be `null` is not certainly there.
#[test]
fn an_argument_is_required_where_every_call_has_it() {
    let of = |schema: serde_json::Value| {
        let found = arguments::of_schema(&schema).into_iter();
        found.map(|argument| (argument.path, argument.required)).collect::<Vec<_>>()
    };
    let schema = serde_json::json!({"required": ["a", "b", "c"], "properties": {
        "a": {"type": ["number", "null"]}, "b": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        "c": {"type": "object", "required": ["d"], "properties": {"d": {"type": "string"}, "e": {}}}}});
    let paths = [
        ("args.a", false),
        ("args.b", false),
        ("args.c", true),
        ("args.c.d", true),
        ("args.c.e", false),
    ];
    assert_eq!(of(schema), paths.map(|(path, required)| (path.to_owned(), required)));
}

#[test]
fn errors_and_warnings_have_places_as_browsers_count() {
    let text = EMPTY.replace("deny", "dney");
    let broken = looked(&asked(&text, Change::None, Vec::new()), &pins());
    let units: Vec<u16> = text.encode_utf16().collect();
    let mark = &broken.problems[0];
    assert_eq!(String::from_utf16(&units[mark.start..mark.end]).unwrap(), "\"dney\"");
    assert!(broken.lints.is_none());
    let text = EMPTY.replace("deny", "allow");
    let doubtful = looked(&asked(&text, Change::None, Vec::new()), &pins());
    let lints = doubtful.lints.unwrap();
    let lint = lints.iter().find(|lint| lint.code == Some("L012")).unwrap();
    let units: Vec<u16> = text.encode_utf16().collect();
    assert_eq!(String::from_utf16(&units[lint.start..lint.end]).unwrap(), "\"allow\"");
}

/// The rules of a text with errors stay in sight, so that the errors can be underlined in them; they take no edit.
#[test]
fn a_text_with_errors_is_shown_and_not_edited() {
    let text = r#"{"version":"1","default":"deny","tools":{"pay":{"requir":[],"require":[{"conditions":[
        {"path":"args.amount","op":"less","value":5},{"path":"args.amount","op":"lte","value":"5"}]}],"action":"alow"}}}"#;
    let block = Block::Tools("pay".to_owned());
    let edit = Edit::SetAction { blocks: vec![block.clone()], action: Action::Deny };
    let looked = looked(&asked(text, Change::Edit(Box::new(edit)), vec![block]), &pins());
    let pointers: Vec<&str> = looked.problems.iter().map(|mark| mark.pointer.as_str()).collect();
    assert_eq!(
        pointers,
        [
            "/tools/pay/requir",
            "/tools/pay/require/0/conditions/0/op",
            "/tools/pay/require/0/conditions/1/value",
            "/tools/pay/action"
        ]
    );
    assert_eq!(looked.text, None);
    let form = looked.form.unwrap();
    let rule = &form.entries[0].entry.as_ref().unwrap().require[0];
    assert_eq!((rule.place.0.pointer.as_str(), rule.conditions.len()), ("/tools/pay/require/0", 2));
    assert!(form.tool.unwrap().effect.is_none());
    let nothing = super::looked(&asked("{", Change::None, Vec::new()), &pins());
    assert!(nothing.form.is_none() && nothing.problems.len() == 1);
}

#[test]
fn a_refused_edit_says_why_and_changes_nothing() {
    let edit = Edit::SetAction { blocks: vec![Block::AllTools], action: Action::Deny };
    let looked = looked(&asked(EMPTY, Change::Edit(Box::new(edit)), Vec::new()), &pins());
    assert_eq!(looked.text, None);
    assert_eq!(looked.refused.unwrap().message, "`all_tools` has no action");
    assert!(looked.form.is_some());
}

#[test]
fn an_edit_of_many_blocks_leaves_those_that_are_not_written() {
    let text = r#"{"version":"1","default":"deny","tools":{"pay":{},"put":{}}}"#;
    let blocks = ["get", "pay", "put"].map(|tool| Block::Tools(tool.to_owned()));
    let edit = Edit::SetValidate { blocks: blocks.to_vec(), mode: Some(Mode::Strict) };
    let looked = looked(&asked(text, Change::Edit(Box::new(edit)), blocks.to_vec()), &pins());
    assert_eq!(
        looked.text.as_deref(),
        Some(
            r#"{"version":"1","default":"deny","tools":{"pay":{"validate":"strict"},"put":{"validate":"strict"}}}"#
        )
    );
    assert_eq!(looked.told.as_deref(), Some("Left as they are, since they have no entry: 1."));
    assert_eq!(looked.form.unwrap().written, 2);
}

#[test]
fn ten_thousand_tools_are_listed_a_hundred_at_a_time() {
    let class = |n: usize| if n.is_multiple_of(2) { Class::Read } else { Class::Write };
    let lines = (0..10_000).map(|n| line(&format!("Tool_{n:05}"), Some(class(n)))).collect();
    let known = known_of(lines);
    let text =
        r#"{"version":"1","default":"deny","tools":{"*7":{},"Tool_00007":{"action":"deny"}}}"#;
    let found = |find: Find| {
        let mut ask = asked(text, Change::None, Vec::new());
        ask.find = find;
        ask.warnings = Warnings::Spared;
        looked(&ask, &known).found
    };
    let first = found(Find::default());
    assert_eq!((first.rows.len(), first.from, first.count, first.of), (100, 0, 10_000, 10_000));
    assert!(first.all.is_none());
    let last = found(Find { from: 999_999, ..Find::default() });
    assert_eq!((last.rows.len(), last.from), (100, 9_900));
    let words = "tool 07".to_owned();
    let some = found(Find { words, class: "write".to_owned(), all: true, ..Find::default() });
    assert_eq!(some.all.as_ref().map(Vec::len), Some(some.count));
    assert!(some.count > 100 && some.rows.iter().all(|row| row.class == Some("write")));
    let denied = found(Find { effect: "deny".to_owned(), ..Find::default() });
    assert_eq!((denied.count, denied.rows[0].block.selector()), (1, Some("Tool_00007")));
    let none = found(Find { risk: "low".to_owned(), ..Find::default() });
    assert_eq!((none.count, none.of, none.from), (0, 10_000, 0));
}
