//! An hour of the daemon's own metrics, for the console's plots: a sample every five seconds, out of the Prometheus text. Owns the ring
//! and the reading of that text; refuses to measure anything itself.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use super::plot::{Plot, Series, Until};
use crate::clock::Wall;

/// Between two samples, in seconds.
pub const STEP_SECONDS: u64 = 5;
/// An hour of them.
const KEPT: usize = 720;
/// What one plot shows, in seconds.
const SHOWN: f64 = 3600.0;

/// One look at the metrics: counters as they stood.
#[derive(Clone, Debug, Default, PartialEq)]
struct Sample {
    at: f64,
    live: f64,
    bridged: f64,
    ended: f64,
    completed: f64,
    refused: f64,
    /// Sum and count of opinion scores.
    mos: (f64, f64),
    /// The same of shares lost.
    lost: (f64, f64),
    /// The same of seconds from the acceptance to the INVITE.
    setup: (f64, f64),
}

/// See the module.
#[derive(Debug, Default)]
pub struct History(Mutex<VecDeque<Sample>>);

impl History {
    /// Adds what the metrics say now.
    pub fn add(&self, at: Wall, metrics: &str) {
        let mut ring = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if ring.len() == KEPT {
            ring.pop_front();
        }
        ring.push_back(sample(at, metrics));
    }

    /// The plots of the overview, oldest to newest.
    pub fn plots(&self, now: Wall) -> Vec<Plot> {
        let ring: Vec<Sample> = self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect();
        let to = seconds(now);
        let over = |title: &str, unit, least_top, series: Vec<Series>| Plot {
            title: title.to_owned(),
            unit,
            series,
            from: to - SHOWN,
            to,
            until: Until::Now,
            least_top,
        };
        vec![
            over(
                "Live calls",
                "",
                4.0,
                vec![gauge("live", &ring, |sample| sample.live), gauge("bridged", &ring, |sample| sample.bridged)],
            ),
            over(
                "Calls ended a minute",
                "",
                4.0,
                vec![rate("ended", &ring, |sample| sample.ended), rate("completed", &ring, |sample| sample.completed)],
            ),
            over(
                "Opinion score of the worse direction (1 to 4.5)",
                "",
                4.5,
                vec![mean("score", &ring, |sample| sample.mos, 1.0)],
            ),
            over("Packets lost", " %", 1.0, vec![mean("lost", &ring, |sample| sample.lost, 100.0)]),
            over(
                "Accepted to customer's INVITE",
                " ms",
                5.0,
                vec![mean("set-up", &ring, |sample| sample.setup, 1000.0)],
            ),
            over("Refusals a minute", "", 4.0, vec![rate("refused", &ring, |sample| sample.refused)]),
        ]
    }
}

fn seconds(at: Wall) -> f64 {
    at.0 as f64 / 1000.0
}

fn gauge(name: &str, ring: &[Sample], value: impl Fn(&Sample) -> f64) -> Series {
    Series { name: name.to_owned(), points: ring.iter().map(|sample| (sample.at, value(sample))).collect() }
}

/// Of a counter, a minute; one that began anew counts from zero.
fn rate(name: &str, ring: &[Sample], value: impl Fn(&Sample) -> f64) -> Series {
    let points = ring.windows(2).filter_map(|pair| {
        let (passed, grown) = (pair[1].at - pair[0].at, value(&pair[1]) - value(&pair[0]));
        (passed > 0.0 && grown >= 0.0).then(|| (pair[1].at, grown / passed * 60.0))
    });
    Series { name: name.to_owned(), points: points.collect() }
}

/// Of what a histogram took since the sample before; nothing where it took nothing.
fn mean(name: &str, ring: &[Sample], value: impl Fn(&Sample) -> (f64, f64), scale: f64) -> Series {
    let points = ring.windows(2).filter_map(|pair| {
        let (before, after) = (value(&pair[0]), value(&pair[1]));
        let count = after.1 - before.1;
        (count > 0.0).then(|| (pair[1].at, (after.0 - before.0) / count * scale))
    });
    Series { name: name.to_owned(), points: points.collect() }
}

