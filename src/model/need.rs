//! What a customer needs of a representative (910, or nothing in particular). Owns this shape; who suits is `acd`'s.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Language, Level, RepresentativeId, Skill};

/// What a customer needs. Customers with the same need stand in one line.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Serialize, Deserialize)]
pub struct Need {
    /// This one and nobody else (910).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub representative: Option<RepresentativeId>,
    /// Who knows all of this at least so well.
    #[serde(default)]
    pub skills: BTreeMap<Skill, Level>,
    /// Who speaks this; regions are not told apart.
    #[serde(default)]
    pub language: Option<Language>,
    /// Each step counts as [`priority_seconds`](super::Staffing::priority_seconds) of waiting.
    #[serde(default)]
    pub priority: u8,
}

impl Need {
    /// Whoever knows this, however well.
    pub fn skill(skill: Skill) -> Need {
        Need { skills: BTreeMap::from([(skill, Level::LEAST)]), ..Need::default() }
    }

    /// This one and nobody else.
    pub fn of(representative: RepresentativeId) -> Need {
        Need { representative: Some(representative), ..Need::default() }
    }
}
