//! Applications that nobody here wrote, in two releases each, beside an agent that compares them.
//!
//! Releases are pinned and installed from their registries below `target/applications`, once for a machine
//! ([`packages`]). Every instance has data, ids, file times and a port of its own ([`Instance`]). A [`Trial`] sends an
//! application's traffic to one instance through a client that is not ours, and gives what the agent said of another.
//! What is served and sent is in `tests/fixtures/applications`.

mod instance;
mod mirrored;
pub(crate) mod packages;
mod trial;
mod truth;

pub use instance::Instance;
pub use mirrored::{Answered, Mirrored};
pub use trial::{Trial, Tried};
pub use truth::{Truth, truth};

/// A release of an application.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Release {
    /// Which application, as the fixtures name it.
    pub application: &'static str,
    /// Its name and version; for Python the name of a file of pins as well.
    pub name: &'static str,
    packages: packages::Packages,
}

impl Release {
    pub(crate) const fn pypi(application: &'static str, name: &'static str) -> Self {
        Self {
            application,
            name,
            packages: packages::Packages::Pypi,
        }
    }

    pub(crate) const fn npm(application: &'static str, name: &'static str) -> Self {
        Self {
            application,
            name,
            packages: packages::Packages::Npm,
        }
    }

    const fn debian(application: &'static str, name: &'static str) -> Self {
        Self {
            application,
            name,
            packages: packages::Packages::Debian,
        }
    }
}

/// An echo of requests with redirects, ranges, codings, cookies, credentials, streams and long polls.
pub const HTTPBIN: [Release; 2] = [
    Release::pypi("httpbin", "httpbin-0.10.0"),
    Release::pypi("httpbin", "httpbin-0.10.4"),
];

/// Pages and JSON made from `SQLite`, with how long each query took in every page.
pub const DATASETTE: [Release; 2] = [
    Release::pypi("datasette", "datasette-0.65.1"),
    Release::pypi("datasette", "datasette-1.0a41"),
];

/// Django's admin: logins, sessions, a new CSRF token in every form, records made and deleted, server-sent events.
pub const DJANGO: [Release; 2] = [
    Release::pypi("django", "django-4.2.25"),
    Release::pypi("django", "django-5.2.12"),
];

/// Collections in JSON whose records are created, changed and deleted by id: numbers in one release, random in the next.
pub const JSON_SERVER: [Release; 2] = [
    Release::npm("json-server", "json-server@0.17.4"),
    Release::npm("json-server", "json-server@1.0.0-beta.3"),
];

/// Operations of GraphQL, alone and in lists, and calls of JSON-RPC: the next release answers one operation in another way.
pub const GRAPHQL: [Release; 2] = [
    Release::npm("graphql", "graphql-yoga@5.24.1"),
    Release::npm("graphql-next", "graphql-yoga@5.24.1"),
];

/// One site of static files, with each server's own validators.
pub const SITE: [Release; 2] = [
    Release::debian("site", "nginx"),
    Release::debian("site", "apache2"),
];
