//! The limits of a `[[business]]`: its bounds in numbers, where and when it may call. Owns what these keys mean; refuses to judge a call.

use super::reader::{At, Reader, Section};
use crate::model::limits::{MAX_PREFIXES, MAX_SPEND_MICROS, RESERVE_SECONDS};
use crate::model::{
    AtCeiling, Destinations, Duplicates, Guard, Limits, NumberKind, Prefix, QuietHours, Quietly, TimeOfDay, Zone,
};

pub(super) fn limits(reader: &mut Reader, section: &mut Section<'_>) -> Limits {
    let d = Limits::default();
    let mut count = |key| section.integer::<u32>(reader, key, 0..=1_000_000);
    let (concurrent, second, scheduled) = (count("max_concurrent"), count("max_per_second"), count("max_scheduled"));
    let (number_hour, number_day) = (count("max_per_number_per_hour"), count("max_per_number_per_day"));
    let mut many = |key| section.integer::<u32>(reader, key, 0..=1_000_000_000);
    let (calls, minutes, month) =
        (many("max_calls_per_day"), many("max_minutes_per_day"), many("max_minutes_per_month"));
    let mut money = |key| section.integer::<i64>(reader, key, 0..=MAX_SPEND_MICROS);
    let (spend_day, spend_month) = (money("max_spend_per_day_micros"), money("max_spend_per_month_micros"));
    let reserve = section.integer(reader, "reserve_seconds", RESERVE_SECONDS);
    let ceiling =
        section.read(reader, "at_ceiling", "write \"refuse\" or \"hang_up\" (live calls too)", AtCeiling::parse);
    let mend = "write \"allow\", \"conflict\" (409) or \"too_many\" (429)";
    let duplicates = section.read(reader, "duplicates", mend, Duplicates::parse);
    Limits {
        max_concurrent: concurrent.unwrap_or(d.max_concurrent),
        max_per_second: second.unwrap_or(d.max_per_second),
        max_scheduled: scheduled.unwrap_or(d.max_scheduled),
        max_calls_per_day: calls,
        max_minutes_per_day: minutes,
        max_minutes_per_month: month,
        max_spend_per_day_micros: spend_day,
        max_spend_per_month_micros: spend_month,
        max_per_number_per_hour: number_hour,
        max_per_number_per_day: number_day,
        reserve_seconds: reserve.unwrap_or(d.reserve_seconds),
        at_ceiling: ceiling.map_or(d.at_ceiling, |at| at.value),
        duplicates: duplicates.map_or(d.duplicates, |at| at.value),
    }
}

pub(super) fn guard(reader: &mut Reader, section: &mut Section<'_>) -> Guard {
    let allow = prefixes(reader, section, "allow_destinations");
    let deny = prefixes(reader, section, "deny_destinations");
    let mend = "write some of \"premium\", \"shared_cost\", \"personal\" and \"satellite\"; [] denies none";
    let kinds = section.texts(reader, "deny_kinds", mend).map(|words| {
        let mut kinds = Vec::new();
        for At { place, value } in words {
            match NumberKind::parse(&value) {
                Ok(kind) => kinds.push(kind),
                Err(known) => {
                    reader.error(&place, &section.key("deny_kinds"), format!("{value:?} is not {known}"), mend)
                }
            }
        }
        kinds
    });
    let deny_kinds = kinds.unwrap_or_else(|| Destinations::default().deny_kinds);
    Guard { destinations: Destinations { allow, deny, deny_kinds }, quiet: quiet(reader, section) }
}

fn prefixes(reader: &mut Reader, section: &mut Section<'_>, key: &'static str) -> Vec<Prefix> {
    let mend = "write prefixes in E.164, such as [\"+1\", \"+4420\"]; at most 256";
    let mut prefixes = Vec::new();
    for At { place, value } in section.texts(reader, key, mend).unwrap_or_default() {
        match value.parse::<Prefix>() {
            Ok(_) if prefixes.len() >= MAX_PREFIXES => reader.error(&place, &section.key(key), "too many", mend),
            Ok(prefix) => prefixes.push(prefix),
            Err(error) => reader.error(&place, &section.key(key), format!("{value:?} is {error}"), mend),
        }
    }
    prefixes
}

