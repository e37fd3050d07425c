//! The hall's stories: a store that is a list, and what is decided by it.

use super::*;

/// A small business at its clock.
struct Day {
    hall: Hall,
    now: Now,
    staff: Vec<Person>,
    requests: Vec<Asked>,
    told: Vec<Decision>,
}

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

impl Day {
    fn with(rules: Staffing, former: &[Former]) -> Day {
        let now = Now { mono: Mono(0), wall: Wall(1_796_126_400_000) };
        Day { hall: Hall::new(rules, former), now, staff: Vec::new(), requests: Vec::new(), told: Vec::new() }
    }

    fn begin(staff: &[(&str, &[&str])]) -> Day {
        let mut day = Day::with(Staffing::default(), &[]);
        day.hire(staff);
        day
    }

    fn hire(&mut self, staff: &[(&str, &[&str])]) {
        let (since, lease_until) = (self.now.wall, self.now.wall + seconds(80_000));
        let person = |(id, skills): &(&str, &[&str])| Person {
            id: (*id).to_owned(),
            address: "+16465550101".to_owned(),
            skills: skills.iter().map(|&skill| skill.to_owned()).collect(),
            mode: Mode::Available,
            since,
            aside: false,
            lease_until,
        };
        self.staff = staff.iter().map(person).collect();
        self.look();
    }

    fn pass(&mut self, time: Duration) {
        let until = self.now.mono + time;
        while self.now.mono < until {
            let step = seconds(1).min(until.since(self.now.mono));
            self.now = Now { mono: self.now.mono + step, wall: self.now.wall + step };
            self.look();
        }
    }

    /// What is decided is stored, as the floor does.
    fn look(&mut self) {
        for decision in self.hall.look(self.now, &self.staff, &self.requests) {
            match &decision {
                Decision::Call { request, representative } => {
                    let one = self.request(request);
                    (one.stage, one.representative) = (Stage::Placing, Some(representative.clone()));
                }
                Decision::Overflow { request, .. } => self.request(request).stage = Stage::Placing,
                Decision::GiveUp { request } => {
                    let request = request.clone();
                    self.requests.retain(|one| one.id != request);
                }
            }
            self.told.push(decision);
        }
    }

    fn request(&mut self, id: &str) -> &mut Asked {
        self.requests.iter_mut().find(|one| one.id == id).unwrap()
    }

    fn ask(&mut self, id: &str, wanted: Option<&str>) {
        self.requests.push(Asked {
            id: id.to_owned(),
            wanted: wanted.map(str::to_owned),
            due_at: self.now.wall,
            stage: Stage::Waiting,
            state: CallState::Queued,
            representative: None,
        });
        self.look();
    }

    fn goes(&mut self, id: &str, state: CallState) {
        let one = self.request(id);
        (one.stage, one.state) = (Stage::Placed, state);
        self.look();
    }

    fn ends(&mut self, id: &str) {
        self.requests.retain(|one| one.id != id);
        self.look();
    }

    fn pairs(&mut self) -> Vec<String> {
        let pair = |decision| match decision {
            Decision::Call { request, representative } => format!("{request} to {representative}"),
            Decision::Overflow { request, address } => format!("{request} to {address}"),
            Decision::GiveUp { request } => format!("{request} to nobody"),
        };
        std::mem::take(&mut self.told).into_iter().map(pair).collect()
    }

    fn place(&self, id: &str) -> Option<u32> {
        self.hall.wait(id).and_then(|wait| wait.position)
    }
}

#[test]
fn the_first_who_came_gets_who_is_idle_longest_and_who_waits_has_a_place() {
    let mut day = Day::begin(&[("rita", &[]), ("sam", &[])]);
    for id in ["1", "2", "3", "4"] {
        day.ask(id, None);
    }
    assert_eq!(day.pairs(), ["1 to rita", "2 to sam"]);
    assert_eq!((day.place("1"), day.place("3"), day.place("4")), (None, Some(1), Some(2)));
    day.ends("3");
    assert_eq!(day.place("4"), Some(1));
    day.ends("2");
    assert_eq!(day.pairs(), ["4 to sam"]);
}

#[test]
fn an_expert_is_waited_for_while_there_is_one_and_holds_up_nobody() {
    let mut day = Day::begin(&[("rita", &["cruise=9"]), ("sam", &[])]);
    day.ask("1", Some("cruise"));
    day.ask("2", Some("cruise"));
    day.ask("3", None);
    assert_eq!(day.pairs(), ["1 to rita", "3 to sam"]);
    day.ask("4", Some("sam"));
    assert_eq!((day.pairs(), day.place("4")), (vec![], Some(1)));
    day.ends("4");
    // The expert goes home: anybody is better than nobody, in the order of coming.
    day.staff[0].mode = Mode::Off;
    day.ends("3");
    assert_eq!(day.pairs(), ["2 to sam"]);
}

#[test]
fn who_did_not_answer_is_set_aside_and_comes_back() {
    let mut day = Day::begin(&[("rita", &[])]);
    day.ask("1", None);
    day.goes("1", CallState::CallingRepresentative);
    day.hall.missed(day.now, "1");
    day.staff[0].aside = true;
    day.ends("1");
    day.ask("2", None);
    day.pass(seconds(300));
    assert_eq!(day.pairs(), ["1 to rita"], "set aside for as long as the store says");
    day.staff[0].aside = false;
    day.look();
    assert_eq!(day.pairs(), ["2 to rita"]);
}

