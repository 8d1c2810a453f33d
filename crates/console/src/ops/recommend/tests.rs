use policy::{Class, Document};

use super::{RECOMMENDED_TOOLS_MAX, document, for_tool};

#[test]
fn whatever_the_tools_are_called_the_policy_is_valid() {
    let names = [
        "read",
        "a b",
        "@read",
        "x*",
        "",
        "\"",
        "\u{202e}",
        "a.b-c_d",
        "pay/now",
        "\n",
        "'",
        "</script>",
    ];
    let long = "n".repeat(200);
    for class in Class::ALL.into_iter().map(Some).chain([None]) {
        let tools = names.iter().copied().chain([long.as_str()]).map(|name| (name, class));
        let text = document(tools);
        if let Err(problems) = Document::parse(&text) {
            panic!("{class:?}: {problems:?}\n{text}");
        }
    }
    assert!(Document::parse(&document([])).is_ok());
}

#[test]
fn each_class_gets_its_rule() {
    let rules = |class| for_tool("t", class).rules.unwrap().to_string();
    assert_eq!(rules(Some(Class::Read)), "{}");
    assert!(rules(Some(Class::Write)).contains("\"max\":30"));
    assert!(rules(Some(Class::Write)).contains("\"counter\":\"t_rate\""));
    assert!(rules(Some(Class::Execute)).contains("\"max\":10"));
    assert_eq!(rules(Some(Class::Destructive)), "{\"action\":\"hide\"}");
    assert!(rules(Some(Class::Financial)).contains("Requires human approval."));
    assert!(rules(None).contains("\"action\":\"approve\""));
    assert_eq!(for_tool("@t", Some(Class::Read)).rules, None);
    assert!(!for_tool("a b", Some(Class::Write)).rules.unwrap().to_string().contains("counter"));
}

#[test]
fn a_policy_names_no_more_tools_than_it_may() {
    let names: Vec<String> = (0..RECOMMENDED_TOOLS_MAX + 10).map(|n| format!("t{n}")).collect();
    let text = document(names.iter().map(|name| (name.as_str(), Some(Class::Read))));
    assert!(Document::parse(&text).is_ok());
    assert!(!text.contains(&format!("\"t{RECOMMENDED_TOOLS_MAX}\"")));
}
