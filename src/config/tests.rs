//! The configuration as operators meet it: defaults, every error at once, variables, arbitrary text.

use std::collections::BTreeMap;
use std::path::Path;

use proptest::prelude::*;

use super::*;

const LEAST: &str = "[[switch]]\nname = \"ssp-62\"\naddress = \"sip:127.0.0.1:5070;transport=udp\"\n";

fn errors(text: &str) -> String {
    parse(text, "callbridge.toml").map(|_| ()).expect_err("no error").to_string()
}

fn with(pairs: &[(&str, &str)]) -> Result<Config, ConfigErrors> {
    let variables = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    parse_with(LEAST, "callbridge.toml", Path::new("/etc/callbridge"), variables)
}

#[test]
fn a_switch_is_all_that_must_be_said() {
    let config = parse(LEAST, "callbridge.toml").unwrap();
    assert_eq!(config.http.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.admin.listen.to_string(), "127.0.0.1:9090");
    assert_eq!(config.sip.listen, vec![(SipTransport::Udp, "127.0.0.1:5060".parse().unwrap())]);
    assert_eq!(config.media.ports, (20_000, 29_999));
    assert_eq!(config.call, CallConfig::default());
    assert_eq!(config.switches[0].address.to_string(), "sip:127.0.0.1:5070;transport=udp");
    assert_eq!(config.switches[0].trunk, crate::model::Trunk::default());
    assert!(config.prompt.texts.connecting.contains("{company}"));
    assert!(notes(&config).is_empty(), "{:?}", notes(&config));
}

#[test]
fn the_example_of_the_contract_and_the_shipped_example_are_understood() {
    let shipped = include_str!("../../config.example.toml");
    let config = parse(shipped, "config.example.toml").unwrap();
    assert_eq!(config.call, CallConfig::default(), "the example shows the defaults");
    assert_eq!(config.switches[0].name, "ssp-62");
    let switch = &config.switches[0];
    assert_eq!(switch.prefixes, vec!["+1"]);
    let least = &parse(LEAST, "callbridge.toml").unwrap().switches[0];
    assert_eq!(switch.trunk, least.trunk, "the example shows the defaults");
    let seconds = |switch: &SwitchConfig| (switch.options_seconds, switch.answer_seconds, switch.trying_seconds);
    assert_eq!(seconds(switch), seconds(least));
}

#[test]
fn every_error_is_told_at_once_with_line_and_mend() {
    insta::assert_snapshot!(errors(include_str!("tests/many_errors.toml")));
}

#[test]
fn broken_toml_is_told_with_its_line() {
    insta::assert_snapshot!(errors("[http]\nlisten = \"127.0.0.1:8080\n[[switch]\nname = 3 4\n"));
}

#[test]
fn an_empty_file_wants_a_switch() {
    insta::assert_snapshot!(errors(""));
}

#[test]
fn variables_override_scalar_keys_and_are_checked_like_them() {
    let config = with(&[
        ("CALLBRIDGE_HTTP_LISTEN", "127.0.0.1:18080"),
        ("CALLBRIDGE_CALL_MAX_HOLD_SECONDS", "60"),
        ("CALLBRIDGE_SIP_LISTEN", "udp:127.0.0.1:15060"),
        ("CALLBRIDGE_HTTP_TLS_CERTIFICATE", "a.pem"),
        ("CALLBRIDGE_HTTP_TLS_KEY", "a.key"),
    ])
    .unwrap();
    assert_eq!(config.http.listen.port(), 18_080);
    assert_eq!(config.call.max_hold_seconds, 60);
    assert_eq!(config.sip.listen[0].1.port(), 15_060);
    assert_eq!(config.http.tls.unwrap().key, Path::new("/etc/callbridge/a.key"));
    let wrong = with(&[
        ("CALLBRIDGE_HTTP_LISTN", "127.0.0.1:1"),
        ("CALLBRIDGE_CALL_MAX_HOLD_SECONDS", "long"),
        ("CALLBRIDGE_COLOUR", "blue"),
    ]);
    insta::assert_snapshot!(wrong.map(|_| ()).unwrap_err().to_string());
}

