//! Calls and legs that wait for a channel: in what order they get it, and that representatives find one.

use super::*;

/// A switch with so many channels that serves these prefixes.
fn bounded(name: &str, last: u8, prefixes: &[&str], channels: u32) -> Switch {
    let prefixes = prefixes.iter().map(|prefix| (*prefix).to_owned()).collect();
    Switch { prefixes, max_channels: Some(channels), ..switch(name, last) }
}

/// The last two digits of whom an INVITE calls.
fn called(invite: &str) -> String {
    let number = invite.split(['@', ' ']).nth(1).unwrap_or_default();
    number[number.len() - 2..].to_owned()
}

impl Rig {
    /// Posts a call to the customer and the representatives whose numbers end so.
    fn call_for(&mut self, customer: &str, representatives: &[&str]) {
        let representatives: Vec<String> = representatives.iter().map(|to| (*to).to_owned()).collect();
        let message = json!({ "business_id": "abc", "customer": format!("+121255501{customer}"), "representatives": representatives });
        let message = serde_json::from_value(message).unwrap();
        self.replies += 1;
        self.give(Input::Initiate { reply: ReplyTo(self.replies), message: Box::new(message) });
    }

    /// Every new INVITE since the last look: whom it calls, where, and itself.
    fn invites(&mut self) -> Vec<(String, Hop, String)> {
        let mut all: Vec<(String, Hop, String)> = Vec::new();
        for (to, text) in std::mem::take(&mut self.sent) {
            if text.starts_with("INVITE") && !all.iter().any(|(_, _, known)| *known == text) {
                all.push((called(&text), to, text));
            }
        }
        all
    }

    fn called(&mut self) -> Vec<String> {
        self.invites().into_iter().map(|(who, ..)| who).collect()
    }

    /// The one INVITE since the last look, answered by 100 so that it is not sent again.
    #[track_caller]
    fn only(&mut self, who: &str) -> (Hop, String) {
        let found = self.invites();
        let [(number, hop, invite)] = &found[..] else { panic!("{who}: {found:#?}") };
        assert_eq!(number, who);
        let (hop, invite) = (hop.clone(), invite.clone());
        self.answer(&hop, &invite, 100, "");
        (hop, invite)
    }

    /// The customer's phone answers.
    fn picks_up(&mut self, (hop, invite): &(Hop, String)) {
        self.accept(hop, invite);
    }

    fn busy(&mut self, (hop, invite): &(Hop, String)) {
        self.answer(hop, invite, 486, "");
    }
}

#[test]
fn calls_that_wait_for_a_channel_get_it_in_the_order_of_their_coming() {
    let mut rig = Rig::new(vec![bounded("only", 1, &["+1212"], 1)]);
    rig.call_for("00", &["+12125550199"]);
    let mut live = rig.only("00");
    for who in ["01", "02", "03"] {
        rig.pass(70);
        rig.call_for(who, &["+12125550199"]);
    }
    assert_eq!(rig.called(), Vec::<String>::new());
    for (next, newcomer) in [("01", "11"), ("02", "12"), ("03", "13")] {
        rig.busy(&live);
        // It comes at the very moment at which the channel is free, and waits behind the others.
        rig.call_for(newcomer, &["+12125550199"]);
        assert_eq!(rig.called(), Vec::<String>::new());
        rig.pass(60);
        live = rig.only(next);
    }
    for next in ["11", "12", "13"] {
        rig.busy(&live);
        rig.pass(60);
        live = rig.only(next);
    }
    rig.busy(&live);
    assert_eq!(rig.outcomes(), [Outcome::CustomerBusy; 7]);
    rig.assert_nothing_left();
}

#[test]
fn a_call_to_another_switch_does_not_wait_behind_those_that_wait() {
    let mut rig = Rig::new(vec![bounded("a", 1, &["+121255501"], 1), bounded("b", 2, &["+1212555018"], 1)]);
    rig.call_for("00", &["+12125550109"]);
    rig.only("00");
    rig.call_for("01", &["+12125550109"]);
    rig.call_for("81", &["+12125550189"]);
    assert_eq!(rig.only("81").0, hop(2));
}

