use policy::{ApprovalId, ApprovalRecord, ApprovalState, Kind, Outcome, UnixMillis, sha256};

use super::{Said, waited};

/// Every word that the engine writes has its sentence: none is shown raw.
#[test]
fn every_outcome_of_the_engine_has_its_words() {
    let all = [
        Outcome::Matched,
        Outcome::Hides,
        Outcome::OddUri,
        Outcome::NotListed,
        Outcome::DefaultAllows,
        Outcome::Denies,
        Outcome::Asks,
        Outcome::Passed,
        Outcome::Failed,
        Outcome::FailedWaivable,
        Outcome::Undefined,
        Outcome::Charges,
        Outcome::BadAmount,
        Outcome::NoPolicy,
    ];
    for outcome in all {
        let said = Said { rule: "r".to_owned(), result: outcome.as_str().to_owned() };
        assert_ne!(said.words(), outcome.as_str());
    }
}

fn request(state: ApprovalState, decided_at: Option<i64>) -> ApprovalRecord {
    ApprovalRecord {
        id: ApprovalId::from_random([1; 16]),
        digest: sha256(b"{}"),
        grant: "g".to_owned(),
        server: "pay".to_owned(),
        kind: Kind::Tool,
        name: "pay".to_owned(),
        definition_pin: None,
        arguments: "{}".to_owned(),
        rules: Vec::new(),
        approvers: Vec::new(),
        state,
        created_at: UnixMillis(0),
        expires_at: UnixMillis(3_600_000),
        decided_by: decided_at.map(|_at| "user:ada@example.com".to_owned()),
        decided_at: decided_at.map(UnixMillis),
        decided_from: None,
        decided_reason: None,
        used_at: None,
    }
}

#[test]
fn the_way_of_a_call_names_how_long_it_waited_and_for_whom() {
    let said = |state, decided_at| waited(&request(state, decided_at)).text;
    let ada = "user:ada@example.com";
    assert_eq!(said(ApprovalState::Used, Some(42_900)), format!("approved by {ada} after 42 s"));
    assert_eq!(said(ApprovalState::Approved, Some(0)), format!("approved by {ada} after 0 s"));
    assert_eq!(
        said(ApprovalState::Rejected, Some(90_000)),
        format!("rejected by {ada} after 1 min")
    );
    let open = "for a person, until 1970-01-01T01:00:00Z at most";
    assert_eq!(said(ApprovalState::Pending, None), open);
}
