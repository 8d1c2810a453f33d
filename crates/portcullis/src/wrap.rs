//! `wrap` and `unwrap`: a program that a client starts is put behind `portcullis run`, and taken out again.
//!
//! Nothing is written that was not shown: what is written is bound to the digest of the file that the preview was made
//! from. Before, the file is copied beside itself; the new one takes its place in one step, with its rights. What another
//! program writes between the last look and that step is lost to it, as with any editor.
//!
//! What never lives here: how an entry is changed (`console::clients::wrap`).

mod change;

use std::fs::{DirBuilder, OpenOptions};
use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use clap::Args;
use console::clients::wrap::{self as entry, Front, Target, WrapError};
use console::clients::{Client, Scope, client};

use self::change::Change;
use crate::causes::chain;
use crate::client_files::{ClientFile, Machine};
use crate::clock;
use crate::config::Environment;
use crate::discover::known_client;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::manage::inert;
use crate::output;
use crate::text_file;

/// Bytes of an answer to a question, at most.
const ANSWER_BYTES_MAX: u64 = 64;
/// Bytes of a policy, at most (POLICY section 1).
const POLICY_BYTES_MAX: u64 = 1024 * 1024;
/// Characters of the name that a server has in the audit, at most (GATEWAY section 1).
const SLUG_CHARS_MAX: usize = 63;

/// Which entry of which file.
#[derive(Debug, Args)]
struct EntryArgs {
    /// The client, as `portcullis discover` names it
    #[arg(value_parser = known_client)]
    client: &'static str,
    /// The server's name in the client
    server: String,
    /// The client's file [default: the one of yours that has the server]
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// The project whose entry it is, where one file has those of several
    #[arg(long, value_name = "NAME")]
    project: Option<String>,
    /// Change it without asking
    #[arg(long, short)]
    yes: bool,
    /// Show what would change, and change nothing
    #[arg(long, conflicts_with = "yes")]
    dry_run: bool,
    /// Change it only if the file's SHA-256 is the one that a preview showed
    #[arg(long, value_name = "SHA256")]
    expect: Option<String>,
}

/// What `wrap` takes.
#[derive(Debug, Args)]
#[command(after_help = "\
The entry's program becomes `portcullis run … -- PROGRAM…`; its arguments and variables stay as they
are, and so does the rest of the file, comments included. The file is copied beside itself first, and
`portcullis unwrap` takes the change back to the byte. What cannot be changed back is refused.

Exit codes: 0 done; 1 the file changed meanwhile or cannot be written; 2 nothing to wrap, or nobody
to ask; 3 an invalid policy.

Without --policy a file is made that holds each call until you name its tool there; it is yours to
change. With --data-dir a held call waits, and `portcullis approvals watch --config
DIR/portcullis.toml` decides it; one DIR serves one session of the client at a time.

Examples:
  portcullis wrap cursor files
  portcullis wrap cursor files --policy files.policy.json
  portcullis wrap claude-code db --policy db.policy.json --dry-run")]
pub(crate) struct WrapArgs {
    #[command(flatten)]
    entry: EntryArgs,
    /// The policy [default: one that holds each call, made in your data folder]
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// Keep approvals, limits, accepted tools and the audit here
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// How the client finds this program
    #[arg(long, value_name = "PROGRAM", default_value = "portcullis")]
    program: String,
}

/// What `unwrap` takes.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  portcullis unwrap cursor files")]
pub(crate) struct UnwrapArgs {
    #[command(flatten)]
    entry: EntryArgs,
}

/// Puts a program behind `portcullis run`.
pub(crate) fn run(args: &WrapArgs, environment: &Environment) -> Result<Exit, Failure> {
    let (policy, to_make) = match &args.policy {
        Some(path) => (checked_policy(path)?, None),
        None => default_policy(&args.entry, environment)?,
    };
    let data_dir = args.data_dir.as_deref().map(absolute).transpose()?;
    let found = Found::look(&args.entry, environment)?;
    let target = found.target(&args.entry);
    let variables = entry::variables(&found.text, target).map_err(refused)?;
    let mut front = vec!["run".to_owned(), "--policy".to_owned(), policy.clone()];
    front.extend(["--server-name".to_owned(), slug(&args.entry.server)]);
    if let Some(data_dir) = &data_dir {
        front.extend(["--data-dir".to_owned(), data_dir.clone()]);
    }
    front.extend(variables.iter().flat_map(|name| ["--env".to_owned(), name.clone()]));
    let front = Front { program: &args.program, arguments: &front };
    let wrapped = entry::wrap(&found.text, target, front).map_err(refused)?;
    let words = entry::words(&found.text, target).map_err(refused)?;
    let mut lines = vec![
        format!("now:  {}", program_of(&words)),
        format!("then: {} {} -- {}", args.program, front.arguments.join(" "), program_of(&words)),
    ];
    if !variables.is_empty() {
        lines.push(format!("env:  {} (values stay as they are)", variables.join(", ")));
    }
    if to_make.is_some() {
        lines.push(format!(
            "new:  {policy}, which holds each call: name in it the tools that may pass"
        ));
    }
    lines.push(match &data_dir {
        Some(dir) => {
            format!(
                "held: calls wait for `portcullis approvals watch --config {dir}/portcullis.toml`"
            )
        }
        None => {
            "held: calls end as refused, since nobody can decide them without --data-dir".to_owned()
        }
    });
    found.carry_out(&args.entry, wrapped, &lines, || to_make.map_or(Ok(()), |path| ask_all(&path)))
}

