//! Policies and the builder, as a browser uses them with and without its script.

use axum::http::StatusCode;
use policy::UnixMillis;
use serde_json::{Value, json};
use store::{ApiRole, NewPolicy, PolicyMode, PolicyName};

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
