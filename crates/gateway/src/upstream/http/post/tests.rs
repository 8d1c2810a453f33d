use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;

const PATIENCE: Duration = Duration::from_secs(20);

/// Answers one request with `answer`; what came.
async fn answered(answer: &'static str) -> (Result<StatusCode, PostError>, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/hook?a=b", listener.local_addr().expect("an address"));
    let post = Post::to(&url, AddressRule::AllowPrivate).expect("accepted");
    let mut headers = HeaderMap::new();
    headers.insert("x-test", HeaderValue::from_static("yes"));
    let serving = async {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        let mut seen = Vec::new();
        while !seen.ends_with(b"{\"a\":1}") {
            assert!(stream.read_buf(&mut seen).await.expect("read") > 0);
        }
        stream.write_all(answer.as_bytes()).await.expect("written");
        stream.shutdown().await.expect("closed");
        String::from_utf8(seen).expect("text")
    };
    let sending = post.send(headers, Bytes::from_static(b"{\"a\":1}"), PATIENCE);
    tokio::join!(sending, serving)
}

#[tokio::test]
async fn posts_once_and_tells_the_status() {
    let (status, seen) = answered("HTTP/1.1 204 No Content\r\n\r\n").await;
    assert_eq!(status.expect("an answer"), StatusCode::NO_CONTENT);
    assert!(seen.starts_with("POST /hook?a=b HTTP/1.1\r\n"), "{seen}");
    assert!(seen.contains("x-test: yes") && seen.contains("content-length: 7"), "{seen}");
    // A redirect is an answer, and nobody goes there.
    let moved = "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(answered(moved).await.0.expect("an answer"), StatusCode::FOUND);
    assert!(matches!(answered("what?").await.0, Err(PostError::Broken(_))));
}

#[tokio::test]
async fn an_address_that_is_not_public_is_refused_at_once_and_at_the_connection() {
    let at_once = Post::to("http://127.0.0.1:9/hook", AddressRule::PublicOnly);
    assert!(matches!(at_once, Err(PostTarget::Address(_))));
    assert!(Post::to("http://169.254.169.254/latest", AddressRule::PublicOnly).is_err());
    assert!(Post::to("ftp://example.com/", AddressRule::AllowPrivate).is_err());
}

#[tokio::test]
async fn a_receiver_that_says_nothing_is_not_waited_for() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/", listener.local_addr().expect("an address"));
    let post = Post::to(&url, AddressRule::AllowPrivate).expect("accepted");
    let patience = Duration::from_millis(50);
    let sent = post.send(HeaderMap::new(), Bytes::new(), patience).await;
    assert!(matches!(sent, Err(PostError::Late(_))), "{sent:?}");
}
