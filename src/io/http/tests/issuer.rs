//! Where programs find tokens.

use super::*;

#[tokio::test]
async fn programs_find_where_tokens_are_issued() {
    let world = world([]).await;
    let told = world.send("GET", "/.well-known/oauth-authorization-server", "", "").await.json();
    assert_eq!(told["issuer"], "https://calls.example.com");
    assert_eq!(told["token_endpoint"], "https://calls.example.com/oauth2/token");
    assert_eq!(told["grant_types_supported"], serde_json::json!(["client_credentials"]));
}
