//! Planted bugs: a layer between the engine and the world that drops, doubles or alters single outputs and inputs, as a bug of
//! the equipment would. Production code knows nothing of them. Each must be caught by a named promise.

mod carrier;
mod consent;
mod contact;
mod lines;
mod machines;
mod roads;
mod staff;
mod supervisors;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use callbridge::clock::Wall;
use callbridge::engine::api::{Output, StoreOp, StoreToken};
use callbridge::media::api::{Clip, Command, Event, Script, Spoken, Whisper};
use callbridge::model::{CallId, DayUsage, Hop, InitiationMessage, Key, LegId, Outcome, RetryPlan, StoredCall};
use callbridge::sip::api::Way;

use crate::promises::Promise;

/// Which bug is planted.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Bug {
    /// None: the equipment as it is.
    None,
    /// BYEs are never sent.
    LostBye,
    /// A retransmitted 200 is not acknowledged again.
    MissedReAck,
    /// A refusal is not acknowledged (field.md 4).
    MissedAckOfRefusal,
    /// After a CANCEL, a late 200 is neither acknowledged nor hung up (field.md 3).
    CancelRaceForgotten,
    /// A representative's CANCEL is never sent.
    RepresentativeLeftRinging,
    /// CANCEL has a branch of its own.
    CancelWithAnotherBranch,
    /// CANCEL overtakes the first provisional: it is sent together with the INVITE.
    CancelTooEarly,
    /// A second, different record of the same call.
    DoubleRecord,
    /// The record is dropped, though it is said to be stored.
    LostRecord,
    /// 202 before the call is durable.
    AcceptedBeforeDurable,
    /// DELETE is answered before the call's end is durable.
    CancelledBeforeDurable,
    /// A port is never given back.
    LeakedPort,
    /// The engine never hears that a port is free.
    LostClosed,
    /// The store's answer to a record is lost.
    LostStored,
    /// After the bridge the message starts again.
    PromptOverBridge,
    /// The legs are never joined.
    NeverBridged,
    /// No message is played.
    NoPrompt,
    /// The representative is dialled together with the customer.
    RepresentativeFirst,
    /// A stranger gets a copy of each INVITE.
    CopyToStranger,
    /// Scheduled calls are forgotten by a restart.
    LostScheduledOnRestart,
    /// Calls in progress are placed anew by a restart.
    DialledAgainOnRestart,
    /// Seven seconds more are billed than were talked.
    BilledAfterBye,
    /// A call that a crash cut is billed up to the restart.
    BilledAfterCrash,
    /// Busy is written where nobody answered, and the other way round.
    WrongOutcome,
    /// A mandatory header is missing.
    NoMaxForwards,
    /// The bridge joins a customer with the representative of another call.
    CrossedLines,
    /// Reliable provisionals are not acknowledged.
    NoPrack,
    /// PRACK names another RSeq.
    PrackWithWrongRack,
    /// Each PRACK is followed by another one.
    PrackTwice,
    /// The INVITE after a 422 has the number of the first.
    RetryWithOldCseq,
    /// The INVITE after a 422 has another From tag.
    RetryWithAnotherTag,
    /// A hold is answered as if nothing had been held.
    HoldAnsweredBySendRecv,
    /// A method that does not exist is accepted.
    OddMethodAccepted,
    /// A CANCEL is followed by an INVITE, as by a failover of a call that nobody wants any more.
    InviteAfterCancel,
    /// The equipment said that it refreshes the session, and does not.
    RefresherForgets,
    /// Its answers say nothing of the session timer.
    TimerLeftOutOfAnswers,
    /// Nobody hangs up when the phone stops refreshing.
    ExpiryIgnored,
    /// A refresh that nobody answered ends nothing.
    SilenceIsConsent,
    /// The response of a digest is wrong.
    WrongDigest,
    /// The nonce count does not go up.
    NonceCountStuck,
    /// Each INVITE carries credentials of another realm.
    CredentialsForAnybody,
    /// Who transfers is never told how it goes.
    NoNotify,
    /// The last NOTIFY does not say that it is the last.
    NotifyNeverEnds,
    /// The last NOTIFY is followed by another.
    LastNotifyTwice,
    /// The customer's REFER is accepted.
    CustomerTransfers,
    /// The digits of an extension are dialled twice.
    DigitsDoubled,
    /// The digits are never dialled, though it is said that they were.
    DigitsLost,
    /// Hold music plays on over the bridge.
    HoldMusicOverBridge,
    /// A redirection back to where it came from is followed.
    RedirectLoopFollowed,
    /// Redirections are followed without end.
    RedirectsWithoutEnd,
    /// The customer's channel is never given back.
    ChannelLeaked,
    /// Nobody counts channels and calls a second.
    BoundsForgotten,
    /// Another switch is tried after the customer hung up.
    FailoverAfterHangUp,
    /// Another switch is tried though the customer answered.
    FailoverAfterAnswer,
    /// Two switches are tried at once.
    TwoSwitchesAtOnce,
    /// No other switch is tried after a 503.
    NoFailover,
    /// A re-INVITE follows a 491 at once.
    ReinviteTooSoon,
    /// A switch that refuses OPTIONS is taken for well.
    BreakerNeverOpens,
    /// A switch that answers OPTIONS again is taken for ill.
    BreakerNeverCloses,
    /// A Retry-After is not read.
    RestForgotten,
    /// A switch in maintenance is used.
    DrainedUsed,
    /// Later look-ups are not heard of.
    OldPlaceKept,
    /// The customer's gate opens by itself.
    GateOpensItself,
    /// A representative's gate opens by itself.
    AcceptAssumed,
    /// A representative is told who calls while it talks already.
    WhisperOverBridge,
    /// A machine's verdict is never heard: a representative is rung for it.
    MachineTakenForPerson,
    /// A machine is left no message.
    NoMessageLeft,
    /// Whoever held is told so once more when it talks.
    StillOverBridge,
    /// Nobody who holds is told so.
    NeverSaysStill,
    /// Everybody is spoken to in the configured language.
    WrongLanguage,
    /// A BYE is lost with its connection.
    ByeLostWithItsConnection,
    /// A CANCEL is lost with its connection.
    CancelLostWithItsConnection,
    /// A BYE that finds no connection is given up.
    ByeGivenUpWithoutConnection,
    /// Nobody is told that a connection is gone.
    LossUnheard,
    /// A request goes over a stream twice.
    RetransmitsOverStreams,
    /// The Via of a request over TCP says UDP.
    ViaOfAnotherTransport,
    /// An answer does not go back on the connection that the request came on.
    AnswerOnAnotherConnection,
    /// An INVITE that broke with its connection goes out again as another one.
    AnotherInviteAfterALoss,
    /// A connection that could not be made is asked for again at once, and again.
    ConnectsInATightRow,
    /// Nobody hangs a supervisor up.
    SupervisorLeftBehind,
    /// A supervisor is dialled and then left alone.
    SupervisorNeverSeated,
    /// Whoever listens is heard by both.
    ListenerHeard,
    /// A whisper goes to the customer.
    WhisperToTheCustomer,
    /// A supervisor's mode stays as it was.
    ModeChangeLost,
    /// A supervisor who goes ends the talk.
    SupervisorEndsTheTalk,
    /// A supervisor's leg is billed as a representative's.
    SupervisorBilledAsRepresentative,
    /// The consent message is not played, and taken for heard.
    ConsentAssumed,
    /// A representative is recorded while it is told that it will be.
    RecordedFromTheAnswer,
    /// A representative is joined with the customer before it was told.
    BridgedUntold,
    /// A talk that is to be recorded is not.
    RecordLost,
    /// The customer is recorded on the right.
    SidesSwapped,
    /// A talk that was not recorded is said to be kept.
    SaidToBeKept,
    /// A restart forgets what the account has used.
    UsageForgotten,
    /// A restart counts what the account has used twice.
    UsageCountedTwice,
    /// A restart forgets who is logged on.
    SessionsForgotten,
    /// The window of a message is lost on its way.
    WindowLost,
    /// So is its end.
    EndLost,
    /// Once more is tried than the plan has.
    TriedTooOften,
    /// Tries come a second too soon.
    TriedTooSoon,
    /// A registration is never refreshed.
    RegisteredOnce,
    /// A refused REGISTER is repeated after a second.
    RegisterHammers,
}

