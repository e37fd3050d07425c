//! What an account says of direct call requests, as arguments; and `callbridge page-token`, which makes a token as a business's Web
//! server does. Owns these arguments; a page key's secret is printed once, when it is made.

use std::io::{self, Write};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clap::Args;
use rand::TryRngCore;
use rand::rngs::OsRng;

use super::{CliError, ConfigArgs, archive};
use crate::access::page_token;
use crate::clock::Wall;
use crate::config;
use crate::io::clock::SystemClock;
use crate::io::store::Archive;
use crate::model::direct::{Centre, Direct, MAX_PAGE_TOKEN_SECONDS, MAX_WORK_BITS, PageKey, WebOrigin};
use crate::model::{Business, BusinessId};

/// What is said of direct call requests.
#[derive(Args, Debug)]
#[command(next_help_heading = "Direct call requests (from customers' browsers)")]
pub(super) struct DirectArgs {
    /// An origin whose pages may ask for calls, such as `https://shop.example`; repeat for more. Without one none is taken
    #[arg(long, value_name = "ORIGIN")]
    allow_origin: Vec<WebOrigin>,
    /// Take no direct requests any more: every allowed origin is removed
    #[arg(long, conflicts_with = "allow_origin")]
    no_direct: bool,
    /// Whom pages may name, and where: ID=ADDRESS[,ADDRESS…][#SKILL[,SKILL…]]; repeat for more, the first is the default
    #[arg(long, value_name = "CENTRE", value_parser = centre)]
    centre: Vec<Centre>,
    /// Who is meant where a page names nobody
    #[arg(long, value_name = "ID")]
    default_centre: Option<String>,
    /// Every request needs a page token; `--page-token-required=false` takes it back [new: false]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    page_token_required: Option<bool>,
    /// The longest life of a page token [new: 3600]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(10..=i64::from(MAX_PAGE_TOKEN_SECONDS)))]
    page_token_seconds: Option<u32>,
    /// Calls that one page token may start [new: 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    page_token_uses: Option<u32>,
    /// Leading zero bits that a browser has to find for each request; 0 = none, 18 costs a phone about a second [new: 0]
    #[arg(long, value_name = "BITS", value_parser = clap::value_parser!(u8).range(0..=i64::from(MAX_WORK_BITS)))]
    work_bits: Option<u8>,
    /// Direct calls to one number an hour [new: 3]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=1000))]
    max_per_number: Option<u32>,
    /// Direct calls from one source address an hour [new: 20]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=100_000))]
    max_per_source: Option<u32>,
    /// Direct calls of the business an hour [new: 300]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=100_000))]
    max_per_hour: Option<u32>,
    /// Make a page key of this name and print its secret; it signs from now on, and the older ones are taken until removed
    #[arg(long, value_name = "KEY")]
    new_page_key: Option<String>,
    /// Take no more tokens of this page key; repeat for more
    #[arg(long, value_name = "KEY")]
    remove_page_key: Vec<String>,
}

fn centre(text: &str) -> Result<Centre, String> {
    let (id, rest) = text.split_once('=').ok_or("write ID=ADDRESS[,ADDRESS…][#SKILL[,SKILL…]]")?;
    Centre::parse(id, rest)
}

