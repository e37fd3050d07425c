//! The configuration as the parts want it: bounds of the store's writer, where recordings go, the media threads, the engine with its
//! switches. Owns that translation; refuses to start anything.

use std::sync::Arc;
use std::time::Duration;

use crate::billing::plans;
use crate::call::CallLimits;
use crate::config::{Config, RecordingConfig, SwitchConfig};
use crate::engine::{EngineConfig, Stir};
use crate::io::media_thread::{Alarms, MediaSettings};
use crate::io::recordings::{RecordingKey, Talks};
use crate::io::stir::StirError;
use crate::io::store::WriterBounds;
use crate::routing::Switch;
use crate::sip::api::Locals;

pub(super) fn writer_bounds(config: &Config) -> WriterBounds {
    let days = |days: u32| Duration::from_secs(u64::from(days) * 86_400);
    let (ladders_kept, events_kept) = (days(config.store.ladder_days), days(config.webhooks.keep_days));
    WriterBounds { ladders_kept, events_kept, audit_kept: days(config.admin.audit_days), ..WriterBounds::default() }
}

/// Where talks are kept, and how.
pub(super) fn talks(config: &Config) -> Talks {
    let RecordingConfig { folder, key, keep_days, .. } = &config.recording;
    Talks {
        folder: folder.clone(),
        key: key.map(|key| RecordingKey::new(key.0)),
        keep: keep_days.map(|days| Duration::from_secs(u64::from(days) * 86_400)),
    }
}

pub(super) fn media_settings(config: &Config) -> MediaSettings {
    let media = &config.media;
    let (address, ports, threads, tick) = (media.address, media.ports, media.threads, media.tick);
    let seconds = |seconds: u16| std::time::Duration::from_secs(seconds.into());
    let alarms =
        Alarms { quiet: seconds(media.quiet_seconds), bad_mos: media.bad_mos, bad_for: seconds(media.bad_seconds) };
    MediaSettings { address, ports, threads, tick, io: media.io, full_percent: media.full_percent, alarms }
}

pub(super) fn stir(config: &Config) -> Result<Option<Stir>, StirError> {
    let Some(stir) = &config.stir else { return Ok(None) };
    let default_attestation = stir.default_attestation;
    Ok(Some(Stir { signer: crate::io::stir::load(stir)?, default_attestation, required: stir.required }))
}

pub(super) fn engine_config(config: &Config, locals: &Locals, stir: Option<Stir>) -> EngineConfig {
    let seconds = |s: u32| Duration::from_secs(u64::from(s));
    let call = &config.call;
    EngineConfig {
        sip: locals.clone(),
        user_agent: concat!("callbridge/", env!("CARGO_PKG_VERSION")).to_owned(),
        limits: CallLimits {
            customer_ring: seconds(call.customer_ring_seconds),
            representative_ring: seconds(call.representative_ring_seconds),
            max_hold: seconds(call.max_hold_seconds),
            max_call: seconds(call.max_call_seconds),
            silence: seconds(call.silence_seconds),
            farewell: Duration::from_secs(20),
            audio_proof: Duration::from_secs(5),
            gate: seconds(call.gate_seconds),
            machine: call.machine,
            greeting: seconds(call.machine_greeting_seconds),
            still: seconds(config.prompt.hold_repeat_seconds),
        },
        late: seconds(call.late_seconds),
        max_ahead: seconds(call.max_ahead_seconds),
        max_calls: usize::try_from(call.max_calls).unwrap_or(usize::MAX),
        strays_per_second: config.sip.max_strays_per_second,
        consent: config.recording.consent,
        tariffs: Arc::new(plans(&config.tariffs)),
        switches: config.switches.iter().map(switch).collect(),
        stir,
    }
}

fn switch(config: &SwitchConfig) -> Switch {
    Switch {
        name: config.name.clone(),
        address: config.address.clone(),
        tls_name: config.tls_name.clone(),
        prefixes: config.prefixes.clone(),
        weight: config.weight,
        allow: config.allow.clone(),
        sources: config.sources.clone(),
        caller_id: config.caller_id.clone(),
        max_channels: config.max_channels,
        max_calls_per_second: config.max_calls_per_second,
        drain: config.drain,
        answer: Duration::from_secs(u64::from(config.answer_seconds)),
        trying: Duration::from_secs(u64::from(config.trying_seconds)),
        options: (config.options_seconds > 0).then(|| Duration::from_secs(u64::from(config.options_seconds))),
        trunk: Arc::new(config.trunk.clone()),
    }
}
