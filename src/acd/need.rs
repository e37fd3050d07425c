//! Whether a representative suits a need. Owns this match; refuses to know who is there.

use crate::model::representative::MAX_SKILLS;
use crate::model::{Language, Need, Representative};

/// What tells lines apart: the same for any priority.
pub(super) fn line(need: &Need) -> Need {
    Need { priority: 0, ..need.clone() }
}

/// How well this representative suits: the sum of the levels of what is needed; nothing: not at all.
pub(super) fn fit(need: &Need, one: &Representative) -> Option<u32> {
    if need.skills.len() > MAX_SKILLS || need.representative.as_ref().is_some_and(|id| *id != one.id) {
        return None;
    }
    let speaks = |wanted: Language| {
        let known = one.languages.iter().any(|known| known.without_region() == wanted.without_region());
        one.languages.is_empty() || known
    };
    if !need.language.is_none_or(speaks) {
        return None;
    }
    need.skills.iter().try_fold(0, |sum, (skill, least)| {
        let level = one.skills.get(skill).filter(|level| *level >= least)?;
        Some(sum + u32::from(level.get()))
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::model::{Endpoint, Level};

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
        assert_eq!(fit(&need(&[], None), &anna()), Some(0));
        assert_eq!(fit(&need(&[("cruise", 9), ("sea", 1)], Some("de-DE")), &anna()), Some(12));
        assert_eq!(fit(&need(&[("cruise", 10)], None), &anna()), None);
        assert_eq!(fit(&need(&[("air", 1)], None), &anna()), None);
        assert_eq!(fit(&need(&[], Some("fr")), &anna()), None);
        let anybody = Representative { languages: Vec::new(), ..anna() };
        assert_eq!(fit(&need(&[], Some("fr")), &anybody), Some(0), "the account does not say what they speak");
    }

    #[test]
    fn who_is_named_is_meant_and_nobody_else() {
        let named = |id: &str| Need { representative: Some(id.parse().unwrap()), ..Need::default() };
        assert_eq!(fit(&named("anna"), &anna()), Some(0));
        assert_eq!(fit(&named("bert"), &anna()), None);
    }
}
