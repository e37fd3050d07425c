//! `callbridge cdr`: records as lines on standard output. Owns the arguments; the columns are `billing`'s.

use std::io::{self, BufWriter, Write};
use std::ops::ControlFlow;

use clap::{Args, ValueEnum};

use super::{CliError, ConfigArgs, archive};
use crate::billing;
use crate::clock::Wall;
use crate::config;
use crate::io::store::{Archive, RecordFilter};
use crate::model::BusinessId;

/// Which records, and how.
#[derive(Args, Debug)]
pub struct CdrArgs {
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
    /// Form of the lines
    #[arg(long, value_enum, default_value_t = Format::Jsonl)]
    format: Format,
    /// One line per leg tried instead of one per call
    #[arg(long)]
    attempts: bool,
}

/// Form of the lines.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Format {
    /// One JSON object a line
    Jsonl,
    /// Comma-separated values with a head line (RFC 4180)
    Csv,
}

pub(super) fn moment(text: &str) -> Result<Wall, String> {
    let whole = if text.len() == 10 { format!("{text}T00:00:00Z") } else { text.to_owned() };
    Wall::parse(&whole).ok_or_else(|| "write RFC 3339, such as 2026-11-24T13:30:00Z, or a day: 2026-11-24".to_owned())
}

/// Prints them, oldest first.
pub(super) fn run(args: &CdrArgs) -> Result<(), CliError> {
    let config = config::load(&args.config.config)?;
    let store = archive(&config, false)?;
    let filter = RecordFilter { business: args.business.clone(), from: args.from, to: args.to };
    let mut out = Lines { out: BufWriter::new(io::stdout().lock()), end: args.end(), result: Ok(()) };
    match (args.format, args.attempts) {
        (Format::Jsonl, false) => store.records(&filter, &mut |record| out.line(&billing::record_json(&record)))?,
        (Format::Jsonl, true) => store.attempts(&filter, &mut |attempt| out.line(&billing::attempt_json(&attempt)))?,
        (Format::Csv, false) => {
            let _stop = out.line(&billing::record_csv_header());
            store.records(&filter, &mut |record| out.line(&billing::record_csv(&record)))?;
        }
        (Format::Csv, true) => {
            let _stop = out.line(&billing::attempt_csv_header());
            store.attempts(&filter, &mut |attempt| out.line(&billing::attempt_csv(&attempt)))?;
        }
    }
    out.finish()
}

impl CdrArgs {
    fn end(&self) -> &'static str {
        match self.format {
            Format::Jsonl => "\n",
            Format::Csv => "\r\n",
        }
    }
}

/// Lines until the reader goes away.
struct Lines<W: Write> {
    out: W,
    end: &'static str,
    result: io::Result<()>,
}

impl<W: Write> Lines<W> {
    fn line(&mut self, line: &str) -> ControlFlow<()> {
        if self.result.is_ok() {
            self.result = write!(self.out, "{line}{}", self.end);
        }
        if self.result.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    }

    fn finish(mut self) -> Result<(), CliError> {
        self.result?;
        Ok(self.out.flush()?)
    }
}