/// Takes a program out from behind `portcullis run`.
pub(crate) fn undo(args: &UnwrapArgs, environment: &Environment) -> Result<Exit, Failure> {
    let found = Found::look(&args.entry, environment)?;
    let target = found.target(&args.entry);
    let bare = entry::unwrap(&found.text, target).map_err(refused)?;
    let words = entry::words(&bare, target).map_err(refused)?;
    let lines = ["now:  portcullis run …".to_owned(), format!("then: {}", program_of(&words))];
    found.carry_out(&args.entry, bare, &lines, || Ok(()))
}

#[expect(clippy::needless_pass_by_value, reason = "what `map_err` hands over")]
fn refused(error: WrapError) -> Failure {
    Failure::because(Exit::Usage, "nothing was changed", &error)
}

/// A command without its arguments, which may be secret.
fn program_of(words: &[String]) -> String {
    let program = words.first().map(String::as_str).unwrap_or_default();
    match words.len().saturating_sub(1) {
        0 => program.to_owned(),
        1 => format!("{program} (and its argument, as it is)"),
        count => format!("{program} (and its {count} arguments, as they are)"),
    }
}

/// A policy for somebody who has none: nothing passes without a yes, and nothing is taken away from the agent.
const ASK_ALL: &str = r#"{
  // Each call is held. To let calls of a tool pass, name it here: "list_files": {}
  // To decide held calls yourself, wrap the server with --data-dir.
  // `portcullis policy explain` says what this file makes of a call.
  "version": "1",
  "default": "deny",
  "tools": {
    "*": { "action": "approve", "reason": "Nobody has said yet what this tool may do." }
  }
}
"#;

/// Where the policy of an entry is that was named none, and the same again if it has to be made.
fn default_policy(
    entry: &EntryArgs,
    environment: &Environment,
) -> Result<(String, Option<PathBuf>), Failure> {
    let named = environment.get_non_empty("XDG_DATA_HOME").map(PathBuf::from);
    let data = named.filter(|path| path.is_absolute()).or_else(|| {
        environment.get_non_empty("HOME").map(|home| Path::new(home).join(".local/share"))
    });
    let data = data.ok_or_else(|| {
        Failure::new(Exit::Usage, "HOME is not set; name the policy with --policy")
    })?;
    let file = format!("{}-{}.policy.json", entry.client, slug(&entry.server));
    let path = data.join("portcullis/wrapped").join(file);
    if path.exists() {
        return Ok((checked_policy(&path)?, None));
    }
    Ok((absolute(&path)?, Some(path)))
}

