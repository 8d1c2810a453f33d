//! What is recommended for a tool of a class, as edits of a policy (CATALOGUE section 2): what `ops::recommend` writes as a
//! document, with the limits in their short spelling.

use std::collections::{BTreeMap, HashSet};

use policy::edit::{Action, Block, Edit, Form, List, RateForm, RuleForm, Seen};
use policy::{Class, DefaultAction};
use store::PinRecord;

use super::is_unnameable;

/// What is recommended for a tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Template {
    /// Listed without conditions: it only reads.
    Allow,
    /// So many calls a minute for each grant.
    Limited(u32),
    /// Gone from every list: it destroys.
    Hide,
    /// A person approves each call: it moves money.
    Ask,
    /// A person approves each call: nobody has said what it does.
    AskWhy,
}

/// The template of a class. A tool without one is held for a person: what is not known refuses more.
fn template(class: Option<Class>) -> Template {
    match class {
        Some(Class::Read) => Template::Allow,
        Some(Class::Write) => Template::Limited(30),
        Some(Class::Execute) => Template::Limited(10),
        Some(Class::Destructive) => Template::Hide,
        Some(Class::Financial) => Template::Ask,
        None => Template::AskWhy,
    }
}

/// The edit that gives tools what is recommended for them, and what it does in words. Tools about which the policy
/// says something by their own name are left as they are, and so are names that no selector can be. No names: all
/// tools of the server.
pub fn recommended(form: &Form, pins: &[PinRecord], names: &[String]) -> (Option<Edit>, String) {
    let wanted: HashSet<&str> = names.iter().map(String::as_str).collect();
    let said: HashSet<&str> =
        form.tools.iter().map(|e| &e.selector).chain(&form.hide).map(String::as_str).collect();
    let mut groups: BTreeMap<Template, Vec<Block>> = BTreeMap::new();
    let (mut given, mut left, mut unnameable) = (0_usize, 0_usize, 0_usize);
    for pin in pins.iter().filter(|pin| names.is_empty() || wanted.contains(pin.tool.as_str())) {
        if is_unnameable(&pin.tool) {
            unnameable += 1;
        } else if said.contains(pin.tool.as_str()) {
            left += 1;
        } else {
            given += 1;
            let block = Block::Tools(pin.tool.clone());
            groups.entry(template(pin.class)).or_default().push(block);
        }
    }
    let mut told = format!("Tools given what is recommended for their class: {given}.");
    if left > 0 {
        told.extend([
            " Left as they are, since they have their own entry: ",
            &left.to_string(),
            ".",
        ]);
    }
    if unnameable > 0 {
        let count = unnameable.to_string();
        told.extend([" Left out, since no selector can be their name: ", &count, "."]);
    }
    if form.default == DefaultAction::Allow {
        told.push_str(" The default still allows what no entry names.");
    }
    let edits: Vec<Edit> =
        groups.into_iter().flat_map(|(group, blocks)| edits(group, blocks)).collect();
    ((!edits.is_empty()).then_some(Edit::Batch(edits)), told)
}

fn edits(template: Template, blocks: Vec<Block>) -> Vec<Edit> {
    let listed = Edit::SetAction { blocks: blocks.clone(), action: Action::Allow };
    match template {
        Template::Allow => vec![listed],
        // The counter of a `rate_limit` is `<tool>_rate`, as the template has it.
        Template::Limited(max) => {
            let rate = RateForm { max: max.to_string(), window: "minute".to_owned() };
            vec![listed, Edit::SetRateLimit { blocks, rate: Some(rate) }]
        }
        Template::Hide => vec![Edit::SetAction { blocks, action: Action::Hide }],
        Template::AskWhy => {
            let reason = Some("Its class is not known: a person decides.".to_owned());
            let asked = Edit::SetAction { blocks: blocks.clone(), action: Action::Approve };
            vec![asked, Edit::SetReason { blocks, reason }]
        }
        Template::Ask => {
            let rule = RuleForm {
                place: Seen::default(),
                id: None,
                conditions: Vec::new(),
                on_deny: Some("Requires human approval.".to_owned()),
                approval: None,
                sentence: Seen::default(),
            };
            vec![listed, Edit::AddRule { blocks, list: List::DenyIf, rule }]
        }
    }
}
