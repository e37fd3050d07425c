//! The end by 410, dead letters and sending them again, test events, secrets that rotate: by HTTP and on the command line.

use super::receiver::Manner;
use super::{PATIENCE, RETRIES, SECRET, Stage, assert_whole, eventually, until_told};

#[test]
fn a_410_ends_it_and_what_was_not_taken_is_sent_again_when_it_is_wanted_again() {
    let (mut stage, receiver) = Stage::receiving();
    receiver.always(Manner::status(410));
    let id = stage.short_call();
    eventually("all to be given up", PATIENCE, || (stage.deliveries("?state=dead").len() == 3).then_some(()));
    let first = &stage.deliveries("?state=dead")[2];
    assert_eq!((&first["sequence"], &first["status"], &first["attempts"]), (&1.into(), &410.into(), &1.into()));
    assert_eq!(receiver.got().len(), 1, "nothing more was sent");
    let shown = stage.command(&["business", "show", "abc"], "");
    assert!(shown.contains("\"state\": \"gone\"") && !shown.contains("whsec_"), "{shown}");
    assert_eq!(stage.daemon.metric("callbridge_webhook_deliveries_total", "result=\"gone\""), 1.0);
    // Durable, and a call costs nothing any more.
    stage.daemon.kill();
    stage.daemon.restart();
    stage.short_call();
    eventually("its record", PATIENCE, || (stage.daemon.records().len() == 2).then_some(()));
    assert_eq!((stage.deliveries("").len(), receiver.got().len()), (3, 1));
    assert_eq!(stage.daemon.api("POST", "/v1/webhooks/test", None).status, 409);

    receiver.always(Manner::status(200));
    let url = format!("http://{}/", receiver.address);
    stage.command(&["business", "change", "abc", "--webhook-url", &url], "");
    let dead = stage.command(&["webhooks", "dead"], "");
    assert_eq!(dead.lines().count(), 3, "{dead}");
    assert_eq!(stage.command(&["webhooks", "replay", "--business", "abc"], ""), "3 events are sent again\n");
    assert_whole(&until_told(&receiver, &id, RETRIES), &["queued", "calling_customer", "ended"]);
    assert_eq!(stage.command(&["webhooks", "dead", "--business", "abc"], ""), "");
    let listed = stage.command(&["webhooks", "list", "--state", "delivered", "--business", "abc"], "");
    assert_eq!(listed.lines().count(), 3, "{listed}");
}

#[test]
fn a_business_sends_one_event_again_by_its_name() {
    let (stage, receiver) = Stage::receiving();
    let id = stage.short_call();
    let told = until_told(&receiver, &id, PATIENCE);
    let end = told.last().expect("an end").id.clone();
    eventually("it to be settled", PATIENCE, || (stage.deliveries("?state=delivered").len() == 3).then_some(()));
    let answer = stage.daemon.api("POST", &format!("/v1/webhooks/deliveries/{end}/replay"), None);
    assert_eq!((answer.status, answer.json()["id"].as_str()), (202, Some(end.as_str())));
    let again =
        eventually("it again", PATIENCE, || receiver.took().into_iter().filter(|delivery| delivery.id == end).nth(1));
    assert_eq!(again.body, told.last().expect("an end").body);
    again.assert_signed(&[SECRET]);
    let none = format!("/v1/webhooks/deliveries/msg_{:032x}_1/replay", 7);
    assert_eq!(stage.daemon.api("POST", &none, None).status, 404);
}

#[test]
fn a_test_event_is_sent_as_any_other() {
    let (stage, receiver) = Stage::receiving();
    let answer = stage.daemon.api("POST", "/v1/webhooks/test", None);
    assert_eq!(answer.status, 202, "{}", answer.body);
    let event = eventually("the test", PATIENCE, || receiver.took().first().cloned());
    assert_eq!(
        (event.json()["type"].as_str(), answer.json()["id"].as_str()),
        (Some("webhook.test"), Some(event.id.as_str()))
    );
    assert_eq!(event.json()["data"]["business_id"], "abc");
    event.assert_signed(&[SECRET]);
    let listed = eventually("its row", PATIENCE, || stage.deliveries("?state=delivered").first().cloned());
    assert_eq!((&listed["type"], &listed["call_id"]), (&"webhook.test".into(), &serde_json::Value::Null));
}

#[test]
fn two_secrets_sign_while_they_rotate() {
    let (stage, receiver) = Stage::receiving();
    let out = stage.command(&["business", "change", "abc", "--webhook-new-secret"], "");
    let new = out.lines().find_map(|line| line.strip_prefix("webhook secret (shown once): ")).expect("a secret");
    eventually("the new secret to sign", PATIENCE, || {
        stage.daemon.api("POST", "/v1/webhooks/test", None);
        std::thread::sleep(std::time::Duration::from_millis(100));
        receiver.took().last().filter(|delivery| delivery.signature.contains(' ')).cloned()
    })
    .assert_signed(&[new, SECRET]);
    // At once, without a time for both.
    let words = ["business", "change", "abc", "--webhook-secret-stdin", "--webhook-rotation-hours", "0"];
    stage.command(&words, &format!("{SECRET}\n"));
    let before = receiver.took().len();
    eventually("the former one to sign no more", PATIENCE, || {
        stage.daemon.api("POST", "/v1/webhooks/test", None);
        std::thread::sleep(std::time::Duration::from_millis(100));
        receiver.took().into_iter().skip(before).rfind(|delivery| !delivery.signature.contains(' '))
    })
    .assert_signed(&[SECRET]);
    assert!(!stage.daemon.log().contains(new), "no secret in the log");
}
