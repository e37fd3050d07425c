//! When a call may be placed: its window, its end, the quiet hours of its account. Owns the order of these questions, when a call is
//! accepted and again when its turn comes; the moments themselves are `access`'s.

use std::time::Duration;

use super::api::Refusal;
use super::limits::seconds_to;
use super::{Engine, Live, TURN};
use crate::access::{quiet, window};
use crate::clock::{Now, Wall};
use crate::model::contact::{RetryPlan, RetryWish, WindowWish};
use crate::model::{Business, ContactWindow, InitiationMessage, Quietly};

/// Why a call expires: in our words, in its record.
const LATE: &str = "its time passed before it could be placed";
const QUIET: &str = "quiet hours began before it could be placed";

/// Whether a call whose time has come may be placed at this moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Moment {
    /// It may.
    Fits,
    /// Not now, but it will before it expires.
    Later,
    /// It may not any more, and why.
    Over(&'static str),
}

impl Engine {
    /// Settles what a message asks of its moment: the window in moments, the time at which it is due, its end, its plan.
    pub(super) fn settle_contact(
        &self,
        now: Now,
        business: &Business,
        message: &mut InitiationMessage,
    ) -> Result<(), Refusal> {
        let asked = message.asked.take().map(|asked| *asked).unwrap_or_default();
        if let Some(wish) = asked.window {
            message.contact_window = Some(window_of(now, wish, message)?);
        }
        let latest = now.wall + self.config.max_ahead;
        if message.expires_at.is_some_and(|at| at > latest) {
            return Err(no_moment("/expires_at", "this is too far in the future"));
        }
        if let Some(at) = first_moment(now, business, message)? {
            message.desired_contact_time = Some(at);
        }
        let ends = [message.expires_at, message.contact_window.map(|window| window.to)];
        message.expires_at = ends.into_iter().flatten().min();
        message.retry = plan_of(business, message, asked.retry)?;
        Ok(())
    }

    /// Whether this call, whose time has come, may be placed now.
    pub(super) fn moment_of(&self, now: Now, live: &Live) -> Moment {
        let message = live.call.message();
        let late = live.business.contact.expires_after_seconds;
        let late = late.map_or(self.config.late, |seconds| Duration::from_secs(seconds.into()));
        let over = match message.expires_at {
            Some(end) => now.wall >= end,
            // Call distribution has a bound of its own for those who wait in its line.
            None if live.sought.is_in_line() => false,
            None => now.wall > live.sought.since().unwrap_or(live.due) + late,
        };
        // The clock was set back, for instance.
        let early = message.contact_window.is_some_and(|window| now.wall < window.from);
        let hours =
            live.business.guard.quiet.as_ref().filter(|hours| quiet::is_quiet(hours, &message.customer, now.wall));
        match hours {
            _ if over && hours.is_none() => Moment::Over(LATE),
            _ if over => Moment::Over(QUIET),
            None if early => Moment::Later,
            None => Moment::Fits,
            // Who says until when the call is wanted wants it after them, too.
            Some(hours) => match (message.expires_at, quiet::ends(hours, &message.customer, now.wall)) {
                (Some(end), Some(ends)) if ends < end => Moment::Later,
                _ => Moment::Over(QUIET),
            },
        }
    }
}

/// How soon a queued call is looked at again: at its end to the millisecond, if that is near.
pub(super) fn next_look(now: Now, live: &Live) -> Duration {
    let left = live.call.message().expires_at.map(|end| Duration::from_millis(end.millis_since(now.wall)));
    left.map_or(TURN, |left| left.clamp(Duration::from_millis(1), TURN))
}

fn no_moment(pointer: &'static str, why: &'static str) -> Refusal {
    Refusal::NoMoment { pointer, why: why.to_owned() }
}

/// How the call is tried again: as its account has it, or less. A call of Click to Dial is told of by states that have no second try.
fn plan_of(
    business: &Business,
    message: &InitiationMessage,
    asked: Option<RetryWish>,
) -> Result<Option<Box<RetryPlan>>, Refusal> {
    let account = &business.contact.retry;
    let plan = match asked {
        Some(wish) => {
            wish.within(account).map_err(|field| Refusal::RetryBarred { pointer: format!("/retry/{field}") })?
        }
        None => account.clone(),
    };
    Ok(Some(Box::new(plan)).filter(|plan| plan.tries_again() && message.click_to_dial.is_none()))
}

/// The window that is asked for, in moments.
fn window_of(now: Now, wish: WindowWish, message: &InitiationMessage) -> Result<ContactWindow, Refusal> {
    match wish {
        WindowWish::Between(ContactWindow { from, to }) if from >= to => {
            Err(no_moment("/contact_window/to", "not later than from"))
        }
        WindowWish::Between(ContactWindow { to, .. }) if to <= now.wall => {
            Err(no_moment("/contact_window/to", "this time has passed"))
        }
        WindowWish::Between(window) => Ok(window),
        WindowWish::Daily { from, to, zone } => {
            let at = message.desired_contact_time.map_or(now.wall, |at| at.max(now.wall));
            window::next(from, to, zone.as_ref(), &message.customer, at)
                .map_err(|why| Refusal::NoMoment { pointer: "/contact_window/zone", why: why.to_string() })
        }
    }
}

/// When it is to be placed, where that is another moment than the message says: the window begins later, or it is quiet until then.
fn first_moment(now: Now, business: &Business, message: &InitiationMessage) -> Result<Option<Wall>, Refusal> {
    let desired = Engine::wall_in_future(now, message.desired_contact_time);
    let wanted = desired.unwrap_or(now.wall);
    let at = message.contact_window.map_or(wanted, |window| window.from.max(wanted));
    if message.contact_window.is_some_and(|window| window.to <= at) {
        return Err(no_moment("/contact_window/to", "the window is over before the desired contact time"));
    }
    if message.expires_at.is_some_and(|end| end <= at) {
        return Err(no_moment("/expires_at", "the call would expire before it may be placed"));
    }
    let hours = business.guard.quiet.as_ref().filter(|hours| quiet::is_quiet(hours, &message.customer, at));
    let Some(hours) = hours else { return Ok(Some(at).filter(|at| *at > wanted)) };
    let ends = quiet::ends(hours, &message.customer, at);
    let last = [message.expires_at, message.contact_window.map(|window| window.to)].into_iter().flatten().min();
    let in_time = ends.filter(|ends| last.is_none_or(|last| *ends < last));
    match (message.contact_window, desired, hours.calls, in_time) {
        (Some(_), _, _, Some(ends)) | (None, None, Quietly::Defer, Some(ends)) => Ok(Some(ends)),
        (Some(_), ..) | (None, Some(_), ..) => Err(Refusal::QuietThen),
        (None, None, ..) => {
            let ends = ends.unwrap_or(now.wall + Duration::from_secs(86_400));
            Err(Refusal::QuietNow { retry_after: seconds_to(now.wall, ends) })
        }
    }
}