impl Bug {
    /// Every planted bug with the promise that must catch it.
    pub const ALL: &'static [(Bug, Promise)] = &[
        (Bug::LostBye, Promise::NobodyIsLeftHanging),
        (Bug::MissedReAck, Promise::ProperSip),
        (Bug::MissedAckOfRefusal, Promise::ProperSip),
        (Bug::CancelRaceForgotten, Promise::ProperSip),
        (Bug::RepresentativeLeftRinging, Promise::NobodyIsLeftHanging),
        (Bug::CancelWithAnotherBranch, Promise::ProperSip),
        (Bug::CancelTooEarly, Promise::ProperSip),
        (Bug::DoubleRecord, Promise::OneRecord),
        (Bug::LostRecord, Promise::OneRecord),
        (Bug::AcceptedBeforeDurable, Promise::AcceptedIsDurable),
        (Bug::CancelledBeforeDurable, Promise::CancelledIsDurable),
        (Bug::LeakedPort, Promise::NothingLeaks),
        (Bug::LostClosed, Promise::NothingLeaks),
        (Bug::LostStored, Promise::NothingLeaks),
        (Bug::PromptOverBridge, Promise::PromptNeverOverBridge),
        (Bug::NeverBridged, Promise::VoicesCross),
        (Bug::NoPrompt, Promise::PromptFirst),
        (Bug::RepresentativeFirst, Promise::CustomerFirst),
        (Bug::CopyToStranger, Promise::NothingToStrangers),
        (Bug::LostScheduledOnRestart, Promise::OneRecord),
        (Bug::DialledAgainOnRestart, Promise::DialledOnce),
        (Bug::BilledAfterBye, Promise::BilledAtMostTalked),
        (Bug::BilledAfterCrash, Promise::BilledAtMostTalked),
        (Bug::WrongOutcome, Promise::BothEndsAgree),
        (Bug::NoMaxForwards, Promise::ProperSip),
        (Bug::CrossedLines, Promise::NoCrosstalk),
        (Bug::NoPrack, Promise::PrackedOnce),
        (Bug::PrackWithWrongRack, Promise::PrackedOnce),
        (Bug::PrackTwice, Promise::PrackedOnce),
        (Bug::RetryWithOldCseq, Promise::NothingAfterTheEnd),
        (Bug::RetryWithAnotherTag, Promise::NothingAfterTheEnd),
        (Bug::HoldAnsweredBySendRecv, Promise::ProperSip),
        (Bug::OddMethodAccepted, Promise::ProperSip),
        (Bug::InviteAfterCancel, Promise::NothingAfterTheEnd),
        (Bug::RefresherForgets, Promise::SessionsAreKept),
        (Bug::TimerLeftOutOfAnswers, Promise::SessionsAreKept),
        (Bug::ExpiryIgnored, Promise::SessionsAreKept),
        (Bug::SilenceIsConsent, Promise::SessionsAreKept),
        (Bug::WrongDigest, Promise::CredentialsStayHome),
        (Bug::NonceCountStuck, Promise::CredentialsStayHome),
        (Bug::CredentialsForAnybody, Promise::CredentialsStayHome),
        (Bug::NoNotify, Promise::TransfersAreTold),
        (Bug::NotifyNeverEnds, Promise::TransfersAreTold),
        (Bug::LastNotifyTwice, Promise::TransfersAreTold),
        (Bug::CustomerTransfers, Promise::TheCustomerHasAnOwner),
        (Bug::DigitsDoubled, Promise::DigitsOnceInOrder),
        (Bug::DigitsLost, Promise::DigitsOnceInOrder),
        (Bug::HoldMusicOverBridge, Promise::PromptNeverOverBridge),
        (Bug::RedirectLoopFollowed, Promise::RedirectsEnd),
        (Bug::RedirectsWithoutEnd, Promise::RedirectsEnd),
        (Bug::ChannelLeaked, Promise::NothingLeaks),
        (Bug::BoundsForgotten, Promise::BoundsAreKept),
        (Bug::FailoverAfterHangUp, Promise::NotOnADeadCall),
        (Bug::FailoverAfterAnswer, Promise::OneTryAtATime),
        (Bug::TwoSwitchesAtOnce, Promise::OneTryAtATime),
        (Bug::NoFailover, Promise::NotForWantOfASwitch),
        (Bug::ReinviteTooSoon, Promise::ProperSip),
        (Bug::BreakerNeverOpens, Promise::BreakersHold),
        (Bug::BreakerNeverCloses, Promise::SwitchesComeBack),
        (Bug::RestForgotten, Promise::BreakersHold),
        (Bug::DrainedUsed, Promise::DrainedIsLeft),
        (Bug::OldPlaceKept, Promise::PlacesAreNews),
        (Bug::GateOpensItself, Promise::GateFirst),
        (Bug::AcceptAssumed, Promise::AcceptedBeforeTheBridge),
        (Bug::WhisperOverBridge, Promise::PromptNeverOverBridge),
        (Bug::MachineTakenForPerson, Promise::NobodyRingsForAMachine),
        (Bug::NoMessageLeft, Promise::MachinesAreLeftAMessage),
        (Bug::StillOverBridge, Promise::PromptNeverOverBridge),
        (Bug::NeverSaysStill, Promise::WhoHoldsIsTold),
        (Bug::WrongLanguage, Promise::PromptFirst),
        (Bug::ByeLostWithItsConnection, Promise::NobodyIsLeftHanging),
        (Bug::CancelLostWithItsConnection, Promise::NobodyIsLeftHanging),
        (Bug::ByeGivenUpWithoutConnection, Promise::NobodyIsLeftHanging),
        (Bug::LossUnheard, Promise::NobodyIsLeftHanging),
        (Bug::RetransmitsOverStreams, Promise::ProperSip),
        (Bug::ViaOfAnotherTransport, Promise::ProperSip),
        (Bug::AnswerOnAnotherConnection, Promise::AnswersFollowTheirConnection),
        (Bug::AnotherInviteAfterALoss, Promise::ProperSip),
        (Bug::ConnectsInATightRow, Promise::ConnectionsAreSpared),
        (Bug::SupervisorLeftBehind, Promise::SupervisorsLeaveWithTheTalk),
        (Bug::SupervisorNeverSeated, Promise::SupervisorsTakePart),
        (Bug::ListenerHeard, Promise::OnlyWhoMayHears),
        (Bug::WhisperToTheCustomer, Promise::OnlyWhoMayHears),
        (Bug::ModeChangeLost, Promise::OnlyWhoMayHears),
        (Bug::SupervisorEndsTheTalk, Promise::SupervisorsChangeNothing),
        (Bug::SupervisorBilledAsRepresentative, Promise::SupervisorsAreBilledAsSuch),
        (Bug::ConsentAssumed, Promise::NobodyIsRecordedUntold),
        (Bug::RecordedFromTheAnswer, Promise::NobodyIsRecordedUntold),
        (Bug::BridgedUntold, Promise::ToldBeforeTheTalk),
        (Bug::RecordLost, Promise::TheRecordSaysWhatIsKept),
        (Bug::SidesSwapped, Promise::TheRecordingHoldsTheTalk),
        (Bug::SaidToBeKept, Promise::TheRecordSaysWhatIsKept),
        (Bug::UsageForgotten, Promise::LimitsHold),
        (Bug::UsageCountedTwice, Promise::NotRefusedBelowTheLimit),
        (Bug::SessionsForgotten, Promise::EndsInTime),
        (Bug::WindowLost, Promise::NeverOutsideItsTime),
        (Bug::EndLost, Promise::NeverOutsideItsTime),
        (Bug::TriedTooOften, Promise::TriedAsPlanned),
        (Bug::TriedTooSoon, Promise::TriedAsPlanned),
        (Bug::RegisteredOnce, Promise::RegistrationsAreKept),
        (Bug::RegisterHammers, Promise::RegistrationsAreKept),
    ];
}

