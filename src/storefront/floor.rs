//! The floor: joins waiting requests and free representatives, sends initiation messages (610), follows the calls. Owns when that is
//! done, and that a request never becomes two calls; what is decided is decided by `hall` and `health`, what is known is in the store.
//!
//! Before the first byte of a message is sent, the store knows to which equipment. Until that one has said that it certainly has nothing
//! of it, nobody else is asked: the same message with the same key goes to it again. So a crash of ours, or of theirs, or a
//! lost answer, costs time and not a second ringing.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use rusqlite::Transaction;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::equipment::{Call, Equipment, Event, Follow, Placing};
use super::hall::{Asked, Decision, Person};
use super::shop::Shop;
use super::store::requests::{self, Request, Stage};
use super::store::{StoreError, staff};
use crate::clock::Wall;
use crate::model::{CallState, Outcome};

/// Times come and leases end without a change of the store.
const LOOK: Duration = Duration::from_secs(1);
/// Between two looks without one, at least.
const SOON: Duration = Duration::from_millis(50);
/// So long a customer and a reserved representative wait for an equipment that takes the message, or tells that it has.
const PATIENCE: Duration = Duration::from_secs(90);
/// Between two rounds of the equipments, and two questions to the same one.
const AGAIN: Duration = Duration::from_secs(2);
/// So long an equipment that may have a call we gave up is asked for it.
const SETTLE: Duration = Duration::from_secs(3600);
/// Between two streams of one call, at most.
const FOLLOW_AGAIN: Duration = Duration::from_secs(20);

/// Runs until `stop` holds true. What was under way in an earlier life goes on first.
pub async fn run(shop: Arc<Shop>, mut stop: watch::Receiver<bool>) {
    resume(&shop).await;
    let mut changes = shop.store.changes();
    loop {
        changes.borrow_and_update();
        let again = match distribute(&shop).await {
            Ok(again) => again.max(SOON),
            Err(error) => {
                tracing::error!(%error, "the distribution of calls cannot go on");
                LOOK
            }
        };
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            _ = changes.changed() => {}
            () = sleep(again) => {}
        }
    }
}

async fn resume(shop: &Arc<Shop>) {
    let open = shop.store.read(|c| {
        let mut open = requests::open(c)?;
        open.retain(|request| request.stage != Stage::Waiting);
        Ok(open)
    });
    match open.await {
        Ok(open) => open.into_iter().for_each(|request| carry_on(shop, request)),
        Err(error) => tracing::error!(%error, "what was under way cannot be read"),
    }
}

/// One request from its assignment to its end, in a task of its own.
fn carry_on(shop: &Arc<Shop>, request: Request) {
    let shop = Arc::clone(shop);
    tokio::spawn(async move {
        let id = request.id.clone();
        if let Err(error) = serve(&shop, request).await {
            tracing::error!(%error, request = id, "a request is left as it is until the next start");
        }
        shop.supervised(&id, None);
    });
}

async fn serve(shop: &Shop, request: Request) -> Result<(), StoreError> {
    let placed = match request.stage {
        Stage::Placing => place(shop, &request).await?,
        _ => request.equipment.clone().zip(request.call.clone()),
    };
    match placed {
        Some((equipment, call)) => follow(shop, &request, &equipment, &call).await,
        None => Ok(()),
    }
}

/// Who can be joined now, is. Gives in how long it is to be looked at again.
async fn distribute(shop: &Arc<Shop>) -> Result<Duration, StoreError> {
    let (now, aside, hall) = (shop.now(), shop.aside(), Arc::clone(&shop.hall));
    let looked = shop.store.change(move |t| {
        staff::expire(t, now.wall, aside)?;
        requests::queue(t, now.wall)?;
        let staff: Vec<Person> = staff::all(t)?.into_iter().map(Person::from).collect();
        let open = requests::open(t)?;
        let due = |request: &&Request| request.stage != Stage::Waiting || request.state == CallState::Queued;
        let asked: Vec<Asked> = open.iter().filter(due).map(Asked::from).collect();
        let mut hall = hall.lock().unwrap_or_else(PoisonError::into_inner);
        let before = hall.waits();
        let mut placed = Vec::new();
        for decision in hall.look(now, &staff, &asked) {
            placed.extend(store_decision(t, now.wall, &decision)?);
        }
        Ok((placed, hall.waits() != before, hall.again(now.mono)))
    });
    let (placed, moved, again) = looked.await?;
    if moved {
        shop.store.wake();
    }
    placed.into_iter().for_each(|request| carry_on(shop, request));
    Ok(again.unwrap_or(LOOK).min(LOOK))
}

