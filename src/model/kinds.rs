//! Which numbers are of a kind that costs more than it looks: premium rate, shared cost, personal, satellite. Owns the judgement and,
//! in short, where such numbers begin; whoever begins there is judged by the `phonenumber` crate, whose data this table is. Nearly every
//! number begins elsewhere, and never needs the crate (0.2 s and 3 MB to load, tens of microseconds a number).

use phonenumber::Metadata;
use phonenumber::metadata::DATABASE;

use super::NumberKind;

/// Codes of no country: the whole code is of one kind (ITU-T E.164 assigned codes).
const WHOLE: &[(&str, NumberKind)] = &[
    ("808", NumberKind::SharedCost),
    ("870", NumberKind::Satellite),
    ("878", NumberKind::Personal),
    ("881", NumberKind::Satellite),
    ("882", NumberKind::Satellite),
    ("883", NumberKind::Satellite),
    ("979", NumberKind::Premium),
];

/// Digits of the national number that the tables look at.
const DEPTH: usize = 3;

/// What a number is, and how many of its digits (calling code included) say so. None: nothing special, or nobody knows.
/// `e164` begins with `+`.
pub fn kind_of(e164: &str) -> Option<(NumberKind, usize)> {
    let digits = e164.strip_prefix('+')?;
    if let Some((code, kind)) = WHOLE.iter().find(|(code, _)| digits.starts_with(code)) {
        return Some((*kind, code.len()));
    }
    let tables =
        [(NumberKind::Premium, PREMIUM), (NumberKind::SharedCost, SHARED_COST), (NumberKind::Personal, PERSONAL)];
    tables.into_iter().find_map(|(kind, table)| {
        let begins = beginning(table, digits)?;
        is_of(kind, digits).then_some((kind, begins))
    })
}

/// How many digits of a number are in this table.
fn beginning(table: &[u32], digits: &str) -> Option<usize> {
    let lengths = 1..=DEPTH + 3;
    lengths.rev().find(|length| {
        let prefix = digits.get(..*length).and_then(|prefix| prefix.parse::<u32>().ok());
        prefix.is_some_and(|prefix| table.binary_search(&prefix).is_ok())
    })
}

/// The judgement of the crate: in any country of this calling code, numbers so are of this kind.
fn is_of(kind: NumberKind, digits: &str) -> bool {
    (1..=3).any(|length| {
        let Some((code, national)) = digits.split_at_checked(length) else { return false };
        let metas = code.parse::<u16>().ok().and_then(|code| DATABASE.by_code(&code)).unwrap_or_default();
        metas.iter().any(|meta| descriptor(meta, kind).is_some_and(|numbers| numbers.is_match(national)))
    })
}

fn descriptor(meta: &Metadata, kind: NumberKind) -> Option<&phonenumber::metadata::Descriptor> {
    match kind {
        NumberKind::Premium => meta.descriptors().premium_rate(),
        NumberKind::SharedCost => meta.descriptors().shared_cost(),
        NumberKind::Personal => meta.descriptors().personal_number(),
        NumberKind::Satellite => None,
    }
}

/// Loads the crate's data before anybody waits for it.
pub fn load() {
    let _loaded = DATABASE.by_code(&1u16);
}

