//! The laws of editing: what an edit is not about stays byte for byte, and what comes out means what was asked.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::ops::Range;

use jsonc_parser::ast::Value as Ast;
use jsonc_parser::common::Ranged as _;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use serde_json::{Value as Json, json};

use super::super::json as plain;
use super::second::{self, comments, contains_all};
use crate::edit::{
    Action, ApprovalForm, Block, ConditionForm, Edit, EditError, Form, LimitForm, List, Mode,
    NewEntry, RateForm, RuleForm, Splice, TermsForm, TestForm, apply, form, wanted,
};
use crate::{DefaultAction, Document, differential};

/// A document before it is spelled.
#[derive(Debug, Clone)]
enum Tree {
    Word(String),
    List(Vec<Tree>),
    Object(Vec<(String, Tree)>),
}

/// How a document is spelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Style {
    Compact,
    /// On lines that end and are indented like this.
    Pretty(&'static str, &'static str),
    Noisy,
}

const STYLES: [Style; 6] = [
    Style::Compact,
    Style::Pretty("\n", "  "),
    Style::Pretty("\r\n", "    "),
    Style::Pretty("\r\n", "\t"),
    Style::Noisy,
    Style::Noisy,
];

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
            Style::Pretty(newline, unit) => {
                let byte = self.byte();
                let indent = unit.repeat(depth);
                if byte.is_multiple_of(8) {
                    self.comments += 1;
                    write!(self.out, " // é{}", self.comments).unwrap();
                }
                self.out += newline;
                if byte % 16 == 3 {
                    self.out += newline;
                }
                self.out += &indent;
                if byte % 8 == 1 {
                    self.comments += 1;
                    write!(self.out, "/* {} */{newline}{indent}", self.comments).unwrap();
                }
            }
            Style::Noisy => {
                for _ in 0..self.byte() % 3 {
                    self.comments += 1;
                    let number = self.comments;
                    let piece = match self.byte() % 11 {
                        0 => format!("/* {number} */"),
                        1 => format!(" // {number}\n"),
                        2 => format!("/* ü,\n{number} */"),
                        3 => "\r\n".to_owned(),
                        4 => "\t".to_owned(),
                        5 => format!("// \"{number}\" }}\r\n  "),
                        6 => "\n   ".to_owned(),
                        7 => "\r".to_owned(),
                        8 => format!("//{number}\r"),
                        9 => format!("/**/ /*/{number}\r\n\" // *//*]*/"),
                        _ => " ".to_owned(),
                    };
                    self.out += &piece;
                }
            }
        }
    }

    /// A key in one of its spellings.
    fn key(&mut self, key: &str) {
        self.out.push('"');
        for c in key.chars() {
            let is_escaped = c == '"' || c == '\\' || c.is_control();
            let byte = if self.style == Style::Compact { 1 } else { self.byte() };
            if c == '/' && byte.is_multiple_of(2) {
                self.out += "\\/";
            } else if (c == '"' || c == '\\') && byte % 2 == 1 {
                self.out.extend(['\\', c]);
            } else if is_escaped || byte % 32 == 2 {
                let mut units = [0; 2];
                for unit in c.encode_utf16(&mut units) {
                    write!(self.out, "\\u{unit:04X}").unwrap();
                }
            } else {
                self.out.push(c);
            }
        }
        self.out.push('"');
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
                self.key(key);
                if matches!(self.style, Style::Noisy) {
                    self.gap(depth + 1);
                }
                self.out += ":";
                match self.style {
                    Style::Noisy => self.gap(depth + 1),
                    Style::Pretty(..) => self.out += " ",
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

const PATHS: [&str; 7] =
    ["args.x", "args.y[*]", "args.a", "args.b", "args.l[*]", "now.hour", "grant.label"];
const TESTS: [(&str, &str); 9] = [
    ("not_in", "[ /* in */ null, true ,9007199254740993, ]"),
    ("contains", "\"\\u00e9\\\"\\\\ // }\""),
    ("eq", "1"),
    ("neq", "\"x\""),
    ("in", "[1, \"x\"]"),
    ("exists", "true"),
    ("regex", "\"^a\""),
    ("lte", "10.50"),
    ("eq", "{\"k\": [1]}"),
];
/// Names that are near each other, that are words of the document, and that need escapes.
const SELECTORS: [&str; 12] =
    ["t", "T", "t ", "u", "t*", "@read", "new", "a/~b", "tools", "é𝄞", "\"\\\n", "__proto__"];

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
    let nested = test.clone().prop_recursive(2, 4, 2, |inner| {
        prop_oneof![
            inner.clone().prop_map(|inner| object(vec![("not", inner)])),
            prop::collection::vec(inner, 1..3)
                .prop_map(|list| object(vec![("any", Tree::List(list))])),
        ]
    });
    prop_oneof![6 => test, 1 => nested].boxed()
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
    (prop::collection::vec(condition(), conditions), approval, 0..3, 0..6).prop_map(
        |(conditions, approval, message, id)| {
            let mut members = vec![("conditions", Tree::List(conditions))];
            if id == 0 {
                // Numbered when the document is put together: no two rules have one `id`.
                members.push(("id", word("\"r\"")));
            }
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
        "{ /* { */ \"on_deny\" :\"Later.\" , // ]\n \"max\":1e1,\"increment\":2.0,\"window\":\"in_flight\",}",
    ];
    prop::sample::select(text).prop_map(word)
}

/// Rules of the sections in which `validate` may stand, or of the others.
fn rules(validates: bool) -> impl Strategy<Value = Tree> {
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
        prop::sample::select(vec!["", "", "off", "schema", "strict"]),
    );
    (lists, words).prop_map(
        move |((require, deny_if, limits), (action, reason, rate, turn, mode))| {
            let mut members = Vec::new();
            if validates && !mode.is_empty() {
                members.push(("validate", word(&format!("\"{mode}\""))));
            }
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
        },
    )
}

/// Gives every rule with an `id` one of its own.
fn number_ids(tree: &mut Tree, count: &mut usize) {
    match tree {
        Tree::Word(_) => {}
        Tree::List(list) => list.iter_mut().for_each(|element| number_ids(element, count)),
        Tree::Object(members) => {
            for (key, value) in members {
                if key == "id" {
                    *count += 1;
                    *value = word(&format!("\"r{count}\""));
                }
                number_ids(value, count);
            }
        }
    }
}

type Entries = Vec<(String, Tree)>;

fn section(
    names: Vec<&'static str>,
    validates: bool,
    most: usize,
) -> impl Strategy<Value = Entries> {
    prop::collection::btree_map(prop::sample::select(names), rules(validates), 0..most)
        .prop_map(|entries| entries.into_iter().map(|(k, v)| (k.to_owned(), v)).collect())
}

/// Members of a document by the bits of `there`; the order is the author's.
fn put_together(
    (tools, uris, prompts, all): (Entries, Entries, Entries, Tree),
    hide: &[&'static str],
    (there, turn): (u8, prop::sample::Index),
) -> Tree {
    let is = |bit: u8| there & (1 << bit) != 0;
    let default = if is(0) { "\"allow\"" } else { "\"deny\"" };
    let mut members = vec![("version", word("\"1\"")), ("default", word(default))];
    if is(1) {
        let hide = hide.iter().map(|name| word(&serde_json::to_string(name).unwrap())).collect();
        members.push(("hide", Tree::List(hide)));
    }
    for (bit, name, entries) in
        [(2, "tools", tools), (3, "resources", uris), (4, "prompts", prompts)]
    {
        if is(bit) || name == "tools" && !is(7) {
            members.push((name, Tree::Object(entries)));
        }
    }
    if is(5) {
        let test = "[ /* kept */ {\"call\":{\"tool\":\"t\"},\"expect\":{\"verdict\":\"deny\"}}]";
        members.push(("tests", word(test)));
        members.insert(0, ("$schema", word("\"x\"")));
    }
    if is(6) {
        members.push(("description", word("\"What \\u0061gents may do, /* all */ of it.\"")));
    }
    if let (true, Tree::Object(all)) = (is(7), all) {
        let all = all.into_iter().filter(|(key, _)| key != "action").collect();
        members.push(("all_tools", Tree::Object(all)));
    }
    let by = turn.index(members.len());
    members.rotate_left(by);
    let mut whole = object(members);
    number_ids(&mut whole, &mut 0);
    whole
}

/// Documents with so many tools at most.
fn document_of(tools: impl Strategy<Value = Entries>) -> impl Strategy<Value = String> {
    let uris = section(vec!["file:///a", "t*", "u", "file:///\"é"], false, 3);
    let prompts = section(vec!["p", "P", "t", "*"], false, 3);
    let hidden = vec!["u", "h*", "@high", "u", "\"\\\n"];
    let hide = prop::collection::vec(prop::sample::select(hidden), 0..4);
    let style = prop::sample::select(STYLES.to_vec());
    let noise = prop::collection::vec(any::<u8>(), 40..120);
    let shape = (any::<u8>(), any::<prop::sample::Index>());
    ((tools, uris, prompts, rules(true)), hide, style, noise, shape).prop_map(
        |(sections, hide, style, noise, shape)| {
            let whole = put_together(sections, &hide, shape);
            let out = String::new();
            let mut speller = Speller { noise: noise.iter().cycle(), style, comments: 0, out };
            speller.gap(0);
            speller.spell(&whole, 0);
            speller.gap(0);
            if noise.len() % 7 == 0 && style != Style::Compact {
                speller.out += "// the end";
            }
            speller.out
        },
    )
}

fn document() -> impl Strategy<Value = String> {
    document_of(section(SELECTORS.to_vec(), true, 5))
}

/// Documents of many tools.
fn long_document() -> impl Strategy<Value = String> {
    let few = prop::collection::vec(rules(true), 5..12);
    (few, 40..90usize)
        .prop_map(|(rules, count)| {
            let entries = rules.iter().cycle().take(count).enumerate();
            entries.map(|(number, rules)| (format!("tool_{number}"), rules.clone())).collect()
        })
        .prop_flat_map(|entries: Entries| document_of(Just(entries)))
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
            let value = value.replace(": ", ":  ").replace(" /* in */", "").replace(", ]", "]");
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
        Some(ApprovalForm::Switch(false)),
        Some(ApprovalForm::Terms(TermsForm { wait_seconds: Some(30), ..TermsForm::default() })),
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
        counter: (window == "day").then(|| "c.1".to_owned()),
        algorithm: (window == "60").then(|| "sliding".to_owned()),
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
        let names = vec!["u", "h*", "@high", "w", "\"\\\n"];
        let names = prop::sample::select(names).prop_map(str::to_owned);
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
        2 => prop::collection::vec((block(), rules(false)), 1..3).prop_map(|new| {
            let entry = |(block, rules): (Block, Tree)| {
                let noise = [0];
                let (style, out) = (Style::Compact, String::new());
                let mut speller = Speller { noise: noise.iter().cycle(), style, comments: 0, out };
                speller.spell(&rules, 0);
                // The second reading takes no comments.
                let rules = plain::Json::parse(&speller.out).unwrap().line(plain::FIELD);
                NewEntry { block, rules }
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

/// An edit, or several as one.
fn edit_or_batch() -> impl Strategy<Value = Edit> {
    let batch = prop::collection::vec(edit(), 1..4).prop_map(Edit::Batch);
    prop_oneof![5 => edit(), 1 => batch]
}

/// Where there is a rule, a comparison or a limit, as the members of an edit name it.
fn places(form: &Form, name: &str) -> Vec<serde_json::Value> {
    let is_shown = |rule: &RuleForm| rule.conditions.iter().all(|one| one.opaque().is_none());
    let mut found = Vec::new();
    for block in form.blocks() {
        let entry = form.entry(&block).unwrap();
        if name.ends_with("_limit") {
            let indices = 0..entry.limits.len();
            found.extend(indices.map(|index| json!({ "block": block, "index": index })));
            continue;
        }
        for list in [List::Require, List::DenyIf] {
            for (number, rule) in entry.rules(list).iter().enumerate() {
                let place = json!({ "block": block, "list": list, "rule": number });
                if !name.ends_with("e_condition") {
                    found.extend((name != "remove_rule" || is_shown(rule)).then_some(place));
                    continue;
                }
                let tests = rule.conditions.iter().enumerate();
                let tests = tests.filter(|(_, one)| one.opaque().is_none());
                found.extend(tests.map(|(index, _)| {
                    let mut place = place.clone();
                    place["index"] = index.into();
                    place
                }));
            }
        }
    }
    found
}

/// The edit with most of its blocks and indices turned to what is there, so that most edits are possible.
fn aimed(text: &str, edit: &Edit, aim: &[u8]) -> Edit {
    let form = form(text).unwrap();
    let mut aim = aim.iter().cycle();
    let mut pick = move || usize::from(*aim.next().unwrap());
    let mut edit = serde_json::to_value(edit).unwrap();
    let all = match edit.get_mut("batch") {
        Some(Json::Array(all)) => all.iter_mut().collect(),
        _ => vec![&mut edit],
    };
    for edit in all {
        let (name, asked) = edit.as_object_mut().unwrap().iter_mut().next().unwrap();
        let mut wanted: Vec<Block> = form.blocks().collect();
        if name == "remove_blocks" {
            wanted.retain(|block| form.entry(block).unwrap().opaque().is_none());
        }
        let (mut elements, mut to) = (Vec::new(), Vec::new());
        if name == "unhide" {
            elements.extend(asked.as_array_mut().into_iter().flatten());
            to.extend(form.hide.iter().map(|name| json!(name)));
        } else if name == "rename" {
            elements.extend(asked.get_mut("block"));
            to.extend(wanted.iter().map(|block| json!(block)));
        } else if let Some(Json::Array(blocks)) = asked.get_mut("blocks") {
            elements.extend(blocks);
            to.extend(wanted.iter().map(|block| json!(block)));
        }
        for element in elements {
            let number = pick();
            if number % 5 != 0 && !to.is_empty() {
                *element = to[number / 5 % to.len()].clone();
            }
        }
        let places = places(&form, name);
        let number = pick();
        if asked.get("block").is_some() && name != "rename" && number % 8 != 0 && !places.is_empty()
        {
            for (key, value) in places[number / 8 % places.len()].as_object().unwrap() {
                asked[key.as_str()] = value.clone();
            }
        }
    }
    serde_json::from_value(edit).unwrap()
}

/// The bytes of every block, by pointer, and those of every member of the document.
fn parts(text: &str) -> HashMap<String, Range<usize>> {
    let tree = crate::parse::parse_tree(text).unwrap();
    let mut found = HashMap::new();
    let Ast::Object(root) = &tree else { panic!("no object") };
    for property in &root.properties {
        let name = property.name.as_str();
        found.insert(format!("/{name}"), property.value.start()..property.value.end());
        if matches!(name, "all_tools" | "description") {
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
        Edit::SetDefault(_) | Edit::Hide(_) => (Vec::new(), false),
        Edit::SetDescription(text) => (Vec::new(), text.is_none()),
        Edit::AddEntries(entries) => {
            (entries.iter().map(|entry| entry.block.clone()).collect(), false)
        }
        Edit::Unhide(_) => (Vec::new(), true),
        Edit::Batch(edits) => {
            let (mut blocks, mut takes) = (Vec::new(), false);
            for edit in edits {
                let (more, takes_too) = about(edit);
                blocks.extend(more);
                if let Edit::Rename { block, to } = edit {
                    blocks.push(renamed(block, to));
                }
                takes |= takes_too;
            }
            (blocks, takes)
        }
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

fn renamed(block: &Block, to: &str) -> Block {
    match block {
        Block::AllTools => Block::AllTools,
        Block::Tools(_) => Block::Tools(to.to_owned()),
        Block::Resources(_) => Block::Resources(to.to_owned()),
        Block::Prompts(_) => Block::Prompts(to.to_owned()),
    }
}

/// The members of the document beside the sections that an edit is about.
fn members_of(edit: &Edit) -> Vec<&'static str> {
    if let Edit::Batch(edits) = edit {
        return edits.iter().flat_map(members_of).collect();
    }
    let own = [
        ("/default", matches!(edit, Edit::SetDefault(_))),
        ("/description", matches!(edit, Edit::SetDescription(_))),
        ("/hide", matches!(edit, Edit::Hide(_) | Edit::Unhide(_))),
    ];
    own.into_iter().filter(|(_, is)| *is).map(|(member, _)| member).collect()
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
fn meaning(text: &str) -> Json {
    let document = Document::parse(text).unwrap_or_else(|problems| panic!("{text}\n{problems:?}"));
    second::settled(serde_json::from_str(document.canonical()).unwrap())
}

/// What it should say after an edit, by the second reading.
fn naive(text: &str, edit: &Edit) -> Json {
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
        let member = pointer.strip_suffix(" with its key").unwrap_or(pointer);
        if members_of(edit).contains(&member) {
            continue;
        }
        let kept = new.get(pointer).unwrap_or_else(|| panic!("{pointer} is gone"));
        assert_eq!(cut(before, range.clone()), cut(after, kept.clone()), "{pointer}");
    }
    // One block that was there: what stands before and behind it has not moved.
    if let ([pointer], false) = (
        touched.as_slice(),
        matches!(edit, Edit::RemoveBlocks { .. } | Edit::Rename { .. } | Edit::Batch(_)),
    ) && let Some(range) = old.get(pointer)
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
    let touched = touched.iter().map(String::as_str).chain(members_of(edit));
    let mut gone: Vec<&Range<usize>> =
        touched.filter_map(|pointer| old.get(&format!("{pointer} with its key"))).collect();
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

/// All laws of one edit; whether it was possible at all.
fn assert_lawful(text: &str, edit: &Edit) -> bool {
    let before = form(text).unwrap_or_else(|problems| panic!("{text}\n{problems:?}"));
    match apply(text, edit) {
        Ok(edited) => {
            assert_eq!(&form(&edited.text).unwrap(), &wanted::after(&before, edit).unwrap());
            assert_eq!(opaque_texts(&edited.form), opaque_texts(&before));
            assert_eq!(meaning(&edited.text), naive(text, edit));
            assert_eq!(edited.undo.apply(&edited.text).as_deref(), Some(text));
            assert_local(text, &edited.text, edit);
            true
        }
        Err(error @ (EditError::Text(_) | EditError::Differs)) => {
            panic!("{text}\n{edit:?}: {error:?}")
        }
        Err(EditError::Result(problems)) => {
            // The edit itself is at fault, not how it was written. To a name that is taken the second reading overwrites,
            // and where an entry is it puts none.
            let edit = serde_json::to_value(edit).unwrap();
            if !edit.to_string().contains("\"rename\"") && !puts_twice(&meaning(text), &edit) {
                let meant = second::edited(&meaning(text), &edit).to_string();
                assert!(Document::parse(&meant).is_err(), "{text}\n{edit}\n{problems:?}");
            }
            false
        }
        Err(EditError::Missing(_) | EditError::Opaque { .. } | EditError::Value(_)) => false,
    }
}

/// Whether an edit puts an entry where one is: before it, or put by itself. Of a batch that puts any, it may.
fn puts_twice(document: &Json, edit: &Json) -> bool {
    let Some(entries) = edit["add_entries"].as_array() else {
        return edit.to_string().contains("\"add_entries\"");
    };
    let mut out = document.clone();
    entries.iter().any(|entry| {
        let before = out.clone();
        second::made(&mut out, &entry["block"]);
        out == before
    })
}

/// A document of the generator that the two evaluators are compared with.
fn tree_of(json: &Json) -> Tree {
    match json {
        Json::Array(list) => Tree::List(list.iter().map(tree_of).collect()),
        Json::Object(members) => {
            Tree::Object(members.iter().map(|(key, value)| (key.clone(), tree_of(value))).collect())
        }
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => word(&json.to_string()),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// What comes out is decided as the form says: the edited text by the compiled engine, the document after the second
    /// reading of the edit by the naive one.
    #[test]
    fn an_edited_text_decides_as_the_form_says(
        (doc, style) in (differential::generate::document(), prop::sample::select(STYLES.to_vec())),
        (edit, aim) in (edit_or_batch(), prop::collection::vec(any::<u8>(), 8..40)),
        called in differential::called(),
        args in differential::generate::arguments(),
    ) {
        let mut speller = Speller { noise: aim.iter().cycle(), style, comments: 0, out: String::new() };
        speller.spell(&tree_of(&doc), 0);
        let text = speller.out;
        let edit = aimed(&text, &edit, &aim);
        // The naive evaluator knows no schemas.
        let is_judged = !format!("{edit:?}").contains("mode: Some(S");
        if let (true, Ok(edited)) = (is_judged, apply(&text, &edit)) {
            let meant = second::edited(&doc, &serde_json::to_value(&edit).unwrap());
            let args = differential::arguments_of(called, &args);
            let (says, should) = (
                differential::compiled(&edited.text, called, &args),
                differential::naive(&meant, called, &args),
            );
            prop_assert_eq!(says, should, "{}\n{:?}", text, edit);
        }
    }
}

/// Laws mean little where edits miss: the same generators make every edit possible, often, in every style.
#[test]
fn random_edits_are_of_every_kind_and_mostly_possible() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let aim = prop::collection::vec(any::<u8>(), 8);
    let strategy = (document(), edit_or_batch(), aim);
    let mut done: BTreeMap<String, (u32, u32)> = BTreeMap::new();
    let mut made: BTreeMap<&str, u32> = BTreeMap::new();
    for _ in 0..800 {
        let (text, edit, aim) = strategy.new_tree(&mut runner).unwrap().current();
        let edit = aimed(&text, &edit, &aim);
        let named = serde_json::to_value(&edit).unwrap();
        let count = done.entry(named.as_object().unwrap().keys().next().unwrap().clone());
        let (ok, of) = count.or_default();
        *of += 1;
        if apply(&text, &edit).is_ok() {
            *ok += 1;
        }
        let signs = [
            ("CR LF", text.contains("\r\n")),
            ("CR", text.replace("\r\n", "").contains('\r')),
            ("tab", text.contains("\n\t")),
            ("comment of a line", text.contains("//")),
            ("comment of lines", text.contains("/*")),
            ("comment at the end", text.ends_with("// the end")),
            ("trailing comma", text.contains(",}") || text.contains(",]")),
            ("escaped key", text.contains("\\u00") || text.contains("\\uD834\\uDD1E")),
            ("any", text.contains("\"any\"")),
            ("not", text.contains("\"not\"")),
            ("tests", text.contains("\"tests\"")),
            ("one line", !text.contains(['\n', '\r'])),
        ];
        for (sign, is) in signs {
            *made.entry(sign).or_default() += u32::from(is);
        }
    }
    assert_eq!(done.len(), 23, "{done:#?}");
    let missed: Vec<_> = done.iter().filter(|(_, (ok, of))| *ok < 4 || ok * 5 < *of).collect();
    let rare: Vec<_> = made.iter().filter(|(_, count)| **count < 20).collect();
    assert!(missed.is_empty() && rare.is_empty(), "{missed:?} {rare:?} of {done:#?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn an_edit_does_what_it_says_and_nothing_else(
        text in document(),
        edit in edit_or_batch(),
        aim in prop::collection::vec(any::<u8>(), 8),
    ) {
        assert_lawful(&text, &aimed(&text, &edit, &aim));
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
    #![proptest_config(ProptestConfig { cases: 4, max_shrink_iters: 20, ..ProptestConfig::default() })]

    #[test]
    fn an_edit_of_a_long_document_does_what_it_says_and_nothing_else(
        text in long_document(),
        edits in prop::collection::vec((edit_or_batch(), prop::collection::vec(any::<u8>(), 8)), 2),
    ) {
        for (edit, aim) in edits {
            assert_lawful(&text, &aimed(&text, &edit, &aim));
        }
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
