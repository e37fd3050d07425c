//! The ports as the daemon fills them: the engine's handle, and the archive read on blocking threads.
//!
//! Owns how a stored call is shown as a call object. Refuses to know SQL and the engine's inside.

use std::ops::ControlFlow;
use std::sync::Arc;

use tokio::sync::Semaphore;

use super::port::{CallFilter, EnginePort, Pending, RecordFilter, StorePort, StoreUnreadable};
use crate::clock::Wall;
use crate::engine::api::Reply;
use crate::io::engine_thread::EngineHandle;
use crate::io::store::{Archive, FoundCall, StoreError};
use crate::io::store::{CallFilter as ArchiveCalls, RecordFilter as ArchiveRecords};
use crate::model::{
    AttemptRecord, BusinessId, CallId, CallRecord, CallState, CallView, InitiationMessage, LegState, LegView, Role,
    StoredCall,
};

/// Reads of the archive that run at once: each holds a thread of the pool that passwords are verified on, too.
static READS: Semaphore = Semaphore::const_new(8);

impl EnginePort for EngineHandle {
    fn initiate(&self, message: InitiationMessage) -> Pending<'_, Reply> {
        Box::pin(EngineHandle::initiate(self, message))
    }

    fn get(&self, business: BusinessId, call: CallId) -> Pending<'_, Reply> {
        Box::pin(EngineHandle::get(self, business, call))
    }

    fn list(&self, business: BusinessId) -> Pending<'_, Reply> {
        Box::pin(EngineHandle::list(self, business))
    }

    fn delete(&self, business: BusinessId, call: CallId) -> Pending<'_, Reply> {
        Box::pin(EngineHandle::delete(self, business, call))
    }
}

/// The store's archive behind [`StorePort`].
pub struct ArchivePort(pub Arc<dyn Archive>);

impl ArchivePort {
    async fn read<T: Send + 'static>(
        &self,
        question: impl FnOnce(&dyn Archive) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreUnreadable> {
        let gone = |what: &str| StoreUnreadable(what.to_owned());
        let place = READS.acquire().await.map_err(|_| gone("the daemon ends"))?;
        let archive = Arc::clone(&self.0);
        let answer = tokio::task::spawn_blocking(move || {
            let _place = place;
            question(&*archive)
        });
        answer.await.map_err(|_| gone("a read ended early"))?.map_err(|error| StoreUnreadable(error.to_string()))
    }
}

impl StorePort for ArchivePort {
    fn find_call(&self, business: BusinessId, call: CallId) -> Pending<'_, Result<Option<CallView>, StoreUnreadable>> {
        Box::pin(self.read(move |archive| Ok(archive.find_call(&business, call)?.map(view))))
    }

    fn ended_calls(
        &self,
        business: BusinessId,
        filter: CallFilter,
    ) -> Pending<'_, Result<Vec<CallView>, StoreUnreadable>> {
        Box::pin(self.read(move |archive| {
            let wanted = ArchiveCalls {
                state: Some(CallState::Ended),
                from: filter.created_from,
                to: filter.created_to,
                reference: filter.reference,
            };
            let page = archive.list_calls(&business, &wanted, filter.before, filter.limit)?;
            Ok(page.calls.into_iter().map(view).collect())
        }))
    }

    fn records(
        &self,
        business: BusinessId,
        filter: RecordFilter,
    ) -> Pending<'_, Result<Vec<CallRecord>, StoreUnreadable>> {
        Box::pin(self.read(move |archive| {
            let from = filter.after.map(created).max(filter.from);
            let wanted = ArchiveRecords { business: Some(business), from, to: filter.to };
            let mut page = Vec::new();
            archive.records(&wanted, &mut |record| {
                if filter.after.is_none_or(|after| record.call_id > after) {
                    page.push(record);
                }
                if page.len() < filter.limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            })?;
            Ok(page)
        }))
    }
}

/// A call identifier begins with its moment (RFC 9562 §5.7): where a reading may start.
fn created(call: CallId) -> Wall {
    Wall(i64::try_from(call.as_u128() >> 80).unwrap_or(i64::MAX))
}

/// The call object of a stored call.
pub fn view(found: FoundCall) -> CallView {
    match found {
        FoundCall::Open(call) => open_view(*call),
        FoundCall::Closed(record, attempts) => closed_view(*record, &attempts),
    }
}

fn closed_view(record: CallRecord, attempts: &[AttemptRecord]) -> CallView {
    let legs: Vec<LegView> = attempts.iter().map(leg).collect();
    let of = |role: Role, address: &crate::model::Endpoint| {
        let mut found = attempts.iter().zip(&legs).rev().filter(|(attempt, _)| attempt.role == role);
        let exact = found.clone().find(|(attempt, _)| attempt.address == *address);
        exact.or_else(|| found.next()).map(|(_, leg)| leg.clone())
    };
    CallView {
        id: record.call_id,
        business_id: record.business_id,
        state: CallState::Ended,
        outcome: Some(record.outcome),
        customer: of(Role::Customer, &record.customer).unwrap_or_else(|| LegView::idle(record.customer.clone())),
        representative: record
            .representative
            .map(|address| of(Role::Representative, &address).unwrap_or_else(|| LegView::idle(address))),
        attempts: legs,
        created_at: record.created_at,
        desired_contact_time: record.desired_contact_time,
        bridged_at: record.bridged_at,
        ended_at: Some(record.ended_at),
        billable_seconds: Some(record.customer_billable_seconds + record.representative_billable_seconds),
        reference: record.reference,
    }
}

fn leg(attempt: &AttemptRecord) -> LegView {
    LegView {
        address: attempt.address.clone(),
        state: LegState::Ended,
        ringing_at: attempt.ringing_at,
        answered_at: attempt.answered_at,
        ended_at: Some(attempt.ended_at),
        sip_status: attempt.cause.sip_status,
        q850_cause: attempt.cause.q850,
        quality: attempt.quality,
    }
}

/// Accepted, and not (yet) known to the engine: as far as its durable marks say.
fn open_view(call: StoredCall) -> CallView {
    let progress = call.progress;
    let state = match () {
        () if progress.bridged_at.is_some() => CallState::Bridged,
        () if progress.customer_answered_at.is_some() => CallState::CallingRepresentative,
        () if progress.started_at.is_some() => CallState::CallingCustomer,
        () if call.message.desired_contact_time.is_some_and(|at| at > call.created_at) => CallState::Scheduled,
        () => CallState::Queued,
    };
    let marked = |address, ringing_at, answered_at: Option<Wall>| {
        let state = if answered_at.is_some() { LegState::Answered } else { LegState::Idle };
        LegView { state, ringing_at, answered_at, ..LegView::idle(address) }
    };
    let representative = progress.representative.or_else(|| call.message.representatives.first().cloned());
    CallView {
        id: call.id,
        business_id: call.message.business_id,
        state,
        outcome: None,
        customer: marked(call.message.customer, progress.customer_ringing_at, progress.customer_answered_at),
        representative: representative.map(|address| marked(address, None, progress.representative_answered_at)),
        attempts: Vec::new(),
        created_at: call.created_at,
        desired_contact_time: call.message.desired_contact_time,
        bridged_at: progress.bridged_at,
        ended_at: None,
        billable_seconds: None,
        reference: call.message.reference,
    }
}
