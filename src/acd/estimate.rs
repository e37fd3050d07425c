//! What a customer in line is told: the place, and in about how long. Owns that estimate; a customer whose phone rings is told nothing
//! more, one who holds is the next.

use std::time::Duration;

use super::api::{CustomerId, Wait};
use super::distribution::{Distribution, Stage};
use super::seat::SeatNo;

impl Distribution {
    /// The place of a customer who waits or holds, and in about how long they talk with somebody. `None`: they do neither.
    pub fn wait(&self, customer: CustomerId) -> Option<Wait> {
        let customer = self.customers.get(&customer)?;
        let line = self.lines.get(customer.line)?;
        let before = match customer.stage {
            Stage::Waiting => line.before(customer.rank),
            Stage::Holding { .. } => Some(0),
            Stage::Dialled { .. } | Stage::Offered { .. } | Stage::Talking { .. } => return None,
        };
        let position = before.and_then(|before| u32::try_from(before + 1).ok());
        let estimate =
            position.and_then(|position| self.estimate(position + self.urgent_in(customer.line), &line.seats));
        Some(Wait { position, estimate })
    }

    fn urgent_in(&self, line: usize) -> u32 {
        let urgent = self.lines.get(line).map_or(0, |line| line.urgent.len());
        u32::try_from(urgent).unwrap_or(u32::MAX / 2)
    }

    /// While all are busy, somebody of `n` is free every n-th part of a talk with its wrap-up. Who serves other lines in which somebody
    /// waits serves this one for that part of the time.
    fn estimate(&self, position: u32, seats: &[SeatNo]) -> Option<Duration> {
        let each = self.forecast.mean_talk()? + Duration::from_secs(self.settings.wrap_up_seconds.into());
        let share = |no: &SeatNo| {
            let seat = self.seats.get(*no).filter(|seat| seat.takes())?;
            let lines = seat.serves.iter().filter(|(line, _)| self.crowded.contains(line)).count();
            u32::try_from(1_000 / lines.max(1)).ok()
        };
        let thousandths: u32 = seats.iter().filter_map(share).sum();
        (thousandths > 0).then(|| each.saturating_mul(position).saturating_mul(1_000) / thousandths)
    }
}
