//! What is said to whom: the script of each message, and the words of a call that go into it. Owns the bound and the filter on
//! words from outside; refuses to find or to render recordings.

use std::sync::Arc;
use std::time::Duration;

use super::Engine;
use super::api::Output;
use crate::clock::Now;
use crate::media::api::{Clip, Command, Script, Spoken, Still, Whisper, Worded};
use crate::model::{CallId, LegId, MachinePolicy, RepresentativeGate, WebPage};

/// Of a page's title so many characters are spoken.
const MAX_PAGE: usize = 80;

/// A verdict of media is so long on its way at most.
const TOLD: Duration = Duration::from_millis(200);

impl Engine {
    /// The message, then music: from here the customer holds. Who is to be told of the recording is told first.
    pub(super) fn play_connecting(&mut self, now: Now, leg: LegId) {
        if let Some(live) = self.calls.get_mut(&leg.call) {
            live.holds_since = Some(now.mono);
        }
        let consent = self.consent(leg.call).filter(|_| self.tells(leg.call));
        let once = consent.into_iter().chain(self.spoken(leg.call).map(Clip::Connecting)).collect();
        self.play(leg, once, Some(Clip::HoldMusic));
    }

    /// Still in line, and for how long, as far as that is known; within the music.
    pub(super) fn play_still(&mut self, now: Now, leg: LegId) {
        let Some(live) = self.calls.get(&leg.call) else { return };
        let held = live.holds_since.map(|since| now.mono.since(since)).unwrap_or_default();
        let minutes = self.waits.minutes(&live.business.id, held);
        if let Some(spoken) = self.spoken(leg.call) {
            self.media(Command::Interject { leg, clip: Clip::Still(Still { spoken, minutes }) });
        }
    }

    /// Somebody talks with the customer: this one held for so long.
    pub(super) fn note_wait(&mut self, now: Now, call: CallId) {
        let Some(live) = self.calls.get_mut(&call) else { return };
        if let Some(since) = live.holds_since.take() {
            self.waits.note(&live.business.id, now.mono.since(since));
        }
    }

    /// The second message, once.
    pub(super) fn play_unavailable(&mut self, leg: LegId) {
        let once = self.spoken(leg.call).map(Clip::Unavailable);
        self.play(leg, once.into_iter().collect(), None);
    }

    /// Music.
    pub(super) fn play_hold(&mut self, leg: LegId) {
        self.play(leg, Vec::new(), Some(Clip::HoldMusic));
    }

    /// A person or a machine?
    pub(super) fn listen(&mut self, leg: LegId) {
        let mut times = self.config.limits.machine;
        // The call waits no longer than the whole; its own clock runs from when it heard of the answer.
        times.within = times.within.saturating_sub(TOLD);
        self.media(Command::HearWho { leg, times });
    }

    /// Nothing, as sound: a line on which nothing comes may be taken for a dead one.
    pub(super) fn keep_quiet(&mut self, leg: LegId) {
        self.play(leg, Vec::new(), Some(Clip::Silence));
    }

    /// The business's word to a machine, once.
    pub(super) fn leave_message(&mut self, leg: LegId) {
        let once = self.left(leg.call).map(Clip::Machine);
        self.play(leg, once.into_iter().collect(), None);
    }

    /// "Press 1", again and again.
    pub(super) fn play_gate(&mut self, leg: LegId) {
        let looped = self.spoken(leg.call).map(Clip::Gate);
        self.play(leg, Vec::new(), looped);
        self.hear_keys(leg);
    }

    /// That the talk is recorded, once.
    pub(super) fn play_consent(&mut self, leg: LegId) {
        let once = self.consent(leg.call);
        self.play(leg, once.into_iter().collect(), None);
    }

    /// Who calls, once, and that the talk is recorded; with the question whether it is accepted, again and again.
    pub(super) fn play_whisper(&mut self, leg: LegId, accept: bool) {
        let whisper = self.whisper(leg.call, accept).map(Clip::Whisper);
        match accept {
            true => {
                self.play(leg, Vec::new(), whisper);
                self.hear_keys(leg);
            }
            false => {
                let consent = self.consent(leg.call).filter(|_| self.tells(leg.call));
                self.play(leg, whisper.into_iter().chain(consent).collect(), None);
            }
        }
    }

    /// A peer that did not agree to telephone-event may say its keys by sound alone.
    fn hear_keys(&mut self, leg: LegId) {
        if !self.hears_events(leg) {
            self.media(Command::HearKeys { leg });
        }
    }

