//! Who is chosen, in what order, and what keeps a switch out.

use rand::SeedableRng;
use rand::rngs::StdRng;

use super::*;
use crate::model::SwitchAddress;

fn hop(last: u8) -> Hop {
    Hop::udp(SocketAddr::from(([192, 0, 2, last], 5060)))
}

fn switch(name: &str, prefixes: &[&str], weight: u32) -> Switch {
    Switch {
        prefixes: prefixes.iter().map(|p| (*p).to_owned()).collect(),
        weight,
        allow: vec!["*.example.com".into(), "198.51.100.7".into()],
        ..Switch::at(name, hop(name.bytes().next().unwrap_or(1)))
    }
}

fn to(text: &str) -> Endpoint {
    Endpoint::parse(text).unwrap()
}

fn s(seconds: u64) -> Mono {
    Mono(seconds * 1_000_000)
}

fn names(routing: &Routing, now: Mono, seed: u64) -> Vec<String> {
    let mut rng = StdRng::seed_from_u64(seed);
    let found = routing.candidates(now, &to("+12125550100"), &mut rng).unwrap_or_default();
    found.into_iter().map(|candidate| candidate.switch.name.clone()).collect()
}

fn first(routing: &Routing, now: Mono) -> Candidate {
    routing.candidates(now, &to("+12125550100"), &mut StdRng::seed_from_u64(7)).unwrap().remove(0)
}

#[test]
fn the_longest_prefix_wins_and_only_its_switches_are_tried() {
    let routing = Routing::new(vec![switch("any", &[], 1), switch("us", &["+1"], 1), switch("ny", &["+1212"], 1)]);
    let carried = |number: &str| {
        let found = routing.candidates(s(0), &to(number), &mut StdRng::seed_from_u64(1)).unwrap();
        found.iter().map(|candidate| candidate.switch.name.clone()).collect::<Vec<_>>()
    };
    assert_eq!(carried("+12125550100"), ["ny"]);
    assert_eq!(carried("+16465550100"), ["us"]);
    assert_eq!(carried("+442079460000"), ["any"]);
}

#[test]
fn switches_with_one_prefix_share_by_weight_and_weight_nothing_comes_last() {
    let routing = Routing::new(vec![switch("c", &["+1"], 0), switch("a", &["+1"], 1), switch("b", &["+1"], 3)]);
    let orders: Vec<Vec<String>> = (0..2000).map(|seed| names(&routing, s(0), seed)).collect();
    assert!(orders.iter().all(|order| order.len() == 3 && order[2] == "c"));
    let b_first = orders.iter().filter(|order| order[0] == "b").count();
    assert!((1400..1600).contains(&b_first), "{b_first} of 2000");
}

#[test]
fn inside_a_switch_the_lookups_priorities_come_before_its_weights() {
    let named = Switch { address: SwitchAddress::parse("sip:sbc.example.com").unwrap(), ..switch("a", &[], 1) };
    let mut routing = Routing::new(vec![named]);
    assert_eq!(routing.room(s(0), &to("+12125550100")), Err(Blocked::Busy), "not found yet");
    let target = |priority, weight, last| Target { priority, weight, hop: hop(last) };
    routing.locate("a", vec![target(20, 1, 3), target(10, 1, 1), target(10, 9, 2)]);
    let orders: Vec<Vec<Hop>> = (0..200)
        .map(|seed| {
            let found = routing.candidates(s(0), &to("+12125550100"), &mut StdRng::seed_from_u64(seed)).unwrap();
            found.into_iter().map(|candidate| candidate.hop).collect()
        })
        .collect();
    assert!(orders.iter().all(|order| order[2] == hop(3)));
    let heavy = orders.iter().filter(|order| order[0] == hop(2)).count();
    assert!(heavy > 150, "{heavy} of 200");
    let (mut doors, _) = routing.doors().next().unwrap();
    doors.sort_unstable();
    assert_eq!(doors, [1, 2, 3].map(|last| hop(last).address.ip()));
}

#[test]
fn a_drained_switch_takes_no_new_calls_and_a_shorter_prefix_serves() {
    let drained = Switch { drain: true, ..switch("ny", &["+1212"], 1) };
    let routing = Routing::new(vec![switch("us", &["+1"], 1), drained.clone()]);
    assert_eq!(names(&routing, s(0), 1), ["us"]);
    let alone = Routing::new(vec![drained]);
    assert!(alone.covers(&to("+12125550100")), "the destination is served, only not now");
    assert_eq!(alone.room(s(0), &to("+12125550100")), Err(Blocked::Busy));
    assert_eq!(alone.room(s(0), &to("+442079460000")), Err(Blocked::Unserved));
}

#[test]
fn a_full_switch_waits_for_a_channel_that_returns_by_itself() {
    let mut routing = Routing::new(vec![Switch { max_channels: Some(1), ..switch("a", &[], 1) }]);
    let candidate = first(&routing, s(0));
    let channel = routing.take(s(0), &candidate).unwrap();
    assert!(routing.take(s(0), &candidate).is_none());
    assert_eq!(routing.room(s(0), &to("+12125550100")), Err(Blocked::Busy));
    drop(channel);
    assert_eq!(routing.room(s(0), &to("+12125550100")), Ok(()));
    assert_eq!(routing.channels_out(), 0);
}

#[test]
fn calls_a_second_are_bounded_with_a_burst_of_a_second() {
    let mut routing = Routing::new(vec![Switch { max_calls_per_second: Some(2), ..switch("a", &[], 1) }]);
    let candidate = first(&routing, s(0));
    let mut taken = |at: u64| routing.take(Mono(at), &candidate).is_some();
    assert!(taken(0) && taken(0) && !taken(0));
    assert!(taken(500_000) && !taken(500_000));
}

