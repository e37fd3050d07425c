//! `[[business.representative]]` and `[business.staffing]`: who a business's representatives are and how its calls are distributed among
//! them. Owns what these keys mean; refuses to know who is there.

use std::str::FromStr;

use super::lists::listed;
use super::reader::{At, Reader, Section};
use crate::model::representative::skill_with_level;
use crate::model::{Endpoint, Hours, Representative, Staffing, Strategy, Zone};

const ID: &str = "write a name such as \"anna\"";
const ADDRESS: &str = "write a telephone number, a tel: or sip: URI or an IP address";
const SKILLS: &str = "write a list such as [\"cruise:9\", \"sea\"]: skills, and levels of 1 to 10";
const LANGUAGES: &str = "write a list such as [\"en\", \"de\"]";
const HOURS: &str = "write a list such as [\"mon-fri 09:00-17:30\"]";
const ZONE: &str = "write a time zone such as \"America/New_York\"";
const STRATEGY: &str = "write longest_idle, fewest_calls, skill_best, round_robin or priority";
const CLOSED: &str = "write a list such as [\"2026-12-25\"]";

pub(super) fn staffing(reader: &mut Reader, business: &mut Section<'_>) -> Staffing {
    let children = business.children(reader, "representative");
    let representatives = children.into_iter().filter_map(|section| representative(reader, section)).collect();
    let mut section = business.child(reader, "staffing", "write [business.staffing] with strategy = \"longest_idle\"");
    let d = Staffing::default();
    let here = section.place(reader);
    let strategy = section.read(reader, "strategy", STRATEGY, |text| Strategy::parse(text).ok_or("no strategy"));
    let overflow = section.read(reader, "overflow", ADDRESS, Endpoint::parse);
    let zone = section.read(reader, "zone", ZONE, Zone::from_str);
    let week = listed(reader, &mut section, "hours", HOURS);
    let closed = listed(reader, &mut section, "closed", CLOSED);
    let timed = zone.is_some() || !week.is_empty() || !closed.is_empty();
    let hours = timed.then(|| Hours { zone: zone.map(|at| at.value).unwrap_or_default(), week, closed });
    let late_per_mille = section.integer(reader, "late_per_mille", 0..=500).unwrap_or(d.late_per_mille);
    let max_offers = section.integer(reader, "max_offers", 1..=16).unwrap_or(d.max_offers);
    let mut get = |key, bounds, default| section.integer(reader, key, bounds).unwrap_or(default);
    let staffing = Staffing {
        representatives,
        strategy: strategy.map_or(d.strategy, |at| at.value),
        wrap_up_seconds: get("wrap_up_seconds", 0..=3_600, d.wrap_up_seconds),
        set_aside_seconds: get("set_aside_seconds", 1..=86_400, d.set_aside_seconds),
        late_per_mille,
        grace_millis: get("grace_millis", 0..=60_000, d.grace_millis),
        max_wait_seconds: get("max_wait_seconds", 1..=86_400, d.max_wait_seconds),
        max_customers: get("max_customers", 1..=20_000, d.max_customers),
        max_offers,
        priority_seconds: get("priority_seconds", 0..=3_600, d.priority_seconds),
        overflow: overflow.map(|at| at.value),
        hours,
    };
    if let Some(problem) = staffing.problem() {
        reader.error(
            &here,
            &section.key("representative"),
            problem,
            "see [[business.representative]] in config.example.toml",
        );
    }
    section.finish(reader);
    staffing
}

