//! Query parameters of the listings: strict, every error at once. Owns their names and bounds; refuses unknown and repeated
//! ones.

use std::collections::BTreeMap;
use std::str::FromStr;

use axum::extract::Query;
use axum::http::{StatusCode, Uri};

use super::ladder::Face;
use super::port::{CallFilter, RecordFilter};
use super::problem::{FieldError, Problem};
use crate::clock::Wall;
use crate::io::store::{AuditFilter, DeliveryFilter, DeliveryState, Way};
use crate::model::{BusinessId, CallId, CallState};

/// Page size when none is asked for.
pub const DEFAULT_LIMIT: usize = 50;
/// Longest period of an invoice that is asked for here.
const MAX_PERIOD_MILLIS: u64 = 366 * 86_400_000;
/// Largest page.
pub const MAX_LIMIT: usize = 500;

/// `GET /v1/calls?state&reference&created_from&created_to&limit&cursor`
pub fn calls(uri: &Uri) -> Result<CallFilter, Problem> {
    let mut query = Parameters::read(uri)?;
    let filter = CallFilter {
        state: query.take("state", "a state of a call, such as bridged", CallState::parse),
        reference: query.take("reference", "", |text| Some(text.to_owned())),
        created_from: query.time("created_from"),
        created_to: query.time("created_to"),
        before: query.cursor(),
        limit: query.limit(),
    };
    query.finish().map(|()| filter)
}

/// `GET /v1/cdrs?from&to&limit&cursor`
pub fn records(uri: &Uri) -> Result<RecordFilter, Problem> {
    let mut query = Parameters::read(uri)?;
    let filter =
        RecordFilter { from: query.time("from"), to: query.time("to"), after: query.cursor(), limit: query.limit() };
    query.finish().map(|()| filter)
}

/// `GET /v1/webhooks/deliveries?state&limit&cursor`
pub fn deliveries(uri: &Uri, business: BusinessId) -> Result<DeliveryFilter, Problem> {
    let mut query = Parameters::read(uri)?;
    let filter = DeliveryFilter {
        business: Some(business),
        way: query.take("way", "webhook or sink", Way::parse).unwrap_or_default(),
        state: query.take("state", "waiting, delivered or dead", DeliveryState::parse),
        before: query.take("cursor", "the next_cursor of an earlier answer", |text| text.parse().ok()),
        limit: query.limit(),
    };
    query.finish().map(|()| filter)
}

/// `GET /v1/calls/{id}/ladder?format`
pub fn ladder(uri: &Uri) -> Result<Option<Face>, Problem> {
    let mut query = Parameters::read(uri)?;
    let face = query.take("format", "text, svg or json", Face::parse);
    query.finish().map(|()| face)
}

/// `GET /v1/call-requests/challenge?business_id`
pub fn business(uri: &Uri) -> Result<String, Problem> {
    let mut query = Parameters::read(uri)?;
    let business = query.take("business_id", "", |text| Some(text.to_owned()));
    query.finish()?;
    business.ok_or_else(|| Problem::malformed("required").at("/business_id"))
}

/// `GET /v1/call-requests/{id}/events?token`
pub fn token(uri: &Uri) -> Result<Option<String>, Problem> {
    let mut query = Parameters::read(uri)?;
    let token = query.take("token", "", |text| Some(text.to_owned()));
    query.finish().map(|()| token)
}

/// `GET /admin/v1/businesses?limit&cursor`
pub fn businesses(uri: &Uri) -> Result<(Option<BusinessId>, usize), Problem> {
    let mut query = Parameters::read(uri)?;
    let after = query.take("cursor", "the next_cursor of an earlier answer", |text| text.parse().ok());
    let limit = query.limit();
    query.finish().map(|()| (after, limit))
}

/// `GET /admin/v1/audit?business&from&to&limit&cursor`
pub fn audit(uri: &Uri) -> Result<AuditFilter, Problem> {
    let mut query = Parameters::read(uri)?;
    let filter = AuditFilter {
        business: query.take("business", "a business identifier", |text| text.parse().ok()),
        from: query.time("from"),
        to: query.time("to"),
        before: query.take("cursor", "the next_cursor of an earlier answer", |text| {
            text.parse().ok().filter(|number| *number > 0)
        }),
        limit: query.limit(),
    };
    query.finish().map(|()| filter)
}

