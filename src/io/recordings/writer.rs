//! The thread that writes recordings, and removes old ones between two pieces. Owns the open files, and that a failing one is ended
//! once, with a word in the log, a count and a word to whoever keeps the record; refuses to be waited for.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant, SystemTime};

use super::file::{self, Form, Recording};
use super::keep::Keeper;
use super::{FailureSink, Talks};
use crate::media::Recorded;
use crate::model::CallId;

/// What the thread is told.
pub(super) enum Order {
    /// A piece to be written.
    Piece(Recorded),
    /// A piece that found the queue full: silence in its place.
    Lost {
        /// Whose.
        call: CallId,
        /// How long it was, in samples of one side.
        moments: usize,
    },
    /// Write no more.
    Stop,
}

/// A recording under way.
enum State {
    /// `whole`: nothing is missing yet.
    Open { file: Box<Recording>, whole: bool },
    /// The disk failed: what still comes is let go. The file, if one could be made, has this form.
    Failed(Form),
}

/// Writes until it is stopped.
pub(super) fn run(talks: &Talks, orders: &Receiver<Order>, waiting: &AtomicUsize, failed: &FailureSink) {
    let mut desk = Desk { talks, failed, open: BTreeMap::new() };
    let mut keeper = talks.keep.map(|keep| (Keeper::new(&talks.folder, keep), Instant::now()));
    loop {
        let order = match &mut keeper {
            None => orders.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some((keeper, next)) => {
                let wait = next.saturating_duration_since(Instant::now());
                if wait.is_zero() {
                    *next = Instant::now() + keeper.pass(SystemTime::now());
                    orders.recv_timeout(Duration::ZERO)
                } else {
                    orders.recv_timeout(wait)
                }
            }
        };
        let order = match order {
            Ok(order) => order,
            Err(RecvTimeoutError::Timeout) => continue,
            Err(RecvTimeoutError::Disconnected) => break,
        };
        match order {
            Order::Piece(Recorded::Samples { call, samples }) => desk.write(call, &samples, true),
            Order::Lost { call, moments } => {
                metrics::counter!("callbridge_recording_seconds_lost_total").increment(1);
                desk.write(call, &vec![0; moments * 2], false);
            }
            Order::Piece(Recorded::Ended { call }) => desk.end(call),
            Order::Stop => break,
        }
        waiting.fetch_sub(1, Ordering::Relaxed);
    }
    // Media closes every leg before this is stopped; whatever is left was cut short.
    for (call, state) in std::mem::take(&mut desk.open) {
        let cut = match state {
            State::Open { file, .. } => State::Open { file, whole: false },
            State::Failed(form) => State::Failed(form),
        };
        desk.close(call, cut);
    }
}

/// The recordings under way.
struct Desk<'a> {
    talks: &'a Talks,
    failed: &'a FailureSink,
    open: BTreeMap<CallId, State>,
}

impl Desk<'_> {
    fn write(&mut self, call: CallId, samples: &[i16], all: bool) {
        let (talks, failed) = (self.talks, self.failed);
        let form = talks.form();
        let make = || match Recording::create(&talks.folder, call, talks.key.as_ref()) {
            Ok(file) => State::Open { file: Box::new(file), whole: true },
            Err(error) => fails(failed, call, form, &error),
        };
        let state = self.open.entry(call).or_insert_with(make);
        if let State::Open { file, whole } = state {
            if *whole && !all {
                failed(call);
            }
            *whole &= all;
            if let Err(error) = file.write(samples) {
                *state = fails(failed, call, form, &error);
            }
        }
    }

    fn end(&mut self, call: CallId) {
        // None: nothing of it was ever written.
        if let Some(state) = self.open.remove(&call) {
            self.close(call, state);
        }
    }

    fn close(&self, call: CallId, state: State) {
        let (form, ending) = match state {
            State::Failed(form) => (form, form.incomplete()),
            State::Open { file, whole } => {
                let form = file.form();
                let kept = file.finish(whole);
                if let Err(error) = &kept {
                    tracing::error!(%call, %error, "a recording may not be on the disk");
                }
                let whole = whole && kept.is_ok();
                let result = if whole { "whole" } else { "incomplete" };
                metrics::counter!("callbridge_recordings_total", "result" => result).increment(1);
                (form, if whole { form.whole() } else { form.incomplete() })
            }
        };
        match file::rename(&self.talks.folder, call, form, ending) {
            Ok(()) => {}
            // The file could not even be made.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => tracing::error!(%call, %error, "a recording cannot be given its name"),
        }
    }
}

fn fails(sink: &FailureSink, call: CallId, form: Form, error: &std::io::Error) -> State {
    metrics::counter!("callbridge_recordings_total", "result" => "failed").increment(1);
    tracing::error!(%call, %error, "a recording ends here: its file cannot be written; the call goes on");
    sink(call);
    State::Failed(form)
}
