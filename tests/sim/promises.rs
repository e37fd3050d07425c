//! The promises of docs/SPECIFICATION.md as checks of a world that has come to rest. Owns the verdicts; what was done wrong
//! within one call's messages is the phones' own judgement.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use callbridge::clock::Mono;
use callbridge::model::{CallId, CallState};
use callbridge::phone::{AnswerWith, Ending, Fault, Story, Then};

use crate::plan::Party;
use crate::world::{Who, World};

/// A promise.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Promise {
    /// A 202 is said only of a call that is durable.
    AcceptedIsDurable,
    /// An end that `DELETE` tells of is durable: no crash brings the call back.
    CancelledIsDurable,
    /// Exactly one record per accepted call, across crashes.
    OneRecord,
    /// No phone rings or is off-hook for ever.
    NobodyIsLeftHanging,
    /// No call, port, transaction, permit, timer or store operation is left.
    NothingLeaks,
    /// Neither message nor music once both talk, and never to a representative.
    PromptNeverOverBridge,
    /// The customer hears the message before the representative.
    PromptFirst,
    /// No representative is dialled before the customer answered.
    CustomerFirst,
    /// No representative is dialled before a customer who has to has pressed 1.
    GateFirst,
    /// Nobody is joined with a representative who has to accept and has not.
    AcceptedBeforeTheBridge,
    /// At most one representative of a call rings.
    OneRepresentativeAtATime,
    /// Nobody pays for more than was talked, by the tariff.
    BilledAtMostTalked,
    /// The record and the phones tell the same story.
    BothEndsAgree,
    /// Nothing is sent to anybody but the configured switches and what they signalled.
    NothingToStrangers,
    /// Every SIP message is right in itself and in its place.
    ProperSip,
    /// Every RTP stream is one steady stream of what was agreed, from the answer to the end.
    ProperRtp,
    /// Bridged parties hear each other.
    VoicesCross,
    /// Nobody hears a stranger.
    NoCrosstalk,
    /// A customer whose phone was dialled before a crash is not dialled again.
    DialledOnce,
    /// Everything ends within bounds.
    EndsInTime,
    /// HTTP requests are answered, and by the right kind of answer.
    RequestsAreAnswered,
    /// Each reliable provisional gets one PRACK, in order, and nothing else does.
    PrackedOnce,
    /// Session timers are refreshed in time by whoever said so; who does not is hung up.
    SessionsAreKept,
    /// Credentials are right, and go only to the one who asked.
    CredentialsStayHome,
    /// A transfer is told step by step, once, and only to who asked.
    TransfersAreTold,
    /// Only a representative transfers, and the customer is never left without anybody.
    TheCustomerHasAnOwner,
    /// Digits are dialled once, in order.
    DigitsOnceInOrder,
    /// No INVITE for a call that is over, or after a refusal that stands.
    NothingAfterTheEnd,
    /// No two tries of one leg live at once, and none follows an answer.
    OneTryAtATime,
    /// No try begins for a call whose customer hung up, or that was taken back.
    NotOnADeadCall,
    /// A switch has no more legs than channels, and not too many calls a second.
    BoundsAreKept,
    /// Redirections are followed within their limit, and never in a circle.
    RedirectsEnd,
    /// A place whose breaker is open gets no call while another is sound, one that wants to be left alone none at all.
    BreakersHold,
    /// A switch that is asked whether it lives is used again once it does.
    SwitchesComeBack,
    /// A registration is refreshed before it ends, and tried again later and later when it fails.
    RegistrationsAreKept,
    /// An answer goes back on the connection that its request came on.
    AnswersFollowTheirConnection,
    /// Nobody is asked for connections in a tight row.
    ConnectionsAreSpared,
    /// A switch in maintenance gets no new leg.
    DrainedIsLeft,
    /// No leg begins at a place that the last look-up did not name.
    PlacesAreNews,
    /// No leg fails for want of a switch while a sound one was not asked.
    NotForWantOfASwitch,
    /// Nobody else's phone rings for a machine, where it is to be known who answered.
    NobodyRingsForAMachine,
    /// A machine that is to be left a message hears it when its greeting is over.
    MachinesAreLeftAMessage,
    /// Whoever holds for long is told so.
    WhoHoldsIsTold,
    /// Nobody is dialled as a supervisor unasked, or where nobody talks.
    SupervisorsOnlyToATalk,
    /// A supervisor's leg never outlives the talk.
    SupervisorsLeaveWithTheTalk,
    /// Who listens is heard by nobody, who whispers by the representative only.
    OnlyWhoMayHears,
    /// A supervisor hears both, and is heard by whom it speaks to.
    SupervisorsTakePart,
    /// A supervisor's time is recorded and billed as a supervisor's.
    SupervisorsAreBilledAsSuch,
    /// Supervisors change nothing of a call but their own legs.
    SupervisorsChangeNothing,
    /// Both have heard the consent message whole before anything of their talk is recorded.
    NobodyIsRecordedUntold,
    /// Both are told that they are recorded before they talk.
    ToldBeforeTheTalk,
    /// The record says whether the talk is kept, and why not.
    TheRecordSaysWhatIsKept,
    /// A recording holds what both said to each other, each on its side, and nothing else.
    TheRecordingHoldsTheTalk,
    /// No more calls are accepted than the account may have on its day, nor more spent than its ceiling, across crashes.
    LimitsHold,
    /// No message is refused for a bound that is not reached.
    NotRefusedBelowTheLimit,
    /// No try begins before the window of its call, nor at or after its end.
    NeverOutsideItsTime,
    /// A customer is tried again as often and as late as the plan has it, every try is listed, and they are one call.
    TriedAsPlanned,
    /// In a calm world each call comes to what the model says.
    ModelAgrees,
}

