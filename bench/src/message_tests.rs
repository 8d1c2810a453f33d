use super::{
    Expected, FIRST_ID, Fault, call_answer, call_answer_end, list_answer, list_answer_end, request,
    tools,
};
use crate::workload::{Shape, Workload};

fn expected(shape: Shape) -> Expected {
    Expected { shape, request_bytes: request(&shape).len(), tools: shape.tools + 1 }
}

fn answer(shape: &Shape, id: u64) -> String {
    let received = request(shape).len();
    call_answer(&id.to_string(), received) + &call_answer_end(shape)
}

#[test]
fn sizes_are_what_the_workload_says() {
    let small = Workload::W1.shape();
    assert!((195..=205).contains(&request(&small).len()), "{}", request(&small).len());
    assert!((170..=220).contains(&answer(&small, FIRST_ID).len()), "{}", answer(&small, 1).len());
    let large = request(&Workload::W3.shape()).len();
    assert!((64 * 1024..66 * 1024).contains(&large), "{large}");
    let list = Workload::W4.shape();
    assert!(tools(&list).iter().all(|tool| (1000..1050).contains(&tool.to_string().len())));
}

#[test]
fn the_mock_servers_own_answers_are_right() {
    for workload in [Workload::W1, Workload::W3] {
        let shape = workload.shape();
        assert_eq!(expected(shape).check(answer(&shape, 7).as_bytes(), 7), Ok(()));
    }
    let shape = Workload::W2.shape();
    let event = format!("event: message\ndata: {}\n\n", answer(&shape, 7));
    assert_eq!(expected(shape).check(event.as_bytes(), 7), Ok(()));
    let shape = Workload::W4.shape();
    let list = list_answer("7") + &list_answer_end(&shape);
    assert_eq!(expected(shape).check(list.as_bytes(), 7), Ok(()));
}

#[test]
fn other_answers_do_not_count() {
    let shape = Workload::W1.shape();
    let checked = |body: &str| expected(shape).check(body.as_bytes(), 7);
    assert!(matches!(checked(&answer(&shape, 8)), Err(Fault::Wrong(_))));
    assert!(matches!(checked(""), Err(Fault::Wrong(_))));
    assert!(matches!(checked(r#"{"jsonrpc":"2.0","id":7,"result":{}}"#), Err(Fault::Wrong(_))));
    let shorter = call_answer("7", 1) + &call_answer_end(&shape);
    assert!(matches!(checked(&shorter), Err(Fault::Wrong(_))), "the server saw another request");
    let shape = Workload::W4.shape();
    let list = list_answer("7") + &list_answer_end(&shape);
    let fewer = Expected { tools: 180, ..expected(shape) };
    assert!(matches!(fewer.check(list.as_bytes(), 7), Err(Fault::Wrong(_))));
}

#[test]
fn a_refusal_is_seen_as_one() {
    let shape = Workload::W1.shape();
    let refused = answer(&shape, 7).replace("\"isError\":false", "\"isError\":true");
    assert!(matches!(expected(shape).check(refused.as_bytes(), 7), Err(Fault::Denied(_))));
    let error = r#"{"jsonrpc":"2.0","id":7,"error":{"code":1003,"message":"denied by policy"}}"#;
    assert!(matches!(expected(shape).check(error.as_bytes(), 7), Err(Fault::Denied(_))));
}
