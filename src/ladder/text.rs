//! The ladder in characters. Owns this drawing; what stands in it is `rows`'s.

use super::rows::{EQUIPMENT, Hears, Row, Sheet, lay};
use super::{Ladder, words};

/// Characters from one lifeline to the next.
const STEP: usize = 22;
/// Where the first lifeline stands.
const LEFT: usize = 20;

pub(super) fn draw(ladder: &Ladder) -> String {
    let sheet = lay(ladder);
    let mut out = format!(
        "call {}, business {}, {}\n{}\n\n",
        ladder.call(),
        ladder.business(),
        sheet.began,
        words::summary(ladder)
    );
    let names = sheet.columns.iter().map(|column| column.name.as_str());
    out.push_str(&header(&sheet, "  seconds", names));
    let addresses = sheet.columns.iter().map(|column| column.address.as_str());
    out.push_str(&header(&sheet, "", addresses));
    let mut shown = None;
    for (number, row) in sheet.rows.iter().enumerate() {
        let time = row.at().map(|at| at.millis_since(sheet.began));
        let mut line = Line::lifelines(&sheet, number);
        // A moment that many rows share is written once.
        if let Some(time) = time.filter(|time| shown != Some(*time)) {
            line.put(0, &format!("{:>5}.{:03}", time / 1000, time % 1000));
            shown = Some(time);
        }
        line.row(row);
        out.push_str(&line.finish());
    }
    out.push_str("\n┊ hears the message or music   ║ hears the other   ╌ sent or received again, byte by byte\n");
    out
}

fn header<'a>(sheet: &Sheet, first: &str, texts: impl Iterator<Item = &'a str>) -> String {
    let mut line = Line::blank(sheet.columns.len());
    line.put(0, first);
    for (column, text) in texts.enumerate() {
        let text = cut(text, STEP - 1);
        line.put(x(column).saturating_sub(text.chars().count() / 2), &text);
    }
    line.finish()
}

fn x(column: usize) -> usize {
    LEFT + column * STEP
}

fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}

/// One line, written over and over.
struct Line(Vec<char>);

impl Line {
    fn blank(columns: usize) -> Line {
        Line(vec![' '; x(columns.saturating_sub(1)) + 1])
    }

    fn lifelines(sheet: &Sheet, row: usize) -> Line {
        let mut line = Line::blank(sheet.columns.len());
        for column in 0..sheet.columns.len() {
            line.set(x(column), '│');
        }
        for phase in sheet.phases.iter().filter(|phase| phase.rows.contains(&row)) {
            let stroke = match phase.hears {
                Hears::Message | Hears::Music => '┊',
                Hears::Other => '║',
            };
            line.set(x(phase.column), stroke);
        }
        line
    }

    fn set(&mut self, at: usize, character: char) {
        if self.0.len() <= at {
            self.0.resize(at + 1, ' ');
        }
        if let Some(place) = self.0.get_mut(at) {
            *place = character;
        }
    }

    fn put(&mut self, at: usize, text: &str) {
        for (offset, character) in text.chars().enumerate() {
            self.set(at + offset, character);
        }
    }

    fn row(&mut self, row: &Row) {
        match row {
            Row::Arrow { from, to, label, detail, again, .. } => {
                let (left, right) = (x(*from.min(to)) + 1, x(*from.max(to)));
                let shaft = if *again { '╌' } else { '─' };
                (left..right).for_each(|at| self.set(at, shaft));
                (from.min(to) + 1..*from.max(to)).for_each(|column| self.set(x(column), '┼'));
                if to > from {
                    self.set(right - 1, '>')
                } else {
                    self.set(left, '<')
                }
                // Beside the far end, so that labels of one leg stand in one column.
                let room = (right - STEP + 1)..right;
                let label = format!(" {} ", cut(label, STEP - 6));
                self.put(room.start + (room.len().saturating_sub(label.chars().count())) / 2, &label);
                if !detail.is_empty() {
                    let end = self.0.len();
                    self.put(end + 2, detail);
                }
            }
            Row::Mark { left, right, label, .. } if left < right => {
                let (from, to) = (x(*left), x(*right));
                (from + 1..to).for_each(|at| self.set(at, '═'));
                self.set(from, '╠');
                self.set(to, '╣');
                self.over((from + to) / 2, label);
            }
            Row::Mark { left, label, .. } => self.over(x(*left), label),
            Row::Gap(omitted) => self.over(x(EQUIPMENT), &format!("… {omitted} more …")),
        }
    }

    fn over(&mut self, middle: usize, text: &str) {
        let text = format!(" {text} ");
        self.put(middle.saturating_sub(text.chars().count() / 2), &text);
    }

    fn finish(self) -> String {
        let text: String = self.0.into_iter().collect();
        format!("{}\n", text.trim_end())
    }
}
