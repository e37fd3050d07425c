//! The forms of messages, good and bad, field by field. Owns no HTTP: statuses over the wire are `http/tests.rs`'s.

use proptest::prelude::*;

use super::*;

fn judge(text: &str) -> Result<InitiationMessage, Problem> {
    let now = Wall::parse("2026-11-24T14:00:00Z").unwrap();
    RawMessage::parse(text.as_bytes())?.judge("abc".parse().unwrap(), now)
}

fn body(problem: &Problem) -> String {
    format!("{problem:?}")
}

#[test]
fn the_message_of_figure_8_is_read_whole() {
    let message = judge(
        r#"{"business_id":"abc","password":"p","customer":"+1 212 555 0100","representative":["tel:+12125550101;ext=7","192.0.2.7"],
            "desired_contact_time":"2026-11-24T15:30:00+01:00","company_name":"ABC","web_page":{"url":"https://abc.example/shoes","title":"Shoes","viewed":[{"url":"https://abc.example/","title":"ABC"}]},
            "note":"red ones\nplease","reference":"order 7","caller_id":"+12125550199"}"#,
    )
    .unwrap();
    assert_eq!(message.customer.to_string(), "+12125550100");
    assert_eq!(message.representatives.len(), 2);
    assert_eq!(message.desired_contact_time, Wall::parse("2026-11-24T14:30:00Z"));
    let page = message.web_page.unwrap();
    assert_eq!((page.title.as_deref(), page.viewed[0].title.as_deref()), (Some("Shoes"), Some("ABC")));
}

