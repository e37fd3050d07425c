//! The audio codecs that this equipment speaks: what every room must know of one (its name, its numbers, its clock, how it is
//! packed), and the order in which a leg is offered them. Refuses samples and packets.

use std::fmt;

use serde::{Deserialize, Serialize};

/// An audio codec.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Codec {
    /// G.711 µ-law, static payload type 0.
    #[serde(rename = "PCMU")]
    Pcmu,
    /// G.711 A-law, static payload type 8.
    #[serde(rename = "PCMA")]
    Pcma,
    /// G.722 at 64 kbit/s, static payload type 9.
    G722,
    /// Opus, mono (RFC 7587), a dynamic payload type.
    #[serde(rename = "opus")]
    Opus,
}

impl Codec {
    /// Every one.
    pub const ALL: [Codec; 4] = [Codec::Pcmu, Codec::Pcma, Codec::G722, Codec::Opus];

    /// The encoding name of RFC 3551 and RFC 7587.
    pub fn name(self) -> &'static str {
        match self {
            Codec::Pcmu => "PCMU",
            Codec::Pcma => "PCMA",
            Codec::G722 => "G722",
            Codec::Opus => "opus",
        }
    }

    /// What `a=rtpmap` says behind the name: the clock, and for Opus the two channels that it always claims (RFC 7587 §7).
    pub fn rtpmap(self) -> &'static str {
        match self {
            Codec::Pcmu => "PCMU/8000",
            Codec::Pcma => "PCMA/8000",
            Codec::G722 => "G722/8000",
            Codec::Opus => "opus/48000/2",
        }
    }

    /// The payload type of our own offers: the static one of RFC 3551 table 4, where there is one.
    pub fn payload_type(self) -> u8 {
        match self {
            Codec::Pcmu => 0,
            Codec::Pcma => 8,
            Codec::G722 => 9,
            Codec::Opus => 107,
        }
    }

    /// Ticks a second of its RTP timestamps. G.722's are 8000 although it samples 16,000 (RFC 3551 §4.5.2), Opus's always 48,000
    /// (RFC 7587 §4.1).
    pub fn clock_hz(self) -> u32 {
        match self {
            Codec::Pcmu | Codec::Pcma | Codec::G722 => 8_000,
            Codec::Opus => 48_000,
        }
    }

    /// True for the two laws of G.711, which are one to the ear and turned into each other by a table.
    pub fn is_g711(self) -> bool {
        matches!(self, Codec::Pcmu | Codec::Pcma)
    }

    /// The packet time nearest below `asked`, between 10 and 60 ms, in which it can be packed. Opus has no packets of 30 and 50 ms
    /// (RFC 6716 §3.1).
    pub fn packet_ms(self, asked: u16) -> u16 {
        match (self, asked) {
            (Codec::Opus, 20..40) => 20,
            (Codec::Opus, 40..60) => 40,
            (_, asked) => (asked / 10 * 10).clamp(10, 60),
        }
    }

    /// The codec that an encoding name means, whatever its case.
    pub fn from_name(name: &str) -> Option<Codec> {
        Codec::ALL.into_iter().find(|codec| name.eq_ignore_ascii_case(codec.name()))
    }

    /// The codec of a static payload type.
    pub fn from_payload_type(payload_type: u8) -> Option<Codec> {
        let fixed = Codec::ALL.into_iter().filter(|codec| codec.payload_type() < 96);
        fixed.into_iter().find(|codec| codec.payload_type() == payload_type)
    }
}

/// Codecs in order of preference: each once, never none.
#[derive(Clone, Copy)]
pub struct Codecs {
    list: [Codec; Codec::ALL.len()],
    count: usize,
}

/// Why names make no [`Codecs`].
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CodecsError {
    /// No codec of this name is spoken here.
    #[error("the codec {0:?} is not known")]
    Unknown(String),
    /// It stands there twice.
    #[error("{} is named twice", .0.name())]
    Twice(Codec),
    /// Neither law of G.711 is there: a phone that knows nothing else would not be understood (field.md 10).
    #[error("neither PCMU nor PCMA is named")]
    NoG711,
}

impl Codecs {
    /// G.711 first, which every switch passes on untouched.
    pub const DEFAULT: Codecs = Codecs { list: Codec::ALL, count: Codec::ALL.len() };

    /// From their names, in this order.
    pub fn of_names<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Codecs, CodecsError> {
        let mut codecs = Codecs { count: 0, ..Codecs::DEFAULT };
        for name in names {
            let codec = Codec::from_name(name).ok_or_else(|| CodecsError::Unknown(name.chars().take(40).collect()))?;
            if codecs.contains(codec) {
                return Err(CodecsError::Twice(codec));
            }
            codecs.push(codec);
        }
        if codecs.iter().any(Codec::is_g711) { Ok(codecs) } else { Err(CodecsError::NoG711) }
    }

