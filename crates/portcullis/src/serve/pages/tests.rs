//! The rules for servers that do not come from the file.

use std::collections::BTreeMap;

use store::{
    FromServer, NewTools, Revision, Secret, ServerRecord, ServerSlug, Timeouts, Transport,
};

use super::check_server;

fn server(transport: Transport) -> ServerRecord {
    ServerRecord {
        slug: ServerSlug::parse("files").expect("a slug"),
        transport,
        allow_private_address: false,
        timeouts: Timeouts::default(),
        refresh_seconds: 60,
        new_tools: NewTools::Quarantine,
        accept_first: false,
        classes: BTreeMap::new(),
        from_server: FromServer::default(),
        managed_by_file: false,
        revision: Revision::default(),
    }
}

fn program(names: &[&str]) -> ServerRecord {
    let env = names.iter().map(|name| ((*name).to_owned(), Secret::new("hush".to_owned())));
    server(Transport::Stdio { command: vec!["files-server".to_owned()], env: env.collect() })
}

#[test]
fn variables_that_change_what_a_child_runs_are_refused() {
    assert_eq!(check_server(&program(&["API_KEY", "HOME"])), Ok(()));
    for name in ["LD_PRELOAD", "NODE_OPTIONS", "PYTHONSTARTUP", "GIT_SSH_COMMAND", "PATH", "A=B"] {
        let why = check_server(&program(&["API_KEY", name])).expect_err(name);
        assert!(why.contains(name) && !why.contains("hush"), "{why}");
    }
}

#[test]
fn a_child_may_have_the_gateways_own_search_path_and_no_other() {
    let with = |value: &str| {
        let env = vec![("PATH".to_owned(), Secret::new(value.to_owned()))];
        check_server(&server(Transport::Stdio { command: vec!["npx".to_owned()], env }))
    };
    assert_eq!(with("env:PATH"), Ok(()));
    for other in ["/tmp/evil:/usr/bin", "env:HOME", "env:PATH:/tmp", ""] {
        let why = with(other).expect_err(other);
        assert!(why.contains("env:PATH"), "{why}");
    }
}

#[test]
fn private_addresses_need_the_servers_word() {
    let url = "http://127.0.0.1:9000/mcp".to_owned();
    let mut record = server(Transport::Http { url, headers: Vec::new() });
    check_server(&record).expect_err("a loopback address");
    record.allow_private_address = true;
    assert_eq!(check_server(&record), Ok(()));
}
