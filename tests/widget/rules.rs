//! The script's own rules, run in Chromium without a page around them: numbers of many countries, times with their offset, words of the
//! line, the hash that work is made of.

use serde_json::{Value, json};

use crate::support::browser::Browser;

const RULES: &str = concat!(
    include_str!("../../assets/widget/texts.js"),
    include_str!("../../assets/widget/numbers.js"),
    include_str!("../../assets/widget/work.js")
);

/// What this expression is, for each of these lists of arguments.
fn each(browser: &Browser, expression: &str, arguments: &Value) -> Value {
    browser.run(&format!("{RULES}\nreturn {arguments}.map({expression})"))
}

#[test]
fn numbers_are_read_as_people_of_their_country_write_them() {
    let browser = Browser::start(600, 600);
    let cases = [
        ("020 7946 0000", "GB", "+442079460000"),
        ("+44 (0)20 7946 0000", "US", "+442079460000"),
        ("0044 20 7946-0000", "DE", "+442079460000"),
        ("+44 020 7946 0000", "", "+442079460000"),
        ("(212) 555-0100", "US", "+12125550100"),
        ("1-212-555-0100", "CA", "+12125550100"),
        ("212.555.0100", "US", "+12125550100"),
        ("011 49 30 1234567", "US", "+49301234567"),
        ("(030) 123 45 67", "DE", "+49301234567"),
        ("0664/1234567", "AT", "+436641234567"),
        ("044 668 18 00", "CH", "+41446681800"),
        ("01 23 45 67 89", "FR", "+33123456789"),
        ("912 345 678", "ES", "+34912345678"),
        ("06 1234 5678", "IT", "+390612345678"),
        ("06 12345678", "NL", "+31612345678"),
        ("02 123 45 67", "BE", "+3221234567"),
        ("06 30 123 4567", "HU", "+36301234567"),
        ("8 (912) 345-67-89", "RU", "+79123456789"),
        ("0412 345 678", "AU", "+61412345678"),
        ("٠١٠ ١٢٣٤ ٥٦٧٨", "EG", "+201012345678"),
        ("０３-１２３４-５６７８", "JP", "+81312345678"),
        ("+999 1234567", "", "+9991234567"),
        ("sip:bob@shop.example", "US", "sip:bob@shop.example"),
    ];
    let arguments: Vec<Value> = cases.iter().map(|(typed, country, _)| json!([typed, country])).collect();
    let read = each(&browser, "([typed, country]) => readNumber(typed, country)", &json!(arguments));
    for ((typed, country, number), read) in cases.iter().zip(read.as_array().expect("answers")) {
        assert_eq!(*read, json!({ "number": number }), "{typed} in {country:?}");
    }
    let wrong = [
        ("", "US", "numberEmpty"),
        ("call me", "US", "numberLetters"),
        ("1-800-FLOWERS", "US", "numberLetters"),
        ("+", "US", "numberLetters"),
        ("911", "US", "numberShort"),
        ("112", "DE", "numberShort"),
        ("555 0100", "US", "numberShort"),
        ("212 555 01000", "US", "numberLong"),
        ("+1 212 555 01000", "DE", "numberLong"),
        ("+12345678901234567", "", "numberLong"),
        ("212 555 0100", "", "plus"),
        ("+0 123 456 789", "", "plus"),
    ];
    let arguments: Vec<Value> = wrong.iter().map(|(typed, country, _)| json!([typed, country])).collect();
    let read = each(&browser, "([typed, country]) => readNumber(typed, country)", &json!(arguments));
    for ((typed, country, fault), read) in wrong.iter().zip(read.as_array().expect("answers")) {
        assert_eq!(*read, json!({ "fault": fault }), "{typed} in {country:?}");
    }
    let countries = json!([["de", []], [null, ["en", "de-AT"]], [null, ["fr"]], ["", ["en-GB"]]]);
    let known = each(&browser, "([wanted, languages]) => countryOf(wanted, languages)", &countries);
    assert_eq!(known, json!(["DE", "AT", "", "GB"]));
}

