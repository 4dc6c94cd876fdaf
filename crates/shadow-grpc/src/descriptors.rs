//! Descriptors: which messages a method takes and gives, and the names and types of their fields.

use std::collections::HashMap;
use std::fmt;

use prost_reflect::{DescriptorPool, MessageDescriptor};

/// Largest set of descriptors that is read, in bytes: thousands of files.
pub const MAX_DESCRIPTORS: usize = 64 << 20;

/// Why a set of descriptors cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BadDescriptors {
    /// It is larger than is read.
    #[error("it is larger than {} MiB", MAX_DESCRIPTORS >> 20)]
    TooLarge,
    /// It is no `FileDescriptorSet`, or one whose files lack what they import.
    #[error("it is no FileDescriptorSet with all that its files import: {0}")]
    Invalid(String),
    /// There is no service in it.
    #[error("there is no service in it")]
    NoService,
}

/// The messages of a method.
#[derive(Clone, Debug, PartialEq)]
pub struct Method {
    /// The request's.
    pub input: MessageDescriptor,
    /// The answer's.
    pub output: MessageDescriptor,
    /// Whether there may be several requests.
    pub client_streaming: bool,
    /// Whether there may be several answers.
    pub server_streaming: bool,
}

/// Descriptors of services and their messages.
pub struct Descriptors {
    pool: DescriptorPool,
    /// By the paths of calls: `/package.Service/Method`.
    methods: HashMap<String, Method>,
}

impl Descriptors {
    /// Reads a `FileDescriptorSet` as `protoc --include_imports -o FILE` and `buf build -o FILE` write it.
    ///
    /// # Errors
    ///
    /// Where it is no such set, is too large, or lacks what it refers to.
    pub fn read(bytes: &[u8]) -> Result<Self, BadDescriptors> {
        if bytes.len() > MAX_DESCRIPTORS {
            return Err(BadDescriptors::TooLarge);
        }
        // Where a set is broken in certain ways, prost-reflect 0.16 looks for the place of its error in a file that is not there, and panics.
        let pool = std::panic::catch_unwind(|| pool(bytes));
        let pool = pool.unwrap_or_else(|_| Err("its files contradict each other".to_owned()));
        let pool = pool.map_err(BadDescriptors::Invalid)?;
        let mut methods = HashMap::new();
        for service in pool.services() {
            for method in service.methods() {
                let path = format!("/{}/{}", service.full_name(), method.name());
                methods.insert(
                    path,
                    Method {
                        input: method.input(),
                        output: method.output(),
                        client_streaming: method.is_client_streaming(),
                        server_streaming: method.is_server_streaming(),
                    },
                );
            }
        }
        if methods.is_empty() {
            return Err(BadDescriptors::NoService);
        }
        Ok(Self { pool, methods })
    }

    /// The method that a request for this target calls. What stands in front of `/package.Service/Method` does not count: gRPC-Web
    /// may have a prefix there.
    pub fn method(&self, target: &[u8]) -> Option<&Method> {
        let target = std::str::from_utf8(target).ok()?;
        let path = target.split(['?', '#']).next()?;
        let mut slashes = path.rmatch_indices('/').map(|(at, _)| at);
        let service = slashes.nth(1)?;
        self.methods.get(&path[service..])
    }

    /// The paths of all methods, in no order.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.methods.keys().map(String::as_str)
    }

    /// How many methods there are.
    pub fn methods(&self) -> usize {
        self.methods.len()
    }
}

/// All that the files of a set describe.
fn pool(bytes: &[u8]) -> Result<DescriptorPool, String> {
    DescriptorPool::decode(bytes).or_else(|error| {
        // `protoc` without `--include_imports` leaves out what files import: Google's own are known.
        let mut pool = DescriptorPool::global();
        let known = pool.decode_file_descriptor_set(bytes);
        known.map(|()| pool).map_err(|_| error.to_string())
    })
}

impl fmt::Debug for Descriptors {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Descriptors")
            .field("files", &self.pool.files().len())
            .field("methods", &self.methods.len())
            .finish_non_exhaustive()
    }
}
