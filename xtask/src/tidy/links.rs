//! Links from page to page: each leads to a file or folder of the repository and, where it says so, to a heading of
//! that page. Links to elsewhere are nobody's promise here. No file system: pages and names are handed in.

use super::proofs::Source;

/// Every link that leads nowhere.
pub(super) fn check(pages: &[Source<'_>], names: &[String]) -> Vec<String> {
    let mut faults = Vec::new();
    for page in pages.iter().filter(|page| is_page(page.name)) {
        for (line, link) in links(page.text) {
            let (path, heading) = link.split_once('#').unwrap_or((link.as_str(), ""));
            let target =
                if path.is_empty() { page.name.to_owned() } else { joined(page.name, path) };
            let folder = format!("{}/", target.trim_end_matches('/'));
            let is_there = |name: &String| *name == target || name.starts_with(&folder);
            let at = format!("{}:{line}", page.name);
            if !names.iter().any(is_there) {
                faults.push(format!("{at}: `{link}` leads nowhere"));
                continue;
            }
            let known = pages.iter().find(|known| known.name == target);
            if !heading.is_empty() && known.is_some_and(|known| !has(known.text, heading)) {
                faults.push(format!("{at}: {target} has no heading `#{heading}`"));
            }
        }
    }
    faults
}

fn is_page(name: &str) -> bool {
    let is_ours = name.starts_with("docs/") || !name.contains('/');
    is_ours && name.rsplit_once('.').is_some_and(|(_stem, end)| end == "md")
}

/// Lines outside of fenced blocks, with their numbers.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut inside = false;
    (1..).zip(text.lines()).filter(move |(_number, line)| {
        let fence = line.trim_start().starts_with("```");
        inside ^= fence;
        !inside && !fence
    })
}

/// The links of a page to places of this repository.
fn links(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (number, line) in prose(text) {
        let ends = line.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        let own = ends.filter(|link| !link.contains("://") && !link.contains(' '));
        found.extend(own.map(|link| (number, link.to_owned())));
    }
    found
}

/// A path of a page, from the root.
fn joined(page: &str, path: &str) -> String {
    let mut parts: Vec<&str> = page.split('/').collect();
    parts.pop();
    for part in path.split('/').filter(|part| !part.is_empty() && *part != ".") {
        if part == ".." {
            parts.pop();
        } else {
            parts.push(part);
        }
    }
    parts.join("/")
}

fn has(page: &str, heading: &str) -> bool {
    prose(page).any(|(_number, line)| line.starts_with('#') && anchor(line) == heading)
}

/// How a heading is linked to.
fn anchor(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = text.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

#[cfg(test)]
#[path = "links_tests.rs"]
mod tests;