/// A promise that was not kept.
#[derive(Clone, Debug)]
pub struct Broken {
    /// Which.
    pub promise: Promise,
    /// How.
    pub text: String,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.promise, self.text)
    }
}

/// Everything that is wrong with a world that has come to rest.
pub fn check(world: &World, rested: bool) -> Vec<Broken> {
    let mut broken = world.broken.clone();
    let mut blame = |promise, text: String| broken.push(Broken { promise, text });
    if !rested {
        blame(Promise::EndsInTime, "something still goes on".to_owned());
    }
    nothing_leaks(world, &mut blame);
    crate::limits::check(world, &mut blame);
    crate::contact::check(world, &mut blame);
    records(world, &mut blame);
    for story in world.stories() {
        hanging(world, story, &mut blame);
        violations(world, story, &mut blame);
    }
    for stray in world.strays().filter(|_| world.crashed.is_empty()) {
        blame(Promise::ProperSip, format!("a phone says: {}", stray.text));
    }
    for case in crate::case::cases(world) {
        case.check(&mut blame);
    }
    if world.unanswered() > 0 {
        blame(Promise::RequestsAreAnswered, format!("{} requests have no answer", world.unanswered()));
    }
    broken
}

/// Where a broken promise is written down.
pub type Blame<'b> = &'b mut dyn FnMut(Promise, String);

fn nothing_leaks(world: &World, blame: Blame<'_>) {
    match world.engine().map(|engine| engine.census()) {
        Some(census) if census == Default::default() => {}
        other => blame(Promise::NothingLeaks, format!("the engine still holds {other:?}")),
    }
    if world.media_ports() > 0 {
        blame(Promise::NothingLeaks, format!("media holds {} ports", world.media_ports()));
    }
    if world.store.pending() > 0 {
        blame(Promise::NothingLeaks, format!("{} store operations wait", world.store.pending()));
    }
}

fn records(world: &World, blame: Blame<'_>) {
    let mut per_wish: BTreeMap<usize, u32> = BTreeMap::new();
    for call in world.store.accepted() {
        if let Some(wish) = world.wish_of(&call.message) {
            *per_wish.entry(wish).or_default() += 1;
        }
        let count = world.store.kept(call.id).map_or(0, |kept| kept.records.len());
        if count != 1 {
            blame(Promise::OneRecord, format!("call {} has {count} records", call.id));
        }
        told(world, call.id, count, blame);
    }
    for (wish, calls) in per_wish.into_iter().filter(|(_, calls)| *calls > 1) {
        blame(Promise::OneRecord, format!("one message, one key, {calls} calls (wish {wish})"));
    }
    for (call, _) in world.store.all_kept().filter(|(call, _)| !world.store.holds(**call)) {
        blame(Promise::OneRecord, format!("a record of call {call}, which was never accepted"));
    }
    for (wish, fate) in world.fates.iter().enumerate() {
        for call in fate.calls.iter().filter(|call| !world.store.holds(**call)) {
            blame(Promise::AcceptedIsDurable, format!("wish {wish} was told of call {call}, which is not durable"));
        }
    }
    for fault in world.store.faults() {
        blame(Promise::OneRecord, fault.clone());
    }
}

