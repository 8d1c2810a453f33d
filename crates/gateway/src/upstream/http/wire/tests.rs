use bytes::{Bytes, BytesMut};
use http::uri::PathAndQuery;
use http::{HeaderName, HeaderValue, StatusCode};
use proptest::prelude::*;

use super::{Body, Found, Head, Heads, Malformed, read_head};
use crate::upstream::message::{Media, Outgoing, UpstreamSession, Verb};

fn answer(head: &str) -> (Head, Body) {
    match read_head(head.as_bytes()) {
        Ok(Found::Answer(length, found, body)) => {
            assert_eq!(length, head.len(), "{head:?}");
            (found, body)
        }
        other => panic!("{head:?}: {other:?}"),
    }
}

fn with(lines: &str) -> String {
    format!("HTTP/1.1 200 OK\r\n{lines}\r\n")
}

/// The pieces of a body that comes in steps, and whether it was over then.
fn read(mut body: Body, steps: &[&[u8]]) -> Result<(Vec<u8>, Body), Malformed> {
    let (mut input, mut out) = (BytesMut::new(), Vec::new());
    for step in steps {
        input.extend_from_slice(step);
        while let Some(piece) = body.take(&mut input)? {
            assert!(!piece.is_empty());
            out.extend_from_slice(&piece);
        }
    }
    Ok((out, body))
}

fn chunked() -> Body {
    answer(&with("Transfer-Encoding: chunked\r\n")).1
}

#[test]
fn the_end_of_a_body_is_told_by_its_head() {
    let cases = [
        ("content-length: 12\r\n", Body::Length(12)),
        ("Content-Length: 0\r\n", Body::Over),
        ("content-length: 7\r\ncontent-length: 7\r\n", Body::Length(7)),
        ("content-length: 7, 7\r\n", Body::Length(7)),
        ("content-length: 18446744073709551615\r\n", Body::Length(u64::MAX)),
        ("", Body::Rest),
    ];
    for (lines, expected) in cases {
        assert_eq!(answer(&with(lines)).1, expected, "{lines:?}");
    }
    assert!(matches!(chunked(), Body::Chunked(_)));
    assert!(matches!(answer(&with("transfer-encoding: CHUNKED\r\n")).1, Body::Chunked(_)));
    for status in ["101 A", "204 A", "304 A"] {
        let head = format!("HTTP/1.1 {status}\r\ncontent-length: 5\r\n\r\n");
        assert_eq!(answer(&head).1, Body::Over, "{status}");
    }
}

#[test]
fn a_head_that_leaves_the_end_of_its_body_in_doubt_is_refused() {
    for lines in [
        "content-length: 7\r\ntransfer-encoding: chunked\r\n",
        "transfer-encoding: chunked\r\ncontent-length: 7\r\n",
        "transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n",
        "transfer-encoding: gzip, chunked\r\n",
        "transfer-encoding: chunked, gzip\r\n",
        "transfer-encoding: identity\r\n",
        "transfer-encoding: chunked;q=1\r\n",
        "transfer-encoding:\r\n",
        "content-length: 7\r\ncontent-length: 8\r\n",
        "content-length: 7, 8\r\n",
        "content-length: 7,\r\n",
        "content-length: -1\r\n",
        "content-length: +7\r\n",
        "content-length: 0x7\r\n",
        "content-length: 7 7\r\n",
        "content-length:\r\n",
        "content-length: 18446744073709551616\r\n",
        "content-length : 7\r\n",
        "content-length: 7\r\n folded\r\n",
        " content-length: 7\r\n",
        "a b: c\r\n",
        "nothing\r\n",
        "a: b\0c\r\n",
    ] {
        let head = with(lines);
        assert!(matches!(read_head(head.as_bytes()), Err(Malformed)), "{lines:?}");
    }
    for head in [
        "HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
        "HTTP/2.0 200 OK\r\n\r\n",
        "HTTP/0.9 200 OK\r\n\r\n",
        "HTTP/1.1 2x0 OK\r\n\r\n",
        "HTTP/1.1 099 OK\r\n\r\n",
        "SSH-2.0-OpenSSH\r\n\r\n",
    ] {
        assert!(matches!(read_head(head.as_bytes()), Err(Malformed)), "{head:?}");
    }
    let many = with(&"a: b\r\n".repeat(101));
    assert!(matches!(read_head(many.as_bytes()), Err(Malformed)));
    assert_eq!(answer(&with(&"a: b\r\n".repeat(100))).1, Body::Rest);
}

