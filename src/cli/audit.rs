//! `callbridge audit`: who changed which account, when, and what, the oldest first. Owns the arguments and how an entry is printed.

use std::io::{self, Write};

use clap::{Args, ValueEnum};
use serde_json::Value;

use super::{CliError, ConfigArgs, archive};
use crate::clock::Wall;
use crate::config;
use crate::io::store::{AuditFilter, MAX_AUDIT_LISTED, NumberedEntry};
use crate::model::{AuditEntry, BusinessId, FieldChange};

/// See who changed accounts
#[derive(Args, Debug)]
pub struct AuditArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// Of one business only
    #[arg(long, value_name = "ID")]
    business: Option<BusinessId>,
    /// At or after this time (RFC 3339)
    #[arg(long, value_name = "TIME", value_parser = time)]
    from: Option<Wall>,
    /// Before this time
    #[arg(long, value_name = "TIME", value_parser = time)]
    to: Option<Wall>,
    /// One line for people, or one JSON document a line
    #[arg(long, value_enum, default_value_t = Form::Text)]
    format: Form,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Form {
    Text,
    Jsonl,
}

fn time(text: &str) -> Result<Wall, String> {
    Wall::parse(text).ok_or_else(|| "not an RFC 3339 time, such as 2026-11-01T00:00:00Z".to_owned())
}

pub(super) fn run(args: &AuditArgs) -> Result<(), CliError> {
    let store = archive(&config::load(&args.config.config)?, false)?;
    let mut filter = AuditFilter {
        business: args.business.clone(),
        from: args.from,
        to: args.to,
        before: None,
        limit: MAX_AUDIT_LISTED,
    };
    // They are read newest first, and printed as they happened.
    let mut entries: Vec<NumberedEntry> = Vec::new();
    loop {
        let page = store.audit(&filter)?;
        let last = page.len() < MAX_AUDIT_LISTED;
        filter.before = page.last().map(|entry| entry.number);
        entries.extend(page);
        if last {
            break;
        }
    }
    let mut out = io::stdout().lock();
    for NumberedEntry { entry, .. } in entries.iter().rev() {
        match args.format {
            Form::Text => writeln!(out, "{}", line(entry))?,
            Form::Jsonl => writeln!(out, "{}", serde_json::json!(entry))?,
        }
    }
    Ok(())
}

/// `2026-12-01T05:00:00.000Z operator anna (192.0.2.7): abc changed limits.max_concurrent 7 -> 9`
fn line(entry: &AuditEntry) -> String {
    let source = entry.source.map(|source| format!(" ({source})")).unwrap_or_default();
    let whose = entry.business_id.as_ref().map_or("-", BusinessId::as_str);
    let mut line = format!("{} {}{source}: {whose} {}", entry.at, entry.actor, entry.action.as_str());
    for (number, FieldChange { field, old, new }) in entry.changes.iter().enumerate() {
        line.push_str(if number > 0 { ", " } else { " " });
        line.push_str(&match (old, new) {
            (Value::Null, Value::Null) => format!("{field} (a secret)"),
            _ => format!("{field} {old} -> {new}"),
        });
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Actor, AuditAction};

    #[test]
    fn an_entry_is_one_line() {
        let entry = AuditEntry {
            at: Wall(0),
            actor: Actor::Operator { name: "anna".into() },
            source: "192.0.2.7".parse().ok(),
            business_id: "abc".parse().ok(),
            action: AuditAction::Changed,
            changes: vec![
                FieldChange { field: "name".into(), old: Value::from("A\nB"), new: Value::from("C") },
                FieldChange::secret("password"),
            ],
        };
        let wanted = "1970-01-01T00:00:00.000Z operator anna (192.0.2.7): abc changed name \"A\\nB\" -> \"C\", password (a secret)";
        assert_eq!(line(&entry), wanted);
    }
}
