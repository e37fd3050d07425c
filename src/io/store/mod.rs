//! The store: what must survive. Two traits, so that another database can stand behind them: [`Archive`] reads calls and
//! accounts (tools use it beside a running daemon), [`Store`] adds the daemon's durable operations in order.
//!
//! Owns durability, the order of operations and what is refused when the disk or the queue is full. Refuses to decide what a
//! call means: it keeps what the engine says. SQLite is behind it (docs/decisions/0001-store-rusqlite.md).

mod accounts;
mod audit;
mod bell;
mod billed;
mod direct;
mod error;
mod ladders;
mod outbox;
mod queue;
mod reads;
mod schema;
mod search;
mod seed;
mod sessions;
mod sinks;
mod sqlite;
#[cfg(test)]
mod tests;
mod usage;
mod watch;
mod writer;

use std::ops::ControlFlow;

use crate::clock::Wall;
use crate::engine::api::{StoreFailure, StoreOp, StoreToken};
use crate::ladder::Ladder;
use crate::model::direct::RequestMarks;
use crate::model::{
    AttemptRecord, Billed, Business, BusinessId, CallId, CallRecord, CallState, DayAdjustment, Directory, Endpoint,
    StoredCall, StoredSession,
};

pub use accounts::{AccountError, Versioned};
pub use audit::{AuditFilter, MAX_AUDIT_LISTED, NumberedEntry};
pub use bell::Bell;
pub use billed::{Batch, InvoiceError, Usage, invoice};
pub use error::StoreError;
pub use outbox::{
    Delivery, DeliveryFilter, DeliveryId, DeliveryState, Due, MAX_LISTED, OutboxOp, Outlet, Settlement, TestEvent,
    Verdict, Way,
};
pub use search::{CallSearch, FoundEnded};
pub use seed::{SeedError, seed_businesses};
pub use sqlite::{SqliteArchive, SqliteStore, WriterBounds};
pub use watch::{DirectoryWatch, watch_directory};

/// How operations are answered: called on the writer's thread once an operation is durable, or could not be made so.
pub type OnStored = Box<dyn Fn(StoreToken, Result<(), StoreFailure>) + Send>;

/// A call as the store knows it.
#[derive(Clone, PartialEq, Debug)]
pub enum FoundCall {
    /// Accepted, its record not final. The engine knows its present state.
    Open(Box<StoredCall>),
    /// Ended.
    Closed(Box<CallRecord>, Vec<AttemptRecord>),
}

impl FoundCall {
    /// Which call.
    pub fn id(&self) -> CallId {
        match self {
            FoundCall::Open(call) => call.id,
            FoundCall::Closed(record, _) => record.call_id,
        }
    }
}

/// Which calls of a business are listed.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct CallFilter {
    /// [`CallState::Ended`]: closed calls only. Any other state: open calls only, of which the caller keeps those that the
    /// engine says are in that state.
    pub state: Option<CallState>,
    /// Accepted at or after.
    pub from: Option<Wall>,
    /// Accepted before.
    pub to: Option<Wall>,
    /// The business's own identifier.
    pub reference: Option<String>,
}

/// A part of a listing, newest call first.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Page {
    /// At most as many as were asked for.
    pub calls: Vec<FoundCall>,
    /// Hand it in as the cursor to get the next part; absent after the last.
    pub next: Option<CallId>,
}

/// Which records are read, oldest first.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct RecordFilter {
    /// Of one business only.
    pub business: Option<BusinessId>,
    /// Calls accepted at or after.
    pub from: Option<Wall>,
    /// Calls accepted before.
    pub to: Option<Wall>,
}

/// Reads calls, records and accounts; [`SqliteArchive`] changes accounts. Every method may block on the disk: keep it off async threads.
pub trait Archive: Send + Sync {
    /// Accepted calls without a record, oldest first, above this one, at most so many: what a restart goes on with.
    fn open_calls(&self, after: Option<CallId>, limit: usize) -> Result<Vec<StoredCall>, StoreError>;

    /// The last moment at which a daemon was known to be alive with live calls ([`StoreOp::Alive`]).
    fn last_alive(&self) -> Result<Option<Wall>, StoreError>;

    /// What direct call requests that still count are counted by, with when they were accepted, the oldest first.
    fn direct_requests(&self, now: Wall) -> Result<Vec<(Wall, RequestMarks)>, StoreError>;

    /// Representatives' sessions that are not over.
    fn sessions(&self, now: Wall) -> Result<Vec<StoredSession>, StoreError>;

    /// What the records of calls come to that were wanted at or after `since`, by business and day of UTC.
    fn usage(&self, since: Wall) -> Result<Usage, StoreError>;

    /// What became of the prices of such calls after the adjustment of this number, and the number of the last one.
    fn adjusted(&self, after: i64, since: Wall) -> Result<(Vec<DayAdjustment>, i64), StoreError>;

    /// Whom businesses called by message since then, the oldest first; open calls are among them.
    fn called(&self, since: Wall) -> Result<Vec<(BusinessId, Wall, Endpoint)>, StoreError>;

    /// The call that has this `Idempotency-Key`, with the hash of its body.
    fn key_of(&self, business: &BusinessId, key: &str) -> Result<Option<(CallId, String)>, StoreError>;

    /// Thirty-two random bytes of this store, drawn once: what the equipment signs with beyond a restart.
    fn secret(&self) -> Result<[u8; 32], StoreError>;

    /// The record of an ended call.
    fn record(&self, call: CallId) -> Result<Option<CallRecord>, StoreError>;

    /// A call of this business; another's is not found.
    fn find_call(&self, business: &BusinessId, call: CallId) -> Result<Option<FoundCall>, StoreError>;

    /// The ladder of an ended call of this business, while it is kept.
    fn ladder(&self, business: &BusinessId, call: CallId) -> Result<Option<Ladder>, StoreError>;

    /// Calls of this business, newest first, after `cursor`, at most `limit` (bounded to 1000).
    fn list_calls(
        &self,
        business: &BusinessId,
        filter: &CallFilter,
        cursor: Option<CallId>,
        limit: usize,
    ) -> Result<Page, StoreError>;

    /// Hands each record to `each` as it is read, until it breaks.
    fn records(
        &self,
        filter: &RecordFilter,
        each: &mut dyn FnMut(CallRecord) -> ControlFlow<()>,
    ) -> Result<(), StoreError>;

    /// Hands each record with its legs, at the prices in force, to `each` as it is read, until it breaks.
    fn billed(&self, filter: &RecordFilter, each: &mut dyn FnMut(Billed) -> ControlFlow<()>) -> Result<(), StoreError>;

    /// Hands each leg attempt to `each`, in the order of their calls.
    fn attempts(
        &self,
        filter: &RecordFilter,
        each: &mut dyn FnMut(AttemptRecord) -> ControlFlow<()>,
    ) -> Result<(), StoreError>;

    /// A number that grows with every change of an account.
    fn generation(&self) -> Result<u64, StoreError>;

    /// Every business.
    fn directory(&self) -> Result<Directory, StoreError>;

    /// One business.
    fn business(&self, id: &BusinessId) -> Result<Option<Business>, StoreError>;
}

/// The daemon's store.
pub trait Store: Archive {
    /// Queues an operation; it is answered through [`OnStored`], in order. Refused at once (and never answered) when the
    /// queue is full or the writer is gone.
    fn submit(&self, token: StoreToken, op: StoreOp) -> Result<(), StoreFailure>;
}