/// The request that is to be placed, if it is.
fn store_decision(t: &Transaction<'_>, now: Wall, decision: &Decision) -> rusqlite::Result<Option<Request>> {
    let (request, placed) = match decision {
        Decision::Call { request, representative } => (request, requests::assign(t, request, representative)?),
        Decision::Overflow { request, address } => (request, requests::overflow(t, request, &address.to_string())?),
        Decision::GiveUp { request } => {
            requests::end(t, request, now, Outcome::RepresentativeUnavailable)?;
            (request, false)
        }
    };
    if placed { requests::find(t, request) } else { Ok(None) }
}

/// Asks one equipment after the other until one has the call: its name and the call. `None`: the request has ended.
async fn place(shop: &Shop, request: &Request) -> Result<Option<(String, String)>, StoreError> {
    let until = Instant::now() + PATIENCE;
    let id = request.id.as_str();
    let message = message(shop, request).await?;
    let mut pinned = request.equipment.as_deref().and_then(|name| shop.equipment(name)).map(|(at, _)| at);
    let mut tried = Vec::new();
    while Instant::now() < until {
        if pinned.is_none() && cancelled(shop, id).await? {
            end(shop, id, shop.wall(), Outcome::Cancelled).await?;
            return Ok(None);
        }
        let next = pinned.or_else(|| shop.health().next(shop.now().mono, &tried));
        let Some((at, equipment)) = next.and_then(|at| shop.equipments.get(at).map(|one| (at, one))) else {
            tried.clear();
            sleep(AGAIN).await;
            continue;
        };
        pin(shop, id, Some(&equipment.name)).await?;
        match equipment.initiate(id, &message).await {
            Placing::Placed(call) => {
                shop.health().works(at);
                tracing::info!(request = id, equipment = equipment.name, call = call.id, "placed");
                let (owned, there) = (id.to_owned(), call.id.clone());
                if shop.store.change(move |t| requests::placed(t, &owned, &there)).await? {
                    // Cancelled while it was placed.
                    let _gone_already = equipment.end(&call.id).await;
                }
                return Ok(Some((equipment.name.clone(), call.id)));
            }
            Placing::NotTaken(why) => {
                tracing::warn!(request = id, equipment = equipment.name, why, "not taken, the next one is asked");
                shop.health().failed(at, shop.now().mono);
                pin(shop, id, None).await?;
                pinned = None;
                tried.push(at);
            }
            Placing::Refused(outcome, why) => {
                tracing::warn!(request = id, equipment = equipment.name, why, "refused");
                end(shop, id, shop.wall(), outcome).await?;
                return Ok(None);
            }
            Placing::Unknown(why) => {
                tracing::warn!(
                    request = id,
                    equipment = equipment.name,
                    why,
                    "perhaps taken, asked again with the same key"
                );
                shop.health().failed(at, shop.now().mono);
                pinned = Some(at);
                sleep(AGAIN).await;
            }
        }
    }
    tracing::error!(request = id, unsure = pinned.is_some(), "no equipment has taken it in time");
    end(shop, id, shop.wall(), Outcome::Failed).await?;
    if let Some(equipment) = pinned.and_then(|at| shop.equipments.get(at)) {
        settle(equipment, id).await;
    }
    Ok(None)
}

/// The customer was told that it failed, and perhaps it did not: a call that is found there is ended.
async fn settle(equipment: &Equipment, id: &str) {
    let until = Instant::now() + SETTLE;
    while Instant::now() < until {
        sleep(FOLLOW_AGAIN).await;
        match equipment.find(id).await {
            Ok(Some(call)) if call.state != CallState::Ended => {
                tracing::warn!(request = id, call = call.id, "the call that was given up is ended");
                let _gone_already = equipment.end(&call.id).await;
            }
            Ok(_) => return,
            Err(_) => {}
        }
    }
}

async fn pin(shop: &Shop, id: &str, equipment: Option<&str>) -> Result<(), StoreError> {
    let (id, equipment) = (id.to_owned(), equipment.map(str::to_owned));
    shop.store.change(move |t| requests::pin(t, &id, equipment.as_deref()).map(drop)).await
}

async fn cancelled(shop: &Shop, id: &str) -> Result<bool, StoreError> {
    let id = id.to_owned();
    let found = shop.store.read(move |c| requests::find(c, &id)).await?;
    Ok(found.is_none_or(|request| request.cancelled))
}

async fn end(shop: &Shop, id: &str, at: Wall, outcome: Outcome) -> Result<(), StoreError> {
    let id = id.to_owned();
    shop.store.change(move |t| requests::end(t, &id, at, outcome)).await
}

