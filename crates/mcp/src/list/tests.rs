use proptest::prelude::*;
use serde_json::Value;

use super::*;

fn filter(
    body: &str,
    kind: ListKind,
    cache: CacheRewrite,
    keep: impl FnMut(&ListItem<'_>) -> bool,
) -> String {
    let filtered = filter_list(&Bytes::from(body.to_owned()), kind, cache, keep).unwrap();
    String::from_utf8(filtered.body.to_vec()).unwrap()
}

fn tools(items: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":1,"result":{{"x":1.0,"tools":[{items}],"nextCursor":"c","vendor":{{"b":1e2}}}}}}"#
    )
}

#[test]
fn takes_items_out_and_nothing_else() {
    let a = r#"{ "name" : "a", "n":1.50, "vendor":{"z":1,"a":2} }"#;
    let b = r#"{"title":"x","name":"\u0062"}"#;
    let c = r#"{"name":"c","name":"a"}"#;
    let body = tools(&format!(" {a} ,\n{b}, {c} , 7 ,{a} "));
    let kept = |keep: &[&str]| {
        filter(&body, ListKind::Tools, CacheRewrite::Keep, |item| keep.contains(&item.key.as_ref()))
    };
    assert_eq!(kept(&["a"]), tools(&format!(" {a} ,{a} ")));
    assert_eq!(kept(&["b"]), tools(&format!(" {b} ")));
    assert_eq!(kept(&["a", "b"]), tools(&format!(" {a} ,\n{b} ,{a} ")));
    assert_eq!(kept(&[]), tools("  "));
    let filtered = filter_list(&Bytes::from(body), ListKind::Tools, CacheRewrite::Keep, |item| {
        item.key == "a"
    })
    .unwrap();
    assert_eq!((filtered.kept, filtered.removed), (2, 3));
}

