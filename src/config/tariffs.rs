//! `[[tariff]]`: the carrier's price lists, written here or in a CSV file (RFC 4180) beside the configuration, as carriers send them to each
//! other. Owns the keys, the columns and where each error stands; whether rates contradict each other is `model::tariff`'s verdict.

use std::path::Path;

use super::error::Place;
use super::lists::Seen;
use super::reader::{At, Reader, Section};
use crate::clock::Wall;
use crate::model::account::MAX_PRICE;
use crate::model::tariff::{MAX_RATES, RateConflict};
use crate::model::{Currency, Destination, Rate, RatePlan, RatedLegs, TariffName};

/// Columns of a rates file, in any order; without `prefix` and `per_minute_micros` a file says nothing.
const COLUMNS: [&str; 8] = [
    "prefix",
    "leg",
    "per_minute_micros",
    "setup_micros",
    "increment_seconds",
    "minimum_seconds",
    "effective_from",
    "effective_to",
];
/// No rates file is longer.
const MAX_BYTES: u64 = 128 << 20;
/// Errors told of one file: what is wrong in every line need not be told for each.
const MAX_TOLD: usize = 20;

const NAME: &str = "write name = \"retail\"; accounts have it by tariff_name";
const PREFIX: &str = "write the first digits, such as prefix = \"+1212\"; \"\" for everything, \"sip\", \"ip\"";
const LEG: &str = "write \"customer\", \"representative\" (and supervisors) or \"both\"";
const MOMENT: &str = "write a time in RFC 3339, such as \"2027-01-01T00:00:00Z\"";
const ORDER: &str = "let the first end when the next begins, or leave effective_to out: the next one ends it";

/// What rates have that say nothing of it.
#[derive(Clone, Copy)]
struct Usual {
    setup_micros: i64,
    increment_seconds: u32,
    minimum_seconds: u32,
}

/// Rates, and where each stands.
type Placed = Vec<(Place, Rate)>;

pub(super) fn tariffs(reader: &mut Reader, sections: Vec<Section<'_>>) -> Vec<RatePlan> {
    let mut seen = Seen::default();
    sections.into_iter().filter_map(|section| tariff(reader, section, &mut seen)).collect()
}

fn tariff(reader: &mut Reader, mut section: Section<'_>, seen: &mut Seen) -> Option<RatePlan> {
    let here = section.place(reader);
    let name = section.read(reader, "name", NAME, |text| text.parse::<TariffName>());
    let name_key = section.key("name");
    match &name {
        Some(At { place, value }) => {
            seen.check(reader, &name_key, &At { place: place.clone(), value: value.to_string() });
        }
        None if !section.has("name") => reader.error(&here, &name_key, "missing", NAME),
        None => {}
    }
    let currency = section.read(reader, "currency", "write three capital letters, such as \"USD\"", |text| {
        text.parse::<Currency>().map_err(|_| "not an ISO 4217 code")
    });
    let usual = Usual {
        setup_micros: section.integer(reader, "setup_micros", 0..=MAX_PRICE).unwrap_or(0),
        increment_seconds: section.integer(reader, "increment_seconds", 1..=3600).unwrap_or(1),
        minimum_seconds: section.integer(reader, "minimum_seconds", 0..=3600).unwrap_or(0),
    };
    let file = section.path(reader, "rates_file");
    let mut placed = Placed::new();
    for one in section.children(reader, "rate") {
        placed.extend(rate(reader, one, usual));
    }
    if let Some(At { place, value }) = file {
        let key = section.key("rates_file");
        if let Err(problem) = read_file(reader, &value, usual, &mut placed) {
            let mend = "name a CSV file whose first line names its columns, such as prefix,per_minute_micros";
            reader.error(&place, &key, format!("{}: {problem}", value.display()), mend);
        }
    } else if !section.has("rate") {
        let mend = "write [[tariff.rate]] with prefix and per_minute_micros, or rates_file = \"retail.csv\"";
        reader.error(&here, &section.key("rate"), "a tariff without rates", mend);
    }
    section.finish(reader);
    let plan = RatePlan {
        name: name?.value,
        currency: currency.map_or(Currency::USD, |at| at.value),
        rates: placed.iter().map(|(_, rate)| rate.clone()).collect(),
    };
    judge(reader, &plan, &placed);
    Some(plan)
}

