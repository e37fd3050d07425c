//! How a place fares, as far as its answers tell without doubt. Owns this second opinion on breakers; it is told less than the
//! equipment knows, so it errs towards "unknown".

use std::collections::BTreeSet;
use std::time::Duration;

use callbridge::clock::Mono;

/// Failures in a row that open a breaker.
const FAILURES: u8 = 3;
/// So soon after the third failure nothing is tried again.
const SURELY_OPEN: Duration = Duration::from_secs(4);

/// One place of a switch.
#[derive(Default, Debug)]
pub struct Place {
    failures: u8,
    ever_failed: bool,
    opened: Option<Mono>,
    rests: Option<Mono>,
    /// The branch of an OPTIONS that waits for its answer.
    question: Option<String>,
    /// Branches of those that were sent before.
    asked: BTreeSet<String>,
}

impl Place {
    /// OPTIONS is sent; that the last one was not answered is a failure.
    pub fn asked(&mut self, now: Mono, branch: &str) {
        if !self.asked.insert(branch.to_owned()) {
            return;
        }
        if self.question.replace(branch.to_owned()).is_some() {
            self.failed(now);
        }
    }

    /// An OPTIONS was answered.
    pub fn answers(&mut self, now: Mono, branch: &str, alive: bool) {
        let latest = self.question.as_deref() == Some(branch);
        if latest {
            self.question = None;
        }
        match alive {
            true => self.succeeded(),
            false if latest => self.failed(now),
            false => {}
        }
    }

    /// A failure that is beyond doubt.
    pub fn failed(&mut self, now: Mono) {
        self.ever_failed = true;
        self.failures = self.failures.saturating_add(1);
        if self.failures == FAILURES {
            self.opened = Some(now);
        }
    }

    /// Anything that shows it alive.
    pub fn succeeded(&mut self) {
        (self.failures, self.opened) = (0, None);
    }

    /// It wants to be left alone.
    pub fn rest_until(&mut self, until: Mono) {
        self.ever_failed = true;
        self.rests = Some(until);
    }

    /// What is known of it is not sure any more.
    pub fn unknown(&mut self) {
        self.question = None;
        self.ever_failed = true;
        self.succeeded();
    }

    /// It wants to be left alone now.
    pub fn rests(&self, now: Mono) -> bool {
        self.rests.is_some_and(|until| now < until)
    }

    /// Its breaker is open beyond doubt.
    pub fn is_open(&self, now: Mono) -> bool {
        self.opened.is_some_and(|at| now.since(at) < SURELY_OPEN)
    }

    /// It never failed.
    pub fn is_sound(&self) -> bool {
        !self.ever_failed
    }
}
