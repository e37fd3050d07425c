//! `callbridge bench`: simulated phones and load against a daemon, printed as JSON. Owns the plan of a measurement and its
//! report. Measures CPU of the daemon from outside (`/proc`), delay by time stamps inside the voice or by its sound, and the
//! wall W beside.
//!
//! The daemon is started on core 0 and the phones and the load run on core 1, as performance.md does. With `--url` a daemon
//! that runs already is measured; its `[[switch]]` must then point at `--sip`.

mod client;
mod messages;
mod phones;
mod report;
mod soak;
mod talk;
mod tape;
mod target;
mod voice;
mod wall;

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

pub use report::Report;

/// What to measure.
#[derive(Args, Clone, Debug)]
pub struct BenchArgs {
    /// Rates of calls per second to try, each for `--seconds`; 0: none
    #[arg(long, value_delimiter = ',', default_value = "100,250,500,1000")]
    pub rates: Vec<u32>,
    /// Seconds of load at each rate
    #[arg(long, default_value_t = 10)]
    pub seconds: u32,
    /// Seconds of talk of each call of a rate
    #[arg(long, default_value_t = 1)]
    pub talk_seconds: u32,
    /// Numbers of calls bridged at once, each relayed for `--relay-seconds`; 0: none
    #[arg(long, value_delimiter = ',', default_value = "25,100,400,1000")]
    pub bridged: Vec<u32>,
    /// Seconds of relaying that are measured
    #[arg(long, default_value_t = 8)]
    pub relay_seconds: u32,
    /// Media tick of the daemon that is started, in milliseconds; by default it follows the load
    #[arg(long)]
    pub tick_ms: Option<u16>,
    /// `[media] io` of the daemon that is started: auto, portable or one-socket
    #[arg(long, default_value = "auto", value_parser = ["auto", "portable", "one-socket"])]
    pub io: String,
    /// What the talks are like
    #[command(flatten)]
    pub talk: talk::Talk,
    /// Messages whose calls are not placed yet
    #[command(flatten)]
    pub messages: messages::MessageArgs,
    /// Many calls, to see that nothing grows
    #[command(flatten)]
    pub soak: soak::SoakArgs,
    /// Measure a running daemon instead of starting one; needs --pid, --sip, --business and --password-file
    #[arg(long, requires_all = ["pid", "sip", "business", "password_file"])]
    pub url: Option<SocketAddr>,
    /// Address of the running daemon's metrics; without it a soak does not tell the ports in use
    #[arg(long, requires = "url")]
    pub admin: Option<SocketAddr>,
    /// Process id of the running daemon
    #[arg(long)]
    pub pid: Option<u32>,
    /// Address where the simulated phones listen for SIP
    #[arg(long)]
    pub sip: Option<SocketAddr>,
    /// Business to place the calls as
    #[arg(long)]
    pub business: Option<String>,
    /// File whose first line is its password
    #[arg(long)]
    pub password_file: Option<std::path::PathBuf>,
}

/// Why nothing was measured.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// Sockets, files, processes.
    #[error("the system refused: {0}")]
    System(#[from] std::io::Error),
    /// The daemon did not come up.
    #[error("the daemon did not start: {0}")]
    Daemon(String),
    /// HTTP.
    #[error("the API does not answer: {0}")]
    Http(String),
}

/// Microseconds on the clock that all parts of the bench share.
fn micros() -> u64 {
    static ZERO: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    u64::try_from(ZERO.get_or_init(std::time::Instant::now).elapsed().as_micros()).unwrap_or(u64::MAX)
}

