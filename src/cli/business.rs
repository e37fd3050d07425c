//! `callbridge business`: accounts in the store, beside a running daemon or without one. Owns the arguments and what is
//! shown; a password is read from standard input, hashed at once and shown never.

use std::io::{self, BufRead, Write};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use zeroize::Zeroizing;

use super::contact::ContactArgs;
use super::direct::{self, DirectArgs};
use super::limits::LimitArgs;
use super::staffing::StaffingArgs;
use super::webhook::{self, WebhookArgs};
use super::who::who;
use super::{CliError, ConfigArgs, archive, store_folder};
use crate::config::{self, Config};
use crate::io::passwords::hash_password;
use crate::io::prompts::{RecordingKind, install_recording};
use crate::io::store::{AccountError, Archive, SqliteArchive};
use crate::model::account::{self, MAX_OVERLAP};
use crate::model::business::{PasswordHash, spoken_text};
use crate::model::{
    AuditAction, AuditEntry, Business, BusinessId, ClientCertificate, Currency, Endpoint, FieldChange, Gates, Language,
    MachinePolicy, Network, Recording, RepresentativeGate, Tariff, TariffName, Voice, WebhookSecret,
};

/// Keep accounts.
#[derive(Args, Debug)]
pub struct BusinessArgs {
    #[command(subcommand)]
    command: BusinessCommand,
}

#[derive(Subcommand, Debug)]
enum BusinessCommand {
    /// Add a business
    Add(AddArgs),
    /// Change what is given, keep the rest
    Change(ChangeArgs),
    /// One line per business
    List(ConfigArgs),
    /// Everything about one business but its password, as JSON
    Show(OneArgs),
    /// Refuse its messages from now on (403); live calls go on
    Disable(OneArgs),
    /// Take its messages again
    Enable(OneArgs),
    /// Replace its password at once; a former one holds no more
    SetPassword(PasswordArgs),
    /// Replace its password; the present one holds beside it for a time
    RotatePassword(RotateArgs),
}

#[derive(Args, Debug)]
struct OneArgs {
    /// Its identifier: 1 to 64 of A-Z a-z 0-9 . _ -
    id: BusinessId,
    #[command(flatten)]
    config: ConfigArgs,
}

#[derive(Args, Debug)]
struct AddArgs {
    #[command(flatten)]
    one: OneArgs,
    /// Its name, as it is spoken to customers
    #[arg(long)]
    name: String,
    /// Read the password from the first line of standard input
    #[arg(long, required = true)]
    password_stdin: bool,
    #[command(flatten)]
    account: AccountArgs,
}

#[derive(Args, Debug)]
struct ChangeArgs {
    #[command(flatten)]
    one: OneArgs,
    /// Its name, as it is spoken to customers
    #[arg(long)]
    name: Option<String>,
    #[command(flatten)]
    account: AccountArgs,
}

#[derive(Args, Debug)]
struct PasswordArgs {
    #[command(flatten)]
    one: OneArgs,
    /// Read the password from the first line of standard input
    #[arg(long, required = true)]
    password_stdin: bool,
}

#[derive(Args, Debug)]
struct RotateArgs {
    #[command(flatten)]
    password: PasswordArgs,
    /// How long the present password still holds: seconds, or with s, m, h or d behind, at most 30d
    #[arg(long, value_name = "TIME", default_value = "24h", value_parser = overlap)]
    overlap: Duration,
}

