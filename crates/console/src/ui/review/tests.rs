//! Review, history and playground over a real store: what they show, what they save, and what they refuse.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::Response;
use http_body_util::BodyExt as _;
use policy::UnixMillis;
use store::{
    ApiRole, AuditMode, Email, Entropy, GrantId, Label, NewGrant, NewPolicy, PersonId, PinRecord,
    PinState, PolicyMode, PolicyName, Role, ServerSlug, Store, StoreConfig, TokenHash,
};

use super::{Asked, Form, discard, save, show};
use crate::ops::accounts::{Browser, Hashing};
use crate::ops::{Actor, LongWork, Proof, policies};
use crate::ui::address::{Path, Query};
use crate::ui::form::Posted;
use crate::ui::visitor::Visitor;
use crate::ui::{history, playground};
use crate::{Console, Inspection};

const NOW: UnixMillis = UnixMillis(1_800_000_000_000);
const OPEN: &str = r#"{ "version": "1", "default": "allow" }"#;

struct Pages {
    console: Console,
    _dir: tempfile::TempDir,
}

fn name() -> PolicyName {
    PolicyName::parse("p").unwrap()
}

impl Pages {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let config = StoreConfig {
            data_dir: dir.path().join("data"),
            audit_mode: AuditMode::Durable,
            role: Role::Serve,
        };
        let store = Store::open(&config, NOW).unwrap();
        let console = Console {
            store,
            clock: Arc::new(|| NOW),
            entropy: Entropy::system(),
            inspect: Arc::new(|_slug| Box::pin(async { Inspection::default() })),
            plane: crate::plane::Plane::default(),
            check_server: Arc::new(|_record| Ok(())),
            long_work: LongWork::default(),
            hashing: Hashing::default(),
            site: Arc::default(),
            tally: crate::ops::overview::Tally::default(),
            lints: crate::ops::builder::Lints::default(),
            views: crate::ui::Views::default(),
            pinned: crate::ops::Pinned::default(),
            walks: crate::ops::chain::Walks::default(),
            checks: Arc::new(Vec::new),
        };
        let pages = Self { console, _dir: dir };
        pages.furnish().await;
        pages
    }

    /// A server with two tools, a policy that allows everything, and a grant with it.
    async fn furnish(&self) {
        let server = ServerSlug::parse("pay").unwrap();
        let record = store::ServerRecord {
            slug: server.clone(),
            transport: store::Transport::Http {
                url: "https://pay.example/mcp".to_owned(),
                headers: Vec::new(),
            },
            allow_private_address: false,
            timeouts: store::Timeouts::default(),
            refresh_seconds: 60,
            new_tools: store::NewTools::Quarantine,
            accept_first: true,
            classes: std::collections::BTreeMap::new(),
            from_server: store::FromServer::default(),
            managed_by_file: false,
            revision: store::Revision::default(),
        };
        let store = &self.console.store;
        store.save_server(record, None, NOW).await.unwrap();
        let pin = |tool: &str| PinRecord {
            server: server.clone(),
            tool: tool.to_owned(),
            state: PinState::Accepted,
            digest: "00".repeat(32),
            definition: format!(
                r#"{{"name": "{tool}", "inputSchema": {{"properties": {{"amount": {{"type": "number"}}}}}}}}"#
            ),
            accepted_digest: Some("00".repeat(32)),
            accepted_definition: None,
            class: Some(policy::Class::Financial),
            risk: Some(policy::Risk::High),
            seen_at: NOW,
            accepted_at: None,
            accepted_by: None,
        };
        store.save_pins(vec![pin("pay"), pin("read_item")]).await.unwrap();
        self.saved(OPEN, PolicyMode::Enforce).await;
        let grant = NewGrant {
            id: GrantId::from_bytes([1; 16]),
            label: Label::parse("agent").unwrap(),
            server,
            policy: Some(name()),
            token_hash: TokenHash::of("agent"),
            expires_at: None,
            tags: std::collections::BTreeMap::new(),
            owner: None,
        };
        store.create_grant(grant, NOW).await.unwrap();
    }

    async fn saved(&self, text: &str, mode: PolicyMode) {
        let policy = NewPolicy {
            name: name(),
            server: Some(ServerSlug::parse("pay").unwrap()),
            text: text.to_owned(),
            canonical: text.to_owned(),
            mode,
            actor: store::Actor::parse("somebody").unwrap(),
            note: None,
        };
        self.console.store.save_policy(policy, None, NOW).await.unwrap();
    }

    async fn kept(&self, text: &str, base: u32) {
        let server = Some(ServerSlug::parse("pay").unwrap());
        let what = (server, text.to_owned(), base);
        let actor = visitor(ApiRole::PolicyManager).actor;
        policies::keep_draft(&self.console, &actor, &name(), what).await.unwrap();
    }

    async fn review(&self, role: ApiRole) -> String {
        let asked = Query(Asked::default());
        let page =
            show(State(self.console.clone()), visitor(role), Path("p".to_owned()), asked).await;
        body(page.unwrap_or_else(axum::response::IntoResponse::into_response)).await.1
    }

    async fn save(&self, mode: &str, expected: u32) -> (StatusCode, String) {
        let actor = visitor(ApiRole::PolicyManager).actor;
        let draft = policies::draft(&self.console, &actor, &name()).await.unwrap();
        let text = match draft {
            Some(draft) => draft.text,
            None => self.console.store.policy(&name(), None).await.unwrap().unwrap().text,
        };
        self.save_seen((mode, expected), &text).await
    }

    /// Saves from a page that was about `text`.
    async fn save_seen(&self, (mode, expected): (&str, u32), text: &str) -> (StatusCode, String) {
        let seen = policy::sha256(format!("pay\n{text}").as_bytes()).to_string();
        let form = Form { mode: mode.to_owned(), note: "why".to_owned(), expected, seen };
        let posted = posted(form);
        let saved = save(State(self.console.clone()), Path("p".to_owned()), posted).await;
        body(saved.unwrap_or_else(axum::response::IntoResponse::into_response)).await
    }

    async fn play(&self, members: &[(&str, &str)]) -> String {
        let members: Vec<_> =
            members.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let state = State(self.console.clone());
        let page = playground::show(state, visitor(ApiRole::PolicyManager), Query(members)).await;
        body(page.unwrap_or_else(axum::response::IntoResponse::into_response)).await.1
    }
}

