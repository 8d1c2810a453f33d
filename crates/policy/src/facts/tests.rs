//! The words of classes and risks.

use super::{Class, Risk, counts_as};

#[test]
fn words_are_read_as_they_are_shown() {
    for class in Class::ALL {
        assert_eq!(class.to_string().parse(), Ok(class));
    }
    for risk in Risk::ALL {
        assert_eq!(risk.as_str().parse(), Ok(risk));
    }
    for text in ["", "Read", "@read", "read ", "none"] {
        assert!(text.parse::<Class>().is_err() && text.parse::<Risk>().is_err(), "{text}");
    }
    assert!(Risk::Low < Risk::Critical);
}

#[test]
fn the_class_that_an_operator_gave_is_taken_and_lowers_no_risk() {
    let pinned = (Some(Class::Write), Some(Risk::High));
    assert_eq!(counts_as(pinned, None), pinned);
    assert_eq!(counts_as(pinned, Some(Class::Read)), (Some(Class::Read), Some(Risk::High)));
    let paid = (Some(Class::Financial), Some(Risk::Critical));
    assert_eq!(counts_as(pinned, Some(Class::Financial)), paid);
    assert_eq!(counts_as((None, None), Some(Class::Financial)), paid);
    assert_eq!(counts_as((None, None), None), (None, None));
}
