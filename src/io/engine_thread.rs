//! The engine's thread: one bounded inbox, the SIP sockets, outputs carried out in order. Owns the engine, the UDP sockets, the
//! table of connections and the clock it is driven by; refuses to decide anything.
//!
//! The thread sleeps in one `epoll_wait` on the UDP sockets and on an event counter that the inbox and the connections ring only
//! while it sleeps: wake-ups cost more than messages (performance.md), so SIP over UDP needs no hop through another thread.
//!
//! Work goes round: timers, a burst of each socket, a burst of the connections, all news of media and store, a burst of
//! requests. Whoever floods one of them delays the others by his burst, not by his flood.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, TryRecvError, TrySendError, channel, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::event::{EventfdFlags, Timespec, epoll, eventfd};
use tokio::sync::oneshot;

use super::clock::SystemClock;
use super::sip_stream::{Connections, Heard, Lost};
use super::sip_udp::UdpSockets;
use crate::engine::api::{
    After, Input, ListFilter, Look, Notice, Output, Refusal, Reply, ReplyTo, StaffWish, StoreFailure, StoreOp,
    StoreToken, SupervisorWish,
};
use crate::engine::{Engine, EngineConfig};
use crate::io::priority::{First, go_first};
use crate::media::api::{Clip, Command, Event};
use crate::model::{BusinessId, CallId, DayAdjustment, Directory, Hop, InitiationMessage, SipTransport, Target};
use crate::sip::api::Note;

/// Requests that may wait for the engine; one more is answered 503.
const INBOX: usize = 1024;
/// Datagrams of one socket, or messages of connections, taken before the rest is looked at again.
const SIP_BURST: usize = 64;
/// The largest UDP payload.
const DATAGRAM: usize = 65_535;
/// What epoll calls the SIP sockets.
const SIP: u64 = 0;

/// What carries SIP.
pub struct Wires {
    /// UDP.
    pub udp: UdpSockets,
    /// TCP and TLS.
    pub streams: Connections,
}

impl Wires {
    /// Our own address on the connection to this hop, if it is one.
    fn local(&self, hop: &Hop) -> Option<SocketAddr> {
        if hop.transport == SipTransport::Udp { None } else { self.streams.local(hop) }
    }
}

/// What the engine's outputs are carried out by.
pub struct Hands {
    /// Media; `Open` is answered at once.
    pub media: Box<dyn Fn(Command) -> Option<Event> + Send>,
    /// The store's queue; refuses when it is full.
    pub store: Box<dyn Fn(StoreToken, StoreOp) -> Result<(), StoreFailure> + Send>,
    /// Renders messages that will soon be played.
    pub prepare: Box<dyn Fn(Vec<Clip>) + Send>,
    /// Counts datagrams of strangers, which the engine never sees.
    pub strangers: Box<dyn Fn(u64) + Send>,
    /// Counts and logs.
    pub notice: Box<dyn Fn(&Notice) + Send>,
    /// Counts, logs and exports SIP messages.
    pub sip: Box<dyn Fn(&Seen<'_>) + Send>,
    /// Every live call is over after [`EngineHandle::drain`].
    pub drained: Box<dyn Fn() + Send>,
}

/// A SIP message that was sent, or received and understood.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// What the stack says of it.
    pub note: &'a Note,
    /// Where it went to or came from.
    pub peer: &'a Hop,
    /// Our own address on the connection that carries it; `None` for UDP, and where it is not known.
    pub local: Option<SocketAddr>,
    /// The whole of it.
    pub bytes: &'a [u8],
}

/// A request with its waiting asker.
enum Request {
    Initiate(Box<InitiationMessage>, oneshot::Sender<Reply>),
    Get(BusinessId, CallId, oneshot::Sender<Reply>),
    Ladder(BusinessId, CallId, oneshot::Sender<Reply>),
    Watch(BusinessId, CallId, After, oneshot::Sender<Reply>),
    List(BusinessId, ListFilter, oneshot::Sender<Reply>),
    Look(Look, oneshot::Sender<Reply>),
    Delete(BusinessId, CallId, oneshot::Sender<Reply>),
    Supervise(BusinessId, CallId, SupervisorWish, oneshot::Sender<Reply>),
    Staff(BusinessId, StaffWish, oneshot::Sender<Reply>),
}

