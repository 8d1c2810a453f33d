//! An edit as steps on the text. Each step puts in, replaces or takes out items of containers, and nothing else.

use std::collections::{HashMap, HashSet};

use jsonc_parser::ast::Object;
use jsonc_parser::common::Ranged as _;

use super::insert::{New, Shape};
use super::json::Json;
use super::page::{Page, Sheet, array, member, object};
use super::splice::Splice;
use super::{
    ApprovalForm, Block, ConditionForm, Edit, EditError, LimitForm, List, NewEntry, RateForm,
    RuleForm, TermsForm, TestForm,
};

const DOCUMENT: [&str; 10] = [
    "$schema",
    "version",
    "description",
    "default",
    "hide",
    "all_tools",
    "tools",
    "resources",
    "prompts",
    "tests",
];
const ENTRY: [&str; 7] =
    ["action", "reason", "require", "deny_if", "limits", "rate_limit", "validate"];
const RULE: [&str; 4] = ["id", "conditions", "on_deny", "approval"];
const TEST: [&str; 4] = ["path", "op", "value", "if_missing"];
const LIMIT: [&str; 8] =
    ["counter", "window", "max", "scope", "increment", "increment_from", "algorithm", "on_deny"];
const RATE: [&str; 2] = ["max", "window"];

/// The text after the edit. What it says is checked by the caller.
pub(super) fn write(text: &str, edit: &Edit) -> Result<String, EditError> {
    let mut sheet = Sheet::new(text);
    run(&mut sheet, edit)?;
    Ok(sheet.into_text())
}

/// The text with one more of its own tests. What it says is checked by the caller.
pub(super) fn add_test(text: &str, test: &str) -> Result<String, EditError> {
    let test = Json::parse(test)?;
    let mut sheet = Sheet::new(text);
    sheet.step(|page| {
        let root = page.root()?;
        let Some(list) = member(root, "tests").and_then(array) else {
            let list = Json::Array(vec![test]);
            return Ok(page.set_member(root, ("tests", list), &DOCUMENT, Shape::Lines));
        };
        let container = page.items_of_array(list);
        let last = container.items.len().checked_sub(1);
        Ok(page.insert(&container, last, &[New::Element(test)], Shape::Lines))
    })?;
    Ok(sheet.into_text())
}

fn run(sheet: &mut Sheet, edit: &Edit) -> Result<(), EditError> {
    match edit {
        Edit::SetDefault(default) => {
            set_in_document(sheet, "default", Some(Json::text(default.as_str())))
        }
        Edit::SetDescription(text) => {
            set_in_document(sheet, "description", text.as_deref().map(Json::text))
        }
        Edit::SetAction { blocks, action } => {
            ensure(sheet, blocks, Missing::Made)?;
            set_action(sheet, blocks, action.as_str())
        }
        Edit::SetReason { blocks, reason } => {
            set_in_blocks(sheet, blocks, "reason", reason.as_deref().map(Json::text).as_ref())
        }
        Edit::SetValidate { blocks, mode } => {
            let word = mode.map(|mode| Json::text(mode.as_str()));
            set_in_blocks(sheet, blocks, "validate", word.as_ref())
        }
        Edit::SetRateLimit { blocks, rate } => set_rate(sheet, blocks, rate.as_ref()),
        Edit::AddRule { blocks, list, rule } => {
            append_in_blocks(sheet, blocks, list.key(), &rule_json(rule)?)
        }
        Edit::RemoveRule { block, list, rule } => remove_element(sheet, block, list.key(), *rule),
        Edit::SetRuleId { block, list, rule, id } => {
            let place = (block, list.key(), *rule);
            set_in_element(sheet, place, &RULE, ("id", id.as_deref().map(Json::text)))
        }
        Edit::SetRuleMessage { block, list, rule, on_deny } => {
            let place = (block, list.key(), *rule);
            set_in_element(sheet, place, &RULE, ("on_deny", on_deny.as_deref().map(Json::text)))
        }
        Edit::SetRuleApproval { block, list, rule, approval } => {
            let value = approval.as_ref().map(approval_json);
            set_in_element(sheet, (block, list.key(), *rule), &RULE, ("approval", value))
        }
        Edit::AddCondition { block, list, rule, condition } => {
            let new = New::Element(condition_json(condition)?);
            sheet.step(|page| {
                let conditions = page.items_of_array(page.conditions(block, *list, *rule)?);
                let last = conditions.items.len().checked_sub(1);
                Ok(page.insert(&conditions, last, &[new], Shape::Lines))
            })
        }
        Edit::ReplaceCondition { block, list, rule, index, condition } => {
            replace_condition(sheet, (block, *list, *rule, *index), condition)
        }
        Edit::RemoveCondition { block, list, rule, index } => sheet.step(|page| {
            let conditions = page.items_of_array(page.conditions(block, *list, *rule)?);
            Ok(page.remove(&conditions, &[*index]))
        }),
        Edit::AddLimit { blocks, limit } => {
            append_in_blocks(sheet, blocks, "limits", &object_of(limit_members(limit)?))
        }
        Edit::ReplaceLimit { block, index, limit } => {
            limit_members(limit)?.into_iter().try_for_each(|(key, value)| {
                set_in_element(sheet, (block, "limits", *index), &LIMIT, (key, value))
            })
        }
        Edit::RemoveLimit { block, index } => remove_element(sheet, block, "limits", *index),
        Edit::RemoveBlocks { blocks } => remove_blocks(sheet, blocks),
        Edit::Rename { block, to } => rename(sheet, block, to),
        Edit::Hide(selectors) => hide(sheet, selectors),
        Edit::Unhide(selectors) => unhide(sheet, selectors),
        Edit::AddEntries(entries) => add_entries(sheet, entries),
        Edit::Batch(edits) => edits.iter().try_for_each(|edit| run(sheet, edit)),
    }
}