/// Rates that contradict each other, each at its line.
fn judge(reader: &mut Reader, plan: &RatePlan, placed: &[(Place, Rate)]) {
    let problems = plan.problems();
    for problem in problems.iter().take(MAX_TOLD) {
        let Some((place, rate)) = placed.get(problem.rate) else { continue };
        let whose = |at: usize| placed.get(at).map_or_else(String::new, |(place, _)| place.to_string());
        let what = match problem.why {
            RateConflict::Backwards => "it ends before it begins".to_owned(),
            RateConflict::Overlaps(other) => {
                format!("{:?} has another price for the same leg and time, at {}", rate.prefix.as_str(), whose(other))
            }
            RateConflict::Gap(other) => {
                format!("{:?} has no price between the end of that at {} and this", rate.prefix.as_str(), whose(other))
            }
        };
        reader.error(place, "rate", what, ORDER);
    }
    if let Some((place, _)) = problems.get(MAX_TOLD).and_then(|problem| placed.get(problem.rate)) {
        let more = format!("and {} rates more that contradict others", problems.len() - MAX_TOLD);
        reader.error(place, "rate", more, ORDER);
    }
}

fn rate(reader: &mut Reader, mut section: Section<'_>, usual: Usual) -> Option<(Place, Rate)> {
    let here = section.place(reader);
    let prefix = section.read(reader, "prefix", PREFIX, |text| text.parse::<Destination>());
    let leg = section.read(reader, "leg", LEG, RatedLegs::parse);
    let per_minute = section.integer(reader, "per_minute_micros", 0..=MAX_PRICE);
    for (key, mend) in [("prefix", PREFIX), ("per_minute_micros", "write the price of a minute, 0 where it is free")] {
        if !section.has(key) {
            reader.error(&here, &section.key(key), "missing", mend);
        }
    }
    let setup = section.integer(reader, "setup_micros", 0..=MAX_PRICE);
    let increment = section.integer(reader, "increment_seconds", 1..=3600);
    let minimum = section.integer(reader, "minimum_seconds", 0..=3600);
    let mut moment =
        |key| section.read(reader, key, MOMENT, |text| Wall::parse(text).ok_or("not a time")).map(|at| at.value);
    let (effective_from, effective_to) = (moment("effective_from"), moment("effective_to"));
    section.finish(reader);
    let rate = Rate {
        prefix: prefix?.value,
        leg: leg.map_or_else(RatedLegs::default, |at| at.value),
        per_minute_micros: per_minute?,
        setup_micros: setup.unwrap_or(usual.setup_micros),
        increment_seconds: increment.unwrap_or(usual.increment_seconds),
        minimum_seconds: minimum.unwrap_or(usual.minimum_seconds),
        effective_from,
        effective_to,
    };
    Some((here, rate))
}

/// Adds the rates of a CSV file; an error of one line is told with it, one of the file is given back.
fn read_file(reader: &mut Reader, path: &Path, usual: Usual, placed: &mut Placed) -> Result<(), String> {
    let unreadable = |error: std::io::Error| format!("cannot be read: {error}");
    if std::fs::metadata(path).map_err(unreadable)?.len() > MAX_BYTES {
        return Err("longer than 128 MiB".to_owned());
    }
    let text = std::fs::read_to_string(path).map_err(unreadable)?;
    let name = path.display().to_string();
    let mut lines = csv::ReaderBuilder::new().flexible(true).trim(csv::Trim::All).from_reader(text.as_bytes());
    let heads = lines.headers().map_err(|error| error.to_string())?.clone();
    let mut columns = Vec::new();
    for head in &heads {
        let known = COLUMNS.iter().position(|column| *column == head);
        let known = known.ok_or_else(|| format!("unknown column {head:?}; there are {}", COLUMNS.join(", ")))?;
        if columns.contains(&known) {
            return Err(format!("the column {head:?} is there twice"));
        }
        columns.push(known);
    }
    if !["prefix", "per_minute_micros"].iter().all(|column| heads.iter().any(|head| head == *column)) {
        return Err("the columns prefix and per_minute_micros are needed".to_owned());
    }
    let mut told = 0;
    for line in lines.records() {
        let line = line.map_err(|error| error.to_string())?;
        let number = line.position().map_or(0, csv::Position::line);
        let place = Place::Line(name.clone(), usize::try_from(number).unwrap_or(usize::MAX));
        let rate = if line.len() == columns.len() {
            from_cells(columns.iter().copied().zip(line.iter()), usual)
        } else {
            Err(("rate", format!("{} cells are wanted, these are {}", columns.len(), line.len())))
        };
        match rate {
            Ok(_) if placed.len() >= MAX_RATES => return Err(format!("more than {MAX_RATES} rates")),
            Ok(rate) => placed.push((place, rate)),
            Err(_) if told == MAX_TOLD => return Err("more lines are wrong than are told".to_owned()),
            Err((key, problem)) => {
                told += 1;
                reader.error(&place, key, problem, "mend this line, or make the file anew");
            }
        }
    }
    Ok(())
}

