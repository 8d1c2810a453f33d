use proptest::prelude::*;

use super::*;

#[test]
fn a_token_has_the_documented_form() {
    let token = Token::make([255; 32]);
    assert_eq!(token.expose().len(), 53);
    assert!(token.expose().starts_with("pcl_"));
    assert_eq!(Token::make([0; 32]).expose().get(..47).unwrap(), format!("pcl_{}", "0".repeat(43)));
    // 2^256 - 1 in base 62, worked out by hand with arbitrary-precision arithmetic.
    let digits = token.expose().get(4..47).unwrap();
    let value = digits.bytes().fold([0_u8; 32], |mut number, digit| {
        let mut carry = u32::try_from(BASE62.iter().position(|b| *b == digit).unwrap()).unwrap();
        for byte in number.iter_mut().rev() {
            let value = u32::from(*byte) * 62 + carry;
            *byte = u8::try_from(value & 255).unwrap();
            carry = value >> 8;
        }
        assert_eq!(carry, 0);
        number
    });
    assert_eq!(value, [255; 32]);
}

#[test]
fn debug_prints_no_secret() {
    let token = Token::make([7; 32]);
    assert_eq!(format!("{token:?}"), "Token([secret])");
    assert_eq!(format!("{:?}", token.hash()), "TokenHash(..)");
}

#[test]
fn configured_tokens_are_16_to_256_visible_characters() {
    assert!(Token::parse_configured("0123456789abcde").is_err());
    assert!(Token::parse_configured("0123456789abcdef").is_ok());
    assert!(Token::parse_configured(&"x".repeat(256)).is_ok());
    assert_eq!(Token::parse_configured(&"x".repeat(257)).unwrap_err(), TokenError::Form);
    assert_eq!(Token::parse_configured("0123456789 abcdef").unwrap_err(), TokenError::Form);
    assert_eq!(Token::parse_configured("0123456789\u{e4}abcdef").unwrap_err(), TokenError::Form);
}

proptest! {
    #[test]
    fn made_tokens_parse_and_one_wrong_character_does_not(
        random in any::<[u8; 32]>(),
        place in 4_usize..53,
        other in "[0-9A-Za-z]",
    ) {
        let token = Token::make(random);
        let text = token.expose();
        prop_assert!(Token::parse(text).is_ok());
        prop_assert_eq!(Token::parse_configured(text).unwrap().hash(), token.hash());
        let mut wrong = text.to_owned();
        wrong.replace_range(place..=place, &other);
        if wrong != text {
            prop_assert_eq!(Token::parse(&wrong).unwrap_err(), TokenError::Check);
        }
    }
}
