use super::*;

fn keys(byte: u8) -> Keys {
    Keys::derive(&Secret::new([byte; 32]), Entropy::system()).unwrap()
}

#[test]
fn what_is_sealed_opens_with_the_same_key_at_the_same_place() {
    let sealed = keys(1).seal("server pay", b"Bearer x").unwrap();
    assert_eq!(keys(1).open("server pay", &sealed).unwrap().expose(), b"Bearer x");
    assert!(!sealed.windows(8).any(|part| part == b"Bearer x"));
    assert_eq!(keys(1).open("server crm", &sealed), Err(UnsealError));
    assert_eq!(keys(2).open("server pay", &sealed), Err(UnsealError));
    for place in 0..sealed.len() {
        let mut altered = sealed.clone();
        altered[place] ^= 1;
        assert_eq!(keys(1).open("server pay", &altered), Err(UnsealError), "byte {place}");
        assert!(keys(1).open("server pay", &sealed[..place]).is_err());
    }
    assert_ne!(keys(1).seal("server pay", b"Bearer x").unwrap(), sealed);
}

#[test]
fn a_head_is_signed_by_its_own_key_only() {
    let mac = keys(1).sign(b"head");
    assert!(keys(1).is_signed(b"head", &mac));
    assert!(!keys(2).is_signed(b"head", &mac));
    assert!(!keys(1).is_signed(b"Head", &mac));
    assert_eq!(format!("{:?}", keys(1)), "Keys(..)");
}
