//! Wiring: configuration to threads and listeners, and back; reload and drain. Owns the order in which parts start and stop;
//! refuses every decision about calls.
//!
//! Start: store → prompts → media → engine (restored) → HTTP. Stop: no new calls → live ones end or the time is over → HTTP →
//! engine → media → store. What is accepted is durable at every moment, so an abrupt end loses nothing.

mod settings;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use arc_swap::ArcSwap;
use rand::SeedableRng;
use rand::rngs::StdRng;
use tokio::sync::{Notify, watch};

use self::settings::{engine_config, media_settings, stir, talks, writer_bounds};

use crate::config::{self, Config, ConfigErrors};
use crate::engine::Engine;
use crate::engine::api::{Input, Notice};
use crate::io::clock::SystemClock;
use crate::io::engine_thread::{self, EngineHandle, Hands};
use crate::io::hep::Hep;
use crate::io::http::adapters::{ArchivePort, OutboxOf};
use crate::io::http::admin::AdminApp;
use crate::io::http::admin::billing::{TariffView, views};
use crate::io::http::admin::operators::Operators;
use crate::io::http::console::Console;
use crate::io::http::door::Door;
use crate::io::http::events::Followers;
use crate::io::http::guard::PasswordGuard;
use crate::io::http::server::{Server, ServerLimits};
use crate::io::http::token::Tokens;
use crate::io::http::{App, Health, Patience, Phase, admin_router, router};
use crate::io::jose::Encryption;
use crate::io::logs::{self, CallLog};
use crate::io::media_thread::{MediaHandle, Sinks};
use crate::io::passwords::{Verifier, VerifierLimits};
use crate::io::prompts::PromptLibrary;
use crate::io::recordings::Recordings;
use crate::io::resolver::{Found, Resolver};
use crate::io::sip_listen::{Bound, ListenError, SipSide};
use crate::io::stir::StirError;
use crate::io::store::{Archive, DirectoryWatch, SqliteStore, Store, Usage, seed_businesses, watch_directory};
use crate::io::telemetry::{self, Metrics};
use crate::io::tls::ServerTls;
use crate::io::traces::{TraceSink, Traces};
use crate::io::webhooks::{Means, Webhooks};
use crate::media::api::Prompts;
use crate::model::{Directory, TariffName};
use crate::sip::api::{Locals, RefusedWhy};

/// How often the store is asked whether the accounts changed.
const ACCOUNTS: Duration = Duration::from_millis(500);
/// After the live calls were hung up, their BYEs and records may take so long.
const LAST_WORDS: Duration = Duration::from_secs(5);
/// Calls that a restart reads at once.
const RESTORED: usize = 1_000;

