//! Connections in virtual time: made or refused, bytes in order, broken with what was on the way, closed when they are quiet. The
//! equipment's side does what `io::sip_stream` does, written once more; the hosts' side is RFC 3261 §18 as their manners say.
//! Owns delivery over TCP; what must hold is judged in `promises` and by the phones.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use callbridge::clock::Mono;
use callbridge::engine::api::Input;
use callbridge::model::Hop;
use callbridge::phone::message::{Message, parameter};
use callbridge::sip::api::Loss;
use rand::Rng;

use crate::network::Weather;
use crate::plan::EQUIPMENT;
use crate::promises::Promise;
use crate::setup::address;
use crate::streams::{Manner, Upset};
use crate::topology::host;
use crate::world::{Event, World};

/// The equipment waits so long for a connection.
const CONNECT: Duration = Duration::from_secs(4);
/// A lost segment is sent again after this, and then after twice as long.
const SEGMENT_AGAIN: Duration = Duration::from_millis(200);
/// Nobody asks one host for more connections in a second.
const MOST_ATTEMPTS: usize = 40;

/// An end of a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum End {
    /// The equipment's.
    Equipment,
    /// The switch's.
    Switch,
}

/// What happens to a connection.
pub(crate) enum LineEvent {
    /// It is made, or refused.
    Made(u32),
    /// A message arrives at this end.
    Arrives { line: u32, at: End, bytes: Arc<[u8]> },
    /// This end notices that it is over.
    Gone(u32, End),
    /// It may have been quiet for long enough.
    Quiet(u32),
    /// Something befalls a host.
    Upset(Upset),
    /// A host takes connections again.
    Opens(usize),
}

/// One connection.
struct Line {
    /// Whose: the address at which the switch listens.
    host: SocketAddr,
    /// The equipment's end.
    near: SocketAddr,
    /// The switch's end.
    far: SocketAddr,
    ours: bool,
    made: bool,
    /// What goes to these ends is lost.
    deaf: [bool; 2],
    /// These ends know that it is over.
    told: [bool; 2],
    /// A request of the equipment went this way.
    asked: bool,
    /// Waits until it is made.
    waiting: Vec<Arc<[u8]>>,
    /// Branches of requests of the switch that went this way.
    branches: Vec<String>,
    /// When the last message arrives at these ends.
    last: [Mono; 2],
    said: Mono,
}

impl Line {
    /// What the equipment calls it.
    fn hop(&self) -> Hop {
        Hop::tcp(if self.ours { self.host } else { self.far })
    }
}

/// All of them.
#[derive(Default)]
pub(crate) struct Lines {
    all: BTreeMap<u32, Line>,
    /// The equipment's table.
    by_hop: BTreeMap<Hop, u32>,
    next: u32,
    /// Hosts that take none; true: silently.
    shut: BTreeMap<SocketAddr, bool>,
    attempts: BTreeMap<SocketAddr, VecDeque<Mono>>,
    /// Where requests of the switches came from, by branch.
    came: BTreeMap<String, BTreeSet<Hop>>,
}

impl Lines {
    fn add(&mut self, host: SocketAddr, ours: bool, now: Mono) -> u32 {
        self.next += 1;
        let port = |first: u16| first + u16::try_from(self.next % 10_000).unwrap_or(0);
        let (near, far) = match ours {
            true => (SocketAddr::new(address(EQUIPMENT).ip(), port(40_000)), host),
            false => (address(EQUIPMENT), SocketAddr::new(host.ip(), port(50_000))),
        };
        let line = Line {
            host,
            near,
            far,
            ours,
            made: false,
            deaf: [false; 2],
            told: [false; 2],
            asked: false,
            waiting: Vec::new(),
            branches: Vec::new(),
            last: [now; 2],
            said: now,
        };
        self.all.insert(self.next, line);
        self.next
    }

    /// One that a switch may use, the newest first.
    fn of_switch(&self, host: SocketAddr, fits: impl Fn(&Line) -> bool) -> Option<u32> {
        let usable = |line: &Line| line.host == host && !line.told[End::Switch as usize] && (line.made || !line.ours);
        self.all.iter().rev().find(|(_, line)| usable(line) && fits(line)).map(|(id, _)| *id)
    }

    /// Both ends know: it is forgotten.
    fn tidy(&mut self, id: u32) {
        if self.all.get(&id).is_some_and(|line| line.told == [true; 2]) {
            self.all.remove(&id);
        }
    }
}

