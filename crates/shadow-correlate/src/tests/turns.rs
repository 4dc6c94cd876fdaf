//! Requests of one session on several connections.

use super::*;

const PAGE: &str = "GET /page HTTP/1.1\r\nCookie: sid=production0\r\n\r\n";
const DONE: &str = "HTTP/1.1 200 OK\r\n\r\n";

impl Sides {
    fn logged_in() -> Self {
        let mut sides = Self::new();
        let cookie = |value: &str| format!("HTTP/1.1 200 OK\r\nSet-Cookie: sid={value}\r\n\r\n");
        let login = "POST /login HTTP/1.1\r\nContent-Length: 0\r\n\r\n";
        sides.answered(login, &cookie("production0"), &cookie("shadows-own"));
        sides
    }

    /// A request of the session is under way on `connection`: its number, and whether it has to wait.
    fn goes(&mut self, connection: u64) -> (u32, impl Fn(&Self) -> bool + use<>) {
        let number = self.sent(PAGE);
        let carried = self.looked_up(PAGE).carried;
        assert_eq!(carried.len(), 1);
        let turn = lock(&self.map).turn(connection, Timestamp(connection));
        self.exchanges.carries(&number, turn, carried.clone());
        (number, move |sides: &Self| {
            lock(&sides.map).before(turn, &carried).is_some()
        })
    }
}

#[test]
fn what_production_answered_before_is_answered_here_before() {
    let mut sides = Sides::logged_in();
    let (first, _) = sides.goes(1);
    let (_, beside) = sides.goes(2);
    assert!(!beside(&sides), "production had both at once");
    sides.production(first, DONE);
    let (_, next) = sides.goes(3);
    assert!(next(&sides));
    sides.own(first, DONE);
    assert!(!next(&sides));
}

#[test]
fn nobody_waits_for_what_will_not_be_answered() {
    let mut sides = Sides::logged_in();
    let (first, _) = sides.goes(1);
    sides.production(first, DONE);
    let (second, next) = sides.goes(2);
    assert!(next(&sides));
    sides.exchanges.own_lost(&first);
    assert!(!next(&sides));
    sides.production(second, DONE);
    let (_, last) = sides.goes(3);
    assert!(last(&sides));
    let Sides { map, exchanges, .. } = sides;
    drop(exchanges);
    let mut rest = Sides::logged_in();
    rest.map = map;
    assert!(!last(&rest), "its shard is gone");
}
