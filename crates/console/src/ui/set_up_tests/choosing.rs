//! Choosing what happens to each tool in the set-up: classes and answers, one by one, for many, at the server's word.

use http::StatusCode;
use policy::{Class, Risk};
use store::{ApiRole, PinRecord, PinState, PolicyName, ServerSlug};

use super::{EVIL, NOW, World, is_safe};

fn pay() -> ServerSlug {
    ServerSlug::parse("pay").unwrap()
}

impl World {
    /// Pins tools with what the server says of them.
    async fn claims(&self, tools: &[(&str, Option<Class>, &str)]) {
        let pins = tools.iter().map(|(tool, class, annotations)| PinRecord {
            server: pay(),
            tool: (*tool).to_owned(),
            state: PinState::Quarantined,
            digest: format!("d-{tool}"),
            definition: format!(
                "{{\"name\": \"{tool}\", \"description\": \"Tells {tool}\", \"annotations\": {annotations}}}"
            ),
            accepted_digest: None,
            accepted_definition: None,
            class: *class,
            risk: None,
            seen_at: NOW,
            accepted_at: None,
            accepted_by: None,
        });
        self.console.store.save_pins(pins.collect()).await.unwrap();
    }

    /// The answer that the page shows for a tool.
    fn answer_of(text: &str, tool: &str) -> String {
        let (_, row) = text.split_once(&format!("name=\"tool\" value=\"{tool}\"")).unwrap();
        let (_, select) = row.split_once("<select name=\"answer\"").unwrap();
        let (select, _) = select.split_once("</select>").unwrap();
        let (before, _) = select.split_once("\" selected").unwrap();
        before.rsplit('"').next().unwrap().to_owned()
    }

    async fn policy_text(&self, name: &str) -> String {
        let name = PolicyName::parse(name).unwrap();
        self.console.store.policy(&name, None).await.unwrap().unwrap().text
    }
}

const READS: &str = r#"{"readOnlyHint": true}"#;

