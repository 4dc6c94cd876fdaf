//! Bytes of an input as choices: each decides one thing, and when there are no more, the plainest is chosen.

/// The choices left.
pub struct Choices<'a>(&'a [u8]);

impl<'a> Choices<'a> {
    /// The choices that `bytes` make.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// A number from 0 to `most`.
    pub fn up_to(&mut self, most: u8) -> u8 {
        let Some((first, rest)) = self.0.split_first() else {
            return 0;
        };
        self.0 = rest;
        match most {
            u8::MAX => *first,
            most => first % (most + 1),
        }
    }

    /// Whether something is so: once in `of`.
    pub fn once_in(&mut self, of: u8) -> bool {
        self.up_to(of - 1) == of - 1
    }

    /// One of some words, or once in 32 whatever text comes next.
    pub fn word(&mut self, words: &[&str]) -> String {
        if self.once_in(32) {
            let length = self.0.len().min(usize::from(self.up_to(40)));
            let (text, rest) = self.0.split_at(length.min(self.0.len()));
            self.0 = rest;
            return String::from_utf8_lossy(text).into_owned();
        }
        let index = usize::from(self.up_to(u8::MAX)) % words.len();
        words[index].to_owned()
    }

    /// As many values as are chosen, `most` at most.
    pub fn list<T>(&mut self, most: u8, make: impl FnMut(&mut Self) -> T) -> Vec<T> {
        let count = self.up_to(most);
        self.exactly(count, make)
    }

    /// The same, at least one.
    pub fn some<T>(&mut self, most: u8, make: impl FnMut(&mut Self) -> T) -> Vec<T> {
        let count = 1 + self.up_to(most - 1);
        self.exactly(count, make)
    }

    fn exactly<T>(&mut self, count: u8, mut make: impl FnMut(&mut Self) -> T) -> Vec<T> {
        (0..count).map(|_| make(self)).collect()
    }
}
