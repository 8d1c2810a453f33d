//! Exact decimals against a naive reading of the same text.

use std::cmp::Ordering;

use proptest::prelude::*;

use super::{Decimal, Micro};

/// A number as sign, digits and exponent of the last digit.
#[derive(Debug, Clone)]
struct Naive {
    negative: bool,
    digits: String,
    exponent: i64,
}

fn naive(text: &str) -> Naive {
    let (negative, rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (mantissa, exponent) = rest.split_once(['e', 'E']).unwrap_or((rest, "0"));
    let (integer, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    Naive {
        negative,
        digits: format!("{integer}{fraction}"),
        exponent: exponent.parse::<i64>().unwrap() - i64::try_from(fraction.len()).unwrap(),
    }
}

/// Both scaled to one exponent, padded to one length, compared as text.
fn naive_cmp(left: &Naive, right: &Naive) -> Ordering {
    let exponent = left.exponent.min(right.exponent);
    let scaled = |n: &Naive| {
        let zeros = usize::try_from(n.exponent - exponent).unwrap();
        let digits = format!("{}{}", n.digits, "0".repeat(zeros));
        digits.trim_start_matches('0').to_owned()
    };
    let (l, r) = (scaled(left), scaled(right));
    let absolute = l.len().cmp(&r.len()).then_with(|| l.cmp(&r));
    match (left.negative && !l.is_empty(), right.negative && !r.is_empty()) {
        (false, false) => absolute,
        (true, true) => absolute.reverse(),
        (true, false) => Ordering::Less,
        (false, true) => Ordering::Greater,
    }
}

fn number_text() -> impl Strategy<Value = String> {
    let exponent = prop_oneof![
        Just(String::new()),
        (-40_i32..40).prop_map(|e| format!("e{e}")),
        (0_i32..1001).prop_map(|e| format!("E+{e}")),
        (-1000_i32..0).prop_map(|e| format!("e{e}")),
    ];
    ("-?(0|[1-9][0-9]{0,12})(\\.(0|[0-9]{1,12}))?", exponent).prop_map(|(m, e)| format!("{m}{e}"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn order_is_that_of_the_digits(left in number_text(), right in number_text()) {
        let ours = Decimal::parse(&left).unwrap().cmp(&Decimal::parse(&right).unwrap());
        prop_assert_eq!(ours, naive_cmp(&naive(&left), &naive(&right)));
        prop_assert_eq!(ours == Ordering::Equal, Decimal::parse(&left) == Decimal::parse(&right));
    }

    #[test]
    fn near_numbers_are_told_apart(n in any::<i64>(), zeros in 0_usize..4, shift in -3_i32..4) {
        let same = format!("{n}.{}e{shift}", "0".repeat(zeros + 1));
        prop_assert_eq!(Decimal::parse(&same), Decimal::parse(&format!("{n}e{shift}")));
        let above = format!("{n}.{}1e{shift}", "0".repeat(zeros));
        prop_assert_ne!(Decimal::parse(&above), Decimal::parse(&format!("{n}e{shift}")));
    }

    #[test]
    fn the_normal_form_is_the_same_number(text in number_text()) {
        let number = Decimal::parse(&text).unwrap();
        let shown = number.to_string();
        prop_assert_eq!(naive_cmp(&naive(&shown), &naive(&text)), Ordering::Equal);
        prop_assert!(!shown.contains(['e', 'E']));
        if shown.len() < 1000 {
            prop_assert_eq!(Decimal::parse(&shown), Some(number));
        }
    }

    #[test]
    fn millionths_round_up(whole in 0_u64..1_000_000_000_000, fraction in "[0-9]{1,12}") {
        let number = Decimal::parse(&format!("{whole}.{fraction}")).unwrap();
        let padded = format!("{fraction:0<12}");
        let picos: u128 = u128::from(whole) * 10_u128.pow(12) + padded.parse::<u128>().unwrap();
        let ceil = u64::try_from(picos.div_ceil(1_000_000)).unwrap();
        prop_assert_eq!(number.to_micro_ceil(), Some(Micro(ceil)));
        let exact = picos.is_multiple_of(1_000_000).then_some(Micro(ceil));
        prop_assert_eq!(number.to_micro_exact(), exact);
    }

    #[test]
    fn any_text_is_a_number_or_not(text in "[-+0-9.eE]{0,12}") {
        let json = serde_json::from_str::<serde_json::Value>(&text).is_ok();
        if let Some(number) = Decimal::parse(&text) {
            prop_assert!(json, "{}", text);
            let _ = (number.to_string(), number.to_micro_ceil(), number.to_u64());
        }
    }
}

fn decimal(text: &str) -> Decimal {
    Decimal::parse(text).unwrap_or_else(|| panic!("{text}"))
}

#[test]
fn equal_however_written() {
    for (left, right) in
        [("1", "1.0"), ("1", "1e0"), ("0", "-0.0e5"), ("10e399", "1e400"), ("0.10", "1e-1")]
    {
        assert_eq!(decimal(left), decimal(right), "{left} {right}");
    }
    assert_ne!(decimal("9007199254740993"), decimal("9007199254740992"));
    assert!(decimal("1e-400") > decimal("0"));
    assert!(decimal("0.30000000000000000001") > decimal("0.3"));
}

#[test]
fn bounds_of_digits_and_exponent() {
    let ones = "1".repeat(1000);
    assert!(Decimal::parse(&ones).is_some());
    assert!(Decimal::parse(&format!("{ones}1")).is_none());
    assert!(Decimal::parse(&format!("0.{}", "1".repeat(999))).is_some());
    assert!(Decimal::parse(&format!("0.{ones}")).is_none());
    for (text, has_value) in [
        ("1e1000", true),
        ("1e1001", false),
        ("-1e1000", true),
        ("1e-1000", true),
        ("1e-1001", false),
        ("0e1001", false),
        ("1e00001000", true),
        ("1e99999999999999999999", false),
    ] {
        assert_eq!(Decimal::parse(text).is_some(), has_value, "{text}");
    }
    for text in
        ["", "-", "01", "+1", "1.", ".1", "1e", "1e+", "0x1", " 1", "1 ", "١", "1e5.0", "NaN"]
    {
        assert!(Decimal::parse(text).is_none(), "{text}");
    }
}

#[test]
fn integers() {
    for (text, number) in [
        ("0", Some(0)),
        ("5.0", Some(5)),
        ("1e3", Some(1000)),
        ("18446744073709551615", Some(u64::MAX)),
        ("18446744073709551616", None),
        ("1.5", None),
        ("-1", None),
        ("1e-1", None),
        ("1e30", None),
    ] {
        assert_eq!(decimal(text).to_u64(), number, "{text}");
    }
    assert!(
        decimal("1e30").is_integer() && decimal("0").is_integer() && !decimal("0.5").is_integer()
    );
    for n in 0..=255 {
        assert_eq!(Decimal::from_u8(n), decimal(&n.to_string()));
    }
}

#[test]
fn millionths_at_the_edges() {
    assert_eq!(decimal("1e-1000").to_micro_ceil(), Some(Micro(1)));
    assert_eq!(decimal("-0.0").to_micro_ceil(), Some(Micro(0)));
    assert_eq!(decimal("-1e-9").to_micro_ceil(), None);
    assert_eq!(decimal("1e1000").to_micro_ceil(), Some(Micro(u64::MAX)));
    assert_eq!(decimal("18446744073709.551615").to_micro_ceil(), Some(Micro(u64::MAX)));
    assert_eq!(decimal("18446744073709.5516151").to_micro_ceil(), Some(Micro(u64::MAX)));
    assert_eq!(decimal("1000000000000").to_micro_exact(), Some(Micro::LIMIT_MAX));
    assert_eq!(decimal("1000000000000.000001").to_micro_exact(), None);
    assert_eq!(decimal("0.0000001").to_micro_exact(), None);
    assert_eq!(Micro(300_000).to_string(), "0.3");
    assert_eq!(Micro(2_000_000).to_string(), "2");
}
