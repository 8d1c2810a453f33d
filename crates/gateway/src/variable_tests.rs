//! Names that are refused, names that are not, and the list itself.

use super::{NAME_BYTES_MAX, REFUSED, VariableError, check_variable};

#[test]
fn variables_that_steer_a_child_are_refused_in_any_case() {
    let names = [
        "LD_PRELOAD",
        "LD_LIBRARY_PATH",
        "LD_AUDIT",
        "ld_preload",
        "DYLD_INSERT_LIBRARIES",
        "GCONV_PATH",
        "NODE_OPTIONS",
        "Node_Options",
        "NODE_PATH",
        "npm_config_registry",
        "NPM_CONFIG_NODE_OPTIONS",
        "PYTHONSTARTUP",
        "PYTHONPATH",
        "PYTHONHOME",
        "BASH_ENV",
        "ENV",
        "PERL5OPT",
        "PERL5LIB",
        "RUBYOPT",
        "GIT_SSH_COMMAND",
        "GIT_CONFIG_COUNT",
        "GIT_CONFIG_KEY_0",
        "GIT_CONFIG",
        "JAVA_TOOL_OPTIONS",
        "_JAVA_OPTIONS",
        "DOTNET_STARTUP_HOOKS",
        "CORECLR_PROFILER",
        "UV_INDEX_URL",
        "PIP_INDEX_URL",
        "LUA_INIT_5_4",
        "PATH",
        "Path",
        "PAGER",
        "DOCKER_HOST",
    ];
    for name in names {
        let error = check_variable(name).expect_err(name);
        assert!(matches!(&error, VariableError::Steers { name: given, .. } if given == name));
        assert!(error.to_string().contains("in the configuration file only"), "{error}");
    }
}

#[test]
fn variables_that_are_data_are_allowed() {
    let names = [
        "HOME",
        "API_KEY",
        "GITHUB_PERSONAL_ACCESS_TOKEN",
        "LANG",
        "LC_ALL",
        "TZ",
        "DATABASE_URL",
        "HTTPS_PROXY",
        "PYTHONUNBUFFERED",
        "NODE_ENV",
        "ENVIRONMENT",
        "APP_ENV",
        "PATH_TO_FILES",
        "MY_LD_PRELOAD",
        "_x",
        "LDAP_URL",
        "GIT_AUTHOR_NAME",
        "a1",
    ];
    for name in names {
        assert_eq!(check_variable(name), Ok(()), "{name}");
    }
}

#[test]
fn odd_names_are_refused_and_shown_harmlessly() {
    let long = "A".repeat(NAME_BYTES_MAX + 1);
    for name in [
        "",
        "1A",
        "A=B",
        "A B",
        "A\0",
        "A\nB",
        "\u{1b}[2J",
        "BASH_FUNC_ls%%",
        "\u{c4}",
        long.as_str(),
    ] {
        let error = check_variable(name).expect_err(name);
        assert!(matches!(error, VariableError::Name(_)), "{error:?}");
        assert!(!error.to_string().contains(char::is_control), "{error:?}");
    }
    assert_eq!(check_variable(&"A".repeat(NAME_BYTES_MAX)), Ok(()));
}

#[test]
fn the_list_is_in_capitals_gives_reasons_and_repeats_nothing() {
    let mut seen = std::collections::HashSet::new();
    for refused in &REFUSED {
        assert!(!refused.why.is_empty());
        for name in refused.names.iter().chain(refused.prefixes) {
            assert_eq!(**name, name.to_ascii_uppercase());
            assert!(seen.insert(*name), "{name}");
        }
    }
}
