//! The part of an answer that is kept, within bounds, where answers are tracked or compared.

use bytes::Bytes;

use crate::budget::{Charge, MemoryBudget};

/// Limits for kept responses.
#[derive(Clone, Debug, Default)]
pub(in crate::output::http) struct Keep {
    /// Most bytes of one; `None` when none are kept.
    pub most: Option<usize>,
    /// Budget that they are charged to between two reads, until they are complete.
    pub budget: Option<MemoryBudget>,
}

/// Why an answer was not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::output::http) enum NotKept {
    /// It is beyond the bound, which is none where no answers are kept.
    TooLarge,
    /// The budget had no room for it.
    Memory,
}

/// The received part of a response that is kept.
#[derive(Debug, Default)]
pub(in crate::output::http) struct Kept {
    head: Vec<u8>,
    body: Vec<u8>,
    failed: Option<NotKept>,
    charge: Option<Charge>,
}

impl Kept {
    /// Keeps a whole head.
    pub(in crate::output::http) fn head(&mut self, keep: &Keep, bytes: &[u8]) {
        if self.admit(keep, bytes.len()) {
            self.head = bytes.to_vec();
        }
    }

    /// Keeps more of a body.
    pub(in crate::output::http) fn body(&mut self, keep: &Keep, bytes: &[u8]) {
        if self.admit(keep, bytes.len()) {
            self.body.extend_from_slice(bytes);
        }
    }

    /// Bytes of the body so far.
    pub(in crate::output::http) fn body_length(&self) -> usize {
        self.body.len()
    }

    /// Puts what `make` makes of the body in its place.
    pub(in crate::output::http) fn replace_body(&mut self, keep: &Keep, make: impl FnOnce(&[u8]) -> Vec<u8>) {
        if self.failed.is_some() {
            return;
        }
        let other = make(&std::mem::take(&mut self.body));
        if self.admit(keep, other.len()) {
            self.body = other;
        }
    }

    fn bytes(&self) -> usize {
        self.head.len() + self.body.len()
    }

    /// Whether so many more bytes are to be kept. After the first that are not, none is.
    fn admit(&mut self, keep: &Keep, more: usize) -> bool {
        let (Some(most), None) = (keep.most, self.failed) else {
            return false;
        };
        let fits = self.bytes() + more <= most;
        if !fits {
            self.give_up(NotKept::TooLarge);
        }
        fits
    }

    /// Charges what is kept so far, of an answer that is not whole yet: one that comes in a single read costs nothing here.
    pub(in crate::output::http) fn charge(&mut self, keep: &Keep) {
        let bytes = self.bytes();
        let Some(budget) = keep.budget.as_ref().filter(|_| bytes > 0) else {
            return;
        };
        let charge = self.charge.get_or_insert_with(|| budget.charge());
        if !charge.try_grow(bytes - charge.bytes()) {
            self.give_up(NotKept::Memory);
        }
    }

    fn give_up(&mut self, why: NotKept) {
        *self = Self {
            failed: Some(why),
            ..Self::default()
        };
    }

    /// Head and body.
    pub(in crate::output::http) fn into_parts(self) -> Result<(Bytes, Bytes), NotKept> {
        match self.failed {
            Some(why) => Err(why),
            None => Ok((self.head.into(), self.body.into())),
        }
    }
}
