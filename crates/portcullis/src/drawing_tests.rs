//! What is drawn of a configuration holds no secret, and stands where it stood.

use super::without_secrets;

#[test]
fn values_that_may_be_secrets_are_starred_out() {
    let cases = [
        ("token = \"abc\"\n", "token = \"***\"\n"),
        ("token = 'it\u{e9}'", "token = '****'"),
        ("token = \"a\\\"b\" # \"c\"", "token = \"****\" # \"*\""),
        ("token = \"open\n", "token = \"****\n"),
        ("token = \"env:NAME\"", "token = \"env:NAME\""),
        ("  Token=\"file:t\"", "  Token=\"file:t\""),
        ("headers = { A = \"x y\", B = \"env:B\" }", "headers = { A = \"***\", B = \"env:B\" }"),
        ("[server.headers]\nX-Own = \"v\"\n", "[server.headers]\nX-Own = \"*\"\n"),
        ("url = \"postgres://u:p@h\"", "url = \"****************\""),
        ("url = \"http://h/mcp\"", "url = \"http://h/mcp\""),
        (
            "[server.env]\na = \"v\"\n[[grant]]\nlabel = \"v\"",
            "[server.env]\na = \"*\"\n[[grant]]\nlabel = \"v\"",
        ),
        ("slug = \"pay\"", "slug = \"pay\""),
        (
            "token = \"\"\"\nab\ncd\"\"\" # \"x\"\nurl = \"u\"",
            "token = \"\"\"\n**\n**\"\"\" # \"*\"\nurl = \"u\"",
        ),
        ("token = '''a\nb", "token = '''*\n*"),
        ("\"tok\\u0065n\" = \"abc\"", "\"tok\\u0065n\" = \"***\""),
    ];
    for (text, shown) in cases {
        assert_eq!(without_secrets(text), shown);
        assert_eq!(shown.len(), text.len(), "positions stay: {text}");
    }
}
