//! Uids and generated names: unique, and the same in every run.

/// A sequence of draws.
#[derive(Clone, Debug, Default)]
pub(super) struct Draws(u64);

impl Draws {
    /// A uid as RFC 9562 writes them, the same in every run.
    pub(super) fn uid(&mut self) -> String {
        let (high, low) = (self.next(), self.next());
        format!(
            "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
            high >> 32,
            (high >> 16) & 0xffff,
            high & 0xfff,
            0x8000 | (low >> 48) & 0x3fff,
            low & 0xffff_ffff_ffff,
        )
    }

    /// `base` and five characters, as `generateName` asks for.
    pub(super) fn name(&mut self, base: &str) -> String {
        const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
        const MAX_BASE: usize = 63 - 5;
        let mut name: String = base.chars().take(MAX_BASE).collect();
        let mut draw = self.next();
        for _ in 0..5 {
            name.push(char::from(LETTERS[(draw % LETTERS.len() as u64) as usize]));
            draw /= LETTERS.len() as u64;
        }
        name
    }

    /// The next number of the splitmix64 sequence.
    fn next(&mut self) -> u64 {
        self.0 += 1;
        let mut mixed = self.0.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}
