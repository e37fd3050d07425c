//! A business wishes something about a supervisor: whose call it is, whether anybody may be called there, whether there is room.
//! Owns these questions and the answers; when a supervisor may come is the call's affair.

use super::api::{Refusal, Reply, ReplyTo, SupervisorWish};
use super::{Drain, Engine};
use crate::call::SupervisorRefusal;
use crate::clock::Now;
use crate::model::{BusinessId, CallId, Endpoint, Role, SupervisorMode};

impl Engine {
    /// Answers and does a business's wish about a supervisor of one of its calls.
    pub(super) fn wish(&mut self, now: Now, reply: ReplyTo, business: &BusinessId, id: CallId, wish: SupervisorWish) {
        if self.recording.get(&id).is_some_and(|recorded| recorded.record.business_id == *business) {
            return self.reply(reply, Reply::AlreadyEnded);
        }
        if self.view(business, id).is_none() {
            return self.reply(reply, Reply::Supervised(None));
        }
        let done = match wish {
            SupervisorWish::Invite { address, mode } => match self.invite_supervisor(now, id, address, mode) {
                Err(refusal) => return self.refuse(reply, refusal),
                Ok(done) => done,
            },
            SupervisorWish::Change { leg, mode } => {
                self.of_call(id, |call| call.change_supervisor(leg, mode).map(|()| leg))
            }
            SupervisorWish::Dismiss { leg } => self.of_call(id, |call| call.dismiss_supervisor(now, leg).map(|()| leg)),
        };
        let leg = match done {
            Err(why) => return self.reply(reply, Reply::NotSupervised(why)),
            Ok(leg) => leg,
        };
        self.drive(now, id);
        let views = self.calls.get(&id).map(|live| live.call.supervisor_views()).unwrap_or_default();
        let view = views.into_iter().find(|view| view.leg == leg).map(Box::new);
        self.reply(reply, Reply::Supervised(view));
    }

    /// The address is judged as a representative's in an initiation message, and after the state of the call: what a business may not
    /// do at all is not told apart by whom it would have called.
    fn invite_supervisor(
        &mut self,
        now: Now,
        id: CallId,
        address: Endpoint,
        mode: SupervisorMode,
    ) -> Result<Result<u16, SupervisorRefusal>, Refusal> {
        if self.drain != Drain::No {
            return Err(Refusal::Unavailable { retry_after: 30, why: "the equipment is being stopped" });
        }
        let Some(live) = self.calls.get(&id) else { return Ok(Err(SupervisorRefusal::NotBridged)) };
        if !live.business.enabled {
            return Err(Refusal::Disabled);
        }
        if let Err(why) = live.call.may_be_supervised() {
            return Ok(Err(why));
        }
        if !self.routing.covers(&address) {
            return Err(Refusal::DestinationBarred { pointer: "/supervisor".to_owned() });
        }
        if let Err(why) = crate::access::destinations::judge(&live.business.guard.destinations, &address) {
            return Err(Refusal::DestinationDenied { pointer: "/supervisor".to_owned(), why });
        }
        if live.prices.rate(Role::Supervisor, &address, live.call.wall(now)).is_none() {
            return Err(Refusal::NoRate { pointer: "/supervisor".to_owned() });
        }
        if self.media_full {
            return Err(Refusal::MediaFull { retry_after: 2 });
        }
        self.room_for(now, id, Role::Supervisor, &address)?;
        Ok(self.of_call(id, |call| call.invite_supervisor(now, address, mode)))
    }

    fn of_call<T>(
        &mut self,
        id: CallId,
        ask: impl FnOnce(&mut crate::call::Call) -> Result<T, SupervisorRefusal>,
    ) -> Result<T, SupervisorRefusal> {
        self.calls.get_mut(&id).map_or(Err(SupervisorRefusal::NoSuchLeg), |live| ask(&mut live.call))
    }
}
