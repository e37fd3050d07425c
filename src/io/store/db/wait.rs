//! Waiting for a server on a thread that may be any: one of a runtime's, or none of it. Owns the one thread that all connections are served
//! by, and the waiting; refuses to wait for ever.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::{Duration, Instant};

/// Reads and writes the connections of one database, on a thread of its own.
pub(super) struct Reactor(Option<tokio::runtime::Runtime>);

impl Reactor {
    pub(super) fn start() -> std::io::Result<Reactor> {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        builder.worker_threads(1).max_blocking_threads(2).thread_name("postgres").enable_all();
        builder.build().map(|runtime| Reactor(Some(runtime)))
    }

    /// Runs there, and waits here at most so long: none when it took longer.
    pub(super) fn run<T: Send + 'static>(
        &self,
        longest: Duration,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        let runtime = self.0.as_ref()?;
        let task = runtime.spawn(work);
        let abort = task.abort_handle();
        let done = wait(longest, task);
        if done.is_none() {
            abort.abort();
        }
        done.and_then(Result::ok)
    }

    /// Runs there; nobody waits.
    pub(super) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        if let Some(runtime) = &self.0 {
            runtime.spawn(work);
        }
    }
}

impl Drop for Reactor {
    /// Also where waiting is not allowed.
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

struct Sleeper(Thread);

impl Wake for Sleeper {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.unpark();
    }
}

/// Waits on this thread, at most so long: none when it took longer. The future is polled here, so it may only wait for channels.
pub(super) fn wait<T>(longest: Duration, future: impl Future<Output = T>) -> Option<T> {
    let end = Instant::now() + longest;
    let waker = Waker::from(Arc::new(Sleeper(std::thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(done) = future.as_mut().poll(&mut context) {
            return Some(done);
        }
        match end.checked_duration_since(Instant::now()) {
            Some(left) if !left.is_zero() => std::thread::park_timeout(left),
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_ready_in_time_is_given_and_what_is_not_is_given_up_also_within_a_runtime() {
        let reactor = Reactor::start().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async move {
            let soon = async {
                tokio::time::sleep(Duration::from_millis(5)).await;
                7
            };
            assert_eq!(reactor.run(Duration::from_secs(10), soon), Some(7));
            assert_eq!(reactor.run(Duration::from_millis(5), std::future::pending::<()>()), None);
            assert_eq!(wait(Duration::from_millis(5), std::future::pending::<()>()), None);
        });
    }
}
