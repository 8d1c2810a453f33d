use super::*;

#[test]
fn arguments_are_shown_as_the_audit_shows_them() {
    let json = r#"{"amount":9007199254740993,"api_key":"k","note":"pay"}"#;
    let shown = redacted_arguments(AuditValues::Redacted, json);
    assert_eq!(shown, r#"{"amount":9007199254740993,"api_key":"[redacted]","note":"pay"}"#);
    assert_eq!(redacted_arguments(AuditValues::Full, json), json);
    assert!(!redacted_arguments(AuditValues::None, json).contains("pay"));
    assert_eq!(redacted_arguments(AuditValues::Full, r#"{},"x":{}"#), "{}");
    assert_eq!(redacted_arguments(AuditValues::Full, "[]"), "{}");
}
