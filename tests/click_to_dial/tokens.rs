//! `POST /oauth2/token` and what its tokens open: the forms and errors of RFC 6749 and RFC 6750, and what ends a token.

use base64::Engine as _;

use super::support::http::send;
use super::support::wait::{PATIENCE, eventually};
use super::*;

const FORM: &str = "grant_type=client_credentials";

/// The status of a request that a token with every scope may make.
fn opens(daemon: &Daemon, authorization: &str) -> u16 {
    let path = format!("{CALLS}/00000000-0000-7000-8000-000000000000");
    send(daemon.http, "GET", &path, &[("Authorization", authorization)], None).expect("an answer").status
}

#[test]
fn a_business_gets_a_token_by_basic_or_in_the_form() {
    let stage = Stage::start();
    let daemon = &stage.daemon;
    let answer = ask_token(daemon, &[("Authorization", &basic(daemon))], FORM);
    assert_eq!(answer.status, 200, "{}", answer.body);
    let head = answer.head.to_lowercase();
    assert!(head.contains("cache-control: no-store") && head.contains("content-type: application/json"), "{head}");
    let token = answer.json();
    assert_eq!((&token["token_type"], &token["expires_in"]), (&json!("Bearer"), &json!(3600)));
    assert_eq!(token["scope"].as_str().expect("scopes").split(' ').count(), 4);
    let password = daemon.business.password.replace(' ', "+");
    let form = format!("{FORM}&client_id=abc&client_secret={password}&scope=click-to-dial:calls:read&unknown=1&empty=");
    let in_form = ask_token(daemon, &[], &form);
    assert_eq!(in_form.status, 200, "{}", in_form.body);
    assert_eq!(in_form.json()["scope"], "click-to-dial:calls:read");
    // As RFC 6749 §2.3.1 would have the pair encoded before Basic takes it.
    let encoded = base64::engine::general_purpose::STANDARD.encode(format!("abc:{}", password.replace(',', "%2C")));
    let answer = ask_token(daemon, &[("Authorization", &format!("Basic {encoded}"))], FORM);
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert!(!daemon.log().contains(token["access_token"].as_str().expect("a token")));
}

#[test]
fn every_wrong_request_has_its_error_and_an_unknown_business_is_a_wrong_password() {
    let stage = Stage::start();
    let daemon = &stage.daemon;
    let (right, kind) = (basic(daemon), "Authorization");
    let guess = |pair: &str| format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair));
    for (authorization, form, status, error) in [
        (&right, "", 400, "invalid_request"),
        (&right, "grant_type=", 400, "invalid_request"),
        (&right, "grant_type=password&username=a&password=b", 400, "unsupported_grant_type"),
        (&right, "grant_type=client_credentials&grant_type=client_credentials", 400, "invalid_request"),
        (&right, "grant_type=client_credentials&scope=openid", 400, "invalid_scope"),
        (&guess("abc:guess"), FORM, 401, "invalid_client"),
        (&guess("nobody:guess"), FORM, 401, "invalid_client"),
        (&right, "grant_type=client_credentials&client_id=abd", 401, "invalid_client"),
        (&String::from("Bearer abc"), FORM, 401, "invalid_client"),
    ] {
        let answer = ask_token(daemon, &[(kind, authorization)], form);
        assert_eq!((answer.status, answer.json()["error"].as_str()), (status, Some(error)), "{form}: {}", answer.body);
        assert!(answer.head.to_lowercase().contains("cache-control: no-store"), "{}", answer.head);
        assert_eq!(answer.head.to_lowercase().contains("www-authenticate: basic"), status == 401, "{}", answer.head);
    }
    let bodies = ["abc:guess", "nobody:guess"].map(|pair| ask_token(daemon, &[(kind, &guess(pair))], FORM).body);
    assert_eq!(bodies[0], bodies[1]);
    assert_eq!(ask_token(daemon, &[], FORM).status, 401);
    let json = send(daemon.http, "POST", "/oauth2/token", &[(kind, &right)], Some(&json!({}))).expect("an answer");
    assert_eq!((json.status, json.json()["error"].as_str()), (400, Some("invalid_request")));
}

