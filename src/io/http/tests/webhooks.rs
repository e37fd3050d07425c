//! `/v1/webhooks/…` over a socket: what is listed, what is sent again, what is refused.

use super::*;
use crate::io::http::webhooks::OutboxPort;
use crate::io::store::{Delivery, DeliveryFilter, DeliveryId, DeliveryState, TestEvent};

impl OutboxPort for Scripted {
    fn deliveries(&self, filter: DeliveryFilter) -> Pending<'_, Result<Vec<Delivery>, StoreUnreadable>> {
        let all = [delivery(2, DeliveryState::Waiting), delivery(1, DeliveryState::Dead)];
        let found = all.into_iter().filter(|delivery| filter.state.is_none_or(|state| state == delivery.state));
        let found = found.filter(|delivery| filter.before.is_none_or(|before| delivery.id < before));
        self.read(found.take(filter.limit).collect())
    }
    fn replay(&self, _: BusinessId, id: DeliveryId, _: Wall) -> Pending<'_, Result<bool, StoreUnreadable>> {
        self.read(id == delivery(1, DeliveryState::Dead).id)
    }
    fn test(&self, _: TestEvent) -> Pending<'_, Result<bool, StoreUnreadable>> {
        self.read(true)
    }
}

fn delivery(sequence: u32, state: DeliveryState) -> Delivery {
    Delivery {
        id: DeliveryId { subject: call(1).id, sequence },
        business: "abc".parse().unwrap(),
        kind: "call.state_changed".into(),
        state,
        attempts: 3,
        created_at: now(),
        next_attempt_at: None,
        settled_at: None,
        status: Some(500),
        problem: Some("it answered 500".into()),
    }
}

fn basic(business: &str) -> String {
    let pair = base64::engine::general_purpose::STANDARD.encode(format!("{business}:sesame"));
    format!("Authorization: Basic {pair}\r\n")
}

#[tokio::test]
async fn deliveries_are_listed_by_state_and_in_pages() {
    let world = world([]).await;
    let get = async |path: &str| world.send("GET", path, &basic("abc"), "").await;
    let all = get("/v1/webhooks/deliveries?limit=1").await;
    assert_eq!(all.status, 200, "{}", all.body);
    let page = all.json();
    let first = &page["deliveries"][0];
    assert_eq!((&first["state"], &first["sequence"]), (&"waiting".into(), &2.into()));
    assert_eq!(first["call_id"], call(1).id.to_string());
    let cursor = page["next_cursor"].as_str().expect("more");
    let rest = get(&format!("/v1/webhooks/deliveries?cursor={cursor}")).await.json();
    assert_eq!(
        (rest["deliveries"].as_array().map(Vec::len), &rest["next_cursor"]),
        (Some(1), &serde_json::Value::Null)
    );
    let dead = get("/v1/webhooks/deliveries?state=dead").await.json();
    assert_eq!(dead["deliveries"][0]["problem"], "it answered 500");
    get("/v1/webhooks/deliveries?way=sink&state=dead").await.json();
    get("/v1/webhooks/deliveries?state=lost").await.is_problem(400);
    get("/v1/webhooks/deliveries?way=pigeon").await.is_problem(400);
    get("/v1/webhooks/deliveries?cursor=msg_1").await.is_problem(400);
    world.send("GET", "/v1/webhooks/deliveries", "", "").await.is_problem(401);
}

#[tokio::test]
async fn only_what_is_settled_is_sent_again_and_only_where_somebody_takes_it() {
    let world = world([]).await;
    let path = |id: DeliveryId| format!("/v1/webhooks/deliveries/{id}/replay");
    let [dead, waiting] = [1, 2].map(|sequence| delivery(sequence, DeliveryState::Dead).id);
    let post = async |who: &str, path: &str, body: &str| world.send("POST", path, &basic(who), body).await;
    let again = post("told", &path(dead), "").await;
    assert_eq!((again.status, again.json()["id"].as_str()), (202, Some(dead.to_string().as_str())));
    post("told", &path(waiting), "").await.is_problem(409);
    post("told", &path(DeliveryId { sequence: 7, ..dead }), "").await.is_problem(404);
    post("told", "/v1/webhooks/deliveries/x/replay", "").await.is_problem(404);
    post("told", &path(dead), "{}").await.is_problem(400);
    // This one has no webhook.
    post("abc", &path(dead), "").await.is_problem(409);
    post("abc", "/v1/webhooks/test", "").await.is_problem(409);
    assert_eq!(post("told", "/v1/webhooks/test", "").await.status, 202);
}