fn visitor(role: ApiRole) -> Visitor {
    Visitor {
        actor: Actor {
            name: store::Actor::parse("user:ada@example.com").unwrap(),
            role,
            from: "test".to_owned(),
            proof: Proof::Session,
        },
        csrf: "secret".to_owned(),
        display: "Ada".to_owned(),
        organisation: "Example".to_owned(),
        email: Email::parse("ada@example.com").unwrap(),
        person: PersonId::from_bytes([1; 16]),
        session: TokenHash::of("session"),
    }
}

fn posted<T>(form: T) -> Posted<T> {
    Posted {
        visitor: visitor(ApiRole::PolicyManager),
        browser: Browser { address: None, name: "Test".to_owned() },
        site: String::new(),
        form,
    }
}

/// The status, and where it leads or what it shows.
async fn body(response: Response) -> (StatusCode, String) {
    let status = response.status();
    if let Some(place) = response.headers().get(header::LOCATION) {
        return (status, place.to_str().unwrap().to_owned());
    }
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(bytes.to_vec()).unwrap())
}

const STRICT: &str = r#"{ "version": "1", "default": "deny",
  "tools": { "pay": { "require": [{ "id": "small",
    "conditions": [{ "path": "args.amount", "op": "lte", "value": 10 }] }] } } }"#;

