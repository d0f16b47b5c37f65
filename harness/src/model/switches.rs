//! What can be switched off, one by one.

use std::marker::PhantomData;

/// The rules of kind `R` that hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Switches<R> {
    off: u32,
    of: PhantomData<R>,
}

impl<R: Into<u32>> Switches<R> {
    /// The protocol with all its assumptions.
    pub const ALL: Self = Self { off: 0, of: PhantomData };

    /// These rules but `rule`.
    #[must_use]
    pub fn without(self, rule: R) -> Self {
        Self { off: self.off | 1 << rule.into(), ..self }
    }

    pub(super) fn has(self, rule: R) -> bool {
        self.off & (1 << rule.into()) == 0
    }
}
