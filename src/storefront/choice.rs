//! The automated call distribution routine 338: which waiting request goes to which representative now. Pure: who waits and who is
//! there comes in, pairs come out. Owns the rule; refuses to change anybody.
//!
//! Requests in the order of coming; for each the representative who has been free longest among those who suit. Whom nobody suits
//! does not hold up those behind. Where nobody who is logged on knows what is wanted, anybody is better than nobody.

/// A representative who is logged on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Staff {
    /// Identifier.
    pub id: String,
    /// What they know.
    pub skills: Vec<String>,
    /// Free since then (milliseconds); `None`: serving, on a break, or wrapping up.
    pub free_since: Option<i64>,
}

/// A request whose time has come.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Waiting {
    /// Identifier.
    pub id: String,
    /// A representative or a skill that the page named (910).
    pub wanted: Option<String>,
}

/// The pairs to be joined now: identifiers of request and representative.
pub fn choose(waiting: &[Waiting], staff: &[Staff]) -> Vec<(String, String)> {
    let mut free: Vec<&Staff> = staff.iter().filter(|one| one.free_since.is_some()).collect();
    free.sort_by_key(|one| (one.free_since, one.id.as_str()));
    let mut pairs = Vec::new();
    for request in waiting {
        let wanted = request.wanted.as_deref().filter(|wanted| staff.iter().any(|one| suits(one, wanted)));
        let found = free.iter().position(|one| wanted.is_none_or(|wanted| suits(one, wanted)));
        if let Some(at) = found {
            pairs.push((request.id.clone(), free.remove(at).id.clone()));
        }
    }
    pairs
}

/// Whether this one is who was asked for.
fn suits(one: &Staff, wanted: &str) -> bool {
    one.id == wanted || one.skills.iter().any(|skill| skill == wanted)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn staff(id: &str, skills: &[&str], free_since: Option<i64>) -> Staff {
        Staff { id: id.to_owned(), skills: skills.iter().map(|&skill| skill.to_owned()).collect(), free_since }
    }

    fn waiting(id: &str, wanted: Option<&str>) -> Waiting {
        Waiting { id: id.to_owned(), wanted: wanted.map(str::to_owned) }
    }

    fn pairs(waiting: &[Waiting], staff: &[Staff]) -> Vec<String> {
        choose(waiting, staff).into_iter().map(|(request, one)| format!("{request} to {one}")).collect()
    }

    #[test]
    fn the_first_who_came_gets_who_is_idle_longest() {
        let staff = [staff("rita", &[], Some(20)), staff("sam", &[], Some(10)), staff("tom", &[], None)];
        let waiting = [waiting("1", None), waiting("2", None), waiting("3", None)];
        assert_eq!(pairs(&waiting, &staff), ["1 to sam", "2 to rita"]);
    }

    #[test]
    fn an_expert_is_waited_for_while_there_is_one_and_holds_up_nobody() {
        let there = [staff("rita", &["cruise"], None), staff("sam", &[], Some(10))];
        let asked = [waiting("1", Some("cruise")), waiting("2", None)];
        assert_eq!(pairs(&asked, &there), ["2 to sam"]);
        assert_eq!(pairs(&asked[..1], &there[1..]), ["1 to sam"], "no expert is logged on");
        assert_eq!(pairs(&[waiting("1", Some("sam"))], &there), ["1 to sam"], "by name");
    }

    proptest! {
        #[test]
        fn nobody_is_promised_twice(since in proptest::collection::vec(proptest::option::of(0_i64..5), 0..8), wanted in proptest::collection::vec(proptest::option::of("[ab]"), 0..8)) {
            let there: Vec<Staff> = since.iter().enumerate().map(|(at, since)| staff(&at.to_string(), if at % 2 == 0 { &["a"] } else { &["b"] }, *since)).collect();
            let asked: Vec<Waiting> = wanted.iter().enumerate().map(|(at, wanted)| waiting(&at.to_string(), wanted.as_deref())).collect();
            let pairs = choose(&asked, &there);
            for chosen in [pairs.iter().map(|pair| &pair.0).collect::<Vec<_>>(), pairs.iter().map(|pair| &pair.1).collect()] {
                let mut once = chosen.clone();
                once.sort();
                once.dedup();
                prop_assert_eq!(once.len(), chosen.len());
            }
            // Nobody is left free while somebody waits whom they suit.
            let busy = |one: &&Staff| one.free_since.is_none() || pairs.iter().any(|pair| pair.1 == one.id);
            let left = there.iter().filter(|one| !busy(one)).count();
            let unserved = asked.iter().filter(|one| one.wanted.is_none() && pairs.iter().all(|pair| pair.0 != one.id)).count();
            prop_assert!(left == 0 || unserved == 0);
        }
    }
}