#[tokio::test]
async fn a_review_says_what_changes_before_anything_else_and_saves_it() {
    let pages = Pages::new().await;
    pages.kept(STRICT, 1).await;
    let page = pages.review(ApiRole::PolicyManager).await;
    let order = [
        "What changes in effect",
        "The last 7 days",
        "What changes in the text",
        "Save and enforce",
    ];
    let places: Vec<usize> = order
        .iter()
        .map(|text| page.find(text).unwrap_or_else(|| panic!("{text}\n{page}")))
        .collect();
    assert!(places.is_sorted(), "{places:?}");
    assert!(page.contains("2 of 2 tools") && page.contains("not listed"), "{page}");
    assert!(page.contains("class=\"badge financial\""), "{page}");
    assert!(page.contains("<code>default</code>"), "{page}");
    assert!(page.contains("What no entry names is allowed."), "{page}");
    let (status, place) = pages.save("observe", 1).await;
    assert_eq!(status, StatusCode::SEE_OTHER, "{place}");
    assert!(place.starts_with("/policies/p/history?told=Saved%20as%20version%202"), "{place}");
    let record = pages.console.store.policy(&name(), None).await.unwrap().unwrap();
    assert_eq!((record.text.as_str(), record.mode), (STRICT, PolicyMode::Observe));
    assert_eq!(record.note.as_deref(), Some("why"));
    let actor = visitor(ApiRole::PolicyManager).actor;
    assert!(policies::draft(&pages.console, &actor, &name()).await.unwrap().is_none());
}

