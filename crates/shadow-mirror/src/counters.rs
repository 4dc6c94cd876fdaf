//! Counts of what connections carried besides whole requests: the part of the ledger that explains the bytes.

use serde::Serialize;
use shadow_http::Skip;
use shadow_tls::Unreadable;

use super::AnswerCounters;
use super::not_understood::NotUnderstood;

/// Counts over the connections of one shard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct StreamCounters {
    /// Connections recognised as TLS where it is not asked for to read it.
    pub encrypted: u64,
    /// TLS connections whose plaintext was read.
    pub tls: u64,
    /// TLS connections without secrets: open before the agent came, or nothing gives the secrets of whoever serves them.
    pub tls_no_secret: u64,
    /// TLS connections whose secret was to be expected, and did not come in time.
    pub tls_secret_lost: u64,
    /// TLS connections of whose handshake bytes are missing, so that their secrets open nothing.
    pub tls_handshake_lost: u64,
    /// TLS connections with a cipher suite or a version that is not read.
    pub tls_cipher: u64,
    /// Connections that begin like TLS, and are not such as their receiver takes.
    pub tls_malformed: u64,
    /// TLS connections that began a second handshake inside the first: they are read up to there.
    pub tls_renegotiated: u64,
    /// TLS connections that `--max-memory` had no room for while their secrets were waited for.
    pub tls_memory: u64,
    /// Records of TLS connections that could not be opened though their secret is known: bytes of them are missing.
    pub tls_records_lost: u64,
    /// Connections of HTTP/2.
    pub http2: u64,
    /// Streams that servers of HTTP/2 announced of their own (`PUSH_PROMISE`), which are passed over.
    pub http2_pushed: u64,
    /// Connections that left HTTP by CONNECT or Upgrade.
    pub upgraded: u64,
    /// Connections that carried something other than HTTP.
    pub not_http: u64,
    /// Connections that `--input-raw-bpf-filter` left out.
    pub left_out: u64,
    /// Requests that another agent of this node mirrors (`--hand-over`): this one has not seen them, as the ledger goes.
    pub requests_of_another_agent: u64,
    /// Connections with a header of the PROXY protocol in front, which names their client.
    pub proxied: u64,
    /// Bytes passed over, by reason.
    pub skipped_bytes: SkippedBytes,
    /// Requests that are not understood, by the kind of line that they are odd in.
    pub not_understood: NotUnderstood,
    /// Production's answers, where they are captured.
    pub answers: AnswerCounters,
}

/// Bytes of requests' direction that were passed over unparsed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SkippedBytes {
    /// On connections that were open before the agent came.
    pub mid_stream: u64,
    /// Behind a gap.
    pub after_gap: u64,
    /// The rest of rejected requests, and what comes behind those whose end is not known.
    pub after_reject: u64,
    /// Behind a request that closes the connection (RFC 9112 section 9.6).
    pub after_close: u64,
    /// Empty lines between requests, which mean nothing (RFC 9112 section 2.2).
    pub empty_lines: u64,
    /// Behind CONNECT or an Upgrade.
    pub upgraded: u64,
    /// TLS that it is not asked for to read.
    pub encrypted: u64,
    /// TLS without secrets, as received; so are the next six.
    pub tls_no_secret: u64,
    /// TLS of which a secret did not come in time.
    pub tls_secret_lost: u64,
    /// TLS of whose handshake bytes are missing.
    pub tls_handshake_lost: u64,
    /// TLS with a cipher suite or a version that is not read.
    pub tls_cipher: u64,
    /// No TLS that its receiver takes.
    pub tls_malformed: u64,
    /// TLS behind a second handshake.
    pub tls_renegotiated: u64,
    /// TLS that there was no memory for.
    pub tls_memory: u64,
    /// HTTP/2.
    pub http2: u64,
    /// Not HTTP.
    pub not_http: u64,
    /// On connections that `--input-raw-bpf-filter` left out.
    pub left_out: u64,
    /// Headers of the PROXY protocol.
    pub proxy_headers: u64,
}

impl StreamCounters {
    /// Counts `bytes` passed over because of `why`.
    pub fn skip(&mut self, bytes: u64, why: Skip) {
        let skipped = &mut self.skipped_bytes;
        *match why {
            Skip::MidStream => &mut skipped.mid_stream,
            Skip::AfterGap => &mut skipped.after_gap,
            Skip::AfterReject => &mut skipped.after_reject,
            Skip::AfterClose => &mut skipped.after_close,
            Skip::EmptyLine => &mut skipped.empty_lines,
            Skip::Upgraded => &mut skipped.upgraded,
            Skip::Encrypted => &mut skipped.encrypted,
            Skip::Http2 => &mut skipped.http2,
            Skip::NotHttp => &mut skipped.not_http,
            Skip::LeftOut => &mut skipped.left_out,
            Skip::ProxyHeader => &mut skipped.proxy_headers,
        } += bytes;
    }

