use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Body;
use http_body_util::BodyExt as _;
use policy::{ApprovalRecord, Ask, AskRule, Class, Kind, Risk, sha256};
use store::{
    ApiRole, AuditMode, Email, Entropy, FromServer, GrantId, Label, NewGrant, NewPerson,
    NewSession, NewTools, Opened, PersonId, PinRecord, PinState, Role, Secret, ServerRecord,
    ServerSlug, Store, StoreConfig, Subject, Timeouts, TokenHash, Transport,
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
    /// Has the session of a visitor be one.
    async fn signed_in(&self, visitor: &Visitor) {
        let store = &self.console.store;
        if store.session_role(visitor.session, NOW).await.unwrap().is_some() {
            return;
        }
        if store.person(&visitor.person).await.unwrap().is_none() {
            let person = NewPerson {
                id: visitor.person.clone(),
                display: Label::parse(&visitor.display).unwrap(),
                password: None,
                subject: Subject::parse("https://issuer.example", visitor.email.as_str()).ok(),
            };
            let made = (visitor.email.clone(), visitor.actor.role);
            store.create_person(person, made, NOW).await.unwrap();
        }
        let session = NewSession {
            hash: visitor.session,
            csrf: Secret::new([0; 32]),
            stepped_up_until: None,
            address: String::new(),
            browser: String::new(),
        };
        store.start_session((&visitor.person, 1), session, None, NOW).await.unwrap();
    }

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
            pinned: crate::ops::Pinned::default(),
            walks: Walks::default(),
            checks: Arc::new(Vec::new),
        };
        World { console, _dir: dir }
    }

    /// A held call with these arguments.
    async fn held(&self, number: u8, arguments: &str) -> String {
        let record = request(number, arguments);
        let id = record.id.to_string();
        let opened = self.console.store.open_approval(record, &ask(), NOW).await.unwrap();
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

fn request(number: u8, arguments: &str) -> ApprovalRecord {
    ApprovalRecord {
        id: ApprovalId::from_random([number; 16]),
        digest: sha256(&[number]),
        grant: grant().id.as_str().to_owned(),
        server: "pay".into(),
        kind: Kind::Tool,
        name: "send<script>\u{202e}".into(),
        definition_pin: Some("ab12".into()),
        arguments: arguments.into(),
        rules: ask().rules,
        approvers: Vec::new(),
        state: ApprovalState::Pending,
        created_at: NOW,
        expires_at: NOW.plus_seconds(60 * u32::from(number)),
        decided_by: None,
        decided_at: None,
        decided_from: None,
        decided_reason: None,
        used_at: None,
    }
}

fn ask() -> Ask {
    let rule: Arc<str> = "/tools/send/deny_if/0".into();
    let message = "Ask <b>me</b>".into();
    Ask {
        rule: Arc::clone(&rule),
        message: String::new(),
        hint: None,
        rules: vec![AskRule { digest: sha256(b"rule"), rule, message }],
        wait_seconds: None,
        expires_seconds: 60,
        approvers: Vec::new(),
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

fn policy_text(number: u32) -> store::NewPolicy {
    let text = format!(r#"{{"version":"1","default":"deny","description":"{number}"}}"#);
    store::NewPolicy {
        name: store::PolicyName::parse("strict").unwrap(),
        server: None,
        text: text.clone(),
        canonical: text,
        mode: store::PolicyMode::Enforce,
        actor: store::Actor::parse("cli").unwrap(),
        note: None,
    }
}

/// Opens a page, lets something change, and tries both decisions on what the page showed.
async fn changed_under_an_open_page(change: impl AsyncFnOnce(&Store)) -> String {
    let world = World::new().await;
    let store = &world.console.store;
    store.save_policy(policy_text(1), None, NOW).await.unwrap();
    let name = store::PolicyName::parse("strict").unwrap();
    store.attach_policy(&grant().id, Some(name)).await.unwrap();
    let id = world.held(9, "{}").await;
    let page = world.page(&id, false).await;
    change(store).await;
    for answer in [Answer::Approve, Answer::Reject] {
        let (status, again) = world.send(&id, answer, form(&page, "no"), ada()).await;
        assert_eq!(status, 412, "{again}");
        assert!(again.contains("Nothing was decided") && again.contains("This is how it stands"));
        assert_ne!(form(&again, "").shown, form(&page, "").shown);
    }
    let record = store.approval(&id.parse().unwrap()).await.unwrap().unwrap();
    assert_eq!((record.state, record.decided_by), (ApprovalState::Pending, None));
    world.page(&id, false).await
}

#[tokio::test]
async fn a_call_whose_policy_changed_under_an_open_page_is_not_decided() {
    let again = changed_under_an_open_page(async |store| {
        store.save_policy(policy_text(2), None, NOW).await.unwrap();
    });
    let again = again.await;
    assert!(again.contains("strict</a>, version 2"), "{again}");
    // Another policy altogether.
    let again = changed_under_an_open_page(async |store| {
        store.attach_policy(&grant().id, None).await.unwrap();
    });
    assert!(!again.await.contains("strict</a>"));
}

#[tokio::test]
async fn a_call_whose_grant_was_revoked_under_an_open_page_is_not_decided() {
    let again = changed_under_an_open_page(async |store| {
        store.revoke_grant(&grant().id, NOW).await.unwrap();
    });
    assert!(again.await.contains("The grant was revoked, or its time is over"));
}

#[tokio::test]
async fn a_call_whose_tool_changed_under_an_open_page_is_not_decided() {
    let again = changed_under_an_open_page(async |store| {
        store.save_pins(vec![pin("cd34", Risk::High)]).await.unwrap();
    });
    assert!(again.await.contains("definition changed since this call was held"));
    // Its risk counts too: it may ask for another proof.
    let again = changed_under_an_open_page(async |store| {
        store.save_pins(vec![pin("ab12", Risk::Low)]).await.unwrap();
    });
    assert!(again.await.contains("Low"));
}

#[tokio::test]
async fn a_call_whose_server_moved_under_an_open_page_is_not_decided() {
    let again = changed_under_an_open_page(async |store| {
        let url = "https://elsewhere.example/mcp".into();
        let transport = Transport::Http { url, headers: Vec::new() };
        store.save_server(ServerRecord { transport, ..server() }, None, NOW).await.unwrap();
    });
    let again = again.await;
    assert!(again.contains("at https://elsewhere.example/mcp"), "{again}");
}

#[tokio::test]
async fn a_call_that_ends_as_it_is_approved_is_not_approved() {
    let world = World::new().await;
    let id = world.held(0, "{}").await;
    let as_shown = DecisionForm { shown: "x".into(), whole: "yes".into(), reason: String::new() };
    let (status, told) = world.send(&id, Answer::Approve, as_shown, ada()).await;
    assert_eq!(status, 409, "{told}");
    assert!(told.contains("Nothing was decided by you") && told.contains("its time has passed"));
    let record = world.console.store.approval(&id.parse().unwrap()).await.unwrap().unwrap();
    assert_eq!((record.state, record.expires_at), (ApprovalState::Pending, NOW));
}

#[tokio::test]
async fn what_is_not_known_of_a_call_is_named() {
    let world = World::new().await;
    let id = world.held(9, "{}").await;
    let unknown = PinRecord { risk: None, class: None, ..pin("ab12", Risk::Low) };
    world.console.store.save_pins(vec![unknown]).await.unwrap();
    for page in [world.page(&id, false).await, world.inbox(ApiRole::Viewer).await] {
        assert!(page.contains("Risk unknown"), "{page}");
    }
    assert!(world.page(&id, false).await.contains("Reason the agent will read"));
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
    assert!(
        page.contains("removed\">amount: 10<") && page.contains("added\">amount: 1000<"),
        "{page}"
    );
}

/// What an open view hears.
async fn heard(world: &World, looked: live::Looked) -> impl AsyncFnMut() -> serde_json::Value {
    use futures_util::StreamExt as _;
    world.signed_in(&ada()).await;
    let answer = events(State(world.console.clone()), ada(), Query(looked)).await.unwrap();
    let mut pieces = answer.into_body().into_data_stream();
    async move || {
        let piece = pieces.next().await.unwrap().unwrap();
        let text = String::from_utf8(piece.to_vec()).unwrap();
        let data = text.strip_prefix("event: pending\ndata: ").expect("news");
        serde_json::from_str(data).unwrap()
    }
}

#[tokio::test]
async fn an_open_page_hears_what_waits_and_what_does_not_any_more() {
    let world = World::new().await;
    let id = world.held(9, "{}").await;
    let mut of_page = heard(&world, live::Looked { number: 1, ..live::Looked::default() }).await;
    let one = live::Looked { id: Some(id.clone()), ..live::Looked::default() };
    let mut of_call = heard(&world, one).await;
    let state = |waiting: u64, newer: u64, ids: &[&str]| serde_json::json!({ "waiting": waiting, "newer": newer, "ids": ids, "all": true });
    assert_eq!(of_page().await, state(1, 0, &[&id]));
    let page = world.page(&id, false).await;
    let told = of_call().await;
    assert_eq!(told, serde_json::json!({ "waits": true, "tag": form(&page, "").shown }));
    let more = world.held(8, "{}").await;
    assert_eq!(of_page().await, state(2, 1, &[&more, &id]), "by urgency");
    world.console.store.save_pins(vec![pin("cd34", Risk::High)]).await.unwrap();
    world.send(&more, Answer::Reject, form(&world.page(&more, false).await, "no"), ada()).await;
    assert_eq!(of_page().await, state(1, 0, &[&id]));
    let changed = of_call().await;
    assert!(changed["waits"] == true && changed["tag"] != told["tag"], "{changed}");
    world.send(&id, Answer::Reject, form(&world.page(&id, false).await, "no"), ada()).await;
    assert_eq!(of_page().await, state(0, 0, &[]));
    assert_eq!(of_call().await["waits"], false);
}

#[tokio::test]
async fn a_view_that_nobody_reads_keeps_nothing_and_shows_how_it_stands_when_it_is_read() {
    let world = World::new().await;
    let mut slow = heard(&world, live::Looked::default()).await;
    assert_eq!(slow().await["waiting"], 0);
    // What came and went meanwhile is not kept for whoever does not read.
    for number in 2..12 {
        let id = world.held(number, "{}").await;
        let page = world.page(&id, false).await;
        assert_eq!(world.send(&id, Answer::Reject, form(&page, "no"), ada()).await.0, 303);
    }
    let last = world.held(20, "{}").await;
    assert_eq!(slow().await["ids"], serde_json::json!([last]));
}

/// A world with so many held calls, whose urgency is not the order in which they came.
async fn crowded(count: u32) -> (World, Vec<String>) {
    let world = World::new().await;
    let mut calls = Vec::new();
    for number in 0..count {
        let wait = (number * 7919) % count;
        let mut call = request(0, "{}");
        call.id = ApprovalId::from_random(u128::from(number + 1).to_be_bytes());
        call.digest = sha256(&number.to_be_bytes());
        call.grant = format!("grant {}", number / 20);
        call.expires_at = NOW.plus_seconds(60 + wait);
        calls.push(call);
    }
    let ask = ask();
    let open = |call: &ApprovalRecord| world.console.store.open_approval(call.clone(), &ask, NOW);
    for opened in futures_util::future::join_all(calls.iter().map(open)).await {
        assert_eq!(opened.unwrap(), Opened::New);
    }
    calls.sort_by_key(|call| call.expires_at);
    (world, calls.into_iter().map(|call| call.id.to_string()).collect())
}

#[tokio::test]
async fn a_long_inbox_stands_by_urgency_a_page_at_a_time_whatever_came_last() {
    let (world, wanted) = crowded(521).await;
    let rows = |page: &str| -> Vec<String> {
        let ids = page.split("<tr data-id=\"").skip(1);
        ids.map(|rest| rest.split('"').next().unwrap().to_owned()).collect()
    };
    let page = async |cursor: Option<String>| {
        let asked = Asked { cursor, ..Asked::default() };
        text(list(State(world.console.clone()), ada(), Query(asked)).await).await.1
    };
    let mut seen = Vec::new();
    let mut cursor = None;
    loop {
        let page = page(cursor.take()).await;
        assert!(page.contains("521 calls wait"), "{page}");
        let rows = rows(&page);
        assert!(rows.len() <= PAGE_ROWS);
        cursor = page.contains("rel=\"next\"").then(|| rows.last().cloned()).flatten();
        seen.extend(rows);
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(seen, wanted, "by urgency, without a gap");
    // From one call to the next, whatever page they stand on.
    let one = world.page(&wanted[100], false).await;
    assert!(one.contains(&format!("rel=\"prev\" href=\"/approvals/{}\"", wanted[99])), "{one}");
    assert!(one.contains(&format!("rel=\"next\" href=\"/approvals/{}\"", wanted[101])));
    let mut news = heard(&world, live::Looked { number: 520, ..live::Looked::default() }).await;
    let news = news().await;
    assert_eq!((news["waiting"].as_u64(), news["newer"].as_u64()), (Some(521), Some(1)));
    assert_eq!((news["ids"].as_array().unwrap().len(), &news["all"]), (400, &false.into()));
}

#[tokio::test]
async fn of_many_people_who_decide_at_once_one_decides_and_all_others_are_told() {
    let world = World::new().await;
    for number in 0..40 {
        let id = world.held(number + 1, "{}").await;
        let page = world.page(&id, false).await;
        let people = (0..8).map(|one| {
            let email = format!("person{one}@example.com");
            let who = visitor(&email, ApiRole::Approver, Proof::Session);
            let answer = if one % 2 == 0 { Answer::Approve } else { Answer::Reject };
            world.send(&id, answer, form(&page, "no"), who)
        });
        let answers = futures_util::future::join_all(people).await;
        let mut statuses: Vec<u16> = answers.iter().map(|(status, _)| *status).collect();
        let winner = statuses.iter().position(|status| *status == 303).expect("one decides");
        statuses.remove(winner);
        assert_eq!(statuses, [409; 7]);
        let record = world.console.store.approval(&id.parse().unwrap()).await.unwrap().unwrap();
        let by = format!("user:person{winner}@example.com");
        assert_eq!(record.decided_by.as_deref(), Some(&*by));
        let wanted = [ApprovalState::Approved, ApprovalState::Rejected][winner % 2];
        assert_eq!(record.state, wanted);
        for (one, (_, told)) in answers.iter().enumerate().filter(|(one, _)| *one != winner) {
            assert!(told.contains("Nothing was decided by you") && told.contains(&by), "{one}");
        }
        // The same at the level of the use cases, whatever it was shown as.
        let what = (Answer::Approve, None);
        let late = approvals::decide(&world.console, &bob().actor, &record.id, what).await;
        assert!(matches!(late, Err(OpError::Conflict(_))));
    }
}

#[tokio::test]
async fn what_is_cut_of_a_difference_is_named_and_the_difference_is_shown() {
    let world = World::new().await;
    let long = |end: &str| format!(r#"{{"body":"{}{end}{}"}}"#, "x".repeat(600), "y".repeat(600));
    let first = world.held(9, &long("pay ada")).await;
    let page = world.page(&first, false).await;
    world.send(&first, Answer::Approve, form(&page, ""), ada()).await;
    let page = world.page(&world.held(8, &long("pay eve")).await, false).await;
    assert!(page.contains("pay <em") || page.contains("pay eve"), "{page}");
    assert!(
        page.contains("(565 characters as now)") && page.contains("more characters)"),
        "{page}"
    );
}

#[tokio::test]
async fn an_open_page_hears_nothing_after_its_session_or_its_role_ended() {
    use futures_util::StreamExt as _;
    let world = World::new().await;
    let store = &world.console.store;
    let admin = Visitor {
        person: PersonId::from_bytes([2; 16]),
        session: TokenHash::of("of the admin"),
        ..bob()
    };
    world.signed_in(&admin).await;
    for end in ["session", "role"] {
        world.signed_in(&ada()).await;
        let looked = Query(live::Looked::default());
        let answer = events(State(world.console.clone()), ada(), looked).await.unwrap();
        let mut heard = answer.into_body().into_data_stream();
        assert!(heard.next().await.is_some());
        match end {
            "session" => store.end_session(ada().session).await.unwrap(),
            _ => store.set_role(&ada().person, ApiRole::Viewer).await.unwrap(),
        }
        world.held(if end == "session" { 8 } else { 9 }, "{}").await;
        while let Some(piece) = heard.next().await {
            // Signs of life alone.
            assert!(piece.unwrap().starts_with(b":"), "{end}");
        }
    }
}
