//! The numbering plans in short: how many digits a number of each calling code may have. Owns the quick yes to a number whose
//! length is plainly possible; whatever is not plain (a national prefix in the way, a wrong length) is left to the `phonenumber`
//! crate, whose data this table is. The crate takes 0.2 s and 3 MB to load and tens of microseconds a number; most numbers never need it.

/// One calling code.
struct Plan {
    code: u16,
    /// Bit n: a national number may have n digits, and is none of an area's own then.
    lengths: u32,
    /// Bit d: a national number that begins with d may be one that was written with a national prefix.
    prefixed: u16,
}

const fn plan(code: u16, lengths: u32, prefixed: u16) -> Plan {
    Plan { code, lengths, prefixed }
}

/// True when these digits (calling code first) are a number of possible length, whatever the crate would make of them.
pub(super) fn is_plainly_possible(digits: &str) -> bool {
    // No calling code begins with another.
    (1..=3).any(|length| {
        let Some((code, national)) = digits.split_at_checked(length) else { return false };
        let Some(first) = national.bytes().next().map(|byte| u32::from(byte.wrapping_sub(b'0'))) else { return false };
        let at = code.parse::<u16>().ok().and_then(|code| PLANS.binary_search_by_key(&code, |plan| plan.code).ok());
        let Some(plan) = at.and_then(|at| PLANS.get(at)) else { return false };
        let bit = |bits: u32, at: u32| bits.checked_shr(at).is_some_and(|bits| bits & 1 == 1);
        bit(plan.lengths, national.len() as u32) && !bit(plan.prefixed.into(), first)
    })
}