/// What the engine is told at once, out of turn.
pub enum Told {
    /// By media.
    Media(Event),
    /// By the store: durable.
    Stored(StoreToken),
}

/// The layer.
pub struct Planted {
    bug: Bug,
    acked: BTreeSet<LegId>,
    cancelled: BTreeSet<LegId>,
    answered_early: BTreeSet<StoreToken>,
    muted: BTreeSet<StoreToken>,
    bridged: Vec<(LegId, LegId)>,
    doubled: BTreeSet<CallId>,
    roads: roads::Memory,
    lines: lines::Memory,
    supervisors: supervisors::Memory,
    /// What the engine puts out so much later, out of turn.
    pub later: Vec<(Duration, Output)>,
}

impl Planted {
    /// Plants one.
    pub fn new(bug: Bug) -> Planted {
        Planted {
            bug,
            acked: BTreeSet::new(),
            cancelled: BTreeSet::new(),
            answered_early: BTreeSet::new(),
            muted: BTreeSet::new(),
            bridged: Vec::new(),
            doubled: BTreeSet::new(),
            roads: roads::Memory::default(),
            lines: lines::Memory::default(),
            supervisors: supervisors::Memory::default(),
            later: Vec::new(),
        }
    }

    /// What the world sees of an output, and what the engine is told at once.
    pub fn output(&mut self, output: Output) -> (Vec<Output>, Vec<Told>) {
        match output {
            _ if self.bug == Bug::None => (vec![output], vec![]),
            Output::Send { .. } => (self.send(output), vec![]),
            Output::Media(command) => self.media(command),
            Output::Store { token, op } => self.store(token, op),
            other => (vec![other], vec![]),
        }
    }

