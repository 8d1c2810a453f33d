//! Who may do what: the table that a test makes by asking every endpoint and every page as every role.

use serde_json::Value;

use super::{put, schema};

/// The page.
pub(super) fn page(texts: &[String]) -> Result<String, String> {
    let [roles, permissions, screens, openapi] = texts else {
        return Err("four sources".to_owned());
    };
    let document: Value = serde_json::from_str(openapi).map_err(|problem| problem.to_string())?;
    let about = "The first table is what the program asks for. The others were made by asking: a test sends every request as nobody and as each \
                 role, and writes down what came back. `may` means that the role is not what refuses. How people get a role: \
                 [people](../people.md).";
    let mut page = super::headed("Roles: who may do what", super::ROLES, about);
    page.push_str(permissions);
    let head = "| request | what for | nobody | viewer | policy_manager | approver | admin |\n|---|---|---|---|---|---|---|\n";
    put(&mut page, format_args!("\n## Pages\n\n`sign-in` sends to the sign-in page.\n\n{head}"));
    let asked = roles.lines().skip(2).filter_map(|line| line.strip_prefix("| "));
    let rows = asked.filter_map(|line| line.split_once(" | "));
    let (api, pages): (Vec<_>, Vec<_>) = rows.partition(|(request, _)| request.contains("/api/"));
    for (request, may) in pages {
        let about = screens.lines().find_map(|line| {
            line.strip_prefix("| ")?.strip_prefix(request)?.strip_prefix(" | ")?.strip_suffix(" |")
        });
        put(&mut page, format_args!("| `{request}` | {} | {may}\n", about.unwrap_or_default()));
    }
    put(&mut page, format_args!("\n## API\n\n{head}"));
    for (request, may) in api {
        let (method, path) = request.split_once(' ').unwrap_or(("", request));
        let place = format!("/paths/{}/{}/summary", path.replace('/', "~1"), method.to_lowercase());
        let about = document.pointer(&place).and_then(Value::as_str).unwrap_or_default();
        put(&mut page, format_args!("| `{request}` | {} | {may}\n", schema::cell(about)));
    }
    Ok(page)
}