#[test]
fn every_key_of_a_switch_is_understood() {
    let config = parse(include_str!("tests/full_switch.toml"), "callbridge.toml").unwrap();
    insta::assert_debug_snapshot!(config.switches);
}

#[test]
fn every_error_of_a_switch_is_told_with_line_and_mend_and_no_password() {
    let told = errors(include_str!("tests/wrong_switches.toml"));
    assert!(!told.contains("hunter2"), "{told}");
    insta::assert_snapshot!(told);
}

#[test]
fn a_variable_overrides_the_key_of_one_switch() {
    let config = with(&[
        ("CALLBRIDGE_SWITCH_SSP_62_USERNAME", "callbridge"),
        ("CALLBRIDGE_SWITCH_SSP_62_PASSWORD", "hunter2"),
        ("CALLBRIDGE_SWITCH_SSP_62_DRAIN", "true"),
    ])
    .unwrap();
    let switch = &config.switches[0];
    assert!(switch.drain);
    assert_eq!(switch.trunk.credentials.as_ref().map(|c| c.password.as_str()), Some("hunter2"));
    assert!(!format!("{config:?}").contains("hunter2"));
    let unknown = with(&[("CALLBRIDGE_SWITCH_SSP_63_DRAIN", "true")]).map(|_| ()).unwrap_err().to_string();
    assert!(unknown.contains("did you mean CALLBRIDGE_SWITCH_SSP_62_DRAIN"), "{unknown}");
}

#[test]
fn switches_whose_names_share_a_variable_are_refused_with_both_lines() {
    let switch = |name: &str| format!("[[switch]]\nname = \"{name}\"\naddress = \"sip:127.0.0.1:5070\"\n");
    for other in ["ssp_62", "ssp.62", "SSP-62"] {
        let told = errors(&[switch("ssp-62"), switch("ssp-64"), switch(other)].concat());
        assert!(told.contains("callbridge.toml:8: switch[3].name:"), "{told}");
        assert!(told.contains("CALLBRIDGE_SWITCH_SSP_62_…) with \"ssp-62\", at callbridge.toml:2"), "{told}");
        assert_eq!(told.matches("mend: ").count(), 1, "{told}");
    }
    // One name twice is told as such, once.
    let told = errors(&[switch("ssp-62"), switch("ssp-62")].concat());
    assert_eq!(told.matches("mend: ").count(), 1, "{told}");
}

#[test]
fn a_password_is_the_first_line_of_its_file() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("ssp.password"), "hunter2\nmore\n").unwrap();
    let text = format!("{LEAST}username = \"callbridge\"\npassword_file = \"ssp.password\"\n");
    let config = parse_with(&text, "callbridge.toml", folder.path(), BTreeMap::new()).unwrap();
    let credentials = config.switches[0].trunk.credentials.clone().unwrap();
    assert_eq!((credentials.username.as_str(), credentials.password.as_str()), ("callbridge", "hunter2"));
}

#[test]
fn relative_paths_begin_at_the_files_folder() {
    let config = with(&[]).unwrap();
    assert_eq!(config.store.place, Path::new("/etc/callbridge/callbridge.db").into());
    let text = format!("[store]\nurl = \"sqlite:/var/lib/callbridge/store.db\"\n{LEAST}");
    let config = parse_with(&text, "callbridge.toml", Path::new("/etc/callbridge"), BTreeMap::new()).unwrap();
    assert_eq!(config.store.place, Path::new("/var/lib/callbridge/store.db").into());
}

#[test]
fn plain_http_off_loopback_needs_a_word_or_a_certificate() {
    let listen = "[http]\nlisten = \"0.0.0.0:8080\"\n";
    assert!(errors(&format!("{listen}{LEAST}")).contains("passwords would travel in clear"));
    let config = parse(&format!("{listen}insecure = true\n{LEAST}"), "c").unwrap();
    assert_eq!(notes(&config), vec!["http.insecure: passwords travel in clear"]);
    assert!(parse(&format!("{listen}tls = {{ certificate = \"a\", key = \"b\" }}\n{LEAST}"), "c").is_ok());
}

