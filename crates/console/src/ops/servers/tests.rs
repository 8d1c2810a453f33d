use policy::Class;
use store::{
    FromServer, NewTools, PinLine, PinState, Revision, ServerRecord, ServerSlug, Timeouts,
    Transport,
};

use super::{check_header, in_force};

fn server(slug: &str, new_tools: NewTools, classes: &[(&str, Class)]) -> ServerRecord {
    ServerRecord {
        slug: ServerSlug::parse(slug).unwrap(),
        transport: Transport::Stdio { command: vec!["x".to_owned()], env: Vec::new() },
        allow_private_address: false,
        timeouts: Timeouts::default(),
        refresh_seconds: 60,
        new_tools,
        accept_first: false,
        classes: classes.iter().map(|(tool, class)| ((*tool).to_owned(), *class)).collect(),
        from_server: FromServer::default(),
        managed_by_file: false,
        revision: Revision(1),
    }
}

fn line(server: &str, tool: &str) -> PinLine {
    PinLine {
        digest: "00".to_owned(),
        server: ServerSlug::parse(server).unwrap(),
        tool: tool.to_owned(),
        state: PinState::Quarantined,
        is_new: true,
        class: Some(Class::Read),
        risk: None,
    }
}

#[test]
fn tools_are_shown_as_the_gateway_takes_them() {
    let servers = [
        server("a", NewTools::Quarantine, &[("t", Class::Financial), ("gone", Class::Write)]),
        server("b", NewTools::Allow, &[]),
    ];
    let lines = vec![line("a", "t"), line("a", "u"), line("b", "t"), line("c", "t")];
    let seen: Vec<_> =
        in_force(lines, &servers).into_iter().map(|line| (line.class, line.state)).collect();
    let read = Some(Class::Read);
    assert_eq!(
        seen,
        [
            (Some(Class::Financial), PinState::Quarantined),
            (read, PinState::Quarantined),
            (read, PinState::Accepted),
            (read, PinState::Quarantined),
        ]
    );
}

#[test]
fn headers_that_the_gateway_sets_are_refused() {
    for name in ["Host", "content-TYPE", "Mcp-Session-Id", "a b", "", "x:y"] {
        assert!(check_header(name, "x").is_err(), "{name}");
    }
    assert!(check_header("Authorization", "Bearer x").is_ok());
    assert!(check_header("X-Key", "a\nb").is_err());
}
