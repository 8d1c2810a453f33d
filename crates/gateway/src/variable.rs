//! Which environment variables somebody may declare for a child who is not the administrator of the machine: the console's API and
//! `server add`. The configuration file may set any. Pure: a name in, a verdict out. Never here: values, starting a child.
//!
//! A child's command is decided when its server is saved and is shown to people; a variable that makes the same command load, start
//! or fetch something else changes that decision where nobody looks for it.

/// The one way to name `PATH` outside of the configuration file: the gateway's own, on which the program itself is found. Written as
/// the configuration file writes a reference, so that it means the same in both.
const OWN_SEARCH_PATH: (&str, &str) = ("PATH", "env:PATH");

/// The longest name of a variable, in bytes.
pub const NAME_BYTES_MAX: usize = 128;

/// Why a variable is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VariableError {
    /// Not letters, digits and `_` with no digit first, or too long. Shells import functions from odder names.
    #[error("`{0}` is not the name of an environment variable")]
    Name(String),
    /// It changes what the child runs.
    #[error("`{name}` may be set in the configuration file only: {why}")]
    Steers {
        /// The name as given.
        name: String,
        /// What it can do.
        why: &'static str,
    },
}

/// Variables that are refused for one reason. Compared ignoring case, since some programs do.
struct Refused {
    why: &'static str,
    names: &'static [&'static str],
    prefixes: &'static [&'static str],
}

