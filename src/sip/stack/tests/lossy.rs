//! A phone and the stack over a network that loses, doubles and reorders. The phone is a small UAS of strings. Whatever the
//! network does, both sides end on the hook, one verdict is reported, and nothing is left.

use std::collections::BTreeMap;

use proptest::prelude::*;
use rand::Rng;

use super::*;

/// What the phone does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Mood {
    Answers,
    AnswersAndHangsUp,
    Busy,
    RingsForever,
    /// A reliable 183 with the answer, and after its PRACK a 200 without (RFC 3262).
    AnswersReliably,
}

/// The phone: answers repeat as RFC 3261 §13.3.1.4 and §17.2.1 say, on its own clock.
#[derive(Default)]
struct Phone {
    invite: Option<String>,
    /// The final response that waits for its ACK, and when it goes out again.
    unacked: Option<(String, u64, u64)>,
    give_up: u64,
    bye: Option<(String, u64, u64)>,
    /// A final response that nobody ever ACKed.
    never_acked: bool,
    off_hook: bool,
    over: bool,
}

impl Phone {
    fn take(&mut self, now: u64, text: &str, mood: Mood) -> Vec<String> {
        match word(text).as_str() {
            "INVITE" if self.invite.is_none() => {
                self.invite = Some(text.into());
                let ringing = reply(text, 180, "p", "");
                match mood {
                    Mood::RingsForever => vec![ringing],
                    Mood::AnswersReliably => {
                        let fields = "Require: 100rel\r\nRSeq: 77\r\nContact: <sip:phone@192.0.2.1:5070>\r\n";
                        vec![self.finally(now, reply_body(text, 183, "p", fields, "v=0 answer"))]
                    }
                    Mood::Busy => vec![self.finally(now, reply(text, 486, "p", ""))],
                    Mood::Answers | Mood::AnswersAndHangsUp => {
                        self.off_hook = true;
                        vec![ringing, self.finally(now, answer(text, "p"))]
                    }
                }
            }
            "INVITE" => vec![self.unacked.as_ref().map_or_else(|| reply(text, 180, "p", ""), |last| last.0.clone())],
            "PRACK" if self.over => vec![reply(text, 481, "", "")],
            "PRACK" => {
                let mut out = vec![reply(text, 200, "", "")];
                let invite = self.invite.clone().unwrap_or_default();
                if !std::mem::replace(&mut self.off_hook, true) {
                    let fields = "Contact: <sip:phone@192.0.2.1:5070>\r\n";
                    out.push(self.finally(now, reply(&invite, 200, "p", fields)));
                }
                out
            }
            "ACK" => {
                let was_waiting = self.unacked.take().is_some();
                if was_waiting && self.off_hook && mood == Mood::AnswersAndHangsUp {
                    return vec![self.hang_up(now)];
                }
                Vec::new()
            }
            "CANCEL" => {
                let Some(invite) = self.invite.clone() else { return vec![reply(text, 481, "p", "")] };
                let mut out = vec![reply(text, 200, "p", "")];
                if matches!(mood, Mood::RingsForever | Mood::AnswersReliably) && !self.over && !self.off_hook {
                    self.over = true;
                    out.push(self.finally(now, reply(&invite, 487, "p", "")));
                }
                out
            }
            "BYE" => {
                self.over = true;
                self.off_hook = false;
                self.unacked = None;
                vec![reply(text, 200, "", "")]
            }
            // The answer to our BYE.
            _ => {
                self.bye = None;
                self.off_hook = false;
                Vec::new()
            }
        }
    }

    fn finally(&mut self, now: u64, response: String) -> String {
        self.unacked = Some((response.clone(), now + 500, 500));
        self.give_up = now + 32_000;
        response
    }

    fn hang_up(&mut self, now: u64) -> String {
        let bye = request(self.invite.as_deref().unwrap_or(""), "p", "BYE", 3, "", "");
        self.bye = Some((bye.clone(), now + 500, 500));
        self.give_up = now + 32_000;
        bye
    }

    fn next(&self) -> Option<u64> {
        [&self.unacked, &self.bye].into_iter().flatten().map(|(_, at, _)| *at).min()
    }

    fn tick(&mut self, now: u64) -> Vec<String> {
        let give_up = self.give_up;
        let mut out = Vec::new();
        let mut never_acked = false;
        for (is_bye, slot) in [(false, &mut self.unacked), (true, &mut self.bye)] {
            if slot.as_ref().is_some_and(|(_, at, _)| *at <= now && now >= give_up) {
                *slot = None;
                never_acked |= !is_bye;
                self.off_hook &= !is_bye;
            } else if let Some((text, at, gap)) = slot.as_mut().filter(|(_, at, _)| *at <= now) {
                *gap = (*gap * 2).min(4_000);
                *at = now + *gap;
                out.push(text.clone());
            }
        }
        self.never_acked |= never_acked;
        if never_acked && self.off_hook {
            out.push(self.hang_up(now));
        }
        out
    }
}

