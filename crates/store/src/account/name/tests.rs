//! Which addresses are taken.

use super::{Email, PersonId, Subject};

#[test]
fn addresses_are_folded_and_plain() {
    for (text, folded) in [
        (" Ada@Example.COM ", "ada@example.com"),
        ("o'brien+x@mail.example", "o'brien+x@mail.example"),
        ("root@localhost", "root@localhost"),
        ("a@xn--bcher-kva.example", "a@xn--bcher-kva.example"),
    ] {
        assert_eq!(Email::parse(text).unwrap().as_str(), folded);
    }
    let long = format!("a@{}.example", "b".repeat(200));
    for text in [
        "",
        "ada",
        "@example.com",
        "ada@",
        "ada@@example.com",
        "a@b@c",
        "ada@example..com",
        "ada@-example.com",
        "ada @example.com",
        "ada@exam ple.com",
        "ada\n@example.com",
        "\"ada\"@example.com",
        "<ada@example.com>",
        "ada@example.com,eve@example.com",
        "\u{430}da@example.com",
        "ada@ex\u{e4}mple.com",
        "ada@[127.0.0.1]",
        &long,
    ] {
        assert!(Email::parse(text).is_err(), "{text:?}");
    }
}

#[test]
fn an_address_is_an_actor_and_has_a_domain() {
    let email = Email::parse(&format!("{}@{}.example", "a".repeat(64), "b".repeat(63))).unwrap();
    assert!(email.actor().unwrap().as_str().starts_with("user:aaa"));
    assert_eq!(Email::parse("ada@Example.com").unwrap().domain(), "example.com");
}

#[test]
fn ids_and_subjects_have_their_form() {
    let id = PersonId::from_bytes([7; 16]);
    assert_eq!(PersonId::parse(id.as_str()).unwrap(), id);
    for wrong in ["", "usr_", "grt_00000000000000000000000000", "usr_0000000000000000000000000!"] {
        assert!(PersonId::parse(wrong).is_err(), "{wrong}");
    }
    assert!(Subject::parse("https://issuer.example", "").is_err());
    assert!(Subject::parse("https://issuer.example", &"s".repeat(256)).is_err());
    assert!(Subject::parse("https://issuer.example", "a\nb").is_err());
    assert!(Subject::parse("https://issuer.example", "248289761001").is_ok());
}
