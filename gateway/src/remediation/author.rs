//! Who wrote something, and in which attempt.

use sha2::{Digest as _, Sha256};

/// A writer and its attempt, to be compared only: the first 16 bytes of the SHA-256 of what an annotation says. Many are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Author([u8; 16]);

impl Author {
    /// Of the annotation's text.
    pub fn of(text: &str) -> Self {
        let mut start = [0; 16];
        start.iter_mut().zip(Sha256::digest(text)).for_each(|(byte, hashed)| *byte = hashed);
        Self(start)
    }
}