    fn send(&mut self, output: Output) -> Vec<Output> {
        if !supervisors::sends(self, &output) {
            return vec![];
        }
        let Output::Send { to, bytes, note } = &output else { return vec![output] };
        let request = note.way == Way::Out && note.status.is_none();
        let leg = note.leg;
        let is = |method: &str| request && note.method == method;
        let refusal_ack = is("ACK") && !leg.is_some_and(|l| self.acked.contains(&l)) && {
            // The ACK of a refusal goes to the INVITE's Request-URI, that of a 200 to the phone's Contact.
            bytes.windows(5).take(40).all(|w| w != b"phone")
        };
        match self.bug {
            Bug::LostBye if is("BYE") => return vec![],
            Bug::MissedAckOfRefusal if refusal_ack => return vec![],
            Bug::MissedReAck if is("ACK") => {
                let first = leg.is_some_and(|l| self.acked.insert(l));
                return if first { vec![output] } else { vec![] };
            }
            Bug::CancelRaceForgotten => {
                if is("CANCEL") {
                    self.cancelled.extend(leg);
                }
                let late = leg.is_some_and(|l| self.cancelled.contains(&l));
                if late && !refusal_ack && (is("ACK") || is("BYE")) {
                    return vec![];
                }
            }
            Bug::RepresentativeLeftRinging if is("CANCEL") && leg.is_some_and(|l| l.attempt > 0) => return vec![],
            Bug::CancelWithAnotherBranch if is("CANCEL") => {
                return vec![altered(&output, "branch=z9hG4bK", "branch=z9hG4bKx")];
            }
            Bug::CancelTooEarly if is("INVITE") => {
                let cancel = altered(&altered(&output, "INVITE", "CANCEL"), " INVITE", " CANCEL");
                return vec![output, cancel];
            }
            Bug::NoMaxForwards if request => return vec![altered(&output, "Max-Forwards: 70\r\n", "")],
            Bug::CopyToStranger if is("INVITE") => {
                let stranger = Hop::udp("198.51.100.66:5060".parse().unwrap_or(to.address));
                let copy = Output::Send { to: stranger, bytes: Arc::clone(bytes), note: note.clone() };
                return vec![output, copy];
            }
            Bug::RepresentativeFirst if is("INVITE") && leg.is_some_and(|l| l.attempt == 0) => {
                let other = altered(&altered(&output, "+12125550", "+16465550"), "Call-ID: ", "Call-ID: x");
                return vec![output, other];
            }
            _ => {}
        }
        carrier::send(self, output)
    }

