use bytes::Bytes;
use http::HeaderValue;

use super::{UpstreamSession, kept};

#[test]
fn a_kept_value_does_not_hold_the_buffer_that_it_was_read_from() {
    let buffer = Bytes::from(vec![b'x'; 8192]);
    let value = HeaderValue::from_maybe_shared(buffer.slice(..16)).unwrap();
    assert!(!buffer.is_unique());
    let (copy, session) = (kept(&value), UpstreamSession::new(value.clone()).unwrap().kept());
    assert_eq!((&copy, session.header()), (&value, &value));
    drop(value);
    assert!(buffer.is_unique());
}
