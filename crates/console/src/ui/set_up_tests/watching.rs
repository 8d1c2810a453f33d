//! What the pages tell of a server and of an agent that somebody waits for.

use std::sync::Arc;

use http::StatusCode;
use policy::{ApprovalId, ApprovalRecord, ApprovalState, Ask, AskRule, Kind, sha256};
use store::{Answer, ApiRole, AuditGrant, AuditOpen, Decision, GrantRecord, Opened, ServerSlug};

use super::{EVIL, NOW, World, is_safe, router};
use crate::plane::{Arrival, Diary, LogLine, ServerState, ServerStateKind};

impl World {
    /// The same world, in which the data plane knows this much.
    fn knowing(mut self, diary: Diary, arrival: Option<Arrival>) -> World {
        self.console.plane.diary = Arc::new(move |_slug| Some(diary.clone()));
        self.console.plane.arrival = Arc::new(move |_grant| arrival.clone());
        self.pages = router(self.console.clone());
        self
    }

    async fn granted(&self) -> GrantRecord {
        let fields = [("expires", "30"), ("label", EVIL), ("server", "pay")];
        assert_eq!(self.post("/grants", &fields).await.status, StatusCode::OK);
        self.console.store.grants().await.unwrap().remove(0)
    }

    async fn called(&self, grant: &GrantRecord, call: &AuditOpen<'_>) {
        let grant = AuditGrant { id: &grant.id, label: &grant.label };
        let row = AuditOpen { grant: Some(grant), server: Some("pay"), ..*call };
        self.console.store.record(&row, NOW).await.unwrap();
    }

    async fn held(&self, grant: &GrantRecord) -> ApprovalId {
        let rule: Arc<str> = "/tools/look/action".into();
        let rules = vec![AskRule { digest: sha256(b"rule"), rule, message: "Ask".into() }];
        let record = ApprovalRecord {
            id: ApprovalId::from_random([3; 16]),
            digest: sha256(b"call"),
            grant: grant.id.as_str().to_owned(),
            server: "pay".into(),
            kind: Kind::Tool,
            name: "look".into(),
            definition_pin: Some("00".into()),
            arguments: "{}".into(),
            rules: rules.clone(),
            approvers: Vec::new(),
            state: ApprovalState::Pending,
            created_at: NOW,
            expires_at: NOW.plus_seconds(60),
            decided_by: None,
            decided_at: None,
            decided_from: None,
            decided_reason: None,
            used_at: None,
        };
        let id = record.id.clone();
        let ask = Ask {
            rule: Arc::clone(&rules[0].rule),
            message: String::new(),
            hint: None,
            rules,
            wait_seconds: None,
            expires_seconds: 60,
            approvers: Vec::new(),
        };
        let opened = self.console.store.open_approval(record, &ask, NOW).await.unwrap();
        assert_eq!(opened, Opened::New);
        id
    }
}

fn arrival(client: &str) -> Arrival {
    Arrival { client: Some(client.to_owned()), introduced_at: Some(NOW), listed_at: None }
}

#[tokio::test]
async fn the_first_call_is_shown_as_what_it_is() {
    let world = World::with_server().await;
    let grant = world.granted().await;
    let part = format!("/grants/{}/first-call", grant.id);
    let nobody = world.get(&part).await;
    assert_eq!(nobody.status, StatusCode::OK);
    assert!(nobody.text.contains("Waiting for the agent…") && nobody.text.contains("data-waits"));
    let world = world.knowing(Diary::default(), Some(arrival(EVIL)));
    let here = world.get(&part).await;
    is_safe(&here);
    for wanted in ["is connected", "Waiting for the first call…", "U+202E"] {
        assert!(here.text.contains(wanted), "{wanted}: {}", here.text);
    }
    let id = world.held(&grant).await;
    let held = AuditOpen {
        verdict: "hold",
        tool: Some("look"),
        reason: Some("approval_required"),
        approval_id: Some(id.as_str()),
        ..AuditOpen::default()
    };
    world.called(&grant, &held).await;
    let waits = world.get(&part).await;
    is_safe(&waits);
    for wanted in ["asks to call", "waits for you", &format!("/approvals/{id}"), "data-waits"] {
        assert!(waits.text.contains(wanted), "{wanted}: {}", waits.text);
    }
    let decision = Decision {
        answer: Answer::Reject,
        by: store::Actor::parse("user:bob@example.com").unwrap(),
        roles: vec!["admin".into()],
        from: "10.0.0.1".into(),
        reason: Some("no".into()),
    };
    world.console.store.decide_as_shown(&id, (decision, None), NOW).await.unwrap();
    let rejected = world.get(&part).await;
    for wanted in ["The agent is connected.", "a person rejected it", "notice ok"] {
        assert!(rejected.text.contains(wanted), "{wanted}: {}", rejected.text);
    }
    // A call after it is seen as well.
    assert!(rejected.text.contains("data-waits"), "{}", rejected.text);
}

