use super::*;

#[test]
fn names_and_methods_are_one_to_one() {
    for name in Method::DEFINED {
        assert_eq!(Method::from_name(name).as_str(), *name);
        assert!(Method::from_name(name).kind().is_some());
        assert_eq!(Method::resembled(name), None);
    }
    assert_eq!(Method::from_name("x/y").kind(), None);
    assert_eq!(Method::from_name("notifications/x").kind(), Some(MessageKind::Notification));
}

#[test]
fn the_revisions_differ() {
    let requests = |version| {
        let exists = |name: &&&str| {
            Method::from_name(name).exists(version, Sender::Client)
                && !name.starts_with("notifications/")
        };
        Method::DEFINED.iter().filter(exists).copied().collect::<Vec<_>>()
    };
    let core = [
        "tools/list",
        "tools/call",
        "resources/list",
        "resources/templates/list",
        "resources/read",
    ];
    let prompts = ["prompts/list", "prompts/get", "completion/complete"];
    let expected_modern = [
        &["server/discover"][..],
        &core,
        &prompts,
        &["subscriptions/listen", "tasks/get", "tasks/cancel", "tasks/update"],
    ];
    assert_eq!(requests(ProtocolVersion::V2026_07_28), expected_modern.concat());
    let legacy = [
        &["initialize", "ping", "logging/setLevel"][..],
        &core,
        &["resources/subscribe", "resources/unsubscribe"],
        &prompts,
    ]
    .concat();
    assert_eq!(requests(ProtocolVersion::V2025_06_18), legacy);
    let with_tasks =
        [&legacy[..], &["tasks/get", "tasks/result", "tasks/list", "tasks/cancel"]].concat();
    assert_eq!(requests(ProtocolVersion::V2025_11_25), with_tasks);
}

#[test]
fn direction_matters() {
    let version = ProtocolVersion::V2025_11_25;
    for (method, client, server) in [
        (Method::ToolsCall, true, false),
        (Method::SamplingCreateMessage, false, true),
        (Method::RootsList, false, true),
        (Method::Ping, true, true),
        (Method::NotifyInitialized, true, false),
        (Method::NotifyToolsListChanged, false, true),
        (Method::NotifyCancelled, true, true),
        (Method::Other("x".into()), false, false),
    ] {
        assert_eq!(
            (method.exists(version, Sender::Client), method.exists(version, Sender::Server)),
            (client, server),
            "{method}"
        );
    }
    assert!(!Method::ElicitationCreate.exists(ProtocolVersion::V2025_03_26, Sender::Server));
    assert!(!Method::ElicitationCreate.exists(ProtocolVersion::V2026_07_28, Sender::Server));
}

#[test]
fn other_spellings_are_recognised() {
    for name in [
        "Tools/Call",
        " tools/call",
        "tools/call\u{0}",
        "tools//call",
        "tool\u{17f}/call",
        "TOOLS/CALL\n",
        "tools/\u{a0}call",
    ] {
        assert_eq!(Method::resembled(name), Some("tools/call"), "{name:?}");
    }
    assert_eq!(Method::resembled("tools/call2"), None);
    assert_eq!(Method::resembled("call_tool"), None);
}
