//! The command line: arguments, and the small commands. Owns what is printed and the exit codes; refuses to know how a call
//! is placed (the daemon does) or how accounts are kept (the store does).
//!
//! Exit codes: 0 done, 2 a wrong configuration or wrong arguments, 1 anything else.

mod audit;
mod bill;
mod business;
mod call;
mod cdr;
mod check;
mod contact;
mod direct;
mod keys;
mod limits;
mod rerate;
mod staffing;
mod webhook;
mod webhooks;
mod who;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::config::{Config, ConfigErrors};
use crate::daemon::DaemonError;
use crate::io::store::{AccountError, SqliteArchive, StoreError};

/// A carrier's calling equipment: one HTTP message makes a customer's phone ring, plays a message while a representative is
/// dialled, and bridges both.
#[derive(Parser, Debug)]
#[command(name = "callbridge", version, about, max_term_width = 100)]
#[command(after_help = "Exit codes: 0 done, 2 wrong configuration or arguments, 1 anything else.\n\
    CALLBRIDGE_<SECTION>_<KEY> variables override the configuration, such as CALLBRIDGE_HTTP_LISTEN=127.0.0.1:8081.")]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What can be done.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Run the daemon: takes messages over HTTP and places calls over SIP until SIGTERM; SIGHUP reloads
    Serve(ConfigArgs),
    /// Say what is wrong with a configuration, or what `serve` would do with it
    Check(ConfigArgs),
    /// Place one real call on loopback and show it: HTTP, SIP, RTP, two phones, two recordings
    Demo(crate::demo::DemoArgs),
    /// Send an initiation message to an equipment and follow the call
    Call(call::CallArgs),
    /// Keep the accounts of businesses, while the daemon runs or not
    Business(Box<business::BusinessArgs>),
    /// See who changed which account, when, and what
    Audit(audit::AuditArgs),
    /// Make a token with which a page may ask for a call
    PageToken(direct::PageTokenArgs),
    /// Print call detail records
    Cdr(cdr::CdrArgs),
    /// Print what a business owes for a period
    Bill(bill::BillArgs),
    /// Rate ended calls anew, by the tariffs as they are now: says what would change, and changes it with --apply
    Rerate(rerate::RerateArgs),
    /// Keep the keys that messages are encrypted to
    Keys(keys::KeysArgs),
    /// See what became of events to webhooks, and send them again
    Webhooks(webhooks::WebhooksArgs),
    /// Run a business's Web server: pages with a talk button, customers, orders, representatives' desks
    Storefront(crate::storefront::StorefrontArgs),
    /// Measure: simulated phones and load against a daemon; prints JSON
    Bench(crate::bench::BenchArgs),
}

/// The one argument of most commands.
#[derive(Args, Clone, Debug)]
pub struct ConfigArgs {
    /// Configuration file (TOML); config.example.toml explains every key
    #[arg(long, value_name = "FILE", env = "CALLBRIDGE_CONFIG")]
    pub config: PathBuf,
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
enum CliError {
    #[error("{0}")]
    Config(#[from] ConfigErrors),
    #[error("{0}")]
    Daemon(#[from] DaemonError),
    #[error("{0}")]
    Store(#[from] StoreError),
    #[error("{0}")]
    Account(#[from] AccountError),
    /// The operator asked for what cannot be done.
    #[error("{0}")]
    Refused(String),
    #[error("cannot read or write: {0}")]
    System(#[from] io::Error),
}

impl CliError {
    fn exit_code(&self) -> u8 {
        match self {
            CliError::Config(_) => 2,
            CliError::Daemon(error) => error.exit_code(),
            CliError::Store(_) | CliError::Account(_) | CliError::Refused(_) | CliError::System(_) => 1,
        }
    }
}

/// Does what was asked for.
pub fn run(arguments: Arguments) -> ExitCode {
    let done = match arguments.command {
        Command::Serve(args) => crate::daemon::serve(&args.config).map_err(CliError::from),
        Command::Check(args) => check::run(&args.config),
        Command::Business(args) => business::run(*args),
        Command::Audit(args) => audit::run(&args),
        Command::PageToken(args) => direct::page_token(&args),
        Command::Cdr(args) => cdr::run(&args),
        Command::Bill(args) => bill::run(&args),
        Command::Rerate(args) => rerate::run(&args),
        Command::Keys(args) => keys::run(args),
        Command::Webhooks(args) => webhooks::run(&args),
        Command::Demo(args) => return crate::demo::run(&args),
        Command::Call(args) => return follow(args),
        Command::Storefront(args) => return crate::storefront::run(&args),
        Command::Bench(args) => return crate::bench::run(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever read our output has seen enough (`callbridge cdr | head`).
        Err(CliError::System(error)) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            // Nothing is left to tell it to when standard error is gone too.
            let _gone = writeln!(io::stderr(), "callbridge: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}

/// `call` speaks HTTP, so it needs a runtime.
fn follow(args: call::CallArgs) -> ExitCode {
    match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(call::run(args)),
        Err(error) => {
            let _gone = writeln!(io::stderr(), "callbridge: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The folder beside the store where recordings and rendered messages are kept.
fn store_folder(config: &Config) -> &Path {
    config.store.path.parent().unwrap_or(Path::new(""))
}

/// Opens the store of a configuration. A tool that only reads does not make one.
fn archive(config: &Config, make: bool) -> Result<SqliteArchive, CliError> {
    let path = &config.store.path;
    if !make && !path.exists() {
        let mend = "mend: `callbridge business add` or `callbridge serve` makes it; see [store] url";
        return Err(CliError::Refused(format!("there is no store {}\n    {mend}", path.display())));
    }
    Ok(SqliteArchive::open(path)?)
}
