//! Values that production issues more than once before the output has answered.

use super::*;

const POST: &str = "POST /new HTTP/1.1\r\nCookie: token=3f7c9a1be05d42c8\r\nContent-Length: 0\r\n\r\n";

/// A page with a form, and so many rows with a form in each.
fn page(token: &str, rows: usize) -> String {
    let form = format!("<form><input type=hidden name=csrf value={token}></form>");
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n{}",
        form.repeat(rows)
    )
}

const OURS: &str = "3f7c9a1be05d42c8";
const THEIRS: &str = "0e9d81c7aa46b35f";

#[test]
fn a_form_in_each_row_has_one_token_however_many_rows_there_are() {
    let mut sides = Sides::new();
    sides.answered("GET /list HTTP/1.1\r\n\r\n", &page(OURS, 3), &page(THEIRS, 4));
    assert!(sides.rewritten(POST).contains(THEIRS));
}

#[test]
fn a_token_that_was_not_given_is_waited_for_once_issued_again() {
    let mut sides = Sides::new();
    let (list, form) = ("GET /list HTTP/1.1\r\n\r\n", "GET /form HTTP/1.1\r\n\r\n");
    let (first, second) = (sides.sent(list), sides.sent(form));
    sides.production(first, &page(OURS, 1));
    sides.production(second, &page(OURS, 1));
    sides.own(first, "HTTP/1.1 500 X\r\n\r\n");
    let looked_up = sides.looked_up(POST);
    assert_eq!((looked_up.pending, looked_up.missing), (1, 0));
    sides.own(second, &page(THEIRS, 1));
    assert!(sides.rewritten(POST).contains(THEIRS));
}

#[test]
fn a_token_that_nobody_gives_is_missing() {
    let mut sides = Sides::new();
    let list = "GET /list HTTP/1.1\r\n\r\n";
    for last in [1, 0] {
        let both = [sides.sent(list), sides.sent(list)];
        for exchange in both {
            sides.production(exchange, &page(OURS, 1));
        }
        sides.own(both[1 - last], "HTTP/1.1 500 X\r\n\r\n");
        sides.own(both[last], "HTTP/1.1 500 X\r\n\r\n");
        let looked_up = sides.looked_up(POST);
        assert_eq!((looked_up.pending, looked_up.missing), (0, 1), "{last}");
    }
}
