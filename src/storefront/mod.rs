//! The business's Web server 52 (Figs. 3, 4, 6, 7): product pages with a talk button, customers, orders, representatives at their desks, its
//! own distribution of calls, and initiation messages to one of several calling equipments.
//!
//! It is what a business may copy from. It speaks to the equipment by nothing but its public HTTP API (docs/API.md), and imports
//! neither engine, SIP, media nor the daemon's store.
//!
//! ```text
//! browser ── pages, call request (Fig. 7) ──▶ web ─▶ store ◀─ floor ── initiation message (Fig. 8) ──▶ equipment
//! desk    ◀─ customer, pages viewed (612) ──  web ◀─ store ◀─ floor ◀── events of the call ────────── equipment
//! desk    ── order, complaint, other (614) ─▶ web ─▶ store (616)
//! ```

mod account;
mod calls;
mod desk;
mod desk_page;
mod equipment;
mod floor;
mod hall;
mod health;
mod pages;
mod secrets;
mod shop;
mod store;
mod stream;
mod talk;
mod wallboard;
mod wallboard_page;
mod web;
mod webhook;

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use self::shop::Shop;
use self::store::{StoreError, sample};
use crate::config::ConfigErrors;
use crate::config::storefront::{StorefrontConfig, load};
use crate::io::http::server::{Server, ServerLimits};
use crate::io::logs::init_logging;
use crate::io::passwords::{Password, PasswordError};
use crate::io::tls::{ServerTls, TlsError};

/// How the business's Web server is run.
#[derive(Args, Clone, Debug)]
pub struct StorefrontArgs {
    /// Configuration file (TOML); config.storefront.example.toml explains every key
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// Put a small cruise line into the store: products, two representatives, a supervisor, a customer; prints their passwords, drawn anew
    #[arg(long)]
    pub sample: bool,
}

/// Why it does not run.
#[derive(Debug, thiserror::Error)]
pub enum StorefrontError {
    /// The configuration is wrong: exit code 2.
    #[error("{0}")]
    Config(#[from] ConfigErrors),
    /// A secret that it names cannot be read.
    #[error("{}: {}\n    mend: write it into the first line of that file", .0.display(), .1)]
    Secret(PathBuf, String),
    /// The store.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// Certificates, ours or the authorities to trust.
    #[error("{0}")]
    Tls(#[from] TlsError),
    /// A password cannot be hashed.
    #[error("{0}")]
    Password(#[from] PasswordError),
    /// No randomness.
    #[error("{0}")]
    Random(#[from] secrets::NoRandom),
    /// The listener's address cannot be taken.
    #[error("cannot listen on {0}: {1}; is another program on this port? See [http] listen")]
    Listen(SocketAddr, std::io::Error),
    /// Threads, signals, output.
    #[error("the system refused: {0}")]
    System(#[from] std::io::Error),
}

/// Runs until SIGTERM or Ctrl-C: exit code 0; 2 for a wrong configuration, 1 for anything else.
pub fn run(args: &StorefrontArgs) -> ExitCode {
    let done = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(StorefrontError::System)
        .and_then(|runtime| {
            let done = runtime.block_on(serve(args));
            runtime.shutdown_timeout(Duration::from_secs(1));
            done
        });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _gone = writeln!(std::io::stderr(), "callbridge: {error}");
            ExitCode::from(if matches!(error, StorefrontError::Config(_)) { 2 } else { 1 })
        }
    }
}

async fn serve(args: &StorefrontArgs) -> Result<(), StorefrontError> {
    let config = load(&args.config)?;
    init_logging(&config.log);
    let running = Running::start(&config, args.sample).await?;
    tracing::info!(http = %running.address, "ready");
    let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::select! {
        _ = term.recv() => {}
        _ = int.recv() => {}
    }
    running.stop().await;
    Ok(())
}

/// A running Web server.
pub struct Running {
    /// Where it listens.
    pub address: SocketAddr,
    stop: watch::Sender<bool>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Running {
    /// Opens the store, takes the address, carries on with what was under way.
    pub async fn start(config: &StorefrontConfig, with_sample: bool) -> Result<Running, StorefrontError> {
        let shop = Arc::new(Shop::open(config).await?);
        if with_sample {
            fill(&shop).await?;
        }
        let tls = config.http.tls.as_ref().map(ServerTls::load).transpose()?;
        let (router, listen) = (web::router(Arc::clone(&shop)), config.http.listen);
        let limits = ServerLimits { linger: Duration::from_secs(3), ..ServerLimits::default() };
        let server = Server::bind(listen, tls, router, limits).await;
        let server = server.map_err(|error| StorefrontError::Listen(listen, error))?;
        let server = server.trusting(&config.http.trusted_proxies);
        let address = server.address()?;
        let (stop, stopped) = watch::channel(false);
        let tasks = vec![tokio::spawn(floor::run(shop, stopped.clone())), tokio::spawn(server.serve(stopped))];
        Ok(Running { address, stop, tasks })
    }

    /// Takes nothing more and returns when requests in flight are done. Calls go on at their equipments; the next start follows them.
    pub async fn stop(self) {
        let _nobody_listens = self.stop.send(true);
        for task in self.tasks {
            let _ended_badly = task.await;
        }
    }
}

/// The sample, with passwords that are printed this once. Where it is there already it stays, and so do its passwords.
async fn fill(shop: &Shop) -> Result<(), StorefrontError> {
    let there = shop.store.read(|c| store::staff::find(c, sample::PEOPLE[0].1)).await?.is_some();
    if there {
        return Ok(());
    }
    let mut hashes = Vec::new();
    let mut told = String::new();
    for (kind, name) in sample::PEOPLE {
        let password: String = secrets::random_text()?.chars().filter(char::is_ascii_alphanumeric).take(14).collect();
        told.push_str(&format!("sample {kind} {name} password {password}\n"));
        hashes.push(shop::hashed(Password::new(password)).await?);
    }
    let now = shop.wall();
    if let Ok(hashes) = hashes.try_into() {
        shop.store.change(move |t| sample::fill(t, now, &hashes)).await?;
    }
    std::io::stdout().write_all(told.as_bytes())?;
    Ok(())
}
