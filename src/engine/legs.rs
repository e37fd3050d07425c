//! Joins the three rooms of a leg: the call decides, SIP signals, media speaks. Owns the translation between their
//! vocabularies (SDP offers and answers, ports, statuses to kinds of failure) and nothing else.

use super::api::{Notice, Output};
use super::{Engine, LegMedia, Port, TimerKey, taped};
use crate::call::{Action, Event, FailureKind};
use crate::clock::Now;
use crate::ladder::Moment;
use crate::media::api::{self as media, Command};
use crate::model::trunk::DtmfForm;
use crate::model::{Alarm, CallId, CallState, Cause, LegId};
use crate::sdp::{self, Codec, LocalMedia, LocalSrtp};
use crate::sip::HangUpReason;
use crate::sip::api::{LegEvent, OfferId, SipOutput};

impl Engine {
    /// Hands on everything the stack has to say; its words may make calls act, which may make the stack speak again.
    pub(super) fn pump(&mut self, now: Now) {
        while let Some(output) = self.stack.poll_output() {
            match output {
                SipOutput::Send { to, bytes, note } => {
                    self.see_message(now, &note, Some(&to));
                    self.outputs.push_back(Output::Send { to, bytes, note });
                }
                SipOutput::Received(note) => {
                    self.see_message(now, &note, None);
                    self.notice(Notice::SipReceived(note));
                }
                SipOutput::Refused(why) => self.notice(Notice::SipRefused(why)),
                SipOutput::Leg(leg, event) => {
                    self.leg_event(now, leg, event);
                    self.see_agreed(now, leg);
                    self.see_hold(now, leg);
                }
                SipOutput::Asked { id, answer } => self.asked(now, id, answer),
            }
        }
    }

    /// Does what a call wants, until it wants nothing.
    pub(super) fn drive(&mut self, now: Now, id: CallId) {
        while let Some(action) = self.calls.get_mut(&id).and_then(|live| live.call.poll_action()) {
            self.perform(now, id, action);
        }
        self.tell_webhook(id);
    }

    fn perform(&mut self, now: Now, id: CallId, action: Action) {
        let leg = |attempt| LegId { call: id, attempt };
        self.see_action(now, id, &action);
        match action {
            Action::Dial(attempt) => self.dial(now, leg(attempt)),
            Action::HangUp(attempt, cause) => {
                self.judge_silence(now, leg(attempt));
                let reason = HangUpReason { q850: cause.q850.unwrap_or(16), text: cause.text };
                self.stack.hang_up(now.mono, leg(attempt), reason);
            }
            Action::FindRepresentative { missed } => self.find_representative(now, id, missed),
            Action::RepresentativeLeft => self.tell_desk_of(now, id, true),
            Action::Release(attempt) => self.release(now, leg(attempt)),
            Action::PlayConnecting(attempt) => self.play_connecting(now, leg(attempt)),
            Action::Listen(attempt) => self.listen(leg(attempt)),
            Action::KeepQuiet(attempt) => self.keep_quiet(leg(attempt)),
            Action::LeaveMessage(attempt) => self.leave_message(leg(attempt)),
            Action::SayStillHolding(attempt) => self.play_still(now, leg(attempt)),
            Action::PlayGate(attempt) => self.play_gate(leg(attempt)),
            Action::PlayWhisper(attempt) => self.play_whisper(leg(attempt), false),
            Action::PlayAccept(attempt) => self.play_whisper(leg(attempt), true),
            Action::PlayConsent(attempt) => self.play_consent(leg(attempt)),
            Action::PlayUnavailable(attempt) => {
                self.tell_desk_of(now, id, true);
                self.play_unavailable(leg(attempt));
            }
            Action::PlayHold(attempt) => self.play_hold(leg(attempt)),
            Action::SendDigits(attempt) => self.send_digits(now, leg(attempt)),
            Action::AnswerTransfer(transfer, refusal) => self.answer_transfer(now, id, transfer, refusal),
            Action::ReportTransfer(transfer, report) => self.report_transfer(now, transfer, &report),
            Action::Bridge(a, b) => {
                self.note_wait(now, id);
                let mut recorded = false;
                if let Some(live) = self.calls.get_mut(&id) {
                    live.bridged_at = Some(now.mono);
                    recorded = taped::begins(live, b);
                }
                self.media(Command::Bridge { a: leg(a), b: leg(b) });
                self.listen_for_keys(leg(a), leg(b));
                if recorded {
                    self.media(Command::Record { a: leg(a), b: leg(b) });
                }
            }
            Action::Supervise { supervisor, of: [customer, representative], mode } => {
                let (customer, representative) = (leg(customer), leg(representative));
                self.media(Command::Supervise { supervisor: leg(supervisor), customer, representative, mode });
            }
            Action::WatchSilence(attempt, after) => {
                self.media(Command::WatchSilence { leg: leg(attempt), after });
            }
            Action::SetTimer(timer, at) => self.timers.set(TimerKey::Call(id, timer), at),
            Action::CancelTimer(timer) => self.timers.cancel(&TimerKey::Call(id, timer)),
            Action::Entered { from, to } => {
                self.notice(Notice::State { call: id, from: Some(from), to });
                if let CallState::Bridged | CallState::Ended | CallState::Scheduled = to {
                    self.tell_desk_of(now, id, to != CallState::Bridged);
                }
                self.entered(now, id, to);
            }
            Action::SaveProgress => {
                self.save_progress(id);
                self.mind_ceiling(now, id, false);
            }
            Action::TryAgain { after } => self.try_again(now, id, after),
            Action::OneWayAudio => self.notice(Notice::OneWayAudio { call: id }),
            Action::Finish(outcome) => {
                let ended_at = self.calls.get(&id).and_then(|live| live.call.ended()).map(|(_, at)| at);
                self.finish(id, outcome, ended_at.unwrap_or(now.wall));
            }
        }
    }