#[test]
fn keeps_the_very_bytes_when_nothing_changes() {
    let body = Bytes::from(tools(r#"{"name":"a"} , {"name":"b"}"#));
    let filtered = filter_list(&body, ListKind::Tools, CacheRewrite::Keep, |_| true).unwrap();
    assert_eq!(filtered.body.as_ptr(), body.as_ptr());
    let error =
        Bytes::from_static(br#"{"jsonrpc":"2.0","id":1,"error":{"code":-1,"message":"x"}}"#);
    assert_eq!(
        filter_list(&error, ListKind::Tools, CacheRewrite::Private, |_| false).unwrap().body,
        error
    );
}

#[test]
fn makes_cache_hints_private() {
    let modern = |scope: &str| {
        format!(
            r#"{{"id":1,"result":{{"tools":[{{"name":"a"}}],"ttlMs":1.0{scope}}},"jsonrpc":"2.0"}}"#
        )
    };
    let private = modern(r#","cacheScope":"private""#);
    let rewrite = |body: &str| filter(body, ListKind::Tools, CacheRewrite::Private, |_| true);
    assert_eq!(rewrite(&modern(r#","cacheScope":"public""#)), private);
    assert_eq!(rewrite(&private), private);
    assert_eq!(
        rewrite(&modern("")),
        modern("").replace("\"tools\"", "\"cacheScope\":\"private\",\"tools\"")
    );
    assert_eq!(
        rewrite(&modern(r#","cacheScope":"public","cache\u0053cope":1"#)),
        modern(r#","cacheScope":"private","cache\u0053cope":"private""#)
    );
    let both = r#"{"id":1,"result":{"cacheScope":"public","tools":[{"name":"a"},{"name":"b"}]}}"#;
    let expected = r#"{"id":1,"result":{"cacheScope":"private","tools":[{"name":"b"}]}}"#;
    assert_eq!(
        filter(both, ListKind::Tools, CacheRewrite::Private, |item| item.key == "b"),
        expected
    );
}

#[test]
fn filters_every_kind() {
    let cases = [
        (ListKind::Prompts, r#"{"id":1,"result":{"prompts":[{"name":"a"},{"name":"b"}]}}"#),
        (
            ListKind::Resources,
            r#"{"id":1,"result":{"resources":[{"uri":"a","name":"b"},{"uri":"b","name":"a"}]}}"#,
        ),
        (
            ListKind::Templates,
            r#"{"id":1,"result":{"resourceTemplates":[{"uriTemplate":"a"},{"uriTemplate":"b"}]}}"#,
        ),
        (
            ListKind::Tasks,
            r#"{"id":1,"result":{"tasks":[{"taskId":"b","name":"a"},{"taskId":"a","name":"b"}]}}"#,
        ),
    ];
    for (kind, body) in cases {
        let value: Value =
            serde_json::from_str(&filter(body, kind, CacheRewrite::Keep, |item| item.key == "a"))
                .unwrap();
        let list = value["result"][kind.member()].as_array().unwrap();
        assert_eq!(list.len(), 1);
        assert_eq!(list[0][kind.key()], "a");
    }
}

/// A list of tasks and what is left of it for the owner of `mine` and `m/2`; `None`: it is refused.
const TASKS: &[(&str, Option<&str>)] = &[
    (
        r#"{"tasks":[{"taskId":"mine","ttl":1.50e3,"vendor":{"b":1,"a":2}},{"taskId":"theirs","status":"working"}],"nextCursor":"p-2"}"#,
        Some(
            r#"{"tasks":[{"taskId":"mine","ttl":1.50e3,"vendor":{"b":1,"a":2}}],"nextCursor":"p-2"}"#,
        ),
    ),
    (
        r#"{"nextCursor":"p-3","tasks":[{"taskId":"theirs"}, {"status":"working", "taskId" : "m\/2"} ,{"taskId":"mine"}]}"#,
        Some(
            r#"{"nextCursor":"p-3","tasks":[{"status":"working", "taskId" : "m\/2"} ,{"taskId":"mine"}]}"#,
        ),
    ),
    (r#"{"tasks":[ {"taskId":"theirs"} ],"_meta":{}}"#, Some(r#"{"tasks":[  ],"_meta":{}}"#)),
    // No readable identifier, or more than one: nobody's.
    (r#"{"tasks":[{"taskId":7},{"taskId":null},{},"mine"]}"#, Some(r#"{"tasks":[]}"#)),
    (r#"{"tasks":[{"taskId":"mine","taskId":"theirs"}]}"#, Some(r#"{"tasks":[]}"#)),
    (r#"{"tasks":[{"taskId":"mine","task\u0049d":"theirs"}]}"#, Some(r#"{"tasks":[]}"#)),
    // Identifiers are compared byte for byte.
    (r#"{"tasks":[{"taskId":"Mine"},{"taskId":"mine "}]}"#, Some(r#"{"tasks":[]}"#)),
    (r#"{"vendor":1}"#, Some(r#"{"vendor":1}"#)),
    (r#"{"tasks":{"taskId":"theirs"}}"#, None),
    (r#"{"tasks":[],"Tasks":[{"taskId":"theirs"}]}"#, None),
    (r#"{"tasks":[],"tasks":[{"taskId":"theirs"}]}"#, None),
];

#[test]
fn leaves_only_the_tasks_that_are_asked_for() {
    for (result, expected) in TASKS {
        let message = |result: &str| format!(r#"{{"id":1,"result":{result},"jsonrpc":"2.0"}}"#);
        let filtered = filter_list(
            &Bytes::from(message(result)),
            ListKind::Tasks,
            CacheRewrite::Keep,
            |item| ["mine", "m/2"].contains(&item.key.as_ref()),
        );
        match expected {
            Some(expected) => assert_eq!(filtered.unwrap().body, message(expected), "{result}"),
            None => assert!(matches!(filtered, Err(BadReply::List(_))), "{result}"),
        }
    }
}

#[test]
fn refuses_lists_that_could_be_read_two_ways() {
    for result in [
        r#"{"tools":[],"tools":[{"name":"hidden"}]}"#,
        r#"{"tools":[],"too\u006cs":[{"name":"hidden"}]}"#,
        r#"{"tools":[],"Tools":[{"name":"hidden"}]}"#,
        r#"{"tools":{"name":"hidden"}}"#,
    ] {
        let body = Bytes::from(format!(r#"{{"id":1,"result":{result}}}"#));
        assert!(
            matches!(
                filter_list(&body, ListKind::Tools, CacheRewrite::Keep, |_| false),
                Err(BadReply::List(_))
            ),
            "{result}"
        );
        assert!(list_items(&body, ListKind::Tools).is_err(), "{result}");
    }
    let twice = Bytes::from_static(
        br#"{"id":1,"result":{"tools":[]},"result":{"tools":[{"name":"hidden"}]}}"#,
    );
    assert!(filter_list(&twice, ListKind::Tools, CacheRewrite::Keep, |_| false).is_err());
}

#[test]
fn reads_items() {
    let body = tools(
        r#"{"name":"a"},{"name":"b"},{"name":"\u0061"},{"x":1},{"name":"a"},{"name":"\ud800"}"#,
    );
    let page = list_items(body.as_bytes(), ListKind::Tools).unwrap();
    let names: Vec<&str> = page.items.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["a", "b", "a", "a"]);
    assert_eq!(
        (page.duplicates, page.unnamed, page.next_cursor.as_deref()),
        (vec!["a".to_owned()], 2, Some("c"))
    );
    assert_eq!(body.get(page.items[1].1.clone()), Some(r#"{"name":"b"}"#));
}

/// Items with random members and white space.
fn items() -> impl Strategy<Value = Vec<(String, String)>> {
    let item =
        ("[a-d]", "[ \n]{0,2}", 0..3_u8, any::<f64>().prop_filter("finite", |n| n.is_finite()))
            .prop_map(|(name, space, shape, number)| {
                let text = match shape {
                    0 => format!("{{\"name\":\"{name}\"}}"),
                    1 => format!(
                        "{{\"v\":{number:e},{space}\"name\" : \"\\u00{:02x}\",\"z\":[{{}}]}}",
                        name.as_bytes()[0]
                    ),
                    _ => format!("{{\"inputSchema\":{{\"name\":\"q\"}},\"name\":\"{name}\"}}"),
                };
                (name, format!("{space}{text}{space}"))
            });
    proptest::collection::vec(item, 0..8)
}

proptest! {
    #[test]
    fn keeping_all_changes_no_byte(items in items()) {
        let texts: Vec<&str> = items.iter().map(|(_, text)| text.as_str()).collect();
        let body = tools(&texts.join(","));
        prop_assert_eq!(filter(&body, ListKind::Tools, CacheRewrite::Keep, |_| true), body);
    }

    #[test]
    fn agrees_with_filtering_values(items in items(), keep in proptest::collection::btree_set("[a-d]", 0..4)) {
        let texts: Vec<&str> = items.iter().map(|(_, text)| text.as_str()).collect();
        let body = tools(&texts.join(","));
        let mut expected: Value = serde_json::from_str(&body).unwrap();
        let list = expected["result"]["tools"].as_array_mut().unwrap();
        list.retain(|item| keep.contains(item["name"].as_str().unwrap()));
        let ours = filter(&body, ListKind::Tools, CacheRewrite::Keep, |item| keep.contains(item.key.as_ref()));
        prop_assert_eq!(serde_json::from_str::<Value>(&ours).unwrap(), expected);
        for (name, text) in &items {
            prop_assert!(!keep.contains(name) || ours.contains(text.trim()));
        }
    }
}

/// Filters an answer, and says what is kept of it for the next one.
fn kept_of(body: &str) -> (Bytes, FilteredBefore) {
    let body = Bytes::from(body.to_owned());
    let crate::ServerMessage::Response(response) = crate::read_message(body.clone()).unwrap()
    else {
        panic!("a response");
    };
    let filtered =
        filter_list(&body, ListKind::Tools, CacheRewrite::Private, |item| item.key != "b").unwrap();
    let kept = FilteredBefore::of(&response, &filtered.body).unwrap();
    (filtered.body, kept)
}

#[test]
fn what_says_the_same_to_another_request_is_filtered_the_same() {
    let tools = r#"{"tools":[{"name":"a"},{"name":"b"},{"name":"c"}]}"#;
    let first = |id: &str| format!(r#"{{"id":{id},"jsonrpc":"2.0","result":{tools}}}"#);
    let last = |id: &str| format!(r#"{{"jsonrpc":"2.0","result":{tools},"x":"id", "id" : {id} }}"#);
    for form in [&first as &dyn Fn(&str) -> String, &last] {
        for (one, other) in [("1", "1"), ("1", "20"), ("123", "\"x\""), ("\"a\"", "7")] {
            let (_, kept) = kept_of(&form(one));
            let (expected, _) = kept_of(&form(other));
            let id = crate::read_message(Bytes::from(form(other))).unwrap();
            let crate::ServerMessage::Response(id) = id else { panic!("a response") };
            let again = kept.again(form(other).as_bytes(), id.id().unwrap());
            assert_eq!(again.unwrap(), expected, "{one} {other}");
            // The answer to another request, and one that differs anywhere, are read.
            assert_eq!(kept.again(form("5").as_bytes(), id.id().unwrap()), None);
            let text = form(other);
            for at in (0..text.len()).filter(|at| text.is_char_boundary(*at)) {
                let mut changed = text.clone().into_bytes();
                changed[at] ^= 1;
                assert_eq!(kept.again(&changed, id.id().unwrap()), None, "{at}");
                assert_eq!(kept.again(&text.as_bytes()[..at], id.id().unwrap()), None, "{at}");
            }
            let longer = format!("{text} ");
            assert_eq!(kept.again(longer.as_bytes(), id.id().unwrap()), None);
        }
    }
}
