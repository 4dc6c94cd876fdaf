//! A certificate of the tests' own, and its key, as files.

use std::path::{Path, PathBuf};

use crate::{Stage, process};

/// A self-signed certificate on P-256 for two days.
#[derive(Clone, Debug)]
pub struct Certificate {
    /// The certificate, in PEM.
    pub certificate: PathBuf,
    /// Its key, in PEM (PKCS #8).
    pub key: PathBuf,
    /// Both in one file, as haproxy takes them.
    pub both: PathBuf,
}

impl Certificate {
    /// Makes one in the stage's folder.
    pub fn new(stage: &Stage) -> Self {
        let number = stage.number();
        let [certificate, key, both] =
            ["cert", "key", "both"].map(|what| stage.path(&format!("{what}-{number}.pem")));
        let mut openssl = process::command("openssl");
        openssl.args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
        ]);
        openssl.args(["-nodes", "-days", "2", "-subj", "/CN=production.test"]);
        openssl.args(["-addext", "subjectAltName=DNS:production.test,DNS:localhost"]);
        openssl.arg("-keyout").arg(&key).arg("-out").arg(&certificate);
        process::check(&mut openssl);
        let all = [&certificate, &key].map(|file| read(file)).concat();
        std::fs::write(&both, all).expect("a certificate with its key");
        Self {
            certificate,
            key,
            both,
        }
    }
}

fn read(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
