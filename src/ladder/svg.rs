//! The ladder as a picture: SVG 1.1 that stands alone. Owns geometry and colours; what stands in it is `rows`'s. Every text of
//! the call is escaped; there is no script and nothing from outside.

use std::fmt::Write;

use super::rows::{EQUIPMENT, Hears, Row, Sheet, Tone, lay};
use super::{Ladder, words};

/// From one lifeline to the next.
const STEP: i64 = 186;
/// Where the first lifeline stands.
const LEFT: i64 = 168;
/// Of the details to the right of the last lifeline.
const DETAILS: i64 = 400;
/// Where the first row's line is drawn.
const TOP: i64 = 148;
/// From one row to the next.
const ROW: i64 = 27;
/// More, where this many milliseconds pass between two rows.
const PAUSE: u64 = 1_000;
const PAUSE_ROOM: i64 = 22;

/// Colours that hold on white and on black; where the reader's system is dark, the ground and the inks change.
const STYLE: &str = "\
.ground{fill:#fcfcfb}.ink{fill:#1f2430}.soft{fill:#6b7280}.head{fill:#eef0f4;stroke:#c3c8d2}.life{stroke:#b9bfca;stroke-width:1.5}\
text{font-family:ui-sans-serif,system-ui,-apple-system,'Segoe UI','DejaVu Sans',sans-serif;font-size:12px}\
.title{font-size:17px;font-weight:600}.name{font-size:13px;font-weight:600}.small{font-size:11px}\
.time,.detail,.mono{font-family:ui-monospace,SFMono-Regular,Menlo,'DejaVu Sans Mono',monospace;font-size:11px}\
.label{font-weight:500}.halo{stroke:#fcfcfb;stroke-width:4px;paint-order:stroke;stroke-linejoin:round}\
.wire{stroke-width:1.6;fill:none}.again{stroke-dasharray:5 4}\
.request{stroke:#2563a8}.t-request{fill:#1d4f8a}.f-request{fill:#2563a8}\
.provisional{stroke:#7b8494}.t-provisional{fill:#5d6675}.f-provisional{fill:#7b8494}\
.good{stroke:#1f8a5b}.t-good{fill:#166b46}.f-good{fill:#1f8a5b}\
.bad{stroke:#c2413a}.t-bad{fill:#a5332d}.f-bad{fill:#c2413a}\
.p-message{fill:#e0a030}.p-music{fill:#9a7bd0}.p-talk{fill:#2f9e6e}\
.pill{fill:#fcfcfb;stroke-width:1.3}.call{stroke:#7b8494}.media{stroke:#8a6bc0}.t-call{fill:#3b4252}.t-media{fill:#5f4596}\
@media (prefers-color-scheme:dark){.ground{fill:#15181e}.ink{fill:#e6e9ef}.soft{fill:#9aa3b2}.head{fill:#222732;stroke:#414958}\
.life{stroke:#4a5262}.halo{stroke:#15181e}.pill{fill:#15181e}.t-request{fill:#8ab8ee}.request{stroke:#5b9be0}.f-request{fill:#5b9be0}\
.t-provisional,.t-call{fill:#b4bccb}.t-good{fill:#6fd3a6}.good{stroke:#3fae7e}.f-good{fill:#3fae7e}.t-bad{fill:#f08f88}\
.bad{stroke:#e0645c}.f-bad{fill:#e0645c}.t-media{fill:#c3aaf0}}";

pub(super) fn draw(ladder: &Ladder) -> String {
    let sheet = lay(ladder);
    let middles = middles(&sheet);
    let bottom = middles.last().copied().unwrap_or(TOP) + 34;
    let width = x(sheet.columns.len().saturating_sub(1)) + 34 + DETAILS;
    let height = bottom + 44;
    let mut page = Page(String::with_capacity(4096 + sheet.rows.len() * 420));
    page.open(ladder, width, height);
    page.columns(&sheet, bottom);
    page.phases(&sheet, &middles, bottom);
    let mut before = None;
    for (row, y) in sheet.rows.iter().zip(&middles) {
        page.time(&sheet, row, *y, &mut before);
        page.row(&sheet, row, *y);
    }
    page.legend(height - 18);
    page.0.push_str("</svg>\n");
    page.0
}

