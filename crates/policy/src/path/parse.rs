//! The grammar of paths. What is not written here is an error.

use super::fold::fold;
use super::{Path, PathError, PathRoot, Section, Step};
use crate::Value;
use crate::nearest::nearest;

/// Most steps of a path. The wire admits nothing nested as deep, so none of more steps could ever be walked.
const PATH_STEPS_MAX: usize = 128;

/// The roots that take no step, as written.
const FACTS: [(&str, PathRoot); 8] = [
    ("tool.name", PathRoot::ToolName),
    ("tool.class", PathRoot::ToolClass),
    ("tool.risk", PathRoot::ToolRisk),
    ("grant.label", PathRoot::GrantLabel),
    ("client.name", PathRoot::ClientName),
    ("client.version", PathRoot::ClientVersion),
    ("now.hour", PathRoot::NowHour),
    ("now.weekday", PathRoot::NowWeekday),
];
const TAGS: &str = "grant.tags";
const ARGS: &str = "args";

pub(super) fn parse(text: &str, section: Section) -> Result<Path, PathError> {
    if let Some((_, root)) = FACTS.iter().find(|(name, _)| *name == text) {
        let of_tool = matches!(root, PathRoot::ToolName | PathRoot::ToolClass | PathRoot::ToolRisk);
        if of_tool && section != Section::Tools {
            return Err(PathError {
                message: format!("`{text}` says nothing of a resource or a prompt"),
                help: Some("`tool.*` may stand under `tools` and `all_tools` only".to_owned()),
            });
        }
        return Ok(path(text, *root, Vec::new()));
    }
    if let Some(rest) = text.strip_prefix(TAGS) {
        let steps = parse_steps(rest)?;
        if steps.is_empty() || !steps.iter().all(|step| matches!(step, Step::Key(_))) {
            return Err(PathError {
                message: format!("`{text}` names no tag"),
                help: Some("write `grant.tags.<key>`".to_owned()),
            });
        }
        return Ok(path(text, PathRoot::GrantTags, steps));
    }
    match text.strip_prefix(ARGS) {
        Some(rest) if rest.is_empty() || rest.starts_with(['.', '[']) => {
            Ok(path(text, PathRoot::Args, parse_steps(rest)?))
        }
        _ => Err(unknown_root(text)),
    }
}

fn path(text: &str, root: PathRoot, steps: Vec<Step>) -> Path {
    let folded_key = |step: &Step| match step {
        Step::Key(key) => fold(key).into_boxed_str(),
        Step::Index(_) | Step::Each => Box::default(),
    };
    let folded = steps.iter().map(folded_key).collect();
    Path { root, steps: steps.into_boxed_slice(), folded, text: text.into() }
}

fn unknown_root(text: &str) -> PathError {
    let names = FACTS.iter().map(|(name, _)| *name).chain([ARGS]);
    let help = match nearest(text, names) {
        Some(near) => format!("did you mean `{near}`?"),
        None if !text.is_empty() && parse_steps(&format!(".{text}")).is_ok() => {
            format!("arguments are written `args.{text}`")
        }
        None => "a path begins with `args`, `tool.`, `grant.`, `client.` or `now.`".to_owned(),
    };
    PathError { message: format!("`{text}` is no path"), help: Some(help) }
}

fn parse_steps(text: &str) -> Result<Vec<Step>, PathError> {
    let mut steps = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        if steps.len() == PATH_STEPS_MAX {
            return Err(bad_step(format!("more than {PATH_STEPS_MAX} steps")));
        }
        let (step, after) = match rest.strip_prefix('.') {
            Some(rest) => plain_key(rest)?,
            None => match rest.strip_prefix('[') {
                Some(rest) => bracket(rest)?,
                None => return Err(bad_step(format!("`{rest}` is no step"))),
            },
        };
        steps.push(step);
        rest = after;
    }
    Ok(steps)
}

fn plain_key(rest: &str) -> Result<(Step, &str), PathError> {
    let end = rest.find(['.', '[']).unwrap_or(rest.len());
    let (key, after) = rest.split_at_checked(end).unwrap_or((rest, ""));
    if key.is_empty() {
        return Err(bad_step("a key is missing after `.`".to_owned()));
    }
    if key.contains(|c: char| matches!(c, ']' | '"' | '*') || c.is_whitespace()) {
        return Err(bad_step(format!("`{key}` is no plain key")));
    }
    Ok((Step::Key(key.into()), after))
}

/// What stands after `[`: an index, a star, or a key as a JSON string.
fn bracket(rest: &str) -> Result<(Step, &str), PathError> {
    if let Some(after) = rest.strip_prefix("*]") {
        return Ok((Step::Each, after));
    }
    if rest.starts_with('"') {
        return quoted_key(rest);
    }
    let (digits, after) =
        rest.split_once(']').ok_or_else(|| bad_step("`[` without `]`".to_owned()))?;
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit())
        && (digits == "0" || !digits.starts_with('0'));
    match digits.parse::<usize>() {
        Ok(index) if plain => Ok((Step::Index(index), after)),
        _ => Err(bad_step(format!("`[{digits}]` is no step"))),
    }
}

fn quoted_key(rest: &str) -> Result<(Step, &str), PathError> {
    let mut escaped = false;
    let closing = rest.bytes().enumerate().skip(1).find(|(_, byte)| {
        let closes = *byte == b'"' && !escaped;
        escaped = *byte == b'\\' && !escaped;
        closes
    });
    let string = closing.and_then(|(at, _)| rest.split_at_checked(at + 1));
    let (string, after) = string.ok_or_else(|| bad_step("`\"` without its end".to_owned()))?;
    let after = after
        .strip_prefix(']')
        .ok_or_else(|| bad_step(format!("`]` is missing after `{string}`")))?;
    let value = Value::parse(string).ok();
    match value.as_ref().and_then(|value| value.root().as_str()) {
        Some(key) => Ok((Step::Key(key.into()), after)),
        None => Err(bad_step(format!("`{string}` is no JSON string"))),
    }
}

fn bad_step(message: String) -> PathError {
    PathError {
        message,
        help: Some("steps are `.key`, `[0]`, `[*]` and `[\"any key\"]`".to_owned()),
    }
}