async fn with_claims() -> World {
    let world = World::of(ApiRole::Admin).await;
    let fields = [("way", "url"), ("slug", "pay"), ("url", "https://pay.example/mcp")];
    world.post("/setup", &fields).await;
    world
        .claims(&[
            ("look", None, READS),
            ("peek", None, READS),
            ("wipe", Some(Class::Destructive), READS),
            ("both", None, r#"{"readOnlyHint": true, "destructiveHint": true}"#),
            ("mute", None, "{}"),
            ("save", None, r#"{"readOnlyHint": false, "openWorldHint": true}"#),
        ])
        .await;
    world
}

#[tokio::test]
async fn the_servers_word_is_taken_only_when_asked_and_only_where_it_speaks() {
    let world = with_claims().await;
    let page = world.get("/setup/pay").await;
    is_safe(&page);
    for wanted in ["“it only reads”", "“it may destroy”", "“it changes things”", "Tells look"]
    {
        assert!(page.text.contains(wanted), "{wanted}: {}", page.text);
    }
    for tool in ["look", "peek", "wipe", "both", "mute", "save"] {
        assert_eq!(World::answer_of(&page.text, tool), "recommended", "{tool}");
    }
    assert!(page.text.contains("Recommended: a person decides each call"));
    // What somebody refused is not given back by a claim.
    let refused = [("tool", "peek"), ("answer", "deny"), ("do", "keep")];
    assert_eq!(world.post("/setup/pay/choices", &refused).await.status, StatusCode::SEE_OTHER);
    let taken = world.post("/setup/pay/choices", &[("do", "word")]).await;
    assert!(taken.place.contains("told=word&n=1"), "{}", taken.place);
    let page = world.get(taken.place.split('#').next().unwrap()).await;
    assert!(page.text.contains("1 tools are allowed"), "{}", page.text);
    let wanted = [
        ("look", "allow"),
        ("peek", "deny"),
        ("wipe", "recommended"),
        ("both", "recommended"),
        ("mute", "recommended"),
        ("save", "recommended"),
    ];
    for (tool, answer) in wanted {
        assert_eq!(World::answer_of(&page.text, tool), answer, "{tool}");
    }
    let record = world.console.store.server(&pay()).await.unwrap().unwrap();
    assert!(record.classes.is_empty(), "a claim gives no class");
}

#[tokio::test]
async fn choices_are_kept_and_become_the_policy_and_the_classes() {
    let world = with_claims().await;
    let rows = [
        ("tool", "look"),
        ("class", "read"),
        ("answer", "recommended"),
        ("tool", "mute"),
        ("tick", "1"),
        ("class", ""),
        ("answer", "recommended"),
        ("tool", "save"),
        ("tick", "1"),
        ("class", ""),
        ("answer", "recommended"),
        ("all_class", "write"),
        ("all_answer", "hide"),
        ("do", "ticked"),
    ];
    let kept = world.post("/setup/pay/choices", &rows).await;
    assert!(kept.place.contains("told=ticked&n=2"), "{}", kept.place);
    let record = world.console.store.server(&pay()).await.unwrap().unwrap();
    let classes: Vec<_> =
        record.classes.iter().map(|(tool, class)| (tool.as_str(), *class)).collect();
    assert_eq!(classes, [("look", Class::Read), ("mute", Class::Write), ("save", Class::Write)]);
    // Nothing is in force yet; the builder has the same text.
    assert!(world.console.store.policies().await.unwrap().is_empty());
    let builder = world.get("/policies/pay-recommended").await;
    assert_eq!(builder.status, StatusCode::OK);
    let page = world.get("/setup/pay").await;
    assert_eq!(World::answer_of(&page.text, "mute"), "hide");
    let seen = World::field(&page, "seen");
    // The last choices come with the button that saves.
    let last = [
        ("seen", seen.as_str()),
        ("mode", "enforce"),
        ("tool", "save"),
        ("class", "write"),
        ("answer", "ask"),
    ];
    let saved = world.post("/setup/pay/policy", &last).await;
    assert!(
        saved.place.starts_with("/grants/new?server=pay&policy=pay-recommended"),
        "{}",
        saved.text
    );
    let text = world.policy_text("pay-recommended").await;
    for line in [
        "\"look\": {}",
        "\"mute\": {\"action\":\"hide\"}",
        "\"save\": {\"action\":\"approve\"}",
        "\"wipe\": {\"action\":\"hide\"}",
        "\"both\": {\"action\":\"approve\",\"reason\":",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
    let lines = world.console.store.pin_lines(None).await.unwrap();
    assert!(lines.iter().all(|line| line.state == PinState::Accepted));
    // Somebody who comes back finds what they saved, and saves no second one.
    let again = world.get("/setup/pay").await;
    assert_eq!(World::answer_of(&again.text, "save"), "ask");
    let seen = World::field(&again, "seen");
    let same = world.post("/setup/pay/policy", &[("seen", &seen), ("mode", "enforce")]).await;
    assert!(same.place.contains("policy=pay-recommended&"), "{}", same.place);
    assert_eq!(world.console.store.policies().await.unwrap().len(), 1);
    let other = [("seen", seen.as_str()), ("mode", "observe")];
    let other = world.post("/setup/pay/policy", &other).await;
    assert!(other.place.contains("policy=pay-recommended-2&"), "{}", other.place);
}

#[tokio::test]
async fn rules_that_the_table_cannot_show_are_never_lost() {
    let world = with_claims().await;
    let text = "{\n  // mine\n  \"version\": \"1\", \"default\": \"deny\",\n  \"tools\": {\"look\": {}}\n}\n";
    let name = PolicyName::parse("pay-recommended").unwrap();
    let kept = (Some(pay()), text.to_owned(), 0);
    let ada = store::Actor::parse("user:ada@example.com").unwrap();
    let draft = store::PolicyDraft {
        name: name.clone(),
        server: kept.0,
        text: kept.1,
        base: 0,
        kept_at: NOW,
    };
    world.console.store.keep_policy_draft(&ada, draft).await.unwrap();
    let page = world.get("/setup/pay").await;
    assert!(page.text.contains("this table cannot show"), "{}", page.text);
    let refused = world.post("/setup/pay/choices", &[("tool", "look"), ("answer", "deny")]).await;
    assert_eq!(refused.status, StatusCode::CONFLICT);
    let seen = World::field(&page, "seen");
    let saved = world.post("/setup/pay/policy", &[("seen", &seen), ("mode", "enforce")]).await;
    assert_eq!(saved.status, StatusCode::SEE_OTHER, "{}", saved.text);
    assert_eq!(world.policy_text("pay-recommended").await, text);
}

#[tokio::test]
async fn wrong_choices_change_nothing() {
    let world = with_claims().await;
    world.pin("pay", &[(EVIL, None, Some(Risk::Low))]).await;
    for fields in
        [[("tool", "look"), ("answer", "maybe")], [("tool", "look"), ("class", "harmless")]]
    {
        let refused = world.post("/setup/pay/choices", &fields).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{fields:?}");
    }
    // A tool that the server does not have is none of the policy's.
    let stranger = [("tool", "stranger"), ("answer", "allow"), ("tool", EVIL), ("answer", "deny")];
    assert_eq!(world.post("/setup/pay/choices", &stranger).await.status, StatusCode::SEE_OTHER);
    let page = world.get("/setup/pay").await;
    is_safe(&page);
    assert!(!page.text.contains("stranger"));
    let none = world.get("/setup/pay?q=nothing").await;
    assert!(none.text.contains("No tool matches"));
}

#[tokio::test]
async fn a_server_that_was_typed_wrong_is_changed_where_that_is_seen() {
    let world = World::of(ApiRole::Admin).await;
    let start = world.get("/setup?way=command").await;
    assert!(start.text.contains(">PATH=env:PATH</textarea>"), "{}", start.text);
    let fields = [
        ("way", "command"),
        ("slug", "pay"),
        ("command", "npx -y nothing"),
        ("env", "PATH=env:PATH\nAPI_KEY=hush"),
    ];
    assert_eq!(world.post("/setup", &fields).await.place, "/setup/pay");
    let waiting = world.get("/setup/pay").await;
    for wanted in ["data-tools-wait=\"/setup/pay\"", "href=\"/setup?instead=pay\""] {
        assert!(waiting.text.contains(wanted), "{wanted}: {}", waiting.text);
    }
    let form = world.get("/setup?instead=pay").await;
    assert!(form.text.contains("npx\n-y\nnothing"), "{}", form.text);
    assert!(form.text.contains("PATH=env:PATH\nAPI_KEY=\n"), "{}", form.text);
    assert!(!form.text.contains("hush"), "a secret comes out");
    let instead = World::field(&form, "instead");
    let change = |env| {
        [
            ("way", "command"),
            ("slug", "pay"),
            ("instead", instead.as_str()),
            ("command", "uvx right"),
            ("env", env),
        ]
    };
    let blank = world.post("/setup", &change("API_KEY=")).await;
    assert!(blank.text.contains("the value of API_KEY is missing"), "{}", blank.text);
    assert_eq!(world.post("/setup", &change("API_KEY=new")).await.place, "/setup/pay");
    let record = world.console.store.server(&pay()).await.unwrap().unwrap();
    let store::Transport::Stdio { command, env } = record.transport else { panic!("no program") };
    assert_eq!(command, ["uvx", "right"]);
    assert_eq!(env.first().unwrap().1.expose(), "new");
    let late = world.post("/setup", &change("API_KEY=late")).await;
    assert_eq!(late.status, StatusCode::CONFLICT);
    assert!(late.text.contains("begin again"), "{}", late.text);
}
