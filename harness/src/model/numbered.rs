//! Different values, numbered in the order in which they were found.

use std::hash::{DefaultHasher, Hash, Hasher};

/// Entries per chunk, so that a growing list is never copied.
const CHUNK: usize = 1 << 16;
/// Slots of the first table.
const TABLE: usize = 1 << 12;

/// A set that numbers what it holds. Equality decides, hashes only say where to look.
pub(super) struct Numbered<T> {
    chunks: Vec<Vec<T>>,
    /// Open addressing: a value's number + 1, or 0.
    table: Vec<u32>,
    len: u32,
}

impl<T: Eq + Hash> Numbered<T> {
    pub(super) fn new() -> Self {
        Self { chunks: Vec::new(), table: vec![0; TABLE], len: 0 }
    }

    pub(super) fn len(&self) -> u32 {
        self.len
    }

    pub(super) fn get(&self, number: u32) -> &T {
        &self.chunks[number as usize / CHUNK][number as usize % CHUNK]
    }

    /// The number of `value`, and whether it is new.
    pub(super) fn insert(&mut self, value: T) -> (u32, bool) {
        let slot = match self.slot(&value) {
            Ok(number) => return (number, false),
            Err(slot) => slot,
        };
        let number = self.len;
        self.table[slot] = number + 1;
        self.len += 1;
        if (number as usize).is_multiple_of(CHUNK) {
            self.chunks.push(Vec::with_capacity(CHUNK));
        }
        self.chunks[number as usize / CHUNK].push(value);
        if self.len as usize * 4 > self.table.len() * 3 {
            self.grow();
        }
        (number, true)
    }

    /// The number of `value`, or the slot where it belongs.
    fn slot(&self, value: &T) -> Result<u32, usize> {
        let mask = self.table.len() - 1;
        let mut slot = hash(value) & mask;
        loop {
            match self.table[slot].checked_sub(1) {
                None => return Err(slot),
                Some(number) if self.get(number) == value => return Ok(number),
                Some(_) => slot = (slot + 1) & mask,
            }
        }
    }

    fn grow(&mut self) {
        self.table = vec![0; self.table.len() * 2];
        for number in 0..self.len {
            if let Err(slot) = self.slot(self.get(number)) {
                self.table[slot] = number + 1;
            }
        }
    }

    /// Memory in bytes, without what the values point to.
    pub(super) fn bytes(&self) -> u64 {
        (self.len as usize * size_of::<T>() + self.table.len() * size_of::<u32>()) as u64
    }
}

/// The same in every run.
fn hash(value: &impl Hash) -> usize {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish() as usize
}
