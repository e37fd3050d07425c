//! `callbridge rerate`: ended calls rated anew from their stored legs, by the tariffs as they are now. Owns the arguments, what is printed, and
//! that nothing is changed before every call of the period was found to have a price in its own currency; the prices are `billing`'s, the
//! transactions the store's.
//!
//! Each line is a call that would cost another price, as JSON. With `--apply` the calls are gone through once more, some hundred to a
//! transaction. What is cut short between two of them is gone on with by the same command: a call that is as it would be is not touched.

use std::collections::BTreeMap;
use std::io::{self, BufWriter, Write};
use std::ops::ControlFlow;

use clap::Args;

use super::cdr::moment;
use super::who::who;
use super::{CliError, ConfigArgs, archive};
use crate::billing::rerate::{Difference, rerate};
use crate::billing::{Plans, Prices, plans};
use crate::clock::Wall;
use crate::config;
use crate::io::store::{Archive, RecordFilter, SqliteArchive};
use crate::model::{Billed, BusinessId, Currency, Directory, TariffName};

/// Calls of one transaction.
const BATCH: usize = 500;
/// Calls without a price, or in another currency, that are told one by one.
const MAX_TOLD: usize = 20;

/// Which calls, and by what.
#[derive(Args, Debug)]
pub struct RerateArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// Only of this business
    #[arg(long, value_name = "ID")]
    business: Option<BusinessId>,
    /// Only calls accepted at or after this time: RFC 3339, or a day such as 2026-11-24 (UTC)
    #[arg(long, value_name = "T", value_parser = moment)]
    from: Option<Wall>,
    /// Only calls accepted before this time
    #[arg(long, value_name = "T", value_parser = moment)]
    to: Option<Wall>,
    /// By this tariff of the configuration, whatever the accounts have; without it each business's calls by what its account has now
    #[arg(long, value_name = "NAME")]
    tariff: Option<TariffName>,
    /// Change the prices; without it nothing is changed
    #[arg(long)]
    apply: bool,
    /// Why, for the invoice and the audit trail
    #[arg(long, value_name = "TEXT", requires = "apply", value_parser = reason)]
    reason: Option<String>,
}

fn reason(text: &str) -> Result<String, &'static str> {
    let good = (1..=200).contains(&text.len()) && !text.contains(char::is_control);
    if good { Ok(text.to_owned()) } else { Err("1 to 200 bytes on one line") }
}

/// Prices of every account.
struct Book {
    directory: Directory,
    plans: Plans,
    /// For all, where one was named.
    named: Option<Prices>,
}

impl Book {
    fn of(&self, business: &BusinessId) -> Option<Prices> {
        let own = || self.directory.get(business).map(|account| Prices::of(account, &self.plans));
        self.named.clone().or_else(own)
    }

    fn judge(&self, billed: &Billed) -> Result<Option<Difference>, CliError> {
        let business = &billed.record.business_id;
        let prices = self.of(business).ok_or_else(|| {
            let mend = "mend: choose a business that is there, or name a tariff";
            CliError::Refused(format!("call {}: there is no business {business}\n    {mend}", billed.record.call_id))
        })?;
        rerate(billed, &prices).map_err(|error| CliError::Refused(error.to_string()))
    }
}

/// What was found.
#[derive(Default)]
struct Found {
    calls: usize,
    differences: usize,
    /// By currency: old and new sums of those that differ.
    sums: BTreeMap<Currency, (i64, i64)>,
    refused: usize,
    /// Some of them, in words.
    told: Vec<String>,
}

/// Prints what would change, and changes it.
pub(super) fn run(args: &RerateArgs) -> Result<(), CliError> {
    let config = config::load(&args.config.config)?;
    let store = archive(&config, false)?;
    let plans = plans(&config.tariffs);
    let named = match &args.tariff {
        None => None,
        Some(name) => {
            let plan = plans.get(name);
            let mend = "mend: write it as [[tariff]], with its rates";
            let missing = || CliError::Refused(format!("the configuration has no tariff {name}\n    {mend}"));
            Some(Prices::Plan(plan.cloned().ok_or_else(missing)?))
        }
    };
    let filter = RecordFilter { business: args.business.clone(), from: args.from, to: args.to };
    let book = Book { directory: store.directory()?, plans, named };
    let found = look(&store, &filter, &book)?;
    say(&found)?;
    if found.refused > 0 {
        let more = found.refused.saturating_sub(found.told.len());
        let more = if more > 0 { format!("\n{more} more calls cannot be rated") } else { String::new() };
        return Err(CliError::Refused(format!("nothing was changed: {}{more}", found.told.join("\n"))));
    }
    if !args.apply {
        return Ok(());
    }
    let changed = apply(&store, &filter, &book, args.reason.as_deref())?;
    writeln!(io::stderr(), "{changed} calls have another price now")?;
    Ok(())
}

/// Every call once, without a change: differences are printed as they are found.
fn look(store: &SqliteArchive, filter: &RecordFilter, book: &Book) -> Result<Found, CliError> {
    let mut out = BufWriter::new(io::stdout().lock());
    let (mut found, mut written) = (Found::default(), Ok(()));
    store.billed(filter, &mut |billed| {
        found.calls += 1;
        match book.judge(&billed) {
            Ok(None) => {}
            Ok(Some(difference)) => {
                found.differences += 1;
                let (old, new) = found.sums.entry(difference.currency).or_default();
                *old = old.saturating_add(difference.old_price_micros.0);
                *new = new.saturating_add(difference.new_price_micros.0);
                let line = serde_json::to_string(&difference).map_err(io::Error::other);
                written = line.and_then(|line| writeln!(out, "{line}"));
            }
            Err(error) => {
                found.refused += 1;
                if found.told.len() < MAX_TOLD {
                    found.told.push(error.to_string());
                }
            }
        }
        if written.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    written?;
    out.flush()?;
    Ok(found)
}

fn say(found: &Found) -> Result<(), CliError> {
    let mut err = io::stderr().lock();
    writeln!(err, "{} calls looked at, {} would have another price", found.calls, found.differences)?;
    for (currency, (old, new)) in &found.sums {
        let by = new.saturating_sub(*old);
        writeln!(err, "{currency}: {old} micros to {new}, {by:+}")?;
    }
    Ok(())
}

/// The same calls again, each batch in one transaction; what was found before is judged anew, by what the store says then.
fn apply(store: &SqliteArchive, filter: &RecordFilter, book: &Book, reason: Option<&str>) -> Result<usize, CliError> {
    let who = who();
    let (mut after, mut changed) = (None, 0);
    loop {
        let batch = store.adjust(&who, filter, after, BATCH, &mut |billed: &Billed| {
            let difference = book.judge(billed)?;
            let keep = |one: Difference| one.adjustment(who.at, who.actor.clone(), reason.map(str::to_owned));
            Ok::<_, CliError>(difference.map(keep))
        })?;
        changed += batch.adjusted;
        match batch.last {
            None => return Ok(changed),
            last => after = last,
        }
    }
}