fn sample(at: Wall, metrics: &str) -> Sample {
    let mut sample = Sample { at: seconds(at), ..Sample::default() };
    for (name, labels, value) in series(metrics) {
        match name {
            "callbridge_calls_active" if !labels.contains("state=\"scheduled\"") => {
                sample.live += value;
                if labels.contains("state=\"bridged\"") {
                    sample.bridged = value;
                }
            }
            "callbridge_calls_total" => {
                sample.ended += value;
                if labels.contains("outcome=\"completed\"") {
                    sample.completed = value;
                }
            }
            "callbridge_rejected_total" => sample.refused += value,
            "callbridge_mos_sum" => sample.mos.0 += value,
            "callbridge_mos_count" => sample.mos.1 += value,
            "callbridge_rtp_loss_ratio_sum" => sample.lost.0 += value,
            "callbridge_rtp_loss_ratio_count" => sample.lost.1 += value,
            "callbridge_setup_seconds_sum" => sample.setup.0 += value,
            "callbridge_setup_seconds_count" => sample.setup.1 += value,
            _ => {}
        }
    }
    sample
}

/// Name, labels and value of each line of the Prometheus text.
fn series(metrics: &str) -> impl Iterator<Item = (&str, &str, f64)> {
    metrics.lines().filter(|line| !line.starts_with('#')).filter_map(|line| {
        let (key, value) = line.rsplit_once(' ')?;
        let (name, labels) = key.split_once('{').unwrap_or((key, ""));
        Some((name, labels.trim_end_matches('}'), value.parse().ok()?))
    })
}

/// What was refused since the start, by reason, the most first.
pub fn refusals(metrics: &str) -> Vec<(String, u64)> {
    let mut counted = BTreeMap::<String, u64>::new();
    for (name, labels, value) in series(metrics) {
        let reason = labels.split(',').find_map(|label| label.strip_prefix("reason=\""));
        if let (true, Some(reason)) = (name == "callbridge_rejected_total", reason) {
            // A counter is a whole number; a cast saturates.
            *counted.entry(reason.trim_end_matches('"').to_owned()).or_default() += value as u64;
        }
    }
    let mut counted: Vec<(String, u64)> = counted.into_iter().collect();
    counted.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    counted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metrics(ended: u32, mos_sum: f64, mos_count: u32) -> String {
        format!(
            "# HELP callbridge_calls_total Calls.\ncallbridge_calls_active{{state=\"bridged\"}} 2\n\
             callbridge_calls_active{{state=\"scheduled\"}} 900\ncallbridge_calls_active{{state=\"queued\"}} 1\n\
             callbridge_calls_total{{outcome=\"completed\"}} {ended}\ncallbridge_mos_sum {mos_sum}\n\
             callbridge_mos_count {mos_count}\ncallbridge_rejected_total{{reason=\"rate\"}} 7\n\
             callbridge_rejected_total{{reason=\"stranger\"}} 9\n"
        )
    }

    #[test]
    fn counters_become_rates_and_histograms_means_of_what_came_between() {
        let history = History::default();
        history.add(Wall(0), &metrics(10, 40.0, 10));
        history.add(Wall(5_000), &metrics(11, 48.2, 12));
        let plots = history.plots(Wall(5_000));
        assert_eq!(plots[0].series[0].points, [(0.0, 3.0), (5.0, 3.0)], "calls that wait for their time are not live");
        assert_eq!(plots[1].series[1].points, [(5.0, 12.0)]);
        let score = plots[2].series[0].points[0].1;
        assert!((score - 4.1).abs() < 1e-9, "{score}");
    }

    #[test]
    fn a_counter_that_began_anew_is_no_negative_rate() {
        let history = History::default();
        history.add(Wall(0), &metrics(10, 0.0, 0));
        history.add(Wall(5_000), &metrics(0, 0.0, 0));
        assert!(history.plots(Wall(5_000))[1].series[1].points.is_empty());
    }

    #[test]
    fn an_hour_is_kept_and_no_more() {
        let history = History::default();
        for second in 0..2000 {
            history.add(Wall(second * 5_000), "");
        }
        assert_eq!(history.0.lock().unwrap().len(), KEPT);
    }

    #[test]
    fn refusals_are_listed_by_reason_the_most_first() {
        assert_eq!(refusals(&metrics(0, 0.0, 0)), [("stranger".to_owned(), 9), ("rate".to_owned(), 7)]);
    }
}
