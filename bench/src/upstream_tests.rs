use super::{Asked, quick, thorough};
use crate::message::{self, FIRST_ID};
use crate::workload::Workload;

#[test]
fn measured_requests_are_read_the_quick_way() {
    let id = FIRST_ID.to_string();
    for (workload, asked) in [(Workload::W1, Asked::Call), (Workload::W4, Asked::List)] {
        let request = message::request(&workload.shape());
        assert_eq!(quick(request.as_bytes()), Some((id.as_str(), asked)));
        assert_eq!(thorough(request.as_bytes()), Some((id.as_str(), asked)));
    }
}

#[test]
fn other_requests_are_parsed() {
    let parsed = |text: &str| thorough(text.as_bytes()).map(|(id, asked)| (id.to_owned(), asked));
    let of = |id: &str, asked| Some((id.to_owned(), asked));
    assert_eq!(parsed(&message::initialize()), of("1", Asked::Initialize));
    assert_eq!(parsed(&message::initialized()), of("null", Asked::Notification));
    assert_eq!(parsed(&message::announce()), of("2", Asked::Announce));
    assert_eq!(parsed(r#"{"id":"x","method":"server/discover"}"#), of("\"x\"", Asked::Unknown));
    assert_eq!(parsed("nonsense"), None);
    assert_eq!(quick(message::initialize().as_bytes()), None);
}
