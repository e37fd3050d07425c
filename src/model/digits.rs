//! Digits to be dialled after an answer: the keys of a telephone and the pauses between them. Owns which letters mean what
//! (`;ext=` and `;postd=` of RFC 3966 and RFC 2806) and how long dialling takes; refuses how a key is sent.

use std::fmt;
use std::time::Duration;

use super::endpoint::{Endpoint, Number};

/// A line needs a moment after the answer before it listens for keys.
pub const SETTLING: Duration = Duration::from_millis(500);
/// How long a key sounds.
pub const PRESS: Duration = Duration::from_millis(100);
/// Between two keys.
pub const RELEASE: Duration = Duration::from_millis(100);
/// `p` and `,`, and `w` too: nobody here listens for a dial tone.
pub const PAUSE: Duration = Duration::from_secs(2);

/// A key of a telephone, by its event number of RFC 4733 §3.2: 0 to 9, 10 = `*`, 11 = `#`, 12 to 15 = A to D.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Key(u8);

impl Key {
    const LETTERS: &'static [u8; 16] = b"0123456789*#ABCD";

    /// The key of a letter, in either case.
    pub fn of(letter: char) -> Option<Key> {
        let letter = u8::try_from(letter).ok()?.to_ascii_uppercase();
        let number = Key::LETTERS.iter().position(|known| *known == letter)?;
        u8::try_from(number).ok().map(Key)
    }

    /// The key of an event number; flash and all above are no keys.
    pub fn of_event(event: u8) -> Option<Key> {
        (event < 16).then_some(Key(event))
    }

    /// Its event number.
    pub fn event(self) -> u8 {
        self.0
    }

    /// Its letter.
    pub fn letter(self) -> char {
        Key::LETTERS.get(usize::from(self.0)).map_or('0', |letter| char::from(*letter))
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.letter())
    }
}

/// One thing to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// Press a key.
    Press(Key),
    /// Wait [`PAUSE`].
    Pause,
}

/// What is dialled after the answer, in order. Never empty where [`Digits::of`] gave it; bounded by the length of an endpoint.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Digits(Vec<Step>);

impl Digits {
    /// The digits of an address: its extension, then what is dialled after that.
    pub fn of(address: &Endpoint) -> Option<Digits> {
        let Endpoint::Number(Number { extension, post_dial, .. }) = address else { return None };
        let letters = extension.iter().chain(post_dial).flat_map(|text| text.chars());
        Digits::new(letters.filter_map(|letter| match letter {
            'p' | 'w' | ',' => Some(Step::Pause),
            letter => Key::of(letter).map(Step::Press),
        }))
    }

    /// These steps, if there is one.
    pub fn new(steps: impl IntoIterator<Item = Step>) -> Option<Digits> {
        let steps: Vec<Step> = steps.into_iter().collect();
        (!steps.is_empty()).then_some(Digits(steps))
    }

    /// A single key.
    pub fn key(key: Key) -> Digits {
        Digits(vec![Step::Press(key)])
    }

    /// In order.
    pub fn steps(&self) -> &[Step] {
        &self.0
    }

    /// From the answer until all is dialled, at the usual pace.
    pub fn duration(&self) -> Duration {
        let steps = self.0.iter().map(|step| match step {
            Step::Press(_) => PRESS + RELEASE,
            Step::Pause => PAUSE,
        });
        SETTLING + steps.sum::<Duration>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(digits: &Digits) -> String {
        digits.steps().iter().map(|step| if let Step::Press(key) = step { key.letter() } else { 'p' }).collect()
    }

    #[test]
    fn the_extension_comes_before_what_is_dialled_after_it() {
        let address = Endpoint::parse("tel:+1-212-555-0101;postd=p1,#;ext=4-2").unwrap();
        let digits = Digits::of(&address).unwrap();
        assert_eq!(text(&digits), "42p1p#");
        assert_eq!(digits.duration(), Duration::from_millis(500 + 4 * 200 + 2 * 2000));
    }

    #[test]
    fn plain_addresses_have_no_digits() {
        for plain in ["+12125550100", "sip:42@192.0.2.1", "192.0.2.7"] {
            assert_eq!(Digits::of(&Endpoint::parse(plain).unwrap()), None, "{plain}");
        }
    }

    #[test]
    fn every_key_has_its_letter_and_its_event() {
        for event in 0..16 {
            let key = Key::of_event(event).unwrap();
            assert_eq!((Key::of(key.letter()), key.event()), (Some(key), event));
        }
        assert_eq!(Key::of('d').map(Key::event), Some(15));
        assert_eq!((Key::of_event(16), Key::of('p'), Key::of('é')), (None, None, None));
    }
}
