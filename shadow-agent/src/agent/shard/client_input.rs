//! A shard whose requests are sent to the agent itself: clients take turns, each with what it sent last, and are answered
//! what their bytes came to.

use std::collections::HashMap;
use std::rc::Rc;

use anyhow::Context as _;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::context::{ShardContext, TICK};
use crate::input::http::{Client, ClientReply, Counters, Ending, HttpInput};
use crate::input::silence::{Silence, Silences};
use crate::mirror::{Draws, ProductionConnection};
use crate::settings::HttpInputSettings;
use crate::tcp::{Chunk, Close, FlowKey, Start, StreamHandler};
use crate::time::{Timestamp, unix_now};

/// Clients that send requests to the agent itself, on their shard.
pub(super) struct ClientInput<'a> {
    name: String,
    context: &'a mut ShardContext,
}

/// An event of a client: it sent something, or it ended.
struct Turn {
    number: u64,
    client: Result<(Client, usize), Ending>,
}

/// A connection's reader, and where its next bytes are counted from.
type Reader = (ProductionConnection, u32);

impl<'a> ClientInput<'a> {
    /// `name` is the input's in the ledger.
    pub fn new(name: String, context: &'a mut ShardContext) -> Self {
        Self { name, context }
    }

    /// Serves clients until the run ends.
    pub async fn serve(mut self, input: HttpInput) -> anyhow::Result<()> {
        let HttpInput { listener, settings } = input;
        let listener = TcpListener::from_std(listener).context("--input-http")?;
        let mut counters = Counters::default();
        let mut silences = Silences::default();
        let mut readers: HashMap<u64, Reader> = HashMap::new();
        let mut number: u64 = 0;
        let mut draws = Draws::new();
        let mut turns = FuturesUnordered::new();
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                _ = self.context.phase.changed() => break,
                _ = tick.tick() => {
                    self.context.rest();
                    self.publish(&counters);
                }
                Some(Turn { number, client }) = turns.next(), if !turns.is_empty() => {
                    match self.take(number, client, &mut readers) {
                        Ok((client, under_way)) => turns.push(next_turn(number, client, &settings, under_way)),
                        Err(ending) => {
                            counters.open -= 1;
                            counters.closed(ending);
                        }
                    }
                }
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => match silences.open(settings.connections, "--input-http-max-connections") {
                        None => counters.closed(Ending::TooMany),
                        Some(silence) => {
                            if let Some((connection, client)) = self.open(stream, silence, draws.draw()) {
                                counters.connections += 1;
                                counters.open += 1;
                                number += 1;
                                readers.insert(number, (connection, 0));
                                turns.push(next_turn(number, client, &settings, false));
                            }
                        }
                    },
                    Err(error) => {
                        tracing::warn!(%error, "--input-http: cannot accept a connection");
                        sleep(TICK).await;
                    }
                },
            }
        }
        drop((listener, turns));
        for (connection, _) in readers.into_values() {
            connection.close(&mut self.context.shard, Close::Shutdown, Timestamp(unix_now()));
        }
        self.publish(&counters);
        Ok(())
    }

    fn open(
        &mut self,
        stream: TcpStream,
        silence: Rc<Silence>,
        begin: u32,
    ) -> Option<(ProductionConnection, Client)> {
        let client = Client::new(stream, silence, begin);
        // One that has gone again has no addresses.
        let (theirs, ours) = client.addresses().ok()?;
        let key = FlowKey {
            client: theirs.into(),
            server: ours.into(),
            scope: 0,
        };
        let connection =
            ProductionConnection::open(&mut self.context.shard, &key, Start::Syn, Timestamp(unix_now()));
        Some((connection, client))
    }

    /// Takes what a client sent, and gives it what it is to be answered; and whether a request is under way.
    fn take(
        &mut self,
        number: u64,
        client: Result<(Client, usize), Ending>,
        readers: &mut HashMap<u64, Reader>,
    ) -> Result<(Client, bool), Ending> {
        let time = Timestamp(unix_now());
        let (mut client, count) = client.inspect_err(|ending| {
            let close = match ending {
                Ending::Lost => Close::Reset,
                Ending::Slow | Ending::Idle | Ending::Silent => Close::Idle,
                Ending::Finished | Ending::Refused | Ending::TooMany => Close::Finished,
            };
            if let Some((connection, _)) = readers.remove(&number) {
                connection.close(&mut self.context.shard, close, time);
            }
        })?;
        let (connection, sequence) = readers.get_mut(&number).ok_or(Ending::Lost)?;
        let chunk = Chunk {
            bytes: client.read(count),
            sequence: *sequence,
            acknowledgment: client.answered(),
            segment_start: true,
            time,
        };
        let mut told = Vec::new();
        connection.serve(&mut self.context.shard, chunk, &mut |event| {
            told.extend(ClientReply::of(event));
        });
        *sequence = sequence.wrapping_add(count as u32);
        client.tell(&told);
        if connection.awaits_continue() {
            client.go_on();
        }
        Ok((client, connection.holds()))
    }

    fn publish(&self, counters: &Counters) {
        self.context.publish();
        self.context.report().input = Some((self.name.clone(), counters.report()));
    }
}

async fn next_turn(number: u64, client: Client, settings: &HttpInputSettings, under_way: bool) -> Turn {
    Turn {
        number,
        client: client.turn(settings, under_way).await,
    }
}
