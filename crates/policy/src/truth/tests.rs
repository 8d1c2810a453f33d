//! The whole truth table.

use super::Truth::{self, False as F, True as T, Undefined as U};

#[test]
fn the_table() {
    let table = [
        // left, right, and, or
        (T, T, T, T),
        (T, F, F, T),
        (T, U, U, T),
        (F, T, F, T),
        (F, F, F, F),
        (F, U, F, U),
        (U, T, U, T),
        (U, F, F, U),
        (U, U, U, U),
    ];
    for (left, right, and, or) in table {
        assert_eq!(left.and(right), and, "{left:?} and {right:?}");
        assert_eq!(left.or(right), or, "{left:?} or {right:?}");
        assert_eq!(!left.and(right), (!left).or(!right), "De Morgan: {left:?} {right:?}");
    }
    assert_eq!((!T, !F, !U), (F, T, U));
    assert_eq!((Truth::from(true), Truth::from(false)), (T, F));
    assert!(T.is_true() && F.is_false() && U.is_undefined());
    assert!(!U.is_true() && !U.is_false() && !T.is_undefined());
}