#[test]
fn a_channel_is_left_for_every_representative_of_a_customer_who_is_dialled() {
    let mut rig = Rig::new(vec![bounded("only", 1, &["+1212"], 4)]);
    let representative = ["+12125550190"];
    rig.call_for("00", &representative);
    let first = rig.only("00");
    rig.call_for("01", &representative);
    let second = rig.only("01");
    rig.call_for("02", &representative);
    rig.pass(3_000);
    assert_eq!(rig.called(), Vec::<String>::new(), "two channels are free, and kept");
    rig.picks_up(&first);
    let one = rig.only("90");
    rig.picks_up(&second);
    let other = rig.only("90");
    rig.pass(3_000);
    assert_eq!(rig.called(), Vec::<String>::new(), "all four are in use");
    rig.picks_up(&one);
    rig.picks_up(&other);
    rig.sent.clear();
    rig.delete();
    // Both legs of a talk end: the third customer is dialled, with a channel left.
    for (to, bye) in std::mem::take(&mut rig.sent) {
        rig.answer(&to, &bye, 200, "");
    }
    rig.pass(1_100);
    assert_eq!(rig.called(), ["02"]);
}

#[test]
fn a_customer_who_does_not_answer_gives_back_what_was_kept_for_the_representative() {
    let mut rig = Rig::new(vec![bounded("customers", 1, &["+1212"], 9), bounded("representatives", 2, &["+1646"], 1)]);
    rig.call_for("00", &["+16465550190"]);
    let first = rig.only("00");
    rig.call_for("01", &["+16465550190"]);
    rig.pass(2_000);
    assert_eq!(rig.called(), Vec::<String>::new(), "the one representative's channel is kept for the first");
    rig.call_for("02", &["+12125550190"]);
    let third = rig.only("02");
    rig.busy(&first);
    rig.pass(1_100);
    let second = rig.only("01");
    rig.busy(&second);
    rig.busy(&third);
    assert_eq!(rig.outcomes(), [Outcome::CustomerBusy; 3]);
    rig.assert_nothing_left();
}

#[test]
fn representatives_legs_that_wait_for_a_channel_get_it_in_order_and_before_calls_that_are_not_placed_yet() {
    let mut rig = Rig::new(vec![switch("customers", 1), bounded("representatives", 2, &["+1646"], 1)]);
    // Whoever is first in the hunt is busy, at the customers' switch; the second one is where there is one channel.
    let hunt = |last: &str| ["+12125550199".to_owned(), format!("+164655501{last}")];
    let mut waiting = Vec::new();
    for (customer, last) in [("00", "90"), ("01", "91"), ("02", "92")] {
        let hunt = hunt(last);
        rig.call_for(customer, &[&hunt[0], &hunt[1]]);
        let customer = rig.only(customer);
        rig.picks_up(&customer);
        let busy = rig.only("99");
        rig.busy(&busy);
        waiting.push(rig.invites());
    }
    let [first, second, third] = &waiting[..] else { panic!() };
    assert_eq!((first.len(), second.len(), third.len()), (1, 0, 0), "one channel, one leg");
    rig.call_for("03", &["+16465550193"]);
    let (_, to, invite) = first[0].clone();
    rig.answer(&to, &invite, 486, "");
    rig.pass(60);
    let second = rig.only("91");
    rig.busy(&second);
    rig.pass(60);
    let third = rig.only("92");
    rig.busy(&third);
    rig.pass(1_100);
    assert_eq!(rig.called(), ["03"]);
}

#[test]
fn a_customer_takes_no_channel_of_a_switch_whose_last_one_is_kept_where_another_has_room() {
    let mut rig = Rig::new(vec![
        bounded("both", 1, &["+1212", "+1646"], 1),
        Switch { weight: 0, ..bounded("customers", 2, &["+1212"], 5) },
    ]);
    rig.call_for("00", &["+16465550190"]);
    let customer = rig.only("00");
    assert_eq!(customer.0, hop(2), "the preferred one is the representative's only way");
    rig.picks_up(&customer);
    assert_eq!(rig.only("90").0, hop(1));
}
