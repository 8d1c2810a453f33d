use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::Connection;

/// What a connection reads of an answer that arrives in pieces.
async fn read(pieces: &'static [&'static str]) -> Result<(u16, String), String> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let peer = async {
        let (mut stream, _peer) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        let mut request = [0; 4];
        stream.read_exact(&mut request).await.unwrap();
        for piece in pieces {
            stream.write_all(piece.as_bytes()).await.unwrap();
            tokio::task::yield_now().await;
        }
    };
    let client = async {
        let mut connection = Connection::open(address).await?;
        let (head, body) = connection.exchange(b"GET ").await?;
        Ok((head.status, String::from_utf8_lossy(body).into_owned()))
    };
    let (answer, ()) = tokio::join!(client, peer);
    answer
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

#[test]
fn a_length_ends_a_body() {
    let answer = run(read(&["HTTP/1.1 200 OK\r\nContent-", "Length: 5\r\n\r\nab", "cde"]));
    assert_eq!(answer, Ok((200, "abcde".to_owned())));
}

#[test]
fn chunks_are_put_together() {
    let answer = run(read(&[
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r",
        "\nabc\r\n2",
        "\r\nde\r\n0\r\n",
        "\r\n",
    ]));
    assert_eq!(answer, Ok((200, "abcde".to_owned())));
}

#[test]
fn what_was_not_asked_for_is_no_answer() {
    let more = run(read(&["HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\nmore"]));
    assert!(more.is_err(), "{more:?}");
    let less = run(read(&["HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab"]));
    assert!(less.is_err(), "{less:?}");
    assert!(run(read(&["SSH-2.0\r\n\r\n"])).is_err());
}
