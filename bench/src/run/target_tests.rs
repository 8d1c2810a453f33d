use super::{Kind, Setup, Target};
use crate::workload::Workload;

fn listed(kind: Kind, workload: Workload) -> usize {
    let address = "127.0.0.1:1".parse().unwrap();
    Target { setup: kind.setup(workload), ..Target::direct(address) }.listed(workload)
}

#[test]
fn a_gateway_hides_a_tenth_of_a_long_list() {
    assert_eq!(listed(Kind::Proxy, Workload::W4), 201);
    assert_eq!(listed(Kind::Portcullis, Workload::W4), 181);
    assert_eq!(listed(Kind::Portcullis, Workload::W1), 11);
}

#[test]
fn set_ups_are_what_the_tables_say() {
    let tools = |kind: Kind| {
        let setup: Setup = kind.setup(Workload::W6).unwrap();
        (setup.tools, setup.conditions, setup.audit)
    };
    assert_eq!(tools(Kind::Portcullis), (10, 2, "buffered"));
    assert_eq!(tools(Kind::PortcullisDurable), (10, 2, "durable"));
    assert_eq!(tools(Kind::Portcullis500), (500, 5, "buffered"));
    let rule = Kind::Portcullis500.setup(Workload::W6).unwrap().policy();
    let conditions = rule.pointer("/tools/tool_005/require/0/conditions").unwrap();
    assert_eq!(conditions.as_array().unwrap().len(), 5);
}

#[test]
fn every_workload_is_compared_with_the_floor() {
    for workload in Workload::ALL {
        let of = Kind::ALL.into_iter().filter(|kind| kind.is_for(workload));
        assert!(of.clone().count() >= 2 && of.clone().next() == Some(Kind::Proxy));
    }
}