#[test]
fn a_token_opens_its_scopes_and_nothing_else() {
    let stage = Stage::start();
    let daemon = &stage.daemon;
    let id = stage.create(&pair());
    let one = format!("/{id}");
    let recording = format!("/{id}/recording");
    let operations: [(&str, &str, &str); 4] = [
        ("click-to-dial:calls:create", "POST", ""),
        ("click-to-dial:calls:read", "GET", &one),
        ("click-to-dial:recordings:read", "GET", &recording),
        ("click-to-dial:calls:delete", "DELETE", &one),
    ];
    for (scope, ..) in operations {
        let token = token(daemon, scope);
        for (needed, method, path) in operations {
            // The pair talks already: what is allowed is refused for another reason, and changes nothing.
            let body = (method == "POST").then(pair);
            if (needed, scope) == ("click-to-dial:calls:delete", "click-to-dial:calls:delete") {
                continue;
            }
            let answer = asked(daemon, &token, &stage.judge, method, path, body.as_ref());
            if needed == scope {
                assert_ne!(answer.status, 403, "{method} {path} with {scope}");
            } else {
                is_refused(&answer, 403, "PERMISSION_DENIED");
                assert!(answer.head.contains("insufficient_scope"), "{}", answer.head);
            }
        }
    }
    let delete = token(daemon, "click-to-dial:calls:delete");
    assert_eq!(asked(daemon, &delete, &stage.judge, "DELETE", &one, None).status, 204);
}

#[test]
fn without_a_token_that_holds_nothing_is_answered() {
    let stage = Stage::start();
    let daemon = &stage.daemon;
    let (bearer, basic) = (format!("Bearer {}", stage.token), basic(daemon));
    let cut = &bearer[..bearer.len() - 1];
    for headers in [
        vec![],
        vec![("Authorization", "Bearer")],
        vec![("Authorization", cut)],
        vec![("Authorization", basic.as_str())],
        vec![("Authorization", bearer.as_str()), ("Authorization", basic.as_str())],
    ] {
        let answer = send(daemon.http, "POST", CALLS, &headers, Some(&pair())).expect("an answer");
        is_refused(&answer, 401, "UNAUTHENTICATED");
        stage.judge.answer("POST", "/calls", &answer);
        assert!(answer.head.to_lowercase().contains("www-authenticate: bearer"), "{}", answer.head);
    }
    // It is no password either.
    let answer = send(daemon.http, "GET", "/v1/calls", &[("Authorization", &bearer)], None).expect("an answer");
    assert_eq!(answer.status, 401);
}

#[test]
fn a_token_outlives_a_restart_and_ends_with_the_password_or_the_account() {
    let mut stage = Stage::start();
    let first = format!("Bearer {}", stage.token);
    assert_eq!(opens(&stage.daemon, &first), 404);
    stage.daemon.kill();
    stage.daemon.restart();
    assert_eq!(opens(&stage.daemon, &first), 404, "it holds");
    let daemon = &stage.daemon;
    command(daemon, &["business", "set-password", "abc", "--password-stdin"], "another, longer one\n");
    eventually("the first token to end", PATIENCE, || (opens(daemon, &first) == 401).then_some(()));
    let pair = base64::engine::general_purpose::STANDARD.encode("abc:another, longer one");
    let answer = ask_token(daemon, &[("Authorization", &format!("Basic {pair}"))], FORM);
    let second = format!("Bearer {}", answer.json()["access_token"].as_str().expect("a token"));
    assert_eq!(opens(daemon, &second), 404);
    command(daemon, &["business", "disable", "abc"], "");
    eventually("the second token to end", PATIENCE, || (opens(daemon, &second) == 401).then_some(()));
    let answer = ask_token(daemon, &[("Authorization", &format!("Basic {pair}"))], FORM);
    assert_eq!((answer.status, answer.json()["error"].as_str()), (400, Some("unauthorized_client")));
}