/// Writes [`ASK_ALL`], never in the place of another file.
fn ask_all(path: &Path) -> Result<(), Failure> {
    let write = || {
        if let Some(folder) = path.parent() {
            DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        file.write_all(ASK_ALL.as_bytes())?;
        file.sync_all()
    };
    let doing = format!("nothing was changed: cannot write {}", path.display());
    write().map_err(|error: std::io::Error| Failure::because(Exit::Failed, &doing, &error))
}

/// The policy's absolute path, once its text is a policy.
fn checked_policy(path: &Path) -> Result<String, Failure> {
    let doing = format!("{}", path.display());
    let text = text_file::read(path, POLICY_BYTES_MAX)
        .map_err(|error| Failure::because(Exit::Usage, &doing, &error))?;
    if let Err(problems) = policy::Document::parse(&text) {
        let text = format!(
            "{doing} has {} problems; `portcullis policy validate {doing}` shows them",
            problems.len()
        );
        return Err(Failure::new(Exit::Policy, text));
    }
    // The client starts the program from wherever it likes.
    let real = std::fs::canonicalize(path)
        .map_err(|error| Failure::because(Exit::Usage, &doing, &error))?;
    absolute(&real)
}

fn absolute(path: &Path) -> Result<String, Failure> {
    let whole = std::path::absolute(path)
        .map_err(|error| Failure::because(Exit::Usage, &path.display().to_string(), &error))?;
    let text = whole.to_str().map(str::to_owned);
    text.ok_or_else(|| Failure::new(Exit::Usage, format!("{} is not UTF-8", whole.display())))
}

/// What a server is called in the audit: its name as far as a slug has such characters.
fn slug(name: &str) -> String {
    let kept: String = name
        .chars()
        .map(|c| c.to_ascii_lowercase())
        .map(|c| if c.is_ascii_lowercase() || c.is_ascii_digit() { c } else { '-' })
        .take(SLUG_CHARS_MAX)
        .collect();
    let kept = kept.trim_matches('-');
    if kept.is_empty() { "local".to_owned() } else { kept.to_owned() }
}

/// The file that has the entry.
struct Found {
    client: &'static Client,
    file: ClientFile,
    path: PathBuf,
    text: String,
}

impl Found {
    fn look(args: &EntryArgs, environment: &Environment) -> Result<Found, Failure> {
        let client = client(args.client)
            .ok_or_else(|| Failure::new(Exit::Usage, format!("no client {}", args.client)))?;
        let mut found = Vec::new();
        for file in candidates(client, args, environment)? {
            let read = file.real_path().and_then(|path| Ok((path, file.read()?)));
            let (path, text) = match read {
                Ok(read) => read,
                Err(error) => {
                    output::note(format!("warning: {}: {}", file.path.display(), chain(&error)));
                    continue;
                }
            };
            let one = Found { client, file, path, text };
            match entry::words(&one.text, one.target(args)) {
                Err(WrapError::NotFound(_)) => {}
                Err(WrapError::Syntax(error)) => {
                    let path = one.path.display().to_string();
                    return Err(Failure::because(Exit::Usage, &path, &error));
                }
                _ => found.push(one),
            }
        }
        let several: Vec<String> = found.iter().map(|f| f.path.display().to_string()).collect();
        let mut found = found.into_iter();
        match (found.next(), found.next()) {
            (Some(only), None) => Ok(only),
            (None, _) => Err(Failure::new(
                Exit::Usage,
                format!("{} has no server `{}` that is yours to change", client.name, args.server),
            )),
            (Some(_), Some(_)) => Err(Failure::new(
                Exit::Usage,
                format!("several files have it; name one with --file: {}", several.join(", ")),
            )),
        }
    }

    fn target<'a>(&'a self, args: &'a EntryArgs) -> Target<'a> {
        Target {
            format: self.client.format,
            containers: &self.file.containers,
            server: &args.server,
            project: args.project.as_deref(),
        }
    }

    /// Shows the change, asks, and makes it.
    fn carry_out(
        self,
        args: &EntryArgs,
        new: String,
        lines: &[String],
        before: impl FnOnce() -> Result<(), Failure>,
    ) -> Result<Exit, Failure> {
        let change = Change::new(self.path, self.text, new);
        output::line(format!("{}: {}", inert(&args.server), change.path().display()));
        for line in lines {
            output::line(format!("  {}", inert(line)));
        }
        output::line(format!("  file: sha256 {}", change.before()));
        if args.expect.as_deref().is_some_and(|expected| expected != change.before()) {
            let text = "the file is not the one that was previewed; nothing was changed";
            return Err(Failure::new(Exit::Failed, text));
        }
        if args.dry_run {
            return Ok(Exit::Good);
        }
        if !args.yes && !asked()? {
            output::note("nothing was changed");
            return Ok(Exit::Good);
        }
        before()?;
        let backup = change
            .make(clock::now())
            .map_err(|error| Failure::because(Exit::Failed, "nothing was changed", &error))?;
        output::line(format!("changed; the file as it was is {}", backup.display()));
        output::line("restart the client to have it read its file again");
        Ok(Exit::Good)
    }
}

/// The files that may have the entry: the one that was named, else those of the user and of this project.
fn candidates(
    client: &'static Client,
    args: &EntryArgs,
    environment: &Environment,
) -> Result<Vec<ClientFile>, Failure> {
    if let Some(path) = &args.file {
        let mut containers: Vec<_> = client.places.iter().map(|place| place.container).collect();
        containers.sort_unstable();
        containers.dedup();
        return Ok(vec![ClientFile {
            client,
            scope: Scope::User,
            containers,
            path: path.clone(),
            // Somebody who names a file means the one that its links lead to.
            within: PathBuf::from("/"),
        }]);
    }
    let projects = std::env::current_dir().into_iter().collect();
    let machine = Machine::here(environment, projects)
        .ok_or_else(|| Failure::new(Exit::Usage, "HOME is not set; name the file with --file"))?;
    let own = |file: &ClientFile| matches!(file.scope, Scope::User | Scope::Project);
    Ok(machine.files(|one| one.id == client.id).into_iter().filter(own).collect())
}

/// Asks the person at the terminal.
fn asked() -> Result<bool, Failure> {
    if !std::io::stdin().is_terminal() {
        let text = "nobody can be asked here: look at it with --dry-run, then say --yes";
        return Err(Failure::new(Exit::Usage, text));
    }
    output::note("change it? [y/N]");
    let mut answer = String::new();
    let stdin = std::io::stdin().lock();
    let read = std::io::Read::take(stdin, ANSWER_BYTES_MAX).read_line(&mut answer);
    read.map_err(|error| Failure::because(Exit::Failed, "no answer", &error))?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

#[cfg(test)]
mod tests;