/// News from our own threads. Their number is bounded by live legs and operations under way, so this way has no other bound:
/// to drop one of these would leak a port or lose a record.
enum News {
    Media(Event),
    Stored(StoreToken, Result<(), StoreFailure>),
    Directory(Arc<Directory>),
    Adjusted(Vec<DayAdjustment>),
    MediaFull(bool),
    RecordingFailed(CallId),
    Resolved(String, Vec<Target>),
    Reconfigure(Box<EngineConfig>),
    Drain,
    HangUpAll,
    Stop,
}

struct Shared {
    asleep: AtomicBool,
    bell: OwnedFd,
    depth: AtomicUsize,
    cpu_nanos: AtomicU64,
}

impl Shared {
    fn ring(&self) {
        if self.asleep.swap(false, Ordering::SeqCst) {
            // A full counter rings too, so a failure to add to it loses nothing.
            let _rung = rustix::io::write(&self.bell, &1u64.to_ne_bytes());
        }
    }
}

/// How the rest of the daemon speaks to the engine. Cheap to clone.
#[derive(Clone)]
pub struct EngineHandle {
    requests: SyncSender<Request>,
    news: Sender<News>,
    shared: Arc<Shared>,
}

impl EngineHandle {
    /// Asks for a call to be taken.
    pub async fn initiate(&self, message: InitiationMessage) -> Reply {
        self.ask(|reply| Request::Initiate(Box::new(message), reply)).await
    }

    /// Asks for a live call.
    pub async fn get(&self, business: BusinessId, call: CallId) -> Reply {
        self.ask(|reply| Request::Get(business, call, reply)).await
    }

    /// Asks for the ladder of a call that the store does not have yet.
    pub async fn ladder(&self, business: BusinessId, call: CallId) -> Reply {
        self.ask(|reply| Request::Ladder(business, call, reply)).await
    }

    /// Asks what happened to a live call after what is known; waits until there is something.
    pub async fn watch(&self, business: BusinessId, call: CallId, after: After) -> Reply {
        self.ask(|reply| Request::Watch(business, call, after, reply)).await
    }

    /// Asks for a part of the calls of a business that have no durable record.
    pub async fn list(&self, business: BusinessId, filter: ListFilter) -> Reply {
        self.ask(|reply| Request::List(business, filter, reply)).await
    }

    /// Looks at the whole equipment.
    pub async fn look(&self, look: Look) -> Reply {
        self.ask(|reply| Request::Look(look, reply)).await
    }

    /// Asks for a call to be ended.
    pub async fn delete(&self, business: BusinessId, call: CallId) -> Reply {
        self.ask(|reply| Request::Delete(business, call, reply)).await
    }

    /// Asks for something of a supervisor of a call.
    pub async fn supervise(&self, business: BusinessId, call: CallId, wish: SupervisorWish) -> Reply {
        self.ask(|reply| Request::Supervise(business, call, wish, reply)).await
    }

    /// Asks about a business's representatives, or says what one of them wants.
    pub async fn staff(&self, business: BusinessId, wish: StaffWish) -> Reply {
        self.ask(|reply| Request::Staff(business, wish, reply)).await
    }

    async fn ask(&self, request: impl FnOnce(oneshot::Sender<Reply>) -> Request) -> Reply {
        let unavailable = |why| Reply::Refused(Refusal::Unavailable { retry_after: 1, why });
        let (reply, answer) = oneshot::channel();
        match self.requests.try_send(request(reply)) {
            Ok(()) => {
                self.shared.depth.fetch_add(1, Ordering::Relaxed);
                self.shared.ring();
                answer.await.unwrap_or_else(|_| unavailable("the equipment is being stopped"))
            }
            Err(TrySendError::Full(_)) => unavailable("too many requests are waiting"),
            Err(TrySendError::Disconnected(_)) => unavailable("the equipment is being stopped"),
        }
    }

    /// From the media threads.
    pub fn media(&self, event: Event) {
        self.tell(News::Media(event));
    }

    /// The media threads are full, or no longer.
    pub fn media_full(&self, full: bool) {
        self.tell(News::MediaFull(full));
    }

    /// Something of a call's recording is missing.
    pub fn recording_failed(&self, call: CallId) {
        self.tell(News::RecordingFailed(call));
    }