fn set_in_document(sheet: &mut Sheet, key: &str, value: Option<Json>) -> Result<(), EditError> {
    sheet.step(|page| {
        let root = page.root()?;
        Ok(match value {
            Some(value) => page.set_member(root, (key, value), &DOCUMENT, Shape::Lines),
            None => remove_member(page, root, key),
        })
    })
}

/// What an edit does with blocks that are not there. Only an action makes them: a rule or limit alone would
/// list, and so open, a tool that nobody listed. `all_tools` lists nothing.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Missing {
    Made,
    Refused,
}

fn ensure(sheet: &mut Sheet, blocks: &[Block], missing: Missing) -> Result<(), EditError> {
    for section in ["all_tools", "tools", "resources", "prompts"] {
        let wanted: Vec<&Block> = blocks.iter().filter(|b| b.section() == section).collect();
        if wanted.is_empty() || (section != "all_tools" && missing == Missing::Refused) {
            continue;
        }
        sheet.step(|page| {
            let root = page.root()?;
            let found = member(root, section).and_then(object);
            let mut known: HashSet<&str> =
                found.iter().flat_map(|o| o.properties.iter().map(|m| m.name.as_str())).collect();
            let new: Vec<(String, Json)> = wanted
                .iter()
                .filter_map(|block| block.selector())
                .filter(|selector| known.insert(selector))
                .map(|selector| (selector.to_owned(), Json::Object(Vec::new())))
                .collect();
            let Some(found) = found else {
                return Ok(page.set_member(
                    root,
                    (section, Json::Object(new)),
                    &DOCUMENT,
                    Shape::Lines,
                ));
            };
            let container = page.items_of_object(found);
            let new: Vec<New> =
                new.into_iter().map(|(key, value)| New::Member(key, value)).collect();
            Ok(page.insert(&container, container.items.len().checked_sub(1), &new, Shape::Lines))
        })?;
    }
    Ok(())
}

/// Puts new entries at the end of their sections, which are made where they are not there.
fn add_entries(sheet: &mut Sheet, entries: &[NewEntry]) -> Result<(), EditError> {
    for entry in entries.iter().filter(|entry| entry.block == Block::AllTools) {
        set_in_document(sheet, "all_tools", Some(Json::parse(&entry.rules)?))?;
    }
    for section in ["tools", "resources", "prompts"] {
        let own = entries.iter().filter(|entry| entry.block.section() == section);
        let named = own.filter_map(|entry| Some((entry.block.selector()?, &entry.rules)));
        let members = named.map(|(name, rules)| Ok((name.to_owned(), Json::parse(rules)?)));
        let members = members.collect::<Result<Vec<_>, EditError>>()?;
        if members.is_empty() {
            continue;
        }
        sheet.step(|page| {
            let root = page.root()?;
            let Some(found) = member(root, section).and_then(object) else {
                let new = (section, Json::Object(members));
                return Ok(page.set_member(root, new, &DOCUMENT, Shape::Lines));
            };
            let container = page.items_of_object(found);
            let new: Vec<New> = members.into_iter().map(|(k, v)| New::Member(k, v)).collect();
            Ok(page.insert(&container, container.items.len().checked_sub(1), &new, Shape::Lines))
        })?;
    }
    Ok(())
}