fn x(column: usize) -> i64 {
    LEFT + STEP * i64::try_from(column).unwrap_or(0)
}

/// Where each row is drawn: a pause has room.
fn middles(sheet: &Sheet) -> Vec<i64> {
    let mut y = TOP;
    let mut before = None;
    let place = |row: &Row| {
        let now = row.at();
        if pause(before, now).is_some() {
            y += PAUSE_ROOM;
        }
        before = now.or(before);
        y += ROW;
        y - ROW
    };
    sheet.rows.iter().map(place).collect()
}

fn pause(before: Option<crate::clock::Wall>, now: Option<crate::clock::Wall>) -> Option<u64> {
    let passed = now?.millis_since(before?);
    (passed >= PAUSE).then_some(passed)
}

struct Page(String);

impl Page {
    /// Writing into a String cannot fail.
    fn put(&mut self, text: std::fmt::Arguments<'_>) {
        let _written = self.0.write_fmt(text);
    }

    fn text(&mut self, x: i64, y: i64, anchor: &str, class: &str, text: &str) {
        let text = escaped(text);
        self.put(format_args!("<text x=\"{x}\" y=\"{y}\" text-anchor=\"{anchor}\" class=\"{class}\">{text}</text>\n"));
    }

    fn open(&mut self, ladder: &Ladder, width: i64, height: i64) {
        let (call, business) = (ladder.call(), ladder.business());
        let summary = escaped(&words::summary(ladder));
        self.put(format_args!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" \
             role=\"img\" aria-labelledby=\"title desc\">\n<title id=\"title\">Ladder of call {call}</title>\n\
             <desc id=\"desc\">{summary}</desc>\n<style>{STYLE}</style>\n\
             <rect class=\"ground\" width=\"{width}\" height=\"{height}\"/>\n"
        ));
        let began = ladder.entries().next().map(|entry| entry.at.to_string()).unwrap_or_default();
        self.text(24, 34, "start", "title ink", &format!("Call {call}"));
        self.text(24, 54, "start", "soft", &format!("{business} · {began} · {}", words::summary(ladder)));
    }

    fn columns(&mut self, sheet: &Sheet, bottom: i64) {
        for (at, column) in sheet.columns.iter().enumerate() {
            let (x, half) = (x(at), 80);
            self.put(format_args!("<line class=\"life\" x1=\"{x}\" y1=\"116\" x2=\"{x}\" y2=\"{bottom}\"/>\n"));
            let left = x - half;
            self.put(format_args!(
                "<rect class=\"head\" x=\"{left}\" y=\"74\" width=\"160\" height=\"44\" rx=\"9\"/>\n"
            ));
            let y = if column.address.is_empty() { 100 } else { 93 };
            self.text(x, y, "middle", "name ink", &column.name);
            if !column.address.is_empty() {
                self.text(x, 109, "middle", "mono soft", &cut(&column.address, 22));
            }
        }
    }

    /// Bars along the lifelines: what is heard there.
    fn phases(&mut self, sheet: &Sheet, middles: &[i64], bottom: i64) {
        for phase in &sheet.phases {
            let y = |row: usize| middles.get(row).copied().unwrap_or(bottom - 12);
            let (x, top, end) = (x(phase.column) - 4, y(phase.rows.start), y(phase.rows.end));
            let (class, title) = match phase.hears {
                Hears::Message => ("p-message", "hears a spoken message"),
                Hears::Music => ("p-music", "hears music"),
                Hears::Other => ("p-talk", "hears the other party"),
            };
            let height = (end - top).max(4);
            self.put(format_args!(
                "<rect class=\"{class}\" x=\"{x}\" y=\"{top}\" width=\"8\" height=\"{height}\" rx=\"4\"><title>{title}</title></rect>\n"
            ));
        }
    }

    fn time(&mut self, sheet: &Sheet, row: &Row, y: i64, before: &mut Option<crate::clock::Wall>) {
        let Some(at) = row.at() else { return };
        if let Some(passed) = pause(*before, Some(at)) {
            let y = y - (ROW + PAUSE_ROOM) / 2 + 3;
            self.text(66, y, "end", "time soft", &format!("⋮ {}.{} s", passed / 1000, passed % 1000 / 100));
        }
        if *before != Some(at) {
            let since = at.millis_since(sheet.began);
            self.text(66, y + 4, "end", "time soft", &format!("{}.{:03}", since / 1000, since % 1000));
        }
        *before = Some(at);
    }

    fn row(&mut self, sheet: &Sheet, row: &Row, y: i64) {
        match row {
            Row::Arrow { from, to, label, detail, again, tone, .. } => {
                self.arrow(y, (x(*from), x(*to)), label, *again, word(*tone));
                if !detail.is_empty() {
                    let x = x(sheet.columns.len().saturating_sub(1)) + 30;
                    self.text(x, y + 4, "start", "detail soft", detail);
                }
            }
            Row::Mark { left, right, label, tone, .. } => self.pill(y, (x(*left), x(*right)), label, word(*tone)),
            Row::Gap(omitted) => self.pill(y, (x(EQUIPMENT), x(EQUIPMENT)), &format!("… {omitted} more …"), "call"),
        }
    }

    fn arrow(&mut self, y: i64, (from, to): (i64, i64), label: &str, again: bool, tone: &str) {
        let way = if to > from { 1 } else { -1 };
        let (start, tip) = (from + 5 * way, to - 5 * way);
        let neck = tip - 8 * way;
        let dashed = if again { " again" } else { "" };
        self.put(format_args!(
            "<line class=\"wire {tone}{dashed}\" x1=\"{start}\" y1=\"{y}\" x2=\"{neck}\" y2=\"{y}\"/>\n"
        ));
        let (over, under) = (y - 4, y + 4);
        self.put(format_args!("<path class=\"f-{tone}\" d=\"M{tip} {y}L{neck} {over}L{neck} {under}Z\"/>\n"));
        // Beside the far lifeline, so that the labels of one leg stand in one column.
        let x = from.max(to) - STEP / 2;
        self.text(x, y - 5, "middle", &format!("label halo t-{tone}"), label);
    }

    fn pill(&mut self, y: i64, (left, right): (i64, i64), label: &str, tone: &str) {
        if left < right {
            self.put(format_args!(
                "<line class=\"wire {tone}\" x1=\"{left}\" y1=\"{y}\" x2=\"{right}\" y2=\"{y}\"/>\n"
            ));
        }
        let half = 12 + i64::try_from(label.chars().count()).unwrap_or(0) * 33 / 10;
        let middle = (left + right) / 2;
        let (x, top, width) = (middle - half, y - 10, half * 2);
        self.put(format_args!(
            "<rect class=\"pill {tone}\" x=\"{x}\" y=\"{top}\" width=\"{width}\" height=\"20\" rx=\"10\"/>\n"
        ));
        self.text(middle, y + 4, "middle", &format!("label t-{tone}"), label);
    }

    fn legend(&mut self, y: i64) {
        let mut x = 24;
        for (class, text) in [("p-message", "message"), ("p-music", "music"), ("p-talk", "talk")] {
            let top = y - 9;
            self.put(format_args!(
                "<rect class=\"{class}\" x=\"{x}\" y=\"{top}\" width=\"8\" height=\"12\" rx=\"4\"/>\n"
            ));
            self.text(x + 14, y + 1, "start", "small soft", text);
            x += 84;
        }
        let (end, middle) = (x + 30, y - 3);
        self.put(format_args!(
            "<line class=\"wire provisional again\" x1=\"{x}\" y1=\"{middle}\" x2=\"{end}\" y2=\"{middle}\"/>\n"
        ));
        self.text(x + 38, y + 1, "start", "small soft", "sent or received again, byte by byte");
    }
}

fn word(tone: Tone) -> &'static str {
    match tone {
        Tone::Request => "request",
        Tone::Provisional => "provisional",
        Tone::Good => "good",
        Tone::Bad => "bad",
        Tone::Media => "media",
        Tone::Call => "call",
    }
}

fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}

/// As XML 1.0 wants character data; what it does not allow at all is left out.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\u{fffe}' | '\u{ffff}' => {}
            other if other.is_control() => {}
            other => out.push(other),
        }
    }
    out
}
