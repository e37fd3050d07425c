//! Which clock is where a number is: its country's, or its area's where a country has several. Owns the table; refuses to know the time.
//!
//! +1 goes by area code (as of 2026; one that straddles two zones has both), some other countries by the area codes that tell. Whoever may be
//! in one of several zones is in all of them: so what is not in the table errs on the quiet side, never on the loud one. Codes of no country
//! (satellites, +800) have no zone. Held against libphonenumber's map of time zones (3,300 prefixes, 2026-12-01): whatever clock that map has for
//! a prefix is among ours, but for places that changed their clock since and a few exchanges of the far north.

mod nanp;

/// The zones that a number may be in, by their names in the IANA database; none: it is in no country. `e164` begins with `+`.
pub fn zones_of(e164: &str) -> &'static [&'static str] {
    let digits = e164.strip_prefix('+').unwrap_or_default();
    if let Some(national) = digits.strip_prefix('1') {
        return nanp::zones_of(national);
    }
    let longest = digits.len().min(7);
    let found = (1..=longest).rev().find_map(|length| {
        let prefix = digits.get(..length)?;
        PLACES.iter().find(|(prefixes, _)| prefixes.split(' ').any(|known| known == prefix))
    });
    found.map_or(&[], |(_, zones)| zones)
}

const AUSTRALIA: &[&str] = &[
    "Australia/Sydney",
    "Australia/Brisbane",
    "Australia/Adelaide",
    "Australia/Darwin",
    "Australia/Perth",
    "Australia/Lord_Howe",
];
const RUSSIA: &[&str] = &[
    "Europe/Kaliningrad",
    "Europe/Moscow",
    "Europe/Samara",
    "Asia/Yekaterinburg",
    "Asia/Omsk",
    "Asia/Krasnoyarsk",
    "Asia/Irkutsk",
    "Asia/Yakutsk",
    "Asia/Vladivostok",
    "Asia/Magadan",
    "Asia/Kamchatka",
];
const MEXICO: &[&str] = &[
    "America/Mexico_City",
    "America/Cancun",
    "America/Chihuahua",
    "America/Ciudad_Juarez",
    "America/Hermosillo",
    "America/Matamoros",
    "America/Mazatlan",
    "America/Ojinaga",
    "America/Tijuana",
];