    /// These, in this order; what comes again is left out. None of them: [`Codecs::DEFAULT`].
    pub fn of(all: &[Codec]) -> Codecs {
        let mut codecs = Codecs { count: 0, ..Codecs::DEFAULT };
        all.iter().for_each(|codec| codecs.push(*codec));
        if codecs.count == 0 { Codecs::DEFAULT } else { codecs }
    }

    /// The same ones, with this one first, if it is among them. G.711's other law follows its one: between them a call needs no
    /// more than a table.
    pub fn led_by(self, first: Codec) -> Codecs {
        let mut codecs = Codecs { count: 0, ..self };
        let kin = |codec: &Codec| first.is_g711() && codec.is_g711();
        let leading = self.iter().filter(|codec| *codec == first).chain(self.iter().filter(kin));
        leading.chain(self.iter()).for_each(|codec| codecs.push(codec));
        codecs
    }

    /// In order.
    pub fn as_slice(&self) -> &[Codec] {
        self.list.get(..self.count).unwrap_or(&self.list)
    }

    /// In order.
    pub fn iter(&self) -> impl Iterator<Item = Codec> + '_ {
        self.as_slice().iter().copied()
    }

    /// Whether it is among them.
    pub fn contains(&self, codec: Codec) -> bool {
        self.as_slice().contains(&codec)
    }

    fn push(&mut self, codec: Codec) {
        if !self.contains(codec)
            && let Some(place) = self.list.get_mut(self.count)
        {
            *place = codec;
            self.count += 1;
        }
    }
}

impl PartialEq for Codecs {
    fn eq(&self, other: &Codecs) -> bool {
        self.as_slice() == other.as_slice()
    }
}

impl Eq for Codecs {}

impl fmt::Debug for Codecs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.as_slice()).finish()
    }
}

impl Default for Codecs {
    fn default() -> Codecs {
        Codecs::DEFAULT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_codec_is_known_by_its_name_and_its_static_number() {
        for codec in Codec::ALL {
            assert_eq!(Codec::from_name(&codec.name().to_ascii_uppercase()), Some(codec));
            assert!(codec.rtpmap().starts_with(codec.name()));
        }
        assert_eq!([0, 8, 9].map(Codec::from_payload_type), [Some(Codec::Pcmu), Some(Codec::Pcma), Some(Codec::G722)]);
        assert_eq!([3, 96, 107, 111].map(Codec::from_payload_type), [None; 4]);
        assert_eq!(Codec::from_name("GSM"), None);
    }

    #[test]
    fn packet_times_are_those_that_the_codec_has() {
        for (asked, plain, opus) in [
            (0, 10, 10),
            (10, 10, 10),
            (20, 20, 20),
            (30, 30, 20),
            (45, 40, 40),
            (50, 50, 40),
            (60, 60, 60),
            (120, 60, 60),
        ] {
            assert_eq!((Codec::Pcmu.packet_ms(asked), Codec::Opus.packet_ms(asked)), (plain, opus), "{asked}");
        }
    }

    #[test]
    fn what_the_first_leg_agreed_on_leads_the_offer_to_the_second() {
        use Codec::{G722, Opus, Pcma, Pcmu};
        let all = Codecs::DEFAULT;
        assert_eq!(all.led_by(Opus).as_slice(), [Opus, Pcmu, Pcma, G722]);
        assert_eq!(all.led_by(Pcma).as_slice(), [Pcma, Pcmu, G722, Opus]);
        let wide = Codecs::of(&[Opus, G722, Pcma, Pcmu]);
        assert_eq!(wide.led_by(Pcmu).as_slice(), [Pcmu, Pcma, Opus, G722]);
        assert_eq!(Codecs::of(&[Pcma]).led_by(Opus).as_slice(), [Pcma]);
    }

    #[test]
    fn names_make_a_list_or_say_why_not() {
        let of = |names: &[&str]| Codecs::of_names(names.iter().copied());
        assert_eq!(of(&["Opus", "pcma"]), Ok(Codecs::of(&[Codec::Opus, Codec::Pcma])));
        assert_eq!(of(&["PCMU", "GSM"]), Err(CodecsError::Unknown("GSM".to_owned())));
        assert_eq!(of(&["PCMU", "pcmu"]), Err(CodecsError::Twice(Codec::Pcmu)));
        assert_eq!(of(&["opus", "G722"]), Err(CodecsError::NoG711));
        assert_eq!(of(&[]), Err(CodecsError::NoG711));
    }
}
