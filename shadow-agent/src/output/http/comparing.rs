//! `--compare`: what is sent beside a copy, to the control and to the shadow again, and where the answers go; or, of `--correlate`
//! alone, where they are learned from.
//!
//! Such requests are no copies of production's: they have a ledger of their own, with a line for each kind.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::task::{JoinHandle, spawn_local};

use super::correlating::Correlating;
use super::h2::is_grpc;
use super::reflecting;
use super::shard::Shard;
use super::upstream::Upstream;
use crate::compare::{
    CompareSettings, Correlation, Extras, GrpcDescriptors, Intake, LearningSettings, NotCompared, Pairing,
    Part, Repeats,
};
use crate::mirror::ledger::{DropReason, OutputCounts, ShardLedger, Ticket};
use crate::mirror::{AnswerLost, Draws, Exchange, ExchangeResponse, MessageId, Share};
use crate::time::monotonic_now;

/// How often pairs are looked at that wait for production.
const EXPIRE: Duration = Duration::from_secs(1);

/// The half that all shards share.
pub(super) struct Comparison {
    /// How long production's answer is waited for.
    wait: Duration,
    /// Most bytes of an answer that are kept.
    max_answer: usize,
    /// The share of safe requests that the shadow gets twice, and whether also while a control answers.
    repeat: (Share, bool),
    pub intake: Arc<Intake>,
    /// `None` without a control.
    pub control: Option<Arc<Upstream>>,
    /// Of the requests beside copies: one for each shard.
    ledgers: Mutex<Vec<ShardLedger>>,
}

/// Slots of the ledgers.
const CONTROL: usize = 0;
const REPEAT: usize = 1;

impl Comparison {
    pub fn new(settings: &CompareSettings, intake: Arc<Intake>, control: Option<Arc<Upstream>>) -> Self {
        Self {
            wait: settings.wait,
            max_answer: settings.max_answer,
            repeat: (settings.repeat, settings.repeat_beside_control),
            intake,
            control,
            ledgers: Mutex::default(),
        }
    }

    /// One that compares nothing.
    pub fn learning(settings: &LearningSettings, intake: Arc<Intake>) -> Self {
        Self {
            wait: settings.wait,
            max_answer: settings.max_answer,
            repeat: (Share::NOTHING, false),
            intake,
            control: None,
            ledgers: Mutex::default(),
        }
    }

    /// Counts of requests to the control, and of repeats to the shadow.
    pub fn extra(&self) -> [OutputCounts; 2] {
        let mut sums = [OutputCounts::default(), OutputCounts::default()];
        for ledger in &*self.ledgers.lock().unwrap_or_else(PoisonError::into_inner) {
            for (sum, counts) in sums.iter_mut().zip(&ledger.snapshot().outputs) {
                sum.add(counts);
            }
        }
        sums
    }

    fn ledger(&self) -> ShardLedger {
        let ledger = ShardLedger::new(2);
        let mut ledgers = self.ledgers.lock().unwrap_or_else(PoisonError::into_inner);
        ledgers.push(ledger.clone());
        ledger
    }
}

/// One shard's half.
pub(super) struct Comparing {
    pub pairing: Rc<RefCell<Pairing>>,
    correlation: Option<Arc<Correlation>>,
    /// On the way to the shadow, where values are mapped.
    shadow: Option<Correlating>,
    control: Option<Control>,
    ledger: ShardLedger,
    repeats: RefCell<Repeats>,
    repeats_beside_control: bool,
    expiring: JoinHandle<()>,
    descriptors: Option<GrpcDescriptors>,
    /// Asks the shadow for its descriptors.
    reflecting: RefCell<Option<JoinHandle<()>>>,
}

/// The control on this shard.
struct Control {
    shard: Rc<Shard>,
    correlating: Option<Correlating>,
    running: JoinHandle<()>,
}

impl Control {
    /// Whether it is not left alone, as one that answers nothing is.
    fn answers(&self) -> bool {
        !self.shard.is_left_alone()
    }
}

impl Comparing {
    /// For the current thread, inside its `LocalRuntime`. `early`: whether production may have answered before a request is offered.
    pub fn new(comparison: &Arc<Comparison>, wall_offset: u64, early: bool) -> Self {
        let mut pairing = Pairing::new(
            Arc::clone(&comparison.intake),
            comparison.wait,
            comparison.max_answer,
            wall_offset,
        );
        if early {
            pairing = pairing.with_early_answers();
        }
        let pairing = Rc::new(RefCell::new(pairing));
        let control = comparison.control.as_ref().map(|upstream| {
            let shard = Shard::new(Arc::clone(upstream), None, Some(Rc::clone(&pairing)), false);
            let running = spawn_local(shard.clone().run());
            let correlation = comparison.intake.correlation();
            let correlating =
                correlation.map(|maps| Correlating::new(maps, maps.control(), &shard, &pairing));
            Control {
                shard,
                correlating,
                running,
            }
        });
        let expiring = spawn_local(expire(Rc::clone(&pairing)));
        let (repeat, repeats_beside_control) = comparison.repeat;
        Self {
            pairing,
            correlation: comparison.intake.correlation().cloned(),
            shadow: None,
            control,
            ledger: comparison.ledger(),
            repeats: RefCell::new(Repeats::new(repeat, Draws::new())),
            repeats_beside_control,
            expiring,
            descriptors: comparison.intake.descriptors().cloned(),
            reflecting: RefCell::default(),
        }
    }

