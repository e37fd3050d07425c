//! Whose phone rings before a representative is free: customers who are expected to find one when they answer. Owns when that is
//! looked at and the bound on those who find nobody; the probability is `forecast`'s.

use std::collections::BTreeSet;
use std::time::Duration;

use super::distribution::{Distribution, Key, Stage};
use super::forecast::Rest;
use super::line::Rank;
use super::seat::{LineNo, SeatNo};
use super::state::Work;
use crate::clock::Now;

/// While somebody waits it is looked at this often.
const EVERY: Duration = Duration::from_millis(500);
/// Lines that are looked at each time, those of whoever waits longest first.
const LINES: usize = 16;
/// Those who are soon free are looked through so far, and so many of them are reckoned with.
const SCAN: usize = 256;
const POOL: usize = 64;

/// Who may be free in time for one more customer of a line.
struct Pool {
    rests: Vec<Rest>,
    /// How many must be, for this one and for those who were dialled before.
    wanted: usize,
    /// Who would be kept.
    next: Option<SeatNo>,
}

impl Distribution {
    /// Somebody waits, or somebody is soon free: it is looked at soon.
    pub(super) fn mind_ahead(&mut self, now: Now) {
        let wanted = self.settings.late_per_mille > 0 && !self.crowded.is_empty() && !self.soon.is_empty();
        if wanted && !self.timers.is_set(&Key::Ahead) {
            self.timers.set(Key::Ahead, now.mono + EVERY);
        }
    }

    /// Calls customers who are expected to find somebody.
    pub(super) fn look_ahead(&mut self, now: Now) {
        if self.forecast.is_within(self.settings.late_per_mille) {
            let head = |no: &LineNo| Some((*self.lines.get(*no)?.waiting.first_key_value()?.0, *no));
            let mut heads: BTreeSet<(Rank, LineNo)> = self.crowded.iter().filter_map(head).collect();
            for _ in 0..LINES {
                let Some((_, line)) = heads.pop_first() else { break };
                if self.call_ahead(now, line) {
                    let next = self.lines.get(line).and_then(|line| line.waiting.first_key_value());
                    heads.extend(next.map(|(rank, _)| (*rank, line)));
                }
            }
        }
        self.mind_ahead(now);
    }

    /// Calls the first of this line, where the bound allows it.
    fn call_ahead(&mut self, now: Now, line: LineNo) -> bool {
        let pool = self.pool(now, line);
        let Some(no) = pool.next else { return false };
        let wrap_up = Duration::from_secs(self.settings.wrap_up_seconds.into());
        let grace = Duration::from_millis(self.settings.grace_millis.into());
        let bound = f64::from(self.settings.late_per_mille) / 1_000.0;
        let fits =
            self.forecast.too_few(&pool.rests, pool.wanted, wrap_up, grace).is_some_and(|chance| chance <= bound);
        let first = self.lines.get(line).and_then(|line| line.waiting.first_key_value()).map(|(_, id)| *id);
        let Some(id) = first.filter(|_| fits) else { return false };
        self.step_out(id);
        self.figures.ahead += 1;
        self.dial(now, id, no);
        true
    }

    fn pool(&self, now: Now, line_no: LineNo) -> Pool {
        let mut pool = Pool { rests: Vec::new(), wanted: 1, next: None };
        for (_, no) in self.soon.iter().take(SCAN) {
            let Some(seat) = self.seats.get(*no).filter(|seat| seat.serves(line_no)) else { continue };
            pool.rests.push(match seat.work {
                Work::WrapUp { until, .. } => Rest::WrapUp(until.since(now.mono)),
                Work::Busy { since, .. } => Rest::Talk(now.mono.since(since)),
                Work::Idle { .. } | Work::Promised { .. } | Work::Ringing { .. } => continue,
            });
            match seat.work.kept_for() {
                Some(_) => pool.wanted += 1,
                None => pool.next = pool.next.or(Some(*no)),
            }
            if pool.rests.len() >= POOL {
                break;
            }
        }
        let alone = |stage| matches!(stage, Stage::Dialled { kept: None, .. } | Stage::Holding { kept: None, .. });
        let urgent = self.lines.get(line_no).into_iter().flat_map(|line| line.urgent.iter().take(POOL));
        let stages = urgent.filter_map(|urgent| self.customers.get(&urgent.customer)).map(|customer| customer.stage);
        pool.wanted += stages.filter(|stage| alone(*stage)).count();
        pool
    }
}
