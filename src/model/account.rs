//! An account as operators see it and change it: what of it is shown, and what an account may not be, whoever wrote it. Owns both, so that
//! the command line, the admin API and the configuration file cannot differ; refuses to store, to hash and to draw secrets.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use super::business::spoken_text;
use super::contact::EXPIRES_SECONDS;
use super::limits::{MAX_PREFIXES, MAX_SPEND_MICROS, RESERVE_SECONDS};
use super::origin::{MAX_CERTIFICATES, MAX_SOURCES};
use super::{Business, Contact, Direct, Tariff, Webhook};
use crate::clock::Wall;
use crate::model::direct::{MAX_PAGE_TOKEN_SECONDS, MAX_WORK_BITS};

/// Most numbers that a business may show.
pub const MAX_CALLER_IDS: usize = 64;
/// A price of a million units a minute: beyond it, something else was meant.
pub const MAX_PRICE: i64 = 1_000_000_000_000;
/// A former password holds at most so long.
pub const MAX_OVERLAP: Duration = Duration::from_secs(30 * 86_400);
/// Bounds of what is counted of a business.
const MAX_COUNT: u32 = 1_000_000;
/// And of what is counted over a day or a month.
const MAX_TOTAL: u32 = 1_000_000_000;

/// A field that an account may not have so.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FieldProblem {
    /// Which, such as `limits.max_concurrent`.
    pub field: &'static str,
    /// What is wrong, and what would be right.
    pub problem: String,
}

impl FieldProblem {
    /// One.
    pub fn new(field: &'static str, problem: impl Into<String>) -> FieldProblem {
        FieldProblem { field, problem: problem.into() }
    }

    /// As a JSON pointer (RFC 6901).
    pub fn pointer(&self) -> String {
        format!("/{}", self.field.replace('.', "/"))
    }
}

/// All that is wrong with an account.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Problems(pub Vec<FieldProblem>);

