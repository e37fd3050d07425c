//! May this business call there: its prefixes and kinds of numbers, the longest match first. Owns that verdict; what is served at all is
//! `routing`'s. A SIP address stands for the number in it, so that no number is reached under another name.

use crate::model::kinds::kind_of;
use crate::model::{Destinations, Endpoint, NumberKind, Prefix};

/// Digits of a SIP user that may be a telephone number without `+`: fewer are an extension.
const SHORTEST: usize = 7;

/// Why it may not.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Denied {
    /// Its account allows other destinations only.
    #[error("this account does not call there")]
    NotAllowed,
    /// Its account denies this one.
    #[error("this account denies this destination")]
    Prefix,
    /// The number is of a kind that its account does not call.
    #[error("this account calls no {} numbers", .0.as_str().replace('_', " "))]
    Kind(NumberKind),
}

/// The verdict on one destination.
pub fn judge(destinations: &Destinations, endpoint: &Endpoint) -> Result<(), Denied> {
    match endpoint {
        Endpoint::Number(number) => judge_number(destinations, &number.e164),
        Endpoint::Ip(..) => Ok(()),
        Endpoint::Sip(sip) => {
            let user = sip.telephone_user();
            if user.starts_with('+') {
                return judge_number(destinations, &user);
            }
            // Which number a switch makes of digits alone is its own affair: none of the readings may be a denied one.
            let readings = ["", "00", "011"].into_iter().filter_map(|prefix| user.strip_prefix(prefix));
            let readings = readings.filter(|digits| digits.len() >= SHORTEST && !digits.starts_with('0'));
            readings.map(|digits| format!("+{digits}")).try_for_each(|number| {
                match judge_number(destinations, &number) {
                    Err(Denied::NotAllowed) | Ok(()) => Ok(()),
                    Err(denied) => Err(denied),
                }
            })
        }
    }
}

fn judge_number(destinations: &Destinations, e164: &str) -> Result<(), Denied> {
    let longest = |prefixes: &[Prefix]| {
        let matching = prefixes.iter().map(Prefix::as_str).filter(|prefix| e164.starts_with(prefix));
        matching.map(|prefix| prefix.len() - 1).max()
    };
    let (allowed, denied) = (longest(&destinations.allow), longest(&destinations.deny));
    if denied.is_some() && denied >= allowed {
        return Err(Denied::Prefix);
    }
    if let Some((kind, digits)) = kind_of(e164)
        && destinations.deny_kinds.contains(&kind)
        && allowed.is_none_or(|allowed| allowed < digits)
    {
        return Err(Denied::Kind(kind));
    }
    match allowed {
        None if !destinations.allow.is_empty() => Err(Denied::NotAllowed),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn destinations(allow: &[&str], deny: &[&str]) -> Destinations {
        let prefixes = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
        Destinations { allow: prefixes(allow), deny: prefixes(deny), ..Destinations::default() }
    }

    fn to(destinations: &Destinations, address: &str) -> Result<(), Denied> {
        judge(destinations, &Endpoint::parse(address).unwrap())
    }

    #[test]
    fn premium_and_satellite_numbers_are_denied_by_default() {
        let usual = Destinations::default();
        assert_eq!(to(&usual, "+19005550100"), Err(Denied::Kind(NumberKind::Premium)));
        assert_eq!(to(&usual, "+881612345678"), Err(Denied::Kind(NumberKind::Satellite)));
        for good in ["+12125550100", "+442079460000", "+4918012345", "192.0.2.7", "sip:rep@192.0.2.9"] {
            assert_eq!(to(&usual, good), Ok(()), "{good}");
        }
    }

    #[test]
    fn an_allowed_range_opens_a_kind_and_an_allowed_country_does_not() {
        assert_eq!(to(&destinations(&["+1"], &[]), "+19005550100"), Err(Denied::Kind(NumberKind::Premium)));
        assert_eq!(to(&destinations(&["+1900"], &[]), "+19005550100"), Ok(()));
        assert_eq!(to(&destinations(&["+881"], &[]), "+881612345678"), Ok(()));
        let open = Destinations { deny_kinds: Vec::new(), ..Destinations::default() };
        assert_eq!(to(&open, "+19005550100"), Ok(()));
    }

    #[test]
    fn the_longest_match_wins_and_of_two_equal_ones_the_denial() {
        let some = destinations(&["+1", "+1212555"], &["+1212", "+1646"]);
        assert_eq!(to(&some, "+12125550100"), Ok(()));
        assert_eq!(to(&some, "+12126660100"), Err(Denied::Prefix));
        assert_eq!(to(&some, "+442079460000"), Err(Denied::NotAllowed));
        assert_eq!(to(&destinations(&["+1646"], &["+1646"]), "+16465550100"), Err(Denied::Prefix));
    }

    #[test]
    fn a_sip_address_is_the_number_in_it() {
        let usual = Destinations::default();
        for trick in [
            "sip:+19005550100@192.0.2.9",
            "sip:%2B19005550100@192.0.2.9",
            "sips:+1-900-555-0100;user=phone@192.0.2.9",
            "sip:19005550100@192.0.2.9",
            "sip:0019005550100@192.0.2.9",
            "sip:01119005550100@192.0.2.9",
            "sip:%31%39005550100:secret@192.0.2.9",
        ] {
            assert_eq!(to(&usual, trick), Err(Denied::Kind(NumberKind::Premium)), "{trick}");
        }
        let home = destinations(&["+1"], &[]);
        assert_eq!(to(&home, "sip:+442079460000@192.0.2.9"), Err(Denied::NotAllowed));
        assert_eq!(to(&home, "sip:201@192.0.2.9"), Ok(()), "an extension is no number");
    }

    proptest! {
        #[test]
        fn a_denied_prefix_denies_all_behind_it(digits in "[2-9][0-9]{9}", cut in 1usize..10) {
            let number = format!("+1{digits}");
            let denied = destinations(&[], &[&number[..=cut]]);
            prop_assert_eq!(judge_number(&denied, &number), Err(Denied::Prefix));
        }

        #[test]
        fn no_text_upsets_the_reading(user in "[!-~]{0,40}") {
            let (uri, host) = (format!("sip:{user}@192.0.2.9"), "192.0.2.9".to_owned());
            let _number = crate::model::endpoint::SipAddress { uri, host, port: None }.telephone_user();
        }
    }
}
