//! Certificates and keys in PEM files, for both ends of TLS.

use std::path::{Path, PathBuf};

use anyhow::Context;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// A certificate and its key, in PEM files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentityFiles {
    /// The certificate, and those that lead from it to its authority.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// A certificate with those that lead to its authority, and its key.
pub type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

/// Reads the certificates and the key of one side.
///
/// # Errors
///
/// Where a file cannot be read, or has no certificate or no private key in it. Names the file, and nothing of what is in it.
pub fn identity(files: &IdentityFiles) -> anyhow::Result<Identity> {
    let certificates = certificates(&files.certificate)?;
    let key = PrivateKeyDer::from_pem_file(&files.key)
        .map_err(|error| anyhow::anyhow!("cannot read a private key: {error}"))
        .with_context(|| files.key.display().to_string())?;
    Ok((certificates, key))
}

/// Reads the certificates of a file; there is at least one.
///
/// # Errors
///
/// Where the file cannot be read, or has no certificate in it.
pub fn certificates(path: &Path) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let read = || -> Result<Vec<_>, rustls::pki_types::pem::Error> {
        CertificateDer::pem_file_iter(path)?.collect()
    };
    let certificates = read()
        .map_err(|error| anyhow::anyhow!("cannot read a certificate: {error}"))
        .with_context(|| path.display().to_string())?;
    anyhow::ensure!(
        !certificates.is_empty(),
        "{}: it contains no certificate",
        path.display()
    );
    Ok(certificates)
}
