//! What an edit means, said of the form alone. The text that an edit writes must have exactly this form.

use std::collections::HashSet;

use super::json::{FIELD, Json};
use super::{
    Action, BATCH_MAX, BLOCKS_MAX, Block, ConditionForm, Edit, EditError, Entry, Form, LimitForm,
    List, NewEntry, Opaque, RateForm, RuleForm, TestForm,
};

/// The form after the edit.
pub(super) fn after(form: &Form, edit: &Edit) -> Result<Form, EditError> {
    let mut form = form.clone();
    form.run(edit)?;
    Ok(form)
}

fn refused(opaque: &Opaque) -> EditError {
    let place = &opaque.place.0;
    EditError::Opaque { pointer: place.pointer.clone(), line: place.line }
}

impl Form {
    fn run(&mut self, edit: &Edit) -> Result<(), EditError> {
        match edit {
            Edit::SetDefault(default) => self.default = *default,
            Edit::SetDescription(text) => self.description.clone_from(text),
            Edit::SetAction { blocks, action } => self.set_action(blocks, *action)?,
            Edit::SetReason { blocks, reason } => {
                self.change(blocks, Made::when(reason.as_ref()), |e| e.reason.clone_from(reason))?;
            }
            Edit::SetValidate { blocks, mode } => {
                self.change(blocks, Made::when(mode.as_ref()), |entry| entry.validate = *mode)?;
            }
            Edit::SetRateLimit { blocks, rate } => {
                rate.as_ref().map(RateForm::check).transpose()?;
                self.change(blocks, Made::when(rate.as_ref()), |e| e.rate_limit.clone_from(rate))?;
            }
            Edit::AddRule { blocks, list, rule } => {
                let rule = rule.normal()?;
                self.change(blocks, Made::AllTools, |e| e.list(*list).push(rule.clone()))?;
            }
            Edit::AddLimit { blocks, limit } => {
                limit.check()?;
                self.change(blocks, Made::AllTools, |e| e.limits.push(limit.clone()))?;
            }
            Edit::ReplaceLimit { block, index, limit } => {
                limit.check()?;
                *self.limit(block, *index)? = limit.clone();
            }
            Edit::RemoveLimit { block, index } => {
                self.limit(block, *index)?;
                self.one(block)?.limits.remove(*index);
            }
            Edit::RemoveBlocks { blocks } => self.remove_blocks(blocks)?,
            Edit::Rename { block, to } => self.rename(block, to)?,
            Edit::Hide(selectors) => self.hide(selectors)?,
            Edit::Unhide(selectors) => self.unhide(selectors)?,
            Edit::AddEntries(entries) => self.add_entries(entries)?,
            Edit::Batch(edits) => self.batch(edits)?,
            Edit::RemoveRule { .. }
            | Edit::SetRuleId { .. }
            | Edit::SetRuleMessage { .. }
            | Edit::SetRuleApproval { .. }
            | Edit::AddCondition { .. }
            | Edit::ReplaceCondition { .. }
            | Edit::RemoveCondition { .. } => self.run_in_rule(edit)?,
        }
        Ok(())
    }

    fn run_in_rule(&mut self, edit: &Edit) -> Result<(), EditError> {
        match edit {
            Edit::RemoveRule { block, list, rule } => {
                if let Some(opaque) = self.rule(block, *list, *rule)?.opaque() {
                    return Err(refused(opaque));
                }
                self.one(block)?.list(*list).remove(*rule);
            }
            Edit::SetRuleId { block, list, rule, id } => {
                self.rule(block, *list, *rule)?.id.clone_from(id);
            }
            Edit::SetRuleMessage { block, list, rule, on_deny } => {
                self.rule(block, *list, *rule)?.on_deny.clone_from(on_deny);
            }
            Edit::SetRuleApproval { block, list, rule, approval } => {
                self.rule(block, *list, *rule)?.approval.clone_from(approval);
            }
            Edit::AddCondition { block, list, rule, condition } => {
                let condition = condition.normal()?;
                self.rule(block, *list, *rule)?.conditions.push(condition);
            }
            Edit::ReplaceCondition { block, list, rule, index, condition } => {
                let condition = condition.normal()?;
                *self.rule(block, *list, *rule)?.test(*index)? = condition;
            }
            Edit::RemoveCondition { block, list, rule, index } => {
                let rule = self.rule(block, *list, *rule)?;
                rule.test(*index)?;
                rule.conditions.remove(*index);
            }
            Edit::SetDefault(_)
            | Edit::SetDescription(_)
            | Edit::SetAction { .. }
            | Edit::SetReason { .. }
            | Edit::SetValidate { .. }
            | Edit::SetRateLimit { .. }
            | Edit::AddRule { .. }
            | Edit::AddLimit { .. }
            | Edit::ReplaceLimit { .. }
            | Edit::RemoveLimit { .. }
            | Edit::RemoveBlocks { .. }
            | Edit::Rename { .. }
            | Edit::Hide(_)
            | Edit::Unhide(_)
            | Edit::AddEntries(_)
            | Edit::Batch(_) => {}
        }
        Ok(())
    }