/// One line of a rates file: columns by their place in [`COLUMNS`], and their cells.
fn from_cells<'c>(cells: impl Iterator<Item = (usize, &'c str)>, usual: Usual) -> Result<Rate, (&'static str, String)> {
    let mut by_column = [""; COLUMNS.len()];
    for (column, cell) in cells {
        if let Some(place) = by_column.get_mut(column) {
            *place = cell;
        }
    }
    let [prefix, leg, per_minute, setup, increment, minimum, from, to] = by_column;
    let number = |key: &'static str, cell: &str, least: i64, most: i64| {
        let number = cell.parse::<i64>().ok().filter(|number| (least..=most).contains(number));
        number.ok_or_else(|| (key, format!("{cell:?} is not a whole number from {least} to {most}")))
    };
    let or = |key, cell: &str, least, most, usual: i64| match cell {
        "" => Ok(usual),
        _ => number(key, cell, least, most),
    };
    let seconds = |key, cell: &str, least, usual: u32| {
        or(key, cell, least, 3600, usual.into()).map(|seconds| u32::try_from(seconds).unwrap_or(usual))
    };
    let moment = |key: &'static str, cell: &str| match cell {
        "" => Ok(None),
        _ => Wall::parse(cell).map(Some).ok_or_else(|| (key, format!("{cell:?} is not a time in RFC 3339"))),
    };
    Ok(Rate {
        prefix: prefix.parse::<Destination>().map_err(|error| ("prefix", format!("{prefix:?} is {error}")))?,
        leg: RatedLegs::parse(leg).map_err(|error| ("leg", format!("{leg:?} is {error}")))?,
        per_minute_micros: number("per_minute_micros", per_minute, 0, MAX_PRICE)?,
        setup_micros: or("setup_micros", setup, 0, MAX_PRICE, usual.setup_micros)?,
        increment_seconds: seconds("increment_seconds", increment, 1, usual.increment_seconds)?,
        minimum_seconds: seconds("minimum_seconds", minimum, 0, usual.minimum_seconds)?,
        effective_from: moment("effective_from", from)?,
        effective_to: moment("effective_to", to)?,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::config::{notes, parse, parse_with};

    const LEAST: &str = "[[switch]]\nname = \"ssp-62\"\naddress = \"sip:127.0.0.1:5070;transport=udp\"\n";

    #[test]
    fn a_tariff_is_what_the_file_says() {
        let text = format!(
            "{LEAST}[[tariff]]\nname = \"retail\"\ncurrency = \"EUR\"\nincrement_seconds = 6\n\
             [[tariff.rate]]\nprefix = \"+49\"\nper_minute_micros = 12000\nsetup_micros = 5000\n\
             [[tariff.rate]]\nprefix = \"+49\"\nleg = \"both\"\nper_minute_micros = 13000\nminimum_seconds = 30\n\
             effective_from = \"2027-01-01T00:00:00Z\"\n\
             [[business]]\nid = \"abc\"\nname = \"ABC\"\npassword_file = \"p\"\ntariff_name = \"retail\"\n"
        );
        let config = parse(&text, "callbridge.toml").unwrap();
        let [plan] = config.tariffs.as_slice() else { panic!() };
        assert_eq!((plan.name.as_str(), plan.currency.to_string().as_str(), plan.rates.len()), ("retail", "EUR", 2));
        let second = &plan.rates[1];
        assert_eq!((second.increment_seconds, second.minimum_seconds, second.setup_micros), (6, 30, 0));
        assert_eq!(second.effective_from, Wall::parse("2027-01-01T00:00:00Z"));
        assert_eq!(config.businesses[0].tariff_name.as_ref(), Some(&plan.name));
        assert!(notes(&config).iter().any(|note| note.contains("retail has no rate for every destination")));
    }

    #[test]
    fn every_wrong_rate_is_told_with_its_line_and_mend() {
        let text = format!(
            "{LEAST}[[tariff]]\nname = \"retail\"\n\
             [[tariff.rate]]\nprefix = \"+49\"\nper_minute_micros = 1\n\
             [[tariff.rate]]\nprefix = \"+49\"\nper_minute_micros = 2\n\
             [[tariff.rate]]\nprefix = \"+1\"\nper_minute_micros = 2\neffective_to = \"2027-01-01T00:00:00Z\"\n\
             [[tariff.rate]]\nprefix = \"+1\"\nper_minute_micros = 2\neffective_from = \"2027-02-01T00:00:00Z\"\n\
             [[tariff.rate]]\nprefix = \"abc\"\nleg = \"mine\"\nper_minute_micros = -1\n\
             [[tariff]]\nname = \"retail\"\n\
             [[business]]\nid = \"abc\"\nname = \"ABC\"\npassword_file = \"p\"\ntariff_name = \"wholesale\"\n"
        );
        let errors = parse(&text, "callbridge.toml").map(|_| ()).unwrap_err().to_string();
        for part in [
            "callbridge.toml:9: rate: \"+49\" has another price for the same leg and time, at callbridge.toml:6",
            "callbridge.toml:16: rate: \"+1\" has no price between the end of that at callbridge.toml:12 and this",
            "callbridge.toml:21: tariff[1].rate[5].prefix: \"abc\" is not a destination",
            "tariff[1].rate[5].leg",
            "tariff[1].rate[5].per_minute_micros: -1 is out of bounds",
            "tariff[2].name: \"retail\" is the name of another one",
            "tariff[2].rate: a tariff without rates",
            "business[1].tariff_name: there is no [[tariff]] named \"wholesale\"",
        ] {
            assert!(errors.contains(part), "{part} in\n{errors}");
        }
    }

    fn with_file(csv: &str) -> Result<Vec<RatePlan>, String> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("retail.csv"), csv).unwrap();
        let text = format!("{LEAST}[[tariff]]\nname = \"retail\"\nsetup_micros = 7\nrates_file = \"retail.csv\"\n");
        let config = parse_with(&text, "callbridge.toml", folder.path(), BTreeMap::new());
        config.map(|config| config.tariffs).map_err(|errors| errors.to_string())
    }

    #[test]
    fn rates_come_from_a_csv_file_with_columns_in_any_order() {
        let csv = "per_minute_micros,prefix,leg,effective_from\r\n100,1212,customer,\r\n200,+1212,representative,2027-01-01T00:00:00Z\r\n9,,,\r\n";
        let plans = with_file(csv).unwrap();
        let rates = &plans[0].rates;
        assert_eq!((rates[0].prefix.as_str(), rates[0].per_minute_micros, rates[0].setup_micros), ("+1212", 100, 7));
        assert_eq!((rates[1].leg, rates[1].effective_from.is_some()), (RatedLegs::Representative, true));
        assert_eq!((rates[2].prefix.as_str(), rates[2].leg), ("", RatedLegs::Both));
    }

    #[test]
    fn a_wrong_line_of_a_csv_file_is_told_with_its_line() {
        let errors = with_file("prefix,per_minute_micros\n+1,100\n+x,1\n+44,much\n+1,200\n+33\n").unwrap_err();
        for part in [
            "retail.csv:3: prefix: \"+x\" is not a destination",
            "retail.csv:4: per_minute_micros: \"much\" is not a whole number",
            "retail.csv:5: rate: \"+1\" has another price",
            "retail.csv:6: rate: 2 cells are wanted, these are 1",
        ] {
            assert!(errors.contains(part), "{part} in\n{errors}");
        }
        assert!(with_file("prefix,price\n").unwrap_err().contains("unknown column \"price\""));
        assert!(with_file("prefix\n+1\n").unwrap_err().contains("per_minute_micros are needed"));
    }
}
