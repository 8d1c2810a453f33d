use proptest::prelude::*;

use super::*;

fn split(chunks: &[&[u8]]) -> Vec<Event> {
    let mut splitter = FrameSplitter::new(1_000);
    let mut events = Vec::new();
    for chunk in chunks {
        splitter.push(Bytes::copy_from_slice(chunk));
        while let Some(event) = splitter.next_event().unwrap() {
            events.push(event);
        }
    }
    events.extend(splitter.finish());
    events
}

fn data(event: &Event) -> Option<&str> {
    event.data.as_ref().map(|data| core::str::from_utf8(data).unwrap())
}

#[test]
fn reads_fields() {
    let stream = b": hello\n\nevent: message\nid: 7\nretry: 1500\ndata: {\"a\":1}\n\nid\ndata\n\ndata:x\ndata:  y\nretry: 1s\nid: a\0b\n\n";
    let events = split(&[stream]);
    assert_eq!(
        events.iter().map(data).collect::<Vec<_>>(),
        [None, Some("{\"a\":1}"), Some(""), Some("x\n y")]
    );
    assert_eq!(events[1].id.as_deref(), Some(b"7".as_slice()));
    assert_eq!(events[1].event.as_deref(), Some(b"message".as_slice()));
    assert_eq!(events[1].retry_ms, Some(1500));
    assert_eq!(events[2].id.as_deref(), Some(b"".as_slice()));
    assert_eq!((events[3].id.as_deref(), events[3].retry_ms), (None, None));
    let raw: Vec<u8> = events.iter().flat_map(|event| event.raw.to_vec()).collect();
    assert_eq!(raw, stream);
}

#[test]
fn one_event_in_one_chunk_is_not_copied() {
    let chunk = Bytes::from_static(b"event: message\ndata: {}\n\n");
    let mut splitter = FrameSplitter::new(100);
    splitter.push(chunk.clone());
    let event = splitter.next_event().unwrap().unwrap();
    assert_eq!(event.raw.as_ptr(), chunk.as_ptr());
    assert_eq!(event.data.unwrap().as_ptr(), chunk.slice(21..).as_ptr());
    assert_eq!(splitter.next_event(), Ok(None));
}

#[test]
fn an_event_never_waits_for_the_next_one() {
    for (stream, waits) in [
        ("data: x\n\n", false),
        ("data: x\r\r", false),
        ("data: x\r\n\r\n", false),
        ("data: x\r\n\r", true),
    ] {
        let mut splitter = FrameSplitter::new(100);
        splitter.push(Bytes::copy_from_slice(stream.as_bytes()));
        assert_eq!(splitter.next_event().unwrap().is_none(), waits, "{stream:?}");
        assert_eq!(splitter.finish().is_some(), waits, "{stream:?}");
    }
}

#[test]
fn a_byte_order_mark_is_dropped_at_the_start_only() {
    let events = split(&[b"\xEF", b"\xBB\xBFdata: a\n\n", b"\xEF\xBB\xBFdata: b\n\n"]);
    assert_eq!(events.iter().map(data).collect::<Vec<_>>(), [Some("a"), None]);
    assert_eq!(events[0].raw.as_ref(), b"data: a\n\n");
    assert_eq!(split(&[b"\xEF\xBBdata: a\n\n"]).len(), 1);
}

#[test]
fn events_are_bounded() {
    let mut splitter = FrameSplitter::new(20);
    splitter.push(Bytes::from_static(b"data: 0123456789\n\n"));
    splitter.next_event().unwrap().unwrap();
    for _ in 0..2 {
        splitter.push(Bytes::from_static(b"data: 0123"));
        assert_eq!(splitter.next_event(), Ok(None));
    }
    splitter.push(Bytes::from_static(b"4"));
    assert_eq!(splitter.next_event(), Err(SseError::TooLong(20)));
    let mut splitter = FrameSplitter::new(20);
    splitter.push(Bytes::from(vec![b'\n'; 30]));
    assert_eq!(splitter.next_event(), Err(SseError::TooLong(20)));
}

#[test]
fn cut_off_events_are_none() {
    assert_eq!(split(&[b"data: a\n"]), []);
    assert_eq!(split(&[b"data: a\n\ndata: b"]).len(), 1);
}

#[test]
fn encodes_what_it_splits() {
    let events = split(&[&encode(b"{\"a\":\n1}"), &comment(), &encode(b"{}")]);
    assert_eq!(
        events.iter().map(data).collect::<Vec<_>>(),
        [Some("{\"a\":\n1}"), None, Some("{}")]
    );
    assert!(events.iter().all(|event| event.id.is_none()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn chunks_change_nothing(stream in "(\u{feff})?(data:|id: 1|:|x|[\r\n]|\r\n|\n\n|\r\n\r\n|\r\r){0,30}", cuts in proptest::collection::vec(any::<proptest::sample::Index>(), 0..12)) {
        let bytes = stream.as_bytes();
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        let chunks: Vec<&[u8]> = cuts.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
        let whole = split(&[bytes]);
        prop_assert_eq!(&split(&chunks), &whole);
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        prop_assert_eq!(&split(&single), &whole);
        let raw: Vec<u8> = whole.iter().flat_map(|event| event.raw.to_vec()).collect();
        let bytes = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
        prop_assert!(bytes.starts_with(&raw));
    }
}
