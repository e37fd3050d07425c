//! `/v1/calls/{id}/supervisors`: every status, and what the engine is asked.

use super::*;
use crate::engine::api::SupervisorRefusal;
use crate::model::{SupervisorMode, SupervisorView};

const WHISPER: &str = r#"{"supervisor":"+12125550109","mode":"whisper"}"#;

fn supervised() -> Reply {
    let address = Endpoint::parse("+12125550109").unwrap();
    let view = SupervisorView { leg: 2, mode: Some(SupervisorMode::Whisper), view: LegView::idle(address) };
    Reply::Supervised(Some(Box::new(view)))
}

const JSON: &str = "Content-Type: application/json\r\n";

fn json_from(id: &str) -> String {
    format!("{}{JSON}", basic(id, "sesame"))
}

fn path() -> String {
    format!("/v1/calls/{}/supervisors", call(1).id)
}

#[tokio::test]
async fn a_supervisor_is_asked_for_changed_and_dismissed() {
    let world = world([supervised(), supervised(), supervised(), supervised()]).await;
    let headers = json_from("abc");
    let invited = world.send("POST", &path(), &headers, WHISPER).await;
    assert_eq!(invited.status, 202);
    assert!(invited.head.to_lowercase().contains(&format!("location: {}/2", path())), "{}", invited.head);
    let shown = invited.json();
    assert_eq!(
        (shown["leg"].as_u64(), shown["mode"].as_str(), shown["address"].as_str()),
        (Some(2), Some("whisper"), Some("+12125550109"))
    );
    let leg = format!("{}/2", path());
    for method in ["PUT", "PATCH"] {
        assert_eq!(world.send(method, &leg, &headers, r#"{"mode":"join"}"#).await.status, 200);
    }
    assert_eq!(world.ask("DELETE", &leg).await.status, 200);
    let change = SupervisorWish::Change { leg: 2, mode: SupervisorMode::Join };
    let invite =
        SupervisorWish::Invite { address: Endpoint::parse("+12125550109").unwrap(), mode: SupervisorMode::Whisper };
    let wishes = world.script.wishes.lock().unwrap();
    assert_eq!(*wishes, [invite, change.clone(), change, SupervisorWish::Dismiss { leg: 2 }]);
}

#[tokio::test]
async fn the_sender_may_be_named_in_the_message_and_must_be_right() {
    let world = world([supervised()]).await;
    let body = |password: &str| {
        format!(r#"{{"business_id":"abc","password":"{password}","supervisor":"+12125550109","mode":"listen"}}"#)
    };
    world.send("POST", &path(), JSON, &body("wrong")).await.is_problem(401);
    world.send("POST", &path(), JSON, WHISPER).await.is_problem(401);
    world.send("POST", &path(), &json_from("off"), WHISPER).await.is_problem(403);
    assert_eq!(world.send("POST", &path(), JSON, &body("sesame")).await.status, 202);
}

#[tokio::test]
async fn what_is_malformed_is_400_and_an_impossible_number_is_422() {
    let world = world([]).await;
    let headers = json_from("abc");
    for bad in [
        "{}",
        r#"{"supervisor":"+12125550109"}"#,
        r#"{"mode":"listen"}"#,
        r#"{"supervisor":"+12125550109","mode":"shout"}"#,
        r#"{"supervisor":7,"mode":"listen"}"#,
        r#"{"supervisor":"+12125550109","mode":"listen","volume":"11"}"#,
    ] {
        world.send("POST", &path(), &headers, bad).await.is_problem(400);
    }
    world.send("POST", &path(), &headers, r#"{"supervisor":"+1212","mode":"listen"}"#).await.is_problem(422);
    let leg = format!("{}/2", path());
    for bad in ["{}", r#"{"mode":"x"}"#, r#"{"mode":"join","supervisor":"+12125550109"}"#] {
        world.send("PUT", &leg, &headers, bad).await.is_problem(400);
    }
    world.send("GET", &path(), &headers, "").await.is_problem(405);
}

#[tokio::test]
async fn what_the_call_or_the_equipment_refuses_has_its_status() {
    let refused = SupervisorRefusal::NoSuchLeg;
    let world = world([
        Reply::NotSupervised(SupervisorRefusal::NotBridged),
        Reply::NotSupervised(SupervisorRefusal::Present),
        Reply::NotSupervised(SupervisorRefusal::TooMany),
        Reply::AlreadyEnded,
        Reply::Refused(Refusal::DestinationBarred { pointer: "/supervisor".into() }),
        Reply::Refused(Refusal::MediaFull { retry_after: 2 }),
        Reply::Supervised(None),
        Reply::NotSupervised(refused),
        Reply::NotSupervised(SupervisorRefusal::Over),
        Reply::Supervised(None),
    ])
    .await;
    let headers = json_from("abc");
    for status in [409, 409, 409, 409, 403, 503, 404] {
        world.send("POST", &path(), &headers, WHISPER).await.is_problem(status);
    }
    let leg = format!("{}/2", path());
    world.ask("DELETE", &leg).await.is_problem(404);
    world.ask("DELETE", &leg).await.is_problem(409);
    world.script.ended.lock().unwrap().push(ended(1));
    world.ask("DELETE", &leg).await.is_problem(409);
    world.ask("DELETE", &format!("{}/two", path())).await.is_problem(404);
}
