//! `--soak`: many short calls at a steady rate while the daemon's memory, descriptors and ports are read again and again, and once
//! more when all calls are over. Owns those readings and what they say together; refuses to place calls.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use clap::Args;
use serde::Serialize;

use super::BenchError;
use super::phones::Phones;
use super::report::Rate;
use super::target::Target;

/// Ports, sessions and files are given back at the latest after so long.
const SETTLES: Duration = Duration::from_secs(15);
/// How often it is looked whether the calls are over.
const LOOK: Duration = Duration::from_millis(100);

/// How much, and how closely watched.
#[derive(Args, Clone, Debug)]
pub struct SoakArgs {
    /// Drive so many calls at a steady rate, each with `--talk-seconds`, and show that memory stays flat and every port comes back; 0: none
    #[arg(long, default_value_t = 0)]
    pub soak: u32,
    /// Calls per second of the soak
    #[arg(long, default_value_t = 250)]
    pub soak_rate: u32,
    /// Seconds between two readings of memory, file descriptors and ports in use
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    pub soak_sample_seconds: u32,
}

/// The daemon at one moment.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Reading {
    seconds: f64,
    calls_ended: u32,
    memory_kilobytes: u64,
    descriptors: u64,
    /// `callbridge_rtp_ports_in_use`; none where the metrics are not to be had.
    rtp_ports_in_use: Option<u64>,
}

/// What a soak showed.
#[derive(Clone, Debug, Serialize)]
pub struct Soak {
    load: Rate,
    before: Reading,
    during: Vec<Reading>,
    after: Reading,
    /// The middle of the readings in each quarter of the load, by calls.
    memory_kilobytes_by_quarter: [u64; 4],
    /// From the second quarter to the fourth: the first one fills caches and tables.
    memory_growth_percent: f64,
    ports_leaked: Option<u64>,
    descriptors_leaked: u64,
}

impl Soak {
    /// What the readings say together.
    pub fn new(load: Rate, before: Reading, during: Vec<Reading>, after: Reading) -> Soak {
        let memory_kilobytes_by_quarter = quarters(&during);
        let [_, second, _, fourth] = memory_kilobytes_by_quarter;
        let grown = fourth as f64 - second as f64;
        let leaked = |after: u64, before: u64| after.saturating_sub(before);
        Soak {
            load,
            memory_kilobytes_by_quarter,
            memory_growth_percent: grown * 100.0 / (second.max(1) as f64),
            ports_leaked: after.rtp_ports_in_use.zip(before.rtp_ports_in_use).map(|(now, then)| leaked(now, then)),
            descriptors_leaked: leaked(after.descriptors, before.descriptors),
            before,
            during,
            after,
        }
    }
}

/// The middle memory of each quarter of the calls; 0 where a quarter has no reading.
fn quarters(during: &[Reading]) -> [u64; 4] {
    let most = during.iter().map(|reading| reading.calls_ended).max().unwrap_or(0).max(1);
    [0, 1, 2, 3].map(|quarter| {
        let within = |reading: &&Reading| u64::from(reading.calls_ended) * 4 / (u64::from(most) + 1) == quarter;
        let mut memory: Vec<u64> = during.iter().filter(within).map(|reading| reading.memory_kilobytes).collect();
        memory.sort_unstable();
        memory.get(memory.len() / 2).copied().unwrap_or(0)
    })
}

/// The daemon now.
fn read(target: &Target, phones: &Phones, began: Instant) -> Result<Reading, BenchError> {
    Ok(Reading {
        seconds: (began.elapsed().as_secs_f64() * 10.0).round() / 10.0,
        calls_ended: phones.ended(),
        memory_kilobytes: target.rss_kilobytes()?,
        descriptors: target.descriptors()?,
        rtp_ports_in_use: target.metric("callbridge_rtp_ports_in_use")?,
    })
}

/// Watches the daemon while `load` runs, which starts from phones that have begun anew.
pub fn run(
    args: &SoakArgs,
    phones: &Phones,
    target: &Target,
    load: impl FnOnce() -> Result<Rate, BenchError>,
) -> Result<Soak, BenchError> {
    let began = Instant::now();
    let before = read(target, phones, began)?;
    let over = AtomicBool::new(false);
    let every = Duration::from_secs(u64::from(args.soak_sample_seconds));
    let watch = || -> Result<Vec<Reading>, BenchError> {
        let (mut readings, mut next) = (Vec::new(), every);
        while !over.load(Ordering::Relaxed) {
            if began.elapsed() >= next {
                readings.push(read(target, phones, began)?);
                next += every;
            }
            std::thread::sleep(LOOK);
        }
        Ok(readings)
    };
    let (load, during) = std::thread::scope(|scope| {
        let watching = scope.spawn(watch);
        let load = load();
        over.store(true, Ordering::Relaxed);
        (load, watching.join())
    });
    let (load, during) = (load?, during.map_err(|_| BenchError::Http("the watch ended".to_owned()))??);
    let settled = Instant::now() + SETTLES;
    let mut after = read(target, phones, began)?;
    // A descriptor more may be the connection that the reading before this one was made by.
    let is_back = |after: &Reading| {
        after.rtp_ports_in_use.is_none_or(|ports| ports == 0) && after.descriptors <= before.descriptors
    };
    while !is_back(&after) && Instant::now() < settled {
        std::thread::sleep(LOOK);
        after = read(target, phones, began)?;
    }
    Ok(Soak::new(load, before, during, after))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::client::Placed;
    use crate::bench::voice::Window;

    fn reading(calls_ended: u32, memory_kilobytes: u64, ports: u64) -> Reading {
        Reading { seconds: 0.0, calls_ended, memory_kilobytes, descriptors: 40, rtp_ports_in_use: Some(ports) }
    }

    fn soak(during: Vec<Reading>, after: Reading) -> Soak {
        let load = Rate::new(250, 400, &Placed::default(), 400, Duration::ZERO, &Window::default());
        Soak::new(load, reading(0, 20_000, 0), during, after)
    }

    #[test]
    fn memory_that_settles_after_the_first_quarter_is_flat() {
        let during = [40, 80, 120, 160, 240, 320, 400]
            .map(|calls| reading(calls, if calls < 100 { 50_000 } else { 80_000 }, 300));
        let shown = soak(during.to_vec(), reading(400, 79_000, 0));
        assert_eq!(shown.memory_kilobytes_by_quarter, [50_000, 80_000, 80_000, 80_000]);
        assert_eq!((shown.memory_growth_percent, shown.ports_leaked, shown.descriptors_leaked), (0.0, Some(0), 0));
    }

    #[test]
    fn what_grows_and_what_does_not_come_back_is_told() {
        let during = (1..=40).map(|n| reading(n * 10, 20_000 + u64::from(n) * 1_000, 300)).collect();
        let shown = soak(during, Reading { descriptors: 43, ..reading(400, 60_000, 4) });
        assert!(shown.memory_growth_percent > 50.0, "{}", shown.memory_growth_percent);
        assert_eq!((shown.ports_leaked, shown.descriptors_leaked), (Some(4), 3));
    }

    #[test]
    fn a_soak_too_short_for_a_reading_says_nothing_of_memory() {
        assert_eq!(soak(Vec::new(), reading(400, 1, 0)).memory_kilobytes_by_quarter, [0; 4]);
    }
}
