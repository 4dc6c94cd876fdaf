//! Server reflection: a service asked for its own descriptors, as `grpc.reflection.v1` (and `v1alpha`, which has the same messages)
//! says it (<https://github.com/grpc/grpc-proto/blob/master/grpc/reflection/v1/reflection.proto>).
//!
//! One call with a question at a time: which services there are, the file of each, and the files that these import. What a server
//! answers is hostile: bytes, services and files are bounded, and a name is asked for once.

use std::collections::{BTreeMap, HashSet, VecDeque};

use crate::descriptors::{BadDescriptors, Descriptors};
use crate::wire::{Raw, fields, put_bytes};

/// The paths of the call, in the order in which they are to be tried: the second one is of releases before 2023.
pub const REFLECTION_PATHS: [&str; 2] = [
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
];
/// Bytes of all answers together: some dozen times what the largest sets of one server have.
const MAX_BYTES: usize = 32 << 20;
/// Services that are asked for; servers have some dozens.
const MAX_SERVICES: usize = 1000;
/// Files, with what they import.
const MAX_FILES: usize = 10_000;
/// Fields of a message on one level: a file with many messages has thousands.
const MAX_FIELDS: usize = 100_000;

/// Why there are no descriptors.
#[derive(Debug, thiserror::Error)]
pub enum ReflectionError {
    /// The server does not say which services it has.
    #[error("it lists no services: error {code}, {text:?}")]
    Refused {
        /// A code of gRPC.
        code: u64,
        /// Its message, cut.
        text: String,
    },
    /// An answer that is none.
    #[error("it answered with something else than reflection's messages")]
    Invalid,
    /// There is more than is read.
    #[error(
        "it has more than {MAX_FILES} files or {} MiB of descriptors",
        MAX_BYTES >> 20
    )]
    TooLarge,
    /// The files do not make a set.
    #[error(transparent)]
    Bad(#[from] BadDescriptors),
}

/// The asking, from the first question to the descriptors.
#[derive(Debug, Default)]
pub struct Reflection {
    /// The last question, until it is answered.
    asked: Option<Question>,
    /// Whether the services were asked for.
    has_begun: bool,
    questions: VecDeque<Question>,
    /// All that were ever among those, so that none is asked twice.
    wanted: HashSet<Question>,
    /// Services that files describe.
    described: HashSet<String>,
    files: BTreeMap<String, Vec<u8>>,
    /// Of an answer that is not whole yet.
    rest: Vec<u8>,
    received: usize,
    /// Services of which there is no file.
    lacking: usize,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Question {
    Services,
    FileOf(String),
    File(String),
}

impl Question {
    /// A `ServerReflectionRequest` behind the prefix of its length.
    fn framed(&self) -> Vec<u8> {
        let (number, text) = match self {
            Self::File(name) => (3, name.as_str()),
            Self::FileOf(name) => (4, name.as_str()),
            Self::Services => (7, "*"),
        };
        let mut message = Vec::new();
        put_bytes(number, text.as_bytes(), &mut message);
        let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
        let mut framed = vec![0];
        framed.extend_from_slice(&length.to_be_bytes());
        framed.append(&mut message);
        framed
    }
}

impl Reflection {
    /// One that has asked nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Bytes to be sent next on the call; `None` where all was asked, or [an answer is waited for](Self::is_waiting).
    pub fn question(&mut self) -> Option<Vec<u8>> {
        if self.asked.is_some() {
            return None;
        }
        self.asked = if self.has_begun {
            self.next_unanswered()
        } else {
            self.has_begun = true;
            Some(Question::Services)
        };
        self.asked.as_ref().map(Question::framed)
    }

    fn next_unanswered(&mut self) -> Option<Question> {
        while let Some(question) = self.questions.pop_front() {
            let is_known = match &question {
                Question::Services => false,
                Question::FileOf(service) => self.described.contains(service),
                Question::File(name) => self.files.contains_key(name),
            };
            if !is_known {
                return Some(question);
            }
        }
        None
    }

    /// Whether a question was asked that is not answered yet.
    pub fn is_waiting(&self) -> bool {
        self.asked.is_some()
    }

    /// Reads what came on the call, cut anywhere.
    ///
    /// # Errors
    ///
    /// For an answer that is malformed, compressed or an error of the server, and for more bytes than are taken in.
    pub fn receive(&mut self, bytes: &[u8]) -> Result<(), ReflectionError> {
        self.received = self.received.saturating_add(bytes.len());
        if self.received > MAX_BYTES {
            return Err(ReflectionError::TooLarge);
        }
        self.rest.extend_from_slice(bytes);
        while let Some((prefix, behind)) = self.rest.split_first_chunk::<5>() {
            let [flags, length @ ..] = *prefix;
            let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
            // Nothing was said of compression, so nothing is compressed.
            if flags != 0 {
                return Err(ReflectionError::Invalid);
            }
            if length > MAX_BYTES {
                return Err(ReflectionError::TooLarge);
            }
            let Some(message) = behind.get(..length) else {
                return Ok(());
            };
            let message = message.to_vec();
            self.rest.drain(..5 + length);
            self.answer(&message)?;
        }
        Ok(())
    }

