//! Joins the API's ports to what stands behind them: the engine's handle, and the store's archive, whose reads block and so
//! run on the blocking pool. Owns the translation between their questions; refuses to judge.

use std::ops::ControlFlow;
use std::sync::Arc;

use tokio::sync::{Semaphore, oneshot};

use crate::io::engine_thread::EngineHandle;
use crate::io::store::{
    self, Archive, Delivery, DeliveryFilter, DeliveryId, FoundCall, InvoiceError, OutboxOp, SqliteStore, StoreError,
    TestEvent,
};
use crate::ladder::Ladder;
use crate::model::{BusinessId, CallId, CallRecord, CallState, CallView, InitiationMessage};

use super::bill::MAX_CALLS;
use super::port::{CallFilter, EnginePort, Pending, RecordFilter, StorePort, StoreUnreadable, Summed};
use super::webhooks::OutboxPort;
use crate::clock::Wall;
use crate::engine::api::{After, ListFilter, Reply, StaffWish, StoreFailure, SupervisorWish};

/// Reads of the archive that run at once: they share the blocking threads with the verification of passwords.
static READS: Semaphore = Semaphore::const_new(8);

impl EnginePort for EngineHandle {
    fn initiate(&self, message: InitiationMessage) -> Pending<'_, Reply> {
        Box::pin(EngineHandle::initiate(self, message))
    }

    fn get(&self, business: BusinessId, call: CallId) -> Pending<'_, Reply> {
        Box::pin(EngineHandle::get(self, business, call))
    }

    fn ladder(&self, business: BusinessId, call: CallId) -> Pending<'_, Reply> {
        Box::pin(EngineHandle::ladder(self, business, call))
    }

    fn watch(&self, business: BusinessId, call: CallId, after: After) -> Pending<'_, Reply> {
        Box::pin(EngineHandle::watch(self, business, call, after))
    }

    fn list(&self, business: BusinessId, filter: ListFilter) -> Pending<'_, Reply> {
        Box::pin(EngineHandle::list(self, business, filter))
    }

    fn delete(&self, business: BusinessId, call: CallId) -> Pending<'_, Reply> {
        Box::pin(EngineHandle::delete(self, business, call))
    }

    fn supervise(&self, business: BusinessId, call: CallId, wish: SupervisorWish) -> Pending<'_, Reply> {
        Box::pin(EngineHandle::supervise(self, business, call, wish))
    }

    fn staff(&self, business: BusinessId, wish: StaffWish) -> Pending<'_, Reply> {
        Box::pin(EngineHandle::staff(self, business, wish))
    }
}

/// The store's read side for the API.
pub struct ArchivePort(pub Arc<dyn Archive>);

impl ArchivePort {
    fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&dyn Archive) -> Result<T, StoreError> + Send + 'static,
    ) -> Pending<'_, Result<T, StoreUnreadable>> {
        self::read(Arc::clone(&self.0), move |archive| read(&**archive))
    }
}

/// Reads on the blocking pool.
fn read<'a, S: Send + Sync + 'static, T: Send + 'static>(
    store: S,
    read: impl FnOnce(&S) -> Result<T, StoreError> + Send + 'static,
) -> Pending<'a, Result<T, StoreUnreadable>> {
    Box::pin(async move {
        let unreadable = |why: String| StoreUnreadable(why);
        let place = READS.acquire().await.map_err(|error| unreadable(error.to_string()))?;
        let reading = tokio::task::spawn_blocking(move || {
            let _place = place;
            read(&store)
        });
        let done = reading.await;
        done.map_err(|error| unreadable(error.to_string()))?.map_err(|error| unreadable(error.to_string()))
    })
}

