//! `--messages`: initiation messages that are accepted for tomorrow, at a steady rate, alone and beside live calls. Owns what the
//! acceptance of a message costs and how long its 202 takes; refuses calls that are placed (those are `--rates`).

use std::time::Duration;

use clap::Args;
use serde::Serialize;

use super::BenchError;
use super::client::{self, Placed, Wanted};
use super::phones::Phones;
use super::report::Spread;
use super::target::Target;
use super::voice::Window;

/// How many, and beside what.
#[derive(Args, Clone, Debug)]
pub struct MessageArgs {
    /// Rates of messages per second to try, each for `--seconds`; their calls are wanted tomorrow; 0: none
    #[arg(long, value_delimiter = ',', default_value = "0")]
    pub messages: Vec<u32>,
    /// So many calls talk meanwhile; 0: none
    #[arg(long, default_value_t = 0)]
    pub messages_beside: u32,
}

/// Messages at one rate.
#[derive(Clone, Debug, Serialize)]
pub struct Messages {
    messages_per_second: u32,
    messages: u32,
    accepted: u32,
    refused: u32,
    /// Without what the live calls cost before the messages came.
    cpu_micros_per_message: f64,
    post_to_202: Spread,
    #[serde(skip_serializing_if = "Option::is_none")]
    beside: Option<Beside>,
}

/// What the live calls noticed.
#[derive(Clone, Debug, Serialize)]
pub struct Beside {
    calls: u32,
    packets_relayed: u64,
    packets_lost: u64,
    delay_p50_ms: f64,
    delay_p99_ms: f64,
    /// The same before the messages came.
    delay_p99_ms_before: f64,
}

/// The live calls and what they cost by themselves.
pub struct Live {
    calls: u32,
    cpu_share: f64,
    before: Window,
}

impl Live {
    /// Bridges so many calls and looks at them alone for a while.
    pub fn begin(target: &Target, phones: &Phones, first: &mut u32, calls: u32) -> Result<Live, BenchError> {
        const ALONE: Duration = Duration::from_secs(4);
        phones.begin(Duration::from_secs(3600));
        client::place(target, *first, calls, 100)?;
        *first += calls;
        let calls = phones.wait_bridged(calls, Duration::from_secs(20));
        std::thread::sleep(Duration::from_secs(1));
        drop(phones.take());
        let before = target.cpu()?;
        std::thread::sleep(ALONE);
        let cpu = target.cpu()?.saturating_sub(before);
        let mut window = phones.take();
        phones.listen(&mut window);
        Ok(Live { calls, cpu_share: cpu.as_secs_f64() / ALONE.as_secs_f64(), before: window })
    }

    /// Ends them.
    pub fn end(&self, phones: &Phones) {
        phones.hang_up_all();
        phones.wait_ended(self.calls, Duration::from_secs(20));
    }
}

/// One rate, for so many seconds.
pub fn run(
    target: &Target,
    phones: &Phones,
    first: &mut u32,
    (rate, seconds): (u32, u32),
    live: Option<&Live>,
) -> Result<Messages, BenchError> {
    let messages = rate * seconds;
    drop(phones.take());
    let (before, began) = (target.cpu()?, std::time::Instant::now());
    let placed: Placed = client::place_for(target, *first, messages, rate, Wanted::Tomorrow)?;
    let took = began.elapsed().as_secs_f64();
    *first += messages;
    let cpu = target.cpu()?.saturating_sub(before).as_secs_f64() - live.map_or(0.0, |live| live.cpu_share * took);
    let beside = live.map(|live| {
        let mut window = phones.take();
        phones.listen(&mut window);
        Beside {
            calls: live.calls,
            packets_relayed: window.relayed,
            packets_lost: window.lost,
            delay_p50_ms: window.delay_ms(0.5),
            delay_p99_ms: window.delay_ms(0.99),
            delay_p99_ms_before: live.before.delay_ms(0.99),
        }
    });
    Ok(Messages {
        messages_per_second: rate,
        messages,
        accepted: placed.accepted,
        refused: placed.refused,
        cpu_micros_per_message: cpu.max(0.0) * 1e6 / f64::from(placed.accepted.max(1)),
        post_to_202: Spread::of(&placed.answer_micros),
        beside,
    })
}
