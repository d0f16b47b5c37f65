//! Timeouts that hyper does not have: for a head that drips in, and for a client that does not read its answer.

use std::{
    io,
    pin::Pin,
    task::{Context as Task, Poll, ready},
    time::Duration,
};

use futures::{FutureExt as _, future::BoxFuture};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{framing::Framing, phase::Phase};
use crate::{config, context::Context};

/// A stream that ends in an error when its client is too slow.
pub(super) struct TimedIo<S> {
    stream: S,
    phase: Phase,
    framing: Framing,
    head: Timer,
    idle: Timer,
    write: Timer,
}

impl<S> TimedIo<S> {
    pub(super) fn new(stream: S, phase: Phase, settings: &config::Server, context: &Context) -> Self {
        let timer = |limit| Timer { context: context.clone(), limit, running: None };
        Self {
            stream,
            phase,
            framing: Framing::default(),
            head: timer(settings.read_timeout),
            idle: timer(settings.idle_timeout),
            write: timer(settings.write_timeout),
        }
    }
}

/// Runs while something is awaited.
struct Timer {
    context: Context,
    limit: Duration,
    running: Option<BoxFuture<'static, ()>>,
}

impl Timer {
    fn stop(&mut self) {
        self.running = None;
    }

    /// Ready with an error once the limit is over.
    fn poll<T>(&mut self, task: &mut Task<'_>) -> Poll<io::Result<T>> {
        let (context, limit) = (&self.context, self.limit);
        let running = self.running.get_or_insert_with(|| {
            let context = context.clone();
            async move { context.sleep(limit).await }.boxed()
        });
        ready!(running.as_mut().poll(task));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for TimedIo<S> {
    fn poll_read(mut self: Pin<&mut Self>, task: &mut Task<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buf.filled().len();
        let result = Pin::new(&mut this.stream).poll_read(task, buf);
        if let Some(received) = buf.filled().get(before..).filter(|received| !received.is_empty()) {
            this.framing.receive(received);
            this.phase.received();
        }
        let (head, idle) = (this.phase.awaits_head(), this.phase.is_idle());
        if !head {
            this.head.stop();
        }
        if !idle {
            this.idle.stop();
        }
        // A timer goes on while bytes arrive: the whole head has the limit, not each piece of it.
        match result {
            Poll::Pending if head => this.head.poll(task),
            Poll::Pending if idle => this.idle.poll(task),
            result => result,
        }
    }
}

impl<S: AsyncWrite + Unpin> TimedIo<S> {
    /// Passes on what a write came to. The timer goes on while the client takes a piece now and then: the whole answer has the
    /// limit.
    fn timed<T>(&mut self, task: &mut Task<'_>, result: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if result.is_pending() {
            self.phase.unread();
            return self.write.poll(task);
        }
        if !self.phase.is_unread() {
            self.write.stop();
        }
        result
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for TimedIo<S> {
    fn poll_write(mut self: Pin<&mut Self>, task: &mut Task<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write(task, buf);
        self.timed(task, result)
    }

    fn poll_flush(mut self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<io::Result<()>> {
        let result = Pin::new(&mut self.stream).poll_flush(task);
        if result.is_ready() && self.phase.is_answer() {
            // What came with the request is not read again: the next head may already be awaited.
            let body = self.phase.body_bytes();
            let more = self.framing.answered(body);
            self.phase.answered(more);
        }
        self.timed(task, result)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<io::Result<()>> {
        let result = Pin::new(&mut self.stream).poll_shutdown(task);
        self.timed(task, result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        task: &mut Task<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write_vectored(task, bufs);
        self.timed(task, result)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
