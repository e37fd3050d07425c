//! A bug planted in what a restart knows of representatives. Which bug is planted and how it must be caught is `planted`'s.

use callbridge::model::StoredSession;

use super::{Bug, Planted};

impl Planted {
    /// Who is logged on when the equipment comes up.
    pub fn sessions(&self, sessions: &mut Vec<StoredSession>, life: u32) {
        if self.bug == Bug::SessionsForgotten && life > 0 {
            sessions.clear();
        }
    }
}
