//! Calls whose representative call distribution chooses: who is dialled when, who comes next, what a customer is told, what a restart keeps.

use super::*;
use crate::engine::api::{Refusal, StaffWish};
use crate::model::{
    Endpoint, InitiationMessage, Representative, RepresentativeView, Staffing, StoredCall, StoredSession, WaitView,
    Wish,
};

fn staffing(names: &[&str]) -> Staffing {
    let one = |(n, name): (usize, &&str)| {
        let address = Endpoint::parse(&format!("+1212555019{n}")).unwrap();
        Representative::new(name.parse().unwrap(), address)
    };
    Staffing { representatives: names.iter().enumerate().map(one).collect(), wrap_up_seconds: 5, ..Staffing::default() }
}

/// A business whose calls are distributed so.
fn rig(staffing: &Staffing) -> Rig {
    let mut rig = Rig::new(vec![switch("first", 1)]);
    rig.staffed(staffing);
    rig
}

impl Rig {
    fn staffed(&mut self, staffing: &Staffing) {
        let limits = Limits { duplicates: Duplicates::Allow, ..Limits::default() };
        let account = Business::new("abc".parse().unwrap(), "ABC", PasswordHash(String::new()));
        let business = Business { limits, staffing: staffing.clone(), ..account };
        let directory = Directory { businesses: [(business.id.clone(), Arc::new(business))].into() };
        self.give(Input::Directory(Arc::new(directory)));
    }

    fn word(&mut self, name: &str, wish: Wish, seconds: u64) -> Vec<RepresentativeView> {
        let wish =
            StaffWish::Session { representative: name.parse().unwrap(), wish, lease: Duration::from_secs(seconds) };
        self.staff(wish)
    }

    fn staff(&mut self, wish: StaffWish) -> Vec<RepresentativeView> {
        self.give(Input::Staff { reply: ReplyTo(0), business: "abc".parse().unwrap(), wish });
        match self.replied.pop() {
            Some((_, Reply::Representatives(views))) => views,
            other => panic!("{other:?}"),
        }
    }

    fn states(&mut self) -> Vec<String> {
        self.staff(StaffWish::List).into_iter().map(|view| view.state).collect()
    }

    /// Posts a call to this customer that names nobody.
    fn wants_anybody(&mut self, customer: &str) -> Result<CallId, Refusal> {
        let customer = Endpoint::parse(&format!("+121255501{customer}")).unwrap();
        let message = InitiationMessage::new("abc".parse().unwrap(), customer, Vec::new());
        self.replies += 1;
        self.give(Input::Initiate { reply: ReplyTo(self.replies), message: Box::new(message) });
        let (_, reply) = self.replied.pop().unwrap();
        // What follows at once is looked at when the timers are.
        self.pass(0);
        match reply {
            Reply::Accepted(view, _) => Ok(view.id),
            Reply::Refused(refusal) => Err(refusal),
            other => panic!("{other:?}"),
        }
    }

    /// The next INVITE: whom it calls by the last two digits; answered by 100.
    #[track_caller]
    fn next_dialled(&mut self) -> (String, Hop, String) {
        let (to, invite) = self.next("INVITE");
        self.answer(&to, &invite, 100, "");
        let number = invite.split(['@', ' ']).nth(1).unwrap_or_default();
        (number[number.len() - 2..].to_owned(), to, invite)
    }

    fn place_in_line(&mut self, call: CallId) -> Option<WaitView> {
        self.give(Input::Get { reply: ReplyTo(0), business: "abc".parse().unwrap(), call });
        match self.replied.pop() {
            Some((_, Reply::Call(Some(view)))) => view.wait,
            other => panic!("{other:?}"),
        }
    }

    fn all_log_off(&mut self, names: &[&str]) {
        names.iter().for_each(|name| drop(self.word(name, Wish::LoggedOff, 1)));
    }

    /// The far end hangs up the leg of this INVITE.
    fn hangs_up(&mut self, to: &Hop, invite: &str) {
        self.asks_in_dialog(to, invite, "BYE", "");
    }

    /// The far end sends this request in the dialog of this INVITE.
    fn asks_in_dialog(&mut self, to: &Hop, invite: &str, method: &str, more: &str) {
        let line = |name: &str| invite.lines().find(|line| line.starts_with(name)).unwrap_or_default().to_owned();
        let (from_line, to_line, call) = (line("From:"), line("To:"), line("Call-ID:"));
        let cseq = if method == "BYE" { 8 } else { 7 };
        let text = format!(
            "{method} sip:callbridge@192.0.2.100:5060 SIP/2.0\r\nVia: SIP/2.0/UDP {};branch=z9hG4bK{method}\r\nFrom:{};tag=far\r\nTo:{}\r\n{call}\r\nCSeq: {cseq} {method}\r\nMax-Forwards: 70\r\nContact: <sip:phone@{}>\r\n{more}Content-Length: 0\r\n\r\n",
            to.address,
            to_line.trim_start_matches("To:"),
            from_line.trim_start_matches("From:"),
            to.address,
        );
        self.give(Input::Sip { from: to, bytes: text.as_bytes() });
    }