fn quiet(reader: &mut Reader, section: &mut Section<'_>) -> Option<QuietHours> {
    let mend = "write quiet_hours = { from = \"21:00\", to = \"08:00\" }";
    let mut section = section.child(reader, "quiet_hours", mend);
    let here = section.place(reader);
    let from = section.read(reader, "from", mend, |text| text.parse::<TimeOfDay>());
    let to = section.read(reader, "to", mend, |text| text.parse::<TimeOfDay>());
    let calls = section.read(reader, "calls", "write \"refuse\" or \"defer\" (until they end)", Quietly::parse);
    let zone =
        section.read(reader, "zone", "write a time zone, such as \"America/New_York\"", |text| text.parse::<Zone>());
    let hours = match (from, to) {
        (Some(from), Some(to)) if from.value == to.value => {
            reader.error(&to.place, &section.key("to"), "the same as from", mend);
            None
        }
        (Some(from), Some(to)) => Some((from.value, to.value)),
        (None, None) if calls.is_none() && zone.is_none() => None,
        _ => {
            reader.error(&here, &section.key("from"), "quiet hours have both from and to", mend);
            None
        }
    };
    section.finish(reader);
    let (from, to) = hours?;
    let calls = calls.map_or_else(Quietly::default, |at| at.value);
    Some(QuietHours { from, to, calls, zone: zone.map_or_else(Zone::default, |at| at.value) })
}

#[cfg(test)]
mod tests {
    use crate::config::parse;
    use crate::model::{AtCeiling, Duplicates, NumberKind, Quietly};

    const LEAST: &str = "[[switch]]\nname = \"ssp-62\"\naddress = \"sip:127.0.0.1:5070;transport=udp\"\n\
        [[business]]\nid = \"abc\"\nname = \"ABC\"\npassword_file = \"p\"\n";

    #[test]
    fn an_account_has_the_limits_that_the_file_says() {
        let keys = "max_calls_per_day = 5\nmax_spend_per_month_micros = 7\nreserve_seconds = 30\nat_ceiling = \"hang_up\"\n\
            duplicates = \"too_many\"\nallow_destinations = [\"+1\"]\ndeny_kinds = [\"personal\"]\n\
            quiet_hours = { from = \"21:00\", to = \"08:00\", calls = \"defer\", zone = \"Europe/Berlin\" }\n";
        let config = parse(&format!("{LEAST}{keys}"), "callbridge.toml").unwrap();
        let account = &config.businesses[0];
        assert_eq!((account.limits.max_calls_per_day, account.limits.max_minutes_per_day), (Some(5), None));
        assert_eq!((account.limits.reserve_seconds, account.limits.at_ceiling), (30, AtCeiling::HangUp));
        assert_eq!(account.limits.duplicates, Duplicates::TooMany);
        assert_eq!(account.guard.destinations.deny_kinds, [NumberKind::Personal]);
        let quiet = account.guard.quiet.as_ref().unwrap();
        assert_eq!((quiet.from.minutes(), quiet.calls, quiet.zone.as_str()), (1260, Quietly::Defer, "Europe/Berlin"));
    }

    #[test]
    fn every_wrong_limit_is_told_with_its_line() {
        let keys = "max_calls_per_day = -1\nreserve_seconds = 1\nat_ceiling = \"stop\"\nallow_destinations = [\"44\"]\n\
            deny_kinds = [\"cheap\"]\nquiet_hours = { from = \"21:00\", zone = \"Europe/Nowhere\" }\n";
        let errors = parse(&format!("{LEAST}{keys}"), "callbridge.toml").map(|_| ()).unwrap_err().to_string();
        for part in [
            "callbridge.toml:8: business[1].max_calls_per_day",
            "callbridge.toml:9: business[1].reserve_seconds",
            "callbridge.toml:10: business[1].at_ceiling",
            "callbridge.toml:11: business[1].allow_destinations: \"44\" is not a prefix",
            "callbridge.toml:12: business[1].deny_kinds: \"cheap\" is not premium",
            "callbridge.toml:13: business[1].quiet_hours.zone",
            "quiet hours have both from and to",
        ] {
            assert!(errors.contains(part), "{part} in\n{errors}");
        }
    }
}
