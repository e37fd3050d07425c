//! No secret is in any log, however much is logged: each one that a business, an operator or a program shows or gets is looked for in all
//! that the daemon wrote.

use serde_json::{Value, json};

use crate::support::daemon::Setup;
use crate::support::http::{Credentials, Response, request, send};
use crate::support::story::{CUSTOMER, REPRESENTATIVES, Story};

const LOUD: &str =
    "[log]\nfilter = \"trace\"\n[[admin.operator]]\nname = \"anna\"\npassword_file = \"password\"\nrole = \"write\"\n";

/// What an answer shows under a name.
fn shown(answer: &Response, pointer: &str) -> String {
    let json = answer.json();
    let text = json.pointer(pointer).and_then(Value::as_str);
    text.unwrap_or_else(|| panic!("{pointer} is not in {json}")).to_owned()
}

#[test]
fn no_secret_is_in_the_log_even_where_everything_is_logged() {
    let story = Story::with(Setup { more: LOUD.to_owned(), ..Setup::default() });
    let daemon = &story.daemon;
    let mut secrets = vec![daemon.business.password.clone()];
    let operator = Credentials { id: "anna".into(), password: daemon.business.password.clone() };
    let admin = |method: &str, path: &str, body: &Value| {
        let answer = request(daemon.admin, method, path, Some(&operator), Some(body)).expect("an answer");
        assert!(answer.status < 300, "{method} {path}: {} {}", answer.status, answer.body);
        answer
    };

    let account =
        json!({ "id": "xyz", "name": "XYZ", "webhook": { "url": "https://hooks.example.com/a-path-of-theirs" } });
    let made = admin("POST", "/admin/v1/businesses", &account);
    let password = shown(&made, "/secrets/password");
    secrets.push(shown(&made, "/secrets/webhook_secret"));
    let key = admin("POST", "/admin/v1/businesses/xyz/page-keys", &json!({ "id": "k1" }));
    secrets.push(shown(&key, "/secrets/page_key"));
    let session = request(daemon.admin, "POST", "/admin/v1/sessions", Some(&operator), None).expect("an answer");
    secrets.push(shown(&session, "/token"));

    let guess = Credentials { id: "abc".into(), password: "a-guess-of-somebodys".into() };
    assert_eq!(request(daemon.http, "GET", "/v1/calls", Some(&guess), None).expect("an answer").status, 401);
    let message = json!({ "business_id": "abc", "password": "another-guess-inside", "customer": CUSTOMER,
        "representative": REPRESENTATIVES[0], "note": "my-card-is-4111111111111111" });
    assert_eq!(request(daemon.http, "POST", "/v1/calls", None, Some(&message)).expect("an answer").status, 401);
    secrets.extend([guess.password, "another-guess-inside".to_owned(), "4111111111111111".to_owned()]);
    let token = send(daemon.http, "GET", "/v1/call-requests/x?token=a-token-in-a-query", &[], None).expect("an answer");
    assert!(token.status >= 400);
    secrets.push("a-token-in-a-query".to_owned());

    // A new account is in force within a second; asking before would be a guess.
    std::thread::sleep(std::time::Duration::from_millis(1_500));
    let own = Credentials { id: "xyz".into(), password: password.clone() };
    assert_eq!(request(daemon.http, "GET", "/v1/calls", Some(&own), None).expect("an answer").status, 200);
    secrets.push(password);

    let customer = story.customer("customer-busy");
    let note = json!({ "note": "ring-twice-please", "customer": CUSTOMER, "representative": REPRESENTATIVES[0] });
    let call = story.call_with(note);
    call.record();
    customer.finish();
    secrets.push("ring-twice-please".to_owned());
    secrets.push(CUSTOMER.trim_start_matches('+').to_owned());

    let log = daemon.log();
    assert!(log.lines().count() > 10, "everything is logged: {log}");
    for secret in &secrets {
        assert!(secret.len() > 6, "{secret:?} could be in it by chance");
        assert!(!log.contains(secret.as_str()), "{secret} is in the log");
    }
    story.end();
}
