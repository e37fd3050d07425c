//! `callbridge webhooks`: what became of events, beside a running daemon or without one. Owns the arguments and the lines; what is
//! sent again is the daemon's to send.

use std::io::{self, BufWriter, Write};

use clap::{Args, Subcommand};

use super::{CliError, ConfigArgs, archive};
use crate::config;
use crate::io::clock::SystemClock;
use crate::io::store::{Archive, Delivery, DeliveryFilter, DeliveryId, DeliveryState, MAX_LISTED, SqliteArchive, Way};
use crate::model::BusinessId;

/// Events to webhooks.
#[derive(Args, Debug)]
pub struct WebhooksArgs {
    #[command(subcommand)]
    command: WebhooksCommand,
}

#[derive(Subcommand, Debug)]
enum WebhooksCommand {
    /// Events, the newest first, one JSON object a line
    List(ListArgs),
    /// Events that were given up
    Dead(ListArgs),
    /// Send events again: one by its identifier, or all that were given up
    Replay(ReplayArgs),
}

#[derive(Args, Debug)]
struct ListArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// Only of this business
    #[arg(long, value_name = "ID")]
    business: Option<BusinessId>,
    /// Those to webhooks, or those to the sinks that calls of Click to Dial came with: webhook or sink
    #[arg(long, value_name = "WAY", default_value = "webhook", value_parser = way)]
    way: Way,
    /// Only in this state: waiting, delivered or dead
    #[arg(long, value_name = "STATE", value_parser = state)]
    state: Option<DeliveryState>,
    /// Only those that stand after this one in the list of its business
    #[arg(long, value_name = "MSG", requires = "business")]
    before: Option<DeliveryId>,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = limit)]
    limit: usize,
}

#[derive(Args, Debug)]
struct ReplayArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// Whose
    #[arg(long, value_name = "ID")]
    business: BusinessId,
    /// Which event, such as msg_0198…_6; else all that were given up
    #[arg(long, value_name = "MSG")]
    id: Option<DeliveryId>,
}

fn state(word: &str) -> Result<DeliveryState, &'static str> {
    DeliveryState::parse(word).ok_or("waiting, delivered or dead")
}

fn way(word: &str) -> Result<Way, &'static str> {
    Way::parse(word).ok_or("webhook or sink")
}

fn limit(text: &str) -> Result<usize, String> {
    let good = text.parse().ok().filter(|n| (1..=MAX_LISTED).contains(n));
    good.ok_or_else(|| format!("a number from 1 to {MAX_LISTED}"))
}

pub(super) fn run(args: &WebhooksArgs) -> Result<(), CliError> {
    match &args.command {
        WebhooksCommand::List(args) => list(args, args.state),
        WebhooksCommand::Dead(args) => list(args, Some(DeliveryState::Dead)),
        WebhooksCommand::Replay(args) => replay(args),
    }
}

fn list(args: &ListArgs, state: Option<DeliveryState>) -> Result<(), CliError> {
    let store = archive(&config::load(&args.config.config)?, false)?;
    let ListArgs { business, way, before, limit, .. } = args;
    let filter = DeliveryFilter { business: business.clone(), way: *way, state, before: *before, limit: *limit };
    let mut out = BufWriter::new(io::stdout().lock());
    for delivery in store.deliveries(&filter)? {
        writeln!(out, "{}", line(&delivery))?;
    }
    Ok(out.flush()?)
}

fn line(delivery: &Delivery) -> serde_json::Value {
    serde_json::json!({
        "id": delivery.id.to_string(),
        "business_id": delivery.business,
        "type": delivery.kind,
        "state": delivery.state,
        "attempts": delivery.attempts,
        "created_at": delivery.created_at,
        "next_attempt_at": delivery.next_attempt_at,
        "settled_at": delivery.settled_at,
        "status": delivery.status,
        "problem": delivery.problem,
    })
}

fn replay(args: &ReplayArgs) -> Result<(), CliError> {
    let store = archive(&config::load(&args.config.config)?, false)?;
    enabled(&store, &args.business)?;
    let now = SystemClock::start().now().wall;
    let count = match args.id {
        Some(id) if store.replay(&args.business, id, now)? => 1,
        Some(id) => {
            let mend = "mend: `callbridge webhooks list` shows those that were taken or given up";
            return Err(CliError::Refused(format!("{} has no settled event {id}\n    {mend}", args.business)));
        }
        None => {
            let mut count = 0;
            loop {
                let some = store.replay_dead(&args.business, now)?;
                count += some;
                if some < MAX_LISTED {
                    break count;
                }
            }
        }
    };
    let events = if count == 1 { "event is" } else { "events are" };
    Ok(writeln!(io::stdout(), "{count} {events} sent again")?)
}

/// What nobody takes would be given up at once.
fn enabled(store: &SqliteArchive, id: &BusinessId) -> Result<(), CliError> {
    match store.business(id)? {
        Some(business) if business.is_told() => Ok(()),
        Some(_) => Err(CliError::Refused(format!(
            "business {id} has no webhook, or it was disabled by its answer 410\n    mend: `callbridge business change {id} \
             --webhook-url https://…`"
        ))),
        None => Err(super::business::unknown(id)),
    }
}