#[rustfmt::skip]
const PREMIUM: &[u32] = &[
    1246, 1345, 1900, 2698, 2790, 2791, 2792, 3290, 3383, 3385, 3386, 3389, 3690, 3691, 3761, 3769, 3895, 4490, 4491,
    4590, 6411, 6413, 6414, 6415, 6417, 6418, 6419, 6490, 7803, 7809, 9629, 9791, 9793, 9795, 9799, 20900, 21289,
    21688, 22709, 23030, 24090, 24885, 25590, 26790, 27862, 27863, 27864, 27865, 27866, 27867, 27868, 27869, 30901,
    30909, 31900, 31906, 31909, 32702, 32703, 32704, 32706, 32707, 33812, 33813, 33814, 33815, 33816, 33817, 33818,
    33819, 33822, 33823, 33824, 33827, 33828, 33829, 33880, 33881, 33882, 33883, 33885, 33886, 33887, 33888, 33889,
    34803, 34806, 34807, 35651, 35652, 35990, 37190, 37240, 37871, 37877, 37878, 38178, 38560, 38561, 38564, 38565,
    38569, 38690, 38790, 38792, 38794, 38796, 39087, 39144, 39163, 39164, 39166, 39892, 39893, 39894, 39895, 39899,
    40900, 40901, 40903, 40906, 41900, 41901, 41906, 42197, 42198, 43862, 43863, 43864, 43865, 43866, 43868, 43892,
    43893, 43894, 43895, 43896, 43898, 43900, 43901, 43930, 43931, 43939, 44842, 44843, 44844, 44845, 44870, 44871,
    44872, 44873, 44980, 44981, 44982, 44983, 44984, 44989, 46649, 46900, 46939, 46944, 46991, 46992, 46993, 46994,
    46995, 46999, 47820, 47829, 48700, 48701, 48703, 48704, 48706, 48707, 48708, 49137, 49900, 50219, 50881, 50882,
    50889, 51805, 52900, 54600, 54604, 54605, 54607, 54609, 55500, 55900, 57190, 57194, 57901, 58900, 58901, 59081,
    59082, 59089, 59481, 59482, 59489, 59681, 59682, 59689, 59790, 60160, 61190, 62809, 64500, 64503, 64506, 64507,
    64508, 65190, 66190, 67090, 68736, 81990, 82602, 82603, 82604, 82605, 82606, 82607, 82608, 82609, 84190, 86160,
    86168, 88620, 90888, 90898, 90900, 91186, 92900, 96190, 96191, 97387, 97390, 97391, 97392, 97393, 97394, 97395,
    97396, 97397, 97398, 213803, 213804, 213805, 213806, 213808, 213809, 221884, 221886, 221888, 221889, 231332,
    236877, 242800, 242801, 242802, 250900, 254900, 256901, 256902, 256903, 262891, 262892, 262893, 262897, 262898,
    262899, 264870, 268900, 297900, 298901, 298902, 298903, 298904, 298905, 298909, 351601, 351607, 351608, 351646,
    351648, 351760, 351761, 351762, 352900, 352901, 352905, 353151, 353152, 353153, 353154, 353155, 353156, 353157,
    353158, 353159, 354900, 354901, 354902, 354903, 354904, 354905, 354907, 354908, 355900, 356500, 356506, 356507,
    356509, 357900, 357909, 358600, 358700, 370900, 370902, 370903, 370909, 370910, 372900, 373900, 373905, 373906,
    374900, 374901, 374906, 375810, 375902, 380900, 381900, 381901, 381906, 381909, 382941, 382945, 382946, 382948,
    382951, 382957, 382958, 383900, 386891, 386892, 386893, 420900, 420905, 420906, 420908, 420909, 420976, 421900,
    423900, 423901, 423906, 503900, 506900, 506905, 506909, 507822, 507855, 507860, 507877, 507878, 507886, 507900,
    507981, 592900, 598900, 598901, 598902, 598903, 598904, 598905, 598906, 598907, 598908, 852900, 855190, 960900,
    966925, 968900, 971900, 972120, 972121, 972190, 972191, 972199, 994900,
];

