use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Body;
use http_body_util::BodyExt as _;
use policy::{Ask, AskRule, Class, Kind, Risk, sha256};
use store::{
    ApiRole, AuditMode, Email, Entropy, FromServer, GrantId, Label, NewGrant, NewTools, Opened,
    PersonId, PinRecord, PinState, Role, ServerRecord, ServerSlug, Store, StoreConfig, Timeouts,
    TokenHash, Transport,
};

use super::*;
use crate::Inspection;
use crate::ops::accounts::{Browser, Hashing};
use crate::ops::chain::Walks;
use crate::ops::{Actor, LongWork, Proof};

const NOW: UnixMillis = UnixMillis(1_767_225_600_000);

struct World {
    console: Console,
    _dir: tempfile::TempDir,
}

impl World {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let config = StoreConfig {
            data_dir: dir.path().join("data"),
            audit_mode: AuditMode::Durable,
            role: Role::Serve,
        };
        let store = Store::open(&config, NOW).unwrap();
        store.save_server(server(), None, NOW).await.unwrap();
        store.create_grant(grant(), NOW).await.unwrap();
        store.save_pins(vec![pin("ab12", Risk::High)]).await.unwrap();
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
            walks: Walks::default(),
            checks: Arc::new(Vec::new),
        };
        World { console, _dir: dir }
    }

    /// A held call with these arguments.
    async fn held(&self, number: u8, arguments: &str) -> String {
        let rule: Arc<str> = "/tools/send/deny_if/0".into();
        let rules =
            vec![AskRule { digest: sha256(b"rule"), rule, message: "Ask <b>me</b>".into() }];
        let record = ApprovalRecord {
            id: ApprovalId::from_random([number; 16]),
            digest: sha256(&[number]),
            grant: grant().id.as_str().to_owned(),
            server: "pay".into(),
            kind: Kind::Tool,
            name: "send<script>\u{202e}".into(),
            definition_pin: Some("ab12".into()),
            arguments: arguments.into(),
            rules: rules.clone(),
            approvers: Vec::new(),
            state: ApprovalState::Pending,
            created_at: NOW,
            expires_at: NOW.plus_seconds(60 * u32::from(number)),
            decided_by: None,
            decided_at: None,
            decided_from: None,
            decided_reason: None,
            used_at: None,
        };
        let id = record.id.to_string();
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

    async fn page(&self, id: &str, whole: bool) -> String {
        let asked = detail::Asked { whole: whole.then(|| "yes".to_owned()) };
        let who = visitor("ada@example.com", ApiRole::Approver, Proof::Session);
        let console = State(self.console.clone());
        text(show(console, who, Path(id.to_owned()), Query(asked)).await).await.1
    }

    async fn inbox(&self, role: ApiRole) -> String {
        let who = visitor("ada@example.com", role, Proof::Session);
        text(list(State(self.console.clone()), who, Query(Asked::default())).await).await.1
    }

    /// Sends the form of a page.
    async fn send(
        &self,
        id: &str,
        answer: Answer,
        form: DecisionForm,
        who: Visitor,
    ) -> (u16, String) {
        let browser = Browser { address: None, name: "Test/1".to_owned() };
        let posted = Posted { visitor: who, browser, site: String::new(), form };
        let (console, id) = (State(self.console.clone()), Path(id.to_owned()));
        text(match answer {
            Answer::Approve => approve(console, id, posted).await,
            Answer::Reject => reject(console, id, posted).await,
        })
        .await
    }
}

fn server() -> ServerRecord {
    ServerRecord {
        slug: ServerSlug::parse("pay").unwrap(),
        transport: Transport::Http { url: "https://pay.example/mcp".into(), headers: Vec::new() },
        allow_private_address: false,
        timeouts: Timeouts::default(),
        refresh_seconds: 60,
        new_tools: NewTools::Quarantine,
        accept_first: true,
        classes: BTreeMap::new(),
        from_server: FromServer::default(),
        managed_by_file: false,
        revision: store::Revision(0),
    }
}

fn grant() -> NewGrant {
    NewGrant {
        id: GrantId::from_bytes([7; 16]),
        label: Label::parse("agent").unwrap(),
        server: ServerSlug::parse("pay").unwrap(),
        policy: None,
        token_hash: TokenHash::of("token of the agent"),
        expires_at: None,
        tags: BTreeMap::new(),
        owner: None,
    }
}