/// `90`, `90s`, `15m`, `24h`, `7d`.
fn overlap(text: &str) -> Result<Duration, String> {
    let wrong = || "write a time such as 24h, at most 30d".to_owned();
    let (digits, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let unit = match unit {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return Err(wrong()),
    };
    let seconds = digits.parse::<u64>().ok().and_then(|number| number.checked_mul(unit)).ok_or_else(wrong)?;
    Some(Duration::from_secs(seconds)).filter(|time| *time <= MAX_OVERLAP).ok_or_else(wrong)
}

/// What an account has besides its name and password.
#[derive(Args, Debug)]
struct AccountArgs {
    /// A number it may show to customers and representatives; repeat for more, the first is its default
    #[arg(long, value_name = "NUMBER", value_parser = Endpoint::parse)]
    caller_id: Vec<Endpoint>,
    /// An address or network that its requests may come from, such as 192.0.2.0/24; repeat for more. Without one: from everywhere
    #[arg(long, value_name = "CIDR")]
    source: Vec<Network>,
    /// Its requests may come from everywhere again
    #[arg(long, conflicts_with = "source")]
    any_source: bool,
    /// A client certificate that its requests may show: sha256:FINGERPRINT or dns:NAME; repeat for more. Without one it needs none.
    /// Wants `[http] tls.client_ca`
    #[arg(long, value_name = "CERTIFICATE")]
    certificate: Vec<ClientCertificate>,
    /// It needs no client certificate any more
    #[arg(long, conflicts_with = "certificate")]
    no_certificate: bool,
    /// Whether its talks are recorded: off, on_request (by the message's `record`) or always [new: on_request]
    #[arg(long, value_name = "WHEN", value_parser = Recording::parse)]
    recording: Option<Recording>,
    /// Customers press 1 before a representative is dialled; `--customer-gate=false` takes it back [new: false]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    customer_gate: Option<bool>,
    /// What a representative meets who answers: off; whisper (is told who calls); accept (is told, and must press 1) [new: off]
    #[arg(long, value_name = "GATE")]
    representative_gate: Option<RepresentativeGate>,
    /// Where a machine answers in the customer's place: off (nobody listens); hang_up; leave_message; go_on (and say so in the record)
    /// [new: off]
    #[arg(long, value_name = "POLICY")]
    machine: Option<MachinePolicy>,
    /// What a machine is told; {company} is replaced. Empty: the configured text
    #[arg(long, value_name = "TEXT")]
    machine_text: Option<String>,
    /// The language its parties are spoken to, such as de, where a message does not say [new: the configured one]
    #[arg(long, value_name = "TAG")]
    language: Option<Language>,
    /// Both are told before they talk that their talk is recorded, where it is; `--consent=false`: they are not [new: as `[recording]
    /// consent` has it]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    consent: Option<bool>,
    /// How they are told; {company} is replaced. Empty: the configured text. Given without --consent, they are told
    #[arg(long, value_name = "TEXT")]
    consent_text: Option<String>,
    /// WAV of that. Given without --consent, they are told
    #[arg(long, value_name = "FILE")]
    consent_message: Option<PathBuf>,
    /// WAV of what a customer who holds is told again and again, in place of the text and the estimated wait
    #[arg(long, value_name = "FILE")]
    hold_message: Option<PathBuf>,
    /// WAV of what a representative is told who answers, in place of the text and the page's title (where it must press 1, say so)
    #[arg(long, value_name = "FILE")]
    whisper_message: Option<PathBuf>,
    /// WAV of what a machine is told
    #[arg(long, value_name = "FILE")]
    machine_message: Option<PathBuf>,
    /// WAV of what the customer's gate asks
    #[arg(long, value_name = "FILE")]
    gate_message: Option<PathBuf>,
    /// WAV of its spoken name, put into the message where no speech program is installed
    #[arg(long, value_name = "FILE")]
    spoken_name: Option<PathBuf>,
    /// WAV of the whole message, played instead of the spoken one
    #[arg(long, value_name = "FILE")]
    message: Option<PathBuf>,
    /// WAV of the whole second message: no representative is available
    #[arg(long, value_name = "FILE")]
    unavailable_message: Option<PathBuf>,
    /// The carrier's tariff that it pays by, a `[[tariff]]` of the configuration. Empty: its own prices [new: its own]
    #[arg(long, value_name = "NAME")]
    tariff: Option<String>,
    /// Price of a minute of the customer's leg, in millionths of the currency [new: 0]
    #[arg(long, value_name = "MICROS", value_parser = clap::value_parser!(i64).range(0..=1_000_000_000_000))]
    customer_per_minute_micros: Option<i64>,
    /// Price of a minute of the representative's leg [new: 0]
    #[arg(long, value_name = "MICROS", value_parser = clap::value_parser!(i64).range(0..=1_000_000_000_000))]
    representative_per_minute_micros: Option<i64>,
    /// Seconds are rounded up to a multiple of this [new: 1]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..=3600))]
    increment_seconds: Option<u32>,
    /// An answered leg is billed at least so long [new: 0]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(0..=3600))]
    minimum_seconds: Option<u32>,
    /// ISO 4217 code [new: USD]
    #[arg(long, value_name = "CODE")]
    currency: Option<Currency>,
    #[command(flatten)]
    limits: LimitArgs,
    #[command(flatten)]
    contact: ContactArgs,
    #[command(flatten)]
    direct: DirectArgs,
    #[command(flatten)]
    staffing: StaffingArgs,
    #[command(flatten)]
    webhook: WebhookArgs,
}

/// What is given, or nothing, or what was.
fn listed<T: Clone>(given: &[T], none: bool, old: Vec<T>) -> Vec<T> {
    if none {
        Vec::new()
    } else if given.is_empty() {
        old
    } else {
        given.to_vec()
    }
}

/// Secrets that were made for the account; each is shown once.
struct Made {
    webhook: webhook::Changed,
    page_key: Option<String>,
}

impl Made {
    fn tell(&self, args: &AccountArgs) -> Result<(), CliError> {
        direct::tell_secret(&args.direct, self.page_key.as_deref())?;
        self.webhook.shown().map_or(Ok(()), |line| say(&line))
    }
}

impl AccountArgs {
    fn gates(&self, old: Gates) -> Gates {
        Gates {
            customer: self.customer_gate.unwrap_or(old.customer),
            representative: self.representative_gate.unwrap_or(old.representative),
            machine: self.machine.unwrap_or(old.machine),
        }
    }

    fn voice(&self, old: Voice) -> Result<Voice, CliError> {
        let text = |option: &str, given: &Option<String>, old: Option<String>| match given.as_deref() {
            None => Ok(old),
            Some("") => Ok(None),
            Some(text) => spoken_text(text).map(Some).map_err(|why| CliError::Refused(format!("{option} is {why}"))),
        };
        let words = self.consent_message.is_some() || self.consent_text.as_deref().is_some_and(|text| !text.is_empty());
        Ok(Voice {
            machine_text: text("--machine-text", &self.machine_text, old.machine_text)?,
            language: self.language.or(old.language),
            consent: self.consent.or(words.then_some(true)).or(old.consent),
            consent_text: text("--consent-text", &self.consent_text, old.consent_text)?,
        })
    }

    fn own_tariff(&self, old: Tariff) -> Tariff {
        let representative = self.representative_per_minute_micros;
        Tariff {
            customer_per_minute_micros: self.customer_per_minute_micros.unwrap_or(old.customer_per_minute_micros),
            representative_per_minute_micros: representative.unwrap_or(old.representative_per_minute_micros),
            increment_seconds: self.increment_seconds.unwrap_or(old.increment_seconds),
            minimum_seconds: self.minimum_seconds.unwrap_or(old.minimum_seconds),
            currency: self.currency.unwrap_or(old.currency),
        }
    }

    fn tariff_name(&self, config: &Config, old: Option<TariffName>) -> Result<Option<TariffName>, CliError> {
        let Some(given) = self.tariff.as_deref() else { return Ok(old) };
        if given.is_empty() {
            return Ok(None);
        }
        let found = config.tariffs.iter().find(|plan| plan.name.as_str() == given).map(|plan| plan.name.clone());
        let names: Vec<&str> = config.tariffs.iter().map(|plan| plan.name.as_str()).collect();
        let there = if names.is_empty() { "it has none".to_owned() } else { format!("it has {}", names.join(", ")) };
        let mend = "mend: write it as [[tariff]], with its rates";
        let missing = || CliError::Refused(format!("the configuration has no tariff {given:?}; {there}\n    {mend}"));
        found.ok_or_else(missing).map(Some)
    }

    /// The account with what is given in place of what it was, and the secrets that were made on the way.
    fn applied(
        &self,
        config: &Config,
        old: Business,
        given: Option<WebhookSecret>,
    ) -> Result<(Business, Made), CliError> {
        let webhook = self.webhook.change(old.webhook.as_ref(), given)?;
        let (direct, page_key) = self.direct.direct(old.direct.clone())?;
        let business = Business {
            direct,
            staffing: self.staffing.staffing(old.staffing)?,
            limits: self.limits.limits(old.limits),
            guard: self.limits.guard(old.guard)?,
            contact: self.contact.contact(old.contact),
            tariff: self.own_tariff(old.tariff),
            tariff_name: self.tariff_name(config, old.tariff_name)?,
            caller_ids: listed(&self.caller_id, false, old.caller_ids),
            sources: listed(&self.source, self.any_source, old.sources),
            certificates: listed(&self.certificate, self.no_certificate, old.certificates),
            recording: self.recording.unwrap_or(old.recording),
            gates: self.gates(old.gates),
            voice: self.voice(old.voice)?,
            webhook: webhook.webhook.clone(),
            ..old
        };
        Ok((business, Made { webhook, page_key }))
    }

    /// Puts the recordings beside the store, where the daemon looks for them.
    fn install_recordings(&self, config: &Config, store: &SqliteArchive, id: &BusinessId) -> Result<(), CliError> {
        let given = [
            (RecordingKind::SpokenName, &self.spoken_name),
            (RecordingKind::Message, &self.message),
            (RecordingKind::Unavailable, &self.unavailable_message),
            (RecordingKind::Gate, &self.gate_message),
            (RecordingKind::Machine, &self.machine_message),
            (RecordingKind::Consent, &self.consent_message),
            (RecordingKind::Hold, &self.hold_message),
            (RecordingKind::Whisper, &self.whisper_message),
        ];
        for (kind, file) in given {
            if let Some(file) = file {
                install_recording(store_folder(config), id, kind, file)
                    .map_err(|error| CliError::Refused(error.to_string()))?;
                let who = who();
                store.note(&AuditEntry {
                    at: who.at,
                    actor: who.actor,
                    source: None,
                    business_id: Some(id.clone()),
                    action: AuditAction::PromptChanged,
                    changes: vec![FieldChange::secret(format!("prompts.{}", kind.name()))],
                })?;
            }
        }
        Ok(())
    }
}

pub(super) fn run(args: BusinessArgs) -> Result<(), CliError> {
    match args.command {
        BusinessCommand::Add(args) => add(&args),
        BusinessCommand::Change(args) => change(&args),
        BusinessCommand::List(args) => list(&args),
        BusinessCommand::Show(args) => show(&args),
        BusinessCommand::Disable(args) => enable(&args, false),
        BusinessCommand::Enable(args) => enable(&args, true),
        BusinessCommand::SetPassword(args) => set_password(&args),
        BusinessCommand::RotatePassword(args) => rotate_password(&args),
    }
}

fn add(args: &AddArgs) -> Result<(), CliError> {
    let config = config::load(&args.one.config.config)?;
    let input = &mut io::stdin().lock();
    let (password, given) = (read_password(input)?, args.account.webhook.given(input)?);
    let fresh = Business::new(args.one.id.clone(), args.name.trim(), password);
    let (business, made) = args.account.applied(&config, fresh, given)?;
    account::judge(&business).map_err(AccountError::from)?;
    let store = archive(&config, true)?;
    if store.business(&business.id)?.is_some() {
        return Err(AccountError::Exists(business.id).into());
    }
    args.account.install_recordings(&config, &store, &business.id)?;
    let business = store.add_account(&who(), business)?.business;
    say(&format!("business {} ({}) added", business.id, business.name))?;
    made.tell(&args.account)
}

pub(super) fn unknown(id: &BusinessId) -> CliError {
    AccountError::Unknown(id.clone()).into()
}

fn change(args: &ChangeArgs) -> Result<(), CliError> {
    let config = config::load(&args.one.config.config)?;
    let store = archive(&config, false)?;
    if store.business(&args.one.id)?.is_none() {
        return Err(unknown(&args.one.id));
    }
    let given = args.account.webhook.given(&mut io::stdin().lock())?;
    args.account.install_recordings(&config, &store, &args.one.id)?;
    let mut secrets = None;
    let changed = store.change_account(&who(), AuditAction::Changed, &args.one.id, None, |old| {
        let name = args.name.as_deref().map_or_else(|| old.name.clone(), |name| name.trim().to_owned());
        let (business, made) = args.account.applied(&config, Business { name, ..old }, given)?;
        secrets = Some(made);
        Ok::<_, CliError>(business)
    })?;
    say(&format!("business {} ({}) changed", changed.business.id, changed.business.name))?;
    secrets.map_or(Ok(()), |made| made.tell(&args.account))
}

fn list(args: &ConfigArgs) -> Result<(), CliError> {
    let store = archive(&config::load(&args.config)?, false)?;
    let mut out = io::stdout().lock();
    for business in store.directory()?.businesses.values() {
        let state = if business.enabled { "enabled" } else { "disabled" };
        writeln!(out, "{}\t{state}\t{}", business.id, business.name)?;
    }
    Ok(())
}

fn show(args: &OneArgs) -> Result<(), CliError> {
    let store = archive(&config::load(&args.config.config)?, false)?;
    let business = store.business(&args.id)?.ok_or_else(|| unknown(&args.id))?;
    let shown = account::shown(&business, who().at);
    say(&format!("{shown:#}"))
}

fn enable(args: &OneArgs, enabled: bool) -> Result<(), CliError> {
    let store = archive(&config::load(&args.config.config)?, false)?;
    let action = if enabled { AuditAction::Enabled } else { AuditAction::Disabled };
    let change = |old| Ok::<_, CliError>(Business { enabled, ..old });
    store.change_account(&who(), action, &args.id, None, change)?;
    say(&format!("business {} {}", args.id, if enabled { "enabled" } else { "disabled" }))
}

fn set_password(args: &PasswordArgs) -> Result<(), CliError> {
    let store = archive(&config::load(&args.one.config.config)?, false)?;
    let hash = read_password(&mut io::stdin().lock())?;
    store.change_account(&who(), AuditAction::PasswordSet, &args.one.id, None, |mut business| {
        business.set_password(hash);
        Ok::<_, CliError>(business)
    })?;
    say(&format!("business {} has a new password", args.one.id))
}

fn rotate_password(args: &RotateArgs) -> Result<(), CliError> {
    let one = &args.password.one;
    let store = archive(&config::load(&one.config.config)?, false)?;
    let hash = read_password(&mut io::stdin().lock())?;
    let who = who();
    let until = who.at + args.overlap;
    store.change_account(&who, AuditAction::PasswordRotated, &one.id, None, |mut business| {
        business.rotate_password(hash, until);
        Ok::<_, CliError>(business)
    })?;
    say(&format!("business {} has a new password; the former one holds until {until}", one.id))
}

/// The first line, without its end.
fn read_password(input: &mut impl BufRead) -> Result<PasswordHash, CliError> {
    let mut line = Zeroizing::new(String::new());
    io::Read::take(input, 1024).read_line(&mut line)?;
    let password = line.trim_end_matches(['\r', '\n']);
    hash_password(password).map_err(|error| {
        let mend = "mend: send it to standard input: printf 'correct horse' | callbridge business …";
        CliError::Refused(format!("{error}\n    {mend}"))
    })
}

fn say(line: &str) -> Result<(), CliError> {
    Ok(writeln!(io::stdout(), "{line}")?)
}