#[test]
fn a_connection_lasts_only_where_both_sides_keep_it() {
    let cases = [
        ("HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n", true),
        ("HTTP/1.1 200 OK\r\ncontent-length: 1\r\nconnection: keep-alive\r\n\r\n", true),
        ("HTTP/1.1 200 OK\r\ncontent-length: 1\r\nConnection: Close\r\n\r\n", false),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 1\r\nconnection: a, close\r\nconnection: keep-alive\r\n\r\n",
            false,
        ),
        ("HTTP/1.0 200 OK\r\ncontent-length: 1\r\n\r\n", false),
        ("HTTP/1.0 200 OK\r\ncontent-length: 1\r\nconnection: keep-alive\r\n\r\n", true),
        ("HTTP/1.0 200 OK\r\ncontent-length: 1\r\nconnection: keep-alive, close\r\n\r\n", false),
        ("HTTP/1.1 200 OK\r\n\r\n", false),
        ("HTTP/1.1 204 No Content\r\n\r\n", true),
        ("HTTP/1.1 101 Switching Protocols\r\n\r\n", false),
    ];
    for (head, lasts) in cases {
        assert_eq!(answer(head).0.lasts, lasts, "{head:?}");
    }
}

#[test]
fn what_matters_of_a_head_is_found_in_any_case() {
    let (head, _) = answer(&with(
        "CONTENT-TYPE: Application/JSON ; charset=x\r\nContent-Encoding: Identity\r\nMCP-Session-ID: s-1\r\n",
    ));
    assert_eq!((head.status, head.media, head.encoded), (StatusCode::OK, Media::Json, false));
    assert_eq!(head.session, Ok(UpstreamSession::new(HeaderValue::from_static("s-1"))));
    for lines in [
        "content-type: application/json\r\ncontent-type: application/json\r\n",
        "content-type: application/jsonx\r\n",
        "content-type:\r\n",
        "",
    ] {
        assert_eq!(answer(&with(lines)).0.media, Media::Other, "{lines:?}");
    }
    assert_eq!(answer(&with("content-type: text/event-stream\r\n")).0.media, Media::EventStream);
    assert!(answer(&with("content-encoding: identity\r\ncontent-encoding: br\r\n")).0.encoded);
    for lines in [
        "mcp-session-id: a\r\nmcp-session-id: a\r\n",
        "mcp-session-id: a b\r\n",
        "mcp-session-id:\r\n",
        "mcp-session-id: a b\r\nmcp-session-id: c\r\n",
    ] {
        assert_eq!(answer(&with(lines)).0.session, Err(Malformed), "{lines:?}");
    }
}

#[test]
fn heads_before_the_answer_are_told_from_it() {
    let early = "HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n";
    let both = format!("{early}HTTP/1.1 200 OK\r\n\r\n");
    match read_head(both.as_bytes()) {
        Ok(Found::Interim(length)) => assert_eq!(length, early.len()),
        other => panic!("{other:?}"),
    }
    for end in 0..early.len() {
        let part = early.get(..end).expect("ASCII");
        assert!(matches!(read_head(part.as_bytes()), Ok(Found::Part)), "{part:?}");
    }
}

#[test]
fn chunks_are_joined_and_their_extras_dropped() {
    let text =
        b"5;a=b\r\nhello\r\n1 \t\r\n,\r\n00000000000000A;x\r\n0123456789\r\n0\r\na: b\r\n\r\nrest";
    let expected = (b"hello,0123456789".to_vec(), Body::Over);
    assert_eq!(read(chunked(), &[text]), Ok(expected.clone()));
    let bytes: Vec<&[u8]> = text.chunks(1).collect();
    assert_eq!(read(chunked(), &bytes), Ok(expected));
}