impl DirectArgs {
    /// What is given instead of what was, and the secret of a key that was made.
    pub(super) fn direct(&self, old: Direct) -> Result<(Direct, Option<String>), CliError> {
        let list = |given: &Vec<WebOrigin>, old: Vec<WebOrigin>| if given.is_empty() { old } else { given.clone() };
        let allowed_origins = if self.no_direct { Vec::new() } else { list(&self.allow_origin, old.allowed_origins) };
        let mut page_keys = old.page_keys;
        for gone in &self.remove_page_key {
            let before = page_keys.len();
            page_keys.retain(|key| key.id != *gone);
            if page_keys.len() == before {
                return Err(CliError::Refused(format!("there is no page key {gone}")));
            }
        }
        let mut secret = None;
        if let Some(id) = &self.new_page_key {
            let key = PageKey::new(id, &random()?).map_err(|why| CliError::Refused(why.to_owned()))?;
            secret = Some(key.secret.clone());
            page_keys.insert(0, key);
        }
        let direct = Direct {
            allowed_origins,
            page_token_required: self.page_token_required.unwrap_or(old.page_token_required),
            page_keys,
            page_token_seconds: self.page_token_seconds.unwrap_or(old.page_token_seconds),
            page_token_uses: self.page_token_uses.unwrap_or(old.page_token_uses),
            work_bits: self.work_bits.unwrap_or(old.work_bits),
            max_per_number: self.max_per_number.unwrap_or(old.max_per_number),
            max_per_source: self.max_per_source.unwrap_or(old.max_per_source),
            max_per_hour: self.max_per_hour.unwrap_or(old.max_per_hour),
            centres: if self.centre.is_empty() { old.centres } else { self.centre.clone() },
            default_centre: self.default_centre.clone().or(old.default_centre),
        };
        Ok((direct, secret))
    }
}

/// Says what its Web server needs to know of a new key. The only time that it is shown.
pub(super) fn tell_secret(args: &DirectArgs, secret: Option<&str>) -> Result<(), CliError> {
    if let Some((id, secret)) = args.new_page_key.as_ref().zip(secret) {
        writeln!(io::stdout(), "page key {id}: {secret}")?;
    }
    Ok(())
}

/// Make a token with which a page may ask for a call; a business's Web server makes them itself (docs/for-businesses.md)
#[derive(Args, Debug)]
pub struct PageTokenArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// Whose page it is
    #[arg(long, value_name = "ID")]
    business: BusinessId,
    /// The page's address
    #[arg(long, value_name = "URL")]
    page: String,
    /// How long it holds
    #[arg(long, value_name = "SECONDS", default_value_t = 600, value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_PAGE_TOKEN_SECONDS)))]
    seconds: u32,
    /// Which page key signs; the newest, when nothing is said
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
}

pub(super) fn page_token(args: &PageTokenArgs) -> Result<(), CliError> {
    let store = archive(&config::load(&args.config.config)?, false)?;
    let refused = |why: String| CliError::Refused(why);
    let unknown = || refused(format!("there is no business {}", args.business));
    let business = store.business(&args.business)?.ok_or_else(unknown)?;
    let page = WebOrigin::of_url(&args.page).filter(|origin| business.direct.allows(origin.as_str()));
    if page.is_none() {
        let mend = "mend: `callbridge business change --allow-origin` allows its origin";
        return Err(refused(format!("{} is no page of an allowed origin of {}\n    {mend}", args.page, args.business)));
    }
    let token = made(args, &business, SystemClock::start().now().wall)?;
    Ok(writeln!(io::stdout(), "{token}")?)
}

fn made(args: &PageTokenArgs, business: &Business, now: Wall) -> Result<String, CliError> {
    let mut keys = business.direct.page_keys.iter();
    let key = keys.find(|key| args.key.as_ref().is_none_or(|wanted| key.id == *wanted)).ok_or_else(|| {
        let mend = "mend: `callbridge business change --new-page-key k1` makes one";
        CliError::Refused(format!("{} has no such page key\n    {mend}", args.business))
    })?;
    if args.seconds > business.direct.page_token_seconds {
        let most = business.direct.page_token_seconds;
        return Err(CliError::Refused(format!("{} allows {most} seconds at most", args.business)));
    }
    let expires = now + std::time::Duration::from_secs(u64::from(args.seconds));
    Ok(page_token::make(key, &business.id, &args.page, expires, &random()?))
}

/// Thirty-two random bytes as text.
fn random() -> Result<String, CliError> {
    let mut bytes = [0; 32];
    OsRng.try_fill_bytes(&mut bytes).map_err(|error| CliError::Refused(format!("no randomness: {error}")))?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}
