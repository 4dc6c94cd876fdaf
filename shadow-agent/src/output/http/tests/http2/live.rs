//! Calls of gRPC that production is still serving: the shadow gets each message as it comes, and each call ends once.

use std::future::poll_fn;
use std::time::Instant;

use ::h2::Reason;

use super::*;
use crate::budget::MemoryBudget;
use crate::http::h2::{CallEnd, Messages};
use crate::mirror::Live;
use crate::output::MaxStream;
use crate::time::Timestamp;

/// A shadow's notes: data as it came, and how each stream ended.
#[derive(Clone, Default)]
struct Log(Rc<RefCell<Vec<(String, Instant)>>>);

impl Log {
    fn note(&self, what: impl Into<String>) {
        self.0.borrow_mut().push((what.into(), Instant::now()));
    }

    /// Waits until so many lines are there.
    async fn lines(&self, count: usize) -> Vec<String> {
        while self.0.borrow().len() < count {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        self.0.borrow().iter().map(|(line, _)| line.clone()).collect()
    }

    /// Waits for the end of a stream, and gives all that came.
    async fn until(&self, last: &str) -> String {
        while self.0.borrow().last().is_none_or(|(line, _)| line != last) {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        let count = self.0.borrow().len();
        self.lines(count).await.join(" ")
    }

    fn between(&self, first: usize, second: usize) -> Duration {
        let log = self.0.borrow();
        log[second].1 - log[first].1
    }
}

/// A shadow that notes what comes and answers as `style` has it.
#[derive(Clone, Copy, PartialEq)]
enum Style {
    /// Its head at once, the rest when the request has ended.
    AtEnd,
    /// Its head at once, and no end.
    Never,
    /// Data all the time.
    Flood,
}

async fn shadow(style: Style) -> (u16, Log) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (port, log) = (listener.local_addr().unwrap().port(), Log::default());
    let noted = log.clone();
    spawn_local(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let noted = noted.clone();
            spawn_local(async move {
                let mut server = ::h2::server::handshake(stream).await.unwrap();
                while let Some(Ok((request, reply))) = server.accept().await {
                    spawn_local(serve(style, request.into_body(), reply, noted.clone()));
                }
            });
        }
    });
    (port, log)
}

async fn serve(style: Style, mut body: RecvStream, mut reply: Reply, log: Log) {
    let response = Response::builder().header("content-type", "application/grpc");
    let mut answer = reply.send_response(response.body(()).unwrap(), false).unwrap();
    if style == Style::Flood {
        while answer
            .send_data(Bytes::from_static(b"\0\0\0\0\x01x"), false)
            .is_ok()
        {
            tokio::select! {
                reset = poll_fn(|cx| answer.poll_reset(cx)) => return log.note(format!("reset {:?}", reset.unwrap())),
                () = tokio::time::sleep(Duration::from_millis(5)) => {}
            }
        }
        return;
    }
    while let Some(data) = body.data().await {
        match data {
            Ok(data) => {
                let _ = body.flow_control().release_capacity(data.len());
                if !data.is_empty() {
                    log.note(text(&data));
                }
            }
            Err(error) => return log.note(format!("reset {:?}", error.reason().unwrap())),
        }
    }
    log.note("end");
    if style == Style::AtEnd {
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", "0".parse().unwrap());
        answer.send_trailers(trailers).unwrap();
        return;
    }
    let reset = poll_fn(|cx| answer.poll_reset(cx)).await;
    log.note(format!("reset {:?}", reset.unwrap()));
}

fn text(data: &[u8]) -> String {
    String::from_utf8_lossy(data).into_owned()
}

const CALL: &str = "POST /chat.Chat/Talk HTTP/2.0\r\nhost: a\r\ncontent-type: application/grpc\r\n\
                    transfer-encoding: chunked\r\n\r\n0\r\n\r\n";

fn within(bytes: u64, milliseconds: u64) -> MaxStream {
    MaxStream {
        bytes,
        time: Duration::from_millis(milliseconds),
    }
}

impl Rig {
    fn streaming(port: u16, timeout: u64, max_stream: impl Into<Option<MaxStream>>) -> Self {
        Self::with(port, |settings| {
            settings.timeout = Duration::from_millis(timeout);
            settings.max_stream = max_stream.into();
            settings.breaker.failures = 1;
        })
    }

