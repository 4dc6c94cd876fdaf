//! Flags of filters: what passes, what is changed and what is hidden on the way to an output.

use std::path::PathBuf;

use clap::Args;

use crate::cli::value::positive_size;

/// Filters, samples, rewriting and redaction, as typed.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Filters and rewriting (applied in the order of docs/filters.md)")]
pub struct FilterFlags {
    /// Allow only requests with this method; may be repeated
    #[arg(long, value_name = "METHOD")]
    pub http_allow_method: Vec<String>,

    /// Drop requests with this method; may be repeated
    #[arg(long, value_name = "METHOD")]
    pub http_disallow_method: Vec<String>,

    /// Allow only clients in this network, such as 10.0.0.0/8 or 2001:db8::/32; may be repeated
    #[arg(long, value_name = "CIDR")]
    pub http_allow_client: Vec<String>,

    /// Drop requests of clients in this network; may be repeated
    #[arg(long, value_name = "CIDR")]
    pub http_disallow_client: Vec<String>,

    /// Set a header, such as 'X-Replayed: 1'; may be repeated
    ///
    /// If there are several headers of that name, the first is set. Applied before filters, which see the new value. "Host:
    /// ..." implies --http-original-host: the copy has this Host.
    #[arg(long, value_name = "NAME: VALUE")]
    pub http_set_header: Vec<String>,

    /// Set a query parameter, such as api_key=1; may be repeated
    #[arg(long, value_name = "NAME=VALUE")]
    pub http_set_param: Vec<String>,

    /// Allow only requests whose URL matches; may be repeated
    ///
    /// Such as ^/api. Matched against the request target, and against host and target together (^www.example.com/api): one match is enough.
    /// Expressions match anywhere unless anchored by ^ and $; the syntax is that of Go's regexp, as in GoReplay.
    #[arg(long, value_name = "REGEX")]
    pub http_allow_url: Vec<String>,

    /// Drop requests whose URL matches; may be repeated
    #[arg(long, value_name = "REGEX")]
    pub http_disallow_url: Vec<String>,

    /// Allow only GET, HEAD and OPTIONS
    ///
    /// For a shadow with side effects.
    #[arg(long)]
    pub safe_methods: bool,

    /// With --safe-methods, allow any method if the URL matches; may be repeated
    #[arg(long, value_name = "REGEX")]
    pub safe_methods_allow_url: Vec<String>,

    /// Allow only requests with a header that matches, such as 'api-version:^1'; may be repeated: all must match
    #[arg(long, value_name = "NAME:REGEX")]
    pub http_allow_header: Vec<String>,

    /// Drop requests with a header that matches, such as 'User-Agent:bot'; may be repeated
    #[arg(long, value_name = "NAME:REGEX")]
    pub http_disallow_header: Vec<String>,

    /// Allow only requests with a cookie that matches, such as 'group:^beta$'; may be repeated: all must match
    #[arg(long, value_name = "NAME:REGEX")]
    pub http_allow_cookie: Vec<String>,

    /// Drop requests with a cookie that matches; may be repeated
    #[arg(long, value_name = "NAME:REGEX")]
    pub http_disallow_cookie: Vec<String>,

    /// Drop requests with Basic credentials unless USER:PASSWORD matches; may be repeated: all must match
    ///
    /// Requests without Basic credentials are allowed.
    #[arg(long, value_name = "REGEX")]
    pub http_basic_auth_filter: Vec<String>,

    /// Allow only requests whose JSON body matches, such as 'user.plan:^pro$'; may be repeated: all must match
    ///
    /// The path consists of names and array indexes separated by dots, with * for any; or it is a JSON pointer: /user/plan. A
    /// body that is not JSON does not match.
    #[arg(long, value_name = "PATH:REGEX")]
    pub http_allow_json: Vec<String>,

    /// Drop requests whose JSON body matches; may be repeated
    #[arg(long, value_name = "PATH:REGEX")]
    pub http_disallow_json: Vec<String>,

    /// Largest body to parse as JSON
    ///
    /// A larger one does not match; with --http-redact-json, it is not sent. The default bounds the time that one body can
    /// take on a shard's thread.
    #[arg(long, value_name = "SIZE", default_value = "1mb", value_parser = positive_size)]
    pub http_json_limit: usize,

    /// Sample requests by the value of a header, such as 'X-User:10%'; may be repeated
    ///
    /// By the same hash as GoReplay's (FNV-1a): requests with the same value are either all allowed or all dropped. Requests
    /// without the header are allowed. Fractions such as 2.5% work.
    #[arg(long, value_name = "NAME:PERCENT")]
    pub http_header_limiter: Vec<String>,

    /// Sample requests by the value of a query parameter; may be repeated
    #[arg(long, value_name = "NAME:PERCENT")]
    pub http_param_limiter: Vec<String>,

    /// Sample requests by the value of a cookie; may be repeated
    #[arg(long, value_name = "NAME:PERCENT")]
    pub http_cookie_limiter: Vec<String>,

    /// Sample requests by the client's address, such as 10%
    #[arg(long, value_name = "PERCENT")]
    pub http_client_limiter: Option<String>,

    /// Rewrite the request target, such as '/v1/user/([^/]+)/ping:/v2/user/$1/ping'; may be repeated
    ///
    /// Only the first that matches applies. Write \x3a for a colon in the expression, and ${1} for a group followed by a
    /// letter or digit.
    #[arg(long, value_name = "REGEX:REPLACEMENT")]
    pub http_rewrite_url: Vec<String>,

    /// Rewrite a header, such as 'Host: (.*).example.com,$1.beta.example.com'; may be repeated
    ///
    /// Write \x2c for a comma in the expression. A rewritten Host takes effect only with --http-original-host.
    #[arg(long, value_name = "NAME: REGEX,REPLACEMENT")]
    pub http_rewrite_header: Vec<String>,

    /// Replace the value of a header by a keyed hash, in requests and responses; may be repeated
    ///
    /// Applies to trailers too. Equal values get equal hashes; the values themselves never leave the process.
    #[arg(long, value_name = "NAME")]
    pub http_redact_header: Vec<String>,

    /// Replace values in JSON bodies by keyed hashes, such as user.email; may be repeated
    ///
    /// A request whose body looks like JSON or is declared as JSON, but cannot be parsed (compressed, malformed, or larger
    /// than --http-json-limit), is not sent, and counted as unredactable.
    #[arg(long, value_name = "PATH")]
    pub http_redact_json: Vec<String>,

    /// File with the key for these hashes, at least 16 bytes, to get the same hashes in every run
    ///
    /// By default each run uses a random key.
    #[arg(long, value_name = "FILE")]
    pub http_redact_key_file: Option<PathBuf>,

    /// Decode content codings (gzip, deflate, br, zstd) and chunked transfer coding
    ///
    /// In requests and responses, after filters and rewriting, before redaction. Bodies that cannot be decoded, or would be
    /// larger than --max-body, are left as they are.
    #[arg(long)]
    pub prettify_http: bool,

    /// Do not redact headers with credentials in recordings
    ///
    /// By default authorization, proxy-authorization, cookie, set-cookie, x-api-key, authentication-info,
    /// proxy-authentication-info, cookie2 and set-cookie2 are redacted in everything that is stored; in stored pairs also
    /// values whose names suggest secrets. Requests that are sent or shown keep them, unless --http-redact-header
    /// names them.
    #[arg(long)]
    pub http_redact_none: bool,
}
