use super::{FACTOR, variants};

#[test]
fn each_gateway_has_a_hundred_times_as_many_of_one_thing() {
    let all = variants(1_000_000);
    let (base, others) = all.split_first().unwrap();
    for variant in others {
        let of = |few: usize, many: usize| {
            assert!(many == few || many == few * FACTOR, "{}", variant.name);
            usize::from(many != few)
        };
        let (few, many) = (&base.setup, &variant.setup);
        let rows = |rows: u32| usize::try_from(rows).unwrap();
        let grown = of(few.tools, many.tools)
            + of(few.policies, many.policies)
            + of(few.grants, many.grants)
            + of(base.sessions, variant.sessions)
            + of(rows(base.rows), rows(variant.rows));
        assert_eq!(grown, 1, "{}", variant.name);
    }
    assert_eq!(others.len(), 5);
}
