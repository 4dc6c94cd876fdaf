//! What passes, what is changed and what is hidden on the way to an output.

use std::path::PathBuf;

use clap::Args;

use crate::cli::value::positive_size;

/// Filters, samples, rewriting and redaction, as typed.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Filters and rewriting (requests, in the order of docs/filters.md)")]
pub struct FilterFlags {
    /// Let only requests with this method pass; may be repeated
    #[arg(long, value_name = "METHOD")]
    pub http_allow_method: Vec<String>,

    /// Keep requests with this method back; may be repeated
    #[arg(long, value_name = "METHOD")]
    pub http_disallow_method: Vec<String>,

    /// Let only clients in this network pass, such as 10.0.0.0/8 or 2001:db8::/32; may be repeated
    #[arg(long, value_name = "CIDR")]
    pub http_allow_client: Vec<String>,

    /// Keep requests of clients in this network back; may be repeated
    #[arg(long, value_name = "CIDR")]
    pub http_disallow_client: Vec<String>,

    /// Give a header this value, such as 'X-Replayed: 1'; may be repeated
    ///
    /// Of several fields of that name the first gets it. Before the filters, which see it. "Host: ..." implies --http-original-host: the copy has that Host.
    #[arg(long, value_name = "NAME: VALUE")]
    pub http_set_header: Vec<String>,

    /// Give a query parameter this value, such as api_key=1; may be repeated
    #[arg(long, value_name = "NAME=VALUE")]
    pub http_set_param: Vec<String>,

    /// Let only requests pass whose URL matches, such as ^/api or ^www.example.com/api; may be repeated
    ///
    /// Compared with the request target, and with host and target one behind the other: one match is enough.
    /// Expressions match anywhere unless they have ^ and $; their syntax is that of Go's regexp, as in GoReplay.
    #[arg(long, value_name = "REGEX")]
    pub http_allow_url: Vec<String>,

    /// Keep requests back whose URL matches; may be repeated
    #[arg(long, value_name = "REGEX")]
    pub http_disallow_url: Vec<String>,

    /// Let only GET, HEAD and OPTIONS pass: for a shadow with side effects
    #[arg(long)]
    pub safe_methods: bool,

    /// With --safe-methods, let any method pass where the URL matches; may be repeated
    #[arg(long, value_name = "REGEX")]
    pub safe_methods_allow_url: Vec<String>,

    /// Let only requests pass with a header that matches, such as 'api-version:^1'; may be repeated: all must match
    #[arg(long, value_name = "NAME:REGEX")]
    pub http_allow_header: Vec<String>,

    /// Keep requests back with a header that matches, such as 'User-Agent:bot'; may be repeated
    #[arg(long, value_name = "NAME:REGEX")]
    pub http_disallow_header: Vec<String>,

    /// Let only requests pass with a cookie that matches, such as 'group:^beta$'; may be repeated: all must match
    #[arg(long, value_name = "NAME:REGEX")]
    pub http_allow_cookie: Vec<String>,

    /// Keep requests back with a cookie that matches; may be repeated
    #[arg(long, value_name = "NAME:REGEX")]
    pub http_disallow_cookie: Vec<String>,

    /// Of requests with Basic credentials, let only those pass whose USER:PASSWORD matches; may be repeated
    ///
    /// All must match. Requests without Basic credentials pass.
    #[arg(long, value_name = "REGEX")]
    pub http_basic_auth_filter: Vec<String>,

    /// Let only requests pass whose JSON body matches, such as 'user.plan:^pro$'; may be repeated: all must match
    ///
    /// The path has names and places in arrays with dots between them, * for any; or it is a JSON pointer: /user/plan.
    /// A body that is not JSON does not match.
    #[arg(long, value_name = "PATH:REGEX")]
    pub http_allow_json: Vec<String>,

    /// Keep requests back whose JSON body matches; may be repeated
    #[arg(long, value_name = "PATH:REGEX")]
    pub http_disallow_json: Vec<String>,

    /// Largest body that is searched as JSON
    ///
    /// A larger one does not match, and what cannot be searched for --http-redact-json is not sent. The default
    /// bounds the time that one body can take on a shard's thread.
    #[arg(long, value_name = "SIZE", default_value = "1mb", value_parser = positive_size)]
    pub http_json_limit: usize,

    /// Let a share of the values of a header pass, such as 'X-User:10%'; may be repeated
    ///
    /// By a hash (FNV-1a), the same as GoReplay's: whoever has the same value is always in or always out. Requests
    /// without the header pass. Fractions of a percent too: 2.5%.
    #[arg(long, value_name = "NAME:PERCENT")]
    pub http_header_limiter: Vec<String>,

    /// The same by the value of a query parameter; may be repeated
    #[arg(long, value_name = "NAME:PERCENT")]
    pub http_param_limiter: Vec<String>,

    /// The same by the value of a cookie; may be repeated
    #[arg(long, value_name = "NAME:PERCENT")]
    pub http_cookie_limiter: Vec<String>,

    /// The same by the client's address, such as 10%
    #[arg(long, value_name = "PERCENT")]
    pub http_client_limiter: Option<String>,

    /// Rewrite the target, such as '/v1/user/([^/]+)/ping:/v2/user/$1/ping'; may be repeated
    ///
    /// The first that matches is the only one. Write \x3a for a colon in the expression, and ${1} for a group that a
    /// letter or digit follows.
    #[arg(long, value_name = "REGEX:REPLACEMENT")]
    pub http_rewrite_url: Vec<String>,

    /// Rewrite a header, such as 'Host: (.*).example.com,$1.beta.example.com'; may be repeated
    ///
    /// Write \x2c for a comma in the expression. The copy has a Host that is rewritten with --http-original-host.
    #[arg(long, value_name = "NAME: REGEX,REPLACEMENT")]
    pub http_rewrite_header: Vec<String>,

    /// Put a keyed hash in place of the value of a header, in requests and responses; may be repeated
    ///
    /// Trailers of that name too. Equal values stay equal. Nothing else of them leaves the process.
    #[arg(long, value_name = "NAME")]
    pub http_redact_header: Vec<String>,

    /// The same of values in JSON bodies, such as user.email; may be repeated
    ///
    /// A body that begins as JSON or says that it is, but cannot be searched (compressed, broken, or too large for
    /// --http-json-limit), is not sent, and counted as unredactable.
    #[arg(long, value_name = "PATH")]
    pub http_redact_json: Vec<String>,

    /// The key of these hashes, at least 16 bytes, so that they are the same in every run
    ///
    /// By default each run has a random key.
    #[arg(long, value_name = "FILE")]
    pub http_redact_key_file: Option<PathBuf>,

    /// Take content coding (gzip, deflate, br, zstd) and chunk framing off bodies
    ///
    /// Of requests and of responses, behind filters and rewriting, before redaction. What cannot be decoded, or
    /// would be larger than --max-body, stays as it is.
    #[arg(long)]
    pub prettify_http: bool,

    /// Keep authorization, proxy-authorization, cookie, set-cookie and x-api-key in recordings as they are
    ///
    /// By default they are redacted in what is kept, and so are authentication-info, proxy-authentication-info, cookie2
    /// and set-cookie2; of compared pairs, whatever has a name that says that it is secret, too. What is replayed or
    /// shown has them anyway, unless they are named with --http-redact-header.
    #[arg(long)]
    pub http_redact_none: bool,
}
