//! Descriptors by which messages of gRPC are read, as rules have them.

use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, OnceLock};

use shadow_correlate::Methods;
use shadow_grpc::{Descriptors, Method};

use super::head::request_line;

/// Descriptors by which messages are read: those of a file, or what a shadow answers when it is asked for its own.
#[derive(Clone, Debug)]
pub struct GrpcDescriptors(Arc<Source>);

#[derive(Debug)]
enum Source {
    Given(Descriptors),
    Asked {
        /// Whether somebody asks, or has asked.
        begun: AtomicBool,
        /// The descriptors that came of it: `None` where there are none.
        answer: OnceLock<Option<Descriptors>>,
    },
}

impl GrpcDescriptors {
    /// These.
    pub fn new(descriptors: Descriptors) -> Self {
        Self(Arc::new(Source::Given(descriptors)))
    }

    /// Those that a shadow is asked for when the first call goes to it.
    pub fn to_be_asked() -> Self {
        Self(Arc::new(Source::Asked {
            begun: AtomicBool::new(false),
            answer: OnceLock::new(),
        }))
    }

    /// The same for one shadow of several: each is asked for its own.
    #[must_use]
    pub fn of_one_shadow(&self) -> Self {
        match &*self.0 {
            Source::Given(_) => self.clone(),
            Source::Asked { .. } => Self::to_be_asked(),
        }
    }

    /// Whoever gets this is to ask; nobody else does.
    pub fn begin(&self) -> Option<Asking> {
        match &*self.0 {
            Source::Asked { begun, .. } if !begun.swap(true, Relaxed) => Some(Asking(self.clone())),
            _ => None,
        }
    }

    /// Whether somebody asks, and has no answer yet.
    pub fn is_awaited(&self) -> bool {
        match &*self.0 {
            Source::Given(_) => false,
            Source::Asked { begun, answer } => begun.load(Relaxed) && answer.get().is_none(),
        }
    }

    /// The method that the request with this head calls.
    pub(super) fn method(&self, request: &[u8]) -> Option<&Method> {
        self.known()?.method(request_line(request).1)
    }

    /// Those that are there.
    fn known(&self) -> Option<&Descriptors> {
        match &*self.0 {
            Source::Given(descriptors) => Some(descriptors),
            Source::Asked { answer, .. } => answer.get()?.as_ref(),
        }
    }
}

impl Methods for GrpcDescriptors {
    fn method(&self, target: &[u8]) -> Option<&Method> {
        self.known()?.method(target)
    }
}

impl PartialEq for GrpcDescriptors {
    /// Whether they are the same, or asked in the same way: of a comparison with the same shadow, that comes to the same.
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
            || matches!(
                (&*self.0, &*other.0),
                (Source::Asked { .. }, Source::Asked { .. })
            )
    }
}

/// The right to say what came of asking. Dropped, nothing came of it.
#[derive(Debug)]
pub struct Asking(GrpcDescriptors);

impl Asking {
    /// These came.
    pub fn found(self, descriptors: Descriptors) {
        self.settle(Some(descriptors));
    }

    fn settle(&self, found: Option<Descriptors>) {
        if let Source::Asked { answer, .. } = &*self.0.0 {
            // The first word counts.
            let _ = answer.set(found);
        }
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        self.settle(None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHOP: &[u8] = include_bytes!("../../shadow-grpc/src/tests/shop.desc");
    const CALL: &[u8] = b"POST /shop.Catalog/Put HTTP/2.0\r\n\r\n";

    #[test]
    fn a_shadow_is_asked_by_one_and_awaited_until_it_has_answered() {
        let descriptors = GrpcDescriptors::to_be_asked();
        assert!(!descriptors.is_awaited());
        let asking = descriptors.begin().unwrap();
        assert!(descriptors.begin().is_none());
        assert!(descriptors.is_awaited());
        assert!(descriptors.method(CALL).is_none());
        asking.found(Descriptors::read(SHOP).unwrap());
        assert!(!descriptors.is_awaited());
        assert!(descriptors.method(CALL).is_some());
    }

    #[test]
    fn one_that_gives_up_asking_leaves_nobody_waiting() {
        let descriptors = GrpcDescriptors::to_be_asked();
        drop(descriptors.begin());
        assert!(!descriptors.is_awaited());
        assert!(descriptors.method(CALL).is_none());
    }

    #[test]
    fn each_shadow_is_asked_and_descriptors_of_a_file_hold_for_all() {
        let asked = GrpcDescriptors::to_be_asked();
        assert!(asked.begin().is_some());
        assert!(asked.of_one_shadow().begin().is_some());
        let given = GrpcDescriptors::new(Descriptors::read(SHOP).unwrap());
        assert!(given.of_one_shadow().begin().is_none());
        assert_eq!(given.of_one_shadow(), given);
        assert_ne!(given, asked);
    }
}
