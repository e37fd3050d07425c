//! A customer service representative (331) as the business's account has it: who, at which telephone or SIP address (334, 336), what
//! they know and speak, when they work. Owns these shapes and their text forms; refuses to know whether somebody is there now (337),
//! which is `acd`'s.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::ToSchema;

use super::hours::Span;
use super::{BusinessId, CallId, Endpoint, Language, Zone};
use crate::clock::Wall;

/// Most characters of a representative's name.
pub const MAX_NAME: usize = 128;
/// Most skills of one representative, and of one customer's need.
pub const MAX_SKILLS: usize = 32;
/// Most languages of one representative.
pub const MAX_LANGUAGES: usize = 16;
/// Most shifts of one representative, and spans of a business's hours.
pub const MAX_SPANS: usize = 32;

/// Who a representative is: 1 to 64 of `A-Z a-z 0-9 + . _ -`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, ToSchema)]
#[serde(transparent)]
#[schema(value_type = String, pattern = "^[A-Za-z0-9+._-]{1,64}$", example = "anna")]
pub struct RepresentativeId(Arc<str>);

/// What a representative knows, a customer needs: 1 to 64 of `A-Z a-z 0-9 + . _ -`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize)]
#[serde(transparent)]
pub struct Skill(Arc<str>);

/// The text is neither an identifier nor a skill.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("not 1 to 64 of A-Z a-z 0-9 + . _ -")]
pub struct NoWord;

fn word(text: &str) -> Result<Arc<str>, NoWord> {
    let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'.' | b'_' | b'-');
    if (1..=64).contains(&text.len()) && text.bytes().all(good) { Ok(text.into()) } else { Err(NoWord) }
}

macro_rules! words {
    ($($name:ident),+) => {$(
        impl $name {
            /// As text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = NoWord;
            fn from_str(text: &str) -> Result<$name, NoWord> {
                word(text).map($name)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<$name, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    )+};
}

words!(RepresentativeId, Skill);

/// How well somebody knows something: 1 (a little) to 10 (nobody knows more).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Level(u8);

/// The number is no level.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a level is 1 to 10")]
pub struct NoLevel;

impl Level {
    /// The least that counts as knowing it.
    pub const LEAST: Level = Level(1);

    /// A level of 1 to 10.
    pub fn new(level: u8) -> Result<Level, NoLevel> {
        if (1..=10).contains(&level) { Ok(Level(level)) } else { Err(NoLevel) }
    }

    /// 1 to 10.
    pub fn get(self) -> u8 {
        self.0
    }
}

impl Default for Level {
    /// Where a skill is named without one.
    fn default() -> Level {
        Level(5)
    }
}

impl Serialize for Level {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(self.0)
    }
}

impl<'de> Deserialize<'de> for Level {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Level, D::Error> {
        Level::new(u8::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// Reads `SKILL[:LEVEL]`.
pub fn skill_with_level(text: &str) -> Result<(Skill, Level), String> {
    let (skill, level) = text.split_once(':').map_or((text, None), |(skill, level)| (skill, Some(level)));
    let skill = skill.trim().parse::<Skill>().map_err(|error| error.to_string())?;
    let level = match level.map(|level| level.trim().parse::<u8>().ok().and_then(|level| Level::new(level).ok())) {
        None => Level::default(),
        Some(level) => level.ok_or_else(|| NoLevel.to_string())?,
    };
    Ok((skill, level))
}

/// One of a business's representatives.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Representative {
    /// Who.
    pub id: RepresentativeId,
    /// How colleagues call them.
    #[serde(default)]
    pub name: String,
    /// The telephone or SIP address that rings; `;ext=` is dialled at the business's PBX after the answer.
    pub address: Endpoint,
    /// What they know, and how well.
    #[serde(default)]
    pub skills: BTreeMap<Skill, Level>,
    /// What they speak; none: whatever the business's customers speak.
    #[serde(default)]
    pub languages: Vec<Language>,
    /// Where their clock is, for their shifts.
    #[serde(default)]
    pub zone: Zone,
    /// When they may be called; none: whenever they are logged on.
    #[serde(default)]
    pub shifts: Vec<Span>,
    /// With the strategy `priority` lower tiers are called first.
    #[serde(default)]
    pub tier: u8,
}

impl Representative {
    /// Somebody with this address and nothing else said of them.
    pub fn new(id: RepresentativeId, address: Endpoint) -> Representative {
        Representative {
            id,
            name: String::new(),
            address,
            skills: BTreeMap::new(),
            languages: Vec::new(),
            zone: Zone::default(),
            shifts: Vec::new(),
            tier: 0,
        }
    }

    /// Reads `ID=ADDRESS[#SKILL[:LEVEL],…]`.
    pub fn parse(text: &str) -> Result<Representative, String> {
        let (id, rest) = text.split_once('=').ok_or("write ID=ADDRESS[#SKILL[:LEVEL],…]")?;
        let (address, skills) = rest.split_once('#').unwrap_or((rest, ""));
        let id = id.trim().parse().map_err(|error| format!("{id:?} is {error}"))?;
        let address = Endpoint::parse(address).map_err(|error| format!("{address:?} is {error}"))?;
        let skills = skills.split(',').filter(|skill| !skill.trim().is_empty());
        let skills = skills.map(skill_with_level).collect::<Result<_, String>>()?;
        Ok(Representative { skills, ..Representative::new(id, address) })
    }

    /// What is beyond its bounds.
    pub fn problem(&self) -> Option<String> {
        let bounds = [
            (self.name.chars().count(), MAX_NAME, "characters in a name"),
            (self.skills.len(), MAX_SKILLS, "skills"),
            (self.languages.len(), MAX_LANGUAGES, "languages"),
            (self.shifts.len(), MAX_SPANS, "shifts"),
        ];
        let beyond = bounds.into_iter().find(|(count, most, _)| count > most);
        beyond.map(|(_, most, what)| format!("representative {:?}: at most {most} {what}", self.id.as_str()))
    }
}

/// What a representative wants.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Wish {
    /// Calls.
    Available,
    /// No calls for a while.
    Break,
    /// No calls until the last one is written up, however long that takes.
    WrapUp,
    /// No calls.
    LoggedOff,
}

impl Wish {
    /// Every one.
    pub const ALL: [Wish; 4] = [Wish::Available, Wish::Break, Wish::WrapUp, Wish::LoggedOff];

    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Wish::Available => "available",
            Wish::Break => "break",
            Wish::WrapUp => "wrap_up",
            Wish::LoggedOff => "logged_off",
        }
    }

    /// Reads the word.
    pub fn parse(text: &str) -> Option<Wish> {
        Wish::ALL.into_iter().find(|wish| wish.as_str() == text)
    }
}

