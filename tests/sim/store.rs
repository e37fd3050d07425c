//! The store in virtual time: operations in order, grouped into commits that take their time or fail; only what was committed
//! survives a crash. Owns durable content and keeps count of what is promised about it.

use std::collections::{BTreeMap, VecDeque};

use callbridge::clock::Wall;
use callbridge::engine::api::{CallEvent, StoreFailure, StoreOp, StoreToken, Watched};
use callbridge::model::{AttemptRecord, CallId, CallRecord, StoredCall};

/// What one call left behind.
#[derive(Clone, Debug)]
pub struct Kept {
    /// Every record that was made durable with contents differing from those before. There must be exactly one.
    pub records: Vec<CallRecord>,
    /// Of the last one.
    pub attempts: Vec<AttemptRecord>,
}

/// The store.
#[derive(Default)]
pub struct Store {
    open: BTreeMap<CallId, StoredCall>,
    kept: BTreeMap<CallId, Kept>,
    accepted: BTreeMap<CallId, StoredCall>,
    last_alive: Option<Wall>,
    waiting: VecDeque<(StoreToken, StoreOp)>,
    committing: VecDeque<(StoreToken, StoreOp)>,
    /// What operations tell to the webhook, until they are durable.
    telling: BTreeMap<StoreToken, Watched>,
    outbox: BTreeMap<CallId, Vec<CallEvent>>,
    faults: Vec<String>,
}

impl Store {
    /// Takes an operation; true when a commit should be begun.
    pub fn submit(&mut self, token: StoreToken, op: StoreOp) -> bool {
        self.waiting.push_back((token, op));
        self.committing.is_empty()
    }

    /// The operation of this name is to tell this.
    pub fn tells(&mut self, token: StoreToken, told: Watched) {
        self.telling.insert(token, told);
    }

    /// Begins to commit all that waits.
    pub fn begin(&mut self) -> bool {
        if self.committing.is_empty() {
            self.committing.append(&mut self.waiting);
        }
        !self.committing.is_empty()
    }

    /// The commit is over. Answers, in order.
    pub fn finish(&mut self, success: bool) -> Vec<(StoreToken, Result<(), StoreFailure>)> {
        let group: Vec<_> = self.committing.drain(..).collect();
        let mut answers = Vec::new();
        for (token, op) in group {
            let result = if success {
                self.apply_telling(token, op)
            } else {
                Err(StoreFailure::Unavailable("disk full".to_owned()))
            };
            answers.push((token, result));
        }
        answers
    }

    /// The power fails: what was being committed is durable or it is not, nobody was told; the rest is gone.
    pub fn crash(&mut self, committed: bool) {
        for (token, op) in self.committing.drain(..).collect::<Vec<_>>() {
            if committed {
                let _nobody_hears_it = self.apply_telling(token, op);
            }
        }
        self.waiting.clear();
        // The next life names its operations anew.
        self.telling.clear();
    }

    /// In one commit: the operation and what it tells, each number of a call once.
    fn apply_telling(&mut self, token: StoreToken, op: StoreOp) -> Result<(), StoreFailure> {
        self.apply(op)?;
        let Some(told) = self.telling.get(&token) else { return Ok(()) };
        let events = self.outbox.entry(told.call.id).or_default();
        for event in &told.events {
            if events.iter().all(|there| there.sequence != event.sequence) {
                events.push(*event);
            }
        }
        Ok(())
    }

    fn apply(&mut self, op: StoreOp) -> Result<(), StoreFailure> {
        match op {
            StoreOp::Accept(call) => {
                if let Some(key) = &call.message.idempotency {
                    let same = |other: &&StoredCall| {
                        other.message.business_id == call.message.business_id
                            && other.message.idempotency.as_ref().is_some_and(|i| i.key == key.key)
                    };
                    if let Some(other) = self.accepted.values().find(same) {
                        let replay = other.message.idempotency.as_ref().is_some_and(|i| i.body_hash == key.body_hash);
                        return Err(if replay { StoreFailure::KeyReplayed(other.id) } else { StoreFailure::KeyReused });
                    }
                }
                if self.accepted.insert(call.id, (*call).clone()).is_some() {
                    self.faults.push(format!("call {} was accepted twice", call.id));
                }
                self.open.insert(call.id, *call);
            }
            StoreOp::Progress { call, progress } => {
                if let Some(open) = self.open.get_mut(&call) {
                    open.progress = *progress;
                }
            }
            StoreOp::Finish { record, attempts } => {
                self.open.remove(&record.call_id);
                let kept = self
                    .kept
                    .entry(record.call_id)
                    .or_insert_with(|| Kept { records: Vec::new(), attempts: Vec::new() });
                if !kept.records.contains(&record) {
                    kept.records.push(*record);
                }
                kept.attempts = attempts;
            }
            StoreOp::Ladder(_) | StoreOp::LimitReached(_) | StoreOp::Session(_) => {}
            StoreOp::Telling { .. } => self.faults.push("what is told comes beside its operation".to_owned()),
            StoreOp::Alive { at } => self.last_alive = self.last_alive.max(Some(at)),
        }
        Ok(())
    }

    /// What a restart finds.
    pub fn restart(&self) -> (Vec<StoredCall>, Option<Wall>) {
        (self.open.values().cloned().collect(), self.last_alive)
    }

    /// True once this call's acceptance is durable.
    pub fn holds(&self, call: CallId) -> bool {
        self.accepted.contains_key(&call)
    }

    /// The call that has this `Idempotency-Key`.
    pub fn has_key(&self, key: &str) -> Option<CallId> {
        let its = |call: &&StoredCall| call.message.idempotency.as_ref().is_some_and(|i| i.key == key);
        self.accepted.values().find(its).map(|call| call.id)
    }

    /// Calls that are on their way to be durable.
    pub fn accepting(&self) -> usize {
        let accepts = |(_, op): &&(StoreToken, StoreOp)| matches!(op, StoreOp::Accept(_));
        self.waiting.iter().chain(&self.committing).filter(accepts).count()
    }

    /// Every accepted call.
    pub fn accepted(&self) -> impl Iterator<Item = &StoredCall> {
        self.accepted.values()
    }

    /// What the webhook is told of a call, in the order of writing.
    pub fn told(&self, call: CallId) -> &[CallEvent] {
        self.outbox.get(&call).map_or(&[], Vec::as_slice)
    }

    /// What is kept of a call.
    pub fn kept(&self, call: CallId) -> Option<&Kept> {
        self.kept.get(&call)
    }

    /// Every call with a record.
    pub fn all_kept(&self) -> impl Iterator<Item = (&CallId, &Kept)> {
        self.kept.iter()
    }

    /// Operations not answered yet.
    pub fn pending(&self) -> usize {
        self.waiting.len() + self.committing.len()
    }

    /// What no store should ever be asked.
    pub fn faults(&self) -> &[String] {
        &self.faults
    }
}
