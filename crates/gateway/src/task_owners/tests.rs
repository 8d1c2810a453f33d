use store::{GrantId, ServerSlug};

use super::{TASK_ID_BYTES_MAX, TASKS_MAX, TaskOwners};

fn slug(text: &str) -> ServerSlug {
    ServerSlug::parse(text).expect("a slug")
}

#[test]
fn a_task_belongs_to_the_first_who_created_it_on_its_server() {
    let owners = TaskOwners::default();
    let (one, two) = (GrantId::from_bytes([1; 16]), GrantId::from_bytes([2; 16]));
    let (here, there) = (slug("here"), slug("there"));
    owners.created(&here, "t", &one);
    owners.created(&here, "t", &two);
    assert!(owners.owns(&here, "t", &one) && owners.is_foreign(&here, "t", &two));
    assert!(!owners.owns(&there, "t", &one) && !owners.is_foreign(&there, "t", &two));
    owners.created(&there, "t", &two);
    assert!(owners.owns(&there, "t", &two) && owners.owns(&here, "t", &one));
    let long = "t".repeat(TASK_ID_BYTES_MAX + 1);
    owners.created(&here, &long, &one);
    assert!(!owners.owns(&here, &long, &one), "too long to remember");
}

#[test]
fn beyond_the_bound_the_oldest_tasks_are_nobodys() {
    let owners = TaskOwners::default();
    let (one, here, there) = (GrantId::from_bytes([1; 16]), slug("here"), slug("there"));
    owners.created(&there, "first", &one);
    for number in 0..TASKS_MAX {
        owners.created(&here, &number.to_string(), &one);
    }
    assert!(!owners.owns(&there, "first", &one) && owners.owns(&here, "0", &one));
    owners.created(&here, "last", &one);
    assert!(!owners.owns(&here, "0", &one) && owners.owns(&here, "last", &one));
}
