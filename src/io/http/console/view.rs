//! What the pages are made from: the frame, rows, figures, in the words that are shown. Owns how values are written; refuses to fetch any.

use askama::Template;

use super::plot::Plot;
use crate::clock::Wall;
use crate::model::{CallState, CallView, LegView, Outcome, Quality};

/// What stands for something unknown or not yet.
const NOTHING: &str = "";

/// The frame around every page.
#[derive(Clone, Debug)]
pub(super) struct Frame {
    /// Who is logged in.
    pub operator: String,
    /// Which page this is.
    pub here: &'static str,
}

/// A link of the frame.
pub(super) struct Place {
    pub path: &'static str,
    pub name: &'static str,
    pub here: bool,
}

impl Frame {
    pub fn places(&self) -> Vec<Place> {
        let all = [
            ("/console", "Overview"),
            ("/console/calls", "Calls"),
            ("/console/switches", "Switches"),
            ("/console/representatives", "Representatives"),
            ("/console/businesses", "Businesses"),
            ("/console/refusals", "Refusals"),
        ];
        all.into_iter().map(|(path, name)| Place { path, name, here: path == self.here }).collect()
    }
}

/// The login.
#[derive(Template)]
#[template(path = "console/login.html")]
pub(super) struct LoginPage {
    /// Nobody can log in: none is configured.
    pub none: bool,
    pub problem: Option<&'static str>,
    pub name: String,
}

/// What went wrong.
#[derive(Template)]
#[template(path = "console/problem.html")]
pub(super) struct ProblemPage {
    pub frame: Frame,
    pub title: &'static str,
    pub detail: &'static str,
}

/// A name and what it is.
pub(super) struct Fact {
    pub name: String,
    pub value: String,
}

impl Fact {
    pub fn new(name: &str, value: impl ToString) -> Fact {
        Fact { name: name.to_owned(), value: value.to_string() }
    }
}

/// A drawn plot.
pub(super) struct Drawn {
    pub title: String,
    pub svg: String,
    names: Vec<String>,
}

/// A line's name beside its colour.
pub(super) struct LineName<'a> {
    pub name: &'a str,
    pub class: String,
}

impl Drawn {
    pub fn names(&self) -> Vec<LineName<'_>> {
        let class = |index: usize| format!("s{}", index % 4);
        self.names.iter().enumerate().map(|(index, name)| LineName { name, class: class(index) }).collect()
    }
}

impl From<Plot> for Drawn {
    fn from(plot: Plot) -> Drawn {
        let names = plot.series.iter().map(|series| series.name.clone()).collect();
        Drawn { svg: plot.svg(), title: plot.title, names }
    }
}

/// A call in a table.
pub(super) struct Row {
    pub id: String,
    pub created: String,
    pub business: String,
    pub customer: String,
    pub representative: String,
    pub state: &'static str,
    pub class: &'static str,
    pub lasted: String,
    pub score: String,
}

impl Row {
    /// Of a call as it is at this moment.
    pub fn new(view: &CallView, now: Wall) -> Row {
        let legs = [Some(&view.customer), view.representative.as_ref()];
        let worst = legs.into_iter().flatten().filter_map(|leg| score(leg.quality.as_ref()?)).reduce(f32::min);
        let from = view.bridged_at.or(view.customer.ringing_at).unwrap_or(view.created_at);
        Row {
            id: view.id.to_string(),
            created: moment(view.created_at),
            business: view.business_id.to_string(),
            customer: view.customer.address.to_string(),
            representative: view.representative.as_ref().map_or_else(String::new, |leg| leg.address.to_string()),
            state: state(view),
            class: class(view),
            lasted: lasted(from, view.ended_at.unwrap_or(now)),
            score: worst.map_or_else(String::new, |score| format!("{score:.1}")),
        }
    }
}

/// A leg in the table of its call.
pub(super) struct LegRow {
    pub name: String,
    pub address: String,
    pub state: &'static str,
    pub rang: String,
    pub answered: String,
    pub ended: String,
    pub sip: String,
    pub q850: String,
    pub lost: String,
    pub jitter: String,
    pub round_trip: String,
    pub score: String,
}

impl LegRow {
    /// A leg under a name.
    pub fn new(name: String, leg: &LegView) -> LegRow {
        let quality = leg.quality.as_ref();
        let text = |value: Option<String>| value.unwrap_or_else(|| NOTHING.to_owned());
        LegRow {
            name,
            address: leg.address.to_string(),
            state: leg.state.as_str(),
            rang: time(leg.ringing_at),
            answered: time(leg.answered_at),
            ended: time(leg.ended_at),
            sip: text(leg.sip_status.map(|status| status.to_string())),
            q850: text(leg.q850_cause.map(|cause| cause.to_string())),
            lost: text(quality.map(|quality| format!("{} of {}", quality.packets_lost, quality.packets_received))),
            jitter: text(quality.map(|quality| format!("{:.1} ms", quality.jitter_ms))),
            round_trip: text(quality.and_then(|quality| Some(format!("{:.0} ms", quality.round_trip_ms?)))),
            score: text(quality.and_then(score).map(|score| format!("{score:.2}"))),
        }
    }
}

/// The worse direction's opinion score.
fn score(quality: &Quality) -> Option<f32> {
    [quality.mos, quality.peer_mos].into_iter().flatten().reduce(f32::min)
}

/// The outcome of what is over, else the state.
pub(super) fn state(view: &CallView) -> &'static str {
    view.outcome.map_or(view.state.as_str(), Outcome::as_str)
}

/// How it is marked.
pub(super) fn class(view: &CallView) -> &'static str {
    match (view.outcome, view.state) {
        (Some(Outcome::Completed), _) | (None, CallState::Bridged) => "good",
        (Some(Outcome::Failed | Outcome::Interrupted), _) => "bad",
        (Some(_), _) => "warn",
        (None, _) => "",
    }
}

/// `2026-12-01 05:20:01`, in UTC.
pub(super) fn moment(at: Wall) -> String {
    let text = at.to_string();
    text.get(..19).map_or_else(|| text.clone(), |whole| whole.replace('T', " "))
}

/// `05:20:01.250`
fn time(at: Option<Wall>) -> String {
    let text = at.map(|at| at.to_string()).unwrap_or_default();
    text.get(11..23).unwrap_or(NOTHING).to_owned()
}

/// `1:05`, `1:02:05`
pub(super) fn lasted(from: Wall, to: Wall) -> String {
    let seconds = to.millis_since(from) / 1000;
    match seconds / 3600 {
        0 => format!("{}:{:02}", seconds / 60, seconds % 60),
        hours => format!("{hours}:{:02}:{:02}", seconds / 60 % 60, seconds % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_for_people() {
        assert_eq!(lasted(Wall(0), Wall(65_999)), "1:05");
        assert_eq!(lasted(Wall(0), Wall(3_725_000)), "1:02:05");
        assert_eq!(lasted(Wall(5_000), Wall(0)), "0:00", "a clock that was set back");
        assert_eq!(moment(Wall(1_764_566_401_250)), "2025-12-01 05:20:01");
        assert_eq!((time(Some(Wall(1_764_566_401_250))), time(None)), ("05:20:01.250".to_owned(), String::new()));
    }
}