#[test]
fn after_a_talk_comes_the_wrap_up_until_the_form_is_there() {
    let mut day = Day::begin(&[("rita", &[])]);
    day.ask("1", None);
    day.goes("1", CallState::Bridged);
    (day.staff[0].mode, day.staff[0].since) = (Mode::WrapUp, day.now.wall);
    day.ends("1");
    day.ask("2", None);
    day.pass(seconds(600));
    assert_eq!(day.pairs(), ["1 to rita"]);
    day.staff[0].mode = Mode::Available;
    day.look();
    assert_eq!(day.pairs(), ["2 to rita"]);
    day.goes("2", CallState::Bridged);
    // A form that was sent during the call owes nothing: available at once.
    day.ends("2");
    day.ask("3", None);
    assert_eq!(day.pairs(), ["3 to rita"]);
}

#[test]
fn a_customer_is_called_when_a_representative_will_be_free_in_the_near_future() {
    let former = vec![Former { ring: seconds(8), talk: seconds(60) }; 40];
    let rules = Staffing { wrap_up_seconds: 5, ..Staffing::default() };
    let mut day = Day::with(rules, &former);
    let names: Vec<String> = (0..12).map(|n| format!("r{n}")).collect();
    let staff: Vec<(&str, &[&str])> = names.iter().map(|name| (name.as_str(), &[] as &[&str])).collect();
    day.hire(&staff);
    (0..12).for_each(|n| day.ask(&format!("talk{n}"), None));
    day.pass(seconds(8));
    (0..12).for_each(|n| day.goes(&format!("talk{n}"), CallState::Bridged));
    assert_eq!(day.pairs().len(), 12);
    day.ask("next", None);
    day.pass(seconds(20));
    assert_eq!(day.pairs(), Vec::<String>::new(), "all are in the middle of it");
    assert!(day.hall.wait("next").is_some_and(|wait| wait.estimate.is_some()), "told from former talks");
    day.pass(seconds(42));
    let called = day.pairs();
    assert_eq!(called.len(), 1, "called before anybody is free: {called:?}");
    let who = called[0].rsplit(' ').next().unwrap().to_owned();
    let at = day.staff.iter().position(|one| one.id == who).unwrap();
    let talk = day.requests.iter().find(|one| one.representative.as_deref() == Some(&who)).unwrap().id.clone();
    (day.staff[at].mode, day.staff[at].since) = (Mode::WrapUp, day.now.wall);
    day.ends(&talk);
    day.staff[at].mode = Mode::Available;
    day.goes("next", CallState::CallingRepresentative);
    day.goes("next", CallState::Bridged);
    let name: RepresentativeId = who.parse().unwrap();
    assert_eq!(day.hall.acd.state_of(&name).map(State::as_str), Some("busy"));
}

#[test]
fn after_a_restart_who_served_serves_and_nobody_is_promised_twice() {
    let mut day = Day::begin(&[("rita", &[]), ("sam", &[])]);
    for id in ["1", "2", "3"] {
        day.ask(id, None);
    }
    day.goes("1", CallState::Bridged);
    assert_eq!(day.pairs(), ["1 to rita", "2 to sam"]);
    // Rita's browser is lost besides.
    day.staff[0].mode = Mode::Off;
    day.hall = Hall::new(Staffing::default(), &[]);
    day.look();
    assert_eq!((day.pairs(), day.place("3")), (vec![], Some(1)));
    day.staff[0].mode = Mode::Available;
    day.pass(seconds(5));
    assert_eq!(day.pairs(), Vec::<String>::new(), "back, and still in her talk");
    day.ends("2");
    assert_eq!(day.pairs(), ["3 to sam"]);
}

#[test]
fn a_decision_that_was_not_stored_is_taken_again() {
    let mut day = Day::begin(&[("rita", &[])]);
    day.ask("1", None);
    day.request("1").stage = Stage::Waiting;
    day.request("1").representative = None;
    day.look();
    assert_eq!(day.pairs(), ["1 to rita", "1 to rita"]);
}

#[test]
fn the_overflow_number_is_for_whom_nobody_is_there_and_for_who_has_waited_too_long() {
    let overflow = Some(Endpoint::parse("+12125550109").unwrap());
    let mut day = Day::with(Staffing { overflow, max_wait_seconds: 60, ..Staffing::default() }, &[]);
    day.hire(&[("rita", &[])]);
    day.staff[0].mode = Mode::Break;
    day.ask("1", None);
    assert_eq!(day.pairs(), ["1 to +12125550109"]);
    day.staff[0].mode = Mode::Available;
    day.ask("2", None);
    day.goes("2", CallState::Bridged);
    day.ask("3", None);
    day.pass(seconds(61));
    assert_eq!(day.pairs(), ["2 to rita", "3 to +12125550109"]);
    let mut day = Day::with(Staffing { max_wait_seconds: 60, ..Staffing::default() }, &[]);
    day.hire(&[("rita", &[])]);
    day.staff[0].mode = Mode::Break;
    day.ask("4", None);
    day.pass(seconds(61));
    assert_eq!(day.pairs(), ["4 to nobody"]);
}

#[test]
fn a_skill_is_a_word_with_or_without_a_level() {
    let read = |text| skill(text).map(|(skill, level)| (skill.to_string(), level.get()));
    assert_eq!(read("cruise=9"), Some(("cruise".to_owned(), 9)));
    assert_eq!(read("cruise"), Some(("cruise".to_owned(), 5)));
    for bad in ["", "sea travel", "cruise=", "cruise=11"] {
        assert_eq!(read(bad), None, "{bad}");
    }
}
