//! HTTPS: with a certificate nobody vouches for, verified and not.

use std::sync::Arc;

use rustls::pki_types::PrivatePkcs8KeyDer;
use tokio_rustls::TlsAcceptor;

use super::*;

/// A shadow that speaks TLS with a certificate it made itself. It answers with what it got.
async fn self_signed() -> u16 {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key.into())
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    spawn_local(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            spawn_local(async move {
                let Ok(mut stream) = acceptor.accept(stream).await else {
                    return;
                };
                let mut buffer = Vec::new();
                while stream.read_buf(&mut buffer).await.is_ok_and(|read| read > 0) {
                    while let Some(len) = request_len(&buffer) {
                        buffer.drain(..len);
                        let _ = stream.write_all(OK).await;
                        let _ = stream.flush().await;
                    }
                }
            });
        }
    });
    port
}

fn over_tls(verify: bool) -> impl FnOnce(&mut HttpOutputSettings) {
    move |settings| {
        settings.tls = true;
        settings.verify = verify;
        settings.host = "localhost".to_owned();
    }
}

#[test]
fn a_self_signed_certificate_is_refused() {
    on_a_shard(async {
        let rig = Rig::with(self_signed().await, over_tls(true));
        rig.offer(1, GET);
        assert_counts(&rig.settled().await, 0, &[(DropReason::ConnectError, 1)]);
    });
}

#[test]
fn a_self_signed_certificate_will_do_when_verification_is_off() {
    on_a_shard(async {
        let rig = Rig::with(self_signed().await, over_tls(false));
        let mut large = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3000000\r\n\r\n".to_vec();
        large.resize(large.len() + 3_000_000, b'x');
        rig.exchange(1, GET).await;
        rig.exchange(1, &large).await;
        rig.exchange(2, GET).await;
        assert_counts(&rig.counts(), 3, &[]);
        assert_eq!(rig.opened(), 1);
    });
}

#[test]
fn a_shadow_that_does_not_speak_tls_is_a_connect_error() {
    on_a_shard(async {
        let shadow = Shadow::start(|mut peer| async move {
            peer.send(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
            peer.closed().await;
        })
        .await;
        let rig = Rig::with(shadow.port, over_tls(false));
        rig.offer(1, GET);
        assert_counts(&rig.settled().await, 0, &[(DropReason::ConnectError, 1)]);
    });
}
