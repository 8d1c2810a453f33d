//! Live views: each goes on where its page ended, and a browser that is slow is told what it lost.

use axum::body::BodyDataStream;
use axum::http::{StatusCode, header};
use futures_util::StreamExt as _;
use store::{ApiRole, AuditOpen};
use tower::ServiceExt as _;

use super::{Asked, SignedIn, World};

async fn call(world: &World, id: &str) {
    let row =
        AuditOpen { request_id: id, verdict: "allow", tool: Some("look"), ..AuditOpen::default() };
    world.console.store.record(&row, world.now()).await.unwrap();
}

/// Opens a view, behind the row that a browser says it had last.
async fn open(world: &World, path: &str, who: &SignedIn, last: Option<&str>) -> BodyDataStream {
    let mut request = Asked { who: Some(who), ..Asked::get(path) }.request();
    if let Some(last) = last {
        request.headers_mut().insert("last-event-id", last.parse().unwrap());
    }
    let answer = world.router.clone().oneshot(request).await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.headers()[header::CONTENT_TYPE], "text/event-stream");
    answer.into_body().into_data_stream()
}

/// What is heard up to and with `word`.
async fn heard(stream: &mut BodyDataStream, word: &str) -> String {
    let mut text = String::new();
    let hear = async {
        while !text.contains(word) {
            let piece = stream.next().await.expect("it goes on").unwrap();
            text.push_str(std::str::from_utf8(&piece).unwrap());
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(30), hear).await.expect("it is heard");
    text
}

/// The place that a view told last.
fn place(heard: &str) -> &str {
    heard.lines().filter_map(|line| line.strip_prefix("id: ")).next_back().unwrap()
}

/// The address of a page's own view.
async fn view_of(world: &World, path: &str, who: &SignedIn) -> String {
    let page = world.get(path, Some(who)).await.text;
    let address = page.split(r#"data-events=""#).nth(1).unwrap().split('"').next().unwrap();
    address.replace("&amp;", "&").replace("&#38;", "&")
}

#[tokio::test]
async fn a_view_shows_what_came_between_its_page_and_its_beginning() {
    let world = World::new().await;
    let viewer = world.session(ApiRole::Viewer).await;
    call(&world, "before").await;
    for path in ["/activity", "/activity?tool=look", "/"] {
        let address = view_of(&world, path, &viewer).await;
        call(&world, "between").await;
        let mut view = open(&world, &address, &viewer, None).await;
        let said = heard(&mut view, "event: call").await;
        assert_eq!(said.matches("event: call").count(), 1, "{path}: {said}");
    }
}

#[tokio::test]
async fn a_view_that_saw_no_call_comes_back_to_where_it_was() {
    let world = World::new().await;
    let viewer = world.session(ApiRole::Viewer).await;
    call(&world, "before").await;
    let mut view = open(&world, "/activity/events", &viewer, None).await;
    let at = place(&heard(&mut view, "id: ").await).to_owned();
    drop(view);
    call(&world, "meanwhile").await;
    let mut again = open(&world, "/activity/events?after=0", &viewer, Some(&at)).await;
    let said = heard(&mut again, "event: call").await;
    assert_eq!(place(&said), (at.parse::<i64>().unwrap() + 1).to_string(), "{said}");
}

#[tokio::test]
async fn a_slow_browser_loses_rows_and_is_told_how_many() {
    let world = World::new().await;
    let viewer = world.session(ApiRole::Viewer).await;
    let mut view = open(&world, "/activity/events", &viewer, None).await;
    heard(&mut view, "id: ").await;
    // It takes nothing while these are written, and none of them waits for it.
    for number in 0..230 {
        call(&world, &format!("r{number}")).await;
    }
    let said = heard(&mut view, "id: 230\n").await;
    assert!(said.contains("event: lost\ndata: 30\n"), "{said}");
    assert_eq!(said.matches("event: call").count(), 200);
}
