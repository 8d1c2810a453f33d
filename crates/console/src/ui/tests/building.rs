//! Policies and the builder, as a browser uses them with and without its script.

use axum::http::StatusCode;
use policy::UnixMillis;
use serde_json::{Value, json};
use store::{ApiRole, AuditKind, AuditOpen, NewPolicy, PolicyMode, PolicyName};

use super::{Answer, Asked, SignedIn, World, cli};
use crate::ops::policies;

const TEXT: &str = "{\n  // <b>mine</b>\n  \"version\": \"1\",\n  \"default\": \"deny\"\n}\n";

impl World {
    async fn saved(&self, name: &str, text: &str) {
        let policy = NewPolicy {
            name: PolicyName::parse(name).unwrap(),
            server: None,
            text: text.to_owned(),
            canonical: text.to_owned(),
            mode: PolicyMode::Enforce,
            actor: cli().name,
            note: None,
        };
        self.console.store.save_policy(policy, None, UnixMillis(0)).await.unwrap();
    }

    /// A recorded call, and its position.
    async fn called(&self, tool: &str, arguments: &str) -> i64 {
        let row = AuditOpen {
            kind: AuditKind::Decision,
            request_id: "req_1",
            server: Some("pay"),
            method: Some("tools/call"),
            tool: Some(tool),
            arguments_json: Some(arguments),
            policy: Some("pay"),
            verdict: "allow",
            ..AuditOpen::default()
        };
        self.console.store.record(&row, self.now()).await.unwrap();
        1
    }

    async fn look(&self, who: &SignedIn, question: Value) -> Answer {
        let asked = Asked::post("/policies/pay/look", "");
        let asked = Asked { fields: None, json: Some(question.to_string()), ..asked };
        self.send(Asked { who: Some(who), ..asked }).await
    }
}

fn read(answer: &Answer) -> Value {
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    serde_json::from_str(&answer.text).unwrap()
}

