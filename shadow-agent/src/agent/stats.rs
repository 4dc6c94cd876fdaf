//! When the lines of `--stats` and `--output-http-stats` are due, and what they are counted from.

use std::time::Duration;

use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

use crate::settings::StatsSettings;
use crate::status::{RunStats, of_output, of_run};

/// Time between two lines of `--stats`; GoReplay's.
const EVERY: Duration = Duration::from_secs(5);

/// The schedule of `--stats` and `--output-http-stats`, and the counts of the last line.
pub(super) struct Stats {
    run: Option<Series>,
    http: Option<Series>,
}

/// Which lines are due.
#[derive(Clone, Copy)]
pub(super) enum Due {
    /// That of the run.
    Run,
    /// Those of HTTP outputs.
    Http,
}

struct Series {
    ticks: Interval,
    before: RunStats,
    at: Instant,
}

impl Stats {
    pub fn new(settings: &StatsSettings) -> Self {
        Self {
            run: settings.run.then(|| Series::new(EVERY)),
            http: settings.http.map(Series::new),
        }
    }

    /// Resolves when lines are due; never, where none are wanted. May be dropped and called again.
    pub async fn next(&mut self) -> Due {
        let Self { run, http } = self;
        tokio::select! {
            () = tick(run) => Due::Run,
            () = tick(http) => Due::Http,
        }
    }

    /// Logs the lines that are due.
    pub fn log(&mut self, due: Due, now: RunStats) {
        for line in self.lines(due, now) {
            tracing::info!("{line}");
        }
    }

    fn lines(&mut self, due: Due, now: RunStats) -> Vec<String> {
        let series = match due {
            Due::Run => &mut self.run,
            Due::Http => &mut self.http,
        };
        let Some(series) = series else {
            return Vec::new();
        };
        let elapsed = series.at.elapsed();
        series.at = Instant::now();
        let lines = match due {
            Due::Run => vec![of_run(&series.before, &now, elapsed)],
            Due::Http => {
                let outputs = now.outputs.iter().filter(|output| output.http);
                outputs
                    .map(|output| of_output(&series.before, output, elapsed))
                    .collect()
            }
        };
        series.before = now;
        lines
    }
}

impl Series {
    fn new(every: Duration) -> Self {
        let now = Instant::now();
        let mut ticks = interval_at(now + every, every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            ticks,
            before: RunStats::default(),
            at: now,
        }
    }
}

async fn tick(series: &mut Option<Series>) {
    match series {
        Some(series) => {
            series.ticks.tick().await;
        }
        None => std::future::pending().await,
    }
}
