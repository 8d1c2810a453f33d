//! The table of clients, one row each.
//!
//! Read from the clients' own documentation, and for those from Cline on from the tables of gateways that
//! write the same files. A syntax for variables that no documentation promises is [`VariableSyntax::None`]:
//! `portcullis connect` always works.

use super::{
    Arguments, Base, Client, Format, Http, Local, Naming, Place, Remote, Scope, Shortcut, System,
    VariableSyntax,
};

const EVERYWHERE: &[System] = &[System::Linux, System::Mac, System::Windows];
const UNIX: &[System] = &[System::Linux, System::Mac];
const LINUX: &[System] = &[System::Linux];
const MAC: &[System] = &[System::Mac];
const WINDOWS: &[System] = &[System::Windows];

const SERVERS: &[&str] = &["mcpServers"];
const HEADERS: &[&str] = &["headers"];
const CHECKED: &str = "2026-11-20";

const fn at(
    scope: Scope,
    base: Base,
    path: &'static str,
    container: &'static [&'static str],
) -> Place {
    Place { scope, systems: EVERYWHERE, base, path, container }
}

const fn on(systems: &'static [System], place: Place) -> Place {
    Place { systems, ..place }
}

const fn user(path: &'static str) -> Place {
    at(Scope::User, Base::Home, path, SERVERS)
}

const fn project(path: &'static str) -> Place {
    at(Scope::Project, Base::Project, path, SERVERS)
}

const LOCAL: Local =
    Local { command: "command", arguments: Arguments::Beside, env: "env", kind: None };

const HTTP: Http =
    Http { url: "url", kind: None, headers: HEADERS, variable: VariableSyntax::None, fixed: &[] };

const fn json(
    (id, name): (&'static str, &'static str),
    places: &'static [Place],
    remote: Http,
) -> Client {
    Client {
        id,
        name,
        places,
        format: Format::Json,
        naming: Naming::Key,
        remote: Remote::Http(remote),
        local: LOCAL,
        shortcut: Shortcut::None,
        checked_on: CHECKED,
    }
}

const VS_CODE: &str = "Code/User/mcp.json";
const CLINE: &str =
    "Code/User/globalStorage/saoudrizwan.claude-dev/settings/cline_mcp_settings.json";
const ROO: &str = "Code/User/globalStorage/rooveterinaryinc.roo-cline/settings/mcp_settings.json";