/// The objects of blocks, each once, and how each is filled if it is empty.
fn objects<'t>(
    page: &Page<'t>,
    blocks: &[Block],
) -> Result<Vec<(&'t Object<'t>, Shape)>, EditError> {
    let root = page.root()?;
    let mut found = Vec::with_capacity(blocks.len());
    for section in ["tools", "resources", "prompts"] {
        if blocks.iter().all(|block| block.section() != section) {
            continue;
        }
        let Some(entries) = member(root, section).and_then(object) else { continue };
        let shape = page.shape_of_entries(entries);
        let by_name: HashMap<&str, &Object<'_>> = entries
            .properties
            .iter()
            .filter_map(|m| Some((m.name.as_str(), object(&m.value)?)))
            .collect();
        let mut seen = HashSet::new();
        for block in blocks.iter().filter(|block| block.section() == section) {
            let Some(selector) = block.selector().filter(|s| seen.insert(*s)) else { continue };
            let entry = by_name.get(selector);
            let entry = entry.ok_or_else(|| EditError::Missing(block.pointer()))?;
            found.push((*entry, shape));
        }
    }
    if blocks.contains(&Block::AllTools) {
        found.push((page.block(&Block::AllTools)?, Shape::Lines));
    }
    Ok(found)
}

fn set_action(sheet: &mut Sheet, blocks: &[Block], action: &str) -> Result<(), EditError> {
    sheet.step(|page| {
        let objects = objects(page, blocks)?.into_iter();
        let written = objects.filter(|(o, _)| action != "allow" || member(o, "action").is_some());
        let splices = written.flat_map(|(object, shape)| {
            page.set_member(object, ("action", Json::text(action)), &ENTRY, shape)
        });
        Ok(splices.collect())
    })
}

fn set_in_blocks(
    sheet: &mut Sheet,
    blocks: &[Block],
    key: &str,
    value: Option<&Json>,
) -> Result<(), EditError> {
    if value.is_some() {
        ensure(sheet, blocks, Missing::Refused)?;
    }
    sheet.step(|page| {
        let splices = objects(page, blocks)?.into_iter().flat_map(|(object, shape)| match value {
            Some(value) => page.set_member(object, (key, value.clone()), &ENTRY, shape),
            None => remove_member(page, object, key),
        });
        Ok(splices.collect())
    })
}

/// Appends to a list of each block, which is made where it is not there.
fn append_in_blocks(
    sheet: &mut Sheet,
    blocks: &[Block],
    key: &str,
    element: &Json,
) -> Result<(), EditError> {
    ensure(sheet, blocks, Missing::Refused)?;
    sheet.step(|page| {
        let splices = objects(page, blocks)?.into_iter().flat_map(|(object, shape)| {
            let Some(list) = member(object, key).and_then(array) else {
                let list = Json::Array(vec![element.clone()]);
                return page.set_member(object, (key, list), &ENTRY, shape);
            };
            let container = page.items_of_array(list);
            let last = container.items.len().checked_sub(1);
            page.insert(&container, last, &[New::Element(element.clone())], Shape::Lines)
        });
        Ok(splices.collect())
    })
}

/// Takes an element out of a list, and the list if nothing is left in it.
fn remove_element(
    sheet: &mut Sheet,
    block: &Block,
    key: &str,
    index: usize,
) -> Result<(), EditError> {
    sheet.step(|page| {
        page.element(block, key, index)?;
        Ok(page.remove(&page.items_of_array(page.list(block, key)?), &[index]))
    })?;
    sheet.step(|page| Ok(remove_if_empty(page, page.block(block)?, key)))
}

/// Takes out a list in which nothing is left, not even a comment.
fn remove_if_empty(page: &Page<'_>, parent: &Object<'_>, key: &str) -> Vec<Splice> {
    let Some(found) = parent.properties.iter().find(|member| member.name.as_str() == key) else {
        return Vec::new();
    };
    let Some(list) = array(&found.value) else { return Vec::new() };
    let list = page.items_of_array(list);
    let before = page.text.get(found.name.end()..found.value.start()).unwrap_or("");
    if !list.items.is_empty() || list.has_comments() || before.contains('/') {
        return Vec::new();
    }
    remove_member(page, parent, key)
}

