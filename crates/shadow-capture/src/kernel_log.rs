//! The log of kernel programs that were built with logging (`cargo xtask build-ebpf --log`); the embedded ones have
//! none. Debug builds of the agent only.

use std::time::Duration;

use aya::Ebpf;
use aya_log::EbpfLogger;

/// How often the log is read.
const INTERVAL: Duration = Duration::from_millis(50);

/// Passes on what the programs log, for as long as the process lives.
pub fn show(ebpf: &mut Ebpf) {
    if ebpf.map("AYA_LOGS").is_none() {
        return;
    }
    let mut logger = match EbpfLogger::init(ebpf) {
        Ok(logger) => logger,
        Err(error) => return tracing::warn!(%error, "cannot read the log of the kernel programs"),
    };
    let reader = shadow_core::privileges::thread("kernel-log", &[], move || -> () {
        loop {
            logger.flush();
            std::thread::sleep(INTERVAL);
        }
    });
    if let Err(error) = reader {
        tracing::warn!(%error, "the log of the kernel programs is not available");
    }
}