#[tokio::test]
async fn a_denied_first_call_is_a_first_call() {
    let world = World::with_server().await;
    let grant = world.granted().await;
    let denied = AuditOpen {
        verdict: "deny",
        tool: Some(EVIL),
        reason: Some("not_listed"),
        ..AuditOpen::default()
    };
    world.called(&grant, &denied).await;
    let page = world.get(&format!("/grants/{}", grant.id)).await;
    is_safe(&page);
    for wanted in ["The agent is connected.", "not listed in the policy"] {
        assert!(page.text.contains(wanted), "{wanted}: {}", page.text);
    }
    let grants = world.get("/grants").await;
    let (_, used) = grants.text.split_once("Last used\"").unwrap();
    assert!(used.starts_with("><time"), "{used}");
    assert!(!grants.text.contains("never</span></td>\n<td data-label=\"Tags"), "{}", grants.text);
}

#[tokio::test]
async fn a_servers_history_and_what_its_program_says_are_shown_as_text() {
    let world = World::with_server().await;
    let command = [("way", "command"), ("slug", "local"), ("command", "x")];
    world.post("/setup", &command).await;
    let state = |kind| ServerState { since: NOW, last: NOW, kind };
    let diary = Diary {
        lines: vec![LogLine { at: NOW, text: format!("boot {EVIL}\u{1b}[31m"), left_out: 3 }],
        dropped: 7,
        states: vec![
            state(ServerStateKind::Up(3)),
            state(ServerStateKind::Ended("exit status: 1".to_owned())),
            state(ServerStateKind::Failing(format!("refused {EVIL}"))),
        ],
    };
    let world = world.knowing(diary.clone(), None);
    let page = world.get("/servers/local").await;
    is_safe(&page);
    for wanted in [
        "boot ",
        "U+001B",
        "3 lines before it",
        "7 older lines",
        "listed 3 tools",
        "its program ended: exit status: 1",
        "Failing",
    ] {
        assert!(page.text.contains(wanted), "{wanted}: {}", page.text);
    }
    assert!(!world.get("/servers/pay").await.text.contains("What its program says"));
    // Whoever may only look sees how it was, and not what the program says.
    let viewer = crate::ops::Actor { role: ApiRole::Viewer, ..super::terminal() };
    let slug = ServerSlug::parse("local").unwrap();
    let seen = crate::ops::servers::diary(&world.console, &viewer, &slug).await.unwrap();
    assert!(seen.lines.is_empty() && seen.dropped == 0 && seen.states == diary.states);
}

#[tokio::test]
async fn who_keeps_a_definition_out_is_shown_again() {
    let world = World::with_server().await;
    let before = world.get("/servers/pay/changes").await;
    assert!(!before.text.contains("Kept out by"));
    let stale = [("tool", "11:look"), ("do", "keep")];
    assert_eq!(world.post("/servers/pay/changes", &stale).await.status, StatusCode::CONFLICT);
    let kept = world.post("/servers/pay/changes", &[("tool", "00:look"), ("do", "keep")]).await;
    assert_eq!(kept.place, "/servers/pay/changes?told=kept");
    let after = world.get(&kept.place).await;
    is_safe(&after);
    for wanted in ["That is written down", "Kept out by user:ada@example.com", "2 undecided"] {
        assert!(after.text.contains(wanted), "{wanted}: {}", after.text);
    }
}

#[tokio::test]
async fn a_tool_counts_as_what_an_operator_said_wherever_it_is_shown() {
    let world = World::with_server().await;
    let fields = [("tool", "look"), ("class", "destructive")];
    assert_eq!(world.post("/servers/pay/class", &fields).await.status, StatusCode::SEE_OTHER);
    let changes = world.get("/servers/pay/changes").await.text;
    let (_, panel) = changes.split_once("<code>look</code>").unwrap();
    let (panel, _) = panel.split_once("</h2>").unwrap();
    assert!(panel.contains("Destructive") && panel.contains("Critical"), "{panel}");
    assert!(!panel.contains("Read"), "{panel}");
}
