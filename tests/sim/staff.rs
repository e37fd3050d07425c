//! Worlds in which the equipment distributes the calls: messages name nobody, each wish's representatives have a skill of their own and
//! are called in the order in which a message would have named them. So all that holds of a hunt holds here, too. Owns what such an
//! account says and who is logged on.

use std::collections::BTreeMap;
use std::time::Duration;

use callbridge::clock::Wall;
use callbridge::model::{Endpoint, Level, Need, Representative, Skill, Staffing, StoredSession, Strategy, Wish};
use rand::Rng;
use rand::rngs::StdRng;

use crate::plan::Plan;
use crate::setup::business;

/// Everybody is logged off so long after the equipment came up: by then all is over, and nothing may be left.
const LEASE: Duration = Duration::from_secs(200);

/// One world in five, where nothing keeps a call waiting for long: leases end.
pub fn draw(rng: &mut StdRng, plain: bool) -> bool {
    rng.random_bool(0.2) && plain
}

fn skill(wish: usize) -> Skill {
    format!("wish-{wish}").parse().expect("a skill")
}

/// What a customer needs: the representatives of this wish.
pub fn need(plan: &Plan, wish: usize) -> Option<Box<Need>> {
    plan.staffed.then(|| Box::new(Need::skill(skill(wish))))
}

/// The representatives of all wishes, the first to be called in the lowest tier.
pub fn staffing(plan: &Plan) -> Staffing {
    let mut representatives = Vec::new();
    for (w, wish) in plan.wishes.iter().enumerate().filter(|_| plan.staffed) {
        for (tier, party) in (0..).zip(&wish.representatives) {
            let id = format!("rep-{w}-{tier}").parse().expect("a name");
            let address = Endpoint::parse(&party.address()).expect("an address");
            let skills = BTreeMap::from([(skill(w), Level::LEAST)]);
            representatives.push(Representative { skills, tier, ..Representative::new(id, address) });
        }
    }
    Staffing {
        representatives,
        strategy: Strategy::Priority,
        set_aside_seconds: 60,
        wrap_up_seconds: 5,
        max_wait_seconds: 3_600,
        ..Staffing::default()
    }
}

/// Everybody is there, as the store knows.
pub fn sessions(plan: &Plan, now: Wall) -> Vec<StoredSession> {
    let session = |one: Representative| StoredSession {
        business: business(),
        representative: one.id,
        wish: Wish::Available,
        until: now + LEASE,
    };
    staffing(plan).representatives.into_iter().map(session).collect()
}