#[rustfmt::skip]
const SHARED_COST: &[u32] = &[
    6113, 8081, 8082, 8083, 8084, 8085, 8086, 8087, 8088, 8089, 8631, 8635, 8637, 8641, 8647, 8651, 8653, 8655, 8657,
    8671, 8675, 8677, 8679, 8683, 8687, 8693, 8697, 8699, 27860, 30801, 30806, 30812, 30825, 30850, 30875, 32787,
    33810, 33811, 33820, 33821, 33825, 33826, 33840, 33842, 33844, 33884, 34901, 34902, 37181, 38781, 38782, 38981,
    38982, 38983, 38984, 38985, 38986, 38987, 38988, 38989, 39840, 39841, 39847, 39848, 40801, 41840, 41842, 41844,
    41848, 42081, 42083, 42084, 42185, 42186, 42187, 42188, 42189, 43810, 43820, 43821, 43828, 46770, 46771, 46772,
    46773, 46774, 46775, 46776, 46777, 47810, 48801, 49137, 49138, 49180, 51801, 52300, 53807, 55300, 55303, 55400,
    55402, 55437, 55486, 56600, 62804, 86101, 86109, 86209, 86219, 86229, 86239, 86249, 86259, 86279, 86289, 86299,
    86335, 86349, 86391, 86392, 86393, 86394, 86395, 86396, 86398, 86400, 86421, 86427, 86429, 86431, 86432, 86433,
    86434, 86435, 86436, 86437, 86438, 86439, 86451, 86452, 86453, 86454, 86455, 86456, 86457, 86458, 86459, 86464,
    86467, 86468, 86469, 86482, 86483, 86523, 86527, 86543, 86546, 86561, 86562, 86563, 86564, 86566, 86580, 86591,
    86592, 86593, 86594, 86595, 86596, 86597, 86598, 86599, 86631, 86632, 86633, 86634, 86635, 86660, 86662, 86663,
    86668, 86691, 86692, 86701, 86722, 86724, 86728, 86730, 86731, 86734, 86735, 86736, 86737, 86738, 86739, 86743,
    86744, 86745, 86746, 86760, 86762, 86763, 86766, 86768, 86769, 86812, 86813, 86816, 86817, 86818, 86825, 86826,
    86827, 86851, 86854, 86855, 86856, 86857, 86858, 86859, 86883, 86886, 86887, 86888, 86891, 86892, 86893, 86894,
    86895, 86896, 86897, 86898, 86901, 86902, 86903, 86906, 86908, 86909, 86911, 86912, 86913, 86914, 86915, 86916,
    86917, 86919, 86941, 86943, 86950, 86951, 86952, 86953, 86954, 86955, 91186, 96180, 96285, 97384, 213801, 213802,
    216811, 216821, 221810, 221812, 221814, 221816, 221818, 255840, 255860, 255861, 262810, 262811, 262819, 262820,
    262821, 262825, 262826, 262884, 262890, 351808, 351809, 352801, 353185, 353189, 355808, 357801, 357802, 357803,
    357804, 357805, 357806, 357807, 357808, 357809, 359700, 370808, 373808, 374801, 374802, 374803, 374804, 389801,
    389802, 389803, 389804, 389805, 389806, 389807, 389808, 389809, 599600, 599601, 599602, 966920, 970170, 971700,
    972170,
];

#[rustfmt::skip]
const PERSONAL: &[u32] = &[
    1500, 1521, 1522, 1523, 1524, 1525, 1526, 1527, 1528, 1529, 1532, 1533, 1544, 1566, 1577, 1588, 1622, 1633, 3070,
    3470, 4470, 6470, 7808, 8160, 8250, 38574, 38575, 39178, 39199, 41878, 46751, 46752, 46753, 46754, 46755, 46756,
    46757, 46758, 47880, 49700, 51802, 51804, 52500, 67070, 88699, 90592, 92122, 96270, 351884, 353700, 355700,
    357700, 370700, 370705, 372700, 372701, 372702, 420700, 420701, 852810, 852811, 852812, 852813, 852814, 852816,
    852817, 852819, 852820, 852821, 852822, 852823, 852826, 852827, 852830, 852832, 852833, 852834, 852837,
];

#[cfg(test)]
mod tests {
    use regex_automata::dfa::{Automaton, StartKind, dense};
    use regex_automata::util::primitives::StateID;
    use regex_automata::util::syntax;
    use regex_automata::{Anchored, Input};

    use super::*;

    type Dfa = dense::DFA<Vec<u32>>;