impl World {
    /// The connections that befall trouble do so at their time.
    pub(crate) fn begin_lines(&mut self) {
        for (at, upset) in self.plan.topology.streams.upsets.clone() {
            self.after(at, Event::Line(LineEvent::Upset(upset)));
        }
    }

    /// True where this host speaks SIP over TCP.
    pub(crate) fn streams_at(&self, address: SocketAddr) -> bool {
        self.manner_of(address).is_some()
    }

    fn manner_of(&self, address: SocketAddr) -> Option<Manner> {
        self.plan.topology.streams.hosts.iter().find(|(at, _)| host(**at).ip() == address.ip()).map(|(_, m)| *m)
    }

    /// The equipment sends on the connection to this hop, or opens one.
    pub(crate) fn send_on_line(&mut self, to: &Hop, bytes: Arc<[u8]>) {
        let answer = bytes.starts_with(b"SIP/2.0 ");
        if answer {
            self.follows_its_connection(to, &bytes);
        }
        let mut to = to.clone();
        if answer && !self.lines.by_hop.contains_key(&to) {
            // RFC 3261 §18.2.2.
            let Some(back) = way_back(&bytes).filter(|back| self.phones.iter().any(|(at, _)| at == back)) else {
                return;
            };
            to = Hop::tcp(back);
        }
        let id = match self.lines.by_hop.get(&to) {
            Some(id) => *id,
            None => self.open_line(&to),
        };
        if let Some(line) = self.lines.all.get_mut(&id) {
            line.asked |= !answer;
        }
        self.put_on_line(id, End::Switch, bytes);
    }

    /// RFC 3261 §18.2.2: an answer goes back on the connection that its request came on, while there is one.
    fn follows_its_connection(&mut self, to: &Hop, answer: &[u8]) {
        let branch = Message::parse(answer).ok().and_then(|message| message.branch().map(str::to_owned));
        let came = branch.and_then(|branch| self.lines.came.get(&branch));
        let Some(came) = came.filter(|came| !came.contains(to)) else { return };
        if let Some(open) = came.iter().find(|hop| self.lines.by_hop.contains_key(*hop)) {
            let text = format!("an answer to {to}, its request came from {open}");
            self.blame(Promise::AnswersFollowTheirConnection, text);
        }
    }

    fn open_line(&mut self, to: &Hop) -> u32 {
        let now = self.now;
        let attempts = self.lines.attempts.entry(to.address).or_default();
        attempts.push_back(now);
        attempts.retain(|at| now.since(*at) < Duration::from_secs(1));
        if attempts.len() > MOST_ATTEMPTS {
            let text = format!("{to} is asked for {} connections in a second", attempts.len());
            self.blame(Promise::ConnectionsAreSpared, text);
        }
        let id = self.lines.add(to.address, true, now);
        self.lines.by_hop.insert(to.clone(), id);
        let silent = self.lines.shut.get(&to.address) == Some(&true);
        let after = if silent { CONNECT } else { self.segment() * 2 };
        self.after(after, Event::Line(LineEvent::Made(id)));
        id
    }

    /// A phone of a host that speaks TCP sends.
    pub(crate) fn phone_sends_on_line(&mut self, index: usize, to: SocketAddr, bytes: Arc<[u8]>) {
        let at = self.phones[index].0;
        let answer = bytes.starts_with(b"SIP/2.0 ");
        let reuses = self.manner_of(at).is_some_and(|manner| manner.reuses);
        let back = if answer { way_back(&bytes).unwrap_or(to) } else { to };
        let id = self.lines.of_switch(at, |line| line.near == to);
        let id = id.or_else(|| self.lines.of_switch(at, |line| line.near == back));
        let id = id.or_else(|| self.lines.of_switch(at, |_| reuses && !answer));
        let id = id.unwrap_or_else(|| {
            let id = self.lines.add(at, false, self.now);
            let after = self.segment() * 2;
            self.after(after, Event::Line(LineEvent::Made(id)));
            id
        });
        if let (false, Ok(message)) = (answer, Message::parse(&bytes)) {
            let branch = message.branch().unwrap_or_default().to_owned();
            self.lines.all.get_mut(&id).into_iter().for_each(|line| line.branches.push(branch.clone()));
        }
        self.put_on_line(id, End::Equipment, bytes);
    }

