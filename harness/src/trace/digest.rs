//! A hash that is the same on every machine and with every toolchain, unlike the standard library's.

use std::hash::Hasher;

/// Any odd number with its bits spread: the fraction of the golden ratio.
const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;

/// A streaming 64-bit hash by folded multiplication, as wyhash does it. Not for adversaries.
#[derive(Clone, Copy, Debug)]
pub(super) struct Digest(u64);

impl Default for Digest {
    fn default() -> Self {
        Self(0x2545_f491_4f6c_dd1d)
    }
}

impl Digest {
    fn mix(&mut self, word: u64) {
        let product = u128::from(self.0 ^ word).wrapping_mul(u128::from(FACTOR));
        // The rotation keeps a word that happens to equal the state from wiping it out.
        self.0 = (product as u64) ^ ((product >> 64) as u64) ^ self.0.rotate_left(23);
    }
}

impl Hasher for Digest {
    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.mix(u64::from_le_bytes(*word));
        }
        if !rest.is_empty() {
            let mut last = [0; 8];
            last[..rest.len()].copy_from_slice(rest);
            self.mix(u64::from_le_bytes(last));
        }
    }

    fn finish(&self) -> u64 {
        let mut last = *self;
        last.mix(FACTOR);
        last.0
    }
}

#[cfg(test)]
mod tests {
    use std::hash::Hash;

    use proptest::prelude::*;

    use super::*;

    fn digest(value: impl Hash) -> u64 {
        let mut digest = Digest::default();
        value.hash(&mut digest);
        digest.finish()
    }

    proptest! {
        #[test]
        fn texts_that_differ_have_different_digests(a: Vec<String>, b: Vec<String>) {
            prop_assert_eq!(a == b, digest(&a) == digest(&b));
        }

        #[test]
        fn a_changed_bit_changes_half_of_the_digest_or_so(bytes in prop::collection::vec(any::<u8>(), 1..64), at: prop::sample::Index) {
            let mut other = bytes.clone();
            other[at.index(bytes.len())] ^= 1;
            let changed = (digest(&bytes) ^ digest(&other)).count_ones();
            prop_assert!((8..=56).contains(&changed), "{} bits", changed);
        }
    }

    #[test]
    fn the_digest_of_a_text_never_changes() {
        assert_eq!(digest("fingerprint"), digest(String::from("fingerprint")));
        assert_ne!(digest(("ab", "c")), digest(("a", "bc")));
    }
}
