//! The header against its naive reading: the fuzz target's own check, on the inputs that are kept and
//! on random ones.

use proptest::prelude::*;

#[path = "../../../fuzz/edge/src/token_header.rs"]
mod token_header;

#[test]
fn kept_inputs_keep_the_promises() {
    let folder =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/token_header");
    let inputs: Vec<Vec<u8>> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| std::fs::read(entry.unwrap().path()).unwrap())
        .collect();
    assert!(inputs.len() >= 5);
    for input in &inputs {
        token_header::run(input);
    }
}

proptest! {
    #[test]
    fn any_header_is_read_as_the_rules_say(
        scheme in "[Bb]earer|BEARER|Basic|bearer|\\PC{0,8}",
        gap in "[ \t]{0,2}",
        token in "[!-~]{14,18}|[!-~]{254,258}|pcl_[0-9A-Za-z]{49}|\\PC{0,40}",
        more in "|\nBearer [a-z]{16}",
    ) {
        token_header::run(format!("{scheme}{gap}{token}{more}").as_bytes());
    }

    #[test]
    fn any_bytes_are_read_as_the_rules_say(data in prop::collection::vec(any::<u8>(), 0..300)) {
        token_header::run(&data);
    }
}
