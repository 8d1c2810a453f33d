use expect_test::expect;
use policy::Document;

use super::layout;

#[test]
fn comments_order_and_spelling_stay() {
    let text = "// who may pay\n{\"version\":\"1\", /* required */ \"default\":\"deny\",\n\
                \"hide\":[],\"tools\":{\"pay\":{ // capped\n\"limits\":[{\"window\":\"minute\",\
                \"max\":1.50,}],},\n/* last */ \"list\" // odd\n : {}},}";
    let expected = expect![[r#"
        // who may pay
        {
          "version": "1", /* required */
          "default": "deny",
          "hide": [],
          "tools": {
            "pay": { // capped
              "limits": [
                {
                  "window": "minute",
                  "max": 1.50
                }
              ]
            },
            /* last */
            "list" // odd
            : {}
          }
        }
    "#]];
    let formatted = layout(text);
    expected.assert_eq(&formatted);
    assert_eq!(layout(&formatted), formatted, "a second time changes nothing");
    let canonical = |text: &str| Document::parse(text).unwrap().canonical().to_owned();
    assert_eq!(canonical(&formatted), canonical(text));
}

#[test]
fn a_comment_in_an_empty_place_stays() {
    let text = "{\"version\":\"1\",\"default\":\"deny\",\"hide\":[ // none yet\n],\"tools\":{}}";
    let formatted = layout(text);
    assert!(formatted.contains("\"hide\": [ // none yet\n  ],"), "{formatted}");
    assert!(Document::parse(&formatted).is_ok());
}

#[test]
fn the_canonical_form_is_its_own_layout() {
    let text = r#"{"version":"1","default":"allow","tools":{"a":{"require":[{"conditions":[
        {"path":"args.x","op":"in","value":["a","//","/* \" */"]}]}]}}}"#;
    let document = Document::parse(text).unwrap();
    let canonical = document.canonical().trim_end();
    assert_eq!(layout(canonical).trim_end(), canonical);
}
