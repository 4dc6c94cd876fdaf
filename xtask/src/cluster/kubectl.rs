//! `kubectl` as the steps use it: what changes the cluster is printed before it is done.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// How long things may take.
#[derive(Clone, Copy)]
pub struct Pace {
    /// Between two looks at the cluster.
    pub poll: Duration,
    /// How long something may take to become true: images are pulled meanwhile.
    pub patience: Duration,
    /// After this long what shall not come has not come, and every agent follows a change: the promise is a second.
    pub settle: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            poll: Duration::from_millis(500),
            patience: Duration::from_mins(3),
            settle: Duration::from_secs(2),
        }
    }
}

/// A `kubectl`.
pub struct Kubectl {
    program: PathBuf,
    pace: Pace,
}

impl Kubectl {
    /// The one at `program`; it finds the cluster by its environment.
    pub fn new(program: PathBuf, pace: Pace) -> Self {
        Self { program, pace }
    }

    /// Changes something: says so, and shows what comes of it.
    pub fn run(&self, arguments: &[&str]) -> Result<()> {
        println!("$ kubectl {}", arguments.join(" "));
        print!("{}", self.output(arguments, "")?);
        Ok(())
    }

    /// Applies a manifest that is nowhere in a file.
    pub fn apply(&self, manifest: &Value) -> Result<()> {
        println!(
            "$ kubectl apply ({} {})",
            manifest["kind"], manifest["metadata"]["name"]
        );
        print!(
            "{}",
            self.output(&["apply", "--filename", "-"], &manifest.to_string())?
        );
        Ok(())
    }

    /// Reads something.
    pub fn read(&self, arguments: &[&str]) -> Result<String> {
        self.output(arguments, "")
    }

    /// Reads an object, or a list of them.
    pub fn json(&self, arguments: &[&str]) -> Result<Value> {
        let text = self.read(&[arguments, &["--output", "json"]].concat())?;
        serde_json::from_str(&text).with_context(|| format!("kubectl {} gave no JSON", arguments.join(" ")))
    }

    /// Whether there is such an object.
    pub fn exists(&self, kind: &str, name: &str) -> Result<bool> {
        let found = self.read(&["get", kind, name, "--ignore-not-found", "--output", "name"])?;
        Ok(!found.trim().is_empty())
    }

    /// Waits until `look` finds what it looks for. While it does not, it says what is missing; an error of `kubectl` is
    /// a reason to look again.
    pub fn until<T>(&self, what: &str, mut look: impl FnMut() -> Result<Result<T, String>>) -> Result<T> {
        let begun = Instant::now();
        loop {
            let missing = match look() {
                Ok(Ok(found)) => return Ok(found),
                Ok(Err(missing)) => missing,
                Err(error) => format!("{error:#}"),
            };
            if begun.elapsed() >= self.pace.patience {
                bail!("waited {:?} for {what}: {missing}", self.pace.patience);
            }
            std::thread::sleep(self.pace.poll);
        }
    }

    /// Lets what shall not happen not happen.
    pub fn settle(&self) {
        std::thread::sleep(self.pace.settle);
    }

    fn output(&self, arguments: &[&str], stdin: &str) -> Result<String> {
        let mut child = Command::new(&self.program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {}", self.program.display()))?;
        if let Some(mut pipe) = child.stdin.take() {
            // One that does not read it says by its status what is wrong.
            let _ = pipe.write_all(stdin.as_bytes());
        }
        let output = child.wait_with_output()?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            bail!(
                "kubectl {} failed ({}): {}",
                arguments.join(" "),
                output.status,
                said.trim()
            );
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}
