//! Direct call requests in the engine: whom they mean, what they are counted by, and what a customer who waits is told.

use super::*;
use crate::access::direct::number_mark;
use crate::engine::api::{Refusal, TooMany};
use crate::model::direct::{Centre, Mark, RequestMarks};
use crate::model::{Direct, DirectRequest, Endpoint, InitiationMessage, WaitView};

/// An account that is open.
fn account() -> Direct {
    let centres = vec![
        Centre::parse("sales", "+12125550101").unwrap(),
        Centre::parse("cruise", "+12125550102,+12125550103#sea").unwrap(),
    ];
    let allowed_origins = vec!["https://shop.example".parse().unwrap()];
    Direct { allowed_origins, centres, ..Direct::default() }
}

fn rig(switches: Vec<Switch>, account: &Direct) -> Rig {
    let mut rig = Rig::new(switches);
    let business = |id: &str| Business {
        direct: account.clone(),
        ..Business::new(id.parse().unwrap(), "ABC", PasswordHash(String::new()))
    };
    let businesses = [business("abc"), business("xyz")].map(|business| (business.id.clone(), Arc::new(business)));
    rig.give(Input::Directory(Arc::new(Directory { businesses: businesses.into() })));
    rig
}

fn marks(customer: &Endpoint) -> RequestMarks {
    let number = number_mark(customer);
    RequestMarks { number, source: Mark(number.0 + 1), business: Mark(9), page_token: None, work: None }
}

impl Rig {
    /// A browser asks; gives the call, or why there is none.
    fn ask(
        &mut self,
        business: &str,
        customer: &str,
        named: Option<&str>,
        at: Option<Wall>,
    ) -> Result<CallId, Refusal> {
        let customer = Endpoint::parse(customer).unwrap();
        let representative_information = named.map(str::to_owned);
        let direct = DirectRequest { representative_information, marks: marks(&customer) };
        let message = InitiationMessage {
            direct: Some(Box::new(direct)),
            desired_contact_time: at,
            ..InitiationMessage::new(business.parse().unwrap(), customer, Vec::new())
        };
        self.replies += 1;
        self.give(Input::Initiate { reply: ReplyTo(self.replies), message: Box::new(message) });
        match self.replied.pop() {
            Some((_, Reply::Accepted(view, _))) => Ok(view.id),
            Some((_, Reply::Refused(refusal))) => Err(refusal),
            other => panic!("{other:?}"),
        }
    }

    fn wait_of(&mut self, business: &str, call: CallId) -> Option<WaitView> {
        self.give(Input::Get { reply: ReplyTo(0), business: business.parse().unwrap(), call });
        match self.replied.pop() {
            Some((_, Reply::Call(Some(view)))) => view.wait,
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn whom_a_page_names_is_dialled_and_nobody_else_can_be_named() {
    let mut rig = rig(vec![switch("first", 1)], &account());
    assert_eq!(rig.ask("abc", CUSTOMER, Some("+19005550100"), None), Err(Refusal::UnknownRepresentative));
    assert!(rig.ask("abc", CUSTOMER, Some("sea"), None).is_ok());
    let (to, invite) = rig.next("INVITE");
    rig.accept(&to, &invite);
    assert!(rig.next("INVITE").1.starts_with("INVITE sip:+12125550102@"));
}

#[test]
fn an_account_that_was_closed_meanwhile_takes_nothing() {
    let mut rig = rig(vec![switch("first", 1)], &Direct::default());
    assert_eq!(rig.ask("abc", CUSTOMER, None, None), Err(Refusal::NotOpen));
    assert_eq!(rig.ask("nobody", CUSTOMER, None, None), Err(Refusal::NotOpen));
    assert_eq!(rig.engine.census(), Census::default());
}

#[test]
fn a_number_is_called_once_at_a_time_also_when_a_waiting_call_has_become_due() {
    let mut rig = rig(vec![switch("first", 1)], &account());
    let later = rig.now.wall + Duration::from_secs(60);
    assert!(rig.ask("abc", CUSTOMER, None, Some(later)).is_ok());
    assert_eq!(rig.ask("abc", CUSTOMER, None, Some(later)), Err(Refusal::Duplicate));
    rig.pass(61_000);
    assert_eq!(rig.ask("abc", CUSTOMER, None, None), Err(Refusal::Duplicate), "it rings now");
    assert!(rig.ask("xyz", CUSTOMER, None, None).is_ok(), "another business");
    let (to, invite) = rig.next("INVITE");
    rig.answer(&to, &invite, 486, "");
    assert!(rig.ask("abc", CUSTOMER, None, None).is_ok(), "it is over");
    // A call of the business itself holds the number as well, and is held up by none.
    let again = rig.ask("abc", CUSTOMER, None, None);
    assert_eq!(again, Err(Refusal::Duplicate));
    rig.call();
    assert_eq!(rig.replied.len(), 1, "{:?}", rig.replied);
}

#[test]
fn what_was_counted_before_a_restart_counts_and_the_refusal_is_noticed() {
    let mut rig = rig(vec![switch("first", 1)], &Direct { max_per_number: 1, ..account() });
    let before = rig.now.wall;
    let counted = [(before, marks(&Endpoint::parse(CUSTOMER).unwrap()))];
    rig.engine.recall_requests(rig.now, &counted);
    let refusal = Refusal::TooMany(TooMany::Number { retry_after: 3601 });
    assert_eq!(rig.ask("abc", CUSTOMER, None, None), Err(refusal.clone()));
    assert!(rig.notices.contains(&Notice::Refused(refusal)));
    rig.pass(3_600_000);
    assert!(rig.ask("abc", CUSTOMER, None, None).is_ok());
}

#[test]
fn who_waits_for_a_channel_is_told_its_place_among_its_own_businesss_calls() {
    let one = Switch { max_channels: Some(1), ..switch("only", 1) };
    let mut rig = rig(vec![one], &account());
    let first = rig.ask("abc", "+12125550110", None, None).unwrap();
    let second = rig.ask("xyz", "+12125550111", None, None).unwrap();
    let third = rig.ask("abc", "+12125550112", None, None).unwrap();
    let fourth = rig.ask("abc", "+12125550113", None, None).unwrap();
    let place = |n| Some(WaitView { position: Some(n), estimated_minutes: None });
    assert_eq!(rig.wait_of("abc", first), None, "it rings");
    assert_eq!(rig.wait_of("xyz", second), place(1));
    assert_eq!((rig.wait_of("abc", third), rig.wait_of("abc", fourth)), (place(1), place(2)));
}
