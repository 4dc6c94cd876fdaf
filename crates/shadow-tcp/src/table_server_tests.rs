//! Servers as the table tells of them: whether they took a connection, and when they closed it.

use super::super::super::servers::{Expected, Servers};
use super::*;

impl Fixture {
    /// The same, told whose answers to expect.
    fn expecting(mut self, expected: Expected) -> Self {
        self.table = self.table.with_servers(Servers::new(expected));
        self
    }

    /// A connection that the server has taken: the client's first byte is 100, the server's 700.
    fn taken() -> Self {
        let mut table = Self::requests().expecting(Expected::Nobody);
        table.push(Request, SYN, 99, "");
        table.push_acknowledging(Response, SYN | ACK, 699, 100, "");
        table
    }

    /// Data of the client, which acknowledges the server's bytes up to `heard`.
    fn send(&mut self, sequence: u32, heard: u32, payload: &str) -> Vec<String> {
        self.push_acknowledging(Request, ACK, sequence, heard, payload)
    }
}

#[test]
fn a_connection_counts_once_the_client_acknowledges_the_syn_ack() {
    let mut table = Fixture::requests().expecting(Expected::Nobody);
    assert_eq!(
        table.push(Request, SYN, 99, ""),
        ["1 open Syn", "1 server Awaited"]
    );
    assert_eq!(
        table.push_acknowledging(Response, SYN | ACK, 699, 100, ""),
        [""; 0]
    );
    assert_eq!(
        table.send(100, 700, "ask"),
        ["1 server Accepted", "1 Request ask"]
    );
    assert_eq!(table.pass(2), [""; 0]);
    let counters = table.table.counters();
    assert_eq!((counters.unanswered, counters.one_way), (0, 0));
}

#[test]
fn an_answer_that_comes_behind_the_data_proves_them() {
    let mut table = Fixture::requests().expecting(Expected::Everybody);
    table.push(Request, SYN, 99, "");
    assert_eq!(table.send(100, 700, "ask"), ["1 Request ask"]);
    assert_eq!(table.push_acknowledging(Request, FIN, 103, 700, "").len(), 1);
    assert_eq!(
        table.push_acknowledging(Response, SYN | ACK, 699, 100, ""),
        ["1 server Accepted", "1 close Finished"]
    );
}

#[test]
fn a_client_may_have_heard_a_greeting_before_it_asks() {
    // SETTINGS of HTTP/2, say: data of a server are not seen where no answers are asked for.
    let mut table = Fixture::taken();
    assert_eq!(
        table.send(100, 700 + 1024, "ask"),
        ["1 server Accepted", "1 Request ask"]
    );
    // The same where the server's answer is seen behind them.
    let mut table = Fixture::requests().expecting(Expected::Everybody);
    table.push(Request, SYN, 99, "");
    assert_eq!(table.send(100, 709, "ask"), ["1 Request ask"]);
    assert_eq!(
        table.push_acknowledging(Response, SYN | ACK, 699, 100, ""),
        ["1 server Accepted"]
    );
    let mut table = Fixture::taken();
    assert_eq!(table.send(100, 699, "ask"), ["1 Request ask"]);
    let mut table = Fixture::taken();
    assert_eq!(table.send(100, 700 + 1025, "ask"), ["1 Request ask"]);
}

#[test]
fn data_that_acknowledge_another_number_prove_nothing() {
    let mut table = Fixture::taken();
    assert_eq!(table.send(100, 12_345, "ask"), ["1 Request ask"]);
    assert_eq!(table.pass(1), ["1 server Silent"]);
    assert_eq!(table.table.counters().unanswered, 1);
    // Whoever it was, the client that the server has answered goes on.
    assert_eq!(table.send(103, 700, "x"), ["1 server Accepted", "1 Request x"]);
}

