//! The equipment in its world: the engine of this life, what it puts out, its store's commits, its crashes and its coming up
//! again. Owns none of the engine's decisions.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use callbridge::engine::Engine;
use callbridge::engine::api::{Input, Notice, Output, StoreOp};
use callbridge::media::api::Command;
use callbridge::model::{CallState, LegId, SipTransport, Tariff};
use rand::rngs::StdRng;
use rand::{Rng, RngCore, SeedableRng};

use crate::contact;
use crate::limits;
use crate::media::Media;
use crate::plan::EQUIPMENT;
use crate::planted::Told;
use crate::promises::Promise;
use crate::setup::{EQUIPMENT_RTP, address, directory, engine_config};
use crate::staff;
use crate::world::{Event, World};

impl World {
    pub(crate) fn start_engine(&mut self) {
        let mut config = engine_config(&self.plan, &self.present);
        self.planted.configure(&mut config);
        let mut engine = Engine::new(config, StdRng::seed_from_u64(self.rng.next_u64()));
        let now = self.now_pair();
        let tariff = Tariff {
            customer_per_minute_micros: 20_000,
            representative_per_minute_micros: 10_000,
            increment_seconds: self.plan.tariff.0,
            minimum_seconds: self.plan.tariff.1,
            ..Tariff::default()
        };
        let mut plan = self.plan.retry.clone();
        self.planted.plan(&mut plan);
        let plans = crate::setup::tariffs(&self.plan);
        let account = directory((tariff, &plans), &self.plan, contact::account(&plan));
        engine.handle(now, Input::Directory(Arc::new(account)));
        let (mut open, mut last_alive) = self.store.restart();
        let began = |call: &callbridge::model::StoredCall| call.progress.started_at.is_some();
        self.dialled_before =
            open.iter().filter(|call| began(call)).filter_map(|call| self.wish_of(&call.message)).collect();
        self.planted.restore(&mut open, &mut last_alive);
        let mut usage = limits::usage(self.store.all_kept().flat_map(|(_, kept)| kept.records.last()));
        self.planted.usage(&mut usage);
        engine.recall_usage(now, &usage, &[]);
        // A part at a time, as the daemon does.
        open.chunks(2).for_each(|part| engine.restore(now, part.to_vec(), last_alive));
        let mut sessions = staff::sessions(&self.plan, now.wall);
        self.planted.sessions(&mut sessions, self.life);
        engine.recall_sessions(now, sessions);
        self.engine = Some(engine);
        self.look_up_all();
        self.drain_engine();
        // Clients that got no answer ask again: that is what the key is for.
        for wish in 0..self.fates.len() {
            let fate = &self.fates[wish];
            if self.life > 0 && fate.posted && fate.calls.is_empty() && fate.refused.is_none() {
                self.after(Duration::from_millis(20), Event::Post(wish));
            }
        }
    }

    pub(crate) fn tell_engine(&mut self, input: Input<'_>) {
        let now = self.now_pair();
        if let Some(engine) = &mut self.engine {
            engine.handle(now, input);
            self.drain_engine();
        }
    }

    pub(crate) fn drain_engine(&mut self) {
        let mut answers = VecDeque::new();
        loop {
            while let Some(output) = self.engine.as_mut().and_then(Engine::poll_output) {
                self.outputs += 1;
                if self.crashes.front().is_some_and(|limit| self.outputs >= *limit) {
                    return self.crash();
                }
                let output = self.untold(output);
                let (outputs, told) = self.planted.output(output);
                outputs.into_iter().for_each(|output| self.perform(output, &mut answers));
                answers.extend(told);
                for (delay, output) in std::mem::take(&mut self.planted.later) {
                    self.after(delay, Event::Late(Box::new(output)));
                }
            }
            let Some(answer) = answers.pop_front() else { return };
            let now = self.now_pair();
            let Some(engine) = &mut self.engine else { return };
            match answer {
                Told::Media(event) => engine.handle(now, Input::Media(event)),
                Told::Stored(token) => engine.handle(now, Input::Stored { token, result: Ok(()) }),
            }
        }
    }

    /// What is told to the webhook goes to the store beside its operation: nobody else asks for it.
    fn untold(&mut self, output: Output) -> Output {
        match output {
            Output::Store { token, op: StoreOp::Telling { op, told, .. } } => {
                self.store.tells(token, *told);
                Output::Store { token, op: *op }
            }
            output => output,
        }
    }