/// Runs one call of 200 virtual seconds.
fn run(seed: u64, mood: Mood, loss: u32, hang_up_at: u64) -> (Rig, Phone, Vec<LegEvent>) {
    let mut dice = StdRng::seed_from_u64(seed);
    let mut rig = Rig::new(seed);
    let mut phone = Phone::default();
    let mut wire: BTreeMap<(u64, u64), (bool, String)> = BTreeMap::new();
    let mut serial = 0;
    let mut post = |wire: &mut BTreeMap<_, _>, now: u64, to_phone: bool, text: String| {
        let copies = if dice.random_ratio(loss, 100) { 0 } else { 1 + u64::from(dice.random_ratio(10, 100)) };
        for _ in 0..copies {
            serial += 1;
            let delay = dice.random_range(1..400u64);
            wire.insert((now + delay, serial), (to_phone, text.clone()));
        }
    };
    let invite = rig.dial();
    post(&mut wire, 0, true, invite);
    let mut hung_up = false;
    loop {
        let mut next = [
            rig.stack.poll_timeout().map(|(at, _)| at.0.div_ceil(1000)),
            wire.keys().next().map(|(at, _)| *at),
            phone.next(),
            (!hung_up).then_some(hang_up_at),
        ]
        .into_iter()
        .flatten();
        let Some(first) = next.next() else { break };
        let now = next.fold(first, u64::min);
        if now > 200_000 {
            break;
        }
        rig.until(now);
        if !hung_up && now >= hang_up_at {
            hung_up = true;
            rig.hang_up();
        }
        let mut to_stack = phone.tick(now);
        while let Some(entry) = wire.first_entry().filter(|entry| entry.key().0 <= now) {
            let (to_phone, text) = entry.remove();
            match to_phone {
                true => to_stack.extend(phone.take(now, &text, mood)),
                false => rig.receive(&text),
            }
        }
        for text in rig.take() {
            post(&mut wire, now, true, text);
        }
        for text in to_stack {
            post(&mut wire, now, false, text);
        }
    }
    let events = rig.events();
    (rig, phone, events)
}

fn moods() -> impl Strategy<Value = Mood> {
    prop_oneof![
        Just(Mood::Answers),
        Just(Mood::AnswersAndHangsUp),
        Just(Mood::Busy),
        Just(Mood::RingsForever),
        Just(Mood::AnswersReliably)
    ]
}

/// Answered and the rest come in the order of the vocabulary, and nothing follows an end.
fn lawful(events: &[LegEvent]) -> bool {
    let mut answered = false;
    let mut over = false;
    events.iter().all(|event| {
        let fine = !over
            && match event {
                LegEvent::Ringing => !answered,
                LegEvent::Answered { .. } => !std::mem::replace(&mut answered, true),
                LegEvent::Failed { .. } | LegEvent::Redirected { .. } => !answered,
                LegEvent::HungUp { .. } => answered,
                LegEvent::Offered { .. } | LegEvent::OfferAnswered { .. } | LegEvent::OfferRefused { .. } => false,
                LegEvent::TransferAsked { .. } | LegEvent::Key { .. } | LegEvent::KeySent { .. } => false,
            };
        over |= matches!(event, LegEvent::Failed { .. } | LegEvent::HungUp { .. });
        fine
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn both_sides_end_on_the_hook_and_nothing_is_left(
        seed in any::<u64>(), mood in moods(), loss in 0u32..30, hang_up_at in prop_oneof![0u64..12_000, 40_000u64..60_000],
    ) {
        let (rig, phone, events) = run(seed, mood, loss, hang_up_at);
        prop_assert!(lawful(&events), "{events:?}");
        let answers = events.iter().filter_map(|e| if let LegEvent::Answered { answer, .. } = e { Some(answer) } else { None });
        prop_assert!(answers.into_iter().all(|answer| answer == b"v=0 answer"), "{events:?}");
        prop_assert_eq!(rig.stack.census(), crate::sip::Live::default());
        prop_assert!(!phone.off_hook, "{:?}", mood);
        // Twelve copies in a row do not get lost at this rate: somebody forgot to ACK.
        prop_assert!(loss > 10 || !phone.never_acked, "{:?}", mood);
    }

    #[test]
    fn nothing_from_the_outside_can_break_the_stack(
        seed in any::<u64>(), cut in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(), byte in any::<u8>(),
    ) {
        let mut rig = Rig::new(seed);
        let invite = rig.dial();
        let requests = ["INVITE", "BYE", "UPDATE", "ACK", "CANCEL"].map(|method| request(&invite, "a", method, 4, "", "v=0"));
        for text in [reply(&invite, 180, "a", ""), answer(&invite, "a")].iter().chain(&requests) {
            let mut bytes = text.clone().into_bytes();
            let place = at.index(bytes.len());
            bytes[place] = byte;
            bytes.truncate(cut.index(bytes.len()) + 1);
            rig.stack.receive(rig.now, &switch(), &bytes);
            while rig.stack.poll_output().is_some() {}
        }
        rig.hang_up();
        rig.assert_freed();
    }
}