    /// Bytes arrive in their order, those that a segment's loss holds up too.
    fn put_on_line(&mut self, id: u32, at: End, bytes: Arc<[u8]>) {
        let (now, delay) = (self.now, self.segment());
        let Some(line) = self.lines.all.get_mut(&id) else { return };
        if !line.made {
            return line.waiting.push(bytes);
        }
        line.said = now;
        let last = &mut line.last[at as usize];
        *last = (*last).max(now + delay);
        let after = last.since(now);
        self.after(after, Event::Line(LineEvent::Arrives { line: id, at, bytes }));
    }

    /// How long one segment takes.
    fn segment(&mut self) -> Duration {
        let weather = self.plan.faults.weather.filter(|_| self.faulty).unwrap_or(Weather::CALM);
        let jitter = self.rng.random_range(0..=weather.jitter.as_micros() as u64);
        let mut takes = weather.delay.max(Duration::from_micros(100)) + Duration::from_micros(jitter);
        let mut again = SEGMENT_AGAIN;
        while weather.loss > 0.0 && self.rng.random_bool(weather.loss) && again < Duration::from_secs(2) {
            takes += again;
            again *= 2;
        }
        takes
    }

    pub(crate) fn line(&mut self, event: LineEvent) {
        match event {
            LineEvent::Made(id) => self.made(id),
            LineEvent::Arrives { line, at, bytes } => self.arrives(line, at, &bytes),
            LineEvent::Gone(id, End::Equipment) => self.gone_for_equipment(id, Loss::Broke),
            LineEvent::Gone(id, End::Switch) => self.gone_for_switch(id),
            LineEvent::Quiet(id) => self.quiet(id),
            LineEvent::Upset(upset) => self.upset(upset),
            LineEvent::Opens(at) => {
                self.lines.shut.remove(&host(at));
                self.note(|| format!("{} takes connections again", host(at)));
            }
        }
    }

    fn made(&mut self, id: u32) {
        let Some(line) = self.lines.all.get_mut(&id) else { return };
        let refused = if line.ours { self.lines.shut.contains_key(&line.host) } else { self.engine.is_none() };
        if refused {
            let ours = line.ours;
            line.deaf = [true; 2];
            line.told[if ours { End::Switch } else { End::Equipment } as usize] = true;
            return if ours { self.gone_for_equipment(id, Loss::NotMade) } else { self.gone_for_switch(id) };
        }
        line.made = true;
        let (ours, hop, at) = (line.ours, line.hop(), line.host);
        let waiting = std::mem::take(&mut line.waiting);
        if !ours {
            self.lines.by_hop.insert(hop, id);
        }
        self.note(|| format!("connection {id} to {at} is made, ours: {ours}"));
        let to = if ours { End::Switch } else { End::Equipment };
        waiting.into_iter().for_each(|bytes| self.put_on_line(id, to, bytes));
        if let Some(after) = self.manner_of(at).and_then(|manner| manner.closes_after) {
            self.after(after, Event::Line(LineEvent::Quiet(id)));
        }
    }

    fn arrives(&mut self, id: u32, at: End, bytes: &Arc<[u8]>) {
        let Some(line) = self.lines.all.get(&id).filter(|line| !line.deaf[at as usize]) else { return };
        let (near, whose, hop) = (line.near, line.host, line.hop());
        match at {
            End::Equipment if self.engine.is_some() => {
                self.roads.heard(self.now, whose, bytes);
                if let Some(branch) =
                    Message::parse(bytes).ok().filter(|m| m.method().is_some()).and_then(|m| m.branch())
                {
                    self.lines.came.entry(branch.to_owned()).or_default().insert(hop.clone());
                }
                let bytes = self.planted.receives(bytes);
                self.tell_engine(Input::Sip { from: &hop, bytes: &bytes });
            }
            End::Equipment => {}
            End::Switch => self.phone_hears(whose, near, bytes),
        }
    }

    /// The equipment finds a connection gone, or was refused one.
    fn gone_for_equipment(&mut self, id: u32, loss: Loss) {
        let Some(line) = self.lines.all.get_mut(&id) else { return };
        line.told[End::Equipment as usize] = true;
        let (hop, asked, at) = (line.hop(), line.asked, line.host);
        self.lines.tidy(id);
        if self.lines.by_hop.get(&hop) != Some(&id) {
            return;
        }
        self.lines.by_hop.remove(&hop);
        self.note(|| format!("connection {id} to {at}: {loss:?}, asked: {asked}"));
        if asked {
            self.roads.lost(at, loss);
            if self.planted.loses(&hop, loss) {
                self.tell_engine(Input::SipLost { hop: &hop, loss });
            }
        }
    }