#[test]
fn a_broken_place_is_left_out_tried_once_and_comes_back() {
    let mut routing = Routing::new(vec![switch("a", &["+1"], 1), switch("b", &["+1"], 1)]);
    for _ in 0..health::FAILURES {
        routing.failed(s(0), "a", &hop(b'a'), Failure::Silent, None);
    }
    assert_eq!(routing.news(), [("a".to_owned(), false), ("b".to_owned(), true)]);
    assert!((0..50).all(|seed| names(&routing, s(1), seed) == ["b"]));
    assert!(
        (0..50).all(|seed| names(&routing, s(10), seed) == ["a", "b"]),
        "the trial goes first, a sound one behind it"
    );
    let trial = first(&routing, s(10));
    let _channel = routing.take(s(10), &trial).unwrap();
    assert_eq!(names(&routing, s(10), 1), ["b"], "one trial at a time");
    routing.succeeded("a", &hop(b'a'));
    assert_eq!(names(&routing, s(10), 1).len(), 2);
    assert_eq!(routing.news(), [("a".to_owned(), true)]);
}

#[test]
fn where_all_are_broken_they_are_tried_all_the_same() {
    let mut routing = Routing::new(vec![switch("a", &[], 1)]);
    for _ in 0..health::FAILURES {
        routing.failed(s(0), "a", &hop(b'a'), Failure::Unreachable, None);
    }
    assert_eq!(names(&routing, s(1), 1), ["a"]);
}

#[test]
fn a_switch_that_asked_for_rest_is_left_alone_even_when_it_is_the_only_one() {
    let mut routing = Routing::new(vec![switch("a", &[], 1)]);
    routing.failed(s(0), "a", &hop(b'a'), Failure::OutOfService, Some(Duration::from_secs(5)));
    assert_eq!(routing.room(s(4), &to("+12125550100")), Err(Blocked::Busy));
    assert_eq!(routing.room(s(5), &to("+12125550100")), Ok(()));
}

#[test]
fn a_reload_keeps_channels_and_what_was_learnt_of_switches_whose_name_stays() {
    let mut routing = Routing::new(vec![switch("a", &["+1"], 1), switch("b", &["+1"], 1)]);
    let candidate = first(&routing, s(0));
    let _channel = routing.take(s(0), &candidate).unwrap();
    for _ in 0..health::FAILURES {
        routing.failed(s(0), "a", &hop(b'a'), Failure::Silent, None);
    }
    routing.reconfigure(vec![switch("b", &["+1"], 9), switch("a", &["+1"], 9), switch("d", &["+44"], 1)]);
    assert_eq!(routing.channels_out(), 1);
    assert_eq!(names(&routing, s(1), 1), ["b"]);
    let views = routing.views(s(1));
    assert_eq!(
        views.iter().map(|view| (view.name.as_str(), view.up)).collect::<Vec<_>>(),
        [("b", true), ("a", false), ("d", true)]
    );
}

#[test]
fn probes_go_out_in_their_time_and_their_silence_counts() {
    let mut routing = Routing::new(vec![Switch { options: Some(Duration::from_secs(30)), ..switch("a", &[], 1) }]);
    // While it works, a bad answer is followed by another question soon.
    for at in [0, 5, 10] {
        assert_eq!(routing.next_probe(), Some(s(at)));
        assert_eq!(routing.due_probes(s(at)).len(), 1);
        assert!(routing.due_probes(s(at)).is_empty());
        routing.probed(s(at), "a", &hop(b'a'), s(at), false);
    }
    assert!(!routing.views(s(10))[0].up);
    assert_eq!(routing.next_probe(), Some(s(40)), "who is down is asked in the ordinary time");
    routing.due_probes(s(40));
    routing.probed(s(40), "a", &hop(b'a'), s(40), true);
    assert!(routing.views(s(40))[0].up);
    assert_eq!(routing.next_probe(), Some(s(70)), "and so is who is well");
}

#[test]
fn a_place_that_falls_silent_is_known_to_be_down_fifteen_seconds_after_the_question() {
    let mut routing = Routing::new(vec![Switch { options: Some(Duration::from_secs(30)), ..switch("a", &[], 1) }]);
    routing.due_probes(s(0));
    routing.probed(s(0), "a", &hop(b'a'), s(0), true);
    for at in [30, 35, 40] {
        assert_eq!(routing.next_probe(), Some(s(at)));
        assert_eq!(routing.due_probes(s(at)).len(), 1);
        assert!(routing.views(s(at))[0].up, "{at}");
    }
    routing.due_probes(s(45));
    assert!(!routing.views(s(45))[0].up);
    // The answer to an earlier question still shows it alive.
    routing.probed(s(46), "a", &hop(b'a'), s(40), true);
    assert!(routing.views(s(46))[0].up);
}

#[test]
fn an_address_is_dialled_only_where_it_is_allowed() {
    let routing = Routing::new(vec![Switch { prefixes: vec!["+1".into()], ..switch("a", &[], 1) }]);
    let own = format!("sip:x@{}", hop(b'a').address.ip());
    for good in ["sip:rep@pbx.example.com", "198.51.100.7", &own] {
        assert!(routing.covers(&to(good)), "{good}");
    }
    for bad in ["sip:rep@example.org", "sip:rep@notexample.com", "203.0.113.1", "+442079460000"] {
        assert!(!routing.covers(&to(bad)), "{bad}");
    }
}