    fn media(&mut self, command: Command) -> (Vec<Output>, Vec<Told>) {
        let out = |commands: Vec<Command>| (commands.into_iter().map(Output::Media).collect(), vec![]);
        if let Some(instead) = machines::instead(self.bug, &command) {
            return out(instead);
        }
        if let Some(instead) = supervisors::instead(self, &command) {
            return instead;
        }
        if let Some(instead) = consent::instead(self.bug, &command) {
            return instead;
        }
        match (self.bug, command) {
            (Bug::LeakedPort, Command::Close { leg }) if leg.attempt > 0 => {
                (vec![], vec![Told::Media(Event::Closed { leg, quality: Default::default() })])
            }
            (Bug::PromptOverBridge, Command::Bridge { a, b }) => {
                let spoken = Spoken { business: crate::setup::business(), company: "ABC".into(), language: None };
                let script = Script { once: vec![Clip::Connecting(spoken)], then_loop: None };
                // Half of the bridge stays: the customer is heard no more, and hears the message again.
                out(vec![Command::Bridge { a, b }, Command::Play { leg: a, script }])
            }
            (Bug::HoldMusicOverBridge, Command::Bridge { a, b }) => {
                let script = Script { once: vec![], then_loop: Some(Clip::HoldMusic) };
                out(vec![Command::Bridge { a, b }, Command::Play { leg: a, script }])
            }
            (Bug::GateOpensItself | Bug::AcceptAssumed, Command::Play { leg, script }) => {
                let asks = match &script.then_loop {
                    Some(Clip::Gate(_)) => self.bug == Bug::GateOpensItself,
                    Some(Clip::Whisper(_)) => self.bug == Bug::AcceptAssumed,
                    _ => false,
                };
                let key = Key::of('1').filter(|_| asks);
                let told = key.map(|key| Told::Media(Event::Digit { leg, key }));
                (vec![Output::Media(Command::Play { leg, script })], told.into_iter().collect())
            }
            (Bug::WhisperOverBridge, Command::Bridge { a, b }) => {
                let spoken = Spoken { business: crate::setup::business(), company: "ABC".into(), language: None };
                let clip = Clip::Whisper(Whisper { spoken, page: None, accept: false });
                let script = Script { once: vec![clip], then_loop: None };
                out(vec![Command::Bridge { a, b }, Command::Play { leg: b, script }])
            }
            (Bug::DigitsDoubled, Command::SendDigits { leg, digits, after }) => out(vec![
                Command::SendDigits { leg, digits: digits.clone(), after },
                Command::SendDigits { leg, digits, after },
            ]),
            (Bug::DigitsLost, Command::SendDigits { leg, .. }) => {
                (vec![], vec![Told::Media(Event::DigitsSent { leg })])
            }
            (Bug::NeverBridged, Command::Bridge { .. }) => (vec![], vec![]),
            (Bug::NoPrompt, Command::Play { .. }) => (vec![], vec![]),
            (Bug::CrossedLines, Command::Bridge { a, b }) => {
                let other = self.bridged.last().map(|(_, other)| *other).filter(|other| other.call != a.call);
                self.bridged.push((a, b));
                out(vec![Command::Bridge { a, b: other.unwrap_or(b) }])
            }
            (_, command) => out(vec![command]),
        }
    }

