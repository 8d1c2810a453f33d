//! The words of classes and risks.

use super::{Class, Risk};

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