    fn offer_live(&self, live: &Rc<Live>) {
        let exchange = Rc::into_inner(on_stream(40_000, 1, CALL)).unwrap();
        self.offer_exchange(&Rc::new(Exchange {
            live: Some(Rc::clone(live)),
            ..exchange
        }));
    }
}

fn messages(text: &str, milliseconds: u64) -> Messages {
    Messages {
        data: Bytes::copy_from_slice(text.as_bytes()),
        time: Timestamp(milliseconds * 1_000_000),
        charge: MemoryBudget::new(1 << 20).held().charge(),
    }
}

fn call() -> Rc<Live> {
    Live::new(Timestamp(0), 1000)
}

#[test]
fn each_message_goes_while_production_serves_the_call() {
    on_a_shard(async {
        let (port, log) = shadow(Style::AtEnd).await;
        let rig = Rig::streaming(port, 5000, within(1 << 20, 60_000));
        let live = call();
        live.push(messages("one", 0));
        rig.offer_live(&live);
        assert_eq!(log.lines(1).await, ["one"]);
        live.push(messages("two", 80));
        live.push(messages("three", 80));
        log.lines(2).await;
        live.push(messages("four", 160));
        live.ended(CallEnd::HalfClosed(Timestamp(200_000_000)));
        live.answered();
        assert_eq!(log.until("end").await.replace(' ', ""), "onetwothreefourend");
        let spacing = log.between(0, 1);
        assert!(spacing >= Duration::from_millis(60), "{spacing:?}");
        assert_counts(&rig.settled().await, 1, &[]);
        assert_eq!(live.kept(), 0);
    });
}

#[test]
fn a_call_that_is_lost_is_reset_behind_what_came() {
    on_a_shard(async {
        let (port, log) = shadow(Style::AtEnd).await;
        let rig = Rig::streaming(port, 5000, within(1 << 20, 60_000));
        let live = call();
        live.push(messages("one", 0));
        rig.offer_live(&live);
        log.lines(1).await;
        live.lost(DropReason::H2Gap);
        assert_eq!(log.lines(2).await, ["one", "reset CANCEL"]);
        assert_counts(&rig.settled().await, 0, &[(DropReason::H2Gap, 1)]);
    });
}

#[test]
fn a_call_beyond_its_bound_is_reset_and_counted() {
    on_a_shard(async {
        let (port, log) = shadow(Style::AtEnd).await;
        let rig = Rig::streaming(port, 5000, within(1 << 20, 60_000));
        let live = Live::new(Timestamp(0), 5);
        live.push(messages("12345", 0));
        rig.offer_live(&live);
        log.lines(1).await;
        live.push(messages("6", 0));
        assert_eq!(log.lines(2).await, ["12345", "reset CANCEL"]);
        assert_counts(&rig.settled().await, 0, &[(DropReason::GrpcStreamLimit, 1)]);

        let (port, log) = shadow(Style::Never).await;
        let rig = Rig::streaming(port, 100, within(1 << 20, 300));
        let live = call();
        rig.offer_live(&live);
        assert_counts(&rig.settled().await, 0, &[(DropReason::GrpcStreamLimit, 1)]);
        assert_eq!(log.lines(1).await, ["reset CANCEL"]);
        // It says nothing of the shadow: the breaker, which one failure opens, is closed.
        rig.offer_live(&call());
        assert_counts(&rig.settled().await, 0, &[(DropReason::GrpcStreamLimit, 2)]);
    });
}

#[test]
fn a_shadow_that_never_ends_a_call_is_out_of_time() {
    on_a_shard(async {
        let (port, log) = shadow(Style::Never).await;
        let rig = Rig::streaming(port, 100, within(1 << 20, 60_000));
        let live = call();
        live.push(messages("one", 0));
        rig.offer_live(&live);
        log.lines(1).await;
        live.ended(CallEnd::HalfClosed(Timestamp(0)));
        live.answered();
        assert_counts(&rig.settled().await, 0, &[(DropReason::Timeout, 1)]);
        assert_eq!(log.lines(3).await, ["one", "end", "reset CANCEL"]);
    });
}