    /// Takes a `ServerReflectionResponse`.
    fn answer(&mut self, message: &[u8]) -> Result<(), ReflectionError> {
        let Some(asked) = self.asked.take() else {
            return Err(ReflectionError::Invalid);
        };
        for (number, value) in members(message)? {
            match (number, &asked) {
                (4, Question::FileOf(_) | Question::File(_)) => {
                    for (number, file) in members(value)? {
                        if number == 1 {
                            self.file(file)?;
                        }
                    }
                    return Ok(());
                }
                (6, Question::Services) => return self.services(value),
                (7, Question::Services) => return Err(refused(value)),
                // A service that is registered, and a file that is imported, without a description.
                (7, Question::FileOf(_)) => {
                    self.lacking += 1;
                    return Ok(());
                }
                (7, Question::File(_)) => return Ok(()),
                _ => {}
            }
        }
        // An empty list is an empty message, whose field is there all the same.
        Err(ReflectionError::Invalid)
    }

    /// Takes a `ListServiceResponse`.
    fn services(&mut self, list: &[u8]) -> Result<(), ReflectionError> {
        for (number, service) in members(list)? {
            if number != 1 {
                continue;
            }
            for (number, name) in members(service)? {
                if number == 1 && self.wanted.len() < MAX_SERVICES {
                    self.want(Question::FileOf(text(name)?));
                }
            }
        }
        Ok(())
    }

    /// Takes a `FileDescriptorProto`, as far as what is in it says what to ask next; the rest is read with the whole set.
    fn file(&mut self, file: &[u8]) -> Result<(), ReflectionError> {
        let all = members(file)?;
        let first = |wanted: u32| all.iter().find(|(number, _)| *number == wanted);
        let name = first(1).map_or(Ok(String::new()), |(_, name)| text(name))?;
        if self.files.contains_key(&name) {
            return Ok(());
        }
        if self.files.len() >= MAX_FILES {
            return Err(ReflectionError::TooLarge);
        }
        let package = first(2).map_or(Ok(String::new()), |(_, name)| text(name))?;
        for (number, value) in &all {
            match number {
                3 if self.wanted.len() < MAX_FILES + MAX_SERVICES => {
                    self.want(Question::File(text(value)?));
                }
                6 => {
                    let service = members(value)?;
                    let name = service.iter().find(|(number, _)| *number == 1);
                    let name = name.map_or(Ok(String::new()), |(_, name)| text(name))?;
                    let dot = if package.is_empty() { "" } else { "." };
                    self.described.insert(format!("{package}{dot}{name}"));
                }
                _ => {}
            }
        }
        self.files.insert(name, file.to_vec());
        Ok(())
    }

    fn want(&mut self, question: Question) {
        if self.wanted.insert(question.clone()) {
            self.questions.push_back(question);
        }
    }

    /// Services that the server has, and does not describe.
    pub fn lacking(&self) -> usize {
        self.lacking
    }

    /// The descriptors of all that was answered.
    ///
    /// # Errors
    ///
    /// Where the files do not fit together, as [`Descriptors::read`].
    pub fn descriptors(self) -> Result<Descriptors, ReflectionError> {
        let mut set = Vec::new();
        for file in self.files.values() {
            put_bytes(1, file, &mut set);
        }
        Ok(Descriptors::read(&set)?)
    }
}

/// The fields of a message that are bytes.
fn members(message: &[u8]) -> Result<Vec<(u32, &[u8])>, ReflectionError> {
    let all = fields(message, &mut MAX_FIELDS.clone()).map_err(|_| ReflectionError::Invalid)?;
    let bytes = all.into_iter().filter_map(|field| match field.value {
        Raw::Bytes(bytes) => Some((field.number, bytes)),
        _ => None,
    });
    Ok(bytes.collect())
}

fn text(bytes: &[u8]) -> Result<String, ReflectionError> {
    String::from_utf8(bytes.to_vec()).map_err(|_| ReflectionError::Invalid)
}

/// An `ErrorResponse`.
fn refused(error: &[u8]) -> ReflectionError {
    let Ok(all) = fields(error, &mut MAX_FIELDS.clone()) else {
        return ReflectionError::Invalid;
    };
    let (mut code, mut said) = (0, String::new());
    for field in all {
        match (field.number, field.value) {
            (1, Raw::Varint(number)) => code = number,
            (2, Raw::Bytes(bytes)) => said = String::from_utf8_lossy(bytes).chars().take(200).collect(),
            _ => {}
        }
    }
    ReflectionError::Refused { code, text: said }
}

#[cfg(test)]
#[path = "reflection_tests.rs"]
mod tests;
