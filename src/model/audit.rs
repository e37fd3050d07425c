//! The audit trail: who changed which account, when, and what. Owns the shape of an entry and what of an account may be written into it;
//! refuses secrets: of a password or a key it says only that it changed.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::BusinessId;
use crate::clock::Wall;

/// A value that is written out longer is replaced by its length.
const MAX_VALUE_BYTES: usize = 2000;

/// Who made a change.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Actor {
    /// An operator, by the admin API or the console.
    Operator {
        /// Its name in `[[admin.operator]]`.
        name: String,
    },
    /// A command on the machine.
    CommandLine {
        /// The user of the operating system.
        user: String,
    },
    /// The configuration file's `[[business]]`.
    Configuration,
    /// A webhook that answered 410.
    Webhook,
    /// The guard against guessed passwords.
    Guard,
}

impl std::fmt::Display for Actor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Actor::Operator { name } => write!(f, "operator {name}"),
            Actor::CommandLine { user } => write!(f, "command line, {user}"),
            Actor::Configuration => f.write_str("configuration"),
            Actor::Webhook => f.write_str("webhook"),
            Actor::Guard => f.write_str("guard"),
        }
    }
}

/// What was done.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AuditAction {
    /// An account came to be.
    Added,
    /// Fields of it changed.
    Changed,
    /// Its messages are taken again.
    Enabled,
    /// Its messages are refused.
    Disabled,
    /// Another password, at once.
    PasswordSet,
    /// Another password, beside which the former holds for a time.
    PasswordRotated,
    /// A recording for its callers was put in or taken away.
    PromptChanged,
    /// Its webhook answered 410.
    WebhookGone,
    /// A source that guessed passwords has to wait.
    SourceLocked,
    /// Calls of it were rated anew: how many, and what they came to.
    Rerated,
}

impl AuditAction {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            AuditAction::Added => "added",
            AuditAction::Changed => "changed",
            AuditAction::Enabled => "enabled",
            AuditAction::Disabled => "disabled",
            AuditAction::PasswordSet => "password_set",
            AuditAction::PasswordRotated => "password_rotated",
            AuditAction::PromptChanged => "prompt_changed",
            AuditAction::WebhookGone => "webhook_gone",
            AuditAction::SourceLocked => "source_locked",
            AuditAction::Rerated => "rerated",
        }
    }
}

/// One field that changed.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct FieldChange {
    /// Which, such as `limits.max_concurrent`.
    pub field: String,
    /// What it was; null where there was none, or where it is a secret.
    pub old: Value,
    /// What it is.
    pub new: Value,
}

impl FieldChange {
    /// Something changed that is shown to nobody.
    pub fn secret(field: impl Into<String>) -> FieldChange {
        FieldChange { field: field.into(), old: Value::Null, new: Value::Null }
    }
}

/// Who does something, from where, and when.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Who {
    /// Who.
    pub actor: Actor,
    /// From which address, where it came over a network.
    pub source: Option<IpAddr>,
    /// Now.
    pub at: Wall,
}

/// An entry of the trail.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AuditEntry {
    /// When.
    pub at: Wall,
    /// Who.
    pub actor: Actor,
    /// From which address; null: not over a network.
    #[schema(value_type = Option<String>)]
    pub source: Option<IpAddr>,
    /// Whose account; null: nobody's.
    pub business_id: Option<BusinessId>,
    /// What.
    pub action: AuditAction,
    /// Which fields.
    pub changes: Vec<FieldChange>,
}

/// The fields in which two accounts differ, as they are shown ([`super::account::shown`]).
pub fn differences(old: &Value, new: &Value) -> Vec<FieldChange> {
    let mut changes = Vec::new();
    differ("", old, new, 0, &mut changes);
    changes
}

fn differ(path: &str, old: &Value, new: &Value, depth: usize, changes: &mut Vec<FieldChange>) {
    if old == new {
        return;
    }
    let empty = serde_json::Map::new();
    let tables = match (old, new) {
        (Value::Object(old), Value::Object(new)) => Some((old, new)),
        // A webhook that comes or goes is told field by field.
        (Value::Null, Value::Object(new)) if depth > 0 => Some((&empty, new)),
        (Value::Object(old), Value::Null) if depth > 0 => Some((old, &empty)),
        _ => None,
    };
    match tables.filter(|_| depth < 3) {
        Some((old, new)) => {
            let keys: std::collections::BTreeSet<&String> = old.keys().chain(new.keys()).collect();
            for key in keys {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                let of = |table: &serde_json::Map<String, Value>| table.get(key).cloned().unwrap_or_default();
                differ(&path, &of(old), &of(new), depth + 1, changes);
            }
        }
        None => changes.push(FieldChange { field: path.to_owned(), old: told(path, old), new: told(path, new) }),
    }
}

/// A value as the trail has it.
fn told(path: &str, value: &Value) -> Value {
    // The path of a webhook's address may be a secret of the business's.
    if path == "webhook.url"
        && let Some(url) = value.as_str()
    {
        let end = url.find("://").and_then(|at| url[at + 3..].find('/').map(|path| at + 3 + path));
        return Value::from(format!("{}/…", &url[..end.unwrap_or(url.len())]));
    }
    let bytes = value.to_string().len();
    if bytes > MAX_VALUE_BYTES { Value::from(format!("({bytes} bytes)")) } else { value.clone() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_fields_that_differ_are_told_one_by_one() {
        let old = json!({ "name": "A", "limits": { "max_concurrent": 7, "max_per_second": 1 }, "caller_ids": [], "webhook": null });
        let new = json!({ "name": "A", "limits": { "max_concurrent": 9, "max_per_second": 1 }, "caller_ids": ["+12125550199"],
            "webhook": { "url": "https://example.com/t0ken", "state": "enabled" } });
        let told: Vec<String> =
            differences(&old, &new).iter().map(|c| format!("{}: {} -> {}", c.field, c.old, c.new)).collect();
        assert_eq!(
            told,
            [
                "caller_ids: [] -> [\"+12125550199\"]",
                "limits.max_concurrent: 7 -> 9",
                "webhook.state: null -> \"enabled\"",
                "webhook.url: null -> \"https://example.com/…\"",
            ]
        );
        assert!(differences(&new, &new).is_empty());
    }

    #[test]
    fn what_is_very_long_is_told_by_its_length() {
        let changes = differences(&json!({ "a": "" }), &json!({ "a": "x".repeat(3000) }));
        assert_eq!(changes[0].new, "(3002 bytes)");
    }
}
