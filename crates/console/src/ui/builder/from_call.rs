//! The panel above the builder that makes a rule or a test of a recorded call: a form that works without a script. What it
//! makes goes into the visitor's unsaved text, and is saved by nobody but them.
//!
//! What never lives here: what is suggested and how it is put into the text (`ops::builder`).

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use policy::edit::Block;

use super::{Asked, page, work};
use crate::Console;
use crate::ops::builder::{
    Chosen, FromCall, NewRule, NewTest, Refusal, from_call, put_rule, put_test,
};
use crate::ops::{OpError, Permission, policies};
use crate::ui::address::Path;
use crate::ui::form::Posted;
use crate::ui::page::{Trouble, answer, encoded, see_other};
use crate::ui::visitor::Visitor;

/// What is offered of a call.
#[derive(Debug)]
pub(super) struct Offer {
    pub(super) call: FromCall,
    /// Whether a test is to be made, not a rule.
    pub(super) is_test: bool,
    /// The tool whose rules are opened beside; empty for resources and prompts.
    pub(super) tool: String,
    /// What the call is of.
    pub(super) subject: String,
    /// What was wrong with the form.
    pub(super) wrong: Option<String>,
}

impl Offer {
    pub(super) async fn of(
        console: &Console,
        visitor: &Visitor,
        (seq, is_test): (i64, bool),
    ) -> Result<Self, Trouble> {
        let (call, _entry) = from_call(console, &visitor.actor, seq).await?;
        let subject = call.block.selector().unwrap_or_default().to_owned();
        let tool =
            if matches!(call.block, Block::Tools(_)) { subject.clone() } else { String::new() };
        Ok(Self { call, is_test, tool, subject, wrong: None })
    }
}

/// What the form sends: names with their values, those of conditions among them.
type Members = Vec<(String, String)>;

fn member<'m>(members: &'m Members, name: &str) -> &'m str {
    members.iter().find(|(found, _)| found == name).map_or("", |(_, value)| value)
}

/// Puts what was agreed to into the visitor's unsaved text.
pub(in crate::ui) async fn put(
    State(console): State<Console>,
    Path(name): Path<String>,
    posted: Posted<Members>,
) -> Result<Response, Trouble> {
    let Posted { visitor, form, .. } = posted;
    visitor.actor.may(Permission::EditPolicies).map_err(OpError::from)?;
    let work = work(&console, &visitor, &name).await?;
    if work.managed {
        let text = "this policy is managed by `portcullis.toml`; change it there".to_owned();
        return Err(OpError::Conflict(text).into());
    }
    let seq = member(&form, "from").parse();
    let seq = seq.map_err(|_no_number| OpError::Invalid("`from` is no call".to_owned()))?;
    let (call, entry) = from_call(&console, &visitor.actor, seq).await?;
    let is_test = member(&form, "as") == "test";
    let put = if is_test {
        put_test(&work.text, (&call, &entry), &test_of(&form))
    } else {
        rule_of(&form, &call).and_then(|rule| put_rule(&work.text, &call, rule))
    };
    match put {
        Ok(text) => {
            let what = (work.server, text, work.base);
            policies::keep_draft(&console, &visitor.actor, &work.name, what).await?;
            let address = format!("/policies/{}", encoded(work.name.as_str()));
            let told = if is_test {
                "The call is a test of your text now. Nothing is saved yet."
            } else {
                "The rule is in your text now. Nothing is saved yet."
            };
            let tool = match &call.block {
                Block::Tools(tool) => format!("&tool={}", encoded(tool)),
                Block::AllTools | Block::Resources(_) | Block::Prompts(_) => String::new(),
            };
            Ok(see_other(&format!("{address}?told={}{tool}", encoded(told))))
        }
        Err(OpError::Invalid(why)) => {
            let offer = Offer::of(&console, &visitor, (seq, is_test)).await?;
            let offer = Offer { wrong: Some(why), ..offer };
            let page = page(&console, &visitor, (work, Asked::default()), Some(offer)).await?;
            Ok(answer(StatusCode::UNPROCESSABLE_ENTITY, &page))
        }
        Err(other) => Err(other.into()),
    }
}

fn rule_of(form: &Members, call: &FromCall) -> Result<NewRule, OpError> {
    let refusal = match member(form, "refusal") {
        "deny" => Refusal::Deny,
        "ask" => Refusal::Ask,
        "others" => Refusal::Others,
        _ => return Err(OpError::Invalid("say what becomes of such calls".to_owned())),
    };
    let chosen = |(number, suggested): (usize, &crate::ops::builder::Suggested)| {
        (member(form, &format!("keep.{number}")) == "yes").then(|| Chosen {
            path: suggested.path.clone(),
            op: member(form, &format!("op.{number}")).to_owned(),
            value: member(form, &format!("value.{number}")).to_owned(),
        })
    };
    let message = member(form, "message").trim();
    Ok(NewRule {
        refusal,
        conditions: call.conditions.iter().enumerate().filter_map(chosen).collect(),
        message: (!message.is_empty()).then(|| message.to_owned()),
    })
}

fn test_of(form: &Members) -> NewTest {
    NewTest {
        name: member(form, "name").trim().to_owned(),
        arguments: member(form, "args").to_owned(),
        verdict: member(form, "verdict").to_owned(),
    }
}
