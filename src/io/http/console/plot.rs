//! Lines over time as SVG, for the console: an axis, a grid of three, a legend. Owns the drawing; refuses to know what is drawn.
//!
//! Nothing in it carries a style of its own (the page's policy allows none): colours are classes of the console's style sheet.

use std::fmt::Write;

/// The drawing's size, in units of its view box.
const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 180.0;
/// Where the lines are, inside.
const LEFT: f64 = 52.0;
const RIGHT: f64 = 8.0;
const TOP: f64 = 8.0;
const BOTTOM: f64 = 24.0;
/// Points farther apart than so many times the usual distance are not joined: nothing was measured between them.
const GAP: f64 = 3.0;
/// No axis goes further up.
const MOST: f64 = 1e12;

/// One line.
#[derive(Clone, Debug, Default)]
pub struct Series {
    /// What it is called.
    pub name: String,
    /// Seconds (of any origin, growing) and values.
    pub points: Vec<(f64, f64)>,
}

/// What the right edge is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Until {
    /// Now: more comes.
    #[default]
    Now,
    /// The end of what was measured.
    End,
}

impl Until {
    /// How a moment so many seconds before the edge is called.
    fn before(self, seconds: f64) -> String {
        let (edge, word) = match self {
            Until::Now => ("now", "ago"),
            Until::End => ("the end", "before"),
        };
        match seconds {
            less if less < 1.0 => edge.to_owned(),
            short if short < 120.0 => format!("{short:.0} s {word}"),
            long => format!("{:.0} min {word}", long / 60.0),
        }
    }
}

/// What is drawn.
#[derive(Clone, Debug, Default)]
pub struct Plot {
    /// In words, for who cannot see it.
    pub title: String,
    /// Put behind the numbers of the axis.
    pub unit: &'static str,
    /// The lines, at most four of which have colours of their own.
    pub series: Vec<Series>,
    /// From where to where, in seconds.
    pub from: f64,
    /// See `from`.
    pub to: f64,
    /// What `to` is.
    pub until: Until,
    /// The axis goes at least so far up.
    pub least_top: f64,
}

impl Plot {
    /// The SVG element.
    pub fn svg(&self) -> String {
        let mut out = String::with_capacity(2048);
        let title = escape(&self.title);
        let _ = write!(
            out,
            "<svg class=\"plot\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{title}\"><title>{title}</title>"
        );
        let top = self.top();
        for part in [0.0, 0.5, 1.0] {
            let y = self.y(top * part, top);
            let _ = write!(
                out,
                "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>",
                WIDTH - RIGHT
            );
            let label = number(top * part);
            let _ = write!(
                out,
                "<text class=\"axis\" x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{label}{}</text>",
                LEFT - 6.0,
                y + 4.0,
                self.unit
            );
        }
        self.times(&mut out);
        for (index, series) in self.series.iter().enumerate() {
            self.line(&mut out, index, series, top);
        }
        if self.series.iter().all(|series| series.points.is_empty()) {
            let _ = write!(
                out,
                "<text class=\"axis\" x=\"{}\" y=\"{}\" text-anchor=\"middle\">nothing measured</text>",
                WIDTH / 2.0,
                HEIGHT / 2.0
            );
        }
        out.push_str("</svg>");
        out
    }

    fn times(&self, out: &mut String) {
        let span = (self.to - self.from).max(0.0);
        for (part, anchor) in [(0.0, "start"), (0.5, "middle"), (1.0, "end")] {
            let x = LEFT + part * (WIDTH - LEFT - RIGHT);
            let text = self.until.before(span * (1.0 - part));
            let _ = write!(
                out,
                "<text class=\"axis\" x=\"{x:.1}\" y=\"{}\" text-anchor=\"{anchor}\">{text}</text>",
                HEIGHT - 6.0
            );
        }
    }

