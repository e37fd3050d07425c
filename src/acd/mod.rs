//! Call distribution (routine 338): which representative a customer gets, when the customer's phone may ring, who waits in which
//! place. Pure; used by the equipment for direct call requests and by the business's own Web server, one [`Distribution`] for each
//! business, so that two never see each other.
//!
//! Owns representatives' states, reservations, queues, forecasts and opening hours. Refuses clocks, legs and numbers dialled: it hears
//! what became of legs ([`Input`]) and says whose phone may ring ([`Output`]). `named` is the older choice for accounts that keep no
//! representatives.
//!
//! ```text
//! customer:       Waiting ─┬→ Dialled ─┬→ Offered → Talking → gone
//!                          │           └→ Holding ─↗   (nobody was free at the answer, or the one who was did not take it)
//!                          └→ gone: hung up, overflow, closed, too long
//! representative: Idle → Promised → Ringing → Busy → WrapUp → Idle   (Busy and WrapUp may have a next customer)
//! ```
//!
//! A customer's phone rings only when a representative is kept for that customer: one who is free, or one who is busy and expected in
//! time. No representative is ever kept for two.

mod ahead;
pub mod api;
mod distribution;
pub mod error;
mod estimate;
mod figures;
pub mod forecast;
mod lease;
mod line;
pub mod named;
mod need;
mod reserve;
mod seat;
pub mod shift;
mod staff;
mod state;
mod strategy;
#[cfg(test)]
mod tests;

pub use crate::model::Wish;
pub use api::{CustomerId, GivenUp, Input, Output, Reason, Wait};
pub use distribution::Distribution;
pub use error::Refusal;
pub use figures::Figures;
pub use lease::{SHORTEST as SHORTEST_LEASE, Session};
pub use state::State;