    pub(crate) fn perform(&mut self, output: Output, answers: &mut VecDeque<Told>) {
        match output {
            Output::Send { to, bytes, note } => {
                self.note(|| format!("→ {to} {} {:?} {:?}", note.method, note.status, note.leg.map(|l| l.attempt)));
                let (to_address, streams) = (to.address, self.streams_at(to.address));
                // These switches have no TCP: a request that is too long for UDP finds out.
                if to.transport == SipTransport::Tcp && !streams {
                    return self.after(Duration::from_millis(1), Event::NoTcp(to));
                }
                // At a host that speaks TCP the other end of its own connections is as good.
                if !streams && !self.phones.iter().any(|(address, _)| *address == to_address) {
                    self.blame(Promise::NothingToStrangers, format!("SIP sent to {to}"));
                }
                self.sent_after_the_end(&bytes, note.leg);
                self.roads.sent(self.now, to_address, &bytes, note.leg, (&self.plan.topology, &self.present));
                self.off_the_road();
                if to.transport == SipTransport::Tcp {
                    return self.send_on_line(&to, bytes);
                }
                self.carry(|world, delay| {
                    let bytes = Arc::clone(&bytes);
                    world.after(delay, Event::Sip { to: to_address, from: address(EQUIPMENT), bytes });
                });
            }
            Output::Media(command) => {
                self.note(|| format!("media {command:?}"));
                if let Command::Close { leg } = &command {
                    self.roads.released(self.now, *leg, (&self.plan.topology, &self.present));
                    self.off_the_road();
                }
                self.judge_consent(&command);
                answers.extend(self.media.command(self.now, command).map(Told::Media));
                self.hear_media();
            }
            Output::Store { token, op } => {
                if let StoreOp::Finish { record, .. } = &op {
                    self.over.insert(record.call_id);
                }
                self.note(|| format!("store {op:?}").chars().take(160).collect());
                self.store.submit(token, op);
                self.begin_commit();
            }
            Output::Reply { to, reply } => self.reply(to, reply),
            Output::Prepare(_) | Output::Sources(_) | Output::Drained => {}
            Output::Notice(notice) => {
                self.note(|| format!("notice {notice:?}"));
                if let Notice::State { call, to: CallState::Bridged, .. } = notice {
                    self.bridged(call);
                }
            }
        }
    }

    fn off_the_road(&mut self) {
        for (promise, text) in self.roads.broken() {
            self.blame(promise, text);
        }
    }

    /// A first INVITE for a call that has its record. (One that was lost may be repeated: until a provisional comes there is
    /// nothing that could be cancelled, RFC 3261 §9.1.)
    fn sent_after_the_end(&mut self, bytes: &Arc<[u8]>, leg: Option<LegId>) {
        if !bytes.starts_with(b"INVITE ") || !self.invites.insert(Arc::clone(bytes)) {
            return;
        }
        if let Some(leg) = leg.filter(|leg| self.over.contains(&leg.call)) {
            self.blame(Promise::NothingAfterTheEnd, format!("leg {} was dialled for a call that is over", leg.attempt));
        }
    }

    pub(crate) fn crash(&mut self) {
        self.note(|| "the equipment crashes".to_owned());
        self.crashes.pop_front();
        self.crashed.push(self.now);
        self.outputs = 0;
        self.life += 1;
        self.engine = None;
        self.lines_crash();
        self.roads.forget();
        self.committing = false;
        self.store.crash(self.rng.random());
        self.asked.clear();
        // What was not durable is to do again.
        let store = &self.store;
        self.over.retain(|call| store.kept(*call).is_some());
        let seed = self.rng.next_u64();
        // The daemon begins anywhere in its row of ports, so that peers of the life before do not meet new calls.
        let mut first = address(EQUIPMENT_RTP);
        first.set_port(first.port() + 2_000 * u16::try_from(self.life % 8).unwrap_or(0));
        self.media = Media::new(Arc::clone(&self.prompts), first, self.plan.ports, seed);
        let down = Duration::from_millis(self.rng.random_range(5..2_000));
        self.after(down, Event::Restart);
    }

    pub(crate) fn hear_media(&mut self) {
        self.take_recordings();
        while let Some(event) = self.media.poll_event() {
            if self.planted.hears(&event) {
                self.note(|| format!("media says {event:?}"));
                self.after(Duration::from_micros(200), Event::Media(self.life, event));
            }
        }
    }

    pub(crate) fn begin_commit(&mut self) {
        if !self.committing && self.store.begin() {
            self.committing = true;
            let most = if self.faulty { self.plan.faults.store_delay } else { Duration::from_millis(2) };
            let micros = self.rng.random_range(200..=most.as_micros().max(1_000) as u64);
            self.after(Duration::from_micros(micros), Event::Commit(self.life));
        }
    }

    pub(crate) fn commit(&mut self) {
        let fails = self.plan.faults.store_failure;
        let success = !(self.faulty && fails > 0.0 && self.rng.random_bool(fails));
        self.committing = false;
        for (token, result) in self.store.finish(success) {
            if self.planted.tells_stored(token) {
                self.tell_engine(Input::Stored { token, result });
            }
        }
        self.begin_commit();
    }
}