/// Sets or takes out a member of an element of a block's list.
fn set_in_element(
    sheet: &mut Sheet,
    (block, key, index): (&Block, &str, usize),
    order: &[&str],
    (name, value): (&str, Option<Json>),
) -> Result<(), EditError> {
    sheet.step(|page| {
        let element = page.element(block, key, index)?;
        Ok(match value {
            Some(value) => page.set_member(element, (name, value), order, Shape::Line),
            None => remove_member(page, element, name),
        })
    })
}

fn replace_condition(
    sheet: &mut Sheet,
    (block, list, rule, index): (&Block, List, usize, usize),
    condition: &ConditionForm,
) -> Result<(), EditError> {
    test_members(condition)?.into_iter().try_for_each(|(key, value)| {
        sheet.step(|page| {
            let conditions = page.conditions(block, list, rule)?;
            let found = conditions.elements.get(index).and_then(object).ok_or_else(|| {
                EditError::Missing(format!(
                    "{}/{}/{rule}/conditions/{index}",
                    block.pointer(),
                    list.key()
                ))
            })?;
            Ok(match value {
                Some(value) => page.set_member(found, (key, value), &TEST, Shape::Line),
                None => remove_member(page, found, key),
            })
        })
    })
}

/// A rate keeps the spelling in which it stands.
fn set_rate(sheet: &mut Sheet, blocks: &[Block], rate: Option<&RateForm>) -> Result<(), EditError> {
    let Some(rate) = rate else { return set_in_blocks(sheet, blocks, "rate_limit", None) };
    let members = [("max", Json::number(&rate.max)?), ("window", Json::window(&rate.window)?)];
    let short = Json::Text(format!("{}/{}", rate.max, rate.window));
    ensure(sheet, blocks, Missing::Refused)?;
    sheet.step(|page| {
        let mut splices = Vec::new();
        for (entry, shape) in objects(page, blocks)? {
            match member(entry, "rate_limit").and_then(object) {
                Some(written) => {
                    for (key, value) in &members {
                        splices.extend(page.set_member(
                            written,
                            (key, value.clone()),
                            &RATE,
                            shape,
                        ));
                    }
                }
                None => {
                    splices.extend(page.set_member(
                        entry,
                        ("rate_limit", short.clone()),
                        &ENTRY,
                        shape,
                    ));
                }
            }
        }
        Ok(splices)
    })
}

fn remove_blocks(sheet: &mut Sheet, blocks: &[Block]) -> Result<(), EditError> {
    if blocks.contains(&Block::AllTools) {
        set_in_document(sheet, "all_tools", None)?;
    }
    for section in ["tools", "resources", "prompts"] {
        let gone: HashSet<&str> = blocks
            .iter()
            .filter(|block| block.section() == section)
            .filter_map(Block::selector)
            .collect();
        if gone.is_empty() {
            continue;
        }
        sheet.step(|page| {
            let Some(entries) = member(page.root()?, section).and_then(object) else {
                return Ok(Vec::new());
            };
            let names = entries.properties.iter().enumerate();
            let indices: Vec<usize> = names
                .filter(|(_, member)| gone.contains(member.name.as_str()))
                .map(|(index, _)| index)
                .collect();
            Ok(page.remove(&page.items_of_object(entries), &indices))
        })?;
    }
    Ok(())
}

fn rename(sheet: &mut Sheet, block: &Block, to: &str) -> Result<(), EditError> {
    sheet.step(|page| {
        let missing = || EditError::Missing(block.pointer());
        let section = member(page.root()?, block.section()).and_then(object).ok_or_else(missing)?;
        let mut members = section.properties.iter();
        let found = members.find(|member| Some(member.name.as_str()) == block.selector());
        let name = &found.ok_or_else(missing)?.name;
        let mut text = String::new();
        crate::push_json_string(&mut text, to);
        Ok(vec![Splice::new(name.start()..name.end(), text)])
    })
}

