//! The capture of a run, on and off: what holds the gate closed takes the targets out of the kernel too.

use super::secrets::Secrets;
use crate::admin::Readiness;
use crate::capture::{LiveCapture, PodTarget};
use crate::mirror::gate::{Gate, PauseCause};
use crate::settings::LiveInput;

/// The condition of live capture.
pub(super) const CAPTURE: &str = "capture";

/// Live capture, if there is any, and the gate that it follows.
pub(super) struct CaptureSwitch {
    /// `None` where there is none, and once it has ended.
    capture: Option<LiveCapture>,
    /// Secrets of TLS, which are taken while capture is on.
    secrets: Secrets,
    /// The watched targets, but for pauses.
    live: Vec<LiveInput>,
    pods: Vec<PodTarget>,
    gate: Gate,
    readiness: Readiness,
}

impl CaptureSwitch {
    /// Capture and secrets that were started for `live`.
    pub fn new(
        capture: Option<LiveCapture>,
        secrets: Secrets,
        live: Vec<LiveInput>,
        gate: Gate,
        readiness: Readiness,
    ) -> Self {
        Self {
            capture,
            secrets,
            live,
            pods: Vec::new(),
            gate,
            readiness,
        }
    }

    /// Where secrets of TLS come from.
    pub fn secrets(&self) -> &Secrets {
        &self.secrets
    }

    /// Whether there is live capture that has not ended.
    pub fn is_live(&self) -> bool {
        self.capture.is_some()
    }

    pub fn is_paused(&self) -> bool {
        self.gate.is_paused()
    }

    /// Pauses. Requests are not mirrored from then on even where capture cannot be turned off.
    pub fn pause(&mut self, cause: PauseCause) -> Result<(), String> {
        self.gate.pause(cause);
        self.follow_gate()
    }

    /// Pauses; a capture that cannot be turned off is logged.
    pub fn pause_or_log(&mut self, cause: PauseCause) {
        self.gate.pause(cause);
        self.follow_gate_or_log();
    }

    /// Resumes after a rest; a capture that cannot be turned on is logged.
    pub fn resume_or_log(&mut self, cause: PauseCause) {
        self.gate.resume(cause);
        self.follow_gate_or_log();
    }

    /// Resumes as somebody asked; stays paused where capture cannot be turned on.
    pub fn resume(&mut self) -> Result<(), String> {
        let before: Vec<_> = self.gate.causes().collect();
        self.gate.resume(PauseCause::Asked);
        self.gate.resume(PauseCause::Expired);
        let followed = self.follow_gate();
        if followed.is_err() {
            // What is not captured shall not look as if it were.
            for cause in before {
                self.gate.pause(cause);
            }
        }
        followed
    }

    /// Turns capture off or on, whichever the gate says.
    pub fn follow_gate_or_log(&mut self) {
        if let Err(error) = self.follow_gate() {
            tracing::error!(error, "cannot change capture");
        }
    }

    fn follow_gate(&mut self) -> Result<(), String> {
        let Some(capture) = &mut self.capture else {
            return Ok(());
        };
        let captures = if self.gate.is_paused() {
            capture.pause()
        } else {
            capture.resume()
        };
        let followed = match captures {
            Ok(()) => self.select().map_err(|error| format!("{error:#}")),
            Err(error) => Err(error.to_string()),
        };
        self.readiness.set(CAPTURE, followed.clone());
        followed
    }

    /// Has the kernel watch exactly these.
    pub fn watch(&mut self, inputs: &[LiveInput], pods: &[PodTarget]) -> anyhow::Result<()> {
        if let Some(capture) = &mut self.capture {
            capture.watch(inputs)?;
            capture.watch_pods(pods)?;
            self.live = inputs.to_vec();
            self.pods = pods.to_vec();
            self.select()?;
        }
        Ok(())
    }

    /// Takes secrets of those that serve what is captured now.
    fn select(&self) -> anyhow::Result<()> {
        if self.gate.is_paused() {
            self.secrets.select(&[], &[])
        } else {
            self.secrets.select(&self.live, &self.pods)
        }
    }

    /// Ends capture: what the rings hold then is all there will be.
    pub fn end(&mut self) {
        drop(self.capture.take());
    }
}
