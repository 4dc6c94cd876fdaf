//! A guest from power-on to power-off, and what it says on its serial console.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

/// A machine to boot.
pub struct Guest<'a> {
    pub kernel: &'a Path,
    pub initramfs: &'a Path,
    /// Where everything goes that it says.
    pub log: &'a Path,
    /// It is switched off after so long.
    pub limit: Duration,
}

/// The outcome of a guest.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Checks that held.
    pub passed: usize,
    /// Those that did not, and why.
    pub failures: Vec<String>,
    /// The figures that it measured.
    pub figures: Vec<String>,
    /// Whether it got to its end.
    ended: bool,
}

impl Guest<'_> {
    /// Boots it and waits for its end.
    pub fn run(&self) -> Result<Outcome> {
        let mut child = Switched(
            Command::new("qemu-system-x86_64")
                .args([
                    "-accel",
                    "tcg,thread=multi",
                    "-cpu",
                    "max",
                    "-smp",
                    "2",
                    "-m",
                    "2048",
                ])
                .args([
                    "-display",
                    "none",
                    "-monitor",
                    "none",
                    "-nic",
                    "none",
                    "-no-reboot",
                ])
                .args(["-serial", "stdio"])
                .arg("-kernel")
                .arg(self.kernel)
                .arg("-initrd")
                .arg(self.initramfs)
                // panic=-1: restart at once, which -no-reboot makes an end.
                .args([
                    "-append",
                    "console=ttyS0 quiet loglevel=4 panic=-1 mitigations=off nokaslr",
                ])
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .spawn()
                .context("cannot start qemu-system-x86_64")?,
        );
        let stdout = child.0.stdout.take().context("qemu has no output")?;
        let (lines, said) = channel();
        let reader = std::thread::spawn(move || {
            for line in BufReader::new(stdout).split(b'\n').map_while(Result::ok) {
                if lines
                    .send(String::from_utf8_lossy(&line).trim_end().to_owned())
                    .is_err()
                {
                    break;
                }
            }
        });
        let mut log =
            File::create(self.log).with_context(|| format!("cannot write {}", self.log.display()))?;
        let mut outcome = Outcome::default();
        let start = Instant::now();
        loop {
            match said.recv_timeout(self.limit.saturating_sub(start.elapsed())) {
                Ok(line) => {
                    writeln!(log, "[{:7.2}] {line}", start.elapsed().as_secs_f64())?;
                    outcome.read(&line);
                }
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {
                    let limit = self.limit.as_secs();
                    outcome.failures.push(format!("it did not end within {limit} s"));
                    break;
                }
            }
        }
        drop(child);
        // Its pipe has closed with it.
        drop(reader.join());
        if !outcome.ended {
            outcome
                .failures
                .push(format!("it did not get to its end; see {}", self.log.display()));
        }
        Ok(outcome)
    }
}

/// A machine that is switched off when it is dropped.
struct Switched(Child);

impl Drop for Switched {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Outcome {
    /// Takes one line of the console. Those of the checks begin with a word of their own; the kernel's are not read.
    fn read(&mut self, line: &str) {
        if let Some(check) = line.strip_prefix("CHECK ok ") {
            println!("ok {check}");
            self.passed += 1;
        } else if let Some(check) = line.strip_prefix("CHECK failed ") {
            println!("FAILED {check}");
            self.failures.push(check.to_owned());
        } else if let Some(figure) = line.strip_prefix("FIGURE ") {
            self.figures.push(figure.to_owned());
        } else if line == "CHECKS END" {
            self.ended = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checks_figures_and_the_end_are_read_off_the_console() {
        let mut outcome = Outcome::default();
        for line in [
            "[    0.5] Linux version 6.1",
            "CHECK ok tc, lo, IPv4",
            "CHECK failed cgroup, veth: 199 of 200",
            "FIGURE shadow_l2_in 12345",
            "CHECKS END",
        ] {
            outcome.read(line);
        }
        assert_eq!(
            outcome,
            Outcome {
                passed: 1,
                failures: vec!["cgroup, veth: 199 of 200".to_owned()],
                figures: vec!["shadow_l2_in 12345".to_owned()],
                ended: true,
            }
        );
    }
}
