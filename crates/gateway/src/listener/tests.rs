//! Connections that misbehave before anybody is known.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::{Bounds, serve};

/// Nothing in these tests takes longer.
const SECONDS_MAX: u64 = 20;

/// More than the system's buffers of one connection hold.
const LONG_BYTES: usize = 32 * 1024 * 1024;

const PATIENT: Bounds = Bounds {
    connections_max: 2,
    head_max: Duration::from_mins(1),
    stall_max: Duration::from_mins(1),
};

struct Served {
    address: SocketAddr,
    stop: CancellationToken,
    serving: JoinHandle<()>,
}

async fn served(bounds: Bounds) -> Served {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let stop = CancellationToken::new();
    #[expect(clippy::disallowed_methods, reason = "the handle is awaited at the end of each test")]
    let serving = tokio::spawn(serve(listener, bounds, answer, stop.clone()));
    Served { address, stop, serving }
}

/// Says who asks; the path says what else happens.
async fn answer(peer: SocketAddr, request: Request<Incoming>) -> Response<Full<Bytes>> {
    match request.uri().path() {
        "/long" => Response::new(Full::from(vec![b' '; LONG_BYTES])),
        "/panic" => panic!("as asked"),
        _ => Response::new(Full::from(peer.to_string())),
    }
}

impl Served {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.expect("connected")
    }

    /// Asks on new connections until one is answered.
    async fn answers_again(&self) {
        loop {
            let mut next = self.connect().await;
            // It may be closed already.
            let _sent = next.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
            if !is_closed(&mut next).await {
                return;
            }
        }
    }

    async fn stopped(self) {
        self.stop.cancel();
        bounded(self.serving).await.expect("no panic");
    }
}

async fn bounded<F: Future>(future: F) -> F::Output {
    timeout(Duration::from_secs(SECONDS_MAX), future).await.expect("in time")
}

async fn ask(stream: &mut TcpStream, path: &str) {
    let head = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    stream.write_all(head.as_bytes()).await.expect("written");
}

/// The answer to a request on a connection that stays open.
async fn answered(stream: &mut TcpStream) -> String {
    let own = stream.local_addr().expect("an address").to_string();
    let mut seen = Vec::new();
    while !seen.ends_with(own.as_bytes()) {
        assert_ne!(bounded(stream.read_buf(&mut seen)).await.expect("read"), 0, "closed early");
    }
    String::from_utf8(seen).expect("text")
}

/// Whether the other side closed the connection, in order or not, before it said anything.
async fn is_closed(stream: &mut TcpStream) -> bool {
    let mut byte = [0];
    !matches!(bounded(stream.read(&mut byte)).await, Ok(1))
}

#[tokio::test]
async fn a_head_that_comes_too_slowly_ends_its_connection() {
    let served = served(Bounds { head_max: Duration::from_millis(200), ..PATIENT }).await;
    let mut silent = served.connect().await;
    assert!(is_closed(&mut silent).await);
    let mut slow = served.connect().await;
    slow.write_all(b"GET / HTTP/1.1\r\nHost: loc").await.expect("written");
    let mut text = String::new();
    // Whether the end is in order or not, nothing is answered as if it were a request.
    let _outcome = bounded(slow.read_to_string(&mut text)).await;
    assert!(!text.contains(" 200 "), "{text}");
    served.stopped().await;
}

#[tokio::test]
async fn a_connection_too_many_is_closed_and_a_place_comes_back() {
    let served = served(PATIENT).await;
    let mut first = served.connect().await;
    let mut second = served.connect().await;
    for stream in [&mut first, &mut second] {
        ask(stream, "/").await;
        assert!(answered(stream).await.starts_with("HTTP/1.1 200"));
    }
    for _further in 0..5 {
        assert!(is_closed(&mut served.connect().await).await);
    }
    ask(&mut first, "/").await;
    answered(&mut first).await;
    drop(second);
    // Its place comes back when the end of the connection was seen.
    served.answers_again().await;
    served.stopped().await;
}

#[tokio::test]
async fn an_answer_that_nobody_takes_ends_its_connection() {
    let bounds = Bounds { stall_max: Duration::from_millis(200), connections_max: 1, ..PATIENT };
    let served = served(bounds).await;
    let mut stalled = served.connect().await;
    ask(&mut stalled, "/long").await;
    // The only place is given back although the answer was never read.
    served.answers_again().await;
    drop(stalled);
    served.stopped().await;
}

#[tokio::test]
async fn a_page_that_panics_ends_its_own_connection_only() {
    let served = served(Bounds { connections_max: 6, ..PATIENT }).await;
    for _page in 0..5 {
        let mut broken = served.connect().await;
        ask(&mut broken, "/panic").await;
        assert!(is_closed(&mut broken).await);
    }
    let mut good = served.connect().await;
    ask(&mut good, "/").await;
    answered(&mut good).await;
    served.stopped().await;
}

#[tokio::test]
async fn the_end_waits_for_an_answer_that_is_under_way() {
    let served = served(PATIENT).await;
    let mut long = served.connect().await;
    ask(&mut long, "/long").await;
    let mut idle = served.connect().await;
    ask(&mut idle, "/").await;
    answered(&mut idle).await;
    let mut whole = Vec::new();
    bounded(long.read_buf(&mut whole)).await.expect("begun");
    served.stop.cancel();
    assert!(is_closed(&mut idle).await, "nothing is under way there");
    bounded(long.read_to_end(&mut whole)).await.expect("read");
    assert!(whole.len() > LONG_BYTES, "{}", whole.len());
    bounded(served.serving).await.expect("no panic");
}