    fn store(&mut self, token: StoreToken, op: StoreOp) -> (Vec<Output>, Vec<Told>) {
        let keep = |op| vec![Output::Store { token, op }];
        match (self.bug, op) {
            (Bug::AcceptedBeforeDurable, StoreOp::Accept(call)) => {
                self.answered_early.insert(token);
                (keep(StoreOp::Accept(call)), vec![Told::Stored(token)])
            }
            (Bug::CancelledBeforeDurable, op @ StoreOp::Finish { .. }) => {
                self.answered_early.insert(token);
                (keep(op), vec![Told::Stored(token)])
            }
            (Bug::LostRecord, StoreOp::Finish { .. }) => (vec![], vec![Told::Stored(token)]),
            (Bug::LostStored, op @ StoreOp::Finish { .. }) => {
                self.muted.insert(token);
                (keep(op), vec![])
            }
            (Bug::DoubleRecord, StoreOp::Finish { record, attempts }) => {
                let mut again = record.clone();
                again.detail.push_str(" again");
                let first = self.doubled.insert(record.call_id);
                let mut out = keep(StoreOp::Finish { record, attempts: attempts.clone() });
                if first {
                    out.extend(keep(StoreOp::Finish { record: again, attempts }));
                }
                (out, vec![])
            }
            (Bug::BilledAfterBye, StoreOp::Finish { mut record, attempts }) => {
                record.customer_billable_seconds += 7;
                (keep(StoreOp::Finish { record, attempts }), vec![])
            }
            (Bug::WrongOutcome, StoreOp::Finish { mut record, attempts }) => {
                record.outcome = match record.outcome {
                    Outcome::CustomerBusy => Outcome::CustomerNoAnswer,
                    Outcome::CustomerNoAnswer => Outcome::CustomerBusy,
                    other => other,
                };
                (keep(StoreOp::Finish { record, attempts }), vec![])
            }
            (Bug::SaidToBeKept, StoreOp::Finish { mut record, attempts }) => {
                consent::said_to_be_kept(&mut record.recording);
                (keep(StoreOp::Finish { record, attempts }), vec![])
            }
            (Bug::SupervisorBilledAsRepresentative, StoreOp::Finish { record, attempts }) => {
                (keep(supervisors::mistaken(record, attempts)), vec![])
            }
            (_, op) => (keep(op), vec![]),
        }
    }

