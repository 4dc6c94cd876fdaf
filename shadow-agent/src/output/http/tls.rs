//! TLS to the shadow by rustls: the platform's authorities, those of a file, or no verification at all where the user says so.

use std::io;
use std::sync::Arc;

use anyhow::Context;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::timestamped::Stamped;
use crate::output::RelayTls;
use crate::pem::{Identity, identity};
use crate::trust::Trusted;

/// Makes a TCP connection a TLS one. Cheap to clone; clones share the session cache.
#[derive(Clone)]
pub(in crate::output) struct Tls {
    config: Arc<ClientConfig>,
    server: ServerName<'static>,
}

impl Tls {
    /// For a host name or address as typed, for HTTP/1.1.
    pub(super) fn new(host: &str, verify: bool) -> anyhow::Result<Self> {
        let trusted = verify
            .then(|| Trusted::of_host("--output-http-skip-verify"))
            .transpose()?;
        Self::with(host, trusted, None, vec![b"http/1.1".to_vec()])
    }

    /// The same, for HTTP/2. HTTP/1.1 is offered too, so that a server without HTTP/2 says so, and not that it understands
    /// nothing (RFC 7301 section 3.2).
    #[must_use]
    pub(super) fn for_http2(&self) -> Self {
        let mut config = ClientConfig::clone(&self.config);
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Self {
            config: Arc::new(config),
            server: self.server.clone(),
        }
    }

    /// For a host name or address as typed, as `settings` say; `skip` is the flag that does without verification.
    pub(in crate::output) fn of_relay(host: &str, settings: &RelayTls, skip: &str) -> anyhow::Result<Self> {
        let trusted = match &settings.authorities {
            _ if !settings.verify => None,
            Some(path) => Some(Trusted::of_file(path)?),
            None => Some(Trusted::of_host(skip)?),
        };
        let identity = settings.identity.as_ref().map(identity).transpose()?;
        Self::with(host, trusted, identity, Vec::new())
    }

    /// `trusted`: `None` where any certificate will do.
    fn with(
        host: &str,
        trusted: Option<Trusted>,
        identity: Option<Identity>,
        protocols: Vec<Vec<u8>>,
    ) -> anyhow::Result<Self> {
        let server = ServerName::try_from(host.to_owned())
            .with_context(|| format!("{host:?} is not a valid name for a TLS handshake"))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .context("cannot set up TLS")?;
        let verifier: Arc<dyn ServerCertVerifier> = match trusted {
            Some(trusted) => trusted
                .of_servers(Arc::clone(&provider))
                .context("cannot verify certificates")?,
            None => Arc::new(AnyCertificate(provider)),
        };
        let builder = builder.dangerous().with_custom_certificate_verifier(verifier);
        let mut config = match identity {
            None => builder.with_no_client_auth(),
            Some((certificates, key)) => builder
                .with_client_auth_cert(certificates, key)
                .context("the client certificate and its key do not match")?,
        };
        config.alpn_protocols = protocols;
        Ok(Self {
            config: Arc::new(config),
            server,
        })
    }

    /// The handshake.
    pub(super) async fn handshake(&self, tcp: Stamped) -> io::Result<TlsStream<Stamped>> {
        let connector = TlsConnector::from(Arc::clone(&self.config));
        connector.connect(self.server.clone(), tcp).await
    }
}

/// `--output-http-skip-verify`: any certificate will do, as long as its owner signs the handshake.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(
            message,
            cert,
            signature,
            &self.0.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(
            message,
            cert,
            signature,
            &self.0.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
