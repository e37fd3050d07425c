//! The main job on loopback, for a newcomer to watch: daemon, the business's Web server, a customer's and a representative's phone, one real call
//! from the button over HTTP, SIP and RTP to the desk, its ladder as it happens, the verdict, and what each side heard as files.
//!
//! Owns the demo's course; what it says of the call is measured at the phones, outside the daemon's own knowledge, what it says of the desk is
//! read off its page.

mod client;
mod handset;
mod ladder;
mod page;
mod play;
mod shop;
mod stage;
mod verdict;
mod voices;

use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::Args;
use tokio::net::TcpListener;

use self::page::PageHandle;
use self::play::{CUSTOMER_WAV, RECORD, REPRESENTATIVE_WAV};
use self::stage::Stage;
use self::verdict::Verdict;
use crate::daemon::DaemonError;

/// How the demo is run.
#[derive(Args, Clone, Debug, Default)]
pub struct DemoArgs {
    /// End after one call: 0 if it was bridged and audio crossed both ways, else 1
    #[arg(long)]
    pub once: bool,
    /// Where recordings, record and store go; default: a fresh folder among the temporary files
    #[arg(long, value_name = "FOLDER")]
    pub folder: Option<PathBuf>,
}

/// Why there was no demo.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// The daemon did not start.
    #[error("the daemon did not start: {0}")]
    Daemon(#[from] DaemonError),
    /// Files, sockets, threads.
    #[error("the system refused: {0}")]
    System(#[from] std::io::Error),
    /// A part of the demo ended early.
    #[error("a part of the demo ended early: {0}")]
    Part(#[from] tokio::task::JoinError),
    /// The API did not do what was asked.
    #[error("{0}")]
    Http(String),
}

/// Runs the demo. Without `once` it then serves its page until Ctrl-C.
pub fn run(args: &DemoArgs) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&DemoError::System(error)),
    };
    let outcome = runtime.block_on(demo(args));
    runtime.shutdown_timeout(Duration::from_secs(1));
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => failed(&error),
    }
}

fn failed(error: &DemoError) -> ExitCode {
    eprintln!("callbridge demo: {error}");
    ExitCode::FAILURE
}

/// True when the last call was proven.
async fn demo(args: &DemoArgs) -> Result<bool, DemoError> {
    let folder = folder(args.folder.as_deref())?;
    let place = if args.once { None } else { Some(PageHandle::place().await?) };
    let mut stage = Stage::set(&folder, place.as_ref().map(|(_, address)| *address)).await?;
    say(&introduction(&stage));
    let outcome = tokio::select! {
        outcome = calls(&mut stage, place) => outcome,
        // Ctrl-C is how the page is ended, but with `once` it means that nothing was proven.
        () = interrupted() => Ok(!args.once),
    };
    stage.strike().await;
    outcome
}

/// One call; with a place for the page as many as are wished there.
async fn calls(stage: &mut Stage, place: Option<(TcpListener, SocketAddr)>) -> Result<bool, DemoError> {
    let Some((listener, address)) = place else {
        let verdict = play::play(stage, &mut |line| say(&line)).await?;
        conclude(stage, &verdict);
        return Ok(verdict.passed);
    };
    let (page, mut wishes) = PageHandle::serve(listener, stage.folder.clone(), stage.api());
    say(&format!("The same as a page: http://{address}/\n"));
    loop {
        page.show(|shown| {
            shown.ladder.clear();
            shown.verdict.clear();
            shown.busy = true;
        });
        let mirror = page.clone();
        let mut show = move |line: String| {
            say(&line);
            mirror.show(|shown| shown.ladder.push(line));
        };
        let verdict = match play::play(stage, &mut show).await {
            Ok(verdict) => verdict,
            // Such as a call that the page's button has begun.
            Err(DemoError::Http(detail)) => Verdict { passed: false, lines: vec![format!("NOT placed: {detail}")] },
            Err(error) => return Err(error),
        };
        page.show(|shown| {
            shown.verdict.clone_from(&verdict.lines);
            shown.busy = false;
            shown.calls += 1;
        });
        conclude(stage, &verdict);
        say(&format!("Watch, listen or place the call again at http://{address}/ until Ctrl-C ends the demo."));
        if wishes.recv().await.is_none() {
            return Ok(verdict.passed);
        }
    }
}

/// SIGINT or SIGTERM.
async fn interrupted() {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        // Without a handler the signal itself ends the process.
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}

fn introduction(stage: &Stage) -> String {
    let speech = match &stage.speech {
        Some(program) => format!("The message is spoken by {program}."),
        None => {
            "No speech program is installed: the message comes from the recordings that callbridge ships.".to_owned()
        }
    };
    format!("{}\n{speech}\n", stage.addresses())
}

fn conclude(stage: &Stage, verdict: &Verdict) {
    say("");
    verdict.lines.iter().for_each(|line| say(line));
    say("");
    for name in [CUSTOMER_WAV, REPRESENTATIVE_WAV, RECORD] {
        say(&format!("{}", stage.folder.join(name).display()));
    }
}

/// A line to the terminal. Where nobody reads any more, the demo goes on.
fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    let _unread = writeln!(out, "{line}").and_then(|()| out.flush());
}

/// The named folder, or a fresh one.
fn folder(named: Option<&Path>) -> std::io::Result<PathBuf> {
    if let Some(folder) = named {
        std::fs::create_dir_all(folder)?;
        return folder.canonicalize();
    }
    let folder = std::env::temp_dir().join(fresh_name());
    std::fs::create_dir(&folder)?;
    Ok(folder)
}

/// A name that no other demo has.
fn fresh_name() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    format!("callbridge-demo-{}-{}", since.as_secs(), std::process::id())
}