    /// False: this word of media is lost.
    pub fn hears(&mut self, event: &Event) -> bool {
        let lost = |of_customers| matches!(event, Event::Closed { leg, .. } if (leg.attempt == 0) == of_customers);
        !(machines::unheard(self.bug, event)
            || self.bug == Bug::LostClosed && lost(false)
            || self.bug == Bug::ChannelLeaked && lost(true))
    }

    /// False: this word of the store is lost (or was said before).
    pub fn tells_stored(&mut self, token: StoreToken) -> bool {
        !self.answered_early.contains(&token) && !self.muted.contains(&token)
    }

    /// What the engine is asked.
    pub fn asks(&self, message: &mut InitiationMessage) {
        contact::asks(self.bug, message);
    }

    /// How the account's calls are tried again.
    pub fn plan(&self, plan: &mut RetryPlan) {
        contact::plan(self.bug, plan);
    }

    /// What a restart finds.
    pub fn restore(&mut self, open: &mut Vec<StoredCall>, last_alive: &mut Option<Wall>) {
        match self.bug {
            Bug::LostScheduledOnRestart => open.retain(|call| call.message.desired_contact_time.is_none()),
            Bug::DialledAgainOnRestart => open.iter_mut().for_each(|call| call.progress = Default::default()),
            Bug::BilledAfterCrash => *last_alive = Some(Wall(i64::MAX)),
            _ => {}
        }
    }

    /// What a restart reads of the account's records.
    pub fn usage(&self, usage: &mut Vec<DayUsage>) {
        match self.bug {
            Bug::UsageForgotten => usage.clear(),
            Bug::UsageCountedTwice => usage.extend(usage.clone()),
            _ => {}
        }
    }
}

/// The same message with a piece of its text replaced everywhere.
fn altered(output: &Output, from: &str, with: &str) -> Output {
    let Output::Send { to, bytes, note } = output else { return Output::Drained };
    let text = String::from_utf8_lossy(bytes).replace(from, with);
    Output::Send { to: to.clone(), bytes: text.into_bytes().into(), note: note.clone() }
}
