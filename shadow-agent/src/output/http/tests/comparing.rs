//! Exchanges whose answers are compared: they have as long as production takes.

use std::sync::Arc;

use bytes::Bytes;

use super::*;
use crate::budget::MemoryBudget;
use crate::compare::document::ReleaseNames;
use crate::compare::noise::Thresholds;
use crate::compare::{
    CompareSettings, Extras, Hosts, Intake, Judging, Pairing, Part, RouteBy, Rules, Secrets, verdict,
};
use crate::mirror::{ExchangeResponse, MessageKind, Share};
use crate::output::http::shard::Shard;
use crate::output::http::upstream::Upstream;
use crate::time::{Timestamp, monotonic_now};

const TIMEOUT: Duration = Duration::from_millis(200);
/// When the shadow answers: well beyond the timeout, and beyond the sweep after it.
const LATE: Duration = Duration::from_millis(600);

/// The counts of a request that the shadow answers late, where production, if it has answered by then, took so long.
async fn late_answer(production: Option<Duration>) -> OutputCounts {
    let shadow = Shadow::start(|mut peer| async move {
        while peer.request().await.is_some() {
            tokio::time::sleep(LATE).await;
            peer.send(OK).await;
        }
    })
    .await;
    let mut settings = crate::output::http::copy::tests::settings();
    settings.host = "127.0.0.1".to_owned();
    settings.port = shadow.port;
    settings.timeout = TIMEOUT;
    let upstream = Arc::new(Upstream::new(settings, OwnConnections::default()).unwrap());
    let intake = Arc::new(Intake::new(MemoryBudget::new(1 << 20)));
    let pairing = Pairing::new(intake, Duration::from_mins(1), 1 << 20, 0);
    let pairing = Rc::new(RefCell::new(pairing));
    let shard = Shard::new(upstream, None, Some(Rc::clone(&pairing)), false);
    let running = spawn_local(shard.clone().run());
    let exchange = exchange(1, GET);
    let opened = pairing
        .borrow_mut()
        .open(&exchange, Extras::default(), monotonic_now());
    assert!(opened);
    let ledger = ShardLedger::new(1);
    let ticket = ledger.open().split().next().unwrap();
    shard.offer(&exchange, ticket, Some(Part::Shadow));
    if let Some(took) = production {
        let asked = exchange.request.last_byte;
        pairing.borrow_mut().production(&ExchangeResponse {
            id: &exchange.id,
            kind: MessageKind::Response,
            head: &Bytes::from_static(b"HTTP/1.1 200 OK\r\n\r\n"),
            body: &Bytes::new(),
            began: Timestamp::default(),
            first_byte: asked.after(took),
            last_byte: asked.after(took),
        });
    }
    shard.drained().await;
    running.abort();
    ledger.snapshot().outputs.into_iter().next().unwrap()
}

#[test]
fn a_compared_answer_may_take_twice_as_long_as_productions() {
    on_a_shard(async {
        let counts = late_answer(Some(Duration::from_millis(400))).await;
        assert_counts(&counts, 1, &[]);
    });
}

#[test]
fn while_production_is_answering_the_shadow_is_not_cut_off() {
    on_a_shard(async {
        assert_counts(&late_answer(None).await, 1, &[]);
    });
}

#[test]
fn where_production_was_quick_the_timeout_holds() {
    on_a_shard(async {
        let counts = late_answer(Some(Duration::from_millis(1))).await;
        assert_counts(&counts, 0, &[(DropReason::Timeout, 1)]);
    });
}

fn judging() -> Judging {
    Judging {
        rules: Rules::default(),
        by_rules: true,
        by_control: true,
        by_repeat: true,
        thresholds: Thresholds::default(),
        fail_on: Vec::new(),
        verdict: verdict::Settings::default(),
        routes: Vec::new(),
        route_by: RouteBy::default(),
        max_routes: 10,
        max_differences: 10,
        secrets: Secrets::Hidden,
        redaction: None,
        hosts: Hosts::default(),
        names: ReleaseNames::default(),
        selection: Vec::new(),
    }
}

/// How many of five requests went to a control at this port, and to the shadow a second time.
async fn asked_beside(control: Option<u16>, repeat_beside_control: bool) -> Vec<(String, u64)> {
    let shadow = Shadow::answering(OK).await;
    let rig = Rig::with(shadow.port, |settings| {
        settings.compare = Some(CompareSettings {
            control: control.map(|port| format!("http://127.0.0.1:{port}")),
            repeat: Share::ALL,
            repeat_beside_control,
            wait: Duration::from_mins(1),
            max_answer: 1 << 20,
            correlate: None,
            judging: Arc::new(judging()),
        });
        settings.control = control.map(|port| {
            let mut control = super::super::copy::tests::settings();
            control.host = "127.0.0.1".to_owned();
            control.port = port;
            Box::new(control)
        });
    });
    for flow in 1..=5 {
        rig.exchange(flow, GET).await;
    }
    let extra = rig.output.extra_by_kind().into_iter();
    extra.map(|(kind, counts)| (kind, counts.seen)).collect()
}

#[test]
fn the_shadow_is_asked_twice_where_no_control_says_more() {
    on_a_shard(async {
        let control = Shadow::answering(OK).await.port;
        let counts = |counts: &[(&str, u64)]| -> Vec<_> {
            counts
                .iter()
                .map(|(kind, count)| ((*kind).to_owned(), *count))
                .collect()
        };
        assert_eq!(asked_beside(None, false).await, counts(&[("repeat", 5)]));
        assert_eq!(
            asked_beside(Some(control), false).await,
            counts(&[("control", 5)])
        );
        let both = counts(&[("control", 5), ("repeat", 5)]);
        assert_eq!(asked_beside(Some(control), true).await, both);
    });
}
