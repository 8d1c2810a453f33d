//! The builder's questions: forms of texts, edits, marks, arguments and what is recommended.

use policy::edit::{Action, Block, Edit, Mode};
use policy::{Class, Risk, UnixMillis};
use serde_json::json;
use store::{PinRecord, PinState, ServerSlug};

use super::*;

fn pin(tool: &str, class: Option<Class>) -> PinRecord {
    let definition = json!({"name": tool, "description": "What it does.", "inputSchema": {
        "type": "object",
        "required": ["amount"],
        "properties": {
            "amount": {"type": ["number", "null"], "description": "How much."},
            "a.b": {"enum": ["x", 1]},
            "to": {"type": "array", "items": {"type": "object", "properties": {"name": {"type": "string"}}}},
        },
    }});
    PinRecord {
        server: ServerSlug::parse("s").unwrap(),
        tool: tool.to_owned(),
        state: PinState::Accepted,
        digest: String::new(),
        definition: definition.to_string(),
        accepted_digest: None,
        accepted_definition: None,
        class,
        risk: class.map(|_| Risk::High),
        seen_at: UnixMillis(0),
        accepted_at: None,
        accepted_by: None,
    }
}

fn pins() -> Vec<PinRecord> {
    vec![
        pin("delete", Some(Class::Destructive)),
        pin("get", Some(Class::Read)),
        pin("odd*", Some(Class::Read)),
        pin("pay", Some(Class::Financial)),
        pin("put", Some(Class::Write)),
        pin("run", Some(Class::Execute)),
        pin("what", None),
    ]
}

fn asked(text: &str, change: Change, selected: Vec<Block>) -> Asked {
    let server = Some(ServerSlug::parse("s").unwrap());
    Asked { server, text: text.to_owned(), change, selected, warnings: Warnings::Wanted }
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
            "get": {},
            "run": {
              "rate_limit": "10/minute"
            },
            "put": {
              "rate_limit": "30/minute"
            },
            "delete": {
              "action": "hide"
            },
            "pay": {
              "deny_if": [
                {
                  "conditions": [],
                  "on_deny": "Requires human approval."
                }
              ]
            },
            "what": {
              "action": "approve",
              "reason": "Its class is not known: a person decides."
            }
          }
        }
    "#]]
    .assert_eq(looked.text.as_deref().unwrap());
    assert_eq!(
        looked.told.unwrap(),
        "Tools given what is recommended for their class: 6. Left out, since no selector can be their name: 1."
    );
    assert_eq!(looked.form.unwrap().effects, "haupccp");
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
    let looked = looked(&asked(text, Change::Edit(Box::new(edit)), vec![block]), &pins());
    let form = looked.form.unwrap();
    assert_eq!(form.entries[0].verdict, Some(Verdict::Approve));
    let patterns: Vec<String> = form.patterns.iter().map(|p| p.block.pointer()).collect();
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
        ]
    );
    assert_eq!(tool.arguments[1].words, [r#""x""#, "1"]);
}

#[test]
fn errors_and_warnings_have_places_as_browsers_count() {
    let text = EMPTY.replace("deny", "dney");
    let broken = looked(&asked(&text, Change::None, Vec::new()), &pins());
    let units: Vec<u16> = text.encode_utf16().collect();
    let mark = &broken.problems[0];
    assert_eq!(String::from_utf16(&units[mark.start..mark.end]).unwrap(), "\"dney\"");
    assert!(broken.form.is_none() && broken.lints.is_none());
    let text = EMPTY.replace("deny", "allow");
    let doubtful = looked(&asked(&text, Change::None, Vec::new()), &pins());
    let lints = doubtful.lints.unwrap();
    let lint = lints.iter().find(|lint| lint.code == Some("L012")).unwrap();
    let units: Vec<u16> = text.encode_utf16().collect();
    assert_eq!(String::from_utf16(&units[lint.start..lint.end]).unwrap(), "\"allow\"");
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