#[test]
fn a_wished_time_is_told_with_the_offset_of_its_own_day() {
    let browser = Browser::start(600, 600);
    browser.devtools("Emulation.setTimezoneOverride", &json!({ "timezoneId": "Europe/Berlin" }));
    let now = "new Date('2026-06-01T00:00:00Z')";
    let wishes = json!(["2026-07-01T09:30", "2026-12-01T09:30", "2026-03-29T02:30", "", "x"]);
    let read = each(&browser, &format!("(wish) => readTime(wish, {now})"), &wishes);
    assert_eq!(
        read,
        json!([{ "time": "2026-07-01T09:30:00+02:00" }, { "time": "2026-12-01T09:30:00+01:00" }, { "fault": "timeBad" },
            { "fault": "timeEmpty" }, { "fault": "timeEmpty" }])
    );
    // An hour that is left out in spring is the one that the clock shows instead.
    let spring = each(&browser, "(wish) => readTime(wish, new Date(0))", &json!(["2026-03-29T02:30"]));
    assert_eq!(spring, json!([{ "time": "2026-03-29T03:30:00+02:00" }]));
    for (zone, time) in
        [("America/St_Johns", "2026-12-01T09:30:00-03:30"), ("Asia/Kathmandu", "2026-12-01T09:30:00+05:45")]
    {
        browser.devtools("Emulation.setTimezoneOverride", &json!({ "timezoneId": zone }));
        let read = each(&browser, &format!("(wish) => readTime(wish, {now})"), &json!(["2026-12-01T09:30"]));
        assert_eq!(read, json!([{ "time": time }]), "{zone}");
    }
}

#[test]
fn every_language_has_every_word_and_the_line_is_told_in_words() {
    let browser = Browser::start(600, 600);
    let languages = browser.run(&format!(
        "{RULES}\nreturn Object.entries(LANGUAGES).map(([language, texts]) => [language, texts.split('|').filter(Boolean).length, NAMES.length, \
         ['country', 'willCall', 'scheduled', 'place', 'minutes', 'tooMany'].filter((name) => !texts.split('|')[NAMES.indexOf(name)].includes('{{'))])"
    ));
    let languages = languages.as_array().expect("languages");
    assert!(languages.len() >= 4, "{languages:?}");
    for language in languages {
        assert_eq!((&language[1], &language[3]), (&language[2], &json!([])), "{language}");
    }
    let waits = json!([
        ["en", "queued", { "position": 2, "estimated_minutes": 2 }],
        ["en", "queued", { "position": 12 }],
        ["en", "queued", null],
        ["en", "calling_representative", { "estimated_minutes": 1 }],
        ["de", "queued", { "position": 3 }],
    ]);
    let said = each(&browser, "([l, name, wait]) => waiting(speaker(l, {}, () => undefined), l, name, wait)", &waits);
    assert_eq!(
        said,
        json!([
            "You are second in line, about 2 minutes",
            "You are number 12 in line",
            "You are in line",
            "Please hold, we are connecting you, about one minute",
            "Sie sind auf Platz 3",
        ])
    );
}

#[test]
fn the_hash_of_the_work_is_sha_256() {
    let browser = Browser::start(600, 600);
    let lengths: Vec<usize> = vec![0, 1, 3, 55, 56, 63, 64, 65, 118, 119, 120, 200];
    let texts: Vec<String> =
        lengths.iter().map(|length| "callbridge".chars().cycle().take(*length).collect()).collect();
    let words = each(
        &browser,
        "(text) => hash(text).map((word) => (word >>> 0).toString(16).padStart(8, '0')).join('')",
        &json!(texts),
    );
    for (text, hashed) in texts.iter().zip(words.as_array().expect("hashes")) {
        let digest = ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
        let digest: String = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hashed.as_str(), Some(digest.as_str()), "{} characters", text.len());
    }
    let nonce = browser.run(&format!("{RULES}\nreturn doWork('a challenge', 12)"));
    let nonce = nonce.as_str().expect("a nonce").to_owned();
    let digest = ring::digest::digest(&ring::digest::SHA256, format!("a challenge.{nonce}").as_bytes());
    assert!(digest.as_ref()[0] == 0 && digest.as_ref()[1] < 16, "{nonce}");
}
