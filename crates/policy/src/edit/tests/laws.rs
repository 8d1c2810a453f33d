//! The laws of editing: what an edit is not about stays byte for byte, and what comes out means what was asked.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::ops::Range;

use jsonc_parser::ast::Value as Ast;
use jsonc_parser::common::Ranged as _;
use proptest::prelude::*;

use super::second::{self, comments, contains_all};
use crate::edit::{
    Action, ApprovalForm, Block, ConditionForm, Edit, EditError, Form, LimitForm, List, Mode,
    NewEntry, RateForm, RuleForm, Splice, TermsForm, TestForm, apply, form, wanted,
};
use crate::{DefaultAction, Document};

/// A document before it is spelled.
#[derive(Debug, Clone)]
enum Tree {
    Word(String),
    List(Vec<Tree>),
    Object(Vec<(String, Tree)>),
}

/// How a document is spelled.
#[derive(Debug, Clone, Copy)]
enum Style {
    Compact,
    Pretty,
    Noisy,
}

/// Spells trees; gaps are chosen by a stream of bytes, comments are numbered so that each can be found again.
struct Speller<'n> {
    noise: std::iter::Cycle<std::slice::Iter<'n, u8>>,
    style: Style,
    comments: usize,
    out: String,
}

impl Speller<'_> {
    fn byte(&mut self) -> u8 {
        *self.noise.next().unwrap()
    }

    fn gap(&mut self, depth: usize) {
        match self.style {
            Style::Compact => {}
            Style::Pretty => {
                let byte = self.byte();
                if byte.is_multiple_of(8) {
                    self.comments += 1;
                    write!(self.out, " // é{}", self.comments).unwrap();
                }
                self.out += "\n";
                self.out += &"  ".repeat(depth);
                if byte % 8 == 1 {
                    self.comments += 1;
                    write!(self.out, "/* {} */\n{}", self.comments, "  ".repeat(depth)).unwrap();
                }
            }
            Style::Noisy => {
                for _ in 0..self.byte() % 3 {
                    self.comments += 1;
                    let number = self.comments;
                    let piece = match self.byte() % 8 {
                        0 => format!("/* {number} */"),
                        1 => format!(" // {number}\n"),
                        2 => format!("/* ü,\n{number} */"),
                        3 => "\r\n".to_owned(),
                        4 => "\t".to_owned(),
                        5 => format!("// \"{number}\" }}\r\n  "),
                        6 => "\n   ".to_owned(),
                        _ => " ".to_owned(),
                    };
                    self.out += &piece;
                }
            }
        }
    }

    fn spell(&mut self, tree: &Tree, depth: usize) {
        let (open, close, items): (_, _, Vec<(Option<&str>, &Tree)>) = match tree {
            Tree::Word(word) => return self.out.push_str(word),
            Tree::List(list) => ('[', ']', list.iter().map(|e| (None, e)).collect()),
            Tree::Object(members) => {
                ('{', '}', members.iter().map(|(k, v)| (Some(k.as_str()), v)).collect())
            }
        };
        self.out.push(open);
        let last = items.len();
        for (index, (key, value)) in items.into_iter().enumerate() {
            self.gap(depth + 1);
            if let Some(key) = key {
                write!(self.out, "\"{key}\"").unwrap();
                if matches!(self.style, Style::Noisy) {
                    self.gap(depth + 1);
                }
                self.out += ":";
                match self.style {
                    Style::Noisy => self.gap(depth + 1),
                    Style::Pretty => self.out += " ",
                    Style::Compact => {}
                }
            }
            self.spell(value, depth + 1);
            if matches!(self.style, Style::Noisy) {
                self.gap(depth + 1);
            }
            let trailing = !matches!(self.style, Style::Compact) && self.byte().is_multiple_of(3);
            if index + 1 < last || trailing {
                self.out.push(',');
            }
        }
        if last > 0 || matches!(self.style, Style::Noisy) {
            self.gap(depth);
        }
        self.out.push(close);
    }
}

