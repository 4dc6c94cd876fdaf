//! Whose certificates are trusted: those of authorities, and the very certificates that were given as such.
//!
//! A certificate that vouches for itself is an authority's by the defaults of `openssl req -x509`, and the standard verifier
//! takes none of those from the other side, not even the one that the user named. Go does, and so does this: whoever
//! shows exactly a certificate that is trusted, and signs with its key, is the one that was meant.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, RootCertStore, SignatureScheme,
};

use crate::pem::certificates;

/// Certificates that are trusted.
pub struct Trusted(Vec<CertificateDer<'static>>);

impl Trusted {
    /// Those in a PEM file, all of which must be certificates.
    ///
    /// # Errors
    ///
    /// Where the file cannot be read, or has something else than certificates of CAs in it, or none.
    pub fn of_file(path: &Path) -> anyhow::Result<Self> {
        let given = certificates(path)?;
        for certificate in &given {
            RootCertStore::empty()
                .add(certificate.clone())
                .with_context(|| format!("{}: this is not a CA certificate", path.display()))?;
        }
        Ok(Self(given))
    }

    /// Those of this host, of which some may be no certificates; `without` is the flag that does without verification.
    ///
    /// # Errors
    ///
    /// Where the host has none.
    pub fn of_host(without: &str) -> anyhow::Result<Self> {
        let mut found = rustls_native_certs::load_native_certs().certs;
        found.retain(|certificate| RootCertStore::empty().add(certificate.clone()).is_ok());
        anyhow::ensure!(
            !found.is_empty(),
            "no CA certificates found on this machine: install the package ca-certificates, set \
             SSL_CERT_FILE, or use {without}"
        );
        Ok(Self(found))
    }

    fn roots(&self) -> Arc<RootCertStore> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(self.0.iter().cloned());
        roots.into()
    }

    /// Verifies servers.
    ///
    /// # Errors
    ///
    /// Where the library takes none of the certificates.
    pub fn of_servers(self, provider: Arc<CryptoProvider>) -> anyhow::Result<Arc<dyn ServerCertVerifier>> {
        let standard = WebPkiServerVerifier::builder_with_provider(self.roots(), provider).build()?;
        Ok(Arc::new(OfServers {
            trusted: self.0,
            standard,
        }))
    }

    /// Verifies clients.
    ///
    /// # Errors
    ///
    /// Where the library takes none of the certificates.
    pub fn of_clients(self, provider: Arc<CryptoProvider>) -> anyhow::Result<Arc<dyn ClientCertVerifier>> {
        let standard = WebPkiClientVerifier::builder_with_provider(self.roots(), provider).build()?;
        Ok(Arc::new(OfClients {
            trusted: self.0,
            standard,
        }))
    }
}

/// Whether `error` says no more than that an authority's certificate is shown as one's own, and that is trusted. Its validity
/// in time was looked at before.
fn is_authority(error: &Error, shown: &CertificateDer<'_>, trusted: &[CertificateDer<'_>]) -> bool {
    matches!(error, Error::InvalidCertificate(CertificateError::Other(_))) && trusted.contains(shown)
}

#[derive(Debug)]
struct OfServers {
    trusted: Vec<CertificateDer<'static>>,
    standard: Arc<WebPkiServerVerifier>,
}

impl ServerCertVerifier for OfServers {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verified =
            self.standard
                .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        match verified {
            Err(error) if is_authority(&error, end_entity, &self.trusted) => {
                verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
                Ok(ServerCertVerified::assertion())
            }
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.standard.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.standard.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.standard.supported_verify_schemes()
    }
}

#[derive(Debug)]
struct OfClients {
    trusted: Vec<CertificateDer<'static>>,
    standard: Arc<dyn ClientCertVerifier>,
}

impl ClientCertVerifier for OfClients {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.standard.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        match self.standard.verify_client_cert(end_entity, intermediates, now) {
            Err(error) if is_authority(&error, end_entity, &self.trusted) => {
                Ok(ClientCertVerified::assertion())
            }
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.standard.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.standard.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.standard.supported_verify_schemes()
    }
}
