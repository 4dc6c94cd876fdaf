//! `--input-file`: recordings, their messages at the times they were recorded.
//!
//! A message is due at its offset from the first one, not so long after the one before: what sending takes is not added
//! to the schedule. Where outputs cannot follow a schedule their full queues drop and count; at full speed (`|max`) the
//! recording waits for them.

mod merge;
mod reading;
mod schedule;

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use self::merge::{Counts, Merge};
use self::reading::Batch;
use self::schedule::Schedule;
use super::{MessageSource, Next, Progress};
use crate::input::{FileInputSettings, Pace};
use crate::latency::LatencyHistogram;
use crate::mirror::Message;
use crate::recording::Record;
use crate::time::Timestamp;

/// A source of recorded messages, each at its time.
pub(super) struct FileSource {
    settings: FileInputSettings,
    recordings: Recordings,
    progress: Arc<Progress>,
    schedule: Schedule,
    /// Records that were read and not handed on.
    waiting: VecDeque<Record>,
    /// Whether a round ends behind these.
    ends_round: bool,
    /// Counts up to these.
    counts: Counts,
    /// Records handed on, and those of them with a time before that of one handed on earlier in their round.
    records: u64,
    out_of_order: u64,
    /// The latest time of a record in this round.
    latest: u64,
    /// When the first message was due.
    start: Option<Instant>,
    rounds: u64,
    lag: LatencyHistogram,
    max_lag: Duration,
}

/// The files, until a thread has them.
enum Recordings {
    Open(Option<Box<Merge>>),
    Read(mpsc::Receiver<Batch>),
}

impl FileSource {
    /// Opens every file and reads its first record, where nobody need be waited for.
    pub(super) fn open(settings: &FileInputSettings) -> anyhow::Result<Self> {
        let merge = Merge::open(settings)?;
        Ok(Self {
            progress: merge.progress(),
            recordings: Recordings::Open(Some(Box::new(merge))),
            waiting: VecDeque::new(),
            ends_round: false,
            counts: Counts::default(),
            records: 0,
            out_of_order: 0,
            latest: 0,
            schedule: Schedule::new(settings.pace, settings.max_wait),
            settings: settings.clone(),
            start: None,
            rounds: 0,
            lag: LatencyHistogram::default(),
            max_lag: Duration::ZERO,
        })
    }

    /// The next record, also of the next round.
    async fn next_record(&mut self) -> anyhow::Result<Option<Record>> {
        loop {
            if let Some(record) = self.waiting.pop_front() {
                self.records += 1;
                self.out_of_order += u64::from(record.unix < self.latest);
                self.latest = self.latest.max(record.unix);
                return Ok(Some(record));
            }
            if std::mem::take(&mut self.ends_round) {
                self.rounds += 1;
                self.latest = 0;
                self.schedule.restart();
            }
            let batches = match &mut self.recordings {
                Recordings::Read(batches) => batches,
                Recordings::Open(merge) => {
                    let Some(merge) = merge.take() else {
                        return Ok(None);
                    };
                    self.recordings = Recordings::Read(reading::start(*merge, self.settings.repeat)?);
                    continue;
                }
            };
            let Some(batch) = batches.recv().await else {
                return Ok(None);
            };
            self.waiting = batch.records.into();
            self.ends_round = batch.ends_round;
            self.counts = batch.counts;
        }
    }

    async fn wait_until(&mut self, due: Duration) {
        let now = Instant::now();
        let due = *self.start.get_or_insert(now) + due;
        if due > now {
            sleep_until(due).await;
        }
        let late = Instant::now().saturating_duration_since(due);
        self.lag.record(late);
        self.max_lag = self.max_lag.max(late);
    }
}

impl MessageSource for FileSource {
    fn next(&mut self) -> Next<'_> {
        Box::pin(async {
            let Some(record) = self.next_record().await? else {
                return Ok(None);
            };
            let due = self.schedule.due(record.kind, record.unix);
            if self.settings.pace != Pace::Max {
                self.wait_until(due).await;
            }
            let first_byte = Timestamp(record.unix);
            Ok(Some(Message {
                kind: record.kind,
                first_byte,
                last_byte: first_byte.after(Duration::from_nanos(record.latency)),
                payload: record.payload(),
                id: record.id,
            }))
        })
    }

    fn can_wait(&self) -> bool {
        self.settings.pace == Pace::Max
    }

    fn progress(&self) -> Option<Arc<Progress>> {
        (!self.settings.repeat).then(|| Arc::clone(&self.progress))
    }

    fn report(&self) -> Value {
        let counts = &self.counts;
        let mut report = json!({
            "files": self.settings.files.len(),
            "records": self.records,
            "rounds": self.rounds,
            "out_of_order": self.out_of_order,
            "malformed": counts.passed.malformed,
            "too_large": counts.passed.too_large,
            "cut_off": counts.cut_off,
            "like_separators": counts.passed.like_separators,
        });
        if let Some((p50, p99)) = self.lag.counts().quantiles_us() {
            let max = u64::try_from(self.max_lag.as_micros()).unwrap_or(u64::MAX);
            report["lag_us"] = json!({ "p50": p50.min(max), "p99": p99.min(max), "max": max });
        }
        report
    }
}

/// Output of `--input-file-dry-run`: a line for each figure. Nothing is sent, and nothing waited for.
///
/// # Errors
///
/// Where a file cannot be opened, or is no recording.
pub fn dry_run(settings: &FileInputSettings) -> anyhow::Result<String> {
    let mut merge = Merge::open(settings).context("--input-file")?;
    let mut schedule = Schedule::new(settings.pace, settings.max_wait);
    let mut requests = 0u64;
    let mut bytes = 0u64;
    let mut before = None;
    let mut waits: Option<(Duration, Duration, Duration)> = None;
    let mut total = Duration::ZERO;
    while let Some(record) = merge.next_record() {
        let due = schedule.due(record.kind, record.unix);
        requests += u64::from(record.kind == crate::mirror::MessageKind::Request);
        bytes += (record.head.len() + record.body.len()) as u64;
        if let Some(before) = before.replace(due) {
            let wait = due.saturating_sub(before);
            let (first, least, most) = waits.unwrap_or((wait, wait, wait));
            waits = Some((first, least.min(wait), most.max(wait)));
        }
        total = due;
    }
    let counts = merge.counts();
    let passed = counts.passed.malformed + counts.passed.too_large;
    let (first, least, most) = waits.unwrap_or_default();
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write!(
        text,
        "{}\n  files            {}\n  records          {}\n  requests         {requests}\n  bytes            {bytes}\n  \
         passed over      {passed}\n  cut off          {}\n  out of order     {}\n  first wait       {first:?}\n  \
         shortest wait    {least:?}\n  longest wait     {most:?}\n  replay takes     {total:?}\n",
        settings.pattern,
        settings.files.len(),
        counts.records,
        counts.cut_off,
        counts.out_of_order,
    );
    Ok(text)
}

#[cfg(test)]
mod tests;
