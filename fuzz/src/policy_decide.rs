//! The compiled policy engine against the naive evaluator that the crate's own tests use, on
//! documents and calls that the input's bytes choose. Verdict, reason and rule must agree.

use std::collections::BTreeMap;

use arbitrary::{Result, Unstructured};
use policy::{
    Call, ClientFacts, Document, GrantFacts, Policy, Target, ToolFacts, UnixMillis, Value, Verdict,
    decide,
};
use serde_json::{Map, Value as Json, json};

#[path = "../../crates/policy/src/differential/reference.rs"]
mod reference;

use crate::policy_words as words;
use reference::{Answer, Asked, evaluate};

/// Whether a URI is odd, by the naive evaluator.
pub fn is_odd_uri(uri: &str) -> bool {
    reference::odd_uri(uri)
}

/// Checks one input.
pub fn run(data: &[u8]) {
    let mut bytes = Unstructured::new(data);
    let Ok(case) = Case::draw(&mut bytes) else { return };
    let text = case.document.to_string();
    let Ok(document) = Document::parse(&text) else {
        panic!("a drawn document is refused: {:#?}\n{text}", Document::parse(&text).err());
    };
    let policy = Policy::compile(&document);
    // One document, several calls: compiling is what costs.
    for called in &case.calls {
        let (compiled, naive) = (compiled(&policy, called), naive(&case.document, called));
        assert_eq!(compiled, naive, "{called:#?}\n{:#}", case.document);
    }
}

/// Most calls of one document.
const CALLS_MAX: usize = 4;

struct Case {
    document: Json,
    calls: Vec<Called>,
}

#[derive(Debug)]
struct Called {
    section: &'static str,
    name: String,
    class: Option<&'static str>,
    risk: Option<&'static str>,
    args: Json,
    label: &'static str,
    tags: BTreeMap<String, String>,
    client: Option<&'static str>,
    version: Option<&'static str>,
    now: u64,
}

impl Case {
    fn draw(bytes: &mut Unstructured<'_>) -> Result<Self> {
        let document = words::document(bytes)?;
        let mut calls = vec![Called::draw(bytes)?];
        while calls.len() < CALLS_MAX && !bytes.is_empty() {
            calls.push(Called::draw(bytes)?);
        }
        Ok(Self { document, calls })
    }
}

impl Called {
    fn draw(bytes: &mut Unstructured<'_>) -> Result<Self> {
        let section = *bytes.choose(&["tools", "tools", "tools", "resources", "prompts"])?;
        let is_tool = section == "tools";
        let name = match section {
            "tools" => words::name(bytes)?,
            "resources" => words::uri(bytes)?,
            _ => (*bytes.choose(&["a", "ab", "A"])?).to_owned(),
        };
        let class = words::optional(bytes, &words::CLASSES)?.filter(|_| is_tool);
        let risk = words::optional(bytes, &words::RISKS)?.filter(|_| is_tool);
        let args =
            if section == "resources" { json!({ "uri": name }) } else { words::object(bytes, 3)? };
        let mut tags = BTreeMap::new();
        for _ in 0..bytes.int_in_range(0..=2)? {
            tags.insert((*bytes.choose(&words::KEYS)?).to_owned(), words::text(bytes)?);
        }
        Ok(Self {
            section,
            name,
            class,
            risk,
            args,
            label: bytes.choose(&["ab", "a", ""])?,
            tags,
            client: words::optional(bytes, &["a", "claude"])?,
            version: words::optional(bytes, &["1", "1.0"])?,
            now: 1_767_605_400_000 + u64::from(bytes.arbitrary::<u16>()?) * 3_600_000,
        })
    }
}

fn compiled(policy: &Policy, called: &Called) -> Answer {
    let text = called.args.to_string();
    let args = Value::parse(&text).expect("drawn arguments are JSON");
    let target = match called.section {
        "tools" => Target::Tool(ToolFacts {
            name: &called.name,
            class: called.class.and_then(|class| class.parse().ok()),
            risk: called.risk.and_then(|risk| risk.parse().ok()),
            schema: None,
        }),
        "resources" => Target::Resource { uri: &called.name },
        _ => Target::Prompt { name: &called.name },
    };
    let call = Call {
        target,
        args: &args,
        grant: GrantFacts { label: called.label, tags: &called.tags },
        client: ClientFacts { name: called.client, version: called.version },
        now: UnixMillis(i64::try_from(called.now).unwrap_or(0)),
    };
    match decide(policy, &call).verdict {
        Verdict::Allow(_) => ("allow", String::new(), String::new()),
        Verdict::Hold(ask, _) => ("hold", "approval_required".to_owned(), ask.rule.to_string()),
        Verdict::Deny(denial) => {
            ("deny", denial.reason.as_str().to_owned(), denial.rule.to_string())
        }
    }
}

fn naive(document: &Json, called: &Called) -> Answer {
    let present = |pairs: &[(&str, Option<&str>)]| -> Json {
        let there =
            pairs.iter().filter_map(|(key, value)| Some(((*key).to_owned(), (*value)?.into())));
        Json::Object(there.collect::<Map<String, Json>>())
    };
    let tool =
        present(&[("name", Some(&called.name)), ("class", called.class), ("risk", called.risk)]);
    let weekdays = ["thu", "fri", "sat", "sun", "mon", "tue", "wed"];
    let (hour, day) = (called.now / 3_600_000 % 24, called.now / 86_400_000 % 7);
    let roots = json!({
        "args": called.args,
        "tool": tool,
        "grant": { "label": called.label, "tags": called.tags },
        "client": present(&[("name", called.client), ("version", called.version)]),
        "now": { "hour": hour, "weekday": weekdays[usize::try_from(day).unwrap_or(0)] },
    });
    let asked = Asked {
        section: called.section,
        name: &called.name,
        class: called.class,
        risk: called.risk,
        roots,
    };
    evaluate(document, &asked)
}