/// `from` and `to`, both needed: a period of some length, of at most 366 days.
pub fn period(uri: &Uri) -> Result<(Wall, Wall), Problem> {
    let mut query = Parameters::read(uri)?;
    let (from, to) = (query.needed_time("from"), query.needed_time("to"));
    query.finish()?;
    let (from, to) = from.zip(to).ok_or_else(|| Problem::malformed("from and to are required"))?;
    match (1..=MAX_PERIOD_MILLIS).contains(&to.millis_since(from)) {
        true => Ok((from, to)),
        false => {
            let why = "must be later than from, by at most 366 days";
            Err(Problem::of(StatusCode::UNPROCESSABLE_ENTITY, why).at("/to"))
        }
    }
}

/// No parameter at all.
pub fn none(uri: &Uri) -> Result<(), Problem> {
    Parameters::read(uri)?.finish()
}

struct Parameters {
    left: BTreeMap<String, String>,
    errors: Vec<FieldError>,
}

impl Parameters {
    fn read(uri: &Uri) -> Result<Parameters, Problem> {
        let Query(pairs) = Query::<Vec<(String, String)>>::try_from_uri(uri)
            .map_err(|_| Problem::malformed("the query is not name=value pairs"))?;
        let mut out = Parameters { left: BTreeMap::new(), errors: Vec::new() };
        for (name, value) in pairs {
            if out.left.contains_key(&name) {
                out.wrong(&name, "given twice");
            }
            out.left.insert(name, value);
        }
        Ok(out)
    }

    fn wrong(&mut self, name: &str, detail: impl Into<String>) {
        let name: String = name.chars().take(64).collect();
        self.errors.push(FieldError { pointer: format!("/{name}"), detail: detail.into() });
    }

    fn take<T>(&mut self, name: &str, wanted: &str, read: impl Fn(&str) -> Option<T>) -> Option<T> {
        let text = self.left.remove(name)?;
        let value = read(&text);
        if value.is_none() {
            self.wrong(name, format!("must be {wanted}"));
        }
        value
    }

    fn time(&mut self, name: &str) -> Option<Wall> {
        // An unescaped + of a time zone arrives as a space.
        self.take(name, "an RFC 3339 time", |text| Wall::parse(&text.replace(' ', "+")))
    }

    fn needed_time(&mut self, name: &str) -> Option<Wall> {
        if !self.left.contains_key(name) {
            self.wrong(name, "required");
        }
        self.time(name)
    }

    fn cursor(&mut self) -> Option<CallId> {
        self.take("cursor", "the next_cursor of an earlier answer", |text| CallId::from_str(text).ok())
    }

    fn limit(&mut self) -> usize {
        let wanted = format!("1 to {MAX_LIMIT}");
        let read = |text: &str| text.parse().ok().filter(|n| (1..=MAX_LIMIT).contains(n));
        self.take("limit", &wanted, read).unwrap_or(DEFAULT_LIMIT)
    }

    fn finish(mut self) -> Result<(), Problem> {
        for name in std::mem::take(&mut self.left).into_keys() {
            self.wrong(&name, "unknown parameter");
        }
        if self.errors.is_empty() {
            return Ok(());
        }
        self.errors.truncate(32);
        Err(Problem::malformed("query parameters are unknown or malformed").with_errors(self.errors))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_query_is_read_and_a_wrong_one_named() {
        let uri: Uri =
            "/v1/calls?state=ended&reference=a%20b&created_from=2026-11-24T14:00:00+01:00&limit=5".parse().unwrap();
        let filter = calls(&uri).unwrap();
        assert_eq!(filter.state, Some(CallState::Ended));
        assert_eq!(filter.reference.as_deref(), Some("a b"));
        assert_eq!(filter.created_from, Wall::parse("2026-11-24T13:00:00Z"));
        assert_eq!(filter.limit, 5);
        for bad in
            ["state=asleep", "limit=0", "limit=501", "cursor=x", "colour=red", "limit=1&limit=2", "created_to=now"]
        {
            let uri: Uri = format!("/v1/calls?{bad}").parse().unwrap();
            assert_eq!(calls(&uri).unwrap_err().status(), 400, "{bad}");
        }
        let year = period(&"/v1/bill?from=2026-01-01T00:00:00Z&to=2027-01-01T00:00:00Z".parse().unwrap()).unwrap();
        assert_eq!(Some(year.0), Wall::parse("2026-01-01T00:00:00Z"));
        for bad in ["from=2026-01-01T00:00:00Z", "from=2026-01-01T00:00:00Z&to=2026-01-01T00:00:00Z", "from=x&to=y"] {
            assert!(period(&format!("/v1/bill?{bad}").parse().unwrap()).is_err(), "{bad}");
        }
        assert!(none(&"/v1/calls/x".parse().unwrap()).is_ok());
        assert!(none(&"/v1/calls/x?y=1".parse().unwrap()).is_err());
    }
}
