//! Key logs that grow, are truncated, replaced, written later, or come through a FIFO.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;

use nix::sys::stat::Mode;
use shadow_tls::StoreLimits;

use super::*;

/// A key log line of TLS 1.2.
fn line(number: u8) -> String {
    let hex = |byte: u8, count: usize| format!("{byte:02x}").repeat(count);
    format!("CLIENT_RANDOM {} {}\n", hex(number, 32), hex(7, 48))
}

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("shadow-agent-keys-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn file(&self) -> PathBuf {
        self.0.join("keys")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn append(path: &Path, text: &str) {
    let file = OpenOptions::new().append(true).create(true).open(path);
    file.unwrap().write_all(text.as_bytes()).unwrap();
}

fn follow(path: &Path) -> KeyLogFiles {
    let store = SecretStore::new(StoreLimits::default());
    KeyLogFiles::follow(&[path.to_owned()], &store, || {}).unwrap()
}

/// Waits until so many secrets were read.
fn await_secrets(logs: &KeyLogFiles, secrets: u64) {
    let began = Instant::now();
    while logs.counts().secrets < secrets && began.elapsed() < Duration::from_secs(10) {
        std::thread::yield_now();
    }
    assert_eq!(
        logs.counts(),
        KeyLogReport {
            secrets,
            bad_lines: 0
        }
    );
}

#[test]
fn what_is_there_is_read_at_once_and_what_is_added_soon() {
    let folder = Folder::new("grows");
    append(&folder.file(), &line(1));
    let logs = follow(&folder.file());
    assert_eq!(logs.counts().secrets, 1);
    let more = line(2);
    append(&folder.file(), &more[..40]);
    append(&folder.file(), &more[40..]);
    await_secrets(&logs, 2);
}

#[test]
fn a_file_may_come_later_be_truncated_and_be_replaced() {
    let folder = Folder::new("replaced");
    let file = folder.file();
    let logs = follow(&file);
    append(&file, &(line(1) + &line(2)));
    await_secrets(&logs, 2);
    std::fs::write(&file, line(3)).unwrap();
    await_secrets(&logs, 3);
    let next = folder.0.join("next");
    append(&next, &(line(4) + &line(5) + &line(6)));
    let mut former = OpenOptions::new().append(true).open(&file).unwrap();
    std::fs::rename(&next, &file).unwrap();
    await_secrets(&logs, 6);
    // Whoever had it open writes on.
    former.write_all(line(8).as_bytes()).unwrap();
    await_secrets(&logs, 7);
    std::fs::remove_file(&file).unwrap();
    append(&file, &line(7));
    await_secrets(&logs, 8);
}

#[test]
fn a_fifo_may_have_one_writer_after_another() {
    let folder = Folder::new("fifo");
    nix::unistd::mkfifo(&folder.file(), Mode::from_bits_truncate(0o600)).unwrap();
    let logs = follow(&folder.file());
    append(&folder.file(), &line(1));
    await_secrets(&logs, 1);
    append(&folder.file(), &line(2));
    await_secrets(&logs, 2);
}

#[test]
fn what_is_no_file_is_refused_and_other_lines_are_counted() {
    let store = SecretStore::new(StoreLimits::default());
    let error = KeyLogFiles::follow(&[PathBuf::from("/dev/null")], &store, || {}).unwrap_err();
    assert_eq!(error.to_string(), "this is a device, not a file");
    let folder = Folder::new("other");
    append(&folder.file(), "no key log\n# a comment\n");
    let expected = KeyLogReport {
        secrets: 0,
        bad_lines: 1,
    };
    assert_eq!(follow(&folder.file()).counts(), expected);
}