/// The customer service call initiation message (Fig. 8). Business identifier 804 and password 806 go by HTTP Basic. There is no desired
/// contact time 814: it has come.
async fn message(shop: &Shop, request: &Request) -> Result<Value, StoreError> {
    let who = request.representative.clone().unwrap_or_default();
    let representative = shop.store.read(move |c| staff::find(c, &who)).await?;
    let mut message = json!({
        "customer": request.address,
        "representative": request.overflow.clone().or(representative.map(|one| one.address)),
        "company_name": shop.company,
        "web_page": request.page,
        "note": request.note,
        "reference": request.id,
    });
    if let Some(members) = message.as_object_mut() {
        members.retain(|_, value| !value.is_null());
    }
    Ok(message)
}

/// Follows a placed call to its end, over as many streams as that takes.
async fn follow(shop: &Shop, request: &Request, equipment: &str, call: &str) -> Result<(), StoreError> {
    let Some((_, equipment)) = shop.equipment(equipment) else {
        tracing::error!(request = request.id, equipment, "its equipment is no longer in the configuration");
        return end(shop, &request.id, shop.wall(), Outcome::Interrupted).await;
    };
    let (mut after, mut pause) = (0, Duration::from_secs(1));
    loop {
        match equipment.follow(call, after).await {
            Ok(Some(mut stream)) => {
                let before = after;
                if listen(shop, &mut stream, &mut after).await? {
                    return Ok(());
                }
                if after > before {
                    pause = Duration::from_secs(1);
                }
            }
            Ok(None) => {}
            Err(why) => tracing::warn!(request = request.id, equipment = equipment.name, why, "the call is not seen"),
        }
        // Whatever became of the stream, the call itself can be asked for.
        match equipment.look(call).await {
            Ok(Some(call)) => {
                learn(shop, &call, call.state, shop.wall()).await?;
                if call.state == CallState::Ended {
                    return Ok(());
                }
                if cancelled(shop, &request.id).await? {
                    let _again = equipment.end(&call.id).await;
                }
            }
            Ok(None) => return end(shop, &request.id, shop.wall(), Outcome::Interrupted).await,
            Err(_) => {}
        }
        sleep(pause).await;
        pause = (pause * 2).min(FOLLOW_AGAIN);
    }
}

/// True: the call has ended.
async fn listen(shop: &Shop, stream: &mut Follow, after: &mut u32) -> Result<bool, StoreError> {
    loop {
        match stream.next().await {
            Ok(Some(event)) => {
                *after = event.sequence.max(*after);
                if told(shop, &event).await? {
                    return Ok(true);
                }
            }
            Ok(None) => return Ok(false),
            Err(why) => {
                tracing::info!(why, "a stream of events broke");
                return Ok(false);
            }
        }
    }
}

/// An event of a stream or of a webhook. True: it is its call's end.
pub async fn told(shop: &Shop, event: &Event) -> Result<bool, StoreError> {
    let (Some(state), Some(call)) = (event.state, event.call()) else { return Ok(false) };
    learn(shop, &call, state, event.timestamp).await?;
    Ok(state == CallState::Ended)
}

async fn learn(shop: &Shop, call: &Call, state: CallState, at: Wall) -> Result<(), StoreError> {
    let (call, reference) = (call.clone(), call.reference.clone().unwrap_or_default());
    if call.outcome == Some(Outcome::RepresentativeUnavailable) {
        // Before the request is over: whoever did not answer is set aside, the others have their turn.
        shop.hall().missed(shop.now(), &reference);
    }
    let learnt = shop.store.change(move |t| {
        let Some(request) = requests::of_call(t, &call.id, &reference)? else { return Ok(()) };
        match (state, call.outcome) {
            (CallState::Ended, outcome) => {
                if let Some(bridged_at) = call.bridged_at {
                    requests::moved(t, &request.id, bridged_at, CallState::Bridged)?;
                }
                let outcome = outcome.unwrap_or(Outcome::Failed);
                requests::end(t, &request.id, call.ended_at.unwrap_or(at), outcome)
            }
            (state, _) => requests::moved(t, &request.id, at, state),
        }
    });
    learnt.await
}

/// Somebody wants a request no more: its customer, or the representative who hangs up. `None`: there is no such request.
pub async fn cancel(shop: &Shop, id: &str) -> Result<Option<requests::Cancelling>, StoreError> {
    let (owned, now) = (id.to_owned(), shop.wall());
    let cancelling = shop.store.change(move |t| requests::cancel(t, &owned, now)).await?;
    if let Some(requests::Cancelling::Tell { equipment, call }) = &cancelling
        && let Some((_, equipment)) = shop.equipment(equipment)
    {
        match equipment.end(call).await {
            Ok(Some(call)) if call.state == CallState::Ended => learn(shop, &call, call.state, now).await?,
            Ok(_) => {}
            Err(why) => tracing::warn!(request = id, why, "the call cannot be ended"),
        }
    }
    Ok(cancelling)
}