#[test]
fn a_server_that_answers_others_refused_the_unanswered() {
    let mut table = Fixture::taken();
    table.port = 2;
    table.push(Request, SYN, 99, "");
    assert_eq!(table.send(100, 1, "forged"), ["2 Request forged"]);
    assert_eq!(table.pass(1), ["2 server Silent"]);
    // Also when it ends before that is known.
    table.port = 3;
    table.push(Request, SYN, 99, "");
    table.send(100, 1, "forged");
    assert_eq!(
        table.push(Request, RST, 106, ""),
        ["3 server Silent", "3 close Reset"]
    );
    assert_eq!(table.table.counters().unanswered, 2);
}

#[test]
fn of_a_server_that_is_never_seen_nothing_is_told_by_its_silence() {
    let mut table = Fixture::requests().expecting(Expected::Nobody);
    table.push(Request, SYN, 99, "");
    assert_eq!(table.send(100, 700, "ask"), ["1 Request ask"]);
    assert_eq!(table.push(Request, FIN, 103, ""), ["1 Request finished"]);
    assert_eq!(table.pass(1), ["1 server Unseen", "1 close Finished"]);
    assert_eq!(table.table.counters().one_way, 1);
    assert_eq!(table.table.out_of_sight(), Some(flow(1).server));
    // Nor do the ports of a connection that goes on tell that another began.
    table.port = 2;
    table.push(Request, SYN, 99, "");
    assert_eq!(
        table.push(Request, SYN, 5000, ""),
        ["2 close Reused", "2 open Doubtful"]
    );
}

#[test]
fn what_came_with_the_syn_is_taken_by_an_answer_that_acknowledges_it() {
    let mut table = Fixture::requests().expecting(Expected::Everybody);
    assert_eq!(
        table.push(Request, SYN, 99, "fast"),
        ["1 open Syn", "1 server Awaited", "1 Request fast"]
    );
    assert_eq!(
        table.push_acknowledging(Response, SYN | ACK, 699, 104, ""),
        ["1 server Accepted"]
    );
    // A server that does not take it is sent it again.
    table.port = 2;
    table.push(Request, SYN, 99, "fast");
    assert_eq!(
        table.push_acknowledging(Response, SYN | ACK, 699, 100, ""),
        [""; 0]
    );
    assert_eq!(table.send(100, 700, "fast"), ["2 server Accepted"]);
}

#[test]
fn a_server_that_closes_tells_what_it_has_received() {
    let mut table = Fixture::taken();
    table.send(100, 700, "ask");
    assert_eq!(
        table.push_acknowledging(Response, FIN, 750, 103, ""),
        ["1 server Closed(103)"]
    );
    // Bytes that the client cannot have sent.
    assert_eq!(table.push_acknowledging(Response, FIN, 750, 1 << 30, ""), [""; 0]);
}

#[test]
fn what_only_a_server_with_a_connection_sends_proves_it() {
    let mut table = Fixture::both().expecting(Expected::Everybody);
    table.push(Request, SYN, 99, "");
    table.send(100, 700, "ask");
    assert_eq!(
        table.push_acknowledging(Response, ACK, 700, 103, "answer"),
        ["1 server Accepted", "1 Response answer"]
    );
    table.port = 2;
    table.push(Request, SYN, 99, "");
    table.send(100, 700, "ask");
    assert_eq!(
        table.push_acknowledging(Response, FIN, 700, 103, ""),
        ["2 server Accepted", "2 Response finished", "2 server Closed(103)"]
    );
}

#[test]
fn a_port_used_again_behind_a_servers_reset_is_a_new_connection() {
    let mut table = Fixture::requests().expecting(Expected::Nobody);
    for number in 0..4 {
        let (client, server) = (1000 + number * 7_000_000, 9000 + number * 3_000_000);
        assert_eq!(
            table.push(Request, SYN, client, ""),
            ["1 open Syn", "1 server Awaited"]
        );
        table.push_acknowledging(Response, SYN | ACK, server, client + 1, "");
        assert_eq!(
            table.send(client + 1, server + 1, "ask"),
            ["1 server Accepted", "1 Request ask"]
        );
        assert_eq!(
            table.push_acknowledging(Response, RST | ACK, server + 41, client + 4, ""),
            [
                format!("1 server Closed({})", client + 4),
                "1 close Reset".to_owned()
            ]
        );
        table.pass(1);
    }
    assert_eq!(table.table.counters().mid_stream, 0);
}

