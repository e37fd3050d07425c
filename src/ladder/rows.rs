//! The ladder laid out: columns, rows, and what each lifeline hears from when to when. Owns what stands where; refuses
//! characters and pixels (`text`, `svg`).

use super::entry::{Clip, Message, Moment, What};
use super::{Ladder, words};
use crate::clock::Wall;
use crate::model::Alarm;

/// The column of the business.
pub(super) const BUSINESS: usize = 0;
/// Our own.
pub(super) const EQUIPMENT: usize = 1;

/// The whole picture.
pub(super) struct Sheet {
    pub(super) columns: Vec<Column>,
    pub(super) rows: Vec<Row>,
    pub(super) phases: Vec<Phase>,
    pub(super) began: Wall,
}

/// One lifeline.
pub(super) struct Column {
    pub(super) name: String,
    pub(super) address: String,
}

/// One line of the picture.
pub(super) enum Row {
    /// A message from one lifeline to another.
    Arrow { at: Wall, from: usize, to: usize, label: String, detail: String, again: bool, tone: Tone },
    /// Something at one lifeline, or between two.
    Mark { at: Wall, left: usize, right: usize, label: String, tone: Tone },
    /// So many messages are left out here.
    Gap(u32),
}

impl Row {
    pub(super) fn at(&self) -> Option<Wall> {
        match self {
            Row::Arrow { at, .. } | Row::Mark { at, .. } => Some(*at),
            Row::Gap(_) => None,
        }
    }
}

/// How a row is felt.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Tone {
    /// A request.
    Request,
    /// A provisional response.
    Provisional,
    /// Success.
    Good,
    /// A refusal, a failure.
    Bad,
    /// Voice and messages.
    Media,
    /// The call itself.
    Call,
}