fn representative(reader: &mut Reader, mut section: Section<'_>) -> Option<Representative> {
    let here = section.place(reader);
    let id = section.read(reader, "id", ID, str::parse);
    let address = section.read(reader, "address", ADDRESS, Endpoint::parse);
    let name = section.text(reader, "name", "write a name in quotes");
    let zone = section.read(reader, "zone", ZONE, Zone::from_str);
    let mut skills = std::collections::BTreeMap::new();
    for At { place, value } in section.texts(reader, "skills", SKILLS).unwrap_or_default() {
        match skill_with_level(&value) {
            Ok((skill, level)) => drop(skills.insert(skill, level)),
            Err(why) => reader.error(&place, &section.key("skills"), format!("{value:?}: {why}"), SKILLS),
        }
    }
    let languages = listed(reader, &mut section, "languages", LANGUAGES);
    let shifts = listed(reader, &mut section, "shifts", HOURS);
    let tier = section.integer(reader, "tier", 0..=255).unwrap_or(0);
    for (key, given, mend) in [("id", id.is_some(), ID), ("address", address.is_some(), ADDRESS)] {
        if !given && !section.has(key) {
            reader.error(&here, &section.key(key), "missing", mend);
        }
    }
    section.finish(reader);
    let (id, address) = (id?.value, address?.value);
    let name = name.map(|at| at.value).unwrap_or_default();
    let zone = zone.map(|at| at.value).unwrap_or_default();
    Some(Representative { name, skills, languages, zone, shifts, tier, ..Representative::new(id, address) })
}

#[cfg(test)]
mod tests {
    use crate::config::parse;
    use crate::model::{Endpoint, Staffing, Strategy};

    const LEAST: &str = "[[switch]]\nname = \"ssp-62\"\naddress = \"sip:127.0.0.1:5070;transport=udp\"\n\
        [[business]]\nid = \"abc\"\nname = \"ABC\"\npassword_file = \"p\"\n";

    #[test]
    fn representatives_and_how_calls_are_distributed_among_them_are_read() {
        let text = "[business.staffing]\nstrategy = \"skill_best\"\nwrap_up_seconds = 30\noverflow = \"+12125550109\"\n\
            zone = \"America/New_York\"\nhours = [\"mon-fri 09:00-17:30\"]\nclosed = [\"2026-12-25\"]\n\
            [[business.representative]]\nid = \"anna\"\nname = \"Anna\"\naddress = \"tel:+12125550101;ext=204\"\n\
            skills = [\"cruise:9\", \"sea\"]\nlanguages = [\"en\"]\nshifts = [\"mon-fri 09:00-13:00\"]\ntier = 2\n\
            [[business.representative]]\nid = \"bert\"\naddress = \"sip:bert@pbx.example\"\n";
        let config = parse(&format!("{LEAST}{text}"), "callbridge.toml").unwrap();
        let staffing = &config.businesses[0].staffing;
        assert_eq!((staffing.strategy, staffing.wrap_up_seconds), (Strategy::SkillBest, 30));
        assert_eq!(staffing.overflow, Some(Endpoint::parse("+12125550109").unwrap()));
        assert_eq!(staffing.hours.as_ref().unwrap().week[0].to_string(), "mon-fri 09:00-17:30");
        let [anna, bert] = &staffing.representatives[..] else { panic!("{staffing:?}") };
        assert_eq!((anna.name.as_str(), anna.tier, anna.skills.len(), bert.id.as_str()), ("Anna", 2, 2, "bert"));
        assert_eq!(parse(LEAST, "callbridge.toml").unwrap().businesses[0].staffing, Staffing::default());
    }

    #[test]
    fn what_is_wrong_of_a_representative_is_told_with_its_line() {
        let text = "[[business.representative]]\nid = \"an na\"\naddress = \"12\"\nskills = [\"cruise:11\"]\ncolour = 1\n\
            [business.staffing]\nstrategy = \"best\"\n";
        let errors = parse(&format!("{LEAST}{text}"), "callbridge.toml").unwrap_err().to_string();
        for expected in
            ["callbridge.toml:9", "callbridge.toml:10", "callbridge.toml:11", "unknown key", "callbridge.toml:14"]
        {
            assert!(errors.contains(expected), "{expected}: {errors}");
        }
    }
}