#[test]
fn what_is_no_chunk_is_refused() {
    for text in [
        "x\r\n",
        "\r\n",
        ";a\r\n",
        "-1\r\n",
        "+1\r\n",
        "0x1\r\na\r\n",
        "1 2\r\n",
        "1a b\r\n",
        "11111111111111111\r\n",
        "1\na\n",
        "1\rxa",
        "1;a\nb\r\n",
        "1\r\nab\r\n",
        "1\r\na\n\n",
        "0\r\na\nb\r\n\r\n",
    ] {
        assert_eq!(read(chunked(), &[text.as_bytes()]), Err(Malformed), "{text:?}");
    }
}

#[test]
fn what_stands_beside_the_data_is_bounded() {
    let long = format!("1;{}", "a".repeat(5000));
    assert_eq!(read(chunked(), &[long.as_bytes()]), Err(Malformed));
    let extension = format!("1;{}\r\nx\r\n", "a".repeat(4000));
    assert_eq!(
        read(chunked(), &[extension.repeat(4).as_bytes()]).map(|(data, _)| data.len()),
        Ok(4)
    );
    assert_eq!(read(chunked(), &[extension.repeat(5).as_bytes()]), Err(Malformed));
    let trailers = format!("0\r\n{}", format!("a: {}\r\n", "b".repeat(1000)).repeat(20));
    assert_eq!(read(chunked(), &[trailers.as_bytes()]), Err(Malformed));
}

#[test]
fn a_request_holds_what_is_fixed_and_what_is_its_own() {
    let credential = (HeaderName::from_static("x-key"), HeaderValue::from_static("k"));
    let host = HeaderValue::from_static("h:1");
    let heads = Heads::new(&PathAndQuery::from_static("/mcp?a=%20b"), &host, &[credential]);
    let mut out = Outgoing::post(Bytes::from_static(b"{}"));
    let name = HeaderName::from_static("mcp-name");
    out.headers.push((name, HeaderValue::from_bytes(b"t\xc3\xa9").expect("a value")));
    out.headers.push((HeaderName::from_static("cookie"), HeaderValue::from_static("no")));
    out.session = UpstreamSession::new(HeaderValue::from_static("s"));
    let fixed = "accept: application/json, text/event-stream\r\ncontent-type: application/json\r\n";
    let expected = format!(
        "POST /mcp?a=%20b HTTP/1.1\r\nhost: h:1\r\n{fixed}x-key: k\r\nmcp-session-id: s\r\n\
         mcp-name: t\u{e9}\r\ncontent-length: 2\r\n\r\n"
    );
    assert_eq!(heads.request(&out), expected.as_bytes());
    out.headers.clear();
    out.verb = Verb::Delete;
    let expected = "DELETE /mcp?a=%20b HTTP/1.1\r\nhost: h:1\r\naccept: application/json\r\nx-key: k\r\n\
                    mcp-session-id: s\r\n\r\n";
    assert_eq!(heads.request(&out), expected.as_bytes());
    assert!(!format!("{heads:?}").contains("x-key"));
}

proptest! {
    /// However a chunked body is cut on its way, the same data comes out, and nothing of what follows is taken.
    #[test]
    fn cuts_change_nothing(
        pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..5000), 0..6),
        cut in 1usize..3000,
    ) {
        let mut text = Vec::new();
        for piece in &pieces {
            text.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
            text.extend_from_slice(piece);
            text.extend_from_slice(b"\r\n");
        }
        text.extend_from_slice(b"0\r\n\r\n");
        let steps: Vec<&[u8]> = text.chunks(cut).collect();
        prop_assert_eq!(read(chunked(), &steps), Ok((pieces.concat(), Body::Over)));
        let length = pieces.concat();
        if !length.is_empty() {
            let steps: Vec<&[u8]> = length.chunks(cut).collect();
            let whole = Body::Length(length.len() as u64);
            prop_assert_eq!(read(whole, &steps), Ok((length.clone(), Body::Over)));
        }
    }

    /// No bytes make it panic, and a head is never found beyond them.
    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let text = [b"HTTP/1.1 200 OK\r\n".as_slice(), &bytes].concat();
        if let Ok(Found::Answer(length, ..) | Found::Interim(length)) = read_head(&text) {
            prop_assert!(length <= text.len());
        }
        let mut input = BytesMut::from(&*bytes);
        let mut body = chunked();
        while let Ok(Some(piece)) = body.take(&mut input) {
            prop_assert!(piece.len() <= bytes.len());
        }
    }
}