    fn batch(&mut self, edits: &[Edit]) -> Result<(), EditError> {
        if edits.len() > BATCH_MAX {
            return Err(EditError::Value(format!("at most {BATCH_MAX} edits at once")));
        }
        for edit in edits {
            if matches!(edit, Edit::Batch(_)) {
                return Err(EditError::Value("no batch inside a batch".to_owned()));
            }
            self.run(edit)?;
        }
        Ok(())
    }

    /// What the entries say is read off a document that holds nothing else.
    fn add_entries(&mut self, entries: &[NewEntry]) -> Result<(), EditError> {
        bounded(entries.len())?;
        let mut document = vec![
            ("version".to_owned(), Json::text("1")),
            ("default".to_owned(), Json::text("deny")),
        ];
        let all = entries.iter().filter(|entry| entry.block == Block::AllTools);
        for entry in all {
            document.push(("all_tools".to_owned(), Json::parse(&entry.rules)?));
        }
        for section in ["tools", "resources", "prompts"] {
            let own = entries.iter().filter(|entry| entry.block.section() == section);
            let named = own.filter_map(|entry| Some((entry.block.selector()?, &entry.rules)));
            let members = named.map(|(name, rules)| Ok((name.to_owned(), Json::parse(rules)?)));
            let members = members.collect::<Result<Vec<_>, EditError>>()?;
            document.push((section.to_owned(), Json::Object(members)));
        }
        let there: HashSet<Block> = self.blocks().collect();
        if let Some(entry) = entries.iter().find(|entry| there.contains(&entry.block)) {
            let pointer = entry.block.pointer();
            return Err(EditError::Value(format!("{pointer} is in the policy already")));
        }
        let new = super::form(&Json::Object(document).line(FIELD)).map_err(EditError::Result)?;
        let mut read =
            new.all_tools.iter().chain(&new.tools).chain(&new.resources).chain(&new.prompts);
        if read.any(|entry| entry.opaque().is_some()) {
            return Err(EditError::Value("write `any` and `not` in the text".to_owned()));
        }
        self.tools.extend(new.tools);
        self.resources.extend(new.resources);
        self.prompts.extend(new.prompts);
        self.all_tools = self.all_tools.take().or(new.all_tools);
        Ok(())
    }

    fn section(&mut self, block: &Block) -> Option<&mut Vec<Entry>> {
        match block {
            Block::AllTools => None,
            Block::Tools(_) => Some(&mut self.tools),
            Block::Resources(_) => Some(&mut self.resources),
            Block::Prompts(_) => Some(&mut self.prompts),
        }
    }

    fn one(&mut self, block: &Block) -> Result<&mut Entry, EditError> {
        let missing = || EditError::Missing(block.pointer());
        let Some(selector) = block.selector() else {
            return self.all_tools.as_mut().ok_or_else(missing);
        };
        let mut entries = self.section(block).into_iter().flatten();
        entries.find(|entry| entry.selector == selector).ok_or_else(missing)
    }

    fn rule(&mut self, block: &Block, list: List, rule: usize) -> Result<&mut RuleForm, EditError> {
        let pointer = || format!("{}/{}/{rule}", block.pointer(), list.key());
        self.one(block)?.list(list).get_mut(rule).ok_or_else(|| EditError::Missing(pointer()))
    }

    fn limit(&mut self, block: &Block, index: usize) -> Result<&mut LimitForm, EditError> {
        let pointer = || format!("{}/limits/{index}", block.pointer());
        self.one(block)?.limits.get_mut(index).ok_or_else(|| EditError::Missing(pointer()))
    }

    /// Changes each of some blocks once.
    fn change(
        &mut self,
        blocks: &[Block],
        made: Made,
        mut change: impl FnMut(&mut Entry),
    ) -> Result<(), EditError> {
        let mut wanted = unique(blocks)?;
        if wanted.remove(&Block::AllTools) {
            if made != Made::Nothing && self.all_tools.is_none() {
                self.all_tools = Some(Entry::plain(""));
            }
            change(self.one(&Block::AllTools)?);
        }
        let tools = self.tools.iter_mut().map(|e| (Block::Tools(e.selector.clone()), e));
        let resources =
            self.resources.iter_mut().map(|e| (Block::Resources(e.selector.clone()), e));
        let prompts = self.prompts.iter_mut().map(|e| (Block::Prompts(e.selector.clone()), e));
        for (block, entry) in tools.chain(resources).chain(prompts) {
            if wanted.remove(&block) {
                change(entry);
            }
        }
        match blocks.iter().find(|block| wanted.contains(block)) {
            Some(missing) => Err(EditError::Missing(missing.pointer())),
            None => Ok(()),
        }
    }