    fn walk(dfa: &Dfa, state: StateID, prefix: u32, depth: usize, found: &mut Vec<u32>) {
        if dfa.is_dead_state(state) {
            return;
        }
        if depth == 0 {
            return found.push(prefix);
        }
        for digit in 0..10u8 {
            let next = dfa.next_state(state, b'0' + digit);
            walk(dfa, next, prefix * 10 + u32::from(digit), depth - 1, found);
        }
    }

    /// Where the numbers of this kind begin, by the crate's data; ten of ten are their tens.
    fn of_the_crate(kind: NumberKind) -> Vec<u32> {
        let mut all = Vec::new();
        for code in 1..1000u16 {
            let Some(metas) = DATABASE.by_code(&code) else { continue };
            // A leading zero of a national number keeps its place behind the code.
            let mut found = Vec::new();
            for numbers in metas.iter().filter_map(|meta| descriptor(meta, kind)) {
                let pattern = format!("(?x)^(?:{})$", numbers.national_number().as_str());
                let config = dense::Config::new().start_kind(StartKind::Anchored);
                let syntax = syntax::Config::new().unicode(false).utf8(false);
                let dfa = dense::Builder::new().configure(config).syntax(syntax).build(&pattern).unwrap();
                let start = dfa.start_state_forward(&Input::new("").anchored(Anchored::Yes)).unwrap();
                walk(&dfa, start, u32::from(code), DEPTH, &mut found);
            }
            found.sort_unstable();
            found.dedup();
            for _ in 0..DEPTH {
                let tens: Vec<u32> = found.iter().map(|prefix| prefix / 10).collect();
                let full = |ten: u32| tens.iter().filter(|other| **other == ten).count() == 10;
                found = found.iter().map(|prefix| if full(prefix / 10) { prefix / 10 } else { *prefix }).collect();
                found.dedup();
            }
            all.extend(found);
        }
        all.sort_unstable();
        all
    }

    #[test]
    fn the_tables_are_those_of_the_crate() {
        for (kind, table) in
            [(NumberKind::Premium, PREMIUM), (NumberKind::SharedCost, SHARED_COST), (NumberKind::Personal, PERSONAL)]
        {
            let right = of_the_crate(kind);
            assert!(right == table, "{kind:?}: put this in its place: {right:?}");
        }
    }

    #[test]
    fn numbers_that_cost_more_than_they_look_are_known() {
        for (number, kind) in [
            ("+19005550100", NumberKind::Premium),
            ("+449098790000", NumberKind::Premium),
            ("+491377123456", NumberKind::Premium),
            ("+33899123456", NumberKind::Premium),
            ("+979123456789", NumberKind::Premium),
            ("+4918012345", NumberKind::SharedCost),
            ("+447012345678", NumberKind::Personal),
            ("+881612345678", NumberKind::Satellite),
            ("+870773111632", NumberKind::Satellite),
            ("+88213300655", NumberKind::Satellite),
        ] {
            assert_eq!(kind_of(number).map(|(kind, _)| kind), Some(kind), "{number}");
        }
        for number in
            ["+12125550100", "+442079460000", "+4915123456789", "+18005550100", "+33123456789", "+8613912345678"]
        {
            assert_eq!(kind_of(number), None, "{number}");
        }
        assert_eq!(kind_of("+19005550100").map(|(_, digits)| digits), Some(4));
    }

    #[test]
    fn every_example_of_the_data_is_of_its_kind() {
        for meta in DATABASE.iter() {
            for kind in [NumberKind::Premium, NumberKind::SharedCost, NumberKind::Personal] {
                let Some(example) = descriptor(meta, kind).and_then(|numbers| numbers.example()) else { continue };
                let number = format!("+{}{example}", meta.country_code());
                let found = kind_of(&number).map(|(kind, _)| kind);
                // Where one number is of two kinds, the dearer one counts.
                assert!(
                    found.is_some_and(|found| found <= kind) || found == Some(NumberKind::Satellite),
                    "{number}: {found:?}, {kind:?}"
                );
            }
        }
    }
}