    /// Counts a connection that carries something else from here on.
    pub fn recognise(&mut self, what: Skip) {
        match what {
            Skip::Encrypted => self.encrypted += 1,
            Skip::Http2 => self.http2 += 1,
            Skip::Upgraded => self.upgraded += 1,
            Skip::NotHttp => self.not_http += 1,
            Skip::LeftOut => self.left_out += 1,
            Skip::ProxyHeader => self.proxied += 1,
            // Reasons for bytes, not for connections.
            Skip::MidStream | Skip::AfterGap | Skip::AfterReject | Skip::AfterClose | Skip::EmptyLine => {}
        }
    }

    /// Counts a TLS connection that cannot be read from here on, or not at all.
    pub fn unreadable(&mut self, why: Unreadable) {
        *match why {
            Unreadable::NoSecret => &mut self.tls_no_secret,
            Unreadable::SecretLost => &mut self.tls_secret_lost,
            Unreadable::HandshakeLost => &mut self.tls_handshake_lost,
            Unreadable::Cipher => &mut self.tls_cipher,
            Unreadable::Malformed => &mut self.tls_malformed,
            Unreadable::Renegotiated => &mut self.tls_renegotiated,
            Unreadable::Memory => &mut self.tls_memory,
        } += 1;
    }

    /// Counts `bytes` of a TLS connection, as received, that are passed over for that.
    pub fn skip_unreadable(&mut self, bytes: u64, why: Unreadable) {
        let skipped = &mut self.skipped_bytes;
        *match why {
            Unreadable::NoSecret => &mut skipped.tls_no_secret,
            Unreadable::SecretLost => &mut skipped.tls_secret_lost,
            Unreadable::HandshakeLost => &mut skipped.tls_handshake_lost,
            Unreadable::Cipher => &mut skipped.tls_cipher,
            Unreadable::Malformed => &mut skipped.tls_malformed,
            Unreadable::Renegotiated => &mut skipped.tls_renegotiated,
            Unreadable::Memory => &mut skipped.tls_memory,
        } += bytes;
    }

    /// Adds another shard's counts.
    pub fn add(&mut self, other: &StreamCounters) {
        self.encrypted += other.encrypted;
        self.tls += other.tls;
        self.tls_no_secret += other.tls_no_secret;
        self.tls_secret_lost += other.tls_secret_lost;
        self.tls_handshake_lost += other.tls_handshake_lost;
        self.tls_cipher += other.tls_cipher;
        self.tls_malformed += other.tls_malformed;
        self.tls_renegotiated += other.tls_renegotiated;
        self.tls_memory += other.tls_memory;
        self.tls_records_lost += other.tls_records_lost;
        self.http2 += other.http2;
        self.http2_pushed += other.http2_pushed;
        self.upgraded += other.upgraded;
        self.not_http += other.not_http;
        self.left_out += other.left_out;
        self.requests_of_another_agent += other.requests_of_another_agent;
        self.proxied += other.proxied;
        self.answers.add(&other.answers);
        self.not_understood.add(&other.not_understood);
        let (mine, theirs) = (&mut self.skipped_bytes, &other.skipped_bytes);
        mine.mid_stream += theirs.mid_stream;
        mine.after_gap += theirs.after_gap;
        mine.after_reject += theirs.after_reject;
        mine.after_close += theirs.after_close;
        mine.empty_lines += theirs.empty_lines;
        mine.upgraded += theirs.upgraded;
        mine.encrypted += theirs.encrypted;
        mine.tls_no_secret += theirs.tls_no_secret;
        mine.tls_secret_lost += theirs.tls_secret_lost;
        mine.tls_handshake_lost += theirs.tls_handshake_lost;
        mine.tls_cipher += theirs.tls_cipher;
        mine.tls_malformed += theirs.tls_malformed;
        mine.tls_renegotiated += theirs.tls_renegotiated;
        mine.tls_memory += theirs.tls_memory;
        mine.http2 += theirs.http2;
        mine.not_http += theirs.not_http;
        mine.left_out += theirs.left_out;
        mine.proxy_headers += theirs.proxy_headers;
    }
}