/// Every client that is known, the most used ones first.
pub const CLIENTS: &[Client] = &[
    Client {
        shortcut: Shortcut::ClaudeCode,
        ..json(
            ("claude-code", "Claude Code"),
            &[
                user(".claude.json"),
                at(Scope::User, Base::Home, ".claude.json", &["projects", "*", "mcpServers"]),
                project(".mcp.json"),
                on(
                    LINUX,
                    at(Scope::System, Base::Root, "etc/claude-code/managed-mcp.json", SERVERS),
                ),
                on(
                    MAC,
                    at(
                        Scope::System,
                        Base::Root,
                        "Library/Application Support/ClaudeCode/managed-mcp.json",
                        SERVERS,
                    ),
                ),
                at(
                    Scope::Plugin,
                    Base::Variable("CLAUDE_CONFIG_DIR", ".claude"),
                    "plugins/cache/**/.mcp.json",
                    SERVERS,
                ),
            ],
            Http { kind: Some(("type", "http")), variable: VariableSyntax::Braces, ..HTTP },
        )
    },
    Client {
        remote: Remote::ProgramsOnly,
        ..json(
            ("claude-desktop", "Claude Desktop"),
            &[at(Scope::User, Base::Applications, "Claude/claude_desktop_config.json", SERVERS)],
            HTTP,
        )
    },
    Client {
        shortcut: Shortcut::Cursor,
        ..json(
            ("cursor", "Cursor"),
            &[user(".cursor/mcp.json"), project(".cursor/mcp.json")],
            Http { variable: VariableSyntax::EnvBraces, ..HTTP },
        )
    },
    Client {
        shortcut: Shortcut::VsCode,
        ..json(
            ("vscode", "VS Code"),
            &[
                at(Scope::User, Base::Applications, VS_CODE, &["servers"]),
                at(Scope::User, Base::Applications, "Code/User/settings.json", &["mcp", "servers"]),
                at(Scope::Project, Base::Project, ".vscode/mcp.json", &["servers"]),
            ],
            Http { kind: Some(("type", "http")), variable: VariableSyntax::Asked, ..HTTP },
        )
    },
    json(
        ("windsurf", "Windsurf"),
        &[user(".codeium/windsurf/mcp_config.json"), user(".codeium/mcp_config.json")],
        Http { url: "serverUrl", variable: VariableSyntax::EnvBraces, ..HTTP },
    ),
    Client {
        id: "codex",
        name: "Codex",
        places: &[
            at(
                Scope::User,
                Base::Variable("CODEX_HOME", ".codex"),
                "config.toml",
                &["mcp_servers"],
            ),
            at(Scope::Project, Base::Project, ".codex/config.toml", &["mcp_servers"]),
            on(UNIX, at(Scope::System, Base::Root, "etc/codex/config.toml", &["mcp_servers"])),
        ],
        format: Format::Toml,
        naming: Naming::Key,
        remote: Remote::Http(Http {
            headers: &["http_headers"],
            variable: VariableSyntax::Member("bearer_token_env_var"),
            ..HTTP
        }),
        local: LOCAL,
        shortcut: Shortcut::Codex,
        checked_on: CHECKED,
    },
    Client {
        shortcut: Shortcut::Gemini,
        ..json(
            ("gemini", "Gemini CLI"),
            &[user(".gemini/settings.json"), project(".gemini/settings.json")],
            Http { url: "httpUrl", variable: VariableSyntax::Braces, ..HTTP },
        )
    },
    json(
        ("zed", "Zed"),
        &[
            on(
                UNIX,
                at(Scope::User, Base::Configuration, "zed/settings.json", &["context_servers"]),
            ),
            on(
                WINDOWS,
                at(Scope::User, Base::Applications, "Zed/settings.json", &["context_servers"]),
            ),
            at(Scope::Project, Base::Project, ".zed/settings.json", &["context_servers"]),
        ],
        HTTP,
    ),
    Client {
        id: "goose",
        name: "Goose",
        places: &[
            on(UNIX, at(Scope::User, Base::Configuration, "goose/config.yaml", &["extensions"])),
            on(
                WINDOWS,
                at(
                    Scope::User,
                    Base::Applications,
                    "Block/goose/config/config.yaml",
                    &["extensions"],
                ),
            ),
        ],
        format: Format::Yaml,
        naming: Naming::Both,
        remote: Remote::Http(Http {
            url: "uri",
            kind: Some(("type", "streamable_http")),
            variable: VariableSyntax::Braces,
            fixed: &[("enabled", "true"), ("timeout", "300")],
            ..HTTP
        }),
        local: Local { command: "cmd", env: "envs", kind: Some(("type", "stdio")), ..LOCAL },
        shortcut: Shortcut::None,
        checked_on: CHECKED,
    },
    Client {
        local: Local {
            arguments: Arguments::Within,
            env: "environment",
            kind: Some(("type", "local")),
            ..LOCAL
        },
        ..json(
            ("opencode", "OpenCode"),
            &[
                at(Scope::User, Base::Configuration, "opencode/opencode.json", &["mcp"]),
                at(Scope::User, Base::Configuration, "opencode/opencode.jsonc", &["mcp"]),
                at(Scope::Project, Base::Project, "opencode.json", &["mcp"]),
                at(Scope::Project, Base::Project, "opencode.jsonc", &["mcp"]),
            ],
            Http {
                kind: Some(("type", "remote")),
                variable: VariableSyntax::EnvCurly,
                fixed: &[("oauth", "false"), ("enabled", "true")],
                ..HTTP
            },
        )
    },
    json(
        ("antigravity", "Antigravity"),
        &[user(".gemini/antigravity/mcp_config.json")],
        Http { url: "serverUrl", ..HTTP },
    ),
    json(
        ("copilot-cli", "GitHub Copilot CLI"),
        &[at(Scope::User, Base::Variable("COPILOT_HOME", ".copilot"), "mcp-config.json", SERVERS)],
        Http { kind: Some(("type", "http")), fixed: &[("tools", "[\"*\"]")], ..HTTP },
    ),
    json(
        ("cline", "Cline"),
        &[at(Scope::User, Base::Applications, CLINE, SERVERS)],
        Http { kind: Some(("type", "streamableHttp")), ..HTTP },
    ),
    json(
        ("roo", "Roo Code"),
        &[at(Scope::User, Base::Applications, ROO, SERVERS), project(".roo/mcp.json")],
        Http {
            kind: Some(("type", "streamable-http")),
            variable: VariableSyntax::EnvBraces,
            ..HTTP
        },
    ),
    Client {
        id: "continue",
        name: "Continue",
        places: &[user(".continue/config.yaml")],
        format: Format::Yaml,
        naming: Naming::Member,
        remote: Remote::Http(Http {
            kind: Some(("type", "streamable-http")),
            headers: &["requestOptions", "headers"],
            ..HTTP
        }),
        local: LOCAL,
        shortcut: Shortcut::None,
        checked_on: CHECKED,
    },
    json(
        ("amp", "Amp"),
        &[
            at(Scope::User, Base::Configuration, "amp/settings.json", &["amp.mcpServers"]),
            at(Scope::Project, Base::Project, ".amp/settings.json", &["amp.mcpServers"]),
        ],
        HTTP,
    ),
    json(("lmstudio", "LM Studio"), &[user(".lmstudio/mcp.json")], HTTP),
    json(
        ("kiro", "Kiro"),
        &[user(".kiro/settings/mcp.json"), project(".kiro/settings/mcp.json")],
        HTTP,
    ),
    json(
        ("factory", "Factory"),
        &[user(".factory/mcp.json"), project(".factory/mcp.json")],
        Http { kind: Some(("type", "http")), ..HTTP },
    ),
    json(("kimi", "Kimi CLI"), &[user(".kimi/mcp.json")], HTTP),
    json(
        ("amazon-q", "Amazon Q"),
        &[user(".aws/amazonq/mcp.json"), project(".amazonq/mcp.json")],
        Http { kind: Some(("type", "http")), ..HTTP },
    ),
    Client {
        id: "vibe",
        name: "Mistral Vibe",
        places: &[
            at(Scope::User, Base::Variable("VIBE_HOME", ".vibe"), "config.toml", &["mcp_servers"]),
            at(Scope::Project, Base::Project, ".vibe/config.toml", &["mcp_servers"]),
        ],
        format: Format::Toml,
        naming: Naming::Member,
        remote: Remote::Http(Http {
            kind: Some(("transport", "streamable-http")),
            variable: VariableSyntax::Member("api_key_env"),
            ..HTTP
        }),
        local: Local { kind: Some(("transport", "stdio")), ..LOCAL },
        shortcut: Shortcut::None,
        checked_on: CHECKED,
    },
];