#[rustfmt::skip]
const PLANS: &[Plan] = &[
    plan(1, 0x400, 0x2), plan(7, 0x4400, 0x100), plan(20, 0x700, 0x1), plan(27, 0x7e0, 0x1), plan(30, 0x1c00, 0x0),
    plan(31, 0xfe0, 0x1), plan(32, 0x300, 0x1), plan(33, 0x200, 0x1), plan(34, 0x200, 0x0), plan(36, 0x300, 0x1),
    plan(39, 0x1fc0, 0x0), plan(40, 0x240, 0x1), plan(41, 0x1200, 0x1), plan(43, 0x3ff0, 0x1), plan(44, 0x680, 0x3),
    plan(45, 0x100, 0x0), plan(46, 0x17c0, 0x1), plan(47, 0x120, 0x0), plan(48, 0x7c0, 0x0), plan(49, 0xfff0, 0x1),
    plan(51, 0x300, 0x1), plan(52, 0x400, 0x0), plan(53, 0x5c0, 0x1), plan(54, 0xc00, 0x3ff), plan(55, 0xf00, 0x3ff),
    plan(56, 0xe00, 0x0), plan(57, 0xd00, 0x3ff), plan(58, 0x400, 0x1), plan(60, 0x700, 0x1), plan(61, 0x16e0, 0x3ff),
    plan(62, 0x3ff80, 0x1), plan(63, 0x3f40, 0x1), plan(64, 0x7e0, 0x1), plan(65, 0xd00, 0x0), plan(66, 0x2700, 0x1),
    plan(81, 0x3ff00, 0x3ff), plan(82, 0x7f60, 0x3ff), plan(84, 0x780, 0x1), plan(86, 0x1f80, 0x3ff),
    plan(90, 0x3480, 0x1), plan(91, 0x3f00, 0x1), plan(92, 0x1f00, 0x1), plan(93, 0x200, 0x1), plan(94, 0x200, 0x1),
    plan(95, 0x7c0, 0x1), plan(98, 0x4f0, 0x1), plan(211, 0x200, 0x1), plan(212, 0x200, 0x1), plan(213, 0x300, 0x1),
    plan(216, 0x100, 0x0), plan(218, 0x200, 0x1), plan(220, 0x80, 0x0), plan(221, 0x200, 0x0), plan(222, 0x100, 0x0),
    plan(223, 0x100, 0x0), plan(224, 0x300, 0x0), plan(225, 0x400, 0x0), plan(226, 0x100, 0x0), plan(227, 0x100, 0x0),
    plan(228, 0x100, 0x0), plan(229, 0x500, 0x0), plan(230, 0x580, 0x0), plan(231, 0x380, 0x1), plan(232, 0x100, 0x1),
    plan(233, 0x300, 0x1), plan(234, 0x7c00, 0x1), plan(235, 0x100, 0x0), plan(236, 0x100, 0x0),
    plan(237, 0x300, 0x0), plan(238, 0x80, 0x0), plan(239, 0x80, 0x0), plan(240, 0x200, 0x0), plan(241, 0x180, 0x3ff),
    plan(242, 0x200, 0x0), plan(243, 0x780, 0x1), plan(244, 0x200, 0x0), plan(245, 0x280, 0x0), plan(246, 0x80, 0x0),
    plan(247, 0x60, 0x0), plan(248, 0x80, 0x0), plan(249, 0x200, 0x1), plan(250, 0x300, 0x1), plan(251, 0x200, 0x1),
    plan(252, 0x3c0, 0x1), plan(253, 0x100, 0x0), plan(254, 0x780, 0x1), plan(255, 0x200, 0x1), plan(256, 0x200, 0x1),
    plan(257, 0x100, 0x0), plan(258, 0x300, 0x0), plan(260, 0x200, 0x1), plan(261, 0x200, 0x1), plan(262, 0x200, 0x1),
    plan(263, 0x7e0, 0x1), plan(264, 0x300, 0x1), plan(265, 0x280, 0x1), plan(266, 0x100, 0x0), plan(267, 0x580, 0x0),
    plan(268, 0x300, 0x0), plan(269, 0x80, 0x0), plan(290, 0x30, 0x0), plan(291, 0x80, 0x1), plan(297, 0x80, 0x0),
    plan(298, 0x40, 0x3ff), plan(299, 0x40, 0x0), plan(350, 0x100, 0x0), plan(351, 0x200, 0x0),
    plan(352, 0xff0, 0x3ff), plan(353, 0x780, 0x1), plan(354, 0x280, 0x0), plan(355, 0x3c0, 0x1),
    plan(356, 0x100, 0x0), plan(357, 0x100, 0x0), plan(358, 0x1fe0, 0x1), plan(359, 0x13c0, 0x1),
    plan(370, 0x100, 0x3ff), plan(371, 0x100, 0x0), plan(372, 0x580, 0x0), plan(373, 0x100, 0x1),
    plan(374, 0x100, 0x1), plan(375, 0xfc0, 0x3ff), plan(376, 0x340, 0x0), plan(377, 0x300, 0x1),
    plan(378, 0x500, 0x0), plan(380, 0x600, 0x1), plan(381, 0x1fc0, 0x1), plan(382, 0x300, 0x1),
    plan(383, 0x1f00, 0x1), plan(385, 0x380, 0x1), plan(386, 0x1e0, 0x1), plan(387, 0x300, 0x1),
    plan(389, 0x100, 0x1), plan(420, 0x1e00, 0x0), plan(421, 0x2c0, 0x1), plan(423, 0x280, 0x3ff),
    plan(500, 0x20, 0x0), plan(501, 0x880, 0x0), plan(502, 0x900, 0x0), plan(503, 0x980, 0x0), plan(504, 0x900, 0x0),
    plan(505, 0x100, 0x0), plan(506, 0x500, 0x3ff), plan(507, 0xd80, 0x0), plan(508, 0x240, 0x1),
    plan(509, 0x100, 0x0), plan(590, 0x200, 0x1), plan(591, 0x300, 0x3ff), plan(592, 0x80, 0x0),
    plan(593, 0xf00, 0x1), plan(594, 0x200, 0x1), plan(595, 0xfc0, 0x1), plan(596, 0x200, 0x1), plan(597, 0xc0, 0x0),
    plan(598, 0x3ff0, 0x1), plan(599, 0x180, 0x0), plan(670, 0x180, 0x0), plan(672, 0x40, 0x0), plan(673, 0x80, 0x0),
    plan(674, 0x80, 0x0), plan(675, 0x180, 0x0), plan(676, 0xa0, 0x0), plan(677, 0xa0, 0x0), plan(678, 0xa0, 0x0),
    plan(679, 0x880, 0x0), plan(680, 0x80, 0x0), plan(681, 0x240, 0x0), plan(682, 0x20, 0x0), plan(683, 0x90, 0x0),
    plan(685, 0x4e0, 0x0), plan(686, 0x120, 0x1), plan(687, 0x40, 0x0), plan(688, 0xe0, 0x0), plan(689, 0x340, 0x0),
    plan(690, 0xf0, 0x0), plan(691, 0x80, 0x0), plan(692, 0x80, 0x2), plan(800, 0x100, 0x0), plan(808, 0x100, 0x0),
    plan(850, 0x500, 0x1), plan(852, 0xbe0, 0x0), plan(853, 0x180, 0x0), plan(855, 0x700, 0x1), plan(856, 0x700, 0x1),
    plan(870, 0x1200, 0x0), plan(878, 0x1000, 0x0), plan(880, 0x7c0, 0x1), plan(881, 0x600, 0x0),
    plan(882, 0x1f80, 0x0), plan(883, 0x1f00, 0x0), plan(886, 0xf80, 0x1), plan(888, 0x800, 0x0),
    plan(960, 0x480, 0x0), plan(961, 0x180, 0x1), plan(962, 0x300, 0x1), plan(963, 0x300, 0x1), plan(964, 0x700, 0x1),
    plan(965, 0x180, 0x0), plan(966, 0x600, 0x1), plan(967, 0x380, 0x1), plan(968, 0x380, 0x0), plan(970, 0x700, 0x1),
    plan(971, 0x1fe0, 0x1), plan(972, 0x1f80, 0x1), plan(973, 0x100, 0x0), plan(974, 0xb80, 0x0),
    plan(975, 0x180, 0x0), plan(976, 0x700, 0x1), plan(977, 0xd00, 0x1), plan(979, 0x200, 0x0), plan(992, 0x200, 0x0),
    plan(993, 0x100, 0x100), plan(994, 0x200, 0x1), plan(995, 0x200, 0x1), plan(996, 0x600, 0x1),
    plan(998, 0x200, 0x0),
];

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use phonenumber::Metadata;
    use phonenumber::metadata::DATABASE;
    use rand::rngs::StdRng;
    use rand::{Rng, SeedableRng};

    use super::super::endpoint::{EndpointError, possible_length, possible_lengths};
    use super::*;

    /// `([2-9]\d{6})$` in a rule takes a number of just so many digits for an area's own: not plain.
    fn own_length(part: &str) -> Option<u32> {
        let (class, count) = part.strip_prefix('(')?.strip_suffix("})$")?.split_once("\\d{")?;
        let one = class.len() == 1 || (class.starts_with('[') && class.ends_with(']'));
        count.parse::<u32>().ok().filter(|_| one).map(|count| count + 1)
    }

    /// The digits that what is stripped from a national number may begin with (all, where that is not plain to see), and the
    /// lengths of which it may be anything.
    fn stripped(meta: &Metadata) -> (u16, u32) {
        let first = |text: &str| text.chars().next().and_then(|c| c.to_digit(10)).map_or(0x3ff, |digit| 1 << digit);
        let prefix = meta.national_prefix().map_or(0, first);
        let parts = meta.national_prefix_for_parsing().map(|rule| rule.as_str().split('|')).into_iter().flatten();
        parts.fold((prefix, 0), |(firsts, lengths), part| match own_length(part) {
            Some(length) => (firsts, lengths | 1 << length),
            None if part.bytes().all(|byte| byte.is_ascii_digit()) => (firsts | first(part), lengths),
            None => (0x3ff, lengths),
        })
    }

    fn of_the_crate() -> String {
        let mut text = String::new();
        for code in 1..1000 {
            let Some(metas) = DATABASE.by_code(&code) else { continue };
            let lengths = possible_lengths(&metas).fold(0, |all: u32, length| all | 1 << length);
            let (prefixed, anything) =
                metas.iter().map(|meta| stripped(meta)).fold((0, 0), |a, b| (a.0 | b.0, a.1 | b.1));
            let lengths = lengths & !anything;
            writeln!(text, "    plan({code}, {lengths:#x}, {prefixed:#x}),").unwrap();
        }
        text
    }

    #[test]
    fn the_table_is_that_of_the_crate() {
        let mut ours = String::new();
        for Plan { code, lengths, prefixed } in PLANS {
            writeln!(ours, "    plan({code}, {lengths:#x}, {prefixed:#x}),").unwrap();
        }
        let theirs = of_the_crate();
        assert!(ours == theirs, "the crate has other plans now; the table is to be:\n{theirs}");
    }

    #[test]
    fn what_is_plainly_possible_is_possible_to_the_crate() {
        let mut rng = StdRng::seed_from_u64(7);
        let mut plain = 0;
        for Plan { code, .. } in PLANS {
            for _ in 0..60 {
                let digits = rng.random_range(4..=14);
                let national: String = (0..digits).map(|_| rng.random_range('0'..='9')).collect();
                let number = format!("{code}{national}");
                if number.len() <= 15 && is_plainly_possible(&number) {
                    plain += 1;
                    assert_eq!(possible_length(&format!("+{number}")), Ok(()), "+{number}");
                }
            }
        }
        assert!(plain > 1_000, "only {plain} were plain");
        assert!(is_plainly_possible("12125550100"));
        assert!(!is_plainly_possible("99955501000"));
        assert_eq!(possible_length("+99955501000"), Err(EndpointError::UnknownCountry));
    }
}
