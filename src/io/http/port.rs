//! What HTTP asks of the rest: the engine's answers, the store's read side, and whether the daemon is ready.
//!
//! Owns these traits and the shapes of the questions; refuses to know who answers, so that the router is tested with a
//! scripted engine.

use std::pin::Pin;
use std::sync::atomic::{AtomicU8, Ordering};

use crate::billing::invoice::Invoice;
use crate::clock::Wall;
use crate::engine::api::{After, ListFilter, Reply, StaffWish, SupervisorWish};
use crate::ladder::Ladder;
use crate::model::{BusinessId, CallId, CallRecord, CallState, CallView, InitiationMessage};

/// An answer that is waited for.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The engine, seen from a request. A full inbox answers [`Reply::Refused`] with `Unavailable`.
pub trait EnginePort: Send + Sync + 'static {
    /// An initiation message of a verified business; answered once durable.
    fn initiate(&self, message: InitiationMessage) -> Pending<'_, Reply>;
    /// One live call: [`Reply::Call`].
    fn get(&self, business: BusinessId, call: CallId) -> Pending<'_, Reply>;
    /// The ladder of a call that the store does not have yet: [`Reply::Ladder`].
    fn ladder(&self, business: BusinessId, call: CallId) -> Pending<'_, Reply>;
    /// What happened to a live call after what is known, once there is something: [`Reply::Events`].
    fn watch(&self, business: BusinessId, call: CallId, after: After) -> Pending<'_, Reply>;
    /// A part of the calls of a business that the store has no record of: [`Reply::Calls`].
    fn list(&self, business: BusinessId, filter: ListFilter) -> Pending<'_, Reply>;
    /// Cancel or hang up: [`Reply::Deleted`] or [`Reply::AlreadyEnded`].
    fn delete(&self, business: BusinessId, call: CallId) -> Pending<'_, Reply>;
    /// A supervisor comes, changes, goes: [`Reply::Supervised`], [`Reply::NotSupervised`] or [`Reply::AlreadyEnded`].
    fn supervise(&self, business: BusinessId, call: CallId, wish: SupervisorWish) -> Pending<'_, Reply>;
    /// A business's representatives, or what one of them wants: [`Reply::Representatives`].
    fn staff(&self, business: BusinessId, wish: StaffWish) -> Pending<'_, Reply>;
}

/// The store could not be read.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the store could not be read: {0}")]
pub struct StoreUnreadable(pub String);

/// The store's read side: ended calls and records of one business.
pub trait StorePort: Send + Sync + 'static {
    /// An ended call.
    fn find_call(&self, business: BusinessId, call: CallId) -> Pending<'_, Result<Option<CallView>, StoreUnreadable>>;
    /// The call that has this `Idempotency-Key`, with the hash of its body.
    fn key_of(
        &self,
        business: BusinessId,
        key: String,
    ) -> Pending<'_, Result<Option<(CallId, String)>, StoreUnreadable>>;
    /// The ladder of an ended call.
    fn ladder(&self, business: BusinessId, call: CallId) -> Pending<'_, Result<Option<Ladder>, StoreUnreadable>>;
    /// Ended calls, the newest first.
    fn ended_calls(
        &self,
        business: BusinessId,
        filter: CallFilter,
    ) -> Pending<'_, Result<Vec<CallView>, StoreUnreadable>>;
    /// Call detail records, the oldest first.
    fn records(
        &self,
        business: BusinessId,
        filter: RecordFilter,
    ) -> Pending<'_, Result<Vec<CallRecord>, StoreUnreadable>>;
    /// What a business owes for calls accepted in a period, or why that cannot be said.
    fn invoice(&self, business: BusinessId, from: Wall, to: Wall) -> Pending<'_, Result<Summed, StoreUnreadable>>;
}

/// An invoice, or why there is none.
pub type Summed = Result<Invoice, String>;

/// Which calls of a business are wanted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CallFilter {
    /// Only this state.
    pub state: Option<CallState>,
    /// Only this business's own identifier.
    pub reference: Option<String>,
    /// Created at or after.
    pub created_from: Option<Wall>,
    /// Created before.
    pub created_to: Option<Wall>,
    /// Only calls whose identifier sorts below this one: the page after it.
    pub before: Option<CallId>,
    /// At most so many.
    pub limit: usize,
}

impl CallFilter {
    /// Whether this call is wanted.
    pub fn takes(&self, call: &CallView) -> bool {
        self.state.is_none_or(|state| call.state == state)
            && self.reference.as_ref().is_none_or(|wanted| call.reference.as_ref() == Some(wanted))
            && self.created_from.is_none_or(|from| call.created_at >= from)
            && self.created_to.is_none_or(|to| call.created_at < to)
            && self.before.is_none_or(|before| call.id < before)
    }
}

/// Which records of a business are wanted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RecordFilter {
    /// Of calls created at or after.
    pub from: Option<Wall>,
    /// Of calls created before.
    pub to: Option<Wall>,
    /// Only records whose call identifier sorts above this one: the page after it.
    pub after: Option<CallId>,
    /// At most so many.
    pub limit: usize,
}

/// How far the daemon is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Phase {
    /// Not all listeners are up.
    Starting = 0,
    /// Takes calls.
    Ready = 1,
    /// Takes no new calls.
    Draining = 2,
}

/// Told by the daemon, shown at `/readyz`.
#[derive(Debug, Default)]
pub struct Health(AtomicU8);

impl Health {
    /// The daemon has come so far.
    pub fn set(&self, phase: Phase) {
        self.0.store(phase as u8, Ordering::Release);
    }

    /// Where it is.
    pub fn phase(&self) -> Phase {
        match self.0.load(Ordering::Acquire) {
            0 => Phase::Starting,
            1 => Phase::Ready,
            _ => Phase::Draining,
        }
    }
}