#[test]
fn sip_listens_on_any_number_of_addresses_and_says_what_is_missing_for_tls() {
    let listen = |list: &str| format!("[sip]\nlisten = [{list}]\n");
    let three = listen(r#""udp:127.0.0.1:5060", "tcp:127.0.0.1:5060", "udp:[::1]:5060""#);
    let config = parse(&format!("{three}{LEAST}"), "c").unwrap();
    assert_eq!(config.sip.listen.len(), 3);
    let tls = listen(r#""udp:127.0.0.1:5060", "tls:127.0.0.1:5061""#);
    assert!(
        errors(&format!("{tls}{LEAST}")).contains("c: sip.tls: missing")
            || errors(&format!("{tls}{LEAST}")).contains("SIP over TLS needs a certificate")
    );
    let good = format!("{tls}tls = {{ certificate = \"a\", key = \"b\" }}\n{LEAST}");
    assert!(parse(&good, "c").unwrap().sip.tls.is_some());
    let twice = listen(r#""tcp:127.0.0.1:5061", "tls:127.0.0.1:5061""#);
    assert!(errors(&format!("{twice}{LEAST}")).contains("takes an address that another one has"));
}

#[test]
fn a_switch_is_reached_only_from_an_address_that_can_reach_it() {
    let tcp = LEAST.replace("transport=udp", "transport=tcp");
    let noted = notes(&parse(&tcp, "c").unwrap());
    assert!(noted.iter().any(|note| note.contains("[sip] listen has no tcp address")), "{noted:?}");
    let listen = |list: &str| format!("[sip]\nlisten = [{list}]\n");
    let only_tcp = listen(r#""tcp:127.0.0.1:5060""#);
    assert!(errors(&format!("{only_tcp}{LEAST}")).contains("no udp address"));
    assert!(notes(&parse(&format!("{only_tcp}{tcp}"), "c").unwrap()).is_empty());
    let only_v6 = listen(r#""udp:[::1]:5060""#);
    assert!(errors(&format!("{only_v6}{LEAST}")).contains("one is IPv4, the other IPv6"));
}

#[test]
fn a_missing_file_says_what_to_do() {
    let error = load(Path::new("/nowhere/callbridge.toml")).map(|_| ()).unwrap_err().to_string();
    assert!(error.starts_with("/nowhere/callbridge.toml: file: cannot be read"), "{error}");
    assert!(error.contains("config.example.toml"), "{error}");
}

/// Text that looks like configuration now and then.
fn shreds() -> impl Strategy<Value = String> {
    let word = prop::sample::select(vec![
        "[http]",
        "[[switch]]",
        "[[business]]",
        "[media]",
        "[sip]",
        "listen",
        "=",
        "\"",
        "[",
        "]",
        "{",
        "}",
        "\n",
        "ports",
        "\"20000-29999\"",
        "\"udp:127.0.0.1:5060\"",
        "address",
        "\"sip:[::1\"",
        "name",
        "0x",
        "tls",
        ".",
        ",",
        "tariff",
        "\"65535-65535\"",
        "-9223372036854775808",
        "1e999",
        "1979-05-27",
        "prefixes",
        "\"+\"",
        "é",
        "\u{0}",
        "'''",
    ]);
    prop::collection::vec(word, 0..40).prop_map(|words| words.join(" "))
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in any::<String>()) {
        if let Err(errors) = parse(&text, "any") {
            prop_assert!(!errors.0.is_empty());
        }
    }

    #[test]
    fn no_near_configuration_makes_it_panic(text in shreds()) {
        if let Err(errors) = parse(&text, "any") {
            prop_assert!(errors.0.iter().all(|error| !error.mend.is_empty() && !error.problem.is_empty()));
        }
    }

    #[test]
    fn no_switch_address_makes_it_panic(text in "(sip:)?[^\"\\\\\\p{C}]{0,30}") {
        let _ = parse(&format!("[[switch]]\nname = \"a\"\naddress = \"{text}\""), "any");
    }
}
