use super::*;

/// The expected value was made with OpenSSL:
/// `printf '1767225600.{"a":1}' | openssl dgst -sha256 -hmac shared-secret-of-the-receiver`.
#[test]
fn a_signature_is_the_hmac_of_time_and_body() {
    let secret = Secret::new("shared-secret-of-the-receiver".to_owned());
    let signature = sign_delivery(&secret, 1_767_225_600, br#"{"a":1}"#);
    assert_eq!(signature, "v1=6c7d77f4eeeb2bd9145444cd50ac35ac88a155ba2ac0102a66852442101d9d57");
}
