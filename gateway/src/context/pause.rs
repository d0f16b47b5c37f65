//! Pauses an instance, and wakes its waiting tasks when it resumes.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    task::{self, Waker},
};

use parking_lot::Mutex;

/// See the module's documentation.
#[derive(Default)]
pub(super) struct Pause {
    paused: AtomicBool,
    waiting: Mutex<Vec<Waker>>,
}

impl Pause {
    pub(super) fn set(&self, paused: bool) {
        let mut waiting = self.waiting.lock();
        self.paused.store(paused, Ordering::Release);
        if !paused {
            waiting.drain(..).for_each(Waker::wake);
        }
    }

    /// Whether the task of `cx` must wait; it is then woken by the end of the pause.
    pub(super) fn holds(&self, cx: &task::Context<'_>) -> bool {
        if !self.paused.load(Ordering::Acquire) {
            return false;
        }
        let mut waiting = self.waiting.lock();
        // Again under the lock: the pause may just have ended.
        let holds = self.paused.load(Ordering::Acquire);
        if holds && !waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
            waiting.push(cx.waker().clone());
        }
        holds
    }
}
