use super::split;

#[test]
fn one_core_is_not_divided() {
    assert_eq!(split(&[0, 1, 2]), (vec![0], vec![1, 2]));
    assert_eq!(split(&[3]), (vec![], vec![]));
}