    fn set_action(&mut self, blocks: &[Block], action: Action) -> Result<(), EditError> {
        if blocks.contains(&Block::AllTools) {
            return Err(EditError::Value("`all_tools` has no action".to_owned()));
        }
        let mut new = unique(blocks)?;
        for (section, entries) in
            [("tools", &self.tools), ("resources", &self.resources), ("prompts", &self.prompts)]
        {
            let known: HashSet<&str> = entries.iter().map(|e| e.selector.as_str()).collect();
            new.retain(|b| {
                b.section() != section || !b.selector().is_some_and(|s| known.contains(s))
            });
        }
        for block in blocks {
            if new.remove(block) {
                let entry = Entry::plain(block.selector().unwrap_or_default());
                self.section(block).into_iter().for_each(|section| section.push(entry.clone()));
            }
        }
        self.change(blocks, Made::Nothing, |entry| {
            if entry.action.is_some() || action != Action::Allow {
                entry.action = Some(action);
            }
        })
    }

    fn remove_blocks(&mut self, blocks: &[Block]) -> Result<(), EditError> {
        let mut opaque = None;
        self.change(blocks, Made::Nothing, |entry| {
            opaque = opaque.take().or_else(|| entry.opaque().cloned());
        })?;
        if let Some(opaque) = &opaque {
            return Err(refused(opaque));
        }
        let gone = unique(blocks)?;
        self.tools.retain(|e| !gone.contains(&Block::Tools(e.selector.clone())));
        self.resources.retain(|e| !gone.contains(&Block::Resources(e.selector.clone())));
        self.prompts.retain(|e| !gone.contains(&Block::Prompts(e.selector.clone())));
        if gone.contains(&Block::AllTools) {
            self.all_tools = None;
        }
        Ok(())
    }

    fn rename(&mut self, block: &Block, to: &str) -> Result<(), EditError> {
        if *block == Block::AllTools {
            return Err(EditError::Value("`all_tools` has no selector".to_owned()));
        }
        to.clone_into(&mut self.one(block)?.selector);
        Ok(())
    }

    fn hide(&mut self, selectors: &[String]) -> Result<(), EditError> {
        bounded(selectors.len())?;
        let mut known: HashSet<String> = self.hide.iter().cloned().collect();
        self.hide.extend(selectors.iter().filter(|s| known.insert((*s).clone())).cloned());
        Ok(())
    }

    fn unhide(&mut self, selectors: &[String]) -> Result<(), EditError> {
        bounded(selectors.len())?;
        let known: HashSet<&String> = self.hide.iter().collect();
        if let Some(missing) = selectors.iter().find(|selector| !known.contains(selector)) {
            return Err(EditError::Missing(format!("`{missing}` in `hide`")));
        }
        let gone: HashSet<&String> = selectors.iter().collect();
        self.hide.retain(|selector| !gone.contains(selector));
        Ok(())
    }
}

/// Which blocks a change makes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Made {
    Nothing,
    /// It lists nothing, so that a rule or limit may make it.
    AllTools,
}

impl Made {
    fn when<T>(value: Option<&T>) -> Self {
        if value.is_some() { Self::AllTools } else { Self::Nothing }
    }
}

fn bounded(count: usize) -> Result<(), EditError> {
    if count > BLOCKS_MAX {
        return Err(EditError::Value(format!("at most {BLOCKS_MAX} selectors at once")));
    }
    Ok(())
}

fn unique(blocks: &[Block]) -> Result<HashSet<Block>, EditError> {
    bounded(blocks.len())?;
    Ok(blocks.iter().cloned().collect())
}

impl Entry {
    fn list(&mut self, list: List) -> &mut Vec<RuleForm> {
        match list {
            List::Require => &mut self.require,
            List::DenyIf => &mut self.deny_if,
        }
    }
}

impl RuleForm {
    fn normal(&self) -> Result<Self, EditError> {
        let conditions =
            self.conditions.iter().map(ConditionForm::normal).collect::<Result<_, _>>()?;
        Ok(Self { conditions, ..self.clone() })
    }

    /// A comparison; other conditions are not touched.
    fn test(&mut self, index: usize) -> Result<&mut ConditionForm, EditError> {
        let pointer = format!("condition {index} of {}", self.place.0.pointer);
        let found = self.conditions.get_mut(index).ok_or(EditError::Missing(pointer))?;
        match found.opaque() {
            Some(opaque) => Err(refused(opaque)),
            None => Ok(found),
        }
    }
}

impl ConditionForm {
    /// The condition with its value spelled as forms spell values.
    fn normal(&self) -> Result<Self, EditError> {
        match self {
            Self::Opaque(_) => {
                Err(EditError::Value("write `any` and `not` in the text".to_owned()))
            }
            Self::Test(test) => {
                let value = Json::parse(&test.value)?.line(FIELD);
                Ok(Self::Test(TestForm { value, ..test.clone() }))
            }
        }
    }
}

impl RateForm {
    fn check(&self) -> Result<(), EditError> {
        Json::number(&self.max)?;
        Json::window(&self.window)?;
        Ok(())
    }
}

impl LimitForm {
    fn check(&self) -> Result<(), EditError> {
        Json::number(&self.max)?;
        Json::window(&self.window)?;
        self.increment.as_deref().map(Json::number).transpose()?;
        Ok(())
    }
}
