use std::io::{BufReader, Cursor};

use super::{Line, read};

fn all(text: &[u8], bytes_max: usize, buffer: usize) -> Vec<Line> {
    let mut found = Vec::new();
    let from = BufReader::with_capacity(buffer, Cursor::new(text.to_vec()));
    read(from, bytes_max, |line| {
        found.push(line);
        true
    })
    .unwrap();
    found
}

fn whole(text: &'static str) -> Line {
    Line::Whole(text.into())
}

#[test]
fn lines_are_cut_alike_however_they_come() {
    for buffer in [1, 2, 3, 64] {
        let found = all(b"{\"a\":1}\r\n\n  \n[2]\nlast", 64, buffer);
        assert_eq!(found, [whole("{\"a\":1}"), whole("[2]"), whole("last")], "buffer {buffer}");
    }
}

#[test]
fn a_line_over_the_bound_is_dropped_and_the_next_one_is_read() {
    for buffer in [1, 4, 64] {
        let found = all(b"12345678\n123456789\n1\n", 8, buffer);
        assert_eq!(found, [whole("12345678"), Line::TooLong, whole("1")], "buffer {buffer}");
    }
    assert_eq!(all(b"123456789", 8, 4), [Line::TooLong]);
}

#[test]
fn reading_stops_when_nobody_wants_more() {
    let mut seen = 0;
    read(Cursor::new(b"1\n2\n3\n".to_vec()), 8, |_| {
        seen += 1;
        seen < 2
    })
    .unwrap();
    assert_eq!(seen, 2);
}