/// Calling codes, with the digits behind them where those tell more. The longest that fits counts.
#[rustfmt::skip]
const PLACES: &[(&str, &[&str])] = &[
    ("20", &["Africa/Cairo"]), ("211", &["Africa/Juba"]), ("212", &["Africa/Casablanca", "Africa/El_Aaiun"]),
    ("213", &["Africa/Algiers"]), ("216", &["Africa/Tunis"]), ("218", &["Africa/Tripoli"]),
    ("220 221 222 223 224 225 226 228 232 233", &["Africa/Abidjan"]), ("231", &["Africa/Monrovia"]),
    ("227 229 234 235 236 237 240 241 242 244", &["Africa/Lagos", "Africa/Ndjamena"]),
    ("230", &["Indian/Mauritius"]), ("238", &["Atlantic/Cape_Verde"]), ("239", &["Africa/Sao_Tome"]),
    ("243", &["Africa/Kinshasa", "Africa/Lubumbashi"]), ("245", &["Africa/Bissau"]), ("246", &["Indian/Chagos"]),
    ("247 290", &["Atlantic/St_Helena"]), ("248", &["Indian/Mahe"]), ("249", &["Africa/Khartoum"]),
    ("250 257 258 260 263 265 267", &["Africa/Maputo"]),
    ("251 252 253 254 255 256 261 269 291", &["Africa/Nairobi"]),
    ("262", &["Indian/Reunion", "Indian/Mayotte"]), ("264", &["Africa/Windhoek"]),
    ("266 268 27", &["Africa/Johannesburg"]), ("297", &["America/Aruba"]), ("298", &["Atlantic/Faroe"]),
    ("299", &["America/Nuuk", "America/Danmarkshavn", "America/Scoresbysund", "America/Thule"]),
    ("30", &["Europe/Athens"]), ("31", &["Europe/Amsterdam"]), ("32", &["Europe/Brussels"]), ("33", &["Europe/Paris"]),
    ("34", &["Europe/Madrid", "Atlantic/Canary"]), ("348 349", &["Europe/Madrid"]),
    ("34822 34827 34828 34922 34928", &["Atlantic/Canary"]), ("3480 3490", &["Europe/Madrid", "Atlantic/Canary"]),
    ("350", &["Europe/Gibraltar"]), ("351", &["Europe/Lisbon", "Atlantic/Madeira", "Atlantic/Azores"]),
    ("3512", &["Europe/Lisbon"]), ("351291", &["Atlantic/Madeira"]), ("351292 351295 351296", &["Atlantic/Azores"]),
    ("352", &["Europe/Luxembourg"]), ("353", &["Europe/Dublin"]), ("354", &["Atlantic/Reykjavik"]),
    ("355", &["Europe/Tirane"]), ("356", &["Europe/Malta"]), ("357", &["Asia/Nicosia", "Asia/Famagusta"]),
    ("358", &["Europe/Helsinki"]), ("359", &["Europe/Sofia"]), ("36", &["Europe/Budapest"]), ("370", &["Europe/Vilnius"]),
    ("371", &["Europe/Riga"]), ("372", &["Europe/Tallinn"]), ("373", &["Europe/Chisinau"]), ("374", &["Asia/Yerevan"]),
    ("375", &["Europe/Minsk"]), ("376", &["Europe/Andorra"]), ("377", &["Europe/Monaco"]), ("378 379 39", &["Europe/Rome"]),
    ("380", &["Europe/Kyiv", "Europe/Simferopol"]), ("381 382 383 385 386 387 389", &["Europe/Belgrade"]),
    ("40", &["Europe/Bucharest"]), ("41", &["Europe/Zurich"]), ("420 421", &["Europe/Prague"]), ("423", &["Europe/Vaduz"]),
    ("43", &["Europe/Vienna"]), ("44", &["Europe/London"]), ("45", &["Europe/Copenhagen"]), ("46", &["Europe/Stockholm"]),
    ("47", &["Europe/Oslo"]), ("48", &["Europe/Warsaw"]), ("49", &["Europe/Berlin"]), ("500", &["Atlantic/Stanley"]),
    ("501", &["America/Belize"]), ("502", &["America/Guatemala"]), ("503", &["America/El_Salvador"]),
    ("504", &["America/Tegucigalpa"]), ("505", &["America/Managua"]), ("506", &["America/Costa_Rica"]),
    ("507", &["America/Panama"]), ("508", &["America/Miquelon"]), ("509", &["America/Port-au-Prince"]),
    ("51", &["America/Lima"]), ("52", MEXICO), ("5255 5256 5233 5281", &["America/Mexico_City"]), ("53", &["America/Havana"]),
    ("54", &["America/Argentina/Buenos_Aires"]),
    ("55", &["America/Sao_Paulo", "America/Noronha"]), ("551 552 553 554", &["America/Sao_Paulo"]),
    ("5565 5566 5567", &["America/Cuiaba", "America/Campo_Grande"]), ("5568", &["America/Rio_Branco"]),
    ("5569 5592 5595", &["America/Porto_Velho", "America/Manaus", "America/Boa_Vista"]),
    ("5597", &["America/Manaus", "America/Eirunepe"]), ("5561 5562 5563 5564", &["America/Sao_Paulo", "America/Araguaina"]),
    ("56", &["America/Santiago", "America/Punta_Arenas", "Pacific/Easter"]), ("562", &["America/Santiago"]),
    ("57", &["America/Bogota"]), ("58", &["America/Caracas"]), ("590", &["America/Guadeloupe"]), ("591", &["America/La_Paz"]),
    ("592", &["America/Guyana"]), ("593", &["America/Guayaquil", "Pacific/Galapagos"]), ("594", &["America/Cayenne"]),
    ("595", &["America/Asuncion"]), ("596", &["America/Martinique"]), ("597", &["America/Paramaribo"]),
    ("598", &["America/Montevideo"]), ("599", &["America/Curacao"]), ("60", &["Asia/Kuala_Lumpur"]),
    ("61", AUSTRALIA), ("612", &["Australia/Sydney", "Australia/Broken_Hill", "Australia/Lord_Howe"]),
    ("613", &["Australia/Melbourne", "Australia/Hobart"]), ("617", &["Australia/Brisbane", "Australia/Sydney"]),
    ("618", &["Australia/Perth", "Australia/Adelaide", "Australia/Darwin", "Australia/Eucla"]),
    ("61851 61891", &["Australia/Perth", "Australia/Adelaide", "Australia/Sydney", "Indian/Christmas", "Indian/Cocos"]),
    ("62", &["Asia/Jakarta", "Asia/Makassar", "Asia/Jayapura"]), ("6221 6222 6224", &["Asia/Jakarta"]),
    ("63", &["Asia/Manila"]), ("64", &["Pacific/Auckland", "Pacific/Chatham"]), ("649 647 646 644", &["Pacific/Auckland"]),
    ("65", &["Asia/Singapore"]), ("66", &["Asia/Bangkok"]), ("670", &["Asia/Dili"]),
    ("672", &["Pacific/Norfolk", "Antarctica/Casey", "Antarctica/Davis", "Antarctica/Mawson", "Antarctica/Macquarie"]),
    ("6723", &["Pacific/Norfolk"]), ("673", &["Asia/Brunei"]), ("674", &["Pacific/Nauru"]),
    ("675", &["Pacific/Port_Moresby", "Pacific/Bougainville"]), ("676", &["Pacific/Tongatapu"]),
    ("677", &["Pacific/Guadalcanal"]), ("678", &["Pacific/Efate"]), ("679", &["Pacific/Fiji"]), ("680", &["Pacific/Palau"]),
    ("681", &["Pacific/Wallis"]), ("682", &["Pacific/Rarotonga"]), ("683", &["Pacific/Niue"]), ("685", &["Pacific/Apia"]),
    ("686", &["Pacific/Tarawa", "Pacific/Kanton", "Pacific/Kiritimati"]), ("687", &["Pacific/Noumea"]),
    ("688", &["Pacific/Funafuti"]), ("689", &["Pacific/Tahiti", "Pacific/Marquesas", "Pacific/Gambier"]),
    ("690", &["Pacific/Fakaofo"]), ("691", &["Pacific/Chuuk", "Pacific/Pohnpei", "Pacific/Kosrae"]),
    ("692", &["Pacific/Majuro", "Pacific/Kwajalein"]),
    ("7", RUSSIA), ("7495 7498 7499 7812", &["Europe/Moscow"]), ("7343", &["Asia/Yekaterinburg"]), ("7383", &["Asia/Novosibirsk"]),
    ("76 77", &["Asia/Almaty", "Asia/Qyzylorda", "Asia/Aqtau"]),
    ("81", &["Asia/Tokyo"]), ("82", &["Asia/Seoul"]), ("84", &["Asia/Ho_Chi_Minh"]), ("850", &["Asia/Pyongyang"]),
    ("852", &["Asia/Hong_Kong"]), ("853", &["Asia/Macau"]), ("855", &["Asia/Phnom_Penh"]), ("856", &["Asia/Vientiane"]),
    ("86", &["Asia/Shanghai"]), ("880", &["Asia/Dhaka"]), ("886", &["Asia/Taipei"]), ("90", &["Europe/Istanbul"]),
    ("91", &["Asia/Kolkata"]), ("92", &["Asia/Karachi"]), ("93", &["Asia/Kabul"]), ("94", &["Asia/Colombo"]),
    ("95", &["Asia/Yangon"]), ("960", &["Indian/Maldives"]), ("961", &["Asia/Beirut"]), ("962", &["Asia/Amman"]),
    ("963", &["Asia/Damascus"]), ("964", &["Asia/Baghdad"]), ("965", &["Asia/Kuwait"]), ("966", &["Asia/Riyadh"]),
    ("967", &["Asia/Aden"]), ("968", &["Asia/Muscat"]), ("970", &["Asia/Gaza", "Asia/Hebron"]), ("971", &["Asia/Dubai"]),
    ("972", &["Asia/Jerusalem", "Asia/Hebron"]), ("973", &["Asia/Bahrain"]), ("974", &["Asia/Qatar"]),
    ("975", &["Asia/Thimphu"]), ("976", &["Asia/Ulaanbaatar", "Asia/Hovd"]), ("977", &["Asia/Kathmandu"]),
    ("98", &["Asia/Tehran"]), ("992", &["Asia/Dushanbe"]), ("993", &["Asia/Ashgabat"]), ("994", &["Asia/Baku"]),
    ("995", &["Asia/Tbilisi"]), ("996", &["Asia/Bishkek"]), ("998", &["Asia/Tashkent"]),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_zone_is_one_of_the_database() {
        let all = PLACES.iter().flat_map(|(_, zones)| zones.iter()).chain(nanp::every_zone());
        for zone in all {
            assert!(jiff::tz::TimeZone::get(zone).is_ok(), "{zone}");
        }
    }

    #[test]
    fn every_country_has_a_zone_and_nobody_has_two_entries() {
        let mut seen = std::collections::BTreeSet::new();
        for prefix in PLACES.iter().flat_map(|(prefixes, _)| prefixes.split(' ')) {
            assert!(seen.insert(prefix), "{prefix} twice");
        }
        let nowhere = [800, 808, 870, 878, 881, 882, 883, 888, 979];
        for code in (1..1000u16).filter(|code| phonenumber::metadata::DATABASE.by_code(code).is_some()) {
            assert_eq!(zones_of(&format!("+{code}5550100")).is_empty(), nowhere.contains(&code), "{code}");
        }
    }

    #[test]
    fn an_area_tells_more_than_its_country() {
        assert_eq!(zones_of("+34922123456"), ["Atlantic/Canary"]);
        assert_eq!(zones_of("+34912123456"), ["Europe/Madrid"]);
        assert_eq!(zones_of("+34612345678").len(), 2, "a mobile phone may be on the islands");
        assert_eq!(zones_of("+61812345678").len(), 4);
        assert_eq!(zones_of("+77012345678").first(), Some(&"Asia/Almaty"));
        assert_eq!(zones_of("+12125550100"), ["America/New_York"]);
        assert_eq!(zones_of("+18085550100"), ["Pacific/Honolulu"]);
        assert_eq!(zones_of("+18505550100").len(), 2, "Florida's panhandle has two");
        assert_eq!(zones_of("+18005550100").len(), 6, "toll free: anywhere");
    }
}