#[test]
fn a_reused_port_is_a_new_connection_once_answered() {
    let mut table = Fixture::taken();
    table.send(100, 700, "ask");
    assert_eq!(table.push(Request, SYN, 5000, ""), [""; 0]);
    assert_eq!(
        table.push_acknowledging(Response, SYN | ACK, 899, 5001, ""),
        ["1 close Reused", "1 open Syn", "1 server Awaited"]
    );
    assert_eq!(
        table.send(5001, 900, "new"),
        ["1 server Accepted", "1 Request new"]
    );
    // In the middle of an upload, Linux answers a SYN with a challenge that is none.
    assert_eq!(table.push(Request, SYN, 7000, ""), [""; 0]);
    assert_eq!(table.push_acknowledging(Response, ACK, 900, 5004, ""), [""; 0]);
    assert_eq!(table.send(5004, 900, " upload"), ["1 Request  upload"]);
}

#[test]
fn a_reset_of_an_unwatched_server_is_told_by_what_it_acknowledges() {
    for (flags, sequence, acknowledgment, obeyed) in [
        // A close with bytes unread, and one that comes while more of them are under way.
        (RST | ACK, 5_000_000, 103, true),
        (RST | ACK, 700, 100, true),
        (RST | ACK, 700, 1_000_000, false),
        // A segment for a connection that is gone: at what it acknowledged.
        (RST, 700, 0, true),
        (RST, 3_000_000_000, 0, false),
    ] {
        let mut table = Fixture::taken();
        table.send(100, 700, "ask");
        table.push_acknowledging(Response, flags, sequence, acknowledgment, "");
        let counters = table.table.counters();
        assert_eq!(
            (counters.reset == 1, counters.out_of_window == 0),
            (obeyed, obeyed),
            "{flags:?} {sequence} {acknowledgment}"
        );
    }
}

#[test]
fn new_bytes_behind_a_reset_are_told_once() {
    let mut table = Fixture::taken();
    table.send(100, 700, "ask");
    table.push_acknowledging(Response, RST | ACK, 700, 103, "");
    assert_eq!(table.send(100, 700, "ask"), [""; 0]);
    assert_eq!(table.send(101, 700, "sk more"), ["1 late  more"]);
    assert_eq!(table.send(103, 700, " more"), [""; 0]);
    assert_eq!(table.table.counters().after_close_bytes, 15);
}

#[test]
fn a_connection_may_begin_with_the_servers_answer() {
    let mut table = Fixture::requests().expecting(Expected::Nobody);
    assert_eq!(
        table.push_acknowledging(Response, SYN | ACK, 699, 100, ""),
        ["1 open Syn", "1 server Awaited"]
    );
    assert_eq!(
        table.send(100, 700, "ask"),
        ["1 server Accepted", "1 Request ask"]
    );
    // Also behind one on the same ports that has ended.
    table.push_acknowledging(Request, RST, 103, 700, "");
    assert_eq!(
        table.push_acknowledging(Response, SYN | ACK, 899, 5001, ""),
        ["1 open Syn", "1 server Awaited"]
    );
}

#[test]
fn forged_data_push_no_idle_connection_out_of_the_table() {
    let mut table = Fixture::requests().expecting(Expected::Nobody);
    for port in 1..=8 {
        table.port = port;
        table.push(Request, SYN, 99, "");
        table.push_acknowledging(Response, SYN | ACK, 699, 100, "");
        table.send(100, 700, "ask");
    }
    for port in 100..=200 {
        table.port = port;
        table.push(Request, SYN, 99, "");
        table.send(100, 12_345, "forged");
    }
    for port in 1..=8 {
        table.port = port;
        assert_eq!(table.send(103, 700, "x"), [format!("{port} Request x")]);
    }
}
