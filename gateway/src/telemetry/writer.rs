//! Writes log lines without ever blocking the code that logs on the reader of standard output.
//!
//! A pipe whose reader stands still blocks its writer, and with it, behind the lock of standard output, every thread that
//! logs. So one thread writes, out of a queue that is bounded in bytes; what does not fit is lost, and counted.
//!
//! tracing-appender's non-blocking writer is not used: its queue is bounded in lines of any length, and at the end of the
//! process it prints, to the standard output that stands still, that it could not flush.

use std::{
    collections::VecDeque,
    io::{self, Write},
    sync::{Arc, OnceLock},
    thread,
    time::Duration,
};

use parking_lot::{Condvar, Mutex};
use prometheus::IntCounter;
use tracing_subscriber::fmt::MakeWriter;

use super::line::shortened;

/// Bytes that wait at most: seconds of the most that is logged, and little of a pod's memory.
pub(super) const QUEUE_MAX: usize = 1 << 20;
/// Before a write is tried again that would have blocked.
const RETRY: Duration = Duration::from_millis(10);

/// Takes lines over without waiting; cheap to clone.
#[derive(Clone)]
pub(super) struct Writer {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    filled: Condvar,
    emptied: Condvar,
    /// Where losses are counted, once there is a registry for it.
    counter: OnceLock<IntCounter>,
}

#[derive(Default)]
struct Queue {
    lines: VecDeque<Vec<u8>>,
    /// Of those that wait and of the one being written.
    bytes: usize,
    /// Not counted yet.
    lost: u64,
}

impl Shared {
    fn lose(&self, queue: &mut Queue, lines: u64) {
        match self.counter.get() {
            Some(counter) => counter.inc_by(lines),
            None => queue.lost += lines,
        }
    }
}

impl Writer {
    /// Lines go to `out`, by a thread of their own.
    ///
    /// # Errors
    /// If there can be no such thread.
    pub(super) fn start(out: impl Write + Send + 'static) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let writing = Arc::clone(&shared);
        thread::Builder::new().name("log".to_owned()).spawn(move || write_all_lines(&writing, out))?;
        Ok(Self { shared })
    }

    /// Lines that are lost are counted in `counter`, those so far included.
    pub(super) fn count_in(&self, counter: &IntCounter) {
        let mut queue = self.shared.queue.lock();
        if self.shared.counter.set(counter.clone()).is_ok() {
            counter.inc_by(std::mem::take(&mut queue.lost));
        }
    }

    /// Waits until all is written, for `timeout` at most; tells whether it is.
    pub(super) fn flush(&self, timeout: Duration) -> bool {
        let mut queue = self.shared.queue.lock();
        self.shared.emptied.wait_while_for(&mut queue, |queue| queue.bytes > 0, timeout);
        queue.bytes == 0
    }

    fn take(&self, line: &[u8]) {
        let line = shortened(line);
        let mut queue = self.shared.queue.lock();
        if queue.bytes + line.len() > QUEUE_MAX {
            return self.shared.lose(&mut queue, 1);
        }
        queue.bytes += line.len();
        queue.lines.push_back(line);
        drop(queue);
        self.shared.filled.notify_one();
    }
}

fn write_all_lines(shared: &Shared, mut out: impl Write) {
    loop {
        let mut queue = shared.queue.lock();
        shared.filled.wait_while(&mut queue, |queue| queue.lines.is_empty());
        let Some(line) = queue.lines.pop_front() else { continue };
        drop(queue);
        let written = write_line(&mut out, &line);
        let mut queue = shared.queue.lock();
        queue.bytes -= line.len();
        if written.is_err() {
            shared.lose(&mut queue, 1);
        }
        if queue.bytes == 0 {
            shared.emptied.notify_all();
        }
    }
}

/// Also writes to a non-blocking `out`: whether standard output blocks is up to the process at its other end.
fn write_line(out: &mut impl Write, mut line: &[u8]) -> io::Result<()> {
    while !line.is_empty() {
        match out.write(line) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => line = line.get(written..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => thread::sleep(RETRY),
            Err(error) => return Err(error),
        }
    }
    out.flush()
}

/// One line each, which is how they are written.
impl Write for Writer {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.take(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Writer {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// What is written waits until it is read, as in a pipe that has no buffer.
    struct Pipe(mpsc::SyncSender<Vec<u8>>);

    impl Write for Pipe {
        fn write(&mut self, line: &[u8]) -> io::Result<usize> {
            self.0.send(line.to_vec()).map_err(|_| io::ErrorKind::BrokenPipe)?;
            Ok(line.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn pipe() -> (Writer, mpsc::Receiver<Vec<u8>>, IntCounter) {
        let (end, reader) = mpsc::sync_channel(0);
        let (writer, lost) = (Writer::start(Pipe(end)).unwrap(), IntCounter::new("lost", "lost").unwrap());
        writer.count_in(&lost);
        (writer, reader, lost)
    }

    const AT_ONCE: Duration = Duration::ZERO;
    const IN_TIME: Duration = Duration::from_secs(30);

    #[test]
    fn a_reader_that_stands_still_holds_nobody_up_and_what_does_not_fit_is_lost_and_counted() {
        let (mut writer, reader, lost) = pipe();
        let line = vec![b'x'; 1024];
        let lines = 2 * QUEUE_MAX / line.len();
        for _ in 0..lines {
            writer.write_all(&line).unwrap();
        }
        assert_eq!(lost.get(), (lines / 2) as u64, "half of it fits, the line in the reader's hands included");
        assert!(!writer.flush(AT_ONCE), "and nobody waits for it without end");
        for _ in 0..lines / 2 {
            assert_eq!(reader.recv_timeout(IN_TIME).unwrap(), line);
        }
        assert!(writer.flush(IN_TIME), "a reader that goes on gets all the rest");
        writer.write_all(b"again").unwrap();
        assert_eq!(reader.recv_timeout(IN_TIME).unwrap(), b"again");
        assert_eq!(lost.get(), (lines / 2) as u64);
    }

    #[test]
    fn lines_for_a_reader_that_is_gone_are_lost_and_counted() {
        let (mut writer, reader, lost) = pipe();
        drop(reader);
        writer.write_all(b"one").unwrap();
        writer.write_all(b"two").unwrap();
        assert!(writer.flush(IN_TIME));
        assert_eq!(lost.get(), 2);
    }

    #[test]
    fn what_was_lost_before_there_was_a_counter_is_counted_too() {
        let (end, reader) = mpsc::sync_channel(0);
        drop(reader);
        let mut writer = Writer::start(Pipe(end)).unwrap();
        writer.write_all(b"one").unwrap();
        assert!(writer.flush(IN_TIME));
        let lost = IntCounter::new("lost", "lost").unwrap();
        writer.count_in(&lost);
        assert_eq!(lost.get(), 1);
    }

    #[test]
    fn an_end_that_would_block_and_takes_a_byte_at_a_time_gets_all_of_a_line() {
        struct Stutter(bool, mpsc::Sender<u8>);
        impl Write for Stutter {
            fn write(&mut self, line: &[u8]) -> io::Result<usize> {
                self.0 = !self.0;
                if self.0 {
                    return Err(io::ErrorKind::WouldBlock.into());
                }
                self.1.send(line[0]).unwrap();
                Ok(1)
            }

            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let (end, read) = mpsc::channel();
        let mut writer = Writer::start(Stutter(false, end)).unwrap();
        writer.write_all(b"line").unwrap();
        assert!(writer.flush(IN_TIME));
        assert_eq!(read.try_iter().collect::<Vec<_>>(), b"line");
    }
}