/// What a lifeline hears between two rows (the later one not included).
pub(super) struct Phase {
    pub(super) column: usize,
    pub(super) rows: std::ops::Range<usize>,
    pub(super) hears: Hears,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Hears {
    /// A spoken message.
    Message,
    /// Music.
    Music,
    /// The other party.
    Other,
}

/// Lays a ladder out.
pub(super) fn lay(ladder: &Ladder) -> Sheet {
    let fixed = [("business", ladder.business().as_str()), ("callbridge", "")];
    let mut columns: Vec<Column> =
        fixed.map(|(name, under)| Column { name: name.to_owned(), address: under.to_owned() }).into();
    let party = |party| Column { name: words::party(ladder, party), address: plain(&party.address.to_string()) };
    columns.extend(ladder.parties().iter().map(party));
    let began = ladder.entries().next().map_or(Wall(0), |entry| entry.at);
    let mut sheet = Sheet { columns, rows: Vec::new(), phases: Vec::new(), began };
    let mut ears = Ears { open: vec![None; sheet.columns.len()], bridge: None };
    for (number, entry) in ladder.entries().enumerate() {
        if number == ladder.before_gap() && ladder.omitted() > 0 {
            sheet.rows.push(Row::Gap(ladder.omitted()));
        }
        ears.follow(ladder, &entry.what, &mut sheet);
        let row = match &entry.what {
            What::Message(message) => arrow(ladder, entry.at, message),
            What::Moment(moment) => mark(ladder, entry.at, moment),
        };
        sheet.rows.push(row);
    }
    let end = sheet.rows.len();
    for column in 0..sheet.columns.len() {
        ears.set(column, None, end, &mut sheet.phases);
    }
    sheet
}

/// The lifeline of a leg; a leg without one is drawn at the last.
fn column(ladder: &Ladder, attempt: u16) -> usize {
    let at = ladder.parties().iter().position(|party| party.attempt == attempt);
    EQUIPMENT + 1 + at.unwrap_or_else(|| ladder.parties().len().saturating_sub(1))
}

fn arrow(ladder: &Ladder, at: Wall, message: &Message) -> Row {
    let there = column(ladder, message.attempt);
    let (from, to) = if message.out { (EQUIPMENT, there) } else { (there, EQUIPMENT) };
    let tone = match message.status {
        None => Tone::Request,
        Some(..200) => Tone::Provisional,
        Some(200..300) => Tone::Good,
        Some(_) => Tone::Bad,
    };
    let (label, detail) = (words::message(message), words::details(ladder, message));
    Row::Arrow { at, from, to, label, detail, again: message.again, tone }
}

fn mark(ladder: &Ladder, at: Wall, moment: &Moment) -> Row {
    let label = plain(&words::moment(ladder, moment));
    let api =
        |from, to, tone| Row::Arrow { at, from, to, label: label.clone(), detail: String::new(), again: false, tone };
    let leg = |attempt| column(ladder, attempt);
    let (left, right, tone) = match moment {
        Moment::Asked | Moment::Deleted => return api(BUSINESS, EQUIPMENT, Tone::Request),
        Moment::Accepted => return api(EQUIPMENT, BUSINESS, Tone::Good),
        Moment::Waits { .. } | Moment::Due | Moment::Restored => (EQUIPMENT, EQUIPMENT, Tone::Call),
        Moment::Ended { .. } => (EQUIPMENT, EQUIPMENT, Tone::Call),
        Moment::Lost => (EQUIPMENT, EQUIPMENT, Tone::Bad),
        Moment::Agreed { attempt, .. } | Moment::Transcoded { attempt, .. } => {
            (leg(*attempt), leg(*attempt), Tone::Media)
        }
        Moment::Dials { attempt, .. } => (leg(*attempt), leg(*attempt), Tone::Call),
        Moment::Fails { attempt, .. } => (leg(*attempt), leg(*attempt), Tone::Bad),
        Moment::TransferRefused { by, .. } => (leg(*by), leg(*by), Tone::Bad),
        Moment::Plays { attempt, .. } | Moment::Heard { attempt } => (leg(*attempt), leg(*attempt), Tone::Media),
        Moment::Told { attempt, heard: false } => (leg(*attempt), leg(*attempt), Tone::Bad),
        Moment::Digits { attempt, .. } | Moment::Told { attempt, .. } | Moment::Supervises { attempt, .. } => {
            (leg(*attempt), leg(*attempt), Tone::Media)
        }
        Moment::Bridged { a, b } => (leg(*a).min(leg(*b)), leg(*a).max(leg(*b)), Tone::Good),
        Moment::Judged { .. } => (leg(0), leg(0), Tone::Call),
        Moment::OneWay => (EQUIPMENT, EQUIPMENT, Tone::Bad),
        Moment::Alarm { attempt, alarm: Alarm::Heard | Alarm::Good } => (leg(*attempt), leg(*attempt), Tone::Good),
        Moment::Alarm { attempt, .. } => (leg(*attempt), leg(*attempt), Tone::Bad),
        Moment::Held { by } | Moment::Resumed { by } | Moment::Transferred { by } => (leg(*by), leg(*by), Tone::Media),
    };
    Row::Mark { at, left, right, label, tone }
}

/// What each lifeline hears while the entries are gone through.
struct Ears {
    open: Vec<Option<(Hears, usize)>>,
    bridge: Option<(usize, usize)>,
}

impl Ears {
    fn follow(&mut self, ladder: &Ladder, what: &What, sheet: &mut Sheet) {
        let (row, phases) = (sheet.rows.len(), &mut sheet.phases);
        match what {
            What::Moment(Moment::Plays { attempt, clip }) => {
                let hears = if *clip == Clip::Music { Hears::Music } else { Hears::Message };
                self.set(column(ladder, *attempt), Some(hears), row, phases);
            }
            What::Moment(Moment::Bridged { a, b }) => {
                let (a, b) = (column(ladder, *a), column(ladder, *b));
                self.bridge = Some((a, b));
                [a, b].into_iter().for_each(|end| self.set(end, Some(Hears::Other), row, phases));
            }
            What::Moment(Moment::Supervises { attempt, .. }) => {
                self.set(column(ladder, *attempt), Some(Hears::Other), row, phases);
            }
            What::Moment(Moment::Held { by }) => {
                if let Some(other) = self.other(column(ladder, *by)) {
                    self.set(column(ladder, *by), None, row, phases);
                    self.set(other, Some(Hears::Music), row, phases);
                }
            }
            What::Moment(Moment::Resumed { by }) => {
                if let Some(other) = self.other(column(ladder, *by)) {
                    let both = [column(ladder, *by), other];
                    both.into_iter().for_each(|end| self.set(end, Some(Hears::Other), row, phases));
                }
            }
            What::Moment(Moment::Ended { .. }) => {
                (0..self.open.len()).for_each(|end| self.set(end, None, row, phases));
            }
            What::Message(message) if message.verb.name() == "BYE" && message.status.is_none() => {
                self.set(column(ladder, message.attempt), None, row, phases);
            }
            _ => {}
        }
    }

    fn other(&self, one: usize) -> Option<usize> {
        let (a, b) = self.bridge?;
        if one == a { Some(b) } else { (one == b).then_some(a) }
    }

    fn set(&mut self, column: usize, hears: Option<Hears>, row: usize, phases: &mut Vec<Phase>) {
        let Some(open) = self.open.get_mut(column) else { return };
        if open.map(|(hears, _)| hears) == hears {
            return;
        }
        if let Some((hears, from)) = open.take() {
            phases.push(Phase { column, rows: from..row, hears });
        }
        *open = hears.map(|hears| (hears, row));
    }
}

/// Nothing that would move a terminal's cursor or break a line.
fn plain(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).collect()
}