    /// Maps values on the way to the shadow, if that is asked for: to `shard`, which is its.
    pub fn correlate(&mut self, shard: &Rc<Shard>) {
        let correlation = self.correlation.as_ref();
        self.shadow = correlation.map(|maps| Correlating::new(maps, maps.shadow(), shard, &self.pairing));
    }

    /// Sends the request to the shadow, and to whoever else is asked.
    pub fn offer(&self, shard: &Shard, exchange: &Rc<Exchange>, ticket: Ticket) {
        if let Some(descriptors) = &self.descriptors
            && is_grpc(&exchange.request)
            && let Some(asking) = descriptors.begin()
        {
            let upstream = Arc::clone(shard.upstream());
            *self.reflecting.borrow_mut() = Some(spawn_local(reflecting::ask(upstream, asking)));
        }
        let asked = self.asked(exchange);
        let opened = self.pairing.borrow_mut().open(exchange, asked, monotonic_now());
        send(
            self.shadow.as_ref(),
            shard,
            exchange,
            ticket,
            opened.then_some(Part::Shadow),
        );
        // A further copy has its name from the first, whose pair may be open.
        if !opened || !self.pairing.borrow().is_open(&exchange.id) {
            return;
        }
        if let Some(control) = self.control.as_ref().filter(|_| asked.control) {
            let ticket = self.ticket(CONTROL);
            send(
                control.correlating.as_ref(),
                &control.shard,
                exchange,
                ticket,
                Some(Part::Control),
            );
        }
        if asked.repeat {
            let again = Rc::new(exchange.copy(2));
            send(
                self.shadow.as_ref(),
                shard,
                &again,
                self.ticket(REPEAT),
                Some(Part::Repeat),
            );
        }
    }

    fn asked(&self, exchange: &Exchange) -> Extras {
        let request = &exchange.request;
        let mut repeats = self.repeats.borrow_mut();
        let control_answers = self.control.as_ref().is_some_and(Control::answers);
        let may_repeat = self.repeats_beside_control || !control_answers;
        Extras {
            control: self.control.is_some(),
            // A call whose messages are still coming cannot be asked a second time from its beginning.
            repeat: may_repeat && !exchange.is_coming() && repeats.takes(request.method(), request.target()),
        }
    }

    fn ticket(&self, slot: usize) -> Ticket {
        // One slot, one ticket.
        let mut tickets = self.ledger.open_for(&[slot].into()).split();
        tickets
            .next()
            .unwrap_or_else(|| unreachable!("one slot was named"))
    }

    pub fn production_answered(&self, response: &ExchangeResponse<'_>) {
        self.pairing.borrow_mut().production(response);
    }

    pub fn production_left(&self, response: &ExchangeResponse<'_>) {
        self.pairing.borrow_mut().production_left(response);
    }

    pub fn production_lost(&self, id: &MessageId, why: AnswerLost) {
        let why = match why {
            AnswerLost::Gap => NotCompared::ProductionGap,
            AnswerLost::Closed => NotCompared::ProductionClosed,
            AnswerLost::TooLarge => NotCompared::ProductionTooLarge,
            AnswerLost::NotHttp => NotCompared::ProductionNotHttp,
            AnswerLost::Shutdown => NotCompared::Shutdown,
        };
        self.pairing.borrow_mut().production_lost(id, why);
    }

    /// Whether there is room for requests on the way to the shadow.
    pub fn has_room(&self) -> bool {
        self.shadow.as_ref().is_none_or(Correlating::has_room)
    }

    /// Resolves when nothing waits on the way to the shadow.
    pub async fn released(&self) {
        if let Some(shadow) = &self.shadow {
            shadow.drained().await;
        }
    }

    /// Resolves when the control is done with what it got.
    pub async fn drained(&self) {
        if let Some(control) = &self.control {
            if let Some(correlating) = &control.correlating {
                correlating.drained().await;
            }
            control.shard.drained().await;
        }
    }

    pub fn abort(&self, reason: DropReason) {
        if let Some(shadow) = &self.shadow {
            shadow.abort(reason);
        }
        if let Some(control) = &self.control {
            if let Some(correlating) = &control.correlating {
                correlating.abort(reason);
            }
            control.shard.abort(reason);
        }
    }
}

impl Drop for Comparing {
    fn drop(&mut self) {
        self.expiring.abort();
        if let Some(reflecting) = self.reflecting.take() {
            reflecting.abort();
        }
        self.shadow = None;
        if let Some(control) = &mut self.control {
            control.correlating = None;
            control.shard.abort(DropReason::Shutdown);
            control.running.abort();
            control.shard.retire();
        }
        // Whatever still waits for production.
        self.pairing.borrow_mut().shutdown();
    }
}

/// Sends a request to `shard`, by way of `correlating` where values are mapped.
fn send(
    correlating: Option<&Correlating>,
    shard: &Shard,
    exchange: &Rc<Exchange>,
    ticket: Ticket,
    part: Option<Part>,
) {
    match correlating {
        None => shard.offer(exchange, ticket, part),
        Some(correlating) => correlating.offer(exchange, ticket, part),
    }
}

async fn expire(pairing: Rc<RefCell<Pairing>>) {
    loop {
        tokio::time::sleep(EXPIRE).await;
        pairing.borrow_mut().expire(monotonic_now());
    }
}
