//! Conditions of rules (POLICY section 4): the three forms, paths, operators and their values.

use std::ops::Range;

use jsonc_parser::ast::Value as Ast;
use jsonc_parser::common::Ranged as _;

use super::{Found, Place, Reader, span};
use crate::document::{Condition, Operand, Test};
use crate::{BuildError, IfMissing, Op, OpErrorAt, Path, Section, Value};

impl Reader {
    /// A list of conditions; `None` where the list or one of them is no good.
    pub(super) fn conditions(
        &mut self,
        place: &Place<'_>,
        list: &[Ast<'_>],
        section: Section,
    ) -> Option<Vec<Condition>> {
        let mut all = Some(Vec::with_capacity(list.len()));
        for (index, element) in list.iter().enumerate() {
            let condition = self.condition(&place.index(index), element, section);
            match (&mut all, condition) {
                (Some(conditions), Some(condition)) => conditions.push(condition),
                (all, _) => *all = None,
            }
        }
        all
    }

    /// One condition. Which form it has is read from `any`, then from `not`; keys of another form are unknown.
    fn condition(
        &mut self,
        place: &Place<'_>,
        value: &Ast<'_>,
        section: Section,
    ) -> Option<Condition> {
        let Ast::Object(object) = value else {
            self.wrong_type(place, value, "a condition");
            return None;
        };
        let has = |key: &str| object.properties.iter().any(|member| member.name.as_str() == key);
        if has("any") {
            let fields = self.fields(place, value, &["any"])?;
            let list = self.array(&fields, "any")?;
            let any = place.key("any");
            if list.is_empty() {
                let span = fields.get("any").map_or(0..0, span);
                self.report(&any, span, "`any` needs at least one condition".to_owned());
                return None;
            }
            return self.conditions(&any, list, section).map(Condition::Any);
        }
        if has("not") {
            let fields = self.fields(place, value, &["not"])?;
            let inner = fields.get("not")?;
            let inner = self.condition(&place.key("not"), inner, section)?;
            return Some(Condition::Not(Box::new(inner)));
        }
        self.test(place, value, section).map(|test| Condition::Test(Box::new(test)))
    }

    fn test(&mut self, place: &Place<'_>, value: &Ast<'_>, section: Section) -> Option<Test> {
        let at = value.start();
        let fields = self.fields(place, value, &["path", "op", "value", "if_missing"])?;
        for key in ["path", "op", "value"] {
            self.require_member(&fields, key);
        }
        let path = self.word(&fields, "path", None).and_then(|text| {
            self.path(&place.key("path"), text, fields.get("path").map_or(0..0, span), section)
        });
        let if_missing = match self.word(&fields, "if_missing", Some(&["match"])) {
            Some(_) => IfMissing::Match,
            None => IfMissing::False,
        };
        let name = self.word(&fields, "op", None);
        let operand = fields.get("value");
        let op = match (name, operand) {
            (Some(name), Some(value)) => {
                let op_span = fields.get("op").map_or(0..0, span);
                self.op(place, name, op_span, value)
            }
            (Some(name), None) => {
                self.unknown_op(place, name, fields.get("op").map_or(0..0, span));
                None
            }
            (None, _) => None,
        };
        Some(Test {
            path: path?,
            op: op?,
            if_missing,
            value: operand_of(operand?),
            pointer: place.to_string(),
            at,
        })
    }

    pub(super) fn path(
        &mut self,
        place: &Place<'_>,
        text: &str,
        span: Range<usize>,
        section: Section,
    ) -> Option<Path> {
        match Path::parse(text, section) {
            Ok(path) => Some(path),
            Err(error) => {
                self.report_with_help(place, span, error.message, error.help);
                None
            }
        }
    }

    /// Reports an operator that does not exist; what it would say of a value does not matter.
    fn unknown_op(&mut self, place: &Place<'_>, name: &str, span: Range<usize>) -> bool {
        let nothing = Value::object();
        let errors = Op::parse(name, nothing.root()).err().unwrap_or_default();
        let unknown = errors.into_iter().find(|error| error.at == OpErrorAt::Op);
        let found = unknown.is_some();
        if let Some(error) = unknown {
            self.report_with_help(&place.key("op"), span, error.message, error.help);
        }
        found
    }

    fn op(
        &mut self,
        place: &Place<'_>,
        name: &str,
        op_span: Range<usize>,
        operand: &Ast<'_>,
    ) -> Option<Op> {
        let mut builder = Value::builder();
        crate::canonical::build(&mut builder, operand);
        let value = match builder.finish() {
            Ok(value) => value,
            Err(error) => {
                if !self.unknown_op(place, name, op_span) {
                    self.unreadable_operand(&place.key("value"), name, operand, &error);
                }
                return None;
            }
        };
        let errors = match Op::parse(name, value.root()) {
            Ok(op) => return Some(op),
            Err(errors) => errors,
        };
        for error in errors {
            match error.at {
                OpErrorAt::Op => {
                    let place = place.key("op");
                    self.report_with_help(&place, op_span.clone(), error.message, error.help);
                }
                OpErrorAt::Value => self.problems.push(Found {
                    pointer: format!("{}{}", place.key("value"), error.below),
                    span: span(below(operand, &error.below)),
                    message: error.message,
                    help: error.help,
                }),
            }
        }
        None
    }

    /// A value that holds a key twice: the duplicates are the problem, unless the operator takes no such value.
    fn unreadable_operand(
        &mut self,
        place: &Place<'_>,
        name: &str,
        operand: &Ast<'_>,
        error: &BuildError,
    ) {
        let nothing = Value::object();
        if let (Ast::Object(_), Err(errors)) = (operand, Op::parse(name, nothing.root())) {
            for error in errors {
                self.report(place, span(operand), error.message);
            }
            return;
        }
        let before = self.problems.len();
        self.check_free_form(place, operand);
        if self.problems.len() == before {
            self.report(place, span(operand), error.to_string());
        }
    }
}

/// The part of a value that a pointer names, or as much of the way as there is.
fn below<'t, 'a>(value: &'t Ast<'a>, pointer: &str) -> &'t Ast<'a> {
    let mut found = value;
    for token in pointer.split('/').skip(1) {
        let next = if let Ast::Array(array) = found {
            token.parse().ok().and_then(|index: usize| array.elements.get(index))
        } else if let Ast::Object(object) = found {
            let key = token.replace("~1", "/").replace("~0", "~");
            let member = object.properties.iter().find(|member| member.name.as_str() == key);
            member.map(|member| &member.value)
        } else {
            None
        };
        match next {
            Some(next) => found = next,
            None => break,
        }
    }
    found
}

/// What hints and warnings read of a value.
fn operand_of(value: &Ast<'_>) -> Operand {
    match value {
        Ast::NullKeyword(_) => Operand::Null,
        Ast::BooleanLit(literal) => Operand::Bool(literal.value),
        Ast::NumberLit(literal) => Operand::Number(literal.value.to_owned()),
        Ast::StringLit(literal) => Operand::Text(literal.value.clone().into_owned()),
        Ast::Array(array) => Operand::List(array.elements.iter().map(operand_of).collect()),
        Ast::Object(_) => Operand::Object,
    }
}
