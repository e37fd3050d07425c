//! The writer's queue: bounded, and its memory is that of what waits. (std's bounded channel takes room for all that may wait
//! when it is made, and touches it: 1.3 MB here.) Owns the bound; refuses to know what waits.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

/// Why something was not taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Refused {
    /// As much waits as may.
    Full,
    /// Nobody takes from it any more.
    Gone,
}

/// The end that puts in.
pub(super) struct Queue<T> {
    sender: Sender<T>,
    waiting: Arc<AtomicUsize>,
    most: usize,
}

/// The end that takes out.
pub(super) struct Taker<T> {
    receiver: Receiver<T>,
    waiting: Arc<AtomicUsize>,
}

/// A queue in which so many may wait.
pub(super) fn queue<T>(most: usize) -> (Queue<T>, Taker<T>) {
    let (sender, receiver) = channel();
    let waiting = Arc::new(AtomicUsize::new(0));
    (Queue { sender, waiting: Arc::clone(&waiting), most }, Taker { receiver, waiting })
}

impl<T> Queue<T> {
    /// Puts one in, unless it is full.
    pub(super) fn put(&self, item: T) -> Result<(), Refused> {
        if self.waiting.fetch_add(1, Ordering::Relaxed) >= self.most {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            return Err(Refused::Full);
        }
        self.sender.send(item).map_err(|_| Refused::Gone)
    }
}

impl<T> Taker<T> {
    /// Waits for the next.
    pub(super) fn take(&self, longest: Duration) -> Result<T, RecvTimeoutError> {
        self.receiver.recv_timeout(longest).inspect(|_| self.left())
    }

    /// The next, if one waits now.
    pub(super) fn try_take(&self) -> Option<T> {
        self.receiver.try_recv().ok().inspect(|_| self.left())
    }

    fn left(&self) {
        self.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_takes_as_many_as_may_wait_and_more_when_one_has_left() {
        let (queue, taker) = queue(2);
        assert_eq!([queue.put(1), queue.put(2), queue.put(3)], [Ok(()), Ok(()), Err(Refused::Full)]);
        assert_eq!(taker.take(Duration::ZERO), Ok(1));
        assert_eq!(queue.put(4), Ok(()));
        assert_eq!([taker.try_take(), taker.try_take(), taker.try_take()], [Some(2), Some(4), None]);
        drop(taker);
        assert_eq!(queue.put(5), Err(Refused::Gone));
    }
}
