//! Everything that touches a clock, a socket, a thread or the disk.

pub mod allocator;
pub mod batch;
pub mod clock;
pub mod engine_thread;
pub mod hep;
pub mod http;
pub mod jose;
pub mod logs;
pub mod media_thread;
pub mod passwords;
mod priority;
pub mod prompts;
pub mod recordings;
pub mod resolver;
mod sample_metrics;
pub mod sip_listen;
pub mod sip_stream;
pub mod sip_udp;
pub mod speech;
pub mod stir;
pub mod store;
mod switch_metrics;
pub mod telemetry;
pub mod tls;
mod told;
pub mod traces;
pub mod webhooks;
