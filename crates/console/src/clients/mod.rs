//! The MCP clients that people use, as data ([`CLIENTS`]): where each keeps its servers, how an entry is written and
//! read; the text to paste for a grant ([`snippet`]); the entries of a file ([`read`]); a local server put behind
//! `portcullis run` and back ([`wrap`]). Everything works on text.
//!
//! What never lives here: files and folders, the environment, the network, the values of secrets in anything
//! that is shown.

mod node;
mod package;
mod quote;
pub mod read;
pub mod snippet;
mod table;
#[cfg(test)]
mod tests;
pub mod wrap;

pub use node::{CLIENT_FILE_BYTES_MAX, Format, SyntaxError};
pub use package::Package;
pub use quote::shell_word;
pub use table::CLIENTS;

/// One client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Client {
    /// Its name in commands and addresses, such as `claude-code`.
    pub id: &'static str,
    /// Its name for people.
    pub name: &'static str,
    /// Where it keeps its servers, the usual place first.
    pub places: &'static [Place],
    /// How its files are written.
    pub format: Format,
    /// Where an entry's name stands.
    pub naming: Naming,
    /// How an entry for a server at a URL is written.
    pub remote: Remote,
    /// How an entry for a program is written.
    pub local: Local,
    /// Whether it has a command or a link that adds a server.
    pub shortcut: Shortcut,
    /// When this row was last held against the client's documentation, `YYYY-MM-DD`.
    pub checked_on: &'static str,
}

/// One file of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Whose file it is.
    pub scope: Scope,
    /// The systems that it is on.
    pub systems: &'static [System],
    /// What its path begins at.
    pub base: Base,
    /// The path from there, with `/`. A last but one part `**` stands for folders of any depth.
    pub path: &'static str,
    /// The names that lead to the servers; `*` stands for any name.
    pub container: &'static [&'static str],
}

/// Whose a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// The machine's: an administrator wrote it.
    System,
    /// The user's.
    User,
    /// A project's, shared with whoever has the project.
    Project,
    /// A plugin's or an extension's.
    Plugin,
}

impl Scope {
    /// The word in lists.
    pub fn as_str(self) -> &'static str {
        match self {
            Scope::System => "system",
            Scope::User => "user",
            Scope::Project => "project",
            Scope::Plugin => "plugin",
        }
    }
}

/// An operating system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum System {
    /// Linux and other unixes.
    Linux,
    /// macOS.
    Mac,
    /// Windows.
    Windows,
}

/// What a path begins at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Base {
    /// The home folder.
    Home,
    /// The folder for the data of applications: `$XDG_CONFIG_HOME` or `~/.config`,
    /// `~/Library/Application Support`, `%APPDATA%`.
    Applications,
    /// `$XDG_CONFIG_HOME` or `~/.config`, on macOS as well.
    Configuration,
    /// The folder that the variable names, else this one in the home folder.
    Variable(&'static str, &'static str),
    /// The folder of a project.
    Project,
    /// The root of the machine.
    Root,
}

/// How an entry for a server at a URL is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remote {
    /// The client starts programs only: `portcullis connect` carries its messages.
    ProgramsOnly,
    /// The client speaks HTTP itself.
    Http(Http),
}

/// An entry for a server at a URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Http {
    /// The member that holds the URL.
    pub url: &'static str,
    /// The member that says what kind of server it is, and what it says for streamable HTTP.
    pub kind: Option<(&'static str, &'static str)>,
    /// The names that lead to the headers.
    pub headers: &'static [&'static str],
    /// How the value of a header takes a variable.
    pub variable: VariableSyntax,
    /// Members that must be there as well, written in the file's format: flags and lists without a value of ours.
    pub fixed: &'static [(&'static str, &'static str)],
}

/// How a client takes the token from a variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VariableSyntax {
    /// `${NAME}`.
    Braces,
    /// `${env:NAME}`.
    EnvBraces,
    /// `{env:NAME}`.
    EnvCurly,
    /// The client asks for it once: `${input:portcullis-NAME}` and an entry in `inputs`.
    Asked,
    /// A member of its own holds the variable's name, and the client adds `Bearer`.
    Member(&'static str),
    /// None that is documented: `portcullis connect` reads the variable instead.
    None,
}

/// How an entry for a program is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Local {
    /// The member that holds the program.
    pub command: &'static str,
    /// Where the arguments are.
    pub arguments: Arguments,
    /// The member that holds the variables.
    pub env: &'static str,
    /// The member that says what kind of server it is, and what it says for a program.
    pub kind: Option<(&'static str, &'static str)>,
}

/// Where the arguments of a program are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arguments {
    /// A list of their own, `args`.
    Beside,
    /// In one list with the program.
    Within,
}

/// Where an entry's name stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Naming {
    /// It is the key of the entry.
    Key,
    /// The entries are a list, and each has a member `name`.
    Member,
    /// It is the key of the entry, and its member `name` as well.
    Both,
}

/// A quicker way than editing a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shortcut {
    /// None.
    None,
    /// `claude mcp add`.
    ClaudeCode,
    /// `codex mcp add`.
    Codex,
    /// `code --add-mcp`, and a link.
    VsCode,
    /// A link.
    Cursor,
    /// `gemini mcp add`.
    Gemini,
}

impl Place {
    /// The path as people of a system know it.
    pub fn shown(&self, system: System) -> String {
        let base = match (self.base, system) {
            (Base::Home, System::Windows) => "%USERPROFILE%/".to_owned(),
            (Base::Home, System::Linux | System::Mac) => "~/".to_owned(),
            (Base::Applications | Base::Configuration, System::Windows) => "%APPDATA%/".to_owned(),
            (Base::Applications, System::Mac) => "~/Library/Application Support/".to_owned(),
            (Base::Applications | Base::Configuration, System::Linux)
            | (Base::Configuration, System::Mac) => "~/.config/".to_owned(),
            (Base::Variable(_, folder), System::Windows) => format!("%USERPROFILE%/{folder}/"),
            (Base::Variable(_, folder), System::Linux | System::Mac) => format!("~/{folder}/"),
            (Base::Project, _) => String::new(),
            (Base::Root, _) => "/".to_owned(),
        };
        let whole = format!("{base}{}", self.path);
        if system == System::Windows { whole.replace('/', "\\") } else { whole }
    }
}

/// The client of this id.
pub fn client(id: &str) -> Option<&'static Client> {
    CLIENTS.iter().find(|client| client.id == id)
}