/// Runs the plan and prints the report.
pub fn run(args: &BenchArgs) -> ExitCode {
    match measure(args) {
        Ok(report) => {
            println!("{}", serde_json::to_string_pretty(&report).unwrap_or_default());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(args: &BenchArgs) -> Result<Report, BenchError> {
    let wall_micros = wall::micros_per_packet()?;
    let phones = phones::Phones::start(args.sip, &args.talk)?;
    let target = target::Target::start(args, phones.address())?;
    target::pin(1)?;
    // What the first call alone brings into memory (numbering plans, first pages) is no cost of a call.
    let mut first = 0;
    phones.begin(Duration::from_millis(200));
    client::place(&target, first, 20, 20)?;
    first += 20;
    phones.wait_ended(20, Duration::from_secs(10));
    let idle = target.idle(Duration::from_secs(2))?;
    let mut report = Report::new(wall_micros, args, idle);
    for calls in args.bridged.iter().filter(|calls| **calls > 0) {
        eprintln!("bench: relaying {calls} calls for {} s", args.relay_seconds);
        report.bridged.push(relay(args, &phones, &target, &mut first, *calls, wall_micros)?);
    }
    for rate in args.rates.iter().filter(|rate| **rate > 0) {
        eprintln!("bench: {rate} calls/s for {} s", args.seconds);
        report.rates.push(rate_of(args, &phones, &target, &mut first, (*rate, rate * args.seconds))?);
    }
    report.messages = messages_of(args, &phones, &target, &mut first)?;
    let soak::SoakArgs { soak: calls, soak_rate: rate, .. } = args.soak;
    if calls > 0 {
        eprintln!("bench: {calls} calls at {rate} calls/s");
        // Whoever is counted is counted from here on.
        phones.begin(Duration::ZERO);
        let load = || rate_of(args, &phones, &target, &mut first, (rate, calls));
        report.soak = Some(soak::run(&args.soak, &phones, &target, load)?);
    }
    Ok(report)
}

/// Messages at each rate, beside live calls or alone.
fn messages_of(
    args: &BenchArgs,
    phones: &phones::Phones,
    target: &target::Target,
    first: &mut u32,
) -> Result<Vec<messages::Messages>, BenchError> {
    let rates: Vec<u32> = args.messages.messages.iter().copied().filter(|rate| *rate > 0).collect();
    let beside = args.messages.messages_beside;
    if rates.is_empty() {
        return Ok(Vec::new());
    }
    let live = (beside > 0).then(|| messages::Live::begin(target, phones, first, beside)).transpose()?;
    let measured = rates.into_iter().map(|rate| {
        eprintln!("bench: {rate} messages/s for {} s beside {beside} calls", args.seconds);
        messages::run(target, phones, first, (rate, args.seconds), live.as_ref())
    });
    let measured = measured.collect();
    if let Some(live) = live {
        live.end(phones);
    }
    measured
}

/// Calls at a rate, each with a short talk.
fn rate_of(
    args: &BenchArgs,
    phones: &phones::Phones,
    target: &target::Target,
    first: &mut u32,
    (rate, calls): (u32, u32),
) -> Result<report::Rate, BenchError> {
    let talk = Duration::from_secs(u64::from(args.talk_seconds));
    phones.begin(talk);
    let before = target.cpu()?;
    let placed = client::place(target, *first, calls, rate)?;
    *first += calls;
    let settled = phones.wait_ended(placed.accepted, talk + Duration::from_secs(15));
    let cpu = target.cpu()?.saturating_sub(before);
    let mut window = phones.take();
    phones.listen(&mut window);
    Ok(report::Rate::new(rate, calls, &placed, settled, cpu, &window))
}

/// Calls that stay bridged while their relaying is measured.
fn relay(
    args: &BenchArgs,
    phones: &phones::Phones,
    target: &target::Target,
    first: &mut u32,
    calls: u32,
    wall_micros: f64,
) -> Result<report::Bridged, BenchError> {
    let rss_before = target.rss_kilobytes()?;
    phones.begin(Duration::from_secs(3600));
    client::place(target, *first, calls, 100)?;
    *first += calls;
    let up = phones.wait_bridged(calls, Duration::from_secs(20));
    std::thread::sleep(Duration::from_secs(1));
    let setup = phones.take();
    let rss = target.rss_kilobytes()?;
    let before = target.cpu()?;
    std::thread::sleep(Duration::from_secs(u64::from(args.relay_seconds)));
    let cpu = target.cpu()?.saturating_sub(before);
    let mut window = phones.take();
    phones.hang_up_all();
    phones.wait_ended(up, Duration::from_secs(20));
    phones.listen(&mut window);
    let memory = rss.saturating_sub(rss_before);
    Ok(report::Bridged::new(calls, up, memory, cpu, wall_micros, &setup, &window))
}
