//! What an operator asks of the whole equipment and sees. Owns these shapes.

use super::{DeskView, StaffSums};
use crate::model::{BusinessId, CallId, CallState, CallView};
use crate::routing::SwitchView;

/// What an operator wants to see.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Look {
    /// Live calls of every business: [`Looked::Live`].
    Live(LookFilter),
    /// One of them, with its samples: [`Looked::Call`].
    Call(CallId),
    /// Its ladder: [`Reply::Ladder`](super::Reply::Ladder), or [`Looked::Call`] of nothing.
    Ladder(CallId),
    /// How the switches fare: [`Looked::Switches`].
    Switches,
    /// Representatives and queues of every business, summed: [`Looked::Staff`].
    Staff,
    /// The same, each: [`Looked::Desks`].
    Desks,
}

/// Which live calls.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct LookFilter {
    /// A part of a number, an identifier, a business or its reference.
    pub text: Option<String>,
    /// At most so many.
    pub limit: usize,
}

/// What an operator sees.
#[derive(Clone, Debug, PartialEq)]
pub enum Looked {
    /// Live calls.
    Live(Live),
    /// A live call, or none.
    Call(Option<Box<CallView>>),
    /// Every switch of the configuration.
    Switches(Vec<SwitchView>),
    /// All representatives.
    Staff(Box<StaffSums>),
    /// Of each business that has any, at most as many representatives as one look goes through.
    Desks(Vec<DeskView>),
}

/// Live calls of every business.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Live {
    /// Those that were asked for, the newest first.
    pub calls: Vec<CallView>,
    /// How many there are in each state.
    pub states: Vec<(CallState, usize)>,
    /// And of each business.
    pub businesses: Vec<(BusinessId, usize)>,
    /// Calls that wait for their time.
    pub scheduled: usize,
    /// There are more than one look goes through.
    pub cut: bool,
}
