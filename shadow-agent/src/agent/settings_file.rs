//! The file that settings come from, followed while it changes: a thread looks at it, so that neither a slow disk nor a
//! name that is looked up holds up the run.

use std::fmt;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use anyhow::Context as _;
use tokio::sync::mpsc;

use crate::settings::Settings;

/// How often the file is read. Its content is compared, not its inode or its times: a Kubernetes `ConfigMap` is a link to
/// a folder that is a link which is swapped, an editor may write in place, and a file of some kilobytes costs
/// microseconds. kubelet itself takes up to a minute to swap, so this adds little.
const LOOK: Duration = Duration::from_secs(2);

/// A changed file is taken once it has been the same for so long: an editor that writes in place is not done at once,
/// and half a file may be a valid one.
const SETTLE: Duration = Duration::from_millis(200);

/// How often in a row it may have changed again before it is taken as it is.
const MAX_CHANGES: u32 = 50;

/// Where settings come from that may change under a run.
pub trait SettingsFile: fmt::Debug + Send {
    /// The content at this moment.
    ///
    /// # Errors
    ///
    /// Where the file cannot be read, is not a regular one, or is too large.
    fn read(&self) -> Result<Vec<u8>, String>;

    /// Resolves and validates a content.
    ///
    /// # Errors
    ///
    /// For what is no configuration file, with the way out, and without secrets.
    fn settings(&self, content: &[u8]) -> Result<Settings, String>;
}

/// A file to be followed, with the content that the run was started with.
#[derive(Debug)]
pub struct WatchedFile {
    /// The file.
    pub file: Box<dyn SettingsFile>,
    /// Its content, as it was read.
    pub content: Vec<u8>,
}

/// The result of reloading a file.
pub(super) type Loaded = Result<Settings, String>;

/// The thread that follows the file. It ends when this is dropped.
pub(super) struct Reloading {
    orders: SyncSender<()>,
    loaded: mpsc::Receiver<Loaded>,
}

impl Reloading {
    /// Follows `watched` from now on.
    pub fn start(watched: WatchedFile) -> anyhow::Result<Self> {
        // One that waits is as good as many.
        let (orders, inbox) = sync_channel(1);
        let (tell, loaded) = mpsc::channel(1);
        std::thread::Builder::new()
            .name("config".to_owned())
            .spawn(move || {
                super::priority::lower_priority();
                follow(watched, &inbox, &tell);
            })
            .context("cannot start the thread that watches the configuration file")?;
        Ok(Self { orders, loaded })
    }

    /// Has it read now, whether or not it changed.
    pub fn read_now(&self) {
        // A full queue means that it will be.
        let _ = self.orders.try_send(());
    }
}

/// Resolves when the file was read again; never, where there is none.
pub(super) async fn loaded(reloading: &mut Option<Reloading>) -> Loaded {
    if let Some(reloading) = reloading
        && let Some(loaded) = reloading.loaded.recv().await
    {
        return loaded;
    }
    std::future::pending().await
}

fn follow(watched: WatchedFile, orders: &Receiver<()>, tell: &mpsc::Sender<Loaded>) {
    let WatchedFile { file, content } = watched;
    let mut known = Ok(content);
    loop {
        let asked = match orders.recv_timeout(LOOK) {
            Ok(()) => true,
            Err(RecvTimeoutError::Timeout) => false,
            Err(RecvTimeoutError::Disconnected) => return,
        };
        let mut now = file.read();
        if !asked {
            if now == known {
                continue;
            }
            now = settled(now, || {
                std::thread::sleep(SETTLE);
                file.read()
            });
        }
        known.clone_from(&now);
        let loaded = now.and_then(|content| file.settings(&content));
        if tell.blocking_send(loaded).is_err() {
            return;
        }
    }
}

/// Reads the file until its content no longer changes.
fn settled<T: PartialEq>(mut now: T, mut again: impl FnMut() -> T) -> T {
    for _ in 0..MAX_CHANGES {
        let next = again();
        if next == now {
            break;
        }
        now = next;
    }
    now
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_taken_when_it_was_the_same_twice() {
        let mut contents = ["", "half", "whole", "whole", "later"].into_iter();
        let first = contents.next().unwrap();
        assert_eq!(settled(first, || contents.next().unwrap()), "whole");
    }

    #[test]
    fn a_file_that_never_stands_still_is_taken_all_the_same() {
        let mut count = 0;
        let last = settled(0, || {
            count += 1;
            count
        });
        assert_eq!(last, MAX_CHANGES);
    }
}
