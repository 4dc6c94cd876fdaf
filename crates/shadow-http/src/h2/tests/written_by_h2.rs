//! Connections that another implementation wrote, both sides of it, over a pair of pipes: what is read of them is what was
//! sent, however they are cut and interleaved; and with holes in them, or joined late, what was sent or nothing.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use super::*;
use crate::chunked_data;

/// A message: its method or status, path, fields, data and trailers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Message {
    line: String,
    fields: Vec<(String, String)>,
    data: Vec<u8>,
    trailers: Vec<(String, String)>,
}

/// An exchange as it is to be.
#[derive(Clone, Debug)]
struct Plan {
    request: Message,
    answer: Message,
    /// Whether `content-length` says how long the request's data is.
    says_length: bool,
    /// Frames that the data comes in.
    parts: usize,
}

/// Bytes of a direction in their order among those of both.
type Wire = Vec<(Direction, Vec<u8>)>;

fn fields() -> impl Strategy<Value = Vec<(String, String)>> {
    let name = prop::sample::select(vec!["x-a", "x-b", "user-agent", "x-trace-id", "accept"]);
    // Few values, so that the table is used; and some that no table holds twice.
    let value = prop_oneof![
        Just("one".to_owned()),
        Just("two words".to_owned()),
        "[a-z0-9;=]{1,300}"
    ];
    prop::collection::vec((name.prop_map(str::to_owned), value), 0..6)
}

fn data() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        3 => Just(Vec::new()),
        3 => prop::collection::vec(any::<u8>(), 1..200),
        1 => (1_usize..60_000).prop_map(|length| vec![b'x'; length]),
    ]
}

fn plan() -> impl Strategy<Value = Plan> {
    let trailers = || prop_oneof![3 => Just(Vec::new()), 1 => fields()];
    let request = (
        prop::sample::select(vec!["GET", "POST", "PUT"]),
        "/[a-z]{0,3}",
        fields(),
        data(),
        trailers(),
    );
    let answer = (
        prop::sample::select(vec![200_u16, 404, 503]),
        fields(),
        data(),
        trailers(),
    );
    (request, answer, any::<bool>(), 1_usize..4).prop_map(|(request, answer, says_length, parts)| Plan {
        request: Message {
            line: format!("{} {}", request.0, request.1),
            fields: request.2,
            data: request.3,
            trailers: request.4,
        },
        answer: Message {
            line: answer.0.to_string(),
            fields: answer.1,
            data: answer.2,
            trailers: answer.3,
        },
        says_length,
        parts,
    })
}

fn plans() -> impl Strategy<Value = Vec<Plan>> {
    prop::collection::vec(plan(), 1..8)
}