    pub(super) fn media(&mut self, command: Command) {
        self.outputs.push_back(Output::Media(command));
    }

    fn release(&mut self, now: Now, leg: LegId) {
        self.forget_tries(leg);
        self.timers.cancel(&TimerKey::Keys(leg));
        let Some(live) = self.calls.get_mut(&leg.call) else { return };
        match live.legs.get_mut(&leg.attempt).map(|l| &mut l.port) {
            None => self.tell(now, leg.call, Event::Released(leg.attempt, None)),
            Some(port @ Port::Opening) => *port = Port::Unwanted,
            Some(port @ Port::Open(_)) => {
                *port = Port::Closing;
                self.media(Command::Close { leg });
            }
            Some(Port::Unwanted | Port::Closing) => {}
        }
    }

    pub(super) fn media_event(&mut self, now: Now, event: media::Event) {
        let leg = event.leg();
        match event {
            media::Event::Opened { local, .. } => self.opened(now, leg, local),
            media::Event::OpenFailed { reason, .. } => {
                let Some(live) = self.calls.get_mut(&leg.call) else { return };
                live.legs.remove(&leg.attempt);
                self.channel_is_free(now);
                let cause = Cause::local(34, reason.to_string());
                self.tell(now, leg.call, Event::Failed(leg.attempt, FailureKind::Fault, cause));
                // A leg that had ended meanwhile still waits for its port.
                self.tell(now, leg.call, Event::Released(leg.attempt, None));
            }
            media::Event::FirstPacket { .. } => {}
            media::Event::PlayEnded { .. } => self.tell(now, leg.call, Event::PlayEnded(leg.attempt)),
            media::Event::ConsentSaid { heard, .. } => self.tell(now, leg.call, Event::ConsentSaid(leg.attempt, heard)),
            media::Event::FirstRelayed { .. } => {
                if let Some(bridged) = self.calls.get(&leg.call).and_then(|live| live.bridged_at) {
                    let micros = u64::try_from(now.mono.since(bridged).as_micros()).unwrap_or(u64::MAX);
                    self.notice(Notice::FirstRelay { call: leg.call, micros });
                }
                self.tell(now, leg.call, Event::FirstRelayed(leg.attempt));
            }
            media::Event::Silent { .. } => self.tell(now, leg.call, Event::Silent(leg.attempt)),
            media::Event::DigitsSent { .. } => self.tell(now, leg.call, Event::DigitsSent(leg.attempt)),
            media::Event::Digit { key, .. } => self.key_pressed(now, leg, key),
            media::Event::Measured { quality, sample, .. } => {
                if let Some(live) = self.calls.get_mut(&leg.call) {
                    live.call.measured(now, leg.attempt, quality, sample);
                }
                self.notice(Notice::Measured { sample });
            }
            media::Event::Transcodes { from, to, .. } => {
                self.see(now, leg.call, Moment::Transcoded { attempt: leg.attempt, from, to });
            }
            media::Event::Alarm { alarm, .. } => self.alarmed(now, leg, alarm),
            media::Event::AnsweredBy { by, .. } => {
                self.see(now, leg.call, Moment::Judged { by });
                self.tell(now, leg.call, Event::Judged(leg.attempt, by));
            }
            media::Event::GreetingOver { .. } => self.tell(now, leg.call, Event::GreetingOver(leg.attempt)),
            media::Event::Closed { quality, .. } => {
                if let Some(live) = self.calls.get_mut(&leg.call) {
                    live.legs.remove(&leg.attempt);
                }
                self.channel_is_free(now);
                self.tell(now, leg.call, Event::Released(leg.attempt, Some(quality)));
            }
        }
    }

