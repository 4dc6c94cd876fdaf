//! The way of other tools, to compare with: probes at each call of `SSL_read` and `SSL_write`, here with nothing to do but count.
//!
//! They are perf events (`perf_event_open(2)`, the PMU `uprobe`), at the functions' entries and at the return of `SSL_read`,
//! which is where its plaintext is; a program at each would only make them dearer. All processes of the machine that use this
//! libssl are probed, on every processor.

use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::fd::FromRawFd;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;
use nix::libc;

use crate::bench::{process, stat};
use crate::setup;

/// Where the kernel says how the PMU of probes in user space is asked for.
const PMU: &str = "/sys/bus/event_source/devices/uprobe";

/// `PERF_FLAG_FD_CLOEXEC` (`linux/perf_event.h`).
const CLOSE_ON_EXEC: libc::c_ulong = 1 << 3;

/// Attached probes. Dropping them takes them away.
pub struct Probes(#[expect(dead_code, reason = "held open")] Vec<File>);

impl Probes {
    /// Attaches them to the libssl that nginx uses.
    pub fn attach() -> anyhow::Result<Self> {
        let library = library()?;
        let kind: u32 = stat::read(Path::new(PMU).join("type"))?.trim().parse()?;
        let processors = std::thread::available_parallelism()?.get();
        let mut events = Vec::new();
        for (function, on_return) in [("SSL_read", true), ("SSL_write", false), ("SSL_read", false)] {
            let offset = offset(&library, function)?;
            for processor in 0..processors {
                events.push(
                    open(kind, &library, offset, on_return, processor)
                        .with_context(|| format!("cannot probe {function}"))?,
                );
            }
        }
        Ok(Self(events))
    }
}

/// The parts of `struct perf_event_attr` (`linux/perf_event.h`, 64 bytes: `PERF_ATTR_SIZE_VER0`) that a probe needs, and its two
/// words behind them (`VER1`: 72 bytes).
#[repr(C)]
struct Attributes {
    kind: u32,
    size: u32,
    /// Bit 0: at the function's return.
    config: u64,
    unused: [u64; 3],
    flags: u64,
    unused_words: [u32; 2],
    /// `uprobe_path`.
    path: u64,
    /// `probe_offset`.
    offset: u64,
}

fn open(kind: u32, library: &Path, offset: u64, on_return: bool, processor: usize) -> anyhow::Result<File> {
    let path = CString::new(library.as_os_str().as_encoded_bytes())?;
    let attributes = Attributes {
        kind,
        size: u32::try_from(size_of::<Attributes>())?,
        config: u64::from(on_return),
        unused: [0; 3],
        flags: 0,
        unused_words: [0; 2],
        path: path.as_ptr() as u64,
        offset,
    };
    let all_processes: libc::pid_t = -1;
    let no_group: libc::c_int = -1;
    // SAFETY: the attributes and the path that they point to live until the call returns, and their size is told.
    let event = unsafe {
        libc::syscall(
            libc::SYS_perf_event_open,
            &raw const attributes,
            all_processes,
            libc::c_int::try_from(processor)?,
            no_group,
            CLOSE_ON_EXEC,
        )
    };
    if event < 0 {
        return Err(io::Error::last_os_error()).context("perf_event_open");
    }
    // SAFETY: the kernel has just made this descriptor for us.
    Ok(unsafe { File::from_raw_fd(libc::c_int::try_from(event)?) })
}

/// The libssl that nginx is linked with.
fn library() -> anyhow::Result<PathBuf> {
    let nginx = setup::program("nginx").context("nginx is not installed")?;
    let linked = process::run("ldd", Command::new("ldd").arg(nginx))?.stdout;
    let line = linked.lines().find(|line| line.contains("libssl.so"));
    let path = line.and_then(|line| line.split_whitespace().nth(2));
    Ok(path.context("nginx is not linked with a libssl")?.into())
}

/// Where an exported function begins in its file.
fn offset(library: &Path, function: &str) -> anyhow::Result<u64> {
    let program = setup::program("readelf").context("readelf is not installed (package binutils)")?;
    let readelf =
        |what: &str| process::run("readelf", Command::new(&program).args(["-W", what]).arg(library));
    let symbols = readelf("--dyn-syms")?.stdout;
    let segments = readelf("--segments")?.stdout;
    symbol(&symbols, function)
        .and_then(|address| segments.lines().find_map(|line| in_file(line, address)))
        .with_context(|| format!("no {function} in {}", library.display()))
}

/// `   Num:    Value          Size Type    Bind   Vis      Ndx Name`, the name with its version behind `@@`.
fn symbol(text: &str, function: &str) -> Option<u64> {
    text.lines().find_map(|line| {
        let fields: Vec<_> = line.split_whitespace().collect();
        let name = fields.get(7)?.split('@').next()?;
        (name == function && fields[6] != "UND").then(|| u64::from_str_radix(fields[1], 16).ok())?
    })
}

/// Where an address is in the file, if it is in this segment, a line of readelf's: `LOAD`, offset in the file, address, physical
/// address, size in the file, and more.
fn in_file(line: &str, address: u64) -> Option<u64> {
    let mut fields = line.split_whitespace();
    if fields.next() != Some("LOAD") {
        return None;
    }
    let numbers: Vec<u64> = fields
        .map_while(|field| u64::from_str_radix(field.trim_start_matches("0x"), 16).ok())
        .collect();
    let [offset, start, _, size, ..] = numbers[..] else {
        return None;
    };
    let within = address.checked_sub(start)?;
    (within < size).then_some(offset + within)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_symbol_is_found_by_its_name_alone() {
        let text = "   Num:    Value          Size Type    Bind   Vis      Ndx Name\n\
                    \x20    9: 0000000000000000     0 FUNC    GLOBAL DEFAULT  UND EVP_KDF_derive@OPENSSL_3.0.0 (4)\n\
                    \x20  601: 00000000000370f0   106 FUNC    GLOBAL DEFAULT   14 SSL_read_ex@@OPENSSL_3.0.0\n\
                    \x20  713: 0000000000036f80   100 FUNC    GLOBAL DEFAULT   14 SSL_read@@OPENSSL_3.0.0\n";
        assert_eq!(symbol(text, "SSL_read"), Some(0x36f80));
        assert_eq!(symbol(text, "EVP_KDF_derive"), None);
    }

    #[test]
    fn an_address_is_found_in_the_segment_that_maps_it() {
        let line =
            "  LOAD           0x01f000 0x0000000000020000 0x0000000000020000 0x05d2b5 0x05d2b5 R E 0x1000";
        assert_eq!(in_file(line, 0x36f80), Some(0x35f80));
        assert_eq!(in_file(line, 0x1f000), None);
        assert_eq!(in_file(line, 0x7d2b5), None);
    }
}