fn map(fields: &[(String, String)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in fields {
        let name: HeaderName = name.parse().unwrap();
        map.append(name, HeaderValue::from_str(value).unwrap());
    }
    map
}

/// Fields in the order in which that implementation sends those of a map.
fn ordered(map: &HeaderMap) -> Vec<(String, String)> {
    map.iter()
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
        .collect()
}

/// Bytes of both sides when these exchanges took place at once on one connection.
fn wire_of(plans: &[Plan], table: u32) -> Wire {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let tasks = tokio::task::LocalSet::new();
    tasks.block_on(&runtime, async {
        let (client, client_far) = tokio::io::duplex(1 << 16);
        let (server, server_far) = tokio::io::duplex(1 << 16);
        let wire = tokio::task::spawn_local(carry(client_far, server_far));
        tokio::task::spawn_local(serve(server, plans.to_vec()));
        let mut builder = h2::client::Builder::new();
        let (mut send, connection) = builder
            .header_table_size(table)
            .handshake::<_, Bytes>(client)
            .await
            .unwrap();
        let connection = tokio::task::spawn_local(connection);
        let mut calls = Vec::new();
        for (index, plan) in plans.iter().enumerate() {
            send = send.ready().await.unwrap();
            let (method, path) = plan.request.line.split_once(' ').unwrap();
            let uri = format!("http://host{path}?{index}");
            let mut request = http::Request::builder().method(method).uri(uri).body(()).unwrap();
            *request.headers_mut() = map(&plan.request.fields);
            if plan.says_length {
                request
                    .headers_mut()
                    .insert("content-length", plan.request.data.len().into());
            }
            let message = &plan.request;
            let ends = message.data.is_empty() && message.trailers.is_empty();
            let (answer, body) = send.send_request(request, ends).unwrap();
            let plan = plan.clone();
            calls.push(tokio::task::spawn_local(async move {
                if !ends {
                    send_body(body, &plan.request, plan.parts).await;
                }
                let mut body = answer.await.unwrap().into_body();
                while let Some(data) = body.data().await {
                    let length = data.unwrap().len();
                    body.flow_control().release_capacity(length).unwrap();
                }
                body.trailers().await.unwrap();
            }));
        }
        for call in calls {
            call.await.unwrap();
        }
        drop(send);
        connection.await.unwrap().unwrap();
        wire.await.unwrap()
    })
}

async fn serve(io: DuplexStream, plans: Vec<Plan>) {
    let mut connection = h2::server::handshake(io).await.unwrap();
    while let Some(Ok((request, mut respond))) = connection.accept().await {
        let index: usize = request.uri().query().unwrap().parse().unwrap();
        let plan = plans[index].clone();
        tokio::task::spawn_local(async move {
            let mut body = request.into_body();
            while let Some(data) = body.data().await {
                let length = data.unwrap().len();
                body.flow_control().release_capacity(length).unwrap();
            }
            let message = &plan.answer;
            let mut answer = http::Response::builder()
                .status(message.line.as_str())
                .body(())
                .unwrap();
            *answer.headers_mut() = map(&message.fields);
            let ends = message.data.is_empty() && message.trailers.is_empty();
            let body = respond.send_response(answer, ends).unwrap();
            if !ends {
                send_body(body, message, plan.parts).await;
            }
        });
    }
}

async fn send_body(mut body: h2::SendStream<Bytes>, message: &Message, parts: usize) {
    let size = (message.data.len() / parts).max(1);
    let trailers = (!message.trailers.is_empty()).then(|| map(&message.trailers));
    let mut left = message.data.chunks(size).peekable();
    if left.peek().is_none() && trailers.is_none() {
        body.send_data(Bytes::new(), true).unwrap();
    }
    while let Some(part) = left.next() {
        let ends = left.peek().is_none() && trailers.is_none();
        body.send_data(Bytes::copy_from_slice(part), ends).unwrap();
        tokio::task::yield_now().await;
    }
    if let Some(trailers) = trailers {
        body.send_trailers(trailers).unwrap();
    }
}

/// Carries bytes between the ends of two pipes, and writes them down.
async fn carry(mut client: DuplexStream, mut server: DuplexStream) -> Wire {
    let mut wire = Vec::new();
    let (mut up, mut down) = (vec![0; 5000], vec![0; 3000]);
    loop {
        let (direction, bytes) = tokio::select! {
            read = client.read(&mut up) => (Direction::Request, up[..read.unwrap()].to_vec()),
            read = server.read(&mut down) => (Direction::Response, down[..read.unwrap_or(0)].to_vec()),
        };
        if bytes.is_empty() {
            return wire;
        }
        match direction {
            Direction::Request => server.write_all(&bytes).await.unwrap(),
            Direction::Response => client.write_all(&bytes).await.unwrap(),
        }
        wire.push((direction, bytes));
    }
}

/// Exchanges that were read: by the number in the path, the request and its answer.
fn messages(feed: &Feed) -> Vec<(usize, Message)> {
    let read = |request: &Request| {
        let target = text(request.target());
        let (path, index) = target.split_once('?').unwrap();
        let line = format!("{} {path}", text(request.method()));
        (
            index.parse().unwrap(),
            message(
                line,
                &request.head,
                &request.headers,
                request.framing,
                &request.body,
            ),
        )
    };
    feed.requests.iter().map(read).collect()
}

fn message(
    line: String,
    head: &[u8],
    headers: &[crate::HeaderField],
    framing: Framing,
    body: &[u8],
) -> Message {
    let part = |range: &std::ops::Range<u32>| text(&head[range.start as usize..range.end as usize]);
    let fields = headers
        .iter()
        .map(|field| (part(&field.name), part(&field.value)));
    let fields =
        fields.filter(|(name, _)| !["host", "transfer-encoding", "content-length"].contains(&name.as_str()));
    let (data, trailers) = if framing == Framing::Chunked {
        // No trailer is a line of its own `0`.
        let last = body.windows(5).rposition(|part| part == b"\r\n0\r\n");
        let end = last.map_or(0, |at| at + 2);
        let trailers = text(&body[end + 3..]);
        let lines = trailers.lines().filter_map(|line| line.split_once(": "));
        let trailers = lines
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        (chunked_data(body).unwrap(), trailers)
    } else {
        (body.to_vec(), Vec::new())
    };
    Message {
        line,
        fields: fields.collect(),
        data,
        trailers,
    }
}

fn expected(message: &Message) -> Message {
    Message {
        fields: ordered(&map(&message.fields)),
        trailers: ordered(&map(&message.trailers)),
        ..message.clone()
    }
}

fn feed(wire: &[(Direction, Vec<u8>)], join: Join) -> Feed {
    let limits = Limits {
        max_head: 1 << 16,
        max_body: 1 << 20,
        max_headers: 64,
    };
    let mut feed = Feed::of(Connection::new(limits, true, join));
    feed.budget = MemoryBudget::new(1 << 26);
    push_all(&mut feed, wire);
    feed
}

fn push_all(feed: &mut Feed, wire: &[(Direction, Vec<u8>)]) {
    for (direction, bytes) in wire {
        match direction {
            Direction::Request => feed.client(bytes),
            Direction::Response => feed.server(bytes),
        }
    }
}

/// Each direction cut anew, and interleaved anew.
fn shuffled(wire: &Wire, cuts: &[(bool, usize)]) -> Wire {
    let whole = |which: Direction| {
        let parts = wire.iter().filter(|(direction, _)| *direction == which);
        parts.flat_map(|(_, bytes)| bytes.clone()).collect::<Vec<u8>>()
    };
    let mut rest = [
        (Direction::Request, whole(Direction::Request)),
        (Direction::Response, whole(Direction::Response)),
    ];
    let mut shuffled = Vec::new();
    for (is_answer, length) in cuts.iter().cycle() {
        let (direction, bytes) = &mut rest[usize::from(*is_answer)];
        let taken = (*length).min(bytes.len());
        let behind = bytes.split_off(taken);
        shuffled.push((*direction, std::mem::replace(bytes, behind)));
        if rest.iter().all(|(_, bytes)| bytes.is_empty()) {
            break;
        }
    }
    shuffled
}

fn check_all(feed: &Feed, plans: &[Plan]) {
    let mut requests = messages(feed);
    requests.sort_by_key(|(index, _)| *index);
    let sent: Vec<_> = plans
        .iter()
        .map(|plan| expected(&plan.request))
        .enumerate()
        .collect();
    assert_eq!(requests, sent);
}

/// Each exchange has one end, and answers are those of their requests.
fn check_told(feed: &Feed, plans: &[Plan]) {
    let count = |word: &str| feed.lines.iter().filter(|line| line.starts_with(word)).count();
    assert_eq!(
        (count("started"), count("complete"), count("answered")),
        (plans.len(), plans.len(), plans.len())
    );
    assert_eq!(
        (feed.lines.len(), feed.connection.holds()),
        (3 * plans.len(), false)
    );
}

fn check_answers(feed: &Feed, plans: &[Plan]) {
    let mut answers: Vec<_> = feed.responses.iter().map(answer_of).collect();
    let mut sent: Vec<_> = plans.iter().map(|plan| expected(&plan.answer)).collect();
    for all in [&mut answers, &mut sent] {
        all.sort_by_key(|message| format!("{message:?}"));
    }
    assert_eq!(answers, sent);
}

fn answer_of(response: &Response) -> Message {
    let line = response.status.to_string();
    message(
        line,
        &response.head,
        &response.headers,
        response.framing,
        &response.body,
    )
}

/// No request and no answer is another than those that were sent.
fn check_truth(feed: &Feed, plans: &[Plan]) {
    for (index, request) in messages(feed) {
        assert_eq!(request, expected(&plans[index].request));
    }
    for response in &feed.responses {
        let answer = answer_of(response);
        assert!(
            plans.iter().any(|plan| expected(&plan.answer) == answer),
            "{answer:?}"
        );
    }
    let ids = |word: &str| -> Vec<String> {
        let lines = feed.lines.iter().filter_map(|line| line.strip_prefix(word));
        lines
            .map(|rest| rest.split(' ').next().unwrap().to_owned())
            .collect()
    };
    let mut started = ids("started ");
    let mut ended = [ids("complete "), ids("rejected ")].concat();
    let mut answered = [ids("answered "), ids("lost ")].concat();
    let mut complete = ids("complete ");
    for all in [&mut started, &mut ended, &mut answered, &mut complete] {
        all.sort();
    }
    assert_eq!((started, answered), (ended, complete));
}

fn end(feed: &mut Feed) {
    feed.end(Direction::Request, Close::Finished);
    feed.end(Direction::Response, Close::Finished);
    assert!(!feed.connection.holds());
    let kept: usize = feed.requests.iter().map(|one| one.charge.bytes()).sum();
    let answers: usize = feed.responses.iter().map(|one| one.charge.bytes()).sum();
    assert_eq!(feed.budget.used(), kept + answers);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn what_is_read_is_what_was_sent_however_it_is_cut(
        plans in plans(),
        table in prop::sample::select(vec![0, 100, 4096, 65536]),
        cuts in prop::collection::vec((any::<bool>(), prop_oneof![1_usize..20, 1_usize..5000]), 2..20),
    ) {
        let wire = wire_of(&plans, table);
        let as_written = feed(&wire, Join::Preface);
        check_all(&as_written, &plans);
        check_told(&as_written, &plans);
        check_answers(&as_written, &plans);
        let both = [(true, 7), (false, 7)];
        let mut anew = feed(&shuffled(&wire, &[&both[..], &cuts].concat()), Join::Preface);
        check_all(&anew, &plans);
        check_answers(&anew, &plans);
        end(&mut anew);
    }

    #[test]
    fn a_hole_costs_messages_and_falsifies_none(
        plans in plans(),
        at in any::<prop::sample::Index>(),
        length in prop_oneof![1_usize..30, 1_usize..3000],
        is_answer in any::<bool>(),
    ) {
        let wire = wire_of(&plans, 4096);
        let direction = if is_answer { Direction::Response } else { Direction::Request };
        let all: usize = wire.iter().filter(|(of, _)| *of == direction).map(|(_, bytes)| bytes.len()).sum();
        let hole = at.index(all)..(at.index(all) + length).min(all);
        let mut read = feed(&[], Join::Preface);
        let mut position = 0;
        for (of, bytes) in &wire {
            if *of != direction {
                push_all(&mut read, &[(*of, bytes.clone())]);
                continue;
            }
            let here = position..position + bytes.len();
            position = here.end;
            let before = hole.start.clamp(here.start, here.end) - here.start;
            let behind = hole.end.clamp(here.start, here.end) - here.start;
            push_all(&mut read, &[(*of, bytes[..before].to_vec())]);
            if behind > before {
                read.gap(direction, (behind - before) as u64);
            }
            push_all(&mut read, &[(*of, bytes[behind..].to_vec())]);
        }
        end(&mut read);
        check_truth(&read, &plans);
    }

    #[test]
    fn a_connection_joined_anywhere_is_read_truly_or_not_at_all(
        plans in prop::collection::vec(plan(), 6..20),
        at in any::<prop::sample::Index>(),
    ) {
        let wire = wire_of(&plans, 4096);
        let from = at.index(wire.len());
        let mut read = feed(&wire[from..], Join::MidStream);
        end(&mut read);
        check_truth(&read, &plans);
    }
}