    /// A switch finds a connection gone.
    fn gone_for_switch(&mut self, id: u32) {
        let Some(line) = self.lines.all.get_mut(&id) else { return };
        if std::mem::replace(&mut line.told[End::Switch as usize], true) {
            return;
        }
        let (at, branches) = (line.host, std::mem::take(&mut line.branches));
        self.lines.tidy(id);
        // One that could not be made has no better chance at once.
        let resends = self.manner_of(at).is_some_and(|manner| manner.resends) && self.engine.is_some();
        if let Some(index) = self.phones.iter().position(|(address, _)| *address == at) {
            self.phones[index].1.torn(self.now, &branches, resends);
            self.drain_phone(index);
        }
    }

    /// A switch closes a connection on which nothing was said for long: what it has said still arrives.
    fn quiet(&mut self, id: u32) {
        let delay = self.segment();
        let Some(line) = self.lines.all.get(&id) else { return };
        let Some(after) = self.manner_of(line.host).and_then(|manner| manner.closes_after) else { return };
        let waited = self.now.since(line.said);
        if waited < after {
            return self.after(after - waited, Event::Line(LineEvent::Quiet(id)));
        }
        if line.deaf != [false; 2] {
            return;
        }
        let (now, at) = (self.now, line.host);
        self.excuse(at, Mono(0));
        let Some(line) = self.lines.all.get_mut(&id) else { return };
        line.deaf[End::Switch as usize] = true;
        let noticed = line.last[End::Equipment as usize].max(now + delay).since(now);
        self.after(noticed, Event::Line(LineEvent::Gone(id, End::Equipment)));
        self.gone_for_switch(id);
    }

    /// The phones of this host may get again what was lost, before they know of it themselves.
    fn excuse(&mut self, at: SocketAddr, faithful_from: Mono) {
        let now = self.now;
        for (_, phone) in self.phones.iter_mut().filter(|(address, _)| *address == at) {
            phone.excuse(now);
            let config = phone.config();
            config.faithful_from = config.faithful_from.max(faithful_from);
        }
    }

    fn upset(&mut self, upset: Upset) {
        self.note(|| format!("{upset:?}"));
        let at = match upset {
            Upset::Breaks(at) => at,
            Upset::Shut { host: at, lasts, silently } => {
                self.lines.shut.insert(host(at), silently);
                self.after(lasts, Event::Line(LineEvent::Opens(at)));
                // Until then, and while a last try is on its way, the equipment cannot answer for not being heard.
                self.excuse(host(at), self.now + lasts + CONNECT);
                at
            }
        };
        if self.trace.is_some() {
            self.ladder_line(&format!("{:<14} ··· its connections break", host(at).ip()));
        }
        let ids: Vec<u32> =
            self.lines.all.iter().filter(|(_, line)| line.host == host(at) && line.made).map(|(id, _)| *id).collect();
        ids.into_iter().for_each(|id| self.break_line(id));
    }

    fn break_line(&mut self, id: u32) {
        let Some(line) = self.lines.all.get_mut(&id) else { return };
        line.deaf = [true; 2];
        let at = line.host;
        self.excuse(at, Mono(0));
        let most = self.manner_of(at).map_or(1, |manner| manner.notices.as_micros() as u64);
        for end in [End::Equipment, End::Switch] {
            let noticed = Duration::from_micros(self.rng.random_range(0..=most));
            self.after(noticed, Event::Line(LineEvent::Gone(id, end)));
        }
    }

    /// The equipment crashed: its kernel ends every connection.
    pub(crate) fn lines_crash(&mut self) {
        self.lines.by_hop.clear();
        let ids: Vec<u32> = self.lines.all.keys().copied().collect();
        for id in ids {
            let Some(line) = self.lines.all.get_mut(&id) else { continue };
            (line.deaf, line.told[End::Equipment as usize]) = ([true; 2], true);
            self.after(Duration::from_millis(1), Event::Line(LineEvent::Gone(id, End::Switch)));
        }
    }
}

/// Where an answer goes whose connection is gone (RFC 3261 §18.2.2).
fn way_back(answer: &[u8]) -> Option<SocketAddr> {
    let message = Message::parse(answer).ok()?;
    let via = message.get("Via")?;
    let sent_by = via.split(' ').nth(1)?.split(';').next()?;
    let sent_by: SocketAddr = sent_by.parse().or_else(|_| format!("{sent_by}:5060").parse()).ok()?;
    let ip = parameter(via, "received").and_then(|ip| ip.parse().ok()).unwrap_or(sent_by.ip());
    Some(SocketAddr::new(ip, sent_by.port()))
}