    fn play(&mut self, leg: LegId, once: Vec<Clip>, then_loop: Option<Clip>) {
        if self.calls.contains_key(&leg.call) {
            let script = Script { once, then_loop };
            self.media(Command::Play { leg, script });
        }
    }

    fn spoken(&self, call: CallId) -> Option<Spoken> {
        let live = self.calls.get(&call)?;
        let company = live.call.message().company_name.as_deref().unwrap_or(&live.business.name);
        let language = live.call.message().language.or(live.business.voice.language);
        Some(Spoken { business: live.business.id.clone(), company: company.into(), language })
    }

    fn left(&self, call: CallId) -> Option<Worded> {
        let text = self.calls.get(&call)?.business.voice.machine_text.as_deref().map(Into::into);
        Some(Worded { spoken: self.spoken(call)?, text })
    }

    fn consent(&self, call: CallId) -> Option<Clip> {
        let text = self.calls.get(&call)?.business.voice.consent_text.as_deref().map(Into::into);
        Some(Clip::Consent(Worded { spoken: self.spoken(call)?, text }))
    }

    fn tells(&self, call: CallId) -> bool {
        self.calls.get(&call).is_some_and(|live| live.call.tells())
    }

    fn whisper(&self, call: CallId, accept: bool) -> Option<Whisper> {
        let spoken = self.spoken(call)?;
        let page = self.calls.get(&call)?.call.message().web_page.as_ref().and_then(page);
        Some(Whisper { spoken, page, accept })
    }

    /// The phone begins to ring: time enough to render what will be heard in this call.
    pub(super) fn prepare(&mut self, leg: LegId) {
        let Some(gates) = self.calls.get(&leg.call).map(|live| live.call.gates()) else { return };
        let Some(spoken) = self.spoken(leg.call) else { return };
        let mut clips = Vec::with_capacity(4);
        clips.extend(self.consent(leg.call).filter(|_| self.tells(leg.call)));
        if gates.machine == MachinePolicy::LeaveMessage {
            clips.extend(self.left(leg.call).map(Clip::Machine));
        }
        clips.extend(gates.customer.then(|| Clip::Gate(spoken.clone())));
        clips.push(Clip::Connecting(spoken.clone()));
        if gates.representative != RepresentativeGate::Off {
            let accept = gates.representative == RepresentativeGate::Accept;
            clips.extend(self.whisper(leg.call, accept).map(Clip::Whisper));
        }
        if !self.config.limits.still.is_zero() {
            let longest = self.waits.minutes(&spoken.business, Duration::ZERO);
            let waits = std::iter::once(None).chain((1..=longest.unwrap_or(0)).map(Some));
            clips.extend(waits.map(|minutes| Clip::Still(Still { spoken: spoken.clone(), minutes })));
        }
        clips.push(Clip::Unavailable(spoken));
        self.outputs.push_back(Output::Prepare(clips));
    }
}

/// A page's title as it may be spoken: words of letters and digits, and the marks that words have; nothing else of it.
fn page(page: &WebPage) -> Option<Arc<str>> {
    let word = |c: char| c.is_alphanumeric() || matches!(c, '\'' | '-' | ',' | '&');
    let title: String = page.title.as_deref()?.chars().map(|c| if word(c) { c } else { ' ' }).take(MAX_PAGE).collect();
    let title = title.split_whitespace().collect::<Vec<_>>().join(" ");
    title.chars().any(char::is_alphanumeric).then(|| title.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spoken(title: &str) -> Option<String> {
        let said = page(&WebPage {
            url: "https://abc.example/".to_owned(),
            title: Some(title.to_owned()),
            viewed: Vec::new(),
        });
        said.map(|said| said.to_string())
    }

    #[test]
    fn of_a_title_only_words_are_spoken_and_not_too_many() {
        assert_eq!(spoken("Cruises & more, one-way").as_deref(), Some("Cruises & more, one-way"));
        assert_eq!(spoken("  <speak>\n$(rm -rf /) {output}\0").as_deref(), Some("speak rm -rf output"));
        assert_eq!(spoken("Überfahrt – Ärmelkanal").as_deref(), Some("Überfahrt Ärmelkanal"));
        assert_eq!(spoken(&"x".repeat(5_000)).unwrap().len(), MAX_PAGE);
        assert_eq!((spoken(""), spoken("--- \u{202e} ***")), (None, None));
    }
}