fn pin(digest: &str, risk: Risk) -> PinRecord {
    PinRecord {
        server: ServerSlug::parse("pay").unwrap(),
        tool: "send<script>\u{202e}".into(),
        state: PinState::Accepted,
        digest: digest.into(),
        definition: "{}".into(),
        accepted_digest: Some(digest.into()),
        accepted_definition: Some("{}".into()),
        class: Some(Class::Financial),
        risk: Some(risk),
        seen_at: NOW,
        accepted_at: None,
        accepted_by: None,
    }
}

fn visitor(email: &str, role: ApiRole, proof: Proof) -> Visitor {
    let email = Email::parse(email).unwrap();
    Visitor {
        actor: Actor { name: email.actor().unwrap(), role, from: "10.0.0.1".into(), proof },
        csrf: "secret-of-the-session".into(),
        display: "Ada".into(),
        organisation: "Engines".into(),
        email,
        person: PersonId::from_bytes([1; 16]),
        session: TokenHash::of("session"),
    }
}

fn ada() -> Visitor {
    visitor("ada@example.com", ApiRole::Approver, Proof::Session)
}

fn bob() -> Visitor {
    visitor("bob@example.com", ApiRole::Admin, Proof::Session)
}

/// The status and text of an answer; of a redirection, where it leads.
async fn text(answer: Result<Response<Body>, Trouble>) -> (u16, String) {
    use axum::response::IntoResponse as _;
    let answer = answer.unwrap_or_else(Trouble::into_response);
    let status = answer.status().as_u16();
    if let Some(place) = answer.headers().get("location") {
        return (status, place.to_str().unwrap().to_owned());
    }
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

/// What the form of a page sends back.
fn form(page: &str, reason: &str) -> DecisionForm {
    let field = |name: &str| {
        let at = page.split_once(&format!("name=\"{name}\" value=\"")).map(|(_, rest)| rest);
        at.and_then(|rest| rest.split('"').next()).unwrap_or_default().to_owned()
    };
    DecisionForm { shown: field("shown"), whole: field("whole"), reason: reason.to_owned() }
}

#[tokio::test]
async fn the_inbox_stands_by_urgency_and_shows_hostile_names_as_text() {
    let world = World::new().await;
    assert!(world.inbox(ApiRole::Viewer).await.contains("Nothing waits for a person"));
    let late = world.held(50, "{}").await;
    let soon = world.held(2, "{}").await;
    let page = world.inbox(ApiRole::Viewer).await;
    assert!(page.find(&soon).unwrap() < page.find(&late).unwrap());
    assert!(!page.contains("<script>\u{202e}") && !page.contains("<b>me"), "{page}");
    assert!(page.contains("send&lt;script&gt;") && page.contains("U+202E"));
    assert!(page.contains("Ask &lt;b&gt;me&lt;/b&gt;") && page.contains("High"));
}

#[tokio::test]
async fn a_call_is_shown_whole_before_it_can_be_approved() {
    let world = World::new().await;
    let id = world.held(9, &format!(r#"{{"to":"{}\u200bz"}}"#, "x".repeat(9_000))).await;
    let page = world.page(&id, false).await;
    assert!(page.contains("more characters are not shown"), "{page}");
    assert!(!page.contains("id=\"approve-button\"") && page.contains("id=\"reject-button\""));
    assert!(page.contains("2 characters of this call cannot be seen"));
    let (status, again) = world.send(&id, Answer::Approve, form(&page, ""), ada()).await;
    assert_eq!(status, 422);
    assert!(again.contains("Not all of this call was shown"), "{again}");
    let whole = world.page(&id, true).await;
    assert!(whole.contains("id=\"approve-button\""));
    let (status, place) = world.send(&id, Answer::Approve, form(&whole, ""), ada()).await;
    assert_eq!((status, place.starts_with("/approvals?told=Approved")), (303, true), "{place}");
    assert!(world.page(&id, false).await.contains("by user:ada@example.com"));
}

#[tokio::test]
async fn of_two_people_one_decides_and_the_other_is_told_who() {
    let world = World::new().await;
    let id = world.held(9, "{}").await;
    let page = world.page(&id, false).await;
    let empty = world.send(&id, Answer::Reject, form(&page, " "), ada()).await;
    assert_eq!(empty.0, 422);
    assert!(empty.1.contains("A rejection has a reason"));
    let (status, _place) = world.send(&id, Answer::Reject, form(&page, "wrong"), ada()).await;
    assert_eq!(status, 303);
    let (status, told) = world.send(&id, Answer::Approve, form(&page, ""), bob()).await;
    assert_eq!(status, 409);
    assert!(told.contains("Nothing was decided by you") && told.contains("is already rejected"));
    assert!(told.contains("user:ada@example.com") && told.contains("wrong"), "{told}");
    assert!(!told.contains("id=\"approve-button\""));
}

#[tokio::test]
async fn what_changed_while_the_page_was_open_is_not_decided() {
    let world = World::new().await;
    let id = world.held(9, "{}").await;
    let page = world.page(&id, false).await;
    world.console.store.save_pins(vec![pin("cd34", Risk::High)]).await.unwrap();
    let (status, again) = world.send(&id, Answer::Approve, form(&page, ""), ada()).await;
    assert_eq!(status, 412);
    assert!(again.contains("This is how it stands now") && again.contains("definition changed"));
    assert_ne!(form(&again, "").shown, form(&page, "").shown);
    // As it is shown now it can be decided.
    let (status, _place) = world.send(&id, Answer::Reject, form(&again, "no"), ada()).await;
    assert_eq!(status, 303);
}

#[tokio::test]
async fn a_critical_call_takes_a_fresh_proof_and_a_viewer_none() {
    let world = World::new().await;
    world.console.store.save_pins(vec![pin("ab12", Risk::Critical)]).await.unwrap();
    let id = world.held(9, "{}").await;
    let page = world.page(&id, false).await;
    let (status, place) = world.send(&id, Answer::Approve, form(&page, ""), ada()).await;
    assert_eq!(status, 303);
    assert_eq!(place, format!("/step-up?next=%2Fapprovals%2F{id}"));
    let viewer = visitor("eve@example.com", ApiRole::Viewer, Proof::Fresh);
    assert_eq!(world.send(&id, Answer::Approve, form(&page, ""), viewer).await.0, 403);
    let fresh = visitor("ada@example.com", ApiRole::Approver, Proof::Fresh);
    let (status, place) = world.send(&id, Answer::Approve, form(&page, ""), fresh).await;
    assert_eq!((status, place.starts_with("/approvals?told=")), (303, true), "{place}");
    let missing = world.page("apr_00000000000000000000000000", false).await;
    assert!(missing.contains("This is not there"), "{missing}");
}

#[tokio::test]
async fn a_call_is_compared_with_the_last_approved_one() {
    let world = World::new().await;
    let first = world.held(9, r#"{"amount":10,"to":"a"}"#).await;
    let page = world.page(&first, false).await;
    assert!(!page.contains("Compared with the last approved one"));
    world.send(&first, Answer::Approve, form(&page, ""), ada()).await;
    let second = world.held(8, r#"{"amount":1000,"to":"a"}"#).await;
    let page = world.page(&second, false).await;
    assert!(page.contains("Compared with the last approved one"));
    assert!(page.contains("− amount: 10<") && page.contains("+ amount: 1000<"), "{page}");
}

#[tokio::test]
async fn an_open_page_hears_what_waits_and_what_does_not_any_more() {
    use futures_util::StreamExt as _;
    let world = World::new().await;
    let id = world.held(9, "{}").await;
    let answer = events(State(world.console.clone()), ada()).await.unwrap();
    let mut heard = answer.into_body().into_data_stream();
    let mut next = async || {
        let piece = heard.next().await.unwrap().unwrap();
        String::from_utf8(piece.to_vec()).unwrap()
    };
    assert_eq!(next().await, format!("event: pending\ndata: [\"{id}\"]\n\n"));
    let page = world.page(&id, false).await;
    world.send(&id, Answer::Reject, form(&page, "no"), ada()).await;
    assert_eq!(next().await, "event: pending\ndata: []\n\n");
}