    /// From the store.
    pub fn stored(&self, token: StoreToken, result: Result<(), StoreFailure>) {
        self.tell(News::Stored(token, result));
    }

    /// The accounts changed.
    pub fn directory(&self, directory: Arc<Directory>) {
        self.tell(News::Directory(directory));
    }

    /// Records were rated anew.
    pub fn adjusted(&self, adjusted: Vec<DayAdjustment>) {
        self.tell(News::Adjusted(adjusted));
    }

    /// A switch's name was looked up.
    pub fn resolved(&self, switch: String, targets: Vec<Target>) {
        self.tell(News::Resolved(switch, targets));
    }

    /// Switches or bounds changed.
    pub fn reconfigure(&self, config: EngineConfig) {
        self.tell(News::Reconfigure(Box::new(config)));
    }

    /// Take no new calls.
    pub fn drain(&self) {
        self.tell(News::Drain);
    }

    /// End every live call.
    pub fn hang_up_all(&self) {
        self.tell(News::HangUpAll);
    }

    /// End the thread.
    pub fn stop(&self) {
        self.tell(News::Stop);
    }

    /// Requests waiting: `callbridge_inbox_depth`.
    pub fn depth(&self) -> usize {
        self.shared.depth.load(Ordering::Relaxed)
    }

    /// CPU time the engine's thread has used.
    pub fn cpu(&self) -> Duration {
        Duration::from_nanos(self.shared.cpu_nanos.load(Ordering::Relaxed))
    }

    fn tell(&self, news: News) {
        // The engine's thread is gone only after `stop`: nothing is left to be told.
        let _told = self.news.send(news);
        self.shared.ring();
    }
}

/// The thread before it runs: its handle can be given to those it needs as hands.
pub struct Starting {
    handle: EngineHandle,
    requests: Receiver<Request>,
    news: Receiver<News>,
}

/// Makes the inbox.
pub fn prepare() -> io::Result<Starting> {
    let (request_sender, requests) = sync_channel(INBOX);
    let (news_sender, news) = channel();
    let shared = Shared {
        asleep: AtomicBool::new(false),
        bell: eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?,
        depth: AtomicUsize::new(0),
        cpu_nanos: AtomicU64::new(0),
    };
    let handle = EngineHandle { requests: request_sender, news: news_sender, shared: Arc::new(shared) };
    Ok(Starting { handle, requests, news })
}

impl Starting {
    /// The handle.
    pub fn handle(&self) -> EngineHandle {
        self.handle.clone()
    }

    /// Wakes the thread: for connections, which keep their own queue.
    pub fn bell(&self) -> impl Fn() + Send + Sync + 'static {
        let shared = Arc::clone(&self.handle.shared);
        move || shared.ring()
    }

    /// Runs the engine on a thread of its own.
    pub fn run(self, engine: Engine, wires: Wires, clock: SystemClock, hands: Hands) -> io::Result<JoinHandle<()>> {
        let poll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        wires.udp.watch(&poll, SIP)?;
        epoll::add(&poll, &self.handle.shared.bell, epoll::EventData::new_u64(1), epoll::EventFlags::IN)?;
        let runner = Runner {
            engine,
            wires,
            clock,
            hands,
            poll,
            requests: self.requests,
            news: self.news,
            shared: self.handle.shared,
            replies: HashMap::new(),
            next_reply: 0,
            opened: VecDeque::new(),
            refused: VecDeque::new(),
        };
        std::thread::Builder::new().name("engine".to_owned()).spawn(move || {
            go_first(First::Signalling);
            runner.run()
        })
    }
}

struct Runner {
    engine: Engine,
    wires: Wires,
    clock: SystemClock,
    hands: Hands,
    poll: OwnedFd,
    requests: Receiver<Request>,
    news: Receiver<News>,
    shared: Arc<Shared>,
    replies: HashMap<ReplyTo, oneshot::Sender<Reply>>,
    next_reply: u64,
    opened: VecDeque<Event>,
    refused: VecDeque<(StoreToken, StoreFailure)>,
}

