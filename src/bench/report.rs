//! The report that `bench` prints. Owns the names of its JSON fields; all times say their unit.

use std::time::Duration;

use serde::Serialize;

use super::BenchArgs;
use super::client::Placed;
use super::messages::Messages;
use super::soak::Soak;
use super::talk::Talk;
use super::target::Idle;
use super::voice::{Window, percentile_ms};

/// Everything measured in one run.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// W: CPU of one packet received and sent, nothing in between.
    pub wall_micros_per_packet: f64,
    /// Media tick; none: it followed the load.
    pub tick_ms: Option<u16>,
    /// `[media] io`.
    pub io: String,
    /// What the talks were like.
    pub talk: Talk,
    /// The daemon with no call.
    pub idle: Idle,
    /// Bridged calls.
    pub bridged: Vec<Bridged>,
    /// Calls per second.
    pub rates: Vec<Rate>,
    /// Messages per second.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub messages: Vec<Messages>,
    /// Many calls.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub soak: Option<Soak>,
}

impl Report {
    /// A report without measurements yet.
    pub fn new(wall_micros_per_packet: f64, args: &BenchArgs, idle: Idle) -> Report {
        let (tick_ms, io, talk) = (args.tick_ms, args.io.clone(), args.talk.clone());
        let (bridged, rates, messages) = (Vec::new(), Vec::new(), Vec::new());
        Report { wall_micros_per_packet, tick_ms, io, talk, idle, bridged, rates, messages, soak: None }
    }
}

/// A 50th and a 99th percentile in milliseconds.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Spread {
    p50_ms: f64,
    p99_ms: f64,
}

impl Spread {
    /// Of samples in microseconds.
    pub fn of(samples: &[u64]) -> Spread {
        Spread { p50_ms: percentile_ms(samples, 0.5), p99_ms: percentile_ms(samples, 0.99) }
    }
}

/// Calls that were bridged together.
#[derive(Clone, Debug, Serialize)]
pub struct Bridged {
    calls_asked: u32,
    calls_bridged: u32,
    packets_relayed: u64,
    packets_lost: u64,
    cpu_micros_per_packet: f64,
    cpu_in_walls: f64,
    cpu_core_share: f64,
    /// Packets whose delay is known: all where they are marked, those of some calls where they are transcoded.
    delays_measured: u64,
    delay_p50_ms: f64,
    delay_p99_ms: f64,
    memory_kilobytes_per_call: f64,
    customer_ack_to_first_prompt: Spread,
    representative_200_to_first_at_customer: Spread,
    representative_200_to_first_at_representative: Spread,
}

impl Bridged {
    /// Builds the figures of one number of calls.
    pub fn new(
        calls_asked: u32,
        calls_bridged: u32,
        memory_kilobytes: u64,
        cpu: Duration,
        wall: f64,
        setup: &Window,
        window: &Window,
    ) -> Bridged {
        let per_packet = cpu.as_secs_f64() * 1e6 / window.relayed.max(1) as f64;
        let seconds = window.relayed as f64 / (f64::from(calls_bridged.max(1)) * 100.0);
        Bridged {
            calls_asked,
            calls_bridged,
            packets_relayed: window.relayed,
            packets_lost: window.lost,
            cpu_micros_per_packet: per_packet,
            cpu_in_walls: per_packet / wall,
            cpu_core_share: cpu.as_secs_f64() / seconds.max(0.001),
            delays_measured: window.delays_known(),
            delay_p50_ms: window.delay_ms(0.5),
            delay_p99_ms: window.delay_ms(0.99),
            memory_kilobytes_per_call: memory_kilobytes as f64 / f64::from(calls_bridged.max(1)),
            customer_ack_to_first_prompt: Spread::of(&setup.first_prompt),
            representative_200_to_first_at_customer: Spread::of(&setup.first_at_customer),
            representative_200_to_first_at_representative: Spread::of(&setup.first_at_representative),
        }
    }
}

/// Calls at a rate.
#[derive(Clone, Debug, Serialize)]
pub struct Rate {
    calls_per_second: u32,
    calls: u32,
    accepted: u32,
    refused: u32,
    completed: u32,
    cpu_ms_per_call: f64,
    packets_relayed: u64,
    packets_lost: u64,
    delay_p50_ms: f64,
    delay_p99_ms: f64,
    post_to_202: Spread,
    post_to_invite: Spread,
    customer_ack_to_first_prompt: Spread,
    representative_200_to_first_at_customer: Spread,
}

impl Rate {
    /// Builds the figures of one rate.
    pub fn new(rate: u32, calls: u32, placed: &Placed, completed: u32, cpu: Duration, window: &Window) -> Rate {
        Rate {
            calls_per_second: rate,
            calls,
            accepted: placed.accepted,
            refused: placed.refused,
            completed,
            cpu_ms_per_call: cpu.as_secs_f64() * 1e3 / f64::from(completed.max(1)),
            packets_relayed: window.relayed,
            packets_lost: window.lost,
            delay_p50_ms: window.delay_ms(0.5),
            delay_p99_ms: window.delay_ms(0.99),
            post_to_202: Spread::of(&placed.answer_micros),
            post_to_invite: Spread::of(&placed.until(&window.invites)),
            customer_ack_to_first_prompt: Spread::of(&window.first_prompt),
            representative_200_to_first_at_customer: Spread::of(&window.first_at_customer),
        }
    }
}
