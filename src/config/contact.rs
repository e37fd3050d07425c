//! `[business.contact]`: how long a business's calls are wanted and how often they are tried. Owns what these keys mean; refuses to judge a
//! call.

use super::reader::{Reader, Section};
use crate::model::contact::{EXPIRES_SECONDS, MAX_TRIES, MAX_WAITS, WAIT_SECONDS};
use crate::model::{Contact, RetryPlan};

pub(super) fn contact(reader: &mut Reader, section: &mut Section<'_>) -> Contact {
    let mend = "write [business.contact] with retry = { max_tries = 3, busy_seconds = [60, 300] }";
    let mut section = section.child(reader, "contact", mend);
    let bounds = i64::from(*EXPIRES_SECONDS.start())..=i64::from(*EXPIRES_SECONDS.end());
    let expires_after_seconds = section.integer(reader, "expires_after_seconds", bounds);
    let mut plan = section.child(reader, "retry", mend);
    let d = RetryPlan::default();
    let max_tries = plan.integer(reader, "max_tries", 1..=i64::from(MAX_TRIES)).unwrap_or(d.max_tries);
    let bounds = i64::from(*WAIT_SECONDS.start())..=i64::from(*WAIT_SECONDS.end());
    let mend = "write at most 9 waits in seconds, such as [60, 300]: after the first try, after the second, …";
    let mut waits = |key| plan.integers(reader, key, MAX_WAITS, bounds.clone(), mend).unwrap_or_default();
    let retry = RetryPlan {
        max_tries,
        busy_seconds: waits("busy_seconds"),
        no_answer_seconds: waits("no_answer_seconds"),
        machine_seconds: waits("machine_seconds"),
    };
    plan.finish(reader);
    section.finish(reader);
    Contact { expires_after_seconds, retry }
}

#[cfg(test)]
mod tests {
    use crate::config::parse;
    use crate::model::RetryPlan;

    const LEAST: &str = "[[switch]]\nname = \"ssp-62\"\naddress = \"sip:127.0.0.1:5070;transport=udp\"\n\
        [[business]]\nid = \"abc\"\nname = \"ABC\"\npassword_file = \"p\"\n";

    #[test]
    fn an_account_has_the_plan_that_the_file_says() {
        let keys = "[business.contact]\nexpires_after_seconds = 900\n\
            retry = { max_tries = 3, busy_seconds = [60, 300], no_answer_seconds = [900] }\n";
        let config = parse(&format!("{LEAST}{keys}"), "callbridge.toml").unwrap();
        let contact = &config.businesses[0].contact;
        let wanted = RetryPlan {
            max_tries: 3,
            busy_seconds: vec![60, 300],
            no_answer_seconds: vec![900],
            machine_seconds: Vec::new(),
        };
        assert_eq!((contact.expires_after_seconds, &contact.retry), (Some(900), &wanted));
        let config = parse(LEAST, "callbridge.toml").unwrap();
        assert_eq!(config.businesses[0].contact, Default::default());
    }

    #[test]
    fn every_wrong_key_of_a_plan_is_told_with_its_line() {
        let keys = "[business.contact]\nexpires_after_seconds = 0\n[business.contact.retry]\nmax_tries = 11\n\
            busy_seconds = [60, 0]\nno_answer_seconds = 60\nmachine_seconds = [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n";
        let errors = parse(&format!("{LEAST}{keys}"), "callbridge.toml").map(|_| ()).unwrap_err().to_string();
        for part in [
            "callbridge.toml:9: business[1].contact.expires_after_seconds",
            "callbridge.toml:11: business[1].contact.retry.max_tries",
            "callbridge.toml:12: business[1].contact.retry.busy_seconds: 0 is out of bounds",
            "callbridge.toml:13: business[1].contact.retry.no_answer_seconds",
            "callbridge.toml:14: business[1].contact.retry.machine_seconds: more than 9",
        ] {
            assert!(errors.contains(part), "{part} in\n{errors}");
        }
    }
}
