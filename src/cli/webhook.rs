//! The webhook of an account on the command line: its address, its secrets, their rotation. Owns these arguments; a secret is read
//! from standard input or made here, and shown once.

use std::io::{self, BufRead};
use std::time::Duration;

use clap::Args;
use zeroize::Zeroizing;

use super::CliError;
use crate::io::clock::SystemClock;
use crate::model::webhook::WebhookState;
use crate::model::{Webhook, WebhookSecret, WebhookUrl};

/// How an account's webhook is changed.
#[derive(Args, Debug)]
pub(super) struct WebhookArgs {
    /// Where its events are told, such as `https://example.com/callbridge`; also enables it again after a 410. "" takes it away
    #[arg(long, value_name = "URL")]
    webhook_url: Option<String>,
    /// Read the secret that events are signed with from the next line of standard input: whsec_ and base64 of 24 to 64 bytes.
    /// Without, a new webhook's secret is made and shown once
    #[arg(long)]
    webhook_secret_stdin: bool,
    /// Make another secret and show it once; the present one signs too for --webhook-rotation-hours
    #[arg(long, conflicts_with = "webhook_secret_stdin")]
    webhook_new_secret: bool,
    /// How long the former secret signs beside the new one
    #[arg(long, value_name = "HOURS", default_value_t = 24, value_parser = clap::value_parser!(u32).range(0..=720))]
    webhook_rotation_hours: u32,
}

/// What came of the arguments.
pub(super) struct Changed {
    /// The webhook from now on.
    pub webhook: Option<Webhook>,
    /// A secret that was made here.
    made: Option<WebhookSecret>,
}

impl Changed {
    /// The line that shows a secret, once.
    pub fn shown(&self) -> Option<Zeroizing<String>> {
        let secret = self.made.as_ref()?.reveal();
        Some(Zeroizing::new(format!("webhook secret (shown once): {}", *secret)))
    }
}

impl WebhookArgs {
    /// The secret that is given, where one is to come from the next line of `input`.
    pub fn given(&self, input: &mut impl BufRead) -> Result<Option<WebhookSecret>, CliError> {
        let from_there = self.webhook_secret_stdin && self.webhook_url.as_deref() != Some("");
        if from_there { read_secret(input).map(Some) } else { Ok(None) }
    }

    /// The webhook that an account has from now on.
    pub fn change(&self, old: Option<&Webhook>, given: Option<WebhookSecret>) -> Result<Changed, CliError> {
        let refused = |what: &str, mend: &str| CliError::Refused(format!("{what}\n    mend: {mend}"));
        if self.webhook_url.as_deref() == Some("") {
            return Ok(Changed { webhook: None, made: None });
        }
        let url = self.webhook_url.as_deref().map(str::parse::<WebhookUrl>).transpose();
        let url = url.map_err(|why| refused(&format!("--webhook-url is {why}"), "give https://host/path"))?;
        let wanted = self.webhook_new_secret || (old.is_none() && url.is_some() && given.is_none());
        let made = wanted.then(|| WebhookSecret::new(rand::random()));
        let secret = given.or_else(|| made.clone());
        let webhook = match (old.cloned(), url, secret) {
            (None, None, None) => None,
            (None, Some(url), Some(secret)) => Some(Webhook::new(url, secret)),
            (None, _, _) => return Err(refused("there is no webhook yet", "give --webhook-url https://…")),
            (Some(mut webhook), url, secret) => {
                if let Some(url) = url {
                    (webhook.url, webhook.state) = (url, WebhookState::Enabled);
                }
                if let Some(secret) = secret {
                    let hours = Duration::from_secs(u64::from(self.webhook_rotation_hours) * 3600);
                    webhook.rotate(secret, SystemClock::start().now().wall + hours);
                }
                Some(webhook)
            }
        };
        Ok(Changed { webhook, made })
    }
}

/// The next line, without its end.
fn read_secret(input: &mut impl BufRead) -> Result<WebhookSecret, CliError> {
    let mut line = Zeroizing::new(String::new());
    io::Read::take(input, 1024).read_line(&mut line)?;
    line.trim().parse().map_err(|why| {
        let mend = "mend: make one with: echo whsec_$(openssl rand -base64 32)";
        CliError::Refused(format!("the webhook's secret is {why}\n    {mend}"))
    })
}
