//! Which package a command runs: the name and version that stand in it.
//!
//! What never lives here: looking anything up.

/// A package as a command names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    /// Where it comes from: `npm`, `pypi` or `oci`.
    pub ecosystem: &'static str,
    /// Its name.
    pub name: String,
    /// The version, tag or digest that the command pins; without one, whatever is newest runs.
    pub version: Option<String>,
}

impl Package {
    /// The package that a command runs, if the command is one of the runners known here.
    pub(super) fn of(command: &[String]) -> Option<Package> {
        let (program, arguments) = command.split_first()?;
        let program = program.rsplit(['/', '\\']).next().unwrap_or(program);
        let program = program.strip_suffix(".exe").or(program.strip_suffix(".cmd"));
        let program =
            program.unwrap_or_else(|| command.first().map_or("", |p| last_part(p.as_str())));
        match program {
            "npx" | "bunx" => npm(arguments),
            "pnpm" | "yarn" | "bun" | "npm" => match arguments.split_first() {
                Some((verb, rest)) if matches!(verb.as_str(), "dlx" | "x" | "exec") => npm(rest),
                _ => None,
            },
            "uvx" => python(arguments, &["--from"]),
            "uv" => match arguments {
                [tool, run, rest @ ..] if tool == "tool" && run == "run" => {
                    python(rest, &["--from"])
                }
                _ => None,
            },
            "pipx" => match arguments.split_first() {
                Some((verb, rest)) if verb == "run" => python(rest, &["--spec"]),
                _ => None,
            },
            "docker" | "podman" | "nerdctl" => match arguments.split_first() {
                Some((verb, rest)) if verb == "run" => image(rest),
                _ => None,
            },
            _ => None,
        }
    }
}

fn last_part(path: &str) -> &str {
    path.rsplit(['/', '\\']).next().unwrap_or(path)
}

/// The first word that is no switch, or the value of one of `named`.
fn package_word<'a>(arguments: &'a [String], named: &[&str]) -> Option<&'a str> {
    let mut words = arguments.iter().map(String::as_str);
    while let Some(word) = words.next() {
        if named.contains(&word) {
            return words.next();
        }
        if let Some((switch, value)) = word.split_once('=')
            && named.contains(&switch)
        {
            return Some(value);
        }
        if matches!(word, "--python" | "--with" | "--registry" | "-c" | "--call") {
            words.next();
        } else if !word.starts_with('-') {
            return Some(word);
        }
    }
    None
}

fn npm(arguments: &[String]) -> Option<Package> {
    let word = package_word(arguments, &["-p", "--package"])?;
    // A scope begins with `@` as well as a version does.
    let from = usize::from(word.starts_with('@'));
    let version =
        word.get(from..).and_then(|rest| rest.find('@')).map(|at| at.saturating_add(from));
    Some(split("npm", word, version, 1))
}

fn python(arguments: &[String], named: &[&str]) -> Option<Package> {
    let word = package_word(arguments, named)?;
    match word.find("==") {
        Some(at) => Some(split("pypi", word, Some(at), 2)),
        None => Some(split("pypi", word, word.find('@'), 1)),
    }
}

/// Switches of `docker run` that take no value; any other one takes the next word.
const IMAGE_FLAGS: [&str; 10] = [
    "-i",
    "-t",
    "-it",
    "-d",
    "--rm",
    "--init",
    "--interactive",
    "--tty",
    "--privileged",
    "--detach",
];

fn image(arguments: &[String]) -> Option<Package> {
    let mut words = arguments.iter().map(String::as_str);
    let word = loop {
        let word = words.next()?;
        if !word.starts_with('-') {
            break word;
        }
        if !word.contains('=') && !IMAGE_FLAGS.contains(&word) {
            words.next();
        }
    };
    if let Some(at) = word.find('@') {
        return Some(split("oci", word, Some(at), 1));
    }
    let name_from = word.rfind('/').map_or(0, |at| at.saturating_add(1));
    let tag = word.get(name_from..).and_then(|rest| rest.find(':'));
    Some(split("oci", word, tag.map(|at| at.saturating_add(name_from)), 1))
}

fn split(ecosystem: &'static str, word: &str, at: Option<usize>, skip: usize) -> Package {
    let parts = at.and_then(|at| {
        let version = word.get(at.saturating_add(skip)..)?;
        Some((word.get(..at)?, version))
    });
    match parts {
        Some((name, version)) if !version.is_empty() => {
            Package { ecosystem, name: name.to_owned(), version: Some(version.to_owned()) }
        }
        _ => Package { ecosystem, name: word.to_owned(), version: None },
    }
}