impl Runner {
    fn run(mut self) {
        let mut buffer = vec![0; DATAGRAM];
        self.carry_out();
        loop {
            let mut worked = self.timers();
            worked |= self.datagrams(&mut buffer);
            worked |= self.streams();
            worked |= match self.inbox() {
                Inbox::Stop => return,
                Inbox::Worked => true,
                Inbox::Empty => false,
            };
            if !worked && matches!(self.sleep(), Inbox::Stop) {
                return;
            }
        }
    }

    fn timers(&mut self) -> bool {
        let now = self.clock.now();
        let due = self.engine.poll_timeout().is_some_and(|(at, _)| at <= now.mono);
        if due {
            self.give(Input::Timeout);
        }
        due
    }

    fn datagrams(&mut self, buffer: &mut [u8]) -> bool {
        let mut worked = false;
        let second = self.clock.now().mono.0 / 1_000_000;
        self.wires.udp.second(second);
        for socket in 0..self.wires.udp.len() {
            for _ in 0..SIP_BURST {
                let Some((length, from)) = self.wires.udp.receive(socket, buffer) else { break };
                worked = true;
                let strangers = self.wires.udp.strangers(from, second);
                if strangers > 0 {
                    (self.hands.strangers)(strangers);
                    continue;
                }
                let bytes = buffer.get(..length).unwrap_or_default();
                self.give(Input::Sip { from: &Hop::udp(from), bytes });
            }
        }
        worked
    }

    fn streams(&mut self) -> bool {
        for taken in 0..SIP_BURST {
            match self.wires.streams.hear() {
                None => return taken > 0,
                Some(Heard::Message(from, bytes)) => self.give(Input::Sip { from: &from, bytes: &bytes }),
                Some(Heard::Lost(Lost { hop, loss })) => self.give(Input::SipLost { hop: &hop, loss }),
                Some(Heard::Nothing) => {}
            }
        }
        true
    }

    fn inbox(&mut self) -> Inbox {
        let mut worked = Inbox::Empty;
        for _ in 0..INBOX {
            match self.news.try_recv() {
                Ok(News::Stop) => return Inbox::Stop,
                Ok(news) => self.hear(news),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => return Inbox::Stop,
            }
            worked = Inbox::Worked;
        }
        for _ in 0..SIP_BURST {
            let Ok(request) = self.requests.try_recv() else { break };
            self.shared.depth.fetch_sub(1, Ordering::Relaxed);
            self.serve(request);
            worked = Inbox::Worked;
        }
        worked
    }

    fn hear(&mut self, news: News) {
        match news {
            News::Media(event) => self.give(Input::Media(event)),
            News::Stored(token, result) => self.give(Input::Stored { token, result }),
            News::MediaFull(full) => self.give(Input::MediaFull(full)),
            News::RecordingFailed(call) => self.give(Input::RecordingFailed(call)),
            News::Directory(directory) => self.give(Input::Directory(directory)),
            News::Adjusted(adjusted) => self.give(Input::Adjusted(adjusted)),
            News::Resolved(switch, targets) => self.give(Input::Resolved { switch, targets }),
            News::Reconfigure(config) => {
                self.engine.reconfigure(*config);
                self.carry_out();
            }
            News::Drain => self.give(Input::Drain),
            News::HangUpAll => self.give(Input::HangUpAll),
            News::Stop => {}
        }
    }

    fn serve(&mut self, request: Request) {
        self.next_reply += 1;
        let reply = ReplyTo(self.next_reply);
        let (input, sender) = match request {
            Request::Initiate(message, sender) => (Input::Initiate { reply, message }, sender),
            Request::Get(business, call, sender) => (Input::Get { reply, business, call }, sender),
            Request::Ladder(business, call, sender) => (Input::Ladder { reply, business, call }, sender),
            Request::Watch(business, call, after, sender) => (Input::Watch { reply, business, call, after }, sender),
            Request::List(business, filter, sender) => (Input::List { reply, business, filter }, sender),
            Request::Look(look, sender) => (Input::Look { reply, look }, sender),
            Request::Delete(business, call, sender) => (Input::Delete { reply, business, call }, sender),
            Request::Staff(business, wish, sender) => (Input::Staff { reply, business, wish }, sender),
            Request::Supervise(business, call, wish, sender) => {
                (Input::Supervise { reply, business, call, wish }, sender)
            }
        };
        self.replies.insert(reply, sender);
        self.give(input);
    }