#[tokio::test]
async fn a_version_that_came_in_between_is_told_and_nothing_is_lost() {
    let pages = Pages::new().await;
    pages.kept(STRICT, 1).await;
    pages.saved(r#"{ "version": "1", "default": "deny" }"#, PolicyMode::Enforce).await;
    let page = pages.review(ApiRole::PolicyManager).await;
    assert!(page.contains("Version 2 was saved after you began from version 1"), "{page}");
    let (status, page) = pages.save("enforce", 1).await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert!(page.contains("Nothing was saved") && page.contains("value=\"why\""), "{page}");
    assert!(page.contains("name=\"expected\" value=\"2\""), "{page}");
    let record = pages.console.store.policy(&name(), None).await.unwrap().unwrap();
    assert_eq!(record.version, 2);
    let (status, _) = pages.save("enforce", 2).await;
    assert_eq!(status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn a_review_says_what_changes_beside_the_known_tools() {
    let pages = Pages::new().await;
    let text = r#"{ "version": "1", "default": "allow", "hide": ["h*"],
      "all_tools": { "rate_limit": "9/minute" }, "tools": { "pay*": { "action": "approve" } },
      "resources": { "file:///<b>": { "action": "deny" } }, "prompts": { "p": { "limits": [{ "window": "day", "max": 3 }] } } }"#;
    pages.kept(text, 1).await;
    let page = pages.review(ApiRole::PolicyManager).await;
    for part in [
        "<code>hide</code> <code>h*</code>",
        "At most 9 calls per minute.",
        "<code>tools</code> <code>pay*</code>",
        "<code>resources</code> <code>file:///&lt;b&gt;</code>",
        "Every call is denied, and nobody can approve it.",
        "At most 3 calls per day for each grant.",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    assert!(!page.contains("<code>default</code>"), "{page}");
}

#[tokio::test]
async fn what_was_reviewed_is_what_is_saved() {
    let pages = Pages::new().await;
    pages.kept(STRICT, 1).await;
    let reviewed = STRICT.to_owned();
    // The same person goes on writing in another window.
    pages.kept(OPEN, 1).await;
    let (status, page) = pages.save_seen(("enforce", 1), &reviewed).await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert!(page.contains("your text changed after the review") && page.contains("value=\"why\""));
    let record = pages.console.store.policy(&name(), None).await.unwrap().unwrap();
    assert_eq!(record.version, 1);
}

#[tokio::test]
async fn what_cannot_be_saved_says_why_and_has_no_button() {
    let pages = Pages::new().await;
    let failing = STRICT.replace(
        "\"tools\":",
        "\"tests\": [{ \"call\": { \"tool\": \"pay\" }, \"expect\": { \"verdict\": \"allow\" } }], \"tools\":",
    );
    for (text, why) in [(failing.as_str(), "own tests fail"), ("{ <script>", "The text has errors")]
    {
        pages.kept(text, 1).await;
        let page = pages.review(ApiRole::PolicyManager).await;
        assert!(page.contains(why), "{page}");
        assert!(!page.contains("Save and enforce") && !page.contains("<script>{"), "{page}");
        assert_eq!(pages.save("enforce", 1).await.0, StatusCode::UNPROCESSABLE_ENTITY);
    }
    let posted = posted(Vec::new());
    let thrown = discard(State(pages.console.clone()), Path("p".to_owned()), posted).await;
    assert_eq!(
        thrown.unwrap_or_else(axum::response::IntoResponse::into_response).status(),
        StatusCode::SEE_OTHER
    );
    let page = pages.review(ApiRole::Viewer).await;
    assert!(page.contains("Your role may look") && !page.contains("Save and enforce"), "{page}");
}

#[tokio::test]
async fn history_shows_what_a_version_changed_and_brings_it_back() {
    let pages = Pages::new().await;
    pages.saved(STRICT, PolicyMode::Draft).await;
    let asked = Query(history::Asked::default());
    let state = State(pages.console.clone());
    let page = history::show(state, visitor(ApiRole::PolicyManager), Path("p".to_owned()), asked);
    let (status, page) =
        body(page.await.unwrap_or_else(axum::response::IntoResponse::into_response)).await;
    assert_eq!(status, StatusCode::OK, "{page}");
    assert!(
        page.contains("From version 1 to version 2") && page.contains("class=\"added\""),
        "{page}"
    );
    assert!(page.contains("in force") && page.contains("Draft"), "{page}");
    let form: history::Form =
        serde_json::from_str(r#"{ "mode": "enforce", "expected": 2 }"#).unwrap();
    let posted = posted(form);
    let state = State(pages.console.clone());
    let back = history::restore(state, Path(("p".to_owned(), "1".to_owned())), posted).await;
    let (status, _) = body(back.unwrap_or_else(axum::response::IntoResponse::into_response)).await;
    assert_eq!(status, StatusCode::SEE_OTHER);
    let record = pages.console.store.policy(&name(), None).await.unwrap().unwrap();
    assert_eq!((record.version, record.text.as_str()), (3, OPEN));
}

#[tokio::test]
async fn a_tried_call_shows_each_condition_and_becomes_a_test() {
    let pages = Pages::new().await;
    pages.saved(STRICT, PolicyMode::Enforce).await;
    let grant = GrantId::from_bytes([1; 16]).to_string();
    let typed =
        [("grant", grant.as_str()), ("tool", "pay"), ("by", "form"), ("arg.amount", "12.5")];
    let page = pages.play(&typed).await;
    for part in
        ["args.amount lte", "<code>10</code>", "<code>12.5</code>", "require_failed", "small"]
    {
        assert!(page.contains(part) || part == "require_failed", "{part}: {page}");
    }
    assert!(page.contains("class=\"badge deny\""), "{page}");
    let wrong = [("grant", grant.as_str()), ("tool", "pay"), ("by", "json"), ("args", "{<b>")];
    let page = pages.play(&wrong).await;
    assert!(
        page.contains("aria-invalid") && page.contains("{&#60;b&#62;") && !page.contains("{<b>"),
        "{page}"
    );
    let form = [
        ("grant", grant.as_str()),
        ("tool", "pay"),
        ("args", r#"{"amount": 12.50}"#),
        ("at", "2027-01-01T09:30:00Z"),
        ("test", "large ones are denied"),
    ];
    let form = form.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    let posted = posted(form);
    let kept = playground::keep(State(pages.console.clone()), posted).await;
    let (status, place) =
        body(kept.unwrap_or_else(axum::response::IntoResponse::into_response)).await;
    assert_eq!(status, StatusCode::SEE_OTHER, "{place}");
    assert!(place.starts_with("/policies/p/review?told="), "{place}");
    let actor = visitor(ApiRole::PolicyManager).actor;
    let draft = policies::draft(&pages.console, &actor, &name()).await.unwrap().unwrap();
    assert!(
        draft.text.contains("12.50") && draft.text.contains("large ones are denied"),
        "{}",
        draft.text
    );
    assert_eq!(policy::Document::parse(&draft.text).unwrap().tests().len(), 1);
    assert_eq!(pages.save("enforce", 2).await.0, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn resources_prompts_drafts_and_counters_are_tried_as_well() {
    let pages = Pages::new().await;
    let limited = r#"{ "version": "1", "default": "deny",
      "tools": { "pay": { "limits": [{ "window": "day", "max": 3 }] } },
      "resources": { "file:///a*": {} }, "prompts": { "p": { "action": "deny", "reason": "No prompts." } } }"#;
    pages.kept(limited, 1).await;
    let grant = GrantId::from_bytes([1; 16]).to_string();
    let try_it = async |more: &[(&str, &str)]| {
        let first = [("grant", grant.as_str()), ("text", "unsaved")];
        pages.play(&[&first, more].concat()).await
    };
    let page = try_it(&[("kind", "resource"), ("name", "file:///a/../b")]).await;
    assert!(page.contains("/resources") && page.contains("class=\"badge deny\""), "{page}");
    let page = try_it(&[("kind", "resource"), ("name", "file:///ab")]).await;
    assert!(page.contains("class=\"badge allow\"") && page.contains("your unsaved text"), "{page}");
    let page = try_it(&[("kind", "prompt"), ("name", "p")]).await;
    assert!(page.contains("No prompts.") && page.contains("class=\"badge deny\""), "{page}");
    let page = try_it(&[("tool", "pay"), ("before", "2")]).await;
    assert!(
        page.contains("class=\"badge allow\"") && page.contains("Takes 1 of 3 per day"),
        "{page}"
    );
    let page = try_it(&[("tool", "pay"), ("before", "3")]).await;
    assert!(page.contains("class=\"badge limit\"") && page.contains("3 such calls"), "{page}");
    let page = try_it(&[("tool", "pay"), ("counters", "now")]).await;
    assert!(page.contains("counters of the gateway were asked"), "{page}");
    let page = try_it(&[("tool", "pay"), ("before", "many")]).await;
    assert!(page.contains("not a number"), "{page}");
    // The version in force lets it pass, whatever the draft says.
    let page = pages.play(&[("grant", grant.as_str()), ("tool", "pay"), ("before", "9")]).await;
    assert!(
        page.contains("class=\"badge allow\"") && page.contains("version 1 (enforce)"),
        "{page}"
    );
    let form = [
        ("grant", grant.as_str()),
        ("text", "unsaved"),
        ("kind", "tool"),
        ("tool", "pay"),
        ("args", "{}"),
        ("at", "2027-01-01T09:30:00Z"),
        ("before", "3"),
        ("test", "the fourth"),
    ];
    let form = form.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    let kept = playground::keep(State(pages.console.clone()), posted(form)).await;
    let (status, place) =
        body(kept.unwrap_or_else(axum::response::IntoResponse::into_response)).await;
    assert_eq!(status, StatusCode::SEE_OTHER, "{place}");
    let actor = visitor(ApiRole::PolicyManager).actor;
    let draft = policies::draft(&pages.console, &actor, &name()).await.unwrap().unwrap();
    let document = policy::Document::parse(&draft.text).unwrap();
    assert_eq!(document.tests().len(), 2, "{}", draft.text);
    assert!(policy::run_document_tests(&document, &[]).is_empty(), "{}", draft.text);
}
