//! TLS for those who connect: a certificate to show, and whose certificates they must have.

use std::sync::Arc;

use anyhow::Context;
use rustls::ServerConfig;
use tokio_rustls::TlsAcceptor;

use super::settings::ServerTls;
use crate::pem::identity;
use crate::trust::Trusted;

/// Reads the files, and makes of them what accepts TLS.
pub(super) fn acceptor(settings: &ServerTls) -> anyhow::Result<TlsAcceptor> {
    let (certificates, key) = identity(&settings.identity)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .context("cannot set up TLS")?;
    let builder = match &settings.client_authorities {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let verifier = Trusted::of_file(path)?
                .of_clients(provider)
                .with_context(|| path.display().to_string())?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let mut config = builder
        .with_single_cert(certificates, key)
        .context("the certificate and its key do not match")?;
    // Connections are few and stay: tickets for resuming them would only lie unread with senders that never read.
    config.send_tls13_tickets = 0;
    Ok(TlsAcceptor::from(Arc::new(config)))
}