/// The list. What a program reads as mere data (keys, addresses, locales, `HOME`) is not on it.
const REFUSED: [Refused; 15] = [
    Refused {
        why: "it decides which programs are found (here it may be `env:PATH`, the gateway's own)",
        names: &["PATH"],
        prefixes: &[],
    },
    Refused {
        why: "the loader takes libraries from it",
        names: &["SHLIB_PATH", "LIBPATH"],
        prefixes: &["LD_", "DYLD_"],
    },
    Refused {
        why: "the C library loads modules or changes itself by it",
        names: &[
            "GCONV_PATH",
            "LOCPATH",
            "NLSPATH",
            "GETCONF_DIR",
            "GLIBC_TUNABLES",
            "HOSTALIASES",
            "RESOLV_HOST_CONF",
        ],
        prefixes: &[],
    },
    Refused {
        why: "TLS and other libraries load modules or write keys by it",
        names: &[
            "OPENSSL_CONF",
            "OPENSSL_ENGINES",
            "OPENSSL_MODULES",
            "SSLKEYLOGFILE",
            "KRB5_CONFIG",
            "GTK_MODULES",
            "QT_PLUGIN_PATH",
            "GIO_EXTRA_MODULES",
        ],
        prefixes: &[],
    },
    Refused {
        why: "shells run or change their reading by it",
        names: &[
            "ENV",
            "BASH_ENV",
            "SHELLOPTS",
            "BASHOPTS",
            "PROMPT_COMMAND",
            "PS4",
            "IFS",
            "CDPATH",
            "ZDOTDIR",
            "FPATH",
            "SHELL",
        ],
        prefixes: &["BASH_FUNC_"],
    },
    Refused {
        why: "Python imports or runs code by it",
        names: &[
            "PYTHONSTARTUP",
            "PYTHONPATH",
            "PYTHONHOME",
            "PYTHONUSERBASE",
            "PYTHONPLATLIBDIR",
            "PYTHONINSPECT",
            "PYTHONBREAKPOINT",
            "PYTHONWARNINGS",
            "PYTHONEXECUTABLE",
            "PYTHONPYCACHEPREFIX",
            "VIRTUAL_ENV",
        ],
        prefixes: &[],
    },
    Refused {
        why: "JavaScript runtimes load code by it",
        names: &["NODE_OPTIONS", "NODE_PATH", "NODE_REPL_EXTERNAL_MODULE"],
        prefixes: &["BUN_", "DENO_", "TS_NODE_"],
    },
    Refused {
        why: "package runners take another package or program by it",
        names: &[],
        prefixes: &[
            "NPM_CONFIG_",
            "YARN_",
            "PNPM_",
            "COREPACK_",
            "UV_",
            "PIP_",
            "PIPX_",
            "BUNDLE_",
            "GEM_",
        ],
    },
    Refused {
        why: "Perl, Ruby, PHP or Lua load code by it",
        names: &["PERLLIB", "RUBYOPT", "RUBYLIB", "RUBYSHELL", "PHPRC", "PHP_INI_SCAN_DIR"],
        prefixes: &["PERL5", "LUA_PATH", "LUA_CPATH", "LUA_INIT"],
    },
    Refused {
        why: "the Java machine loads code by it",
        names: &[
            "JAVA_TOOL_OPTIONS",
            "_JAVA_OPTIONS",
            "JDK_JAVA_OPTIONS",
            "JAVA_OPTS",
            "JAVA_HOME",
            "CLASSPATH",
            "MAVEN_OPTS",
            "GRADLE_OPTS",
        ],
        prefixes: &[],
    },
    Refused {
        why: ".NET loads code by it",
        names: &[
            "DOTNET_STARTUP_HOOKS",
            "DOTNET_ADDITIONAL_DEPS",
            "DOTNET_SHARED_STORE",
            "DOTNET_ROOT",
        ],
        prefixes: &["CORECLR_", "COR_"],
    },
    Refused {
        why: "Erlang, R or Julia load code by it",
        names: &[
            "ERL_FLAGS",
            "ERL_AFLAGS",
            "ERL_ZFLAGS",
            "ERL_LIBS",
            "ELIXIR_ERL_OPTIONS",
            "R_HOME",
            "R_PROFILE",
            "R_PROFILE_USER",
            "R_ENVIRON",
            "R_ENVIRON_USER",
            "R_LIBS",
        ],
        prefixes: &["JULIA_"],
    },
    Refused {
        why: "git runs programs or takes its settings by it",
        names: &[
            "GIT_SSH",
            "GIT_SSH_COMMAND",
            "GIT_PROXY_COMMAND",
            "GIT_ASKPASS",
            "GIT_EXTERNAL_DIFF",
            "GIT_PAGER",
            "GIT_EDITOR",
            "GIT_SEQUENCE_EDITOR",
            "GIT_EXEC_PATH",
            "GIT_TEMPLATE_DIR",
            "GIT_DIR",
            "GIT_COMMON_DIR",
        ],
        prefixes: &["GIT_CONFIG"],
    },
    Refused {
        why: "programs start other programs by it",
        names: &[
            "SSH_ASKPASS",
            "SUDO_ASKPASS",
            "PAGER",
            "MANPAGER",
            "EDITOR",
            "VISUAL",
            "BROWSER",
            "LESSOPEN",
            "LESSCLOSE",
        ],
        prefixes: &[],
    },
    Refused {
        why: "it decides where containers run",
        names: &["DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_CONFIG", "CONTAINER_HOST"],
        prefixes: &[],
    },
];

/// Whether a variable is `PATH` as the gateway has it: `env:PATH`. It steers nothing, since a program without a directory is looked
/// up there anyway.
pub fn is_own_search_path(name: &str, value: &str) -> bool {
    (name, value) == OWN_SEARCH_PATH
}

/// Checks the name of a variable that does not come from the configuration file.
pub fn check_variable(name: &str) -> Result<(), VariableError> {
    let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    let digit_first = name.bytes().next().is_none_or(|b| b.is_ascii_digit());
    if !plain || digit_first || name.len() > NAME_BYTES_MAX {
        let shown = name.chars().take(NAME_BYTES_MAX).collect::<String>();
        return Err(VariableError::Name(shown.escape_debug().to_string()));
    }
    let upper = name.to_ascii_uppercase();
    let steers = |refused: &&Refused| {
        refused.names.contains(&upper.as_str())
            || refused.prefixes.iter().any(|prefix| upper.starts_with(prefix))
    };
    match REFUSED.iter().find(steers) {
        None => Ok(()),
        Some(refused) => Err(VariableError::Steers { name: name.to_owned(), why: refused.why }),
    }
}

#[cfg(test)]
#[path = "variable_tests.rs"]
mod tests;
