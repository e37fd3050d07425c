//! What a customer needs of a representative, and whether one suits. Owns this match; refuses to know who is there.

use std::collections::BTreeMap;

use crate::model::representative::MAX_SKILLS;
use crate::model::{Language, Level, Representative, RepresentativeId, Skill};

/// What a customer needs. Customers with the same need stand in one line.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Need {
    /// This one and nobody else (910).
    pub representative: Option<RepresentativeId>,
    /// Who knows all of this at least so well.
    pub skills: BTreeMap<Skill, Level>,
    /// Who speaks this; regions are not told apart.
    pub language: Option<Language>,
    /// Each step counts as [`priority_seconds`](crate::model::Staffing::priority_seconds) of waiting.
    pub priority: u8,
}

impl Need {
    /// Whoever knows this, however well.
    pub fn skill(skill: Skill) -> Need {
        Need { skills: BTreeMap::from([(skill, Level::LEAST)]), ..Need::default() }
    }

    /// The same for any priority: what tells lines apart.
    pub(super) fn line(&self) -> Need {
        Need { priority: 0, ..self.clone() }
    }

    /// How well this representative suits: the sum of the levels of what is needed; nothing: not at all.
    pub fn fit(&self, one: &Representative) -> Option<u32> {
        if self.skills.len() > MAX_SKILLS || self.representative.as_ref().is_some_and(|id| *id != one.id) {
            return None;
        }
        let speaks = |wanted: Language| {
            let known = one.languages.iter().any(|known| known.without_region() == wanted.without_region());
            one.languages.is_empty() || known
        };
        if !self.language.is_none_or(speaks) {
            return None;
        }
        self.skills.iter().try_fold(0, |sum, (skill, least)| {
            let level = one.skills.get(skill).filter(|level| *level >= least)?;
            Some(sum + u32::from(level.get()))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Endpoint;

    fn level(n: u8) -> Level {
        Level::new(n).unwrap()
    }

    fn anna() -> Representative {
        let mut anna = Representative::new("anna".parse().unwrap(), Endpoint::parse("+12125550101").unwrap());
        anna.skills = BTreeMap::from([("cruise".parse().unwrap(), level(9)), ("sea".parse().unwrap(), level(3))]);
        anna.languages = vec!["en".parse().unwrap(), "de-AT".parse().unwrap()];
        anna
    }

    fn need(skills: &[(&str, u8)], language: Option<&str>) -> Need {
        let skills = skills.iter().map(|(skill, least)| (skill.parse().unwrap(), level(*least))).collect();
        Need { skills, language: language.map(|tag| tag.parse().unwrap()), ..Need::default() }
    }

    #[test]
    fn who_has_all_skills_well_enough_and_the_language_suits() {
        assert_eq!(need(&[], None).fit(&anna()), Some(0));
        assert_eq!(need(&[("cruise", 9), ("sea", 1)], Some("de-DE")).fit(&anna()), Some(12));
        assert_eq!(need(&[("cruise", 10)], None).fit(&anna()), None);
        assert_eq!(need(&[("air", 1)], None).fit(&anna()), None);
        assert_eq!(need(&[], Some("fr")).fit(&anna()), None);
        let anybody = Representative { languages: Vec::new(), ..anna() };
        assert_eq!(need(&[], Some("fr")).fit(&anybody), Some(0), "the account does not say what they speak");
    }

    #[test]
    fn who_is_named_is_meant_and_nobody_else() {
        let named = |id: &str| Need { representative: Some(id.parse().unwrap()), ..Need::default() };
        assert_eq!(named("anna").fit(&anna()), Some(0));
        assert_eq!(named("bert").fit(&anna()), None);
    }
}
