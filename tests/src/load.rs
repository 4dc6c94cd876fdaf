//! Load whose every request is known: each has its own X-Id, each is answered before the load ends, so that
//! both access logs must hold exactly the same. (wrk breaks off inside requests when its time is over.)

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::Netns;
use crate::client::{Connection, get};

/// `connections` clients in parallel, each sending `each` requests one after another over one connection.
/// Gives the number of requests.
pub fn keep_alive(netns: &Netns, to: SocketAddr, connections: usize, each: usize) -> u64 {
    in_parallel(connections, |client| {
        let mut connection = Connection::open(netns, to);
        for number in 0..each {
            let response = connection.get(
                &format!("/keep-alive/{client}/{number}"),
                &format!("{client}-{number}"),
            );
            assert_eq!(response.status, 200);
        }
    });
    (connections * each) as u64
}

/// `connections` connections that are all open at once, with `rounds` requests on each: a round is written to
/// all of them before its first response is read. Gives the number of requests.
pub fn at_once(netns: &Netns, to: SocketAddr, connections: usize, rounds: usize) -> u64 {
    let mut open: Vec<_> = (0..connections).map(|_| Connection::open(netns, to)).collect();
    for round in 0..rounds {
        for (client, connection) in open.iter_mut().enumerate() {
            connection.send(get(&format!("/at-once/{client}"), &format!("{client}-{round}")));
        }
        for connection in &mut open {
            assert_eq!(connection.response().status, 200);
        }
    }
    (connections * rounds) as u64
}

/// A new connection for each request, closed by the server: `rate` a second for `duration`. Gives the number
/// of requests.
pub fn closing(netns: &Netns, to: SocketAddr, rate: u32, duration: Duration) -> u64 {
    let requests = in_all(rate, duration);
    let start = Instant::now();
    let clients = 16;
    in_parallel(clients, |client| {
        for number in (client..requests).step_by(clients) {
            wait_until(start + Duration::from_secs_f64(number as f64 / f64::from(rate)));
            let mut connection = Connection::open(netns, to);
            connection.send(format!(
                "GET /closing/{number} HTTP/1.1\r\nHost: production.test\r\nX-Id: {number}\r\nConnection: close\r\n\r\n"
            ));
            assert_eq!(connection.response().status, 200);
            connection.read_to_close();
        }
    });
    requests as u64
}

/// Requests at `rate` a second in `duration`.
fn in_all(rate: u32, duration: Duration) -> usize {
    (u128::from(rate) * duration.as_millis() / 1000) as usize
}

fn wait_until(due: Instant) {
    let wait = due.saturating_duration_since(Instant::now());
    if !wait.is_zero() {
        std::thread::sleep(wait);
    }
}

fn in_parallel(clients: usize, work: impl Fn(usize) + Sync) {
    let work = &work;
    std::thread::scope(|scope| {
        for client in 0..clients {
            scope.spawn(move || work(client));
        }
    });
}
