//! Ctrl-C and SIGTERM.

use std::{io, pin::pin};

use futures::future::select;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// What tells a command to end. Once there is one, neither signal ends the process by itself.
pub(crate) struct Interrupt {
    terminate: Signal,
    interrupt: Signal,
}

impl Interrupt {
    /// Notices from now on.
    ///
    /// # Errors
    /// If the signals cannot be listened for.
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Waits for one that came since the last call.
    pub(crate) async fn told(&mut self) {
        select(pin!(self.interrupt.recv()), pin!(self.terminate.recv())).await;
    }
}
