use store::Transport;

use super::{Choice, ServerForm, Wanted};

fn form(way: &str) -> ServerForm {
    ServerForm { way: way.to_owned(), slug: "pay".to_owned(), ..ServerForm::default() }
}

fn transport(form: &ServerForm) -> Transport {
    match form.wanted().unwrap() {
        Wanted::Server(record) => record.transport,
        Wanted::OneOf(choices) => panic!("{choices:?}"),
    }
}

fn problem(form: &ServerForm) -> String {
    form.wanted().unwrap_err().to_string()
}

#[test]
fn a_url_and_its_headers_are_read() {
    let mut form = form("url");
    form.url = " https://pay.example/mcp ".to_owned();
    form.headers = "Authorization: Bearer a:b\r\n\r\nX-Team: pay".to_owned();
    let Transport::Http { url, headers } = transport(&form) else { panic!("no URL") };
    assert_eq!(url, "https://pay.example/mcp");
    let read: Vec<(&str, &str)> =
        headers.iter().map(|(n, v)| (n.as_str(), v.expose().as_str())).collect();
    assert_eq!(read, [("Authorization", "Bearer a:b"), ("X-Team", "pay")]);
    for wrong in ["Authorization", ": x", "Host: x", "Mcp-Session-Id: x", "a b: c"] {
        form.headers = wrong.to_owned();
        assert!(form.wanted().is_err(), "{wrong}");
    }
}

#[test]
fn a_command_is_one_word_a_line_and_no_shell() {
    let mut form = form("command");
    form.command = "npx\r\n-y\r\nsome server\r\n$(id)\r\n".to_owned();
    form.env = "API_KEY=a=b".to_owned();
    let Transport::Stdio { command, env } = transport(&form) else { panic!("no program") };
    assert_eq!(command, ["npx", "-y", "some server", "$(id)"]);
    assert_eq!(env.first().unwrap().1.expose(), "a=b");
}

#[test]
fn a_command_in_one_line_is_taken_apart_as_it_was_meant() {
    let mut form = form("command");
    let read = |form: &ServerForm| match transport(form) {
        Transport::Stdio { command, .. } => command,
        Transport::Http { .. } => panic!("no program"),
    };
    form.command = " npx -y  @org/files '/srv/my files' \"it's\" '' a$(id);b\r\n".to_owned();
    let words = ["npx", "-y", "@org/files", "/srv/my files", "it's", "", "a$(id);b"];
    assert_eq!(read(&form), words);
    form.command = "files-server".to_owned();
    assert_eq!(read(&form), ["files-server"]);
    form.command = "npx 'never closed".to_owned();
    assert!(problem(&form).contains("quote"));
}

#[test]
fn an_entry_of_any_client_becomes_a_server() {
    let mut form = form("paste");
    form.slug = String::new();
    form.text =
        r#"{"mcpServers": {"My Files!": {"command": "npx", "args": ["s"], "env": {"K": "v"}}}}"#
            .to_owned();
    let Wanted::Server(record) = form.wanted().unwrap() else { panic!("not one") };
    assert_eq!(record.slug.as_str(), "my-files");
    let Transport::Stdio { command, env } = record.transport else { panic!("no program") };
    assert_eq!(command, ["npx", "s"]);
    let env: Vec<(&str, &str)> =
        env.iter().map(|(n, v)| (n.as_str(), v.expose().as_str())).collect();
    assert_eq!(env, [("K", "v"), ("PATH", "env:PATH")]);
}

#[test]
fn one_of_several_entries_is_asked_for() {
    let mut form = form("paste");
    form.text = "[mcp_servers.a]\nurl = \"https://a.example/x?token=secret\"\n[mcp_servers.b]\ncommand = \"b\"\n".to_owned();
    let Wanted::OneOf(choices) = form.wanted().unwrap() else { panic!("one") };
    let wanted = [("a", "https://a.example/x"), ("b", "b")];
    let wanted =
        wanted.map(|(name, summary)| Choice { name: name.into(), summary: summary.into() });
    assert_eq!(choices, wanted);
    form.entry = "b".to_owned();
    assert!(matches!(form.wanted(), Ok(Wanted::Server(_))));
    form.entry = "c".to_owned();
    assert!(problem(&form).contains("no server"));
}

#[test]
fn what_cannot_be_a_server_is_named_without_its_secrets() {
    let mut form = form("paste");
    form.text =
        r#"{"a": {"url": "https://a.example", "headers": {"Authorization": "Bearer ${KEY}"}}}"#
            .to_owned();
    assert!(problem(&form).contains("Authorization"));
    form.text = r#"{"a": {"command": "portcullis", "args": ["connect", "u"]}}"#.to_owned();
    assert!(problem(&form).contains("already"));
    form.text = r#"{"token": "secret-value" "#.to_owned();
    assert!(!problem(&form).contains("secret-value"));
    form.way = String::new();
    assert!(problem(&form).contains("choose"));
}