#[tokio::test]
async fn a_policy_begins_as_an_unsaved_text_of_its_author() {
    let world = World::new().await;
    let author = world.session(ApiRole::PolicyManager).await;
    let page = world.get("/policies", Some(&author)).await;
    assert!(page.text.contains("No policy yet") && page.text.contains("Begin a policy"));
    let begun = world.post("/policies", Some(&author), "name=pay&server=").await;
    assert_eq!((begun.status, begun.location()), (StatusCode::SEE_OTHER, "/policies/pay"));
    let page = world.get("/policies/pay", Some(&author)).await;
    assert!(page.text.contains("&#34;default&#34;: &#34;deny&#34;"), "{}", page.text);
    assert!(page.text.contains("Not saved yet"));
    // It is nobody else's, and nothing in the list.
    let admin = world.session(ApiRole::Admin).await;
    assert_eq!(world.get("/policies/pay", Some(&admin)).await.status, StatusCode::NOT_FOUND);
    let left = world.post("/policies/pay/discard", Some(&author), "").await;
    assert_eq!(left.location(), "/policies");
    assert_eq!(world.get("/policies/pay", Some(&author)).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_name_that_is_taken_or_odd_comes_back_with_the_form() {
    let world = World::new().await;
    world.saved("pay", TEXT).await;
    let author = world.session(ApiRole::PolicyManager).await;
    for (name, says) in [("pay", "there already"), ("a%20b", "1 to 128 characters")] {
        let answer = world.post("/policies", Some(&author), &format!("name={name}&server=")).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(answer.text.contains(says) && answer.text.contains("aria-invalid"), "{name}");
    }
}

#[tokio::test]
async fn without_its_script_the_page_keeps_checks_and_leads_to_the_review() {
    let world = World::new().await;
    world.saved("pay", TEXT).await;
    let author = world.session(ApiRole::PolicyManager).await;
    let broken = "text=%7B%22version%22%3A%221%22%2C%0D%0A%22default%22%3A%22dney%22%7D";
    let form = format!("{broken}&server=&base=1&then=check");
    let kept = world.post("/policies/pay/text", Some(&author), &form).await;
    assert_eq!((kept.status, kept.location()), (StatusCode::SEE_OTHER, "/policies/pay"));
    let page = world.get("/policies/pay", Some(&author)).await;
    assert!(page.text.contains("Line 2, column 11") && page.text.contains("dney"), "{}", page.text);
    let form = format!("{broken}&server=&base=1&then=review");
    let on = world.post("/policies/pay/text", Some(&author), &form).await;
    assert_eq!(on.location(), "/policies/pay/review");
    let name = PolicyName::parse("pay").unwrap();
    let author = crate::ops::Actor {
        name: store::Actor::parse("user:policy_manager@example.com").unwrap(),
        ..cli()
    };
    let draft = policies::draft(&world.console, &author, &name).await.unwrap().unwrap();
    assert_eq!(draft.text, "{\"version\":\"1\",\n\"default\":\"dney\"}");
}

#[tokio::test]
async fn an_edit_comes_back_as_text_and_form_and_is_kept() {
    let world = World::new().await;
    world.saved("pay", TEXT).await;
    let author = world.session(ApiRole::PolicyManager).await;
    let block = json!({ "section": "tools", "selector": "get" });
    let edit = json!({ "set_action": { "blocks": [block], "action": "approve" } });
    let question = json!({ "text": TEXT, "edit": edit, "selected": [block], "keep": 1 });
    let looked = read(&world.look(&author, question).await);
    let text = looked["text"].as_str().unwrap();
    assert!(text.starts_with("{\n  // <b>mine</b>\n") && text.contains("\"approve\""), "{text}");
    assert_eq!(looked["form"]["entries"][0]["verdict"], "approve");
    let begun = read(&world.get("/policies/pay/begin", Some(&author)).await);
    assert_eq!(begun["text"].as_str(), Some(text));
    // A viewer may look, and neither edit nor keep.
    let viewer = world.session(ApiRole::Viewer).await;
    let question = json!({ "text": TEXT, "warnings": true });
    assert!(read(&world.look(&viewer, question).await)["lints"].is_array());
    for question in [json!({ "text": TEXT, "edit": edit }), json!({ "text": TEXT, "keep": 1 })] {
        assert_eq!(world.look(&viewer, question).await.status, StatusCode::FORBIDDEN);
    }
    let begun = read(&world.get("/policies/pay/begin", Some(&viewer)).await);
    assert_eq!(begun["text"], TEXT);
    let page = world.get("/policies/pay", Some(&viewer)).await;
    assert!(page.text.contains(" readonly") && !page.text.contains("Review and save"));
    assert!(!page.text.contains("<b>mine"));
}

#[tokio::test]
async fn a_question_is_taken_only_as_the_script_sends_it() {
    let world = World::new().await;
    let author = world.session(ApiRole::PolicyManager).await;
    let question = json!({ "text": TEXT }).to_string();
    let asked = Asked::post("/policies/pay/look", "");
    let asked = Asked { fields: None, json: Some(question), who: Some(&author), ..asked };
    assert_eq!(world.send(asked.clone()).await.status, StatusCode::OK);
    let wrong = Asked { csrf: Some("x"), ..asked.clone() };
    assert_eq!(world.send(wrong).await.status, StatusCode::FORBIDDEN);
    let foreign = Asked { site: Some("cross-site"), ..asked.clone() };
    assert_eq!(world.send(foreign).await.status, StatusCode::FORBIDDEN);
    let odd = Asked { json: Some("{\"text\":1}".to_owned()), ..asked.clone() };
    assert_eq!(world.send(odd).await.status, StatusCode::BAD_REQUEST);
    let unknown = Asked { json: Some("{\"text\":\"\",\"txet\":1}".to_owned()), ..asked };
    assert_eq!(world.send(unknown).await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn whoever_may_only_read_is_offered_no_form() {
    let world = World::new().await;
    world.saved("pay", TEXT).await;
    let seq = world.called("pay", "{}").await;
    for role in [ApiRole::Viewer, ApiRole::Approver] {
        let who = world.session(role).await;
        for path in ["/policies/pay".to_owned(), format!("/policies/pay?from={seq}")] {
            let page = world.get(&path, Some(&who)).await;
            assert_eq!(page.status, StatusCode::OK, "{}", page.text);
            assert!(!page.text.contains("action=\"/policies"), "{role:?}: {}", page.text);
        }
    }
}

#[tokio::test]
async fn characters_that_nobody_sees_are_listed_above_the_text() {
    let world = World::new().await;
    let text =
        "{\r\n  \"version\": \"1\",\r\n  // \u{202e}x\u{200b}\u{200b}\r\n  \"default\": \"deny\" }";
    world.saved("pay", text).await;
    world.saved("plain", TEXT).await;
    let who = world.session(ApiRole::PolicyManager).await;
    let page = world.get("/policies/pay", Some(&who)).await;
    assert!(page.text.contains("<li>Line 3: U+202E, U+200B</li>"), "{}", page.text);
    let looked = read(&world.look(&who, json!({ "text": text })).await);
    let units: Vec<u16> = text.encode_utf16().collect();
    let start = usize::try_from(looked["unseen"][0]["start"].as_u64().unwrap()).unwrap();
    assert_eq!(units[start], 0x202e);
    let plain = world.get("/policies/plain", Some(&who)).await;
    assert!(!plain.text.contains("Characters that nobody sees"));
}

#[tokio::test]
async fn a_recorded_call_becomes_a_rule_or_a_test_of_the_unsaved_text() {
    let world = World::new().await;
    let text = "{ \"version\": \"1\", // mine\n \"default\": \"allow\" }";
    world.saved("pay", text).await;
    let seq = world.called("pay", r#"{"amount": 12.50, "note": "<b>"}"#).await;
    let who = world.session(ApiRole::PolicyManager).await;
    let page = world.get(&format!("/policies/pay?from={seq}"), Some(&who)).await;
    let parts = ["A rule from a call of", "args.amount", "value=\"12.50\"", "data-tool=\"pay\""];
    for part in parts {
        assert!(page.text.contains(part), "{part}: {}", page.text);
    }
    // Nothing happens before somebody agrees.
    assert!(!page.text.contains("kept for you"));
    let form = format!(
        "from={seq}&refusal=ask&keep.0=yes&op.0=gte&value.0=12.50&op.1=eq&value.1=%22x%22&message=Ask+first."
    );
    let put = world.post("/policies/pay/from-call", Some(&who), &form).await;
    assert_eq!(put.status, StatusCode::SEE_OTHER, "{}", put.text);
    assert!(put.location().contains("&tool=pay&"), "{}", put.location());
    let form =
        format!("from={seq}&as=test&name=as+it+was&args=%7B%22amount%22%3A12.50%7D&verdict=hold");
    let put = world.post("/policies/pay/from-call", Some(&who), &form).await;
    assert_eq!(put.status, StatusCode::SEE_OTHER, "{}", put.text);
    let begun = read(&world.get("/policies/pay/begin", Some(&who)).await);
    let text = begun["text"].as_str().unwrap();
    assert!(text.starts_with("{ \"version\": \"1\", // mine\n \"default\": \"allow\""), "{text}");
    let document = policy::Document::parse(text).unwrap();
    assert_eq!(document.tests().len(), 1);
    assert!(policy::run_document_tests(&document, &[]).is_empty(), "{text}");
    // What is no value comes back with the form, and the text stays.
    let form = format!("from={seq}&refusal=deny&keep.0=yes&op.0=eq&value.0=%7B");
    let wrong = world.post("/policies/pay/from-call", Some(&who), &form).await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(wrong.text.contains("Nothing was changed"), "{}", wrong.text);
    assert_eq!(read(&world.get("/policies/pay/begin", Some(&who)).await)["text"], text);
    let viewer = world.session(ApiRole::Viewer).await;
    let refused = world.post("/policies/pay/from-call", Some(&viewer), &form).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
}