impl StorePort for ArchivePort {
    fn find_call(&self, business: BusinessId, call: CallId) -> Pending<'_, Result<Option<CallView>, StoreUnreadable>> {
        self.read(move |archive| Ok(archive.find_call(&business, call)?.and_then(ended)))
    }

    fn ladder(&self, business: BusinessId, call: CallId) -> Pending<'_, Result<Option<Ladder>, StoreUnreadable>> {
        self.read(move |archive| archive.ladder(&business, call))
    }

    fn key_of(
        &self,
        business: BusinessId,
        key: String,
    ) -> Pending<'_, Result<Option<(CallId, String)>, StoreUnreadable>> {
        self.read(move |archive| archive.key_of(&business, &key))
    }

    fn ended_calls(
        &self,
        business: BusinessId,
        filter: CallFilter,
    ) -> Pending<'_, Result<Vec<CallView>, StoreUnreadable>> {
        self.read(move |archive| {
            let wanted = store::CallFilter {
                state: Some(CallState::Ended),
                from: filter.created_from,
                to: filter.created_to,
                reference: filter.reference,
            };
            let page = archive.list_calls(&business, &wanted, filter.before, filter.limit)?;
            Ok(page.calls.into_iter().filter_map(ended).collect())
        })
    }

    fn records(
        &self,
        business: BusinessId,
        filter: RecordFilter,
    ) -> Pending<'_, Result<Vec<CallRecord>, StoreUnreadable>> {
        self.read(move |archive| {
            let wanted = store::RecordFilter {
                business: Some(business),
                from: filter.after.map(created).max(filter.from),
                to: filter.to,
            };
            let mut records = Vec::new();
            archive.records(&wanted, &mut |record| {
                if filter.after.is_none_or(|after| record.call_id > after) {
                    records.push(record);
                }
                if records.len() < filter.limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            })?;
            Ok(records)
        })
    }

    fn invoice(&self, business: BusinessId, from: Wall, to: Wall) -> Pending<'_, Result<Summed, StoreUnreadable>> {
        self.read(move |archive| {
            let Some(account) = archive.business(&business)? else { return Ok(Err("there is no account".to_owned())) };
            match store::invoice(archive, &account, from, to, Some(MAX_CALLS)) {
                Ok(invoice) => Ok(Ok(invoice)),
                Err(InvoiceError::Store(error)) => Err(error),
                Err(why @ (InvoiceError::TooLarge(_) | InvoiceError::TooMany(_))) => Ok(Err(why.to_string())),
            }
        })
    }
}

/// The outbox for the API: reads as the archive's, changes through the writer.
pub struct OutboxOf(pub Arc<SqliteStore>);

impl OutboxOf {
    fn change(&self, op: OutboxOp) -> Pending<'_, Result<bool, StoreUnreadable>> {
        let (tell, told) = oneshot::channel();
        let done = Box::new(move |result| {
            // The request may be over by now.
            let _nobody = tell.send(result);
        });
        let queued = self.0.outbox(op, done);
        Box::pin(async move {
            let unreadable = |error: StoreFailure| StoreUnreadable(error.to_string());
            queued.map_err(unreadable)?;
            told.await.map_err(|error| StoreUnreadable(error.to_string()))?.map_err(unreadable)
        })
    }
}

impl OutboxPort for OutboxOf {
    fn deliveries(&self, filter: DeliveryFilter) -> Pending<'_, Result<Vec<Delivery>, StoreUnreadable>> {
        read(Arc::clone(&self.0), move |store| store.archive().deliveries(&filter))
    }

    fn replay(&self, business: BusinessId, id: DeliveryId, at: Wall) -> Pending<'_, Result<bool, StoreUnreadable>> {
        self.change(OutboxOp::Replay(business, id, at))
    }

    fn test(&self, event: TestEvent) -> Pending<'_, Result<bool, StoreUnreadable>> {
        self.change(OutboxOp::Test(event))
    }
}

/// A call identifier begins with its moment (RFC 9562 §5.7): where the reading of the next page starts.
fn created(call: CallId) -> Wall {
    Wall(i64::try_from(call.as_u128() >> 80).unwrap_or(i64::MAX))
}

/// Open calls are the engine's to show.
fn ended(found: FoundCall) -> Option<CallView> {
    match found {
        FoundCall::Open(_) => None,
        FoundCall::Closed(record, attempts) => Some(CallView::from_record(&record, &attempts)),
    }
}
