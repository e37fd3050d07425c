//! `callbridge bill`: what a business owes for a period, as JSON, CSV or a page to print. Owns the arguments and the page; the sums are
//! `billing`'s, the prices those of the records.

use std::io::{self, Write};

use askama::Template;
use clap::{Args, ValueEnum};

use super::cdr::moment;
use super::{CliError, ConfigArgs, archive};
use crate::billing::invoice::{Invoice, LegLine};
use crate::billing::sheet::{self, Part};
use crate::clock::Wall;
use crate::config;
use crate::io::store::{Archive, InvoiceError, invoice};
use crate::model::{BusinessId, Money};

/// Whose invoice, and of when.
#[derive(Args, Debug)]
pub struct BillArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// Whose
    #[arg(long, value_name = "ID")]
    business: BusinessId,
    /// Calls accepted at or after this time: RFC 3339, or a day such as 2026-11-01 (UTC)
    #[arg(long, value_name = "T", value_parser = moment, required_unless_present = "month")]
    from: Option<Wall>,
    /// Calls accepted before this time
    #[arg(long, value_name = "T", value_parser = moment, required_unless_present = "month")]
    to: Option<Wall>,
    /// A whole month instead (UTC), such as 2026-11
    #[arg(long, value_name = "MONTH", value_parser = month, conflicts_with_all = ["from", "to"])]
    month: Option<Month>,
    /// Form
    #[arg(long, value_enum, default_value_t = Format::Json)]
    format: Format,
    /// Which part, in CSV: each has columns of its own
    #[arg(long, value_enum, default_value_t = PartArg::Calls)]
    part: PartArg,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum PartArg {
    /// By day and outcome, with the totals
    Calls,
    /// Legs by party, tariff and destination
    Destinations,
    /// Calls that were rated anew
    Adjustments,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Format {
    /// One JSON object
    Json,
    /// Comma-separated values with a head line (RFC 4180); see --part. Totals are the lines without a day
    Csv,
    /// A page to print
    Html,
}

/// From its first moment to that of the next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Month(Wall, Wall);

fn month(text: &str) -> Result<Month, String> {
    let wrong = || "write a month, such as 2026-11".to_owned();
    let (year, month) = text.split_once('-').ok_or_else(wrong)?;
    let (year, month): (u16, u8) = (year.parse().map_err(|_| wrong())?, month.parse().map_err(|_| wrong())?);
    let (next_year, next) = if month == 12 { (year.saturating_add(1), 1) } else { (year, month.saturating_add(1)) };
    let first = |year: u16, month: u8| Wall::parse(&format!("{year:04}-{month:02}-01T00:00:00Z")).ok_or_else(wrong);
    Ok(Month(first(year, month)?, first(next_year, next)?))
}

#[derive(Template)]
#[template(path = "bill.html")]
struct Page {
    from: String,
    to: String,
    invoice: Invoice,
}

impl Page {
    #[allow(clippy::unused_self, reason = "templates call methods of their own")]
    fn amount(&self, money: &Money) -> String {
        sheet::amount(*money)
    }

    #[allow(clippy::unused_self, reason = "templates call methods of their own")]
    fn minutes(&self, seconds: &u64) -> String {
        sheet::minutes(*seconds)
    }

    #[allow(clippy::unused_self, reason = "templates call methods of their own")]
    fn party(&self, line: &LegLine) -> &'static str {
        sheet::party(line)
    }

    #[allow(clippy::unused_self, reason = "templates call methods of their own")]
    fn destination<'l>(&self, line: &'l LegLine) -> &'l str {
        sheet::destination(line)
    }

    #[allow(clippy::unused_self, reason = "templates call methods of their own")]
    fn moment(&self, at: &Wall) -> String {
        to_the_minute(*at)
    }
}

/// `2026-11-24 13:30`
fn to_the_minute(at: Wall) -> String {
    at.to_string().chars().take(16).collect::<String>().replace('T', " ")
}

/// Prints it.
pub(super) fn run(args: &BillArgs) -> Result<(), CliError> {
    let config = config::load(&args.config.config)?;
    let store = archive(&config, false)?;
    let Month(from, to) = match (args.month, args.from, args.to) {
        (Some(month), ..) => month,
        (None, Some(from), Some(to)) => Month(from, to),
        _ => return Err(CliError::Refused("--from and --to, or --month, are needed".to_owned())),
    };
    if from >= to {
        return Err(CliError::Refused(format!("the period ends ({to}) before it begins ({from})")));
    }
    let Some(business) = store.business(&args.business)? else {
        return Err(CliError::Refused(format!("there is no business {}", args.business)));
    };
    let invoice = invoice(&store, &business, from, to, None).map_err(|error| match error {
        InvoiceError::Store(error) => CliError::Store(error),
        InvoiceError::TooLarge(_) | InvoiceError::TooMany(_) => CliError::Refused(error.to_string()),
    })?;
    print(args.format, args.part, invoice)
}

fn print(format: Format, part: PartArg, invoice: Invoice) -> Result<(), CliError> {
    let mut out = io::stdout().lock();
    match format {
        Format::Json => {
            let text = serde_json::to_string_pretty(&invoice).map_err(io::Error::other)?;
            writeln!(out, "{text}")?;
        }
        Format::Csv => {
            let part = match part {
                PartArg::Calls => Part::Calls,
                PartArg::Destinations => Part::Destinations,
                PartArg::Adjustments => Part::Adjustments,
            };
            for line in sheet::csv(&invoice, part) {
                write!(out, "{line}\r\n")?;
            }
        }
        Format::Html => {
            let page = Page { from: to_the_minute(invoice.from), to: to_the_minute(invoice.to), invoice };
            writeln!(out, "{}", page.render().map_err(io::Error::other)?)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_ends_where_the_next_begins() {
        let Month(from, to) = month("2026-12").unwrap();
        assert_eq!(
            (from.to_string(), to.to_string()),
            ("2026-12-01T00:00:00.000Z".into(), "2027-01-01T00:00:00.000Z".into())
        );
        for bad in ["2026", "2026-13", "2026-00", "november", "2026-11-01"] {
            assert!(month(bad).is_err(), "{bad}");
        }
    }
}