    fn line(&self, out: &mut String, index: usize, series: &Series, top: f64) {
        let shown: Vec<(f64, f64)> = series
            .points
            .iter()
            .copied()
            .filter(|(at, value)| *at >= self.from && *at <= self.to && value.is_finite())
            .collect();
        let steps: Vec<f64> = shown.windows(2).map(|pair| pair[1].0 - pair[0].0).collect();
        let usual = median(steps);
        let mut path = String::new();
        let mut last: Option<f64> = None;
        for (at, value) in shown {
            let joined = last.is_some_and(|last| at - last <= usual * GAP);
            let (x, y) = (self.x(at), self.y(value, top));
            // One point alone is a line of no length, which round ends make a dot.
            let _ = if joined { write!(path, "L{x:.1} {y:.1}") } else { write!(path, "M{x:.1} {y:.1}h0") };
            last = Some(at);
        }
        if !path.is_empty() {
            let name = escape(&series.name);
            let _ = write!(out, "<path class=\"line s{}\" d=\"{path}\"><title>{name}</title></path>", index % 4);
        }
    }

    fn x(&self, at: f64) -> f64 {
        let span = (self.to - self.from).max(1.0);
        LEFT + (at - self.from) / span * (WIDTH - LEFT - RIGHT)
    }

    fn y(&self, value: f64, top: f64) -> f64 {
        HEIGHT - BOTTOM - (value / top).clamp(0.0, 1.0) * (HEIGHT - TOP - BOTTOM)
    }

    /// A round number not below any value.
    fn top(&self) -> f64 {
        let values = self.series.iter().flat_map(|series| &series.points).map(|(_, value)| *value);
        // What nobody can mean is drawn at the top of an axis that can be written.
        let most = values.filter(|value| value.is_finite()).fold(self.least_top, f64::max).min(MOST);
        if most <= 0.0 {
            return 1.0;
        }
        let magnitude = 10_f64.powf(most.log10().floor());
        let round = [1.0, 2.0, 5.0, 10.0].map(|step| step * magnitude);
        round.into_iter().find(|round| *round >= most).unwrap_or(most)
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::INFINITY)
}

fn number(value: f64) -> String {
    if value == 0.0 || value >= 10.0 {
        format!("{value:.0}")
    } else if value >= 1.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.2}")
    }
}

fn escape(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut out, c| {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c => out.push(c),
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn plot(points: Vec<(f64, f64)>) -> Plot {
        let series = vec![Series { name: "a<b".to_owned(), points }];
        Plot { title: "\"calls\"".to_owned(), series, from: 0.0, to: 600.0, least_top: 1.0, ..Plot::default() }
    }

    #[test]
    fn the_axis_ends_at_a_round_number_and_names_are_escaped() {
        let svg = plot(vec![(0.0, 3.0), (5.0, 17.0)]).svg();
        assert!(svg.contains(">20</text>") && svg.contains(">10</text>"), "{svg}");
        assert!(svg.contains("a&lt;b") && svg.contains("&quot;calls&quot;"), "{svg}");
        assert!(svg.contains("10 min ago") && svg.contains(">now<"), "{svg}");
    }

    #[test]
    fn what_is_over_ends_at_its_end() {
        let ended = Plot { until: Until::End, ..plot(vec![(0.0, 3.0)]) }.svg();
        assert!(ended.contains("10 min before") && ended.contains(">the end<") && !ended.contains("now"), "{ended}");
    }

    #[test]
    fn a_time_in_which_nothing_was_measured_is_a_gap_in_the_line() {
        let joined = plot(vec![(0.0, 1.0), (5.0, 1.0), (10.0, 1.0)]).svg();
        let parted = plot(vec![(0.0, 1.0), (5.0, 1.0), (10.0, 1.0), (300.0, 1.0), (305.0, 1.0)]).svg();
        assert_eq!((joined.matches('M').count(), parted.matches('M').count()), (1, 2));
    }

    #[test]
    fn nothing_measured_is_said() {
        assert!(plot(Vec::new()).svg().contains("nothing measured"));
    }

    proptest! {
        #[test]
        fn whatever_is_drawn_stays_within_the_picture(points in proptest::collection::vec((0.0..600.0_f64, any::<f64>()), 0..50)) {
            let mut points = points;
            points.sort_by(|a, b| a.0.total_cmp(&b.0));
            let svg = plot(points).svg();
            prop_assert!(!svg.contains("NaN") && !svg.contains("inf"), "{}", svg);
        }
    }
}