    /// Anna, who is there alone, talks with a customer and hands them on to 55: Anna's leg, and the INVITE to 55.
    fn hands_on(&mut self) -> [(Hop, String); 2] {
        self.word("anna", Wish::Available, 3_600);
        self.wants_anybody("00").unwrap();
        let (_, to, invite) = self.next_dialled();
        self.accept(&to, &invite);
        let (_, anna, asked) = self.next_dialled();
        self.accept(&anna, &asked);
        assert_eq!(self.states(), ["busy"]);
        self.asks_in_dialog(&anna, &asked, "REFER", "Refer-To: <tel:+12125550155>\r\n");
        let (who, to, invite) = self.next_dialled();
        assert_eq!(who, "55");
        [(anna, asked), (to, invite)]
    }
}

#[test]
fn a_customer_is_dialled_only_when_a_representative_is_there_and_talks_with_them() {
    let mut rig = rig(&staffing(&["anna"]));
    let call = rig.wants_anybody("00").unwrap();
    rig.pass(60_000);
    assert_eq!(rig.count("INVITE"), 0, "nobody is logged on");
    assert_eq!(rig.place_in_line(call), Some(WaitView { position: Some(1), estimated_minutes: None }));
    assert_eq!(rig.word("anna", Wish::Available, 3_600)[0].state, "promised");
    rig.pass(10);
    let (who, to, invite) = rig.next_dialled();
    assert_eq!(who, "00");
    assert_eq!(rig.states(), ["promised"]);
    rig.accept(&to, &invite);
    let (who, to, invite) = rig.next_dialled();
    assert_eq!(who, "90");
    assert_eq!(rig.states(), ["ringing"]);
    rig.accept(&to, &invite);
    assert_eq!(rig.states(), ["busy"]);
    rig.hangs_up(&to, &invite);
    assert_eq!(rig.outcomes(), [Outcome::Completed]);
    assert_eq!(rig.states(), ["wrap_up"]);
    rig.pass(5_000);
    assert_eq!(rig.states(), ["available"]);
    rig.all_log_off(&["anna"]);
    rig.assert_nothing_left();
}

#[test]
fn a_representative_is_promised_once_and_the_next_customer_waits() {
    let mut rig = rig(&staffing(&["anna"]));
    rig.word("anna", Wish::Available, 3_600);
    rig.wants_anybody("00").unwrap();
    let second = rig.wants_anybody("01").unwrap();
    let (who, to, invite) = rig.next_dialled();
    assert_eq!(who, "00");
    rig.pass(2_000);
    assert_eq!(rig.count("INVITE"), 0);
    assert_eq!(rig.place_in_line(second).and_then(|wait| wait.position), Some(1));
    rig.answer(&to, &invite, 486, "");
    rig.pass(100);
    assert_eq!(rig.next_dialled().0, "01", "the first was busy");
}

#[test]
fn a_representative_who_is_busy_is_set_aside_and_the_next_is_dialled_then_the_overflow_number() {
    let overflow = Some(Endpoint::parse("+12125550177").unwrap());
    let mut rig = rig(&Staffing { overflow, ..staffing(&["anna", "bert"]) });
    rig.word("anna", Wish::Available, 3_600);
    rig.word("bert", Wish::Available, 3_600);
    rig.wants_anybody("00").unwrap();
    let (_, to, invite) = rig.next_dialled();
    rig.accept(&to, &invite);
    for expected in ["90", "91"] {
        let (who, to, invite) = rig.next_dialled();
        assert_eq!(who, expected);
        rig.answer(&to, &invite, 486, "");
    }
    assert_eq!(rig.states(), ["set_aside", "set_aside"]);
    let (who, to, invite) = rig.next_dialled();
    assert_eq!(who, "77");
    rig.accept(&to, &invite);
    rig.delete();
    assert_eq!(rig.outcomes(), [Outcome::Completed]);
    rig.all_log_off(&["anna", "bert"]);
    rig.assert_nothing_left();
}

#[test]
fn when_all_are_set_aside_and_there_is_no_overflow_number_the_customer_is_told() {
    let mut rig = rig(&staffing(&["anna"]));
    rig.word("anna", Wish::Available, 3_600);
    rig.wants_anybody("00").unwrap();
    let (_, to, invite) = rig.next_dialled();
    rig.accept(&to, &invite);
    let (_, to, invite) = rig.next_dialled();
    rig.answer(&to, &invite, 486, "");
    rig.pass(30_000);
    assert_eq!(rig.outcomes(), [Outcome::RepresentativeUnavailable]);
    rig.all_log_off(&["anna"]);
    rig.assert_nothing_left();
}