/// The equipment crashed while this call was on the phone.
pub fn crash_during(world: &World, story: &Story) -> bool {
    // The INVITE may have been on its way when the equipment crashed.
    let on_the_way = Duration::from_secs(1);
    world
        .crashed
        .iter()
        .any(|at| *at + on_the_way >= story.invited_at && story.ended_at.is_none_or(|end| *at <= end + GRACE))
}

/// After the end of a call, what is left of its signalling goes on so long.
pub const GRACE: Duration = Duration::from_secs(40);

fn hanging(world: &World, story: &Story, blame: Blame<'_>) {
    if crash_during(world, story) {
        return;
    }
    let noticed = story.ringing_at.is_some() || story.answered_at.is_some();
    if noticed && !world.roads.unheard(&story.call_id) && matches!(story.ending, None | Some(Ending::Forgotten)) {
        let how = if story.answered_at.is_some() { "off-hook" } else { "ringing" };
        blame(Promise::NobodyIsLeftHanging, format!("the phone {} was left {how}", story.user));
    }
}

fn violations(world: &World, story: &Story, blame: Blame<'_>) {
    let party = party(world, story);
    // A phone whose 200 names no dialog can expect nothing of what follows.
    let crooked =
        party.is_some_and(|p| matches!(p.behaviour.then, Then::Answer { with: AnswerWith::BrokenHeaders, .. }));
    for violation in &story.violations {
        let always = matches!(violation.fault, Fault::Malformed | Fault::Header | Fault::Body | Fault::Cancel);
        if !always && (crash_during(world, story) || crooked) {
            continue;
        }
        // A call that was left before a word of it was heard is cancelled at its first word, and that word acknowledged behind it.
        if violation.fault == Fault::Prack && world.roads.given_up(&story.call_id) {
            continue;
        }
        let promise = match violation.fault {
            Fault::RtpEarly | Fault::RtpLate | Fault::RtpBroken | Fault::RtpForeign => Promise::ProperRtp,
            Fault::Prack => Promise::PrackedOnce,
            Fault::Refresh => Promise::SessionsAreKept,
            Fault::Credentials => Promise::CredentialsStayHome,
            Fault::Transfer => Promise::TransfersAreTold,
            Fault::Digit => Promise::DigitsOnceInOrder,
            Fault::Retry => Promise::NothingAfterTheEnd,
            _ => Promise::ProperSip,
        };
        let at = seconds(violation.at);
        blame(promise, format!("{} says at {at:.3}: {:?}: {}", story.user, violation.fault, violation.text));
    }
}

/// The webhook is told in order, and the end exactly once, with the record. (A clock that is set back may queue a call twice.)
fn told(world: &World, call: CallId, records: usize, blame: Blame<'_>) {
    let events = world.store.told(call);
    // Between two tries a call waits again.
    let follows = |a: CallState, b: CallState| a <= b || (a, b) == (CallState::CallingCustomer, CallState::Scheduled);
    let ordered = events.is_sorted_by(|a, b| a.sequence < b.sequence && follows(a.state, b.state));
    let ends = events.iter().filter(|event| event.state == CallState::Ended).count();
    let begun = events.first().is_some_and(|event| event.sequence == 1);
    let last = ends == 0 || events.last().is_some_and(|event| event.state == CallState::Ended);
    if !ordered || !begun || !last || ends != records.min(1) {
        blame(Promise::OneRecord, format!("call {call} is told as {events:?}, with {records} records"));
    }
}

fn seconds(at: Mono) -> f64 {
    at.0 as f64 / 1e6 - 1.0
}

/// Whose story this is.
pub fn party<'w>(world: &'w World, story: &Story) -> Option<&'w Party> {
    Some(match world.who(&story.user)? {
        Who::Customer(wish) => {
            let wish = world.plan.wishes.get(wish)?;
            wish.elsewhere.iter().find(|party| party.number == story.user).unwrap_or(&wish.customer)
        }
        Who::Representative(wish, place) => world.plan.wishes.get(wish)?.representatives.get(place)?,
        Who::Target(wish, place) => world.plan.wishes.get(wish)?.targets.get(place)?,
        Who::Supervisor(wish, place) => &world.plan.wishes.get(wish)?.supervisors.get(place)?.party,
    })
}
