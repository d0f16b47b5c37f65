//! Returns free memory to the system even while the process allocates nothing.
//!
//! jemalloc gives pages back in the course of allocations, and its threads of its own do not work with musl.

use std::{hint::black_box, thread, time::Duration};

/// Longer than jemalloc keeps what is free (`.cargo/config.toml`), so that each time all of it goes.
const EVERY: Duration = Duration::from_secs(10);
/// jemalloc looks at what is free about once in a thousand allocations.
const ALLOCATIONS: usize = 4096;
/// More than a thread keeps for itself. Nothing is written there, so that it costs no pages.
const BYTES: usize = 64 << 10;

/// Starts a thread that allocates every now and then, which makes jemalloc return free pages.
pub(crate) fn give_back() {
    let allocate = || loop {
        thread::sleep(EVERY);
        for _ in 0..ALLOCATIONS {
            drop(black_box(Vec::<u8>::with_capacity(BYTES)));
        }
    };
    if let Err(error) = thread::Builder::new().name("memory".to_owned()).spawn(allocate) {
        eprintln!("gateway: cannot start the thread that returns free memory to the system: {error}");
    }
}