impl std::fmt::Display for Problems {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (number, FieldProblem { field, problem }) in self.0.iter().enumerate() {
            let comma = if number > 0 { "; " } else { "" };
            write!(f, "{comma}{field}: {problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// What is wrong with this account; the one judgement over every way by which accounts come.
pub fn judge(business: &Business) -> Result<(), Problems> {
    let mut found = Vec::new();
    let mut wrong = |bad: bool, field, problem: &str| {
        if bad {
            found.push(FieldProblem::new(field, problem));
        }
    };
    let name = &business.name;
    let plain = (1..=100).contains(&name.len()) && name.trim() == name && !name.contains(char::is_control);
    wrong(!plain, "name", "1 to 100 bytes on one line");
    let limits = &business.limits;
    let counts = [
        ("limits.max_concurrent", limits.max_concurrent),
        ("limits.max_per_second", limits.max_per_second),
        ("limits.max_scheduled", limits.max_scheduled),
    ];
    for (field, count) in counts {
        wrong(count > MAX_COUNT, field, "0 to 1000000");
    }
    let totals = [
        ("limits.max_calls_per_day", limits.max_calls_per_day),
        ("limits.max_minutes_per_day", limits.max_minutes_per_day),
        ("limits.max_minutes_per_month", limits.max_minutes_per_month),
        ("limits.max_per_number_per_hour", limits.max_per_number_per_hour),
        ("limits.max_per_number_per_day", limits.max_per_number_per_day),
    ];
    for (field, total) in totals {
        wrong(total.is_some_and(|total| total > MAX_TOTAL), field, "0 to 1000000000");
    }
    let money = |spend: Option<i64>| spend.is_some_and(|spend| !(0..=MAX_SPEND_MICROS).contains(&spend));
    wrong(money(limits.max_spend_per_day_micros), "limits.max_spend_per_day_micros", "0 to 1000000000000000000");
    wrong(money(limits.max_spend_per_month_micros), "limits.max_spend_per_month_micros", "0 to 1000000000000000000");
    let reserve = RESERVE_SECONDS.contains(&i64::from(limits.reserve_seconds));
    wrong(!reserve, "limits.reserve_seconds", "5 to 3600 seconds");
    let destinations = &business.guard.destinations;
    wrong(destinations.allow.len() > MAX_PREFIXES, "destinations.allow", "at most 256 prefixes");
    wrong(destinations.deny.len() > MAX_PREFIXES, "destinations.deny", "at most 256 prefixes");
    wrong(business.caller_ids.len() > MAX_CALLER_IDS, "caller_ids", "at most 64 numbers");
    wrong(business.sources.len() > MAX_SOURCES, "sources", "at most 64 networks");
    wrong(business.certificates.len() > MAX_CERTIFICATES, "certificates", "at most 16 certificates");
    for (field, text) in
        [("voice.machine_text", &business.voice.machine_text), ("voice.consent_text", &business.voice.consent_text)]
    {
        if let Some(Err(problem)) = text.as_deref().map(spoken_text) {
            wrong(true, field, problem);
        }
    }
    judge_contact(&business.contact, &mut wrong);
    judge_tariff(&business.tariff, &mut wrong);
    judge_direct(&business.direct, &mut wrong);
    if let Some(problem) = business.staffing.problem() {
        wrong(true, "staffing", &problem);
    }
    if found.is_empty() { Ok(()) } else { Err(Problems(found)) }
}

fn judge_contact(contact: &Contact, wrong: &mut impl FnMut(bool, &'static str, &str)) {
    let expires = contact.expires_after_seconds.is_some_and(|seconds| !EXPIRES_SECONDS.contains(&seconds));
    wrong(expires, "contact.expires_after_seconds", "1 to 2678400 seconds");
    if let Some((field, problem)) = contact.retry.problem() {
        let field = match field {
            "busy_seconds" => "contact.retry.busy_seconds",
            "no_answer_seconds" => "contact.retry.no_answer_seconds",
            "machine_seconds" => "contact.retry.machine_seconds",
            _ => "contact.retry.max_tries",
        };
        wrong(true, field, problem);
    }
}

fn judge_tariff(tariff: &Tariff, wrong: &mut impl FnMut(bool, &'static str, &str)) {
    let price = |price: i64| !(0..=MAX_PRICE).contains(&price);
    let bound = "0 to 1000000000000 millionths of the currency";
    wrong(price(tariff.customer_per_minute_micros), "tariff.customer_per_minute_micros", bound);
    wrong(price(tariff.representative_per_minute_micros), "tariff.representative_per_minute_micros", bound);
    wrong(!(1..=3600).contains(&tariff.increment_seconds), "tariff.increment_seconds", "1 to 3600 seconds");
    wrong(tariff.minimum_seconds > 3600, "tariff.minimum_seconds", "0 to 3600 seconds");
}

fn judge_direct(direct: &Direct, wrong: &mut impl FnMut(bool, &'static str, &str)) {
    let seconds = 10..=MAX_PAGE_TOKEN_SECONDS;
    wrong(!seconds.contains(&direct.page_token_seconds), "direct.page_token_seconds", "10 to 86400 seconds");
    wrong(!(1..=1000).contains(&direct.page_token_uses), "direct.page_token_uses", "1 to 1000");
    wrong(direct.work_bits > MAX_WORK_BITS, "direct.work_bits", "0 to 28 bits");
    wrong(direct.max_per_number > 1000, "direct.max_per_number", "0 to 1000 an hour");
    wrong(direct.max_per_source > 100_000, "direct.max_per_source", "0 to 100000 an hour");
    wrong(direct.max_per_hour > 100_000, "direct.max_per_hour", "0 to 100000 an hour");
    if let Some(problem) = direct.problem() {
        wrong(true, "direct", &problem);
    }
}

/// All of an account but its secrets: no hash, no webhook's secret, of page keys their names.
pub fn shown(business: &Business, now: Wall) -> Value {
    json!({
        "id": business.id,
        "name": business.name,
        "enabled": business.enabled,
        "limits": business.limits,
        "destinations": business.guard.destinations,
        "quiet_hours": business.guard.quiet,
        "contact": business.contact,
        "tariff": business.tariff,
        "tariff_name": business.tariff_name,
        "caller_ids": business.caller_ids,
        "recording": business.recording,
        "gates": business.gates,
        "voice": business.voice,
        "sources": business.sources,
        "certificates": business.certificates,
        "former_password_until": business.former_password_at(now).map(|former| former.until),
        "webhook": business.webhook.as_ref().map(shown_webhook),
        "direct": shown_direct(&business.direct),
        "staffing": business.staffing,
    })
}

fn shown_webhook(webhook: &Webhook) -> Value {
    json!({ "url": webhook.url, "state": webhook.state, "former_secret_until": webhook.rotates_until() })
}

fn shown_direct(direct: &Direct) -> Value {
    let mut shown = json!(direct);
    let keys: Vec<&str> = direct.page_keys.iter().map(|key| key.id.as_str()).collect();
    if let Some(shown) = shown.as_object_mut() {
        shown.insert("page_keys".to_owned(), json!(keys));
    }
    shown
}

/// The secrets in which two accounts differ, by the name of their field.
pub fn secrets_changed(old: Option<&Business>, new: &Business) -> Vec<&'static str> {
    let mut changed = Vec::new();
    if old.is_some_and(|old| old.password_hash != new.password_hash) {
        changed.push("password");
    }
    let newest =
        |business: &Business| business.webhook.as_ref().and_then(|webhook| webhook.secrets_at(Wall(0)).next().cloned());
    if newest(new).is_some_and(|secret| old.and_then(newest) != Some(secret)) {
        changed.push("webhook.secret");
    }
    let keys = |business: &Business| -> BTreeSet<String> {
        business.direct.page_keys.iter().map(|key| key.secret.clone()).collect()
    };
    if !keys(new).is_subset(&old.map(keys).unwrap_or_default()) {
        changed.push("direct.page_keys.secret");
    }
    changed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::business::PasswordHash;
    use crate::model::direct::PageKey;
    use crate::model::{Limits, WebhookSecret};

    fn abc() -> Business {
        Business::new("abc".parse().unwrap(), "ABC", PasswordHash("$argon2id$secret".into()))
    }

    #[test]
    fn every_field_that_cannot_be_is_named_at_once() {
        let mut bad = abc();
        bad.name = "two\nlines".into();
        bad.limits = Limits { max_concurrent: MAX_COUNT + 1, ..bad.limits };
        bad.contact.expires_after_seconds = Some(0);
        bad.contact.retry.busy_seconds = vec![0];
        bad.tariff.increment_seconds = 0;
        bad.voice.machine_text = Some(" ".into());
        bad.direct.page_token_required = true;
        let Problems(problems) = judge(&bad).unwrap_err();
        let fields: Vec<&str> = problems.iter().map(|problem| problem.field).collect();
        assert_eq!(
            fields,
            [
                "name",
                "limits.max_concurrent",
                "voice.machine_text",
                "contact.expires_after_seconds",
                "contact.retry.busy_seconds",
                "tariff.increment_seconds",
                "direct"
            ]
        );
        assert_eq!(problems[1].pointer(), "/limits/max_concurrent");
        assert_eq!(judge(&abc()), Ok(()));
    }

    #[test]
    fn nothing_secret_is_shown_and_a_secret_that_changes_is_named() {
        let old = abc();
        let mut new = abc();
        new.password_hash = PasswordHash("$argon2id$another".into());
        new.direct.page_keys = vec![PageKey::new("k1", &"p".repeat(32)).unwrap()];
        new.webhook = Some(Webhook::new("https://example.com/".parse().unwrap(), WebhookSecret::new([7; 32])));
        let text = shown(&new, Wall(0)).to_string();
        assert!(!text.contains("argon2") && !text.contains("whsec") && !text.contains("pppp"), "{text}");
        assert_eq!(secrets_changed(Some(&old), &new), ["password", "webhook.secret", "direct.page_keys.secret"]);
        assert!(secrets_changed(Some(&new), &new).is_empty());
    }
}
