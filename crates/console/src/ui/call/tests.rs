use policy::Outcome;

use super::Said;

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
