//! What is said of a representative: a word with its lease, and for how long a token is to hold. Owns these fields' form and bounds.

use std::time::Duration;

use super::{Fields, Problem, RawMessage};
use crate::access::desk;
use crate::model::Wish;

/// How long a lease is where nothing is said.
const LEASE_SECONDS: u64 = 90;

/// A representative's word.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SessionMessage {
    /// What they want.
    pub wish: Wish,
    /// For so long without another word.
    pub lease: Duration,
}

impl RawMessage {
    /// `{state, lease_seconds}`: the lease may be left out.
    pub fn session(self) -> Result<SessionMessage, Problem> {
        let mut fields = Fields { left: self.fields, errors: Vec::new(), malformed: false };
        let text = fields.required("state").and_then(|json| fields.string("/state", json));
        let wish = text.and_then(|text| {
            let wish = Wish::parse(&text);
            if wish.is_none() {
                fields.malformed("/state", "available, break, wrap_up or logged_off");
            }
            wish
        });
        let seconds = fields.seconds("lease_seconds", LEASE_SECONDS, [1, 86_400]);
        fields.finish()?;
        let wish = wish.ok_or_else(|| Problem::malformed("state is needed"))?;
        Ok(SessionMessage { wish, lease: Duration::from_secs(seconds) })
    }

    /// `{valid_seconds}`: how long a representative's token is to hold, which may be left out.
    pub fn desk_token(self) -> Result<Duration, Problem> {
        let mut fields = Fields { left: self.fields, errors: Vec::new(), malformed: false };
        let range = [desk::SHORTEST_LIFE.as_secs(), desk::LONGEST_LIFE.as_secs()];
        let seconds = fields.seconds("valid_seconds", desk::LIFE.as_secs(), range);
        fields.finish()?;
        Ok(Duration::from_secs(seconds))
    }
}
