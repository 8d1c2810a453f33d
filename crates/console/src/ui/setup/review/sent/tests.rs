use policy::Class;

use super::{Answer, ChosenClass, Doing, Sent};

fn sent(text: &str) -> Result<Sent, crate::ops::OpError> {
    Sent::read(serde_urlencoded::from_str(text).unwrap())
}

#[test]
fn the_fields_of_a_row_follow_its_tool() {
    let form = "view_from=100&tool=a&tick=1&class=read&answer=deny&tool=b&class=&answer=allow\
                &all_answer=ask&all_class=same&do=ticked";
    let sent = sent(form).unwrap();
    assert_eq!((sent.doing, sent.ticked(), sent.view.from), (Doing::Ticked, 1, 100));
    let choices: Vec<_> = sent.choices().into_iter().map(|c| (c.tool, c.answer)).collect();
    assert_eq!(choices, [("a".to_owned(), Answer::Ask), ("b".to_owned(), Answer::Allow)]);
    assert_eq!(sent.rows[0].class, Some(ChosenClass(Some(Class::Read))));
    assert_eq!(sent.rows[1].class, Some(ChosenClass(None)));
}

#[test]
fn what_is_chosen_for_ticked_rows_needs_its_button() {
    let sent = sent("tool=a&tick=1&answer=deny&all_answer=allow&do=keep").unwrap();
    assert_eq!(sent.choices()[0].answer, Answer::Deny);
}

#[test]
fn words_that_are_none_are_refused() {
    for form in ["answer=allow", "tool=a&answer=maybe", "tool=a&class=harmless", "all_class=x"] {
        assert!(sent(form).is_err(), "{form}");
    }
}