fn word(text: &str) -> Tree {
    Tree::Word(text.to_owned())
}

fn object(members: Vec<(&str, Tree)>) -> Tree {
    Tree::Object(members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}

const PATHS: [&str; 5] = ["args.a", "args.b", "args.l[*]", "now.hour", "grant.label"];
const TESTS: [(&str, &str); 7] = [
    ("eq", "1"),
    ("neq", "\"x\""),
    ("in", "[1, \"x\"]"),
    ("exists", "true"),
    ("regex", "\"^a\""),
    ("lte", "10.50"),
    ("eq", "{\"k\": [1]}"),
];
const SELECTORS: [&str; 6] = ["t", "u", "t*", "@read", "new", "a/~b"];

fn condition() -> impl Strategy<Value = Tree> {
    let test = (prop::sample::select(PATHS.to_vec()), prop::sample::select(TESTS.to_vec()), 0..4);
    let test = test.prop_map(|(path, (op, value), missing)| {
        let mut members = vec![
            ("path", word(&format!("\"{path}\""))),
            ("op", word(&format!("\"{op}\""))),
            ("value", word(value)),
        ];
        if missing == 0 {
            members.push(("if_missing", word("\"match\"")));
        }
        object(members)
    });
    test.prop_recursive(2, 4, 2, |inner| {
        prop_oneof![
            inner.clone().prop_map(|inner| object(vec![("not", inner)])),
            prop::collection::vec(inner, 1..3)
                .prop_map(|list| object(vec![("any", Tree::List(list))])),
        ]
    })
}

fn rule(conditions: Range<usize>) -> impl Strategy<Value = Tree> {
    let approval = prop::sample::select(vec![
        "",
        "",
        "true",
        "false",
        "{}",
        r#"{"wait_seconds":3e1,"approvers":["role:admin"]}"#,
    ]);
    (prop::collection::vec(condition(), conditions), approval, 0..3).prop_map(
        |(conditions, approval, message)| {
            let mut members = vec![("conditions", Tree::List(conditions))];
            if message == 0 {
                members.insert(0, ("on_deny", word("\"No \\u00e9.\"")));
            }
            if !approval.is_empty() {
                members.push(("approval", word(approval)));
            }
            object(members)
        },
    )
}

fn limit() -> impl Strategy<Value = Tree> {
    let text = vec![
        r#"{"window":"day","max":5}"#,
        r#"{"max":1.50,"window":60,"scope":"session","counter":"c"}"#,
        r#"{"window":"hour","max":5,"increment_from":"args.a","algorithm":"sliding"}"#,
    ];
    prop::sample::select(text).prop_map(word)
}

fn rules() -> impl Strategy<Value = Tree> {
    let lists = (
        prop::collection::vec(rule(1..3), 0..3),
        prop::collection::vec(rule(0..3), 0..3),
        prop::collection::vec(limit(), 0..3),
    );
    let words = (
        prop::sample::select(vec!["", "", "allow", "deny", "hide", "approve"]),
        0..3,
        prop::sample::select(vec!["", "", "\"3/minute\"", r#"{"max": 3, "window": 10}"#]),
        any::<prop::sample::Index>(),
    );
    (lists, words).prop_map(|((require, deny_if, limits), (action, reason, rate, turn))| {
        let mut members = Vec::new();
        if !action.is_empty() {
            members.push(("action", word(&format!("\"{action}\""))));
        }
        if reason == 0 {
            members.push(("reason", word("\"Because.\"")));
        }
        for (key, list) in [("require", require), ("deny_if", deny_if), ("limits", limits)] {
            if !list.is_empty() || reason == 1 {
                members.push((key, Tree::List(list)));
            }
        }
        if !rate.is_empty() {
            members.push(("rate_limit", word(rate)));
        }
        // The author's order is free.
        if !members.is_empty() {
            let by = turn.index(members.len());
            members.rotate_left(by);
        }
        object(members)
    })
}

fn document() -> impl Strategy<Value = String> {
    let selector = prop::sample::select(vec!["t", "u", "t*", "@read", "a/~b"]);
    let section = || prop::collection::btree_map(selector.clone(), rules(), 0..4);
    let uris = prop::collection::btree_map(
        prop::sample::select(vec!["file:///a", "t*", "u"]),
        rules(),
        0..3,
    );
    let hide = prop::collection::vec(prop::sample::select(vec!["u", "h*", "@high", "u"]), 0..4);
    let style = prop::sample::select(vec![Style::Compact, Style::Pretty, Style::Noisy]);
    let noise = prop::collection::vec(any::<u8>(), 40..120);
    (section(), uris, hide, style, noise, 0..4u8).prop_map(
        |(tools, uris, hide, style, noise, extra)| {
            let section = |entries: std::collections::BTreeMap<&str, Tree>| {
                Tree::Object(entries.into_iter().map(|(k, v)| (k.to_owned(), v)).collect())
            };
            let all = uris.values().next().cloned();
            let mut members = vec![("version", word("\"1\"")), ("default", word("\"deny\""))];
            if extra.is_multiple_of(2) {
                let hide = hide.iter().map(|name| word(&format!("\"{name}\""))).collect();
                members.push(("hide", Tree::List(hide)));
            }
            if extra > 0 {
                members.push(("tools", section(tools)));
            }
            if extra == 3 {
                members.push(("tests", word("[ /* kept */ {\"call\":{\"tool\":\"t\"},\"expect\":{\"verdict\":\"deny\"}}]")));
                members.insert(0, ("$schema", word("\"x\"")));
            }
            members.push(("resources", section(uris)));
            if let Some(Tree::Object(all)) = all {
                let all = all.into_iter().filter(|(key, _)| key != "action").collect();
                members.push(("all_tools", Tree::Object(all)));
            }
            let noise = if noise.is_empty() { vec![0] } else { noise };
            let mut speller =
                Speller { noise: noise.iter().cycle(), style, comments: 0, out: String::new() };
            speller.gap(0);
            speller.spell(&object(members), 0);
            speller.gap(0);
            speller.out
        },
    )
}

fn block() -> impl Strategy<Value = Block> {
    let selector = prop::sample::select(SELECTORS.to_vec()).prop_map(str::to_owned);
    prop_oneof![
        6 => selector.clone().prop_map(Block::Tools),
        2 => selector.prop_map(Block::Resources),
        1 => Just(Block::Prompts("p".to_owned())),
        1 => Just(Block::AllTools),
    ]
}

fn test_form() -> impl Strategy<Value = ConditionForm> {
    let paths = prop::sample::select(PATHS.to_vec());
    (paths, prop::sample::select(TESTS.to_vec()), any::<bool>()).prop_map(
        |(path, (op, value), if_missing)| {
            let value = value.replace(": ", ":  ");
            let (path, op) = (path.to_owned(), op.to_owned());
            ConditionForm::Test(TestForm { path, op, value, if_missing })
        },
    )
}

fn text() -> impl Strategy<Value = Option<String>> {
    let texts = vec!["Ask \"first\".", "é\n\u{1}", "", "*/ // {"];
    prop::option::of(prop::sample::select(texts).prop_map(str::to_owned))
}

fn approval() -> impl Strategy<Value = Option<ApprovalForm>> {
    prop::sample::select(vec![
        None,
        Some(ApprovalForm::Switch(true)),
        Some(ApprovalForm::Terms(TermsForm {
            wait_seconds: None,
            expires_seconds: Some(90),
            approvers: vec!["user:eve".to_owned(), "role:admin".to_owned()],
        })),
    ])
}

fn rule_form() -> impl Strategy<Value = RuleForm> {
    (prop::collection::vec(test_form(), 0..3), text(), approval()).prop_map(
        |(conditions, on_deny, approval)| RuleForm {
            place: crate::edit::Seen::default(),
            id: None,
            conditions,
            on_deny,
            approval,
            sentence: crate::edit::Seen::default(),
        },
    )
}

fn limit_form() -> impl Strategy<Value = LimitForm> {
    let windows = prop::sample::select(vec!["day", "60", "in_flight"]);
    let maxima = prop::sample::select(vec!["1", "2.50", "1e2"]);
    (windows, maxima, text()).prop_map(|(window, max, on_deny)| LimitForm {
        window: window.to_owned(),
        max: max.to_owned(),
        increment: (max == "1").then(|| "2".to_owned()),
        increment_from: (max == "1e2").then(|| "args.a".to_owned()),
        scope: (window == "60").then(|| "server".to_owned()),
        on_deny,
        ..LimitForm::default()
    })
}

fn list() -> impl Strategy<Value = List> {
    prop::sample::select(vec![List::Require, List::DenyIf])
}

fn rate() -> impl Strategy<Value = Option<RateForm>> {
    let rates = vec![("10", "minute"), ("2.5", "30")];
    prop::option::of(
        prop::sample::select(rates)
            .prop_map(|(max, window)| RateForm { max: max.to_owned(), window: window.to_owned() }),
    )
}

fn edit() -> impl Strategy<Value = Edit> {
    let blocks = || prop::collection::vec(block(), 1..4);
    let actions = vec![Action::Allow, Action::Deny, Action::Hide, Action::Approve];
    let modes = vec![None, Some(Mode::Off), Some(Mode::Schema), Some(Mode::Strict)];
    let hidden = || {
        let names = prop::sample::select(vec!["u", "h*", "@high", "w"]).prop_map(str::to_owned);
        prop::collection::vec(names, 1..3)
    };
    let whole = prop_oneof![
        prop::sample::select(vec![DefaultAction::Allow, DefaultAction::Deny])
            .prop_map(Edit::SetDefault),
        text().prop_map(Edit::SetDescription),
        hidden().prop_map(Edit::Hide),
        hidden().prop_map(Edit::Unhide),
    ];
    let many = prop_oneof![
        3 => (blocks(), prop::sample::select(actions))
            .prop_map(|(blocks, action)| Edit::SetAction { blocks, action }),
        1 => (blocks(), text()).prop_map(|(blocks, reason)| Edit::SetReason { blocks, reason }),
        1 => (blocks(), prop::sample::select(modes))
            .prop_map(|(blocks, mode)| Edit::SetValidate { blocks, mode }),
        1 => (blocks(), rate()).prop_map(|(blocks, rate)| Edit::SetRateLimit { blocks, rate }),
        2 => (blocks(), list(), rule_form())
            .prop_map(|(blocks, list, rule)| Edit::AddRule { blocks, list, rule }),
        2 => (blocks(), limit_form())
            .prop_map(|(blocks, limit)| Edit::AddLimit { blocks, limit }),
        1 => blocks().prop_map(|blocks| Edit::RemoveBlocks { blocks }),
        2 => prop::collection::vec((block(), rules()), 1..3).prop_map(|new| {
            let entry = |(block, rules): (Block, Tree)| {
                let noise = [0];
                let (style, out) = (Style::Compact, String::new());
                let mut speller = Speller { noise: noise.iter().cycle(), style, comments: 0, out };
                speller.spell(&rules, 0);
                NewEntry { block, rules: speller.out }
            };
            Edit::AddEntries(new.into_iter().map(entry).collect())
        }),
    ];
    prop_oneof![1 => whole, 3 => many, 4 => edit_of_one()]
}

/// Edits of one block.
fn edit_of_one() -> impl Strategy<Value = Edit> {
    let index = 0..2usize;
    let place = || (block(), list(), 0..2usize, 0..2usize);
    prop_oneof![
        place().prop_map(|(block, list, rule, _)| Edit::RemoveRule { block, list, rule }),
        (place(), text()).prop_map(|((block, list, rule, _), id)| Edit::SetRuleId {
            block,
            list,
            rule,
            id
        }),
        (place(), text()).prop_map(|((block, list, rule, _), on_deny)| {
            Edit::SetRuleMessage { block, list, rule, on_deny }
        }),
        (place(), approval()).prop_map(|((block, list, rule, _), approval)| {
            Edit::SetRuleApproval { block, list, rule, approval }
        }),
        (place(), test_form()).prop_map(|((block, list, rule, _), condition)| {
            Edit::AddCondition { block, list, rule, condition }
        }),
        (place(), test_form()).prop_map(|((block, list, rule, index), condition)| {
            Edit::ReplaceCondition { block, list, rule, index, condition }
        }),
        place().prop_map(|(block, list, rule, index)| Edit::RemoveCondition {
            block,
            list,
            rule,
            index
        }),
        (block(), index.clone(), limit_form())
            .prop_map(|(block, index, limit)| Edit::ReplaceLimit { block, index, limit }),
        (block(), index).prop_map(|(block, index)| Edit::RemoveLimit { block, index }),
        (block(), prop::sample::select(SELECTORS.to_vec()))
            .prop_map(|(block, to)| Edit::Rename { block, to: to.to_owned() }),
    ]
}

/// The bytes of every block, by pointer, and those of every member of the document.
fn parts(text: &str) -> HashMap<String, Range<usize>> {
    let tree = crate::parse::parse_tree(text).unwrap();
    let mut found = HashMap::new();
    let Ast::Object(root) = &tree else { panic!("no object") };
    for property in &root.properties {
        let name = property.name.as_str();
        found.insert(format!("/{name}"), property.value.start()..property.value.end());
        if name == "all_tools" {
            let whole = property.name.start()..property.value.end();
            found.insert(format!("/{name} with its key"), whole);
        }
        if let (true, Ast::Object(section)) =
            (matches!(name, "tools" | "resources" | "prompts"), &property.value)
        {
            for entry in &section.properties {
                let pointer = format!("/{name}/{}", crate::parse::escape(entry.name.as_str()));
                found.insert(
                    format!("{pointer} with its key"),
                    entry.name.start()..entry.value.end(),
                );
                found.insert(pointer, entry.value.start()..entry.value.end());
            }
        }
    }
    found
}

/// The blocks that an edit is about, and whether it takes something away.
fn about(edit: &Edit) -> (Vec<Block>, bool) {
    match edit {
        Edit::SetDefault(_) | Edit::SetDescription(_) | Edit::Hide(_) => (Vec::new(), false),
        Edit::AddEntries(entries) => {
            (entries.iter().map(|entry| entry.block.clone()).collect(), false)
        }
        Edit::Unhide(_) | Edit::Batch(_) => (Vec::new(), true),
        Edit::SetAction { blocks, .. }
        | Edit::AddRule { blocks, .. }
        | Edit::AddLimit { blocks, .. } => (blocks.clone(), false),
        Edit::SetReason { blocks, .. }
        | Edit::SetValidate { blocks, .. }
        | Edit::SetRateLimit { blocks, .. }
        | Edit::RemoveBlocks { blocks } => (blocks.clone(), true),
        Edit::AddCondition { block, .. } => (vec![block.clone()], false),
        Edit::RemoveRule { block, .. }
        | Edit::SetRuleId { block, .. }
        | Edit::SetRuleMessage { block, .. }
        | Edit::SetRuleApproval { block, .. }
        | Edit::ReplaceCondition { block, .. }
        | Edit::RemoveCondition { block, .. }
        | Edit::ReplaceLimit { block, .. }
        | Edit::RemoveLimit { block, .. }
        | Edit::Rename { block, .. } => (vec![block.clone()], true),
    }
}

fn cut(text: &str, range: Range<usize>) -> &str {
    text.get(range).unwrap()
}

fn opaque_texts(form: &Form) -> Vec<String> {
    let entries =
        form.tools.iter().chain(&form.resources).chain(&form.prompts).chain(&form.all_tools);
    let rules = entries.flat_map(|entry| entry.require.iter().chain(&entry.deny_if));
    let conditions = rules.flat_map(|rule| &rule.conditions);
    let mut texts: Vec<String> = conditions
        .filter_map(|condition| Some(condition.opaque()?.text.clone()))
        .chain(form.opaque.iter().map(|opaque| opaque.text.clone()))
        .collect();
    texts.sort();
    texts
}

/// What a text says, without comments and spaces; numbers in one spelling.
fn meaning(text: &str) -> serde_json::Value {
    let document = Document::parse(text).unwrap_or_else(|problems| panic!("{text}\n{problems:?}"));
    second::settled(serde_json::from_str(document.canonical()).unwrap())
}

/// What it should say after an edit, by the second reading.
fn naive(text: &str, edit: &Edit) -> serde_json::Value {
    let edited = second::edited(&meaning(text), &serde_json::to_value(edit).unwrap());
    meaning(&edited.to_string())
}

/// The law: everything that the edit is not about is there, byte for byte.
fn assert_local(before: &str, after: &str, edit: &Edit) {
    let (blocks, takes) = about(edit);
    let (old, new) = (parts(before), parts(after));
    let touched: Vec<String> = blocks.iter().map(Block::pointer).collect();
    for (pointer, range) in &old {
        let is_section = matches!(pointer.as_str(), "/tools" | "/resources" | "/prompts");
        let is_touched = touched
            .iter()
            .any(|touched| pointer.strip_suffix(" with its key").unwrap_or(pointer) == touched);
        if is_touched || (is_section && !blocks.is_empty()) {
            continue;
        }
        if matches!(edit, Edit::SetDefault(_)) && pointer == "/default"
            || matches!(edit, Edit::SetDescription(_)) && pointer == "/description"
            || matches!(edit, Edit::Hide(_) | Edit::Unhide(_)) && pointer == "/hide"
        {
            continue;
        }
        let kept = new.get(pointer).unwrap_or_else(|| panic!("{pointer} is gone"));
        assert_eq!(cut(before, range.clone()), cut(after, kept.clone()), "{pointer}");
    }
    // One block that was there: what stands before and behind it has not moved.
    if let ([pointer], false) =
        (touched.as_slice(), matches!(edit, Edit::RemoveBlocks { .. } | Edit::Rename { .. }))
        && let Some(range) = old.get(pointer)
    {
        assert!(after.starts_with(cut(before, 0..range.start)), "before {pointer}");
        assert!(after.ends_with(cut(before, range.end..before.len())), "behind {pointer}");
    }
    if !takes {
        let (had, has) = (comments(before), comments(after));
        assert!(contains_all(&has, &had), "a comment is lost: {had:?} {has:?}");
        return;
    }
    // An edit that takes away takes no comment from outside of its blocks.
    let mut outside = String::new();
    let mut at = 0;
    let mut gone: Vec<&Range<usize>> =
        touched.iter().filter_map(|pointer| old.get(&format!("{pointer} with its key"))).collect();
    gone.sort_by_key(|range| range.start);
    for range in gone {
        if range.start >= at {
            outside += cut(before, at..range.start);
            outside += "0";
            at = range.end;
        }
    }
    outside += cut(before, at..before.len());
    assert!(contains_all(&comments(after), &comments(&outside)), "a comment is lost");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn an_edit_does_what_it_says_and_nothing_else(text in document(), edit in edit()) {
        let before = form(&text).unwrap_or_else(|problems| panic!("{text}\n{problems:?}"));
        match apply(&text, &edit) {
            Ok(edited) => {
                prop_assert_eq!(&form(&edited.text).unwrap(), &wanted::after(&before, &edit).unwrap());
                prop_assert_eq!(opaque_texts(&edited.form), opaque_texts(&before));
                prop_assert_eq!(meaning(&edited.text), naive(&text, &edit));
                prop_assert_eq!(edited.undo.apply(&edited.text), Some(text.clone()));
                assert_local(&text, &edited.text, &edit);
            }
            Err(EditError::Text(_) | EditError::Differs) => {
                prop_assert!(false, "{text}\n{edit:?}: {:?}", apply(&text, &edit));
            }
            Err(EditError::Result(_) | EditError::Missing(_) | EditError::Opaque { .. } | EditError::Value(_)) => {}
        }
    }

    #[test]
    fn a_row_of_edits_can_be_taken_back_one_by_one(
        text in document(),
        edits in prop::collection::vec(edit(), 1..6),
    ) {
        let mut now = text.clone();
        let mut undo: Vec<Splice> = Vec::new();
        for edit in &edits {
            if let Ok(edited) = apply(&now, edit) {
                now = edited.text;
                undo.push(edited.undo);
            }
        }
        for splice in undo.iter().rev() {
            now = splice.apply(&now).unwrap();
        }
        prop_assert_eq!(now, text);
    }

    #[test]
    fn a_batch_is_its_edits_in_a_row(text in document(), one in edit(), two in edit()) {
        let row = apply(&text, &one).ok().and_then(|edited| apply(&edited.text, &two).ok());
        if let (Some(row), Ok(batch)) = (row, apply(&text, &Edit::Batch(vec![one, two]))) {
            prop_assert_eq!(row.text, batch.text);
        }
    }

    #[test]
    fn an_edit_survives_the_way_as_json(edit in edit()) {
        let text = serde_json::to_string(&edit).unwrap();
        prop_assert_eq!(serde_json::from_str::<Edit>(&text).unwrap(), edit);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn the_second_reading_finds_the_same_blocks(text in document()) {
        let plain: HashMap<String, Range<usize>> = parts(&text)
            .into_iter()
            .filter_map(|(pointer, range)| Some((pointer.strip_suffix(" with its key")?.to_owned(), range)))
            .filter(|(pointer, _)| pointer.matches('/').count() > 1)
            .collect();
        let second: HashMap<String, Range<usize>> = second::parts(&text)
            .into_iter()
            .filter(|(pointer, _)| pointer.matches('/').count() > 1)
            .collect();
        prop_assert_eq!(second, plain);
    }
}

#[test]
fn places_count_as_browsers_do() {
    let text = "{\"version\":\"1\", // é𝄞\n\"default\":\"deny\",\"tools\":{\"é\":{},\"t\":{}}}";
    let form = form(text).unwrap();
    let units: Vec<u16> = text.encode_utf16().collect();
    for entry in &form.tools {
        let place = &entry.place.0;
        let shown = String::from_utf16(&units[place.start..place.end]).unwrap();
        assert_eq!((shown, place.line), (format!("\"{}\":{{}}", entry.selector), 2));
    }
}

#[test]
fn ten_thousand_tools_are_edited_at_once() {
    let blocks: Vec<Block> = (0..9_990).map(|n| Block::Tools(format!("tool_{n}"))).collect();
    let text = "{\n  \"version\": \"1\",\n  \"default\": \"deny\",\n  \"tools\": {\n  }\n}\n";
    let edited =
        apply(text, &Edit::SetAction { blocks: blocks.clone(), action: Action::Deny }).unwrap();
    assert_eq!(edited.form.tools.len(), 9_990);
    let back = apply(&edited.text, &Edit::RemoveBlocks { blocks }).unwrap();
    assert_eq!(
        back.text,
        "{\n  \"version\": \"1\",\n  \"default\": \"deny\",\n  \"tools\": {}\n}\n"
    );
}

/// What stood in a rule goes with it, also in the one block that is no entry of a section.
#[test]
fn a_comment_in_a_rule_of_all_tools_goes_with_the_rule() {
    let text = r#"{"version":"1","default":"deny","all_tools":/* 1 */{"reason":"Because.","deny_if":[{"conditions":[],/* 2 */},],}}"#;
    let edit = Edit::RemoveRule { block: Block::AllTools, list: List::DenyIf, rule: 0 };
    let edited = apply(text, &edit).unwrap();
    assert_local(text, &edited.text, &edit);
    assert_eq!(comments(&edited.text), ["/* 1 */"]);
}