    /// Something is wrong with a talk, or right again: marked in the ladder and the record, and said.
    fn alarmed(&mut self, now: Now, leg: LegId, alarm: Alarm) {
        let Some(live) = self.calls.get_mut(&leg.call) else { return };
        live.call.alarm(alarm);
        self.see(now, leg.call, Moment::Alarm { attempt: leg.attempt, alarm });
        self.alarm_told(now, leg, alarm);
        self.notice(Notice::Alarm { call: leg.call, attempt: leg.attempt, alarm });
    }

    fn leg_event(&mut self, now: Now, leg: LegId, event: LegEvent) {
        match event {
            LegEvent::Ringing => {
                self.try_is_heard(leg);
                self.tell(now, leg.call, Event::Ringing(leg.attempt));
            }
            LegEvent::Answered { answer, by } => {
                self.try_is_heard(leg);
                self.answered(now, leg, &answer, by);
            }
            LegEvent::Failed { cause, why } => self.leg_failed(now, leg, cause, why),
            LegEvent::Redirected { contacts, cause } => self.redirected(now, leg, &contacts, cause),
            LegEvent::Offered { id, offer } => self.offered(now, leg, id, &offer),
            LegEvent::OfferAnswered { offer, answer } => self.offer_answered(leg, &offer, &answer),
            // Nothing but session refreshes is offered by us so far, and those change nothing.
            LegEvent::OfferRefused { .. } => {}
            LegEvent::TransferAsked { id, refer } => self.transfer_asked(now, leg, id, refer),
            LegEvent::Key { key } => self.media(Command::Pressed { leg, key }),
            LegEvent::KeySent { accepted } => self.key_sent(now, leg, accepted),
            LegEvent::HungUp { cause } => self.tell(now, leg.call, Event::HungUp(leg.attempt, cause)),
        }
    }

    /// Only a 200 with a usable answer is an answer (field.md 5).
    fn answered(&mut self, now: Now, leg: LegId, answer: &[u8], by: Option<OfferId>) {
        let agreed = match by {
            Some(offer) => self.agree_early(leg, offer),
            None => self.agree(leg, answer),
        };
        match agreed {
            Ok(codec) => {
                self.see_agreed(now, leg);
                self.tell(now, leg.call, Event::Answered(leg.attempt, codec.name()));
            }
            Err(text) => {
                self.stack.hang_up(now.mono, leg, HangUpReason { q850: 88, text: text.clone() });
                let cause = Cause { sip_status: Some(200), q850: Some(88), text };
                self.tell(now, leg.call, Event::Failed(leg.attempt, FailureKind::Unreachable, cause));
            }
        }
    }

    fn agree(&mut self, leg: LegId, answer: &[u8]) -> Result<Codec, String> {
        let live = self.calls.get_mut(&leg.call).ok_or_else(|| "the call is over".to_owned())?;
        let leg_media = live.legs.get_mut(&leg.attempt).ok_or_else(|| "the leg is over".to_owned())?;
        let mut plan = sdp::accept_answer(leg_media.codecs.as_slice(), &leg_media.srtp(), answer)
            .map_err(|error| error.to_string())?;
        // What we did not offer is not agreed on, whatever the answer says.
        plan.telephone_event = plan.telephone_event.filter(|_| leg_media.wants_events());
        let codec = plan.codec;
        leg_media.plan = Some(plan.clone());
        self.media(Command::Agree { leg, plan });
        Ok(codec)
    }
}

impl LegMedia {
    pub(super) fn local(&self, local: std::net::SocketAddr) -> LocalMedia {
        LocalMedia {
            address: local.ip(),
            port: local.port(),
            session_id: self.session_id,
            version: self.version,
            telephone_event: self.wants_events(),
            ptime_ms: self.ptime_ms,
            srtp: self.srtp(),
        }
    }

    /// Encryption, as its switch wants it.
    pub(super) fn srtp(&self) -> LocalSrtp {
        LocalSrtp::new(self.trunk.srtp, self.our_keys.as_deref().copied())
    }

    /// A switch that wants digits as INFO is not offered telephone-event: one press shall not come twice.
    pub(super) fn wants_events(&self) -> bool {
        self.trunk.dtmf == DtmfForm::Rfc4733
    }
}