#[test]
fn absent_null_and_empty_times_mean_now() {
    for time in ["", r#","desired_contact_time":null"#, r#","desired_contact_time":"""#] {
        let text = format!(r#"{{"customer":"+12125550100"{time}}}"#);
        assert_eq!(judge(&text).unwrap().desired_contact_time, None, "{text}");
    }
    assert!(judge(r#"{"customer":"+12125550100","desired_contact_time":"2026-11-24T13:59:30Z"}"#).is_ok());
    let late = judge(r#"{"customer":"+12125550100","desired_contact_time":"2026-11-24T13:58:00Z"}"#).unwrap_err();
    assert_eq!(late.status(), StatusCode::UNPROCESSABLE_ENTITY);
}

#[test]
fn every_wrong_field_is_named_at_once_and_malformed_wins_over_impossible() {
    let both = judge(
        r#"{"customer":"+1212555010","representative":["+12125550101",5],"colour":"red","company_name":"a\u0007"}"#,
    );
    let both = both.unwrap_err();
    assert_eq!(both.status(), StatusCode::BAD_REQUEST);
    for pointer in ["\"/customer\"", "\"/representative/1\"", "\"/colour\"", "\"/company_name\""] {
        assert!(body(&both).contains(pointer), "{pointer}");
    }
    let numbers =
        judge(r#"{"customer":"+1212555010","representative":"12","desired_contact_time":"soon"}"#).unwrap_err();
    assert_eq!(numbers.status(), StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(judge("{}").unwrap_err().status(), StatusCode::BAD_REQUEST);
    assert_eq!(
        judge(r#"{"customer":"+12125550100","representative":[]}"#).unwrap_err().status(),
        StatusCode::BAD_REQUEST
    );
    let many = format!(r#"{{"url":"https://x","viewed":[{}]}}"#, [r#"{"url":"https://x"}"#; 11].join(","));
    let wrong = r#"{"url":"https://x","viewed":[{"title":"x"}]}"#;
    for page in [&many, wrong, r#"{"url":"https://x","viewed":"x"}"#] {
        let text = format!(r#"{{"customer":"+12125550100","web_page":{page}}}"#);
        assert_eq!(judge(&text).unwrap_err().status(), StatusCode::BAD_REQUEST, "{text}");
    }
    for page in [r#"{}"#, r#"{"url":"ftp://x"}"#, r#"{"url":"https://x","x":1}"#, r#""https://x""#] {
        let text = format!(r#"{{"customer":"+12125550100","web_page":{page}}}"#);
        assert_eq!(judge(&text).unwrap_err().status(), StatusCode::BAD_REQUEST, "{text}");
    }
}

#[test]
fn header_fields_are_read_and_those_of_the_stack_are_refused() {
    let message = |headers: &str| judge(&format!(r#"{{"customer":"+12125550100","headers":{headers}}}"#));
    let uui = "56a390f3d2b7310023a2;encoding=hex;purpose=foo";
    let good = message(&format!(r#"{{"X-Order":"321","User-to-User":"{uui}"}}"#)).unwrap();
    assert_eq!(good.headers, [("User-to-User".into(), uui.into()), ("X-Order".into(), "321".to_owned())]);
    let many: Vec<String> = (0..17).map(|n| format!(r#""X-{n}":"1""#)).collect();
    let many = format!("{{{}}}", many.join(","));
    for bad in [
        r#"[]"#,
        r#"{"Via":"x"}"#,
        r#"{"X-A":5}"#,
        r#"{"X-A":"a\r\nVia: x"}"#,
        r#"{"X A":"1"}"#,
        r#"{"X-A":"1","x-a":"2"}"#,
        &format!(r#"{{"X-A":"{}"}}"#, "1".repeat(257)),
        &many,
    ] {
        assert_eq!(message(bad).unwrap_err().status(), StatusCode::BAD_REQUEST, "{bad}");
    }
    assert!(message(r#"{},"withhold_caller_id":true"#).unwrap().withhold_caller_id);
    assert!(message(r#"{},"withhold_caller_id":"yes""#).is_err());
}

#[test]
fn the_body_hash_knows_neither_password_nor_order() {
    let hash = |text: &str| RawMessage::parse(text.as_bytes()).unwrap().body_hash();
    let one = hash(r#"{"business_id":"a","password":"p","customer":"+12125550100","note":"x"}"#);
    assert_eq!(one, hash(r#"{"note":"x", "customer":"+12125550100"}"#));
    assert_ne!(one, hash(r#"{"note":"y", "customer":"+12125550100"}"#));
    assert_eq!(one.len(), 64);
}

proptest! {
    #[test]
    fn any_object_of_ours_is_judged_without_panic(
        name in prop_oneof![Just("customer"), Just("representative"), Just("desired_contact_time"), Just("web_page"), Just("note"), Just("x")],
        value in prop_oneof![
            any::<String>().prop_map(serde_json::Value::from),
            any::<i64>().prop_map(serde_json::Value::from),
            proptest::collection::vec("[+0-9a-z:@.]{0,20}", 0..20).prop_map(serde_json::Value::from),
            Just(serde_json::json!({"url": "https://x", "title": 4})),
            Just(serde_json::Value::Null),
        ],
    ) {
        let _ = judge(&serde_json::json!({ "customer": "+12125550100", name: value }).to_string());
    }
}

#[test]
fn a_window_is_two_moments_or_two_times_of_the_day() {
    let window = |window: &str| judge(&format!(r#"{{"customer":"+12125550100","contact_window":{window}}}"#));
    let wish = |text: &str| window(text).unwrap().asked.and_then(|asked| asked.window);
    let moments = wish(r#"{"from":"2026-11-24T17:00:00+01:00","to":"2026-11-24T18:00:00Z"}"#);
    let (from, to) = (Wall::parse("2026-11-24T16:00:00Z").unwrap(), Wall::parse("2026-11-24T18:00:00Z").unwrap());
    assert_eq!(moments, Some(WindowWish::Between(crate::model::ContactWindow { from, to })));
    let daily = wish(r#"{"from":"17:00","to":"19:00","zone":"Europe/Berlin"}"#);
    let zone = Some("Europe/Berlin".parse().unwrap());
    let (from, to) = ("17:00".parse().unwrap(), "19:00".parse().unwrap());
    assert_eq!(daily, Some(WindowWish::Daily { from, to, zone }));
    assert_eq!(wish("null"), None);
    for (text, status, pointer) in [
        (r#"{"from":"17:00"}"#, 400, "/contact_window/to"),
        (r#"{"from":"17:00","to":"19:00","days":2}"#, 400, "/contact_window/days"),
        (r#""17:00-19:00""#, 400, "/contact_window"),
        (r#"{"from":17,"to":"19:00"}"#, 400, "/contact_window/from"),
        (r#"{"from":"17:00","to":"17:00"}"#, 422, "/contact_window/to"),
        (r#"{"from":"17:00","to":"2026-11-24T18:00:00Z"}"#, 422, "/contact_window/to"),
        (r#"{"from":"5 pm","to":"7 pm"}"#, 422, "/contact_window/from"),
        (r#"{"from":"17:00","to":"19:00","zone":"Europe/Nowhere"}"#, 422, "/contact_window/zone"),
        (r#"{"from":"2026-11-24T18:00:00Z","to":"2026-11-24T17:00:00Z"}"#, 422, "/contact_window/to"),
        (r#"{"from":"2026-11-24T12:00:00Z","to":"2026-11-24T14:00:00Z"}"#, 422, "/contact_window/to"),
    ] {
        let problem = window(text).unwrap_err();
        assert_eq!(problem.status().as_u16(), status, "{text}");
        assert!(body(&problem).contains(&format!("{pointer:?}")), "{pointer} in {problem:?}");
    }
}

#[test]
fn an_end_that_has_passed_is_no_end() {
    let end = |text: &str| judge(&format!(r#"{{"customer":"+12125550100","expires_at":{text}}}"#));
    assert_eq!(end(r#""2026-11-24T14:00:01.5Z""#).unwrap().expires_at, Wall::parse("2026-11-24T14:00:01.500Z"));
    assert_eq!(end("null").unwrap().expires_at, None);
    for passed in [r#""2026-11-24T14:00:00Z""#, r#""2026-11-24T13:59:59Z""#, r#""17:00""#] {
        assert_eq!(end(passed).unwrap_err().status(), StatusCode::UNPROCESSABLE_ENTITY, "{passed}");
    }
}

#[test]
fn a_plan_of_tries_is_read_with_its_bounds() {
    let retry = |text: &str| judge(&format!(r#"{{"customer":"+12125550100","retry":{text}}}"#));
    let asked = retry(r#"{"max_tries":3,"busy_seconds":[60,300],"machine_seconds":[]}"#).unwrap().asked.unwrap();
    let wish = asked.retry.unwrap();
    assert_eq!((wish.max_tries, wish.no_answer_seconds), (Some(3), None));
    assert_eq!((wish.busy_seconds, wish.machine_seconds), (Some(vec![60, 300]), Some(Vec::new())));
    for (text, pointer) in [
        (r#"{"max_tries":0}"#, "/retry/max_tries"),
        (r#"{"max_tries":11}"#, "/retry/max_tries"),
        (r#"{"max_tries":"3"}"#, "/retry/max_tries"),
        (r#"{"busy_seconds":60}"#, "/retry/busy_seconds"),
        (r#"{"busy_seconds":[0]}"#, "/retry/busy_seconds"),
        (r#"{"no_answer_seconds":[60.5]}"#, "/retry/no_answer_seconds"),
        (r#"{"machine_seconds":[1,1,1,1,1,1,1,1,1,1]}"#, "/retry/machine_seconds"),
        (r#"{"rejected_seconds":[60]}"#, "/retry/rejected_seconds"),
        ("3", "/retry"),
    ] {
        let problem = retry(text).unwrap_err();
        assert_eq!(problem.status(), StatusCode::BAD_REQUEST, "{text}");
        assert!(body(&problem).contains(&format!("{pointer:?}")), "{pointer} in {problem:?}");
    }
}
