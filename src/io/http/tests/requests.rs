//! `/v1/call-requests` over a scripted engine: what a stranger is told of each refusal, and what of a call.

use super::*;
use crate::engine::api::TooMany;
use crate::model::{LegState, WaitView};

const HEADERS: &str = "Content-Type: application/json\r\nOrigin: https://shop.example\r\n";
const REQUEST: &str = r#"{"business_id":"abc","customer":"+12125550100","web_page":{"url":"https://shop.example/a",
    "viewed":[{"url":"https://shop.example/","title":"Home"}]},"representative_information":"cruise"}"#;

async fn asked(reply: Reply) -> (World, Answer) {
    let world = world([reply]).await;
    let answer = world.send("POST", "/v1/call-requests", HEADERS, REQUEST).await;
    (world, answer)
}

#[tokio::test]
async fn a_refusal_tells_a_stranger_what_it_can_mend_and_nothing_of_the_businesss_affairs() {
    let barred = |pointer: &str| Refusal::DestinationBarred { pointer: pointer.to_owned() };
    for (refusal, status, kind) in [
        (Refusal::NotOpen, 403, "barred"),
        (Refusal::Disabled, 403, "barred"),
        (Refusal::UnknownBusiness, 403, "barred"),
        (barred("/customer"), 403, "barred"),
        (barred("/representative/1"), 503, "unavailable"),
        (Refusal::NoRepresentative, 503, "unavailable"),
        (Refusal::UnknownRepresentative, 422, "unprocessable"),
        (Refusal::Duplicate, 409, "conflict"),
        (TooMany::Number { retry_after: 7 }.into(), 429, "too-many"),
        (TooMany::Source { retry_after: 7 }.into(), 429, "too-many"),
        (TooMany::Business { retry_after: 7 }.into(), 429, "too-many"),
        (TooMany::PageTokenUsed.into(), 403, "page-token"),
        (TooMany::WorkUsed.into(), 403, "work"),
        (TooMany::Full { retry_after: 7 }.into(), 503, "unavailable"),
    ] {
        let (_, answer) = asked(Reply::Refused(refusal.clone())).await;
        let problem = answer.is_problem(status).json();
        assert_eq!(problem["type"], format!("urn:callbridge:problem:{kind}"), "{refusal:?}");
        assert!(!answer.body.contains("representative/1") && !answer.body.contains("disabled"), "{}", answer.body);
        assert_eq!(
            answer.head.to_lowercase().contains("retry-after: 7"),
            answer.body.contains("too many") || status == 429
        );
        assert!(answer.has("access-control-allow-origin: https://shop.example"), "a page may read it");
    }
}

#[tokio::test]
async fn what_is_told_of_a_call_has_neither_numbers_nor_prices() {
    let mut view = call(1);
    view.state = CallState::CallingRepresentative;
    let leg = LegView { state: LegState::Ringing, ..LegView::idle(Endpoint::parse("+12125550101").unwrap()) };
    view.attempts = vec![view.customer.clone(), leg.clone()];
    view.representative = Some(leg);
    view.reference = Some("order 7".to_owned());
    view.wait = Some(WaitView { position: None, estimated_minutes: Some(2) });
    let (world, answer) = asked(Reply::Accepted(Box::new(view), Default::default())).await;
    assert_eq!(answer.status, 202, "{}", answer.body);
    let told = answer.json();
    let mut names: Vec<&str> = told.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    let wanted = [
        "bridged_at",
        "business_id",
        "created_at",
        "customer",
        "desired_contact_time",
        "ended_at",
        "id",
        "outcome",
        "representative",
        "state",
        "token",
        "token_expires_at",
        "wait",
    ];
    assert_eq!(names, wanted);
    assert_eq!((&told["wait"]["estimated_minutes"], &told["representative"]["state"]), (&2.into(), &"ringing".into()));
    assert!(!answer.body.contains("+1") && !answer.body.contains("order 7"), "{}", answer.body);
    let asked = world.script.asked.lock().unwrap();
    let direct = asked[0].direct.as_deref().expect("a direct request");
    assert_eq!(direct.representative_information.as_deref(), Some("cruise"));
    assert_eq!(asked[0].web_page.as_ref().map(|page| page.viewed.len()), Some(1));
    assert!(asked[0].representatives.is_empty(), "whom it means is the engine's to say");
}

#[tokio::test]
async fn a_page_that_was_viewed_elsewhere_is_refused() {
    let world = world([]).await;
    let request = REQUEST.replace("\"https://shop.example/\"", "\"https://evil.example/\"");
    let answer = world.send("POST", "/v1/call-requests", HEADERS, &request).await;
    let problem = answer.is_problem(403).json();
    assert_eq!(problem["errors"][0]["pointer"], "/web_page/viewed/0/url");
}
