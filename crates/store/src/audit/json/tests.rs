use proptest::prelude::*;

use super::*;

proptest! {
    #[test]
    fn any_text_comes_back_and_stays_on_one_line(value in any::<String>()) {
        let mut object = ObjectText::with_capacity(16);
        object.string("a", &value);
        object.optional("b", Some(&value));
        object.optional("c", None);
        object.integer("d", i64::MIN);
        object.raw("e", Some("[1,\"x\"]"));
        let text = object.finish();
        prop_assert!(!text.bytes().any(|b| b < 0x20 || b == 0x7f));
        let read: serde_json::Value = serde_json::from_str(&text).unwrap();
        let wanted = serde_json::json!({"a": value, "b": value, "d": i64::MIN, "e": [1, "x"]});
        prop_assert_eq!(read, wanted);
    }
}