/// A representative's session as the store keeps it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StoredSession {
    /// Whose.
    pub business: BusinessId,
    /// Who.
    pub representative: RepresentativeId,
    /// What they want.
    pub wish: Wish,
    /// Until then without another word.
    pub until: Wall,
}

/// A representative as the business sees them.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
#[schema(as = Representative)]
pub struct RepresentativeView {
    /// Who.
    pub id: RepresentativeId,
    /// How colleagues call them.
    pub name: String,
    /// `logged_off`, `available`, `promised` (kept for a customer whose phone rings), `ringing`, `busy`, `wrap_up`, `break` or `set_aside`
    /// (did not take a call).
    #[schema(example = "available")]
    pub state: String,
    /// Since when, where that is known.
    pub since: Option<Wall>,
    /// Until when, where that is known.
    pub until: Option<Wall>,
    /// The call that they ring, talk or are kept for.
    pub call: Option<CallId>,
    /// When they are logged off without another word.
    pub session_until: Option<Wall>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_representative_is_written_and_read_and_says_what_is_unknown() {
        let text = r#"{"id":"anna","name":"Anna","address":"tel:+12125550101;ext=204","skills":{"cruise":9,"sea":3},
            "languages":["en","de-AT"],"zone":"America/New_York","shifts":["mon-fri 09:00-17:00"],"tier":1}"#;
        let anna: Representative = serde_json::from_str(text).unwrap();
        assert_eq!(anna.address.to_string(), "tel:+12125550101;ext=204");
        assert_eq!(anna.skills.get(&"cruise".parse().unwrap()), Some(&Level::new(9).unwrap()));
        let again: Representative = serde_json::from_str(&serde_json::to_string(&anna).unwrap()).unwrap();
        assert_eq!(again, anna);
        for bad in [
            r#"{"id":"anna","address":"+12125550101","skill":{}}"#,
            r#"{"id":"an na","address":"+12125550101"}"#,
            r#"{"id":"anna","address":"12"}"#,
            r#"{"id":"anna","address":"+12125550101","skills":{"cruise":11}}"#,
        ] {
            assert!(serde_json::from_str::<Representative>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_short_form_has_an_address_and_skills() {
        let anna = Representative::parse("anna=tel:+12125550101;ext=204#cruise:9,sea").unwrap();
        assert_eq!((anna.id.as_str(), anna.address.to_string().as_str()), ("anna", "tel:+12125550101;ext=204"));
        assert_eq!(anna.skills.values().map(|level| level.get()).collect::<Vec<_>>(), [9, 5]);
        assert!(Representative::parse("bert=sip:bert@pbx.example").unwrap().skills.is_empty());
        for bad in ["anna", "=+12125550101", "anna=12", "anna=+12125550101#cruise:0", "anna=+12125550101#cr uise"] {
            assert!(Representative::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_an_account_says_of_one_is_bounded() {
        let mut anna = Representative::new("anna".parse().unwrap(), Endpoint::parse("+12125550101").unwrap());
        assert_eq!(anna.problem(), None);
        anna.name = "a".repeat(MAX_NAME + 1);
        assert!(anna.problem().is_some());
    }
}
