//! Panics during a run. A replica's server answers 500 when a request panics, and its sender comes again: nothing else would tell.

use std::{
    cell::RefCell,
    panic::{self, AssertUnwindSafe},
    sync::Once,
};

use crate::oracles::Violation;

/// Told of one run; others are like them.
const TOLD_MAX: usize = 8;

thread_local! {
    /// What has panicked on this thread, which a simulation has for itself.
    static SEEN: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// Does `work`; its result, none if it panicked, and whatever panicked on this thread meanwhile, caught or not, as violations.
pub(super) fn watched<T>(work: impl FnOnce() -> T) -> (Option<T>, Vec<Violation>) {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            SEEN.with_borrow_mut(|seen| {
                if seen.len() < TOLD_MAX {
                    seen.push(info.to_string());
                }
            });
            before(info);
        }));
    });
    SEEN.take();
    let result = panic::catch_unwind(AssertUnwindSafe(work)).ok();
    let violation = |message| Violation { oracle: "panic", version: None, message };
    (result, SEEN.take().into_iter().map(violation).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_panics_is_a_violation_whether_somebody_catches_it_or_not() {
        let (result, violations) = watched(|| {
            let _ = panic::catch_unwind(|| panic!("caught"));
            1
        });
        assert_eq!((result, violations.len()), (Some(1), 1));
        assert!(violations[0].oracle == "panic" && violations[0].message.contains("caught"), "{violations:?}");
        let (result, violations) = watched(|| -> u32 { panic!("not caught") });
        assert_eq!((result, violations.len()), (None, 1));
        assert_eq!(watched(|| 2), (Some(2), Vec::new()), "the next run has nothing to do with it");
    }
}