fn hide(sheet: &mut Sheet, selectors: &[String]) -> Result<(), EditError> {
    sheet.step(|page| {
        let root = page.root()?;
        let found = member(root, "hide").and_then(array);
        let mut known: HashSet<&str> = found
            .iter()
            .flat_map(|list| list.elements.iter().filter_map(crate::parse::text_of))
            .collect();
        let new: Vec<Json> = selectors
            .iter()
            .filter(|selector| known.insert(selector))
            .map(|selector| Json::text(selector))
            .collect();
        let Some(list) = found else {
            if new.is_empty() {
                return Ok(Vec::new());
            }
            return Ok(page.set_member(root, ("hide", Json::Array(new)), &DOCUMENT, Shape::Lines));
        };
        let container = page.items_of_array(list);
        let new: Vec<New> = new.into_iter().map(New::Element).collect();
        let last = container.items.len().checked_sub(1);
        Ok(page.insert(&container, last, &new, Shape::Line))
    })
}

fn unhide(sheet: &mut Sheet, selectors: &[String]) -> Result<(), EditError> {
    let gone: HashSet<&str> = selectors.iter().map(String::as_str).collect();
    sheet.step(|page| {
        let Some(list) = member(page.root()?, "hide").and_then(array) else {
            return Ok(Vec::new());
        };
        let elements = list.elements.iter().enumerate();
        let indices: Vec<usize> = elements
            .filter(|(_, e)| crate::parse::text_of(e).is_some_and(|text| gone.contains(text)))
            .map(|(index, _)| index)
            .collect();
        Ok(page.remove(&page.items_of_array(list), &indices))
    })?;
    sheet.step(|page| Ok(remove_if_empty(page, page.root()?, "hide")))
}

fn remove_member(page: &Page<'_>, object: &Object<'_>, key: &str) -> Vec<Splice> {
    let index = object.properties.iter().position(|member| member.name.as_str() == key);
    index.map_or_else(Vec::new, |index| page.remove(&page.items_of_object(object), &[index]))
}

type Members = Vec<(&'static str, Option<Json>)>;

fn object_of(members: Members) -> Json {
    let members = members.into_iter();
    Json::Object(members.filter_map(|(key, value)| Some((key.to_owned(), value?))).collect())
}

fn rule_json(rule: &RuleForm) -> Result<Json, EditError> {
    let conditions = rule.conditions.iter().map(condition_json).collect::<Result<_, _>>()?;
    Ok(object_of(vec![
        ("id", rule.id.as_deref().map(Json::text)),
        ("conditions", Some(Json::Array(conditions))),
        ("on_deny", rule.on_deny.as_deref().map(Json::text)),
        ("approval", rule.approval.as_ref().map(approval_json)),
    ]))
}

fn condition_json(condition: &ConditionForm) -> Result<Json, EditError> {
    test_members(condition).map(object_of)
}

fn test_members(condition: &ConditionForm) -> Result<Members, EditError> {
    let ConditionForm::Test(TestForm { path, op, value, if_missing }) = condition else {
        return Err(EditError::Value("write `any` and `not` in the text".to_owned()));
    };
    Ok(vec![
        ("path", Some(Json::text(path))),
        ("op", Some(Json::text(op))),
        ("value", Some(Json::parse(value)?)),
        ("if_missing", if_missing.then(|| Json::text("match"))),
    ])
}

fn approval_json(approval: &ApprovalForm) -> Json {
    let number = |seconds: u32| Json::Word(seconds.to_string());
    match approval {
        ApprovalForm::Switch(on) => Json::Word(on.to_string()),
        ApprovalForm::Terms(TermsForm { wait_seconds, expires_seconds, approvers }) => {
            let named = approvers.iter().map(|approver| Json::text(approver)).collect();
            object_of(vec![
                ("wait_seconds", wait_seconds.map(number)),
                ("expires_seconds", expires_seconds.map(number)),
                ("approvers", (!approvers.is_empty()).then_some(Json::Array(named))),
            ])
        }
    }
}

fn limit_members(limit: &LimitForm) -> Result<Members, EditError> {
    let text = |field: &Option<String>| field.as_deref().map(Json::text);
    Ok(vec![
        ("counter", text(&limit.counter)),
        ("window", Some(Json::window(&limit.window)?)),
        ("max", Some(Json::number(&limit.max)?)),
        ("scope", text(&limit.scope)),
        ("increment", limit.increment.as_deref().map(Json::number).transpose()?),
        ("increment_from", text(&limit.increment_from)),
        ("algorithm", text(&limit.algorithm)),
        ("on_deny", text(&limit.on_deny)),
    ])
}