/// Why the daemon does not run.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// The configuration is wrong: exit code 2.
    #[error("{0}")]
    Config(#[from] ConfigErrors),
    /// The key that calls are signed with: exit code 2 as well.
    #[error("{0}")]
    Stir(#[from] StirError),
    /// A listener's address cannot be taken.
    #[error("cannot listen on {address} for {what}: {error}; is another callbridge, or another program, on this port?")]
    Listen {
        /// HTTP, admin or SIP.
        what: &'static str,
        /// Which.
        address: SocketAddr,
        /// What the system said.
        error: std::io::Error,
    },
    /// Store, prompts, TLS files, media: each says itself what is wrong and the mend.
    #[error("{0}")]
    Part(#[from] Box<dyn std::error::Error + Send + Sync>),
    /// Threads and the like.
    #[error("the system refused: {0}")]
    System(#[from] std::io::Error),
}

impl DaemonError {
    /// The contract's exit code: 2 for a wrong configuration, 1 otherwise.
    pub fn exit_code(&self) -> u8 {
        match self {
            DaemonError::Config(_) | DaemonError::Stir(_) => 2,
            DaemonError::Listen { .. } | DaemonError::Part(_) | DaemonError::System(_) => 1,
        }
    }
}

/// Where a running daemon listens.
#[derive(Clone, Copy, Debug)]
pub struct Addresses {
    /// The API.
    pub http: SocketAddr,
    /// /metrics /healthz /readyz.
    pub admin: SocketAddr,
    /// SIP, the first of its addresses.
    pub sip: SocketAddr,
}

/// A running daemon. Dropping it without [`Daemon::stop`] is a crash as far as calls are concerned.
pub struct Daemon {
    config: Config,
    addresses: Addresses,
    locals: Locals,
    engine: EngineHandle,
    engine_thread: JoinHandle<()>,
    media: Arc<MediaHandle>,
    store: Arc<SqliteStore>,
    prompts: Arc<PromptLibrary>,
    recordings: Recordings,
    tls: Option<ServerTls>,
    admin_tls: Option<ServerTls>,
    operators: Arc<ArcSwap<Operators>>,
    tariffs: Arc<ArcSwap<Vec<TariffView>>>,
    encryption: Arc<ArcSwap<Encryption>>,
    sip: SipSide,
    found: Found,
    resolver: Resolver,
    health: Arc<Health>,
    drained: Arc<Notify>,
    stop_http: watch::Sender<bool>,
    servers: Vec<tokio::task::JoinHandle<()>>,
    webhooks: Webhooks,
    traces: Option<Traces>,
    directory: DirectoryWatch,
}

impl Daemon {
    /// Starts every part; returns when all listeners are up.
    pub async fn start(config: Config) -> Result<Daemon, DaemonError> {
        raise_file_limit();
        let clock = SystemClock::start();
        let metrics = telemetry::metrics();
        let starting = engine_thread::prepare()?;
        let engine = starting.handle();
        // Its data takes a moment to load, and nobody waits for it here.
        let _loads = std::thread::Builder::new().name("numbers".to_owned()).spawn(crate::model::kinds::load);

        let to_engine = engine.clone();
        let stored = Box::new(move |token, result| to_engine.stored(token, result));
        let store = Arc::new(SqliteStore::open(&config.store.path, writer_bounds(&config), stored).map_err(part)?);
        seed_businesses(store.archive(), &config.businesses, wall()).map_err(part)?;
        let folder = config.store.path.parent().map(Path::to_path_buf).unwrap_or_default();
        let prompts = Arc::new(PromptLibrary::start(&config.prompt, &config.speech, &folder).map_err(part)?);

        let to_engine = engine.clone();
        let failed = Arc::new(move |call| to_engine.recording_failed(call));
        let recordings = Recordings::start(talks(&config), failed)?;
        let to_engine = engine.clone();
        let events = Arc::new(move |event| to_engine.media(event));
        let to_engine = engine.clone();
        let full = Arc::new(move |full| to_engine.media_full(full));
        let library: Arc<dyn Prompts> = Arc::clone(&prompts) as Arc<dyn Prompts>;
        let sinks = Sinks { events, full, recordings: recordings.sink() };
        let media = MediaHandle::start(media_settings(&config), library, sinks).map_err(part)?;
        let media = Arc::new(media);

        let bound = Bound::new(&config.sip).map_err(not_listening)?;
        let locals = bound.locals().clone();
        let directory = Arc::new(accounts_of(&config, &store)?);
        let settings = engine_config(&config, &locals, stir(&config)?);
        let traces = config.traces.as_ref().map(Traces::start).transpose().map_err(part)?;
        let eyes = Eyes::open(&config, &metrics, settings.sip.clone(), traces.as_ref().map(Traces::sink))?;
        let mut pure = Engine::new(settings, StdRng::from_os_rng());
        pure.handle(clock.now(), Input::Directory(Arc::clone(&directory)));
        let adjusted = take_back(&mut pure, &store, &directory, &clock)?;
        prompts.businesses_changed(&directory);

        let drained = Arc::new(Notify::new());
        let hands = hands(&media, &store, &prompts, eyes, &drained);
        let counted = metrics.clone();
        let refused = move |why| counted.observe(&Notice::SipRefused(why));
        let (wires, sip) = bound.serve(&config.sip, starting.bell(), refused).map_err(not_listening)?;
        let engine_thread = starting.run(pure, wires, clock, hands)?;

        let accounts = Arc::new(ArcSwap::new(directory));
        let means = Means::load(&config).map_err(part)?;
        let webhooks = Webhooks::start(Arc::clone(&store), Arc::clone(&accounts), means, wall);
        let watch = watch_accounts(&store, &accounts, &engine, &prompts, webhooks.accounts_changed(), adjusted)?;
        let health = Arc::new(Health::default());
        let tls = config.http.tls.as_ref().map(ServerTls::load).transpose().map_err(part)?;
        let operators = Arc::new(ArcSwap::from_pointee(operators(&config, &store)?));
        let encryption = Arc::new(ArcSwap::from_pointee(Encryption::load(&config.encryption).map_err(part)?));
        let app = app(&config, &engine, &store, accounts, &encryption, &webhooks, &health)?;
        let (stop_http, stopped) = watch::channel(false);
        let gauges = scrape(&metrics, &engine, &media);
        let api = listen("HTTP", config.http.listen, tls.clone(), router(Arc::new(app))).await?;
        let api = api.trusting(&config.http.trusted_proxies);
        let admin_tls = config.admin.tls.as_ref().map(ServerTls::load).transpose().map_err(part)?;
        let tariffs = Arc::new(ArcSwap::from_pointee(views(&config.tariffs)));
        let (shown, known) = (Arc::clone(&tariffs), Arc::clone(&operators));
        let app = Arc::new(AdminApp::new(&store, folder, known, shown, wall).map_err(part)?);
        let console = Console::new(app, engine.clone(), Arc::clone(&gauges), admin_tls.is_some());
        let routes = admin_router(Some(Arc::new(console)), Arc::clone(&health), gauges);
        let admin = listen("admin", config.admin.listen, admin_tls.clone(), routes).await?;
        let admin = admin.trusting(&config.http.trusted_proxies);
        let addresses = Addresses { http: api.address()?, admin: admin.address()?, sip: locals.first() };
        let servers = [api, admin].map(|server| tokio::spawn(server.serve(stopped.clone()))).into();
        let to_engine = engine.clone();
        let found: Found = Arc::new(move |switch, targets| to_engine.resolved(switch, targets));
        let resolver = Resolver::start(&config, &found);
        health.set(Phase::Ready);
        Ok(Daemon {
            config,
            addresses,
            locals,
            engine,
            engine_thread,
            media,
            store,
            prompts,
            recordings,
            tls,
            admin_tls,
            operators,
            tariffs,
            encryption,
            sip,
            found,
            resolver,
            health,
            drained,
            stop_http,
            servers,
            webhooks,
            traces,
            directory: watch,
        })
    }

    /// Where it listens.
    pub fn addresses(&self) -> Addresses {
        self.addresses
    }

    /// The prompt library, for those who want to wait until a message is rendered.
    pub fn prompts(&self) -> &PromptLibrary {
        &self.prompts
    }

    /// Takes over what can change while calls are live. Returns what cannot, in words.
    pub fn reload(&mut self, new: Config) -> Result<Vec<&'static str>, DaemonError> {
        for (tls, files) in [(&self.tls, &new.http.tls), (&self.admin_tls, &new.admin.tls)] {
            if let (Some(tls), Some(files)) = (tls, files) {
                tls.reload(Some(files)).map_err(part)?;
            }
        }
        let operators = operators(&new, &self.store)?;
        let encryption = Encryption::load(&new.encryption).map_err(part)?;
        let stir = stir(&new)?;
        let means = Means::load(&new).map_err(part)?;
        self.encryption.store(Arc::new(encryption));
        self.operators.store(Arc::new(operators));
        self.tariffs.store(Arc::new(views(&new.tariffs)));
        accounts_of(&new, &self.store)?;
        self.sip.reload(&new.sip).map_err(part)?;
        seed_businesses(self.store.archive(), &new.businesses, wall()).map_err(part)?;
        self.engine.reconfigure(engine_config(&new, &self.locals, stir));
        self.resolver = Resolver::start(&new, &self.found);
        self.webhooks.reload(means);
        let old = &self.config;
        let fixed = [
            ("[http] listen", old.http.listen != new.http.listen || old.http.tls.is_some() != new.http.tls.is_some()),
            ("[http] trusted_proxies", old.http.trusted_proxies != new.http.trusted_proxies),
            (
                "[admin] listen",
                old.admin.listen != new.admin.listen || old.admin.tls.is_some() != new.admin.tls.is_some(),
            ),
            ("[admin] audit_days", old.admin.audit_days != new.admin.audit_days),
            ("[sip] listen", old.sip.listen != new.sip.listen || old.sip.tls.is_some() != new.sip.tls.is_some()),
            ("[media]", media_settings(old) != media_settings(&new)),
            ("[store] url", old.store.path != new.store.path),
            ("[recording]", old.recording != new.recording),
            ("[hep]", old.hep != new.hep),
            ("[traces]", old.traces != new.traces),
            ("[webhooks] keep_days", old.webhooks.keep_days != new.webhooks.keep_days),
        ];
        self.config.call = new.call;
        Ok(fixed.into_iter().filter_map(|(key, changed)| changed.then_some(key)).collect())
    }

    /// Drains and ends: no new calls; live ones end, or are ended when `drain_seconds` have passed.
    pub async fn stop(self) {
        self.health.set(Phase::Draining);
        self.engine.drain();
        let patience = Duration::from_secs(u64::from(self.config.call.drain_seconds));
        if tokio::time::timeout(patience, self.drained.notified()).await.is_err() {
            tracing::warn!("live calls are ended: the drain took longer than drain_seconds");
            self.engine.hang_up_all();
            let _last_words = tokio::time::timeout(LAST_WORDS, self.drained.notified()).await;
        }
        let _all_told = self.stop_http.send(true);
        for server in self.servers {
            let _served = server.await;
        }
        self.engine.stop();
        let (engine_thread, sip) = (self.engine_thread, self.sip);
        let _ended = tokio::task::spawn_blocking(move || engine_thread.join()).await;
        if let Some(traces) = self.traces {
            traces.stop().await;
        }
        sip.stop().await;
        // The last calls have told their end; what is not taken by now is sent at the next start.
        self.webhooks.stop().await;
        let joined = tokio::task::spawn_blocking(move || {
            drop(self.directory);
            drop(self.media);
            drop(self.recordings);
            drop(self.prompts);
            drop(self.store);
        });
        let _ended = joined.await;
    }
}

/// What the API's handlers share.
fn app(
    config: &Config,
    engine: &EngineHandle,
    store: &Arc<SqliteStore>,
    accounts: Arc<ArcSwap<Directory>>,
    encryption: &Arc<ArcSwap<Encryption>>,
    webhooks: &Webhooks,
    health: &Arc<Health>,
) -> Result<App, DaemonError> {
    let secret = store.secret().map_err(part)?;
    Ok(App {
        engine: Arc::new(engine.clone()),
        store: Arc::new(ArchivePort(Arc::clone(store) as Arc<dyn Archive>)),
        outbox: Arc::new(OutboxOf(Arc::clone(store))),
        directory: accounts,
        encryption: Arc::clone(encryption),
        recordings: talks(config),
        verifier: Verifier::new(VerifierLimits::default()).map_err(part)?,
        guard: Arc::new(PasswordGuard::with_trail(store)),
        tokens: Tokens::new(&secret),
        sinks: Arc::new(webhooks.judge()),
        health: Arc::clone(health),
        clock: wall,
        patience: Patience::default(),
        followers: Followers::default(),
        door: Door::new(&secret, config.http.trusted_proxies.clone()).map_err(part)?,
    })
}

/// Runs the daemon until SIGTERM or SIGINT; reloads at SIGHUP. The one `ready` line goes to stderr.
pub fn serve(path: &Path) -> Result<(), DaemonError> {
    let config = config::load(path)?;
    logs::init_logging(&config.log);
    crate::io::allocator::give_back_large_blocks();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(run(config, path.to_path_buf()))
}

async fn run(config: Config, path: PathBuf) -> Result<(), DaemonError> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let mut hup = signal(SignalKind::hangup())?;
    let mut daemon = Daemon::start(config).await?;
    let Addresses { http, admin, sip } = daemon.addresses();
    tracing::info!(target: "ready", %http, %admin, %sip, "ready");
    loop {
        tokio::select! {
            _ = term.recv() => break,
            _ = int.recv() => break,
            _ = hup.recv() => reload(&mut daemon, &path),
        }
    }
    tracing::info!("draining");
    daemon.stop().await;
    Ok(())
}

/// A wrong file changes nothing.
fn reload(daemon: &mut Daemon, path: &Path) {
    let outcome = config::load(path).map_err(DaemonError::from).and_then(|config| daemon.reload(config));
    match outcome {
        Ok(fixed) if fixed.is_empty() => tracing::info!("configuration reloaded"),
        Ok(fixed) => tracing::warn!(needs_restart = fixed.join(", "), "configuration reloaded, but for these keys"),
        Err(error) => tracing::error!(%error, "configuration not reloaded"),
    }
}

/// The accounts; a warning for each whose tariff is not there: it can make no call.
fn accounts_of(config: &Config, store: &SqliteStore) -> Result<Directory, DaemonError> {
    let directory = store.directory().map_err(part)?;
    let there = |name: &TariffName| config.tariffs.iter().any(|plan| plan.name == *name);
    for business in directory.businesses.values() {
        if let Some(name) = business.tariff_name.as_ref().filter(|name| !there(name)) {
            let (business, tariff) = (&business.id, name.as_str());
            tracing::warn!(%business, tariff, "the account's tariff is not in the configuration: its calls are refused");
        }
    }
    Ok(directory)
}

fn part(error: impl std::error::Error + Send + Sync + 'static) -> DaemonError {
    DaemonError::Part(Box::new(error))
}

/// Tells the engine what the store knows: what counts against limits, and the calls that were not over. Gives the number of the last
/// adjustment that it was told of.
fn take_back(
    pure: &mut Engine,
    store: &SqliteStore,
    directory: &crate::model::Directory,
    clock: &SystemClock,
) -> Result<i64, DaemonError> {
    let now = clock.now();
    pure.recall_requests(now, &store.direct_requests(now.wall).map_err(part)?);
    let Usage { days, adjusted } = store.usage(Engine::usage_since(now.wall)).map_err(part)?;
    let called = match directory.businesses.values().any(|business| business.limits.caps_numbers()) {
        true => store.called(Engine::called_since(now.wall)).map_err(part)?,
        false => Vec::new(),
    };
    pure.recall_usage(now, &days, &called);
    let last_alive = store.last_alive().map_err(part)?;
    // A part at a time: a million calls may wait.
    let mut after = None;
    loop {
        let open = store.open_calls(after, RESTORED).map_err(part)?;
        let Some(last) = open.last() else { break };
        after = Some(last.id);
        pure.restore(clock.now(), open, last_alive);
    }
    pure.recall_sessions(clock.now(), store.sessions(now.wall).map_err(part)?);
    Ok(adjusted)
}

fn wall() -> crate::clock::Wall {
    SystemClock::start().now().wall
}

/// Whoever looks at what happens.
struct Eyes {
    metrics: Metrics,
    log: CallLog,
    hep: Option<Hep>,
    traces: Option<TraceSink>,
}

impl Eyes {
    fn open(
        config: &Config,
        metrics: &Metrics,
        locals: Locals,
        traces: Option<TraceSink>,
    ) -> Result<Eyes, DaemonError> {
        let hep = config.hep.as_ref().map(|hep| Hep::start(hep, locals)).transpose()?;
        Ok(Eyes { metrics: metrics.clone(), log: CallLog::new(&config.log), hep, traces })
    }
}

fn hands(
    media: &Arc<MediaHandle>,
    store: &Arc<SqliteStore>,
    prompts: &Arc<PromptLibrary>,
    eyes: Eyes,
    drained: &Arc<Notify>,
) -> Hands {
    let (media, store, prompts, drained) =
        (Arc::clone(media), Arc::clone(store), Arc::clone(prompts), Arc::clone(drained));
    let Eyes { metrics, log, hep, traces } = eyes;
    let counts = metrics.clone();
    Hands {
        media: Box::new(move |command| media.command(command)),
        store: Box::new(move |token, op| store.submit(token, op)),
        prepare: Box::new(move |clips| clips.into_iter().for_each(|clip| prompts.prepare(clip))),
        strangers: Box::new(move |count| telemetry::refused(RefusedWhy::Stranger, count)),
        notice: Box::new(move |notice| {
            counts.observe(notice);
            log.notice(notice);
            if let Some(traces) = &traces {
                traces.notice(notice);
            }
        }),
        sip: Box::new(move |message| {
            metrics.sip(message.note);
            log.sip(message);
            if let Some(hep) = &hep {
                hep.capture(message);
            }
        }),
        drained: Box::new(move || drained.notify_one()),
    }
}

fn operators(config: &Config, store: &Arc<SqliteStore>) -> Result<Operators, DaemonError> {
    // The same secret as for followers' tokens: what is signed begins with what it is for.
    let secret = store.secret().map_err(part)?;
    Operators::load(&config.admin.operators, &secret).map_err(part)
}

fn watch_accounts(
    store: &Arc<SqliteStore>,
    accounts: &Arc<ArcSwap<crate::model::Directory>>,
    engine: &EngineHandle,
    prompts: &Arc<PromptLibrary>,
    told: impl Fn() + Send + 'static,
    mut adjusted: i64,
) -> Result<DirectoryWatch, DaemonError> {
    let (accounts, engine, prompts) = (Arc::clone(accounts), engine.clone(), Arc::clone(prompts));
    let records = Arc::clone(store);
    let changed = move |directory: Arc<crate::model::Directory>| {
        // A re-rating counts as a change, too.
        match records.adjusted(adjusted, Engine::usage_since(wall())) {
            Ok((changes, last)) if last > adjusted => {
                adjusted = last;
                engine.adjusted(changes);
            }
            Ok(_) => {}
            Err(error) => tracing::error!(%error, "what was rated anew is not counted against limits yet"),
        }
        prompts.businesses_changed(&directory);
        accounts.store(Arc::clone(&directory));
        told();
        engine.directory(directory);
    };
    watch_directory(Arc::clone(store) as Arc<dyn Archive>, ACCOUNTS, changed).map_err(part)
}

/// What is read when somebody looks, not when it happens.
fn scrape(metrics: &Metrics, engine: &EngineHandle, media: &Arc<MediaHandle>) -> Arc<dyn Fn() -> String + Send + Sync> {
    let (metrics, engine, media) = (metrics.clone(), engine.clone(), Arc::clone(media));
    Arc::new(move || {
        metrics.inbox_depth(engine.depth());
        metrics.media(&media.counters());
        metrics.render()
    })
}

async fn listen(
    what: &'static str,
    address: SocketAddr,
    tls: Option<ServerTls>,
    routes: axum::Router,
) -> Result<Server, DaemonError> {
    let bound = Server::bind(address, tls, routes, ServerLimits::default()).await;
    bound.map_err(|error| DaemonError::Listen { what, address, error })
}

fn not_listening(error: ListenError) -> DaemonError {
    match error {
        ListenError::Bind { address, error } => DaemonError::Listen { what: "SIP", address, error },
        ListenError::System(error) => DaemonError::System(error),
        ListenError::None | ListenError::Tls(_) => part(error),
    }
}

/// A thousand bridged calls need two thousand sockets; the soft limit is often 1024.
fn raise_file_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::warn!(%error, "the limit of open files stays as it is");
    }
}
