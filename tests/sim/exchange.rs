//! The phones of the world and the network between them and the equipment: what they send is carried, what they do is noticed.
//! Owns delivery; what must hold is judged in `promises`.

use std::sync::Arc;
use std::time::Duration;

use callbridge::phone::{PhoneCall, PhoneMove, PhoneOutput};

use crate::media::Sent;
use crate::network::Weather;
use crate::plan::EQUIPMENT;
use crate::promises::Promise;
use crate::setup::address;
use crate::world::{Event, Who, World};

impl World {
    pub(crate) fn drain_phone(&mut self, index: usize) {
        let phone_address = self.phones[index].0;
        while let Some(output) = self.phones[index].1.poll_output() {
            match output {
                PhoneOutput::SendSip { to, bytes } => {
                    let bytes: Arc<[u8]> = bytes.into();
                    if self.streams_at(phone_address) {
                        self.phone_sends_on_line(index, to, bytes);
                        continue;
                    }
                    self.carry(|world, delay| {
                        let bytes = Arc::clone(&bytes);
                        world.after(delay, Event::Sip { to, from: phone_address, bytes });
                    });
                }
                PhoneOutput::SendRtp { from, to, bytes } => self.send_rtp((from, to, bytes)),
                PhoneOutput::Moved { call, what, .. } => self.moved(index, call, what),
                PhoneOutput::Ladder { call, sent, text, .. } => self.rung(index, call, sent, &text),
                PhoneOutput::Told(story) => self.told.push(*story),
                PhoneOutput::OpenRtp { .. } | PhoneOutput::CloseRtp { .. } => {}
            }
        }
    }

    pub(crate) fn send_rtp(&mut self, (from, to, bytes): Sent) {
        let known = self.phones.iter().any(|(address, _)| address.ip() == to.ip());
        if from.ip() == address(EQUIPMENT).ip() && !known {
            self.blame(Promise::NothingToStrangers, format!("RTP sent to {to}"));
        }
        self.carry(|world, delay| world.after(delay, Event::Rtp { to, from, bytes: bytes.clone() }));
    }

    pub(crate) fn carry(&mut self, mut deliver: impl FnMut(&mut World, Duration)) {
        let weather = self.plan.faults.weather.filter(|_| self.faulty).unwrap_or(Weather::CALM);
        let mut delays = smallvec::SmallVec::<[Duration; 2]>::new();
        weather.carry(&mut self.rng, |delay| delays.push(delay));
        delays.into_iter().for_each(|delay| deliver(self, delay));
    }

    pub(crate) fn moved(&mut self, index: usize, call: PhoneCall, what: PhoneMove) {
        let Some(story) = self.phones[index].1.story(call) else { return };
        let who = self.whose.get(&story.user).copied();
        let user = story.user.clone();
        self.note(|| format!("phone {user} {what:?}"));
        if self.trace.is_some()
            && let PhoneMove::Hears(tone) = what
        {
            let sound = crate::ladders::sound(tone);
            self.ladder_line(&format!("{:<14}   hears {sound}", crate::ladders::name(who)));
        }
        if what == PhoneMove::Invited {
            match who {
                None => self.blame(Promise::NothingToStrangers, format!("{user} was dialled: nobody asked for it")),
                // An INVITE of the life before may still have been on its way.
                Some(Who::Customer(wish))
                    if self.dialled_before.contains(&wish)
                        && self.crashed.last().is_some_and(|at| self.now.since(*at) > Duration::from_millis(400)) =>
                {
                    self.blame(Promise::DialledOnce, format!("customer {user} was dialled again after the restart"));
                }
                Some(Who::Customer(_)) => {}
                Some(Who::Representative(wish, _)) => self.representative_dialled(wish, &user),
                Some(Who::Target(wish, _)) => self.target_dialled(wish, &user),
                Some(Who::Supervisor(wish, visit)) => self.supervisor_dialled(wish, visit, &user),
            }
        }
    }

    /// Nobody is dialled for a transfer that no representative asked for.
    fn target_dialled(&mut self, wish: usize, number: &str) {
        let asked = self.stories().any(|story| {
            let representative = matches!(self.who(&story.user), Some(Who::Representative(w, _)) if w == wish);
            representative && story.refers > 0
        });
        if !asked {
            self.blame(Promise::TheCustomerHasAnOwner, format!("{number} was dialled, no representative wanted it"));
        }
    }

    pub(crate) fn representative_dialled(&mut self, wish: usize, number: &str) {
        let customer = |user: &str| self.who(user) == Some(Who::Customer(wish));
        let answered = self.stories().any(|s| customer(&s.user) && s.answered_at.is_some());
        let pressed = self.stories().any(|s| {
            let party = crate::promises::party(self, s).filter(|_| customer(&s.user));
            party.is_some_and(|party| crate::gates::opened(party, s).any(|at| at <= self.now))
        });
        if !answered {
            self.blame(Promise::CustomerFirst, format!("{number} was dialled, the customer had not answered"));
        }
        if self.plan.gates.customer && !pressed {
            self.blame(Promise::GateFirst, format!("{number} was dialled, the customer had not pressed 1"));
        }
    }

    pub(crate) fn rung(&mut self, index: usize, call: PhoneCall, sent: bool, text: &str) {
        let who = self.phones[index].1.story(call).and_then(|s| self.whose.get(&s.user).copied());
        let name = crate::ladders::name(who);
        let arrow = if sent { "-->" } else { "<--" };
        self.ladder_line(&format!("{name:<14} {arrow} {text}"));
    }

    pub(crate) fn ladder_line(&mut self, line: &str) {
        let tenths = self.now.0.saturating_sub(1_000_000) / 100_000;
        self.ladder.push(format!("{:>3}.{}  {line}", tenths / 10, tenths % 10));
        self.note(|| line.to_owned());
    }
}
