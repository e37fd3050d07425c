//! When and how often: the fields of a message that say between which moments a customer may be called, until when, and how it is tried
//! again. Owns their forms; refuses to judge what an account allows and where which clock goes.

use super::{Fields, Json, Lines, escape};
use crate::clock::Wall;
use crate::model::contact::{ContactWindow, ContactWish, MAX_TRIES, MAX_WAITS, RetryWish, WAIT_SECONDS, WindowWish};
use crate::model::{TimeOfDay, Zone};

/// Characters of a time or a zone.
const MAX_TIME_CHARS: usize = 64;
const FORM: &str = "two RFC 3339 times, or two times of the day such as 17:00 and 19:00";

impl Fields {
    /// Both, where one of them is there.
    pub(super) fn contact(&mut self, window: Option<WindowWish>) -> Option<Box<ContactWish>> {
        let retry = self.retry();
        (window.is_some() || retry.is_some()).then(|| Box::new(ContactWish { window, retry }))
    }

    /// `{from, to, zone}`
    pub(super) fn window(&mut self, now: Wall) -> Option<WindowWish> {
        let window = self.left.remove("contact_window");
        let mut window = self.object("/contact_window", window)?;
        let mut text = |fields: &mut Fields, name: &str, wanted: bool| {
            let pointer = format!("/contact_window/{name}");
            match window.remove(name).filter(|json| *json != Json::Null) {
                Some(json) => fields.bounded(&pointer, json, MAX_TIME_CHARS, Lines::One),
                None if wanted => {
                    fields.malformed(pointer, "required");
                    None
                }
                None => None,
            }
        };
        let (from, to, zone) = (text(self, "from", true), text(self, "to", true), text(self, "zone", false));
        for name in window.into_keys() {
            self.malformed(format!("/contact_window/{}", escape(&name)), "unknown field");
        }
        let (from, to) = from.zip(to)?;
        let zone = match zone.map(|zone| zone.parse::<Zone>()).transpose() {
            Ok(zone) => zone,
            Err(error) => {
                self.impossible("/contact_window/zone", error.to_string());
                return None;
            }
        };
        if let (Ok(from), Ok(to)) = (from.parse::<TimeOfDay>(), to.parse::<TimeOfDay>()) {
            if from == to {
                self.impossible("/contact_window/to", "the same as from");
                return None;
            }
            return Some(WindowWish::Daily { from, to, zone });
        }
        let (Some(from), Some(to)) = (Wall::parse(&from), Wall::parse(&to)) else {
            let at = if Wall::parse(&from).is_some() || from.parse::<TimeOfDay>().is_ok() { "to" } else { "from" };
            self.impossible(format!("/contact_window/{at}"), FORM);
            return None;
        };
        if zone.is_some() {
            self.impossible("/contact_window/zone", "a zone goes with times of the day; these times have theirs");
        } else if to <= from {
            self.impossible("/contact_window/to", "not later than from");
        } else if to <= now {
            self.impossible("/contact_window/to", "this time has passed");
        } else {
            return Some(WindowWish::Between(ContactWindow { from, to }));
        }
        None
    }

    /// RFC 3339; absent, null or empty: the message does not say.
    pub(super) fn end(&mut self, now: Wall) -> Option<Wall> {
        let end = self.time("expires_at", now)?;
        if end <= now {
            self.impossible("/expires_at", "this time has passed");
            return None;
        }
        Some(end)
    }

    /// `{max_tries, busy_seconds, no_answer_seconds, machine_seconds}`: what is given.
    fn retry(&mut self) -> Option<RetryWish> {
        let retry = self.left.remove("retry");
        let mut retry = self.object("/retry", retry)?;
        let max_tries = retry.remove("max_tries").filter(|json| *json != Json::Null);
        let max_tries = max_tries.and_then(|json| {
            let tries = number(&json).and_then(|tries| u8::try_from(tries).ok());
            let tries = tries.filter(|tries| (1..=MAX_TRIES).contains(tries));
            if tries.is_none() {
                self.malformed("/retry/max_tries", format!("a whole number, 1 to {MAX_TRIES}"));
            }
            tries
        });
        let mut waits = |name: &str| {
            let json = retry.remove(name).filter(|json| *json != Json::Null)?;
            let read = match &json {
                Json::List(items) if items.len() <= MAX_WAITS => items.iter().map(number).collect::<Option<Vec<u32>>>(),
                _ => None,
            };
            let read = read.filter(|waits| waits.iter().all(|wait| WAIT_SECONDS.contains(wait)));
            if read.is_none() {
                let (least, most) = (WAIT_SECONDS.start(), WAIT_SECONDS.end());
                let what = format!("a list of at most {MAX_WAITS} whole numbers, {least} to {most}");
                self.malformed(format!("/retry/{name}"), what);
            }
            read
        };
        let wish = RetryWish {
            max_tries,
            busy_seconds: waits("busy_seconds"),
            no_answer_seconds: waits("no_answer_seconds"),
            machine_seconds: waits("machine_seconds"),
        };
        for name in retry.into_keys() {
            self.malformed(format!("/retry/{}", escape(&name)), "unknown field");
        }
        Some(wish)
    }
}

fn number(json: &Json) -> Option<u32> {
    match json {
        Json::Number(number) => number.as_u64().and_then(|number| u32::try_from(number).ok()),
        _ => None,
    }
}
