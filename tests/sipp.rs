//! Real `sipp` phones call and are called by the real daemon over loopback; one test is one story. Owns the stories; the
//! phones' parts are in sip-scenarios, the stage is in tests/support.

#[allow(dead_code, reason = "every test program uses its part of the stage")]
mod support;

#[path = "sipp/again.rs"]
mod again;
#[path = "sipp/answered.rs"]
mod answered;
#[path = "sipp/customer.rs"]
mod customer;
#[path = "sipp/dialog.rs"]
mod dialog;
#[path = "sipp/digits.rs"]
mod digits;
#[path = "sipp/direct.rs"]
mod direct;
#[path = "sipp/distribution.rs"]
mod distribution;
#[path = "sipp/early.rs"]
mod early;
#[path = "sipp/equipment.rs"]
mod equipment;
#[path = "sipp/identity.rs"]
mod identity;
#[path = "sipp/loss.rs"]
mod loss;
#[path = "sipp/machines.rs"]
mod machines;
#[path = "sipp/malformed.rs"]
mod malformed;
#[path = "sipp/names.rs"]
mod names;
#[path = "sipp/provisional.rs"]
mod provisional;
#[path = "sipp/questions.rs"]
mod questions;
#[path = "sipp/recording.rs"]
mod recording;
#[path = "sipp/refusals.rs"]
mod refusals;
#[path = "sipp/representative.rs"]
mod representative;
#[path = "sipp/scenarios.rs"]
mod scenarios;
#[path = "sipp/session.rs"]
mod session;
#[path = "sipp/supervisor.rs"]
mod supervisor;
#[path = "sipp/switch.rs"]
mod switch;
#[path = "sipp/switches.rs"]
mod switches;
#[path = "sipp/tariffs.rs"]
mod tariffs;
#[path = "sipp/transfer.rs"]
mod transfer;
#[path = "sipp/vouching.rs"]
mod vouching;