#[test]
fn a_call_whose_answer_lasts_ends_when_productions_client_gives_up() {
    on_a_shard(async {
        let (port, log) = shadow(Style::Flood).await;
        let rig = Rig::streaming(port, 100, within(1 << 20, 60_000));
        let live = Live::whole(Timestamp(0), Timestamp(0));
        rig.offer_live(&live);
        tokio::time::sleep(Duration::from_millis(400)).await;
        assert_eq!(rig.counts().in_flight, 1, "its time is that of a stream");
        live.lost(DropReason::H2Reset);
        assert_counts(&rig.settled().await, 0, &[(DropReason::H2Reset, 1)]);
        assert_eq!(log.lines(1).await, ["reset CANCEL"]);
    });
}

#[test]
fn an_answer_that_lasts_is_bounded_where_production_is_not_heard() {
    on_a_shard(async {
        for (bytes, time) in [(60, 60_000), (1 << 20, 300)] {
            let (port, log) = shadow(Style::Flood).await;
            let rig = Rig::with(port, |settings| {
                settings.timeout = Duration::from_millis(100);
                settings.max_stream = Some(within(bytes, time));
                settings.max_response = bytes;
            });
            rig.offer_stream(1, CALL);
            assert_counts(&rig.settled().await, 0, &[(DropReason::GrpcStreamLimit, 1)]);
            assert_eq!(log.lines(1).await, ["reset CANCEL"]);
        }
        let (port, _) = shadow(Style::Flood).await;
        let rig = Rig::streaming(port, 100, None);
        rig.offer_stream(1, CALL);
        assert_counts(&rig.settled().await, 0, &[(DropReason::Timeout, 1)]);
    });
}

#[test]
fn a_refused_call_is_sent_again_from_its_first_message() {
    on_a_shard(async {
        let first = Rc::new(Cell::new(true));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let log = Log::default();
        let noted = log.clone();
        spawn_local(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let mut server = ::h2::server::handshake(stream).await.unwrap();
            while let Some(Ok((request, mut reply))) = server.accept().await {
                let (first, noted) = (Rc::clone(&first), noted.clone());
                spawn_local(async move {
                    let mut body = request.into_body();
                    if first.replace(false) {
                        let data = body.data().await.unwrap().unwrap();
                        noted.note(format!("refused {}", text(&data)));
                        reply.send_reset(Reason::REFUSED_STREAM);
                    } else {
                        serve(Style::AtEnd, body, reply, noted).await;
                    }
                });
            }
        });
        let rig = Rig::streaming(port, 5000, within(1 << 20, 60_000));
        let live = call();
        live.push(messages("one", 0));
        rig.offer_live(&live);
        assert_eq!(log.lines(2).await, ["refused one", "one"]);
        live.ended(CallEnd::HalfClosed(Timestamp(0)));
        assert_counts(&rig.settled().await, 1, &[]);
    });
}

#[test]
fn a_lasting_probe_shows_a_live_shadow_once_it_is_answered() {
    on_a_shard(async {
        let (port, _) = shadow(Style::Flood).await;
        let rig = Rig::with(port, |settings| {
            settings.timeout = Duration::from_millis(100);
            settings.max_stream = Some(within(1 << 20, 60_000));
            settings.breaker.failures = 1;
            settings.breaker.open_for = Duration::from_millis(10);
        });
        let sick = Live::whole(Timestamp(0), Timestamp(0));
        sick.answered();
        rig.offer_live(&sick);
        assert_counts(&rig.settled().await, 0, &[(DropReason::Timeout, 1)]);
        assert!(rig.shard.shard.is_left_alone());
        tokio::time::sleep(Duration::from_millis(20)).await;
        let probe = Live::whole(Timestamp(0), Timestamp(0));
        rig.offer_live(&probe);
        while rig.shard.shard.is_left_alone() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        assert_eq!(rig.counts().in_flight, 1);
        probe.lost(DropReason::H2Reset);
        let ended = [(DropReason::Timeout, 1), (DropReason::H2Reset, 1)];
        assert_counts(&rig.settled().await, 0, &ended);
    });
}
