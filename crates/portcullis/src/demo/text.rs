//! What the demo writes and prints: its configuration, its welcome, the five lines.

use std::fmt::Write as _;

use super::state::State;

/// What one of the five lines does.
#[derive(Debug, Clone, Copy)]
pub(super) enum LineKind {
    /// Calls a tool so many times.
    Call { tool: &'static str, times: u32 },
    /// Calls a tool that waits for a person.
    Hold { tool: &'static str },
    /// Shows the audit.
    Audit,
}

/// One line to try.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line {
    pub(super) number: u8,
    pub(super) title: &'static str,
    /// What stands behind the program's name.
    pub(super) arguments: &'static str,
    /// The tool's arguments in it.
    pub(super) json: &'static str,
    pub(super) kind: LineKind,
}

/// The five lines. `arguments` must say what `json` and `kind` do; a test holds them together.
pub(super) const LINES: [Line; 5] = [
    Line {
        number: 1,
        title: "a call that the policy allows",
        arguments: r#"demo call pay_invoice '{"invoice_id":"inv-7","amount":120,"currency":"EUR"}'"#,
        json: r#"{"invoice_id":"inv-7","amount":120,"currency":"EUR"}"#,
        kind: LineKind::Call { tool: "pay_invoice", times: 1 },
    },
    Line {
        number: 2,
        title: "one that it denies, and why",
        arguments: r#"demo call pay_invoice '{"invoice_id":"inv-8","amount":15000,"currency":"EUR"}'"#,
        json: r#"{"invoice_id":"inv-8","amount":15000,"currency":"EUR"}"#,
        kind: LineKind::Call { tool: "pay_invoice", times: 1 },
    },
    Line {
        number: 3,
        title: "eleven one-time passwords in a minute: ten pass",
        arguments: r#"demo call backchannel_resend_otp '{"ticket":"t-1"}' --times 11"#,
        json: r#"{"ticket":"t-1"}"#,
        kind: LineKind::Call { tool: "backchannel_resend_otp", times: 11 },
    },
    Line {
        number: 4,
        title: "a call that waits for a person (approve it in the console, or in a third terminal)",
        arguments: r#"demo call notify_unregistered_payment '{"phone":"+57 300 000 0000","amount":40}'"#,
        json: r#"{"phone":"+57 300 000 0000","amount":40}"#,
        kind: LineKind::Hold { tool: "notify_unregistered_payment" },
    },
    Line {
        number: 5,
        title: "all of that in the audit",
        arguments: "demo audit",
        json: "null",
        kind: LineKind::Audit,
    },
];

/// The configuration: ports of the payment server, the gateway and the console, and both tokens.
pub(super) fn configuration(
    (payments, gateway, console): (u16, u16, u16),
    grant_token: &str,
    api_token: &str,
) -> String {
    format!(
        r#"# Written by `portcullis demo`. `portcullis serve --config` takes it as it is.
data_dir = "data"
public_url = "http://127.0.0.1:{gateway}"

[listen]
gateway = "127.0.0.1:{gateway}"
console = "127.0.0.1:{console}"

[[server]]
slug = "pay"
url = "http://127.0.0.1:{payments}/mcp"
allow_private_address = true
accept_first = true

[[policy]]
name = "pay-demo"
server = "pay"
file = "pay.policy.json"

[[grant]]
label = "demo-agent"
server = "pay"
policy = "pay-demo"
token = "{grant_token}"

[[api_token]]
label = "demo"
role = "admin"
token = "{api_token}"
"#
    )
}

/// What a person sees when the demo runs.
pub(super) fn welcome(state: &State, command: &str) -> String {
    let State { mcp_url, grant_token, api_url, .. } = state;
    let mut text = format!(
        r#"
Portcullis stands in front of a payment server.

  the agent's URL   {mcp_url}
  its token         {grant_token}
  the API           {api_url}/api/v1

Claude Code
  claude mcp add --transport http --header "Authorization: Bearer {grant_token}" pay {mcp_url}
Cursor (.cursor/mcp.json)
  {{"mcpServers":{{"pay":{{"url":"{mcp_url}","headers":{{"Authorization":"Bearer {grant_token}"}}}}}}}}
VS Code (.vscode/mcp.json)
  {{"servers":{{"pay":{{"type":"http","url":"{mcp_url}","headers":{{"Authorization":"Bearer {grant_token}"}}}}}}}}
Codex (~/.codex/config.toml, with the token in PORTCULLIS_TOKEN)
  [mcp_servers.pay]
  url = "{mcp_url}"
  bearer_token_env_var = "PORTCULLIS_TOKEN"
Claude Desktop and other clients that only start programs
  {{"mcpServers":{{"pay":{{"command":"portcullis","args":["connect","{mcp_url}","--token-env","PORTCULLIS_TOKEN"],"env":{{"PORTCULLIS_TOKEN":"{grant_token}"}}}}}}}}

Five lines to try in a second terminal:
"#
    );
    for line in LINES {
        let _infallible = write!(
            text,
            "\n  {}. {}\n     {command} {}\n",
            line.number, line.title, line.arguments
        );
        if matches!(line.kind, LineKind::Hold { .. }) {
            let _infallible = writeln!(text, "     {command} demo approve");
        }
    }
    text.push_str("\nCtrl-C ends the demo.\n");
    text
}