#[test]
fn who_has_handed_the_customer_on_is_free_for_the_next_while_that_call_goes_on() {
    let mut rig = rig(&staffing(&["anna"]));
    let [_, (to, invite)] = rig.hands_on();
    assert_eq!(rig.states(), ["busy"], "the customer may come back to her");
    rig.accept(&to, &invite);
    assert_eq!(rig.states(), ["wrap_up"]);
    assert!(rig.records.is_empty());
    rig.pass(5_000);
    assert_eq!(rig.states(), ["available"]);
    rig.wants_anybody("01").unwrap();
    assert_eq!(rig.next_dialled().0, "01");
    rig.hangs_up(&to, &invite);
    assert_eq!(rig.outcomes(), [Outcome::Completed]);
    assert_eq!(rig.states(), ["promised"], "the end of the first call takes nobody away");
}

#[test]
fn who_hangs_up_before_the_new_party_answers_is_free_at_once() {
    let mut rig = rig(&staffing(&["anna"]));
    let [(anna, asked), (to, invite)] = rig.hands_on();
    rig.hangs_up(&anna, &asked);
    assert_eq!(rig.states(), ["wrap_up"]);
    rig.answer(&to, &invite, 486, "");
    rig.pass(30_000);
    assert_eq!(rig.outcomes(), [Outcome::Completed], "nobody to go back to");
    rig.all_log_off(&["anna"]);
    rig.assert_nothing_left();
}

#[test]
fn a_customer_who_hangs_up_frees_whoever_was_kept() {
    let mut rig = rig(&staffing(&["anna"]));
    rig.word("anna", Wish::Available, 3_600);
    rig.wants_anybody("00").unwrap();
    rig.next_dialled();
    rig.delete();
    rig.pass(1_000);
    assert_eq!(rig.states(), ["available"]);
}

#[test]
fn who_waits_longer_than_the_account_has_it_ends_unavailable_and_never_rang() {
    let mut rig = rig(&Staffing { max_wait_seconds: 300, ..staffing(&["anna"]) });
    rig.wants_anybody("00").unwrap();
    rig.pass(299_000);
    assert!(rig.records.is_empty());
    rig.pass(2_000);
    assert_eq!(rig.outcomes(), [Outcome::RepresentativeUnavailable]);
    assert_eq!(rig.count("INVITE"), 0);
    rig.assert_nothing_left();
}

#[test]
fn an_account_without_representatives_wants_one_named() {
    let mut rig = rig(&Staffing::default());
    assert_eq!(rig.wants_anybody("00"), Err(Refusal::NoRepresentative));
    rig.call();
    assert_eq!(rig.next_dialled().0, CUSTOMER[CUSTOMER.len() - 2..]);
}

#[test]
fn a_session_is_acknowledged_when_it_is_durable_and_not_before() {
    let mut rig = rig(&staffing(&["anna"]));
    rig.store_fails = true;
    let wish = StaffWish::Session {
        representative: "anna".parse().unwrap(),
        wish: Wish::Available,
        lease: Duration::from_secs(60),
    };
    rig.give(Input::Staff { reply: ReplyTo(9), business: "abc".parse().unwrap(), wish });
    assert!(matches!(rig.replied.pop(), Some((ReplyTo(9), Reply::Refused(Refusal::Unavailable { .. })))));
    rig.store_fails = false;
    assert_eq!(rig.states(), ["logged_off"]);
    assert!(rig.word("zoe", Wish::Available, 60).is_empty(), "the account has no zoe");
    assert_eq!(rig.word("anna", Wish::Available, 60)[0].state, "available");
    rig.pass(60_000);
    assert_eq!(rig.states(), ["logged_off"]);
}

#[test]
fn a_restart_knows_who_is_there_and_who_waits_since_when() {
    let mut rig = rig(&staffing(&["anna"]));
    let message = |customer: &str| {
        let need = Some(Box::default());
        let customer = Endpoint::parse(customer).unwrap();
        InitiationMessage { need, ..InitiationMessage::new("abc".parse().unwrap(), customer, Vec::new()) }
    };
    let stored = |n: u8, customer, ago| {
        let created_at = Wall(rig.now.wall.0 - ago);
        let id = CallId::new(created_at, [n; 10]);
        StoredCall { id, created_at, message: message(customer), progress: Default::default() }
    };
    // In the order of identifiers the later one comes first here.
    let open = vec![stored(1, "+12125550101", 5_000), stored(2, "+12125550102", 9_000)];
    let session = |until| StoredSession {
        business: "abc".parse().unwrap(),
        representative: "anna".parse().unwrap(),
        wish: Wish::Available,
        until,
    };
    let now = rig.now;
    rig.engine.restore(now, open, None);
    rig.pass(1_000);
    assert_eq!(rig.count("INVITE"), 0);
    let until = Wall(rig.now.wall.0 + 60_000);
    rig.engine.recall_sessions(rig.now, vec![session(Wall(rig.now.wall.0 - 1))]);
    assert_eq!(rig.states(), ["logged_off"], "that one is over");
    rig.engine.recall_sessions(rig.now, vec![session(until)]);
    rig.pass(100);
    assert_eq!(rig.next_dialled().0, "02");
}