    fn give(&mut self, input: Input<'_>) {
        let now = self.clock.now();
        let heard = match &input {
            Input::Sip { from, bytes } => Some((*from, *bytes)),
            _ => None,
        };
        self.engine.handle(now, input);
        self.carry_out_after(heard);
        // A port that was asked for is answered before any other input.
        while let Some(event) = self.opened.pop_front() {
            self.engine.handle(now, Input::Media(event));
            self.carry_out();
        }
        while let Some((token, failure)) = self.refused.pop_front() {
            self.engine.handle(now, Input::Stored { token, result: Err(failure) });
            self.carry_out();
        }
        while let Some(Lost { hop, loss }) = self.wires.streams.poll_lost() {
            self.engine.handle(now, Input::SipLost { hop: &hop, loss });
            self.carry_out();
        }
    }

    fn carry_out(&mut self) {
        self.carry_out_after(None);
    }

    /// `heard` is the message that the outputs come from, if it was one.
    fn carry_out_after(&mut self, heard: Option<(&Hop, &[u8])>) {
        while let Some(output) = self.engine.poll_output() {
            match output {
                Output::Send { to, bytes, note } => {
                    match to.transport {
                        SipTransport::Udp => self.wires.udp.send(to.address, &bytes),
                        SipTransport::Tcp | SipTransport::Tls => self.wires.streams.send(&to, Arc::clone(&bytes)),
                    }
                    // Afterwards: only then is there surely a connection.
                    let local = self.wires.local(&to);
                    (self.hands.sip)(&Seen { note: &note, peer: &to, local, bytes: &bytes });
                }
                Output::Sources(sources) => {
                    self.wires.udp.set_sources(Arc::clone(&sources));
                    self.wires.streams.set_sources(sources);
                }
                Output::Media(command) => self.opened.extend((self.hands.media)(command)),
                Output::Prepare(clips) => (self.hands.prepare)(clips),
                Output::Store { token, op } => {
                    if let Err(failure) = (self.hands.store)(token, op) {
                        self.refused.push_back((token, failure));
                    }
                }
                Output::Reply { to, reply } => {
                    if let Some(sender) = self.replies.remove(&to) {
                        // The asker may have gone; the call goes on all the same.
                        let _answered = sender.send(reply);
                    }
                }
                Output::Notice(Notice::SipReceived(note)) => {
                    if let Some((peer, bytes)) = heard {
                        let local = self.wires.local(peer);
                        (self.hands.sip)(&Seen { note: &note, peer, local, bytes });
                    }
                }
                Output::Notice(notice) => (self.hands.notice)(&notice),
                Output::Drained => (self.hands.drained)(),
            }
        }
    }

    fn sleep(&mut self) -> Inbox {
        self.shared.asleep.store(true, Ordering::SeqCst);
        // Whoever put something in before the flag was up did not ring: look once more.
        match self.inbox() {
            Inbox::Empty if !self.wires.streams.has_news() => {}
            found => {
                self.shared.asleep.store(false, Ordering::SeqCst);
                return found;
            }
        }
        let cpu = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
        let nanos = u64::try_from(cpu.tv_sec * 1_000_000_000 + cpu.tv_nsec).unwrap_or(0);
        self.shared.cpu_nanos.store(nanos, Ordering::Relaxed);
        let now = self.clock.now().mono;
        let timeout = self.engine.poll_timeout().map(|(at, _)| timespec(at.since(now)));
        let mut events = [epoll::Event { flags: epoll::EventFlags::empty(), data: epoll::EventData::new_u64(0) }; 2];
        // An interrupted wait is a wait that ended early.
        let _woken = epoll::wait(&self.poll, &mut events, timeout.as_ref());
        if !self.shared.asleep.swap(false, Ordering::SeqCst) {
            let mut counter = [0; 8];
            let _silenced = rustix::io::read(&self.shared.bell, &mut counter);
        }
        Inbox::Empty
    }
}

enum Inbox {
    Empty,
    Worked,
    Stop,
}

fn timespec(after: Duration) -> Timespec {
    Timespec { tv_sec: i64::try_from(after.as_secs()).unwrap_or(i64::MAX), tv_nsec: i64::from(after.subsec_nanos()) }
}
